"""The inner product at any scale of W and of the vectors."""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.units import unit_vector
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import point_in_unit

# Products of two numbers that leave floating point are below this by the precision.
_SAFE = 1e-250


def length(s: Array, vector: FixedRankTangentVector, metric: SpectralMetric) -> float:
    """Return the length of a vector, where s and the vector are about one."""
    square, exponent = metric.inner_product(s, vector, vector)
    return math.sqrt(float(np.ldexp(square, -exponent)))


def scaled_inner_product(
    point: FixedRankPoint,
    a: FixedRankTangentVector,
    b: FixedRankTangentVector,
    metric: SpectralMetric,
) -> tuple[float, int, int]:
    """Return v, p and e with g_W(A, B) = v 2^e times the power 2/N - 2 of 2^p.

    Both are 0 unless W or the vectors are far from one.
    """
    # NumPy warns of an overflow here, but to turn warnings off takes a sixth of the time.
    value, exponent = metric.inner_product(point.s, a, b)
    # What is lost of smaller terms does not count beside such a value.
    if exponent == 0 and _SAFE < abs(value) < math.inf:
        return value, 0, 0
    point, of_point = point_in_unit(point, metric)
    (a, of_a), (b, of_b) = unit_vector(a), unit_vector(b)
    value, exponent = metric.inner_product(point.s, a, b)
    return float(np.ldexp(value, -exponent)), of_point, of_a + of_b
