"""The sizes of things, wherever floating point has them."""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import Array

# A matrix that has fallen by this factor is zero beside what it was; and one as small as this
# has no room for its relative accuracy.
DECAYED, SMALLEST = 1e-150, 4 * float(np.finfo(float).tiny)
# Rates up to 2 to this power, and down to its inverse, divided by tolerances, can be squared.
_SQUARED = 300


def binary_scale(size: float) -> float:
    """Return the power of two below a size > 0: dividing by it is exact."""
    return math.ldexp(1.0, math.frexp(size)[1] - 1)


def length(array: Array) -> float:
    """Return the Frobenius norm; squares neither overflow nor underflow."""
    largest = float(np.abs(array).max(initial=0.0))
    if not 0 < largest < math.inf:
        return largest
    return largest * float(np.linalg.norm(np.ravel(array) / largest))


def pace(step: float) -> float:
    """Return a unit of time, a power of two, in which rates that go with a step can be squared.

    It is 1 where they can be squared anyway.
    """
    if not 0 < step < math.inf:
        return 1.0
    order = math.frexp(step)[1]
    return math.ldexp(1.0, order - max(-_SQUARED, min(order, _SQUARED)))
