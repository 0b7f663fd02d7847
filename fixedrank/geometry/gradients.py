r"""From derivatives with respect to the factors (u, s, vt) to the Riemannian gradient.

Automatic differentiation of cost(u, s, vt) yields du, ds, dvt. For a cost that depends on the
product W = U diag(s) V^T only, with Euclidean gradient G and M = U^T G V: du = G V S,
ds = diag(M), dvt = S U^T G. So M = (U^T du) S^{-1} = S^{-1} (dvt V), without any quotient by
s_i^2 - s_j^2. A cost that uses U^T U = I or V^T V = I may agree with one of W on M_k though its
factor derivatives are not of that form; then ds and the skew parts of U^T du and V^T dv
determine M, as long as the singular values differ.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fixedrank._checks import Array, real_array, require_finite
from fixedrank.geometry.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.spectrum import (
    normal_weights,
    tangential_weights,
    weight_tables,
)
from fixedrank.geometry.tangent import without_range
from fixedrank.geometry.units import power, unit_values

_EPS = float(np.finfo(float).eps)
# Up to this, relative to the gradient, two expressions of it count as equal.
_AGREEMENT = 1e-9


def gradient_norm(point: FixedRankPoint, gv: Array, gtu: Array, depth: float) -> float:
    """Return the length of the Riemannian gradient, sqrt(<A(G), G>), from G V and G^T U."""
    u, _, vt = point
    s, of_point = unit_values(point.s)
    largest = float(max(np.abs(gv).max(), np.abs(gtu).max()))
    if not 0 < largest < math.inf:
        return largest
    of_gradient = math.frexp(largest)[1]
    gv, gtu = np.ldexp(gv, -of_gradient), np.ldexp(gtu, -of_gradient)
    middle = u.T @ gv
    normal = np.square(gv - u @ middle).sum(0) + np.square(gtu - vt.T @ middle.T).sum(0)
    square = (tangential_weights(s, depth) * middle**2).sum()
    length = math.sqrt(square + (normal_weights(s, depth) * normal).sum())
    factor, exponent = power(of_point, 1, -1, depth)
    with np.errstate(over="ignore"):
        return float(np.ldexp(length * factor, exponent + of_gradient))


def from_factor_derivative(
    point: FixedRankPoint, derivative: Any, depth: float
) -> FixedRankTangentVector:
    """Return A_{W,N}(P_T G) from (du, ds, dvt).

    Nothing blows up where a singular value is small, for N >= 2: each entry of M is divided by
    the larger one of s_i and s_j, and the weight of the normal parts is s_j^(1-2/N).
    """
    u, s, vt = point
    du, ds, dvt = checked_derivative(point, derivative)
    left, right = u.T.dot(du), dvt.dot(vt.T)
    column = s[:, None]
    # M twice; entry by entry the quotient by the larger singular value loses nothing.
    by_left, by_right = left / s, right / column
    core = np.where(column <= s, by_left, by_right)
    by_left -= by_right
    # Not true for NaN and infinity, nor where ds is round-off: then a closer look follows.
    if not np.vdot(by_left, by_left) <= 1e-24 * np.vdot(ds, ds) < math.inf:
        core = _reconciled(point, (du, ds, dvt), left, right)
    core.flat[:: s.size + 1] = ds
    core *= weight_tables(s, depth).tangential
    normal = None if depth == 2 else normal_weights(s, depth, shift=1)
    return FixedRankTangentVector(
        without_range(u, du, left, normal), core, without_range(vt.T, dvt.T, right.T, normal)
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


def _reconciled(
    point: FixedRankPoint, derivative: tuple[Array, Array, Array], left: Array, right: Array
) -> Array:
    """Return the off-diagonal entries of M where its two expressions may differ.

    With a = skew part of U^T du and b = that of V^T dv: M_ij - M_ji = (a - b) / (s_i + s_j)
    always, and M_ij + M_ji = (a + b) / (s_j - s_i) where the gap is wide enough for the
    difference to mean something; else the average of the two expressions, if they agree.
    Near a critical point nothing but round-off is left of the derivatives, and how large that
    is they do not tell; so differences below 1e-10 s_max never count.
    """
    s = point.s
    for name, part in zip(("u", "s", "vt"), derivative, strict=True):
        require_finite(f"the derivative with respect to {name}", part)
    ds = derivative[1]
    by_left, by_right = left / s, right / s[:, None]
    scale = float(max(np.abs(ds).max(), np.abs(by_left).max(), np.abs(by_right).max()))
    gap = s - s[:, None]
    a, b = left - left.T, right.T - right
    with np.errstate(divide="ignore", invalid="ignore"):
        skew = (a - b) / np.add.outer(s, s)
        symmetric = (a + b) / gap
        noise = 1e3 * _EPS * max(scale, s.max()) * np.maximum.outer(s, s) / np.abs(gap)
    # Entry by entry the quotient by the larger singular value is the accurate one.
    product = np.where(s[:, None] <= s, by_left, by_right)
    difference = np.abs(by_left - by_right)
    np.fill_diagonal(difference, 0)
    difference = np.maximum(difference, difference.T)
    by_gap = difference > noise
    undetermined = ~by_gap & (difference > max(_AGREEMENT * scale, 1e-10 * s.max()))
    if undetermined.any():
        i, j = (int(index) for index in np.argwhere(undetermined)[0])
        raise ValueError(
            "the cost is not a function of the product (u * s) @ vt alone (its derivatives with "
            f"respect to u and vt disagree by {difference[i, j]:.2e}, gradient scale {scale:.2e}), "
            f"and the singular values s[{i}] = {s[i]:.6e} and s[{j}] = {s[j]:.6e} are too close "
            "for its gradient to be determined by these derivatives; "
            "write the cost in terms of (u * s) @ vt, or give its gradient as an m x n matrix"
        )
    return np.asarray(np.where(by_gap, (symmetric + skew) / 2, product))
