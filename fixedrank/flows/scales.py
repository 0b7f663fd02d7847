"""The sizes of things, wherever floating point has them."""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import Array

# A matrix that has fallen by this factor is zero beside what it was; and one as small as this
# has no room for its relative accuracy.
DECAYED, SMALLEST = 1e-150, 4 * float(np.finfo(float).tiny)
# Rates up to 2 to this power, and down to its inverse, divided by tolerances, can be squared.
_SQUARED = 300.0


def binary_scale(size: float) -> float:
    """Return the power of two below a size > 0: dividing by it is exact."""
    return math.ldexp(1.0, math.frexp(size)[1] - 1)


def length(array: Array) -> float:
    """Return the Frobenius norm; squares neither overflow nor underflow."""
    largest = float(np.abs(array).max(initial=0.0))
    if not 0 < largest < math.inf:
        return largest
    return largest * float(np.linalg.norm(np.ravel(array) / largest))


def pace(velocity: Array, state: Array) -> float:
    """Return the unit of time, a power of two, in which a solver can square the rates of a flow.

    It is 1 where it can do so anyway.
    """
    size, speed = length(state), length(velocity)
    if not (0 < size < math.inf and 0 < speed < math.inf):
        return 1.0
    rate = math.log2(speed) - math.log2(size)
    return 2.0 ** -int(math.copysign(max(abs(rate) - _SQUARED, 0), rate))
