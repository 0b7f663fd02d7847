r"""From derivatives with respect to the factors (u, s, vt) to the Riemannian gradient.

Automatic differentiation of cost(u, s, vt) yields du, ds, dvt. For a cost that depends on the
product W = U diag(s) V^T only, with Euclidean gradient G and M = U^T G V: du = G V S,
ds = diag(M), dvt = S U^T G. So M = (U^T du) S^{-1} = S^{-1} (dvt V), without any quotient by
s_i^2 - s_j^2. A term h(s) adds its slopes to ds alone, as it should. A cost that uses U^T U = I or
V^T V = I may agree with one of W on M_k though its factor derivatives are not of that form; then
ds and the skew parts of U^T du and V^T dv determine M, as long as the singular values differ.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fixedrank._checks import Array, real_array
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.stacks import transposed
from fixedrank.geometry.factored.tall import dot_at, product
from fixedrank.geometry.factored.tangent import without_range
from fixedrank.geometry.factored.units import power
from fixedrank.geometry.metric.agreement import DOUBLE, negligible, off_diagonal
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import in_unit, tables

# Of squares below the second of these, the first as a share is not precise any more.
_AT_ONCE, _TINY = negligible(DOUBLE) ** 2, 1e-280


def gradient_norm(point: FixedRankPoint, gv: Array, gtu: Array, metric: SpectralMetric) -> float:
    """Return the length of the Riemannian gradient, sqrt(<A(G), G>), from G V and G^T U."""
    return float(gradient_norms(point, gv, gtu, metric))


def gradient_norms(point: FixedRankPoint, gv: Array, gtu: Array, metric: SpectralMetric) -> Array:
    """Return the lengths at points that are not far from each other, along axes in front."""
    u, _, vt = point
    if point.s.size == 0:
        return np.zeros(point.s.shape[:-1])
    s, there, of_point = in_unit(point.s, metric)
    largest = float(max(np.abs(gv).max(), np.abs(gtu).max()))
    if not 0 < largest < math.inf:
        if point.s.ndim > 1 and len(point.s) > 1:
            parts = zip(*point, gv, gtu, strict=True)
            return np.array([gradient_norm(FixedRankPoint(*p[:3]), *p[3:], metric) for p in parts])
        return np.maximum(np.abs(gv).max((-1, -2)), np.abs(gtu).max((-1, -2)))
    of_gradient = 0
    if not _TINY**0.5 < largest < _TINY**-0.5:
        of_gradient = math.frexp(largest)[1]
        gv, gtu = np.ldexp(gv, -of_gradient), np.ldexp(gtu, -of_gradient)
    middle = product(transposed(u), gv)
    left, right = there.normal(s)
    squares = (there.tangential(s) * middle**2).sum((-1, -2))
    squares += (left * np.square(gv - product(u, middle)).sum(-2)).sum(-1)
    beyond = gtu - product(transposed(vt), transposed(middle))
    squares += (right * np.square(beyond).sum(-2)).sum(-1)
    factor, exponent = power(of_point, 1, -1, metric.degree)
    with np.errstate(over="ignore"):
        return np.ldexp(np.sqrt(squares) * factor, exponent + of_gradient)


def from_factor_derivative(
    point: FixedRankPoint, derivative: Any, metric: SpectralMetric
) -> FixedRankTangentVector:
    """Return A_W(P_T G) from (du, ds, dvt).

    Each entry of M is divided by the larger one of s_i and s_j. Nothing blows up where a singular
    value is small, for depths N >= 2: the weight of the normal parts is s_j^(1-2/N) there.
    """
    u, s, vt = point
    du, ds, dvt = checked_derivative(point, derivative)
    multiply = dot_at(u, vt)
    left, right = multiply(u.T, du), multiply(dvt, vt.T)
    column = s[:, None]
    # M twice; entry by entry the quotient by the larger singular value loses nothing.
    by_left, by_right = left / s, right / column
    core = np.where(column <= s, by_left, by_right)
    by_left -= by_right
    square = np.vdot(ds, ds)
    # Not true for NaN, infinity and squares that underflow, nor where ds is round-off: then a
    # closer look follows.
    if not (np.vdot(by_left, by_left) <= _AT_ONCE * square and _TINY < square < math.inf):
        core = off_diagonal(point, derivative, (du, ds, dvt))
    core.flat[:: s.size + 1] = ds
    core *= tables(s, metric).tangential
    on_left, on_right = metric.factor_weights(s)
    return FixedRankTangentVector(
        without_range(u, du, left, on_left),
        core,
        without_range(vt.T, dvt.T, right.T, on_right),
    )


def checked_derivative(point: FixedRankPoint, derivative: Any) -> tuple[Array, Array, Array]:
    """Return (du, ds, dvt) with their shapes checked against the point."""
    du, ds, dvt = (real_array("a factor derivative", part) for part in derivative)
    if du.shape != point.u.shape or ds.shape != point.s.shape or dvt.shape != point.vt.shape:
        raise ValueError(
            "the derivatives with respect to (u, s, vt) must have the shapes "
            f"{point.u.shape}, {point.s.shape}, {point.vt.shape}, "
            f"got {du.shape}, {ds.shape}, {dvt.shape}"
        )
    return du, ds, dvt
