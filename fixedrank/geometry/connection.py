r"""The Levi-Civita connection of the depth-N metric, relative to that of the embedded metric.

Let G = A^{-1} be the metric and D_Y G its derivative along Y in the embedded connection. In the
frame of the SVD, with H = Y W^T + W Y^T, K = Y^T W + W^T Y and the second divided differences h of
x^(1/N) at the squares of the singular values,

    ((D_Y G) Z)_ij = sum_l h_ilj (H_il Z_lj + Z_il K_lj),

where terms with more than one normal index are absent. The Christoffel term Gamma(X, Z) is given
by 2 <G Gamma(X, Z), Y> = <(D_X G) Z, Y> + <(D_Z G) X, Y> - <(D_Y G) X, Z>. As h is symmetric in
its indices, most terms cancel against each other, and what is left is

    (G Gamma(X, Z))_ij = sum_l h_ilj s_l (X_il Z_lj + Z_il X_lj).

The terms that cancel may be larger than this by any power of s_max / s_min: they are not formed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.differences import Weights, weights
from fixedrank.geometry.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.tall import sum_of_products
from fixedrank.geometry.units import moderate, ordinary, restored, unit_point, unit_vector


def christoffel(
    point: FixedRankPoint, a: FixedRankTangentVector, b: FixedRankTangentVector, depth: float
) -> FixedRankTangentVector:
    """Return Gamma(a, b), by which the connection differs from that of the embedded metric.

    Raises
    ------
    OverflowError
        If the result is beyond the range of floating point.
    """
    result, exponent = scaled_christoffel(point, a, b, depth)
    return result if exponent == 0 else restored("the Christoffel term", result, exponent)


def scaled_christoffel(
    point: FixedRankPoint, a: FixedRankTangentVector, b: FixedRankTangentVector, depth: float
) -> tuple[FixedRankTangentVector, int]:
    """Return Gamma(a, b) / 2^e and e, which is 0 unless W or the vectors are far from one."""
    if depth == 1:
        return FixedRankTangentVector(*(np.zeros(part.shape) for part in a)), 0
    if moderate(point.s):
        with np.errstate(over="ignore", invalid="ignore"):
            result = christoffel_term(point.s, weights(point.s, depth), a, b)
            if ordinary(result):
                return result, 0
    point, of_point = unit_point(point)
    (a, of_a), (b, of_b) = unit_vector(a), unit_vector(b)
    result = christoffel_term(point.s, weights(point.s, depth), a, b)
    return result, of_a + of_b - of_point


def christoffel_term(
    s: Array, w: Weights, a: FixedRankTangentVector, b: FixedRankTangentVector
) -> FixedRankTangentVector:
    """Return Gamma(a, b) from the weights at s; all arguments may be stacks."""
    row = s[..., None, :]
    core = chain(w.second, a.M * row, b.M)
    core += chain(w.second, b.M * row, a.M)
    first = w.first * s[..., :, None] * w.normal[..., None, :]
    return FixedRankTangentVector(
        sum_of_products(a.Up, first * b.M, b.Up, first * a.M),
        core * w.tangential,
        sum_of_products(a.Vp, first * b.M.swapaxes(-1, -2), b.Vp, first * a.M.swapaxes(-1, -2)),
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
    left = chain(w.second, zm.T, xm) + w.first * up_gram
    right = chain(w.second, xm, zm.T) + w.first * vp_gram
    return Bend(-s[:, None] * left - right * s, -w.first * zm.T * s, -w.first * zm * s)


def chain(second: Array, a: Array, b: Array) -> Array:
    """Return sum_l h_ilj a_il b_lj."""
    return np.asarray(np.einsum("...ilj,...il,...lj->...ij", second, a, b))
