r"""W and tangent vectors in any unit: powers of two are taken out first and put back at the end.

All that the depth-N metric makes of W is homogeneous of some degree p + q/N, but the powers of
singular values that it is made of (up to s^(-4), and products of them) leave floating point
long before the result does. Division by a power of two is exact, so it is done where |s| is not
moderate, and the result is multiplied by 2^(e (p + q/N)): a power of two and a factor near one.
"""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import Array, require_finite
from fixedrank.geometry.factored.points import FixedRankTangentVector

# For |s| within 2^(-20) and 2^20 the weights and their divided differences are within 2^(-80) and
# 2^80 as far as they matter beside the largest: tangent vectors of 2^(-900) to 2^900 are safe. And
# the round-off of an exponent, times ln |s|, is up to three ulps in a power.
_LEAST, _MOST = 2.0**-40, 2.0**40
# Sums and products of what leaves floating point are below this by more than the precision.
_ORDINARY = 2.0**-850
# A ratio of singular values beyond this one does not fit under 1.
_SPREAD = 900
# The exponent at which floating point ends.
_LARGEST = 1024
# The exponent of zero, below that of any product of two numbers.
_OF_ZERO = -5000


def moderate(s: Array) -> bool | np.bool_:
    """Say whether powers of these singular values need no care."""
    # By vdot, which does not warn where the squares overflow.
    return _LEAST < np.vdot(s, s) < _MOST


def ordinary(vector: FixedRankTangentVector) -> bool:
    """Say whether a result is neither so large nor so small that parts of it may be lost.

    Where parts cancel in this sum the answer is no, though it might be yes. To be asked where NumPy
    does not warn of overflow.
    """
    total = float(vector.M.sum() + vector.Up.sum() + vector.Vp.sum())
    return _ORDINARY < abs(total) < math.inf


def exponent_of(name: str, *arrays: Array) -> int:
    """Return the e for which the largest absolute value lies in [2^(e-1), 2^e).

    Raises
    ------
    ValueError
        If one is NaN or infinite.
    """
    largest = max(
        (max(float(array.max()), -float(array.min())) for array in arrays if array.size),
        default=0.0,
    )
    # NaN may come from any of them, and max() does not hand it on.
    for array in arrays:
        require_finite(name, array)
    return math.frexp(largest)[1] if largest > 0 else _OF_ZERO


def unit_values(s: Array) -> tuple[Array, int]:
    """Return s / 2^e and e, with the largest in [1/2, 1), or as small as keeps the others there."""
    exponent, smallest = math.frexp(float(s.max()))[1], float(s.min())
    if smallest > 0:
        # Where not all fit, the largest must: it is the one that counts.
        needed = max(math.frexp(smallest)[1] + _SPREAD, exponent - _LARGEST)
        exponent = min(exponent, needed)
    return np.ldexp(s, -exponent), exponent


def unit_array(name: str, array: Array) -> tuple[Array, int]:
    """Return the array / 2^e and e, with entries up to 1."""
    exponent = exponent_of(name, array)
    return np.ldexp(array, -exponent), exponent


def unit_vector(vector: FixedRankTangentVector) -> tuple[FixedRankTangentVector, int]:
    """Return Z / 2^e and e, with entries up to 1."""
    exponent = exponent_of("the tangent vector", *vector)
    return shifted(vector, -exponent), exponent


def shifted(vector: FixedRankTangentVector, exponent: int) -> FixedRankTangentVector:
    """Return Z 2^e; entries that are too small for floating point are zero."""
    if exponent == 0:
        return vector
    with np.errstate(over="ignore"):
        return FixedRankTangentVector(*(np.ldexp(part, exponent) for part in vector))


def power(exponent: int, whole: int, root: int, homogeneity: float | None) -> tuple[float, int]:
    """Return f, near one, and an integer q with f 2^q = 2^(exponent (whole + root / homogeneity)).

    The product of the two numbers in the exponent is up to some thousands: its round-off would
    be a thousand times that of f. The remainder is exact. None stands for a metric whose unit is
    fixed, where the exponent is 0.
    """
    if homogeneity is None or exponent == 0:
        return 1.0, 0
    product = float(exponent * root)
    rest = math.fmod(product, homogeneity)
    return 2.0 ** (rest / homogeneity), exponent * whole + round((product - rest) / homogeneity)


def restored(
    name: str,
    vector: FixedRankTangentVector,
    exponent: int,
    factor: float = 1.0,
    *,
    may_vanish: bool = False,
) -> FixedRankTangentVector:
    """Return Z f 2^e.

    Raises
    ------
    OverflowError
        If it is not finite, or nothing is left of it though it must not vanish.
    """
    if factor != 1:
        vector = vector * factor
    result = shifted(vector, exponent)
    if not all(np.isfinite(part).all() for part in result):
        raise OverflowError(_beyond(name, "above", vector, exponent))
    vanished = not may_vanish and not any(part.any() for part in result)
    if vanished and any(part.any() for part in vector):
        raise OverflowError(_beyond(name, "below", vector, exponent))
    return result


def restored_values(name: str, values: Array, exponent: int) -> Array:
    """Return an array of numbers times 2^e.

    Raises
    ------
    OverflowError
        If the largest is not finite, or nothing is left of it.
    """
    restored_number(name, float(values.max()), exponent)
    return np.ldexp(values, exponent)


def restored_number(name: str, value: float, exponent: int) -> float:
    """Return the number times 2^e.

    Raises
    ------
    OverflowError
        If it is not finite, or nothing is left of it.
    """
    try:
        result = math.ldexp(value, exponent)
    except OverflowError:
        result = math.inf
    if math.isinf(result) or (result == 0 and value != 0):
        side = "below" if result == 0 else "above"
        raise OverflowError(_message(name, side, abs(value), exponent))
    return result


def _beyond(name: str, side: str, vector: FixedRankTangentVector, exponent: int) -> str:
    largest = max((float(np.abs(part).max()) for part in vector if part.size), default=math.nan)
    return _message(name, side, largest, exponent)


def _message(name: str, side: str, value: float, exponent: int) -> str:
    size = math.frexp(value)[1] + exponent if math.isfinite(value) else "1024 or more"
    return (
        f"{name} is {side} the range of floating point (about 2^{size}, where 2^-1074 to 2^1024 "
        "can be held): divide W and the vectors by their unit first"
    )
