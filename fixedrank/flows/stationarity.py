"""Whether a flow has come to rest: by the size of what is left, and by what could still grow.

A small velocity alone means nothing: a flow passes saddles as slowly as it likes, and an explicit
method at the limit of its stability keeps trembling about a rest point at the level of its
tolerances. So the flow is linearised. With rates L (the Hessian in orthonormal coordinates of the
metric) and gradient g, it is at rest for the remaining time T if the rest point, L^{-1} g away, is
within ten tolerances, and no rate there is below -1 / (10 T): then nothing grows by more than a
tenth. Rates come from differences of gradients: what they are known to is measured, by how far
L (x + y) is from L x + L y, and a rate within this noise counts as zero however long T is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from scipy.sparse.linalg import ArpackError, LinearOperator, cg, eigsh

from fixedrank._checks import Array
from fixedrank.flows.known_rates import KnownRates
from fixedrank.flows.scales import binary_scale

# A step that moves less than this many tolerances is worth a look.
SLOW = 100.0
# How near a rest point has to be, in tolerances. At the limit of stability explicit methods tremble
# by a few; RKC, which damps all directions in each step, comes as near as one likes.
CLOSE, CLOSE_DAMPED = 10.0, 0.01
# A singular value of fewer tolerances may be on its way to zero, and is followed there.
_VANISHING = 1000.0
# Up to these sizes a dense matrix of rates is cheaper, affordable once, and affordable where it
# costs half of what went before: to rates of 1e-6 of the largest Lanczos' method needs as many.
_DENSE, _AFFORDABLE, _LARGE = 60, 400, 4000
# The first look after so many evaluations; later ones may cost half of all that went before.
PATIENCE = 500
# The evaluations for which a look at a large state is a bargain.
_BARGAIN = 400
# Beyond so long a time, or its inverse, squares of rates may leave floating point.
_LONG = 1e60
# The absolute tolerance beside the relative one, if none is given, in norms of the largest state.
ABSOLUTE = 0.01
# The noise of a rate beside that of a product; that of a gradient, in units of the noise of a
# product with the state: differences move by a millionth of it.
_NOISE, _DIFFERENCE = 5.0, 1e-4
# The noise of a gradient may be so many times what that of differences tells, as not all weights
# are as large as the largest. 2026-11: 2.5 times, for a 20 x 20 matrix of rank 2 at depth 3.
_ROUND_OFF = 100.0
# Iterations to the rest point, each by four digits, and the shortest search for each; a flow that
# has taken many evaluations, as slow ones do, is worth a longer one.
_ITERATIONS, _SEARCH = 6, 400


class Linearised(Protocol):
    """A flow that can be linearised at a state."""

    def moved(self, before: Array, after: Array) -> tuple[float, float]:
        """Return how far the matrix, or the layers, moved, and their norm."""
        ...

    def smallest(self, state: Array) -> float:
        """Return what is kept to relative accuracy and may tend to zero."""
        ...

    def linearisation(self, state: Array) -> tuple[LinearOperator, Array, Array]:
        """Return L and g in orthonormal coordinates, and the length of each coordinate."""
        ...

    def corrected(self, state: Array, displacement: Array) -> Array:
        """Return the state less a small displacement, in coordinates times their lengths."""
        ...


@dataclass
class RestTest:
    """Asks now and then whether a flow is at rest, and keeps the cost of asking in proportion."""

    rtol: float
    atol: float | None
    close: float = CLOSE
    spent: int = field(default=0)
    largest: float = field(default=0.0)

    def at_rest(
        self,
        system: Linearised,
        before: Array,
        after: Array,
        left: float,
        evaluations: int,
        at_once: bool = False,
    ) -> tuple[str, Array] | None:
        """Return why the flow is at rest for the time that is left, and where, or None."""
        if evaluations < 2 * self.spent + (0 if at_once else PATIENCE):
            return None
        distance, norm = system.moved(before, after)
        self.largest = max(self.largest, norm)
        absolute = ABSOLUTE * self.rtol * self.largest if self.atol is None else self.atol
        tolerance = self.rtol * norm + absolute
        if distance > SLOW * tolerance or system.smallest(after) < _VANISHING * tolerance:
            return None
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                affordable = evaluations // 8
                return self._rest_point(system, after, norm, tolerance, left, affordable)
        except (ArpackError, np.linalg.LinAlgError, FloatingPointError):
            # No convergence, or a loss that is not defined around here: then who knows.
            return None

    def _rest_point(
        self,
        system: Linearised,
        state: Array,
        norm: float,
        tolerance: float,
        left: float,
        affordable: int,
    ) -> tuple[str, Array] | None:
        """Return why a rest point is near, and what it is, by Newton's method; None if it is not.

        The rates are those at the rest point itself: beside it what does not move there has rates,
        too. Each gradient is a new one: of a single one, what a few digits of L leave is not known.
        """
        remaining, noise, before, search = 0.0, 0.0, math.inf, max(_SEARCH, affordable)
        unit = 1.0
        if not 1 / _LONG < left < _LONG:
            unit = _pace(system.linearisation(state)[0])
            left /= unit
        for _ in range(_ITERATIONS):
            rates, gradient, lengths = system.linearisation(state)
            if isinstance(rates, KnownRates):
                noise = noise or unit * rates.noise
            rates, lengths = self._counted(rates, unit), unit * lengths
            longest = float(np.abs(lengths).max())
            noise = noise or _noise(rates)
            # A gradient r moves nothing further than r * left; below its noise it is nothing.
            slowest = 0.1 * self.close * tolerance / left
            below = _DIFFERENCE * noise * norm
            small, size = max(slowest, below) / longest, float(np.linalg.norm(gradient))
            # Where a step makes it no smaller, round-off is all that it is.
            if size <= small or before / 2 < size <= _ROUND_OFF * below / longest:
                break
            before = size
            step, info = cg(rates, gradient, rtol=1e-4, atol=0.5 * small, maxiter=search)
            remaining += float(np.linalg.norm(lengths * step))
            if info != 0 or not remaining <= self.close * tolerance:
                return None
            state = system.corrected(state, lengths * step)
        else:
            return None
        slow = max(0.1 / left, _NOISE * noise)
        dense = max(_DENSE, min(affordable, _LARGE))
        noise *= _NOISE
        lowest, count = _lowest(rates, gradient, slow, dense, noise)
        if lowest < -slow:
            return None
        reason = f"the limit is within {remaining:.1e} (tolerance {tolerance:.1e})"
        if lowest < -noise:
            reason += _saddle(count) + ", too slowly for the time that is left"
        return reason, state

    def _counted(self, rates: LinearOperator, unit: float) -> LinearOperator:
        if isinstance(rates, KnownRates) and unit == 1:
            return rates

        def product(vector: Array) -> Array:
            # Two evaluations of a gradient with blocks twice as wide; and the Lanczos method
            # orthogonalises, which takes 20 evaluations' time for 300,000 numbers in layers.
            self.spent += 4 + vector.size // 15_000
            return unit * _finite(rates, vector)

        return LinearOperator(rates.shape, matvec=product, dtype=np.float64)


def _pace(rates: LinearOperator) -> float:
    """Return a unit of time in which rates that are large or small are of the order of one."""
    vector = np.random.default_rng(0).standard_normal(rates.shape[0])
    size = float(np.abs(_finite(rates, vector)).max())
    return 1.0 if 1 / _LONG < size < _LONG or size == 0 else 1 / binary_scale(size)


def worth_asking(size: int, ahead: float) -> bool:
    """Say whether a look may cost less than the evaluations that are ahead, to the last time.

    It takes a product with the rates for each number in a small state, and hundreds in a large one.
    """
    return size <= _DENSE or ahead >= min(size, _BARGAIN)


def leaving(system: Linearised, state: Array) -> str:
    """Say, of a rest point, that it is a saddle and how many directions leave it, if it is."""
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            rates, gradient, _ = system.linearisation(state)
            rates = _checked(rates)
            noise = _NOISE * _noise(rates)
            lowest, count = _lowest(rates, gradient, noise, _AFFORDABLE, noise)
    except (ArpackError, np.linalg.LinAlgError, FloatingPointError):
        return ""
    return _saddle(count) if lowest < -noise else ""


def _saddle(count: int | None) -> str:
    if count is None:
        return "; it is a saddle, and at least one direction leaves it"
    directions = "one direction leaves it" if count == 1 else f"{count} directions leave it"
    return f"; it is a saddle, and {directions}"


def _noise(rates: LinearOperator) -> float:
    """Return how far the products with two vectors of length 1 are from additive."""
    pair = np.random.default_rng(0).standard_normal((2, rates.shape[0]))
    first, second = pair / np.linalg.norm(pair, axis=1, keepdims=True)
    both = rates @ (first + second)
    defect = float(np.linalg.norm(both - rates @ first - rates @ second))
    return max(defect, float(np.finfo(float).eps) * float(np.linalg.norm(both)))


def _lowest(
    rates: LinearOperator, start: Array, slow: float, affordable: int, noise: float
) -> tuple[float, int | None]:
    """Return the lowest rate, to a tenth of what is slow, and how many are negative, if known.

    That is how many are below the noise, which may be less than what is slow.
    """
    size = start.size
    if size <= affordable:
        matrix = rates.matrix if isinstance(rates, KnownRates) else rates @ np.eye(size)
        values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
        return float(values[0]), int((values < -noise).sum())
    # A constant vector has a part in directions that the gradient misses by symmetry.
    start = start + (1e-3 * float(np.linalg.norm(start)) or 1.0)
    options = {"k": 1, "v0": start, "ncv": min(40, size), "return_eigenvectors": False}
    highest = float(eigsh(rates, which="LA", tol=0.1, **options)[0])

    def turned(vector: Array) -> Array:
        return highest * np.ravel(vector) - rates @ np.ravel(vector)

    # Turned around and shifted, as ARPACK measures convergence relative to the eigenvalue.
    operator = LinearOperator(rates.shape, matvec=turned, dtype=np.float64)
    tol = max(0.1 * slow / (highest + slow), 1e-12)
    return highest - float(eigsh(operator, which="LA", tol=tol, maxiter=60, **options)[0]), None


def _checked(rates: LinearOperator) -> LinearOperator:
    return LinearOperator(rates.shape, matvec=lambda v: _finite(rates, v), dtype=np.float64)


def _finite(rates: LinearOperator, vector: Array) -> Array:
    image = np.asarray(rates @ np.ravel(vector))  # some versions of SciPy hand in a column
    if not np.isfinite(image.sum()):
        raise FloatingPointError
    return image
