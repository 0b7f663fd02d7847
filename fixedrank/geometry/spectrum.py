r"""The weights by which A_{W,N} multiplies a tangent vector in the frame of the SVD of W.

With p = s^(2/N), entry (i, j) of M is multiplied by c_ij = sum_l p_i^(N-1-l) p_j^l and column j
of Up and Vp by c_j0 = s_j^(2-2/N). For real N the sum is the quotient
(s_i^2 - s_j^2) / (p_i - p_j), which cancels near ties; here it is never formed.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.points import FixedRankTangentVector
from fixedrank.geometry.tall import divided_product

# Up to this depth a k x N table of powers is cheaper than logarithms of k x k ratios.
_TABLE_DEPTH = 32


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
    power = 2.0 if math.isinf(depth) else 2 - 2 / depth
    return np.asarray(larger**power * (np.expm1(-d) / slower))


def kept_tangential_weights(s: Array, depth: float) -> Array:
    """Return the same weights, read-only; those of the last points asked for are kept."""
    return _kept_tangential_weights(s.tobytes(), depth)


# An optimiser asks for several inner products and a gradient at each point.
@functools.lru_cache(maxsize=2)
def _kept_tangential_weights(values: bytes, depth: float) -> Array:
    weights = tangential_weights(np.frombuffer(values), depth)
    weights.flags.writeable = False
    return weights


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
    return np.asarray(s ** (2 - 2 / depth - shift))


def inner_product(
    s: Array, a: FixedRankTangentVector, b: FixedRankTangentVector, depth: float
) -> float:
    """Return g_W(A, B): every entry divided by its weight."""
    if depth == 1:
        return float(np.vdot(a.M, b.M) + np.vdot(a.Up, b.Up) + np.vdot(a.Vp, b.Vp))
    value = float(np.vdot(a.M / kept_tangential_weights(s, depth), b.M))
    if not math.isinf(depth):
        normal = normal_weights(s, depth)
        value += divided_product(a.Up, b.Up, normal) + divided_product(a.Vp, b.Vp, normal)
    return value
