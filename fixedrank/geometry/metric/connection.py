r"""The Levi-Civita connection of a metric, relative to that of the embedded metric.

Let G = A^{-1} be the metric and D_Y G its derivative along Y in the embedded connection. In the
frame of the SVD, with H = Y W^T + W Y^T, K = Y^T W + W^T Y and the second divided differences h of
f at the squares of the singular values,

    ((D_Y G) Z)_ij = sum_l h_ilj (H_il Z_lj + Z_il K_lj),

where terms with more than one normal index are absent. The Christoffel term Gamma(X, Z) is given
by 2 <G Gamma(X, Z), Y> = <(D_X G) Z, Y> + <(D_Z G) X, Y> - <(D_Y G) X, Z>. As h is symmetric in
its indices, most terms cancel against each other, and what is left is

    (G Gamma(X, Z))_ij = sum_l h_ilj s_l (X_il Z_lj + Z_il X_lj).

The terms that cancel may be larger than this by any power of s_max / s_min: they are not formed.
"""

from __future__ import annotations

from typing import NamedTuple

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankTangentVector
from fixedrank.geometry.factored.tall import product, sum_of_products
from fixedrank.geometry.metric.tables import Weights


def christoffel_term(
    s: Array, w: Weights, a: FixedRankTangentVector, b: FixedRankTangentVector
) -> FixedRankTangentVector:
    """Return Gamma(a, b) from the weights at s; all arguments may be stacks."""
    row, column = s[..., None, :], s[..., :, None]
    core = w.chain(a.M * row, b.M)
    left = right = w.first_left * column * w.left[..., None, :]
    if w.first_right is not w.first_left or w.right is not w.left:
        right = w.first_right * column * w.right[..., None, :]
    a_turned, b_turned = a.M.swapaxes(-1, -2), b.M.swapaxes(-1, -2)
    if a is b:
        # Along one vector, as in geodesics, all terms come twice.
        up, vp = product(a.Up, left * a.M), product(a.Vp, right * a_turned)
        return FixedRankTangentVector(2 * up, 2 * core * w.tangential, 2 * vp)
    core += w.chain(b.M * row, a.M)
    return FixedRankTangentVector(
        sum_of_products(a.Up, left * b.M, b.Up, left * a.M),
        core * w.tangential,
        sum_of_products(a.Vp, right * b_turned, b.Vp, right * a_turned),
    )


class Bend(NamedTuple):
    """A tangent vector in terms of x: its core, and Up = x.Up @ up, Vp = x.Vp @ vp."""

    core: Array
    up: Array
    vp: Array


def bend(s: Array, w: Weights, xm: Array, zm: Array, up_gram: Array, vp_gram: Array) -> Bend:
    """Return the B with <B, y> = -g(Gamma(z, y), x) for all y.

    With x = grad f it is what G Hess f[z] has beyond the Hessian of the embedded metric. Of the
    tall parts only up_gram = z.Up^T x.Up and vp_gram = x.Vp^T z.Vp enter.
    """
    left = w.chain(zm.T, xm) + w.first_left * up_gram
    right = w.chain(xm, zm.T) + w.first_right * vp_gram
    up, vp = -w.first_left * zm.T * s, -w.first_right * zm * s
    return Bend(-s[:, None] * left - right * s, up, vp)
