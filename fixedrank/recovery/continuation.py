"""Rank after rank: singular values are added as the residual shows them, the largest first.

Where they are spread widely, what is left of the large ones hides the small ones from a start with
all of them; one that has fitted the large ones sees the next.
"""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import Array, numerical_rank, round_off
from fixedrank.geometry.factored.ambient import as_ambient
from fixedrank.geometry.factored.orthonormal import orthonormal_columns
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.recovery.alternating import AlternatingSweeps
from fixedrank.recovery.descent import descend
from fixedrank.recovery.directions import leading_triples
from fixedrank.recovery.rank import truncate
from fixedrank.recovery.record import Record

# Singular values of the residual within this share of the largest come together, at most so many,
# and not more than there are: those of noise are near each other too.
_TOGETHER, _AT_ONCE = 0.8, 4
# A rank is done where a sweep leaves more than this share of the residual; the last one sooner,
# since an iteration of conjugate gradients costs a third of a sweep.
_SLOW, _LAST = 0.9, 0.2
# Below the highest rank one sweep is enough while so much of the values is not explained yet.
_ROUGH = 0.4
# The size of what is random in the first directions.
_PERTURBATION = 1e-3
# Iterations at a rank where there are no sweeps.
_ITERATIONS = 6


class Continuation:
    """The way from no point to one of a given rank.

    Parameters
    ----------
    record : Record
        The problem, and where points are noted.
    sweeps : AlternatingSweeps or None
        By which points are improved; without it by conjugate gradients at depth 1.
    rng : numpy.random.Generator
        For random blocks.
    at_once : int
        How many singular values may be added together.
    """

    def __init__(
        self,
        record: Record,
        sweeps: AlternatingSweeps | None,
        rng: np.random.Generator,
        at_once: int = _AT_ONCE,
    ) -> None:
        self.record, self.sweeps, self.rng, self.at_once = record, sweeps, rng, at_once

    def run(self, rank: int, start: FixedRankPoint | None = None) -> FixedRankPoint:
        """Return a point of this rank, or of a lower one if it fits or no other fits better."""
        point, reached = self._first(rank) if start is None else start, 0
        while True:
            point = self._improved(point, rank)
            # What was added may be lost again, with a ridge.
            if self.record.is_solved() or not reached < point.s.size < rank:
                return point
            reached = point.s.size
            higher = self.raised(point, rank)
            if higher is None:
                return point
            point = higher

    def swept(self, point: FixedRankPoint, share: float, rank: int) -> FixedRankPoint:
        """Return the point after sweeps, until one leaves more than this share of the residual."""
        record, before = self.record, np.inf
        assert self.sweeps is not None
        while True:
            # Before the first sweep nothing is explained.
            residual = record.last if record.residuals else 1.0
            point = self.sweeps.sweep(point, residual * record.norm)
            kept, _ = numerical_rank(point.s, point.s.size)
            point = truncate(point, kept)
            record.note(point)
            if record.is_solved() or record.last > share * before:
                return point
            if point.s.size < rank and record.last > _ROUGH:
                return point
            before = record.last

    def _improved(self, point: FixedRankPoint, rank: int) -> FixedRankPoint:
        last = point.s.size == rank
        if self.sweeps is not None:
            return self.swept(point, _LAST if last else _SLOW, rank)
        self.record.note(point)
        if not last and not self.record.is_solved():
            descend(self.record, point, 1.0, most=_ITERATIONS)
        return self.record.point

    def _first(self, rank: int) -> FixedRankPoint:
        """Return the leading part of what the values alone say, in the size that fits best."""
        problem = self.record.problem
        weighted = problem._weighted(problem.values)
        known = as_ambient(problem._measurements.adjoint(weighted), problem.shape)
        many = rank if self.at_once > 1 else 1
        u, s, v = leading_triples(known, many, self.rng, passes=2, off=None)
        if not s[0] > self.record.ridge:
            raise ValueError(
                f"with this ridge the best matrix is zero: {self.record.ridge / s[0]:.3g} times "
                "the largest singular value of the sum of w_i y_i A_i, where less than 1 is needed"
            )
        count = int((s > _TOGETHER * s[0]).sum())
        u, v = (self._perturbed(block[:, :count]) for block in (u, v))
        s = s[:count]
        measured = problem._measurements.of_product(u * s, v)
        s = s * (float(measured @ weighted) / float(measured @ problem._weighted(measured)))
        return FixedRankPoint(u, s, v.T)

    def _perturbed(self, basis: Array) -> Array:
        """Return a basis that is not orthogonal to anything: what is so may never be found."""
        size = _PERTURBATION / math.sqrt(len(basis))
        return orthonormal_columns(basis + size * self.rng.standard_normal(basis.shape))

    def raised(self, point: FixedRankPoint, rank: int, passes: int = 2) -> FixedRankPoint | None:
        """Return a point of higher rank and lower cost, or None where none is to be seen."""
        record, problem, ridge = self.record, self.record.problem, self.record.ridge
        most = min(rank - point.s.size, self.at_once, point.s.size)
        gradient = as_ambient(problem.gradient(point), problem.shape)
        u, s, v = leading_triples(gradient, most, self.rng, passes=passes, off=point)
        if not s[0] > max(ridge, round_off(max(problem.shape), record.last * record.norm)):
            return None
        count = int((s > max(_TOGETHER * s[0], ridge)).sum())
        u, s, v = -u[:, :count], s[:count], v[:, :count]
        # Of all directions of this size in these spaces the loss with the ridge falls most there.
        s = s - ridge
        added = problem._trial_step(point, (u * s, v)) * s
        raised = np.hstack((point.u, u)), np.append(point.s, added), np.vstack((point.vt, v.T))
        return truncate(raised, added.size + point.s.size)
