"""Positive numbers beyond the range of floating point, and scaling by powers of two.

A division by a power of two rounds nothing: what is computed from the scaled numbers is the same,
bit by bit, in whatever unit they come.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector

_LN_2 = math.log(2)
# Beyond this the exponential is far outside of floating point, whatever it is multiplied by.
_FAR = 1e5
# A factor of this size is formed at once.
_USUAL, _LEAST = 900, 1e-30


class Binary(NamedTuple):
    """The number mantissa * 2^exponent."""

    mantissa: float
    exponent: int

    def __float__(self) -> float:
        try:
            return math.ldexp(self.mantissa, self.exponent)
        except OverflowError:
            return math.inf

    def shifted(self, exponent: int) -> Binary:
        """Return the number times 2^exponent."""
        return Binary(self.mantissa, self.exponent + exponent)

    def times(self, array: Array) -> Array:
        """Return the product with an array, without underflow or overflow on the way."""
        if abs(self.exponent) < _USUAL and _LEAST < abs(self.mantissa) < 1 / _LEAST:
            return array * math.ldexp(self.mantissa, self.exponent)
        mantissa, exponent = math.frexp(self.mantissa)
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(_ldexp(array * mantissa, self.exponent + exponent))

    def power(self, exponent: Fraction) -> Binary:
        """Return a power; the exponent is exact, so that large powers lose no digits."""
        mantissa, shift = math.frexp(self.mantissa)
        whole, rest = divmod((self.exponent + shift) * exponent.numerator, exponent.denominator)
        small = 2.0 ** (rest / exponent.denominator)
        return Binary(mantissa ** (exponent.numerator / exponent.denominator) * small, whole)


def exponential(x: float) -> Binary:
    """Return e^x."""
    x = min(max(x, -_FAR), _FAR)
    whole = round(x / _LN_2)
    return Binary(math.exp(x - whole * _LN_2), whole)


def log_ratio(larger: Binary, smaller: Binary) -> float:
    """Return the logarithm of a quotient, without cancellation where it is near one."""
    shift = larger.exponent - smaller.exponent
    if abs(shift) <= 1:
        difference = (math.ldexp(larger.mantissa, shift) - smaller.mantissa) / smaller.mantissa
        if abs(difference) <= 0.5:
            return math.log1p(difference)
    return math.log(larger.mantissa / smaller.mantissa) + shift * _LN_2


def unscaled(point: FixedRankPoint) -> tuple[FixedRankPoint, int]:
    """Return the point with 1/2 <= s_max < 1, and the power of two that it is divided by."""
    exponent = math.frexp(float(point.s.max()))[1]
    return point._replace(s=_ldexp(point.s, -exponent)), exponent


def unscaled_vector(vector: FixedRankTangentVector) -> tuple[FixedRankTangentVector, int]:
    """Return the vector with entries below 1, and the power of two that it is divided by."""
    exponent = math.frexp(max(float(np.abs(part).max(initial=0.0)) for part in vector))[1]
    return FixedRankTangentVector(*(_ldexp(part, -exponent) for part in vector)), exponent


def scaled_vector(vector: FixedRankTangentVector, factor: Binary) -> FixedRankTangentVector:
    """Return the vector times a number.

    Raises
    ------
    OverflowError
        If the product is beyond floating point.
    """
    result = FixedRankTangentVector(*(factor.times(part) for part in vector))
    if not all(np.isfinite(part).all() for part in result):
        raise OverflowError(
            "the entries of the tangent vector are beyond floating point: about "
            f"2^{factor.exponent}"
        )
    return result


def _ldexp(array: Array, exponent: int) -> Array:
    return np.asarray(np.ldexp(array, max(min(exponent, 5000), -5000)), dtype=np.float64)
