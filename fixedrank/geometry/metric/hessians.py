r"""The Riemannian Hessian from Euclidean Hessian-vector products.

With X = grad f = A(P_T G), the Hessian of a metric is

    g(Hess f[Z], Y) = <Hess_1 f[Z], Y> - g(X, Gamma(Z, Y))

with the Christoffel term Gamma of the connection. Hess_1 is the Hessian of the embedded metric: the
projection of D^2 f [Z], and what the curvature of M_k adds, G_n Vp S^{-1} to Up and G_n^T Up S^{-1}
to Vp with the normal part G_n of G.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array, require_finite
from fixedrank.geometry.factored.ambient import (
    LowRank,
    ambient_products,
    as_ambient,
    times,
    transposed_times,
)
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.tall import (
    add_product,
    dot,
    scaled_columns,
    subtract_product,
)
from fixedrank.geometry.metric.agreement import agree_at_once, slopes_beyond_product
from fixedrank.geometry.metric.gradients import checked_derivative
from fixedrank.geometry.metric.singular_values import TIED, parting, second_derivative
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import weights


class _Side(NamedTuple):
    """What makes Up of the Hessian; the same for Vp with the roles of U and V exchanged.

    `first` @ `inner` (no `inner`: the identity) times `scale` is G V c_j0, of which X.Up is the
    normal part; `second` times c_j0 / s_j is what D^2 f [Z] and the curvature of M_k add; `turned`
    is a correction first @ turned of `second`. U^T first and U^T second follow, and whether
    `second` may be changed.
    """

    basis: Array
    first: Array
    inner: Array | None
    second: Array
    turned: Array | None
    first_in_range: Array
    second_in_range: Array
    ours: bool


def from_ambient(
    point: FixedRankPoint,
    gradient: Any,
    hessian: Any,
    vector: FixedRankTangentVector,
    metric: SpectralMetric,
) -> FixedRankTangentVector:
    """Return Hess f[Z] from the m x n matrices G and D^2 f [Z]."""
    u, s, vt = point
    hv, htu = ambient_products(hessian, u, vt.T)
    h_core = dot(u.T, hv)
    # An operator of the user may return what is not ours to change.
    ours = not isinstance(hessian, LinearOperator)
    left, right = scaled_columns(hv, s, in_place=ours), scaled_columns(htu, s, in_place=ours)
    known = as_ambient(gradient, (u.shape[0], vt.shape[1]))
    if isinstance(known, LowRank):
        # G V and G^T U are never formed: with G = L R^T all is L or R times thin matrices.
        first_left, first_right = known.pair()
        left_u, left_up = dot(first_left.T, u), dot(first_left.T, vector.Up)
        right_v, right_vp = dot(first_right.T, vt.T), dot(first_right.T, vector.Vp)
        g_core, along, across = left_u.T @ right_v, left_up.T @ right_v, left_u.T @ right_vp
        sides = (
            _Side(u, first_left, right_v, left, right_vp, left_u.T, h_core * s, True),
            _Side(vt.T, first_right, left_u, right, left_up, right_v.T, h_core.T * s, True),
        )
    else:
        k = s.size
        blocks = np.hstack((u, vector.Up)), np.hstack((vt.T, vector.Vp))
        gv, gtu = times(known, blocks[1]), transposed_times(known, blocks[0])
        left += gv[:, k:]
        right += gtu[:, k:]
        gv, gtu = np.ascontiguousarray(gv[:, :k]), np.ascontiguousarray(gtu[:, :k])
        g_core, along, across = dot(u.T, gv), dot(vector.Up.T, gv), dot(gtu.T, vector.Vp)
        sides = (
            _Side(u, gv, None, left, None, g_core, h_core * s + across, True),
            _Side(vt.T, gtu, None, right, None, g_core.T, h_core.T * s + along.T, True),
        )
    return _riemannian(point, g_core, h_core, (along, across), *sides, vector, metric, 0)


def from_factor_derivatives(
    point: FixedRankPoint,
    gradient: Any,
    hessian: Any,
    vector: FixedRankTangentVector,
    metric: SpectralMetric,
) -> FixedRankTangentVector:
    """Return Hess f[Z] from (du, ds, dvt) and their derivatives along the embedding of Z.

    For a cost of the product, du = G V S. Along du' = U a + Up S^{-1}, ds' = diag(M) and
    dvt' = b V^T + S^{-1} Vp^T its derivative is (D^2 f [Z] V + G V b^T + G Vp S^{-1}) S + G V ds',
    which holds what the embedded Hessian asks for; and likewise dvt.
    """
    u, s, vt = point
    column = s[:, None]
    du, ds, dvt = checked_derivative(point, gradient)
    hu, hs, hvt = checked_derivative(point, hessian)
    # NaN and infinity in any entry reach this sum.
    if not math.isfinite(sum(float(part.sum()) for part in (du, ds, dvt, hu, hs, hvt))):
        for which, triple in (("first", (du, ds, dvt)), ("second", (hu, hs, hvt))):
            for name, part in zip(("u", "s", "vt"), triple, strict=True):
                require_finite(f"the {which} derivative with respect to {name}", part)
    a, moved, b = rotations(s, vector.M)
    larger_right = column <= s

    left, right = dot(u.T, du), dot(dvt, vt.T)
    by_left, by_right = left / s, right / column
    g_core = np.where(larger_right, by_left, by_right)

    # U^T G Vp and Up^T G V, the first without its 1/s_i, the second without its 1/s_j.
    raw_along, raw_across = dot(vector.Up.T, du), dot(dvt, vector.Vp)
    along, across = (raw_along / s) / column, (raw_across / column) / s
    h_left, h_right = dot(u.T, hu), dot(hvt, vt.T)
    turned_right, turned_left = g_core @ b.T, a.T @ g_core
    h_by_left = h_left / s - turned_right - across - g_core * (moved / s)
    h_by_right = h_right / column - turned_left - along - g_core * (moved / s)[:, None]
    diagonal = hs - np.diagonal(turned_left + along + turned_right + across)
    firsts, seconds = (by_left, by_right, ds), (h_by_left, h_by_right, diagonal)
    slopes = None
    if not agree_at_once(s, firsts, seconds, (left, right.T, h_left, h_right.T)):
        blocks = (du, dvt.T, hu, hvt.T)
        slopes = slopes_beyond_product(
            s, firsts, seconds, blocks, (a, moved, b), vector, (gradient, hessian)
        )
    h_core = np.where(larger_right, h_by_left, h_by_right)
    if slopes is None:
        h_core.flat[:: s.size + 1] = diagonal
    else:
        change = diagonal - h_core.diagonal()
        h_core += second_derivative(s, vector.M, moved, change, slopes)
        hu, hvt = hu + vector.Up * slopes.values, hvt + (vector.Vp * slopes.values).T
    g_core.flat[:: s.size + 1] = ds

    stretch = np.diag(moved)
    return _riemannian(
        point,
        g_core,
        h_core,
        (raw_along, raw_across),
        _Side(u, du, None, hu, -(b.T * s + stretch) / column, left, h_left, False),
        _Side(vt.T, dvt.T, None, hvt.T, -(a * s + stretch) / column, right.T, h_right.T, False),
        vector,
        metric,
        1,
    )


def _riemannian(
    point: FixedRankPoint,
    g_core: Array,
    h_core: Array,
    normal: tuple[Array, Array],
    left: _Side,
    right: _Side,
    vector: FixedRankTangentVector,
    metric: SpectralMetric,
    shift: int,
) -> FixedRankTangentVector:
    """Return Hess f[Z]; the `first` of both sides is G V S^shift and G^T U S^shift.

    The pair `normal` holds Up^T G V S^shift and S^shift U^T G Vp.
    """
    s = point.s
    w, rates = weights(s, metric), metric.normal_rates(s)
    on_left, on_right = rates if shift == 1 else (w.left, w.right)
    up_gram, vp_gram = normal[0] * on_left, on_right[:, None] * normal[1]
    bent = metric.bend(s, w, g_core * w.tangential, vector.M, up_gram, vp_gram)
    return FixedRankTangentVector(
        _normal_part(left, rates[0], bent.up * (on_left[:, None] * w.left)),
        (h_core + bent.core) * w.tangential,
        _normal_part(right, rates[1], bent.vp * (on_right[:, None] * w.right)),
    )


def _normal_part(side: _Side, weight: Array, of_first: Array) -> Array:
    """Return second * weight + first @ of_first outside of the basis."""
    rows, k = side.basis.shape
    if rows == k:
        return np.zeros((rows, k))
    if side.inner is not None:
        of_first = side.inner @ of_first
    if side.turned is not None:
        of_first = of_first + side.turned * weight
    in_range = side.second_in_range * weight + side.first_in_range @ of_first
    result = scaled_columns(side.second, weight, in_place=side.ours)
    add_product(result, side.first, of_first)
    subtract_product(result, side.basis, in_range)
    return result


def rotations(s: Array, core: Array) -> tuple[Array, Array, Array]:
    """Return a, ds, b with a S + diag(ds) + S b = M, correct at ties.

    Each off-diagonal entry of M goes where it is divided by the larger singular value, and ds is
    diag(M), but that it parts tied singular values which M turns into each other.
    """
    column = s[:, None]
    quotient = core / np.maximum(column, s)
    quotient.flat[:: s.size + 1] = 0
    to_left, moved = column < s * (1 - TIED), core.diagonal().copy()
    if 2 * np.count_nonzero(to_left) < s.size * (s.size - 1):
        to_left = (column < s) | np.tril(column == s)
        extra = parting(s, core)
        quotient.flat[:: s.size + 1] = -extra / s
        moved += extra
    return np.where(to_left, quotient, 0), moved, np.where(to_left, 0, quotient)
