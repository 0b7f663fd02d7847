"""Positive numbers beyond the range of floating point."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array

_LN_2 = math.log(2)
# Beyond this the exponential is far outside of floating point, whatever it is multiplied by.
_FAR = 1e5
# A factor of this size is formed at once.
_USUAL, _LEAST = 900, 1e-30
# An exponent beyond those of all quotients of two numbers.
_MOST = 5000


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
            return np.asarray(
                np.ldexp(array * mantissa, max(min(self.exponent + exponent, _MOST), -_MOST))
            )

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
