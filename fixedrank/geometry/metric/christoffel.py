"""The Christoffel term at any scale of W and of the vectors, and the retraction that it bends."""

from __future__ import annotations

from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.retraction import retract
from fixedrank.geometry.factored.units import restored
from fixedrank.geometry.metric.spectral import SpectralMetric


def christoffel(
    point: FixedRankPoint,
    a: FixedRankTangentVector,
    b: FixedRankTangentVector,
    metric: SpectralMetric,
    *,
    may_vanish: bool = False,
) -> FixedRankTangentVector:
    """Return Gamma(a, b), by which the connection differs from that of the embedded metric.

    Raises
    ------
    OverflowError
        If the result is beyond the range of floating point, or below it where it may not vanish.
    """
    result, exponent = metric.christoffel(point, a, b)
    if exponent == 0:
        return result
    return restored("the Christoffel term", result, exponent, may_vanish=may_vanish)


def second_order_retraction(
    point: FixedRankPoint, vector: FixedRankTangentVector, metric: SpectralMetric
) -> FixedRankPoint:
    """Return the retraction of Z - Gamma(Z, Z) / 2."""
    # Beside W and Z the term may well be too small for floating point.
    bent = christoffel(point, vector, vector, metric, may_vanish=True)
    return retract(point, vector - bent / 2)
