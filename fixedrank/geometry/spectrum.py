r"""The weights by which A_{W,N} multiplies a tangent vector in the frame of the SVD of W.

With p = s^(2/N), entry (i, j) of M is multiplied by c_ij = sum_l p_i^(N-1-l) p_j^l and column j
of Up and Vp by c_j0 = s_j^(2-2/N). For real N the sum is the quotient
(s_i^2 - s_j^2) / (p_i - p_j), which cancels near ties; here it is never formed.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.tall import divided_product
from fixedrank.geometry.units import moderate, power, unit_point, unit_values, unit_vector

# Up to this depth a k x N table of powers is cheaper than logarithms of k x k ratios.
_TABLE_DEPTH = 32
# Products of two numbers that leave floating point are below this by the precision.
_SAFE = 1e-250


def complement(depth: float) -> float:
    """Return 1 - 1/N, which for N near 1 would cancel."""
    return (depth - 1) / depth if depth < 2 else 1 - 1 / depth


@functools.lru_cache(maxsize=64)
def _exponents(depth: int) -> Array:
    exponents = 2.0 * np.arange(depth - 1, -1, -1) / depth
    exponents.flags.writeable = False
    return exponents


def tangential_weights(s: Array, depth: float) -> Array:
    """Return the k x k weights c_ij, exact to a few ulp at ties and for every depth.

    For infinite depth they are the limit of A/N, (s_i^2 - s_j^2) / (ln s_i^2 - ln s_j^2). The
    singular values are on the last axis of `s`, so that there may be a stack of them.
    """
    if depth == 1:
        return np.ones((*s.shape, s.shape[-1]))
    if depth <= _TABLE_DEPTH and depth == int(depth):
        powers = s[..., None] ** _exponents(int(depth))
        weights: Array = powers @ powers[..., ::-1].swapaxes(-1, -2)
        return weights
    # With d = ln(s_max^2 / s_min^2), and no cancellation,
    # c = s_max^(2-2/N) (1 - e^-d) / (1 - e^(-d/N)).
    d, larger, _ = log_ratios(s)
    d[d == 0] = 1e-100  # a tie: the quotient below is its limit N there
    slower = -d if math.isinf(depth) else np.expm1(-d / depth)
    return np.asarray(larger ** (2 * complement(depth)) * (np.expm1(-d) / slower))


def log_ratios(s: Array) -> tuple[Array, Array, Array]:
    """Return ln(s_>^2 / s_<^2) for all pairs, without cancellation, and s_>, s_< themselves."""
    column, row = s[..., :, None], s[..., None, :]
    larger, smaller = np.maximum(column, row), np.minimum(column, row)
    return 2 * np.log1p((larger - smaller) / smaller), larger, smaller


def normal_weights(s: Array, depth: float, shift: int = 0) -> Array:
    """Return s_j^(2 - 2/N - shift), the weights c_j0 of Up and Vp divided by s_j^shift.

    At infinite depth c_j0 / N tends to zero: there the metric has no normal directions.
    """
    if math.isinf(depth):
        return np.zeros_like(s)
    return np.asarray(s ** (2 * complement(depth) - shift))


class WeightTables(NamedTuple):
    """The weights c_ij and c_j0, divided by 2^exponent, and whether s is moderate.

    The exponent is 0 for moderate s; the weights at others may not fit into floating point.
    """

    tangential: Array
    normal: Array
    exponent: int
    moderate: bool


def weight_tables(s: Array, depth: float) -> WeightTables:
    """Return the weights, read-only; those of the last points asked for are kept."""
    return _kept_tables(s.tobytes(), depth)


# An optimiser asks for several inner products and a gradient at each point.
@functools.lru_cache(maxsize=2)
def _kept_tables(values: bytes, depth: float) -> WeightTables:
    s = np.frombuffer(values)
    # Made where the largest s is about 1, they have the same round-off in every unit.
    unit, exponent = unit_values(s)
    factor, exponent = power(exponent, 2, -2, depth)
    safe = bool(moderate(s))
    if safe:
        factor, exponent = math.ldexp(factor, exponent), 0
    tangential, normal = tangential_weights(unit, depth), normal_weights(unit, depth)
    for table in (tangential, normal):
        table *= factor
        table.flags.writeable = False
    return WeightTables(tangential, normal, exponent, safe)


def scaled_inner_product(
    point: FixedRankPoint, a: FixedRankTangentVector, b: FixedRankTangentVector, depth: float
) -> tuple[float, int, int]:
    """Return v, p and e with g_W(A, B) = v 2^e times the power 2/N - 2 of 2^p.

    Both are 0 unless W or the vectors are far from one.
    """
    if depth == 1:
        value = _embedded(a, b)
    else:
        tables = weight_tables(point.s, depth)
        # NumPy warns of an overflow here, but to turn warnings off takes a sixth of the time.
        value = _weighted(tables, a, b, depth) if tables.moderate else math.nan
    # What is lost of smaller terms does not count beside such a value.
    if _SAFE < abs(value) < math.inf:
        return value, 0, 0
    point, of_point = unit_point(point)
    (a, of_a), (b, of_b) = unit_vector(a), unit_vector(b)
    return inner_product(point.s, a, b, depth), of_point, of_a + of_b


def inner_product(
    s: Array, a: FixedRankTangentVector, b: FixedRankTangentVector, depth: float
) -> float:
    """Return g_W(A, B): every entry divided by its weight."""
    if depth == 1:
        return _embedded(a, b)
    tables = weight_tables(s, depth)
    return float(np.ldexp(_weighted(tables, a, b, depth), -tables.exponent))


def _embedded(a: FixedRankTangentVector, b: FixedRankTangentVector) -> float:
    return float(np.vdot(a.M, b.M) + np.vdot(a.Up, b.Up) + np.vdot(a.Vp, b.Vp))


def _weighted(
    tables: WeightTables, a: FixedRankTangentVector, b: FixedRankTangentVector, depth: float
) -> float:
    value, normal = float(np.vdot(a.M / tables.tangential, b.M)), tables.normal
    # At infinite depth there are no normal directions, and their weights are zero.
    if not math.isinf(depth):
        value += divided_product(a.Up, b.Up, normal) + divided_product(a.Vp, b.Vp, normal)
    return value
