r"""The Levi-Civita connection of the depth-N metric, relative to that of the embedded metric.

Let G = A^{-1} be the metric and D_Y G its derivative along Y in the embedded connection. In the
frame of the SVD, with H = Y W^T + W Y^T, K = Y^T W + W^T Y and the second divided differences h of
x^(1/N) at the squares of the singular values,

    ((D_Y G) Z)_ij = sum_l h_ilj (H_il Z_lj + Z_il K_lj),

where terms with more than one normal index are absent. The Christoffel term Gamma(X, Z) is given
by 2 <G Gamma(X, Z), Y> = <(D_X G) Z, Y> + <(D_Z G) X, Y> - <(D_Y G) X, Z>.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.differences import Weights, weights
from fixedrank.geometry.points import FixedRankPoint, FixedRankTangentVector


class Koszul(NamedTuple):
    """A tangent vector in terms of two others: Up = x.Up @ up_x + z.Up @ up_z, and so on."""

    core: Array
    up_x: Array
    up_z: Array
    vp_x: Array
    vp_z: Array


def christoffel(
    point: FixedRankPoint, a: FixedRankTangentVector, b: FixedRankTangentVector, depth: float
) -> FixedRankTangentVector:
    """Return Gamma(a, b), by which the connection differs from that of the embedded metric."""
    if depth == 1:
        return FixedRankTangentVector(*(np.zeros(part.shape) for part in a))
    w = weights(point.s, depth)
    bent = koszul(point.s, w, a.M, b.M, a.Up.T @ b.Up, b.Vp.T @ a.Vp, 1)
    return FixedRankTangentVector(
        a.Up @ (bent.up_x * w.normal) + b.Up @ (bent.up_z * w.normal),
        bent.core * w.tangential,
        a.Vp @ (bent.vp_x * w.normal) + b.Vp @ (bent.vp_z * w.normal),
    )


def koszul(
    s: Array, w: Weights, xm: Array, zm: Array, up_gram: Array, vp_gram: Array, sign: int
) -> Koszul:
    """Return ((D_x G) z + sign (D_z G) x - B) / 2, where <B, y> = <(D_y G) x, z> for all y.

    With sign 1 it is G Gamma(x, z); with sign -1 and x = grad f it is what G Hess f[z] has beyond
    the Hessian of the embedded metric. Of the tall parts only x.Up^T z.Up and z.Vp^T x.Vp enter.
    """
    column, second, first = s[:, None], w.second, w.first
    x_scaled, z_scaled = xm * s, zm * s
    left_x, right_x = x_scaled + x_scaled.T, column * xm + (column * xm).T
    left_z, right_z = z_scaled + z_scaled.T, column * zm + (column * zm).T
    fx, fz = first * xm, first * zm

    # Chains of three tangential indices, then those with one normal index.
    core = chain(second, left_x, zm) + chain(second, xm, right_z) * sign
    core += chain(second, zm, right_x) + chain(second, left_z, xm) * sign
    core += first * (column * up_gram + vp_gram * s)
    core += (first * (column * up_gram.T + vp_gram.T * s)) * sign
    p = np.einsum("ilj,ij,lj->il", second, zm, xm) + first * vp_gram
    q = np.einsum("ilj,il,ij->lj", second, xm, zm) + first * up_gram
    core -= (p + p.T) * s + column * (q + q.T)
    return Koszul(
        core / 2,
        (column * fz + sign * (first * right_z) - fz.T * s) / 2,
        (first * right_x + sign * (column * fx) - fx.T * s) / 2,
        (column * fz.T + sign * (first * left_z) - fz * s) / 2,
        (first * left_x + sign * (column * fx.T) - fx * s) / 2,
    )


def chain(second: Array, a: Array, b: Array) -> Array:
    """Return sum_l h_ilj a_il b_lj."""
    return np.asarray(np.einsum("ilj,il,lj->ij", second, a, b))
