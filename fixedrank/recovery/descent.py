"""Conjugate gradients on the manifold that are watched, and stopped where they are at their end."""

from __future__ import annotations

import sys
from typing import Any

from pymanopt.optimizers import ConjugateGradient

from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.manifold import FixedRank
from fixedrank.recovery.line_search import ExactStartLineSearcher
from fixedrank.recovery.record import Record

# Of so many iterations one asks what they brought.
_LATELY = 20
# The share by which the objective must fall in as many iterations, unless it is at its end.
_STAGNANT = 1e-3
# What the cost may fall by between points that are as good; and where no step finds less.
_ROUND_OFF, _FLAT = 1e-14, 1e-8


class _Ended(Exception):  # noqa: N818
    """Raised out of pymanopt's loop, which asks nobody whether to go on."""


class _Watched(ExactStartLineSearcher):
    """The line search, which sees each accepted point."""

    def __init__(self, record: Record, impatient: float | None, most: int) -> None:
        super().__init__(record.problem)
        self.record, self.impatient, self.most = record, impatient, most
        self.costs: list[float] = []

    def search(
        self, objective: Any, manifold: Any, x: Any, d: Any, f0: float, df0: float
    ) -> tuple[float, Any]:
        """Search, note the point that is found, and end the descent if it is due."""
        if not self.costs:
            self.costs.append(f0)
        length, point = super().search(objective, manifold, x, d, f0, df0)
        if length == 0:
            flat = -df0 <= _FLAT * abs(f0) or self._fall(1) <= _FLAT * abs(f0)
            raise _Ended("stationary" if flat else "stagnated")
        self.record.note(point)
        self.costs.append(float(objective(point)))
        self._end_if_due()
        return length, point

    def _fall(self, steps: int, before: int = 0) -> float:
        """Return by how much the cost fell in the last steps, or in those before as many others."""
        costs, end = self.costs, -1 - before
        return costs[end - steps] - costs[end] if len(costs) + end - steps >= 0 else float("inf")

    def _end_if_due(self) -> None:
        record, cost, done = self.record, abs(self.costs[-1]), len(self.costs) - 1
        if record.is_solved():
            raise _Ended("solved")
        # Three in a row, since a single direction may be a bad one.
        if self._fall(3) <= 3 * max(record.rtol**2, _ROUND_OFF) * cost:
            raise _Ended("stationary")
        if done >= self.most:
            raise _Ended("stopped")
        if done % _LATELY:
            return
        if self.impatient and record.last > self.impatient * record.residuals[-1 - _LATELY]:
            raise _Ended("slow")
        # Little, and no less than before: what converges brings less each time.
        fall = self._fall(_LATELY)
        if fall < _STAGNANT * cost and fall > self._fall(_LATELY, _LATELY) / 3:
            raise _Ended("stagnated")


def descend(
    record: Record,
    start: FixedRankPoint,
    depth: float,
    *,
    impatient: float | None = None,
    most: int = 1000,
) -> str:
    """Go on from a point that is noted; return why it ended, with the last point in the record.

    Parameters
    ----------
    record : Record
        What is known so far; the start is its last point.
    start : FixedRankPoint
        The start.
    depth : float
        The depth of the metric.
    impatient : float, optional
        "slow" ends it, where twenty iterations leave more than this share of the residual.
    most : int
        The most iterations.

    Returns
    -------
    str
        "solved", "stationary", "stagnated", "stopped" or "slow".
    """
    watched = _Watched(record, impatient, most)
    manifold = FixedRank(*record.problem.shape, start.s.size, depth=depth)
    optimizer = ConjugateGradient(
        verbosity=0,
        line_searcher=watched,
        max_iterations=sys.maxsize,
        max_time=float("inf"),
        max_cost_evaluations=sys.maxsize,
        min_gradient_norm=0,
        min_step_size=0,
    )
    try:
        optimizer.run(record.problem.to_pymanopt(manifold), initial_point=start)
    except _Ended as end:
        return str(end)
    except ZeroDivisionError:
        # pymanopt divides by the norm of the gradient.
        return "stationary"
    raise AssertionError("a descent without criteria of its own came to an end")
