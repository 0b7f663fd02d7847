"""The Riemannian flow linearised: its rates at a rest point."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array
from fixedrank._linear_algebra import tall_qr
from fixedrank._packing import bounds_of, joined, split
from fixedrank.flows.scales import binary_scale, length
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import stacked_weights
from fixedrank.networks.gradients import ThinGradient

# Squares of smaller numbers, times rates, leave floating point.
_LEAST = 1e-60


def linearise(
    products: ThinGradient,
    point: FixedRankPoint,
    metric: SpectralMetric,
    weight_decay: float = 0.0,
    one_rank: bool = False,
) -> tuple[LinearOperator, Array, Array]:
    """Return A^(1/2) Hess A^(1/2), A^(1/2) G and the weights A^(1/2), on flattened (Up, M, Vp).

    Hess is the Hessian of the embedded metric. At a critical point the eigenvalues of the first
    are the rates of the flow, with zeros for the coordinates that are not tangent. On Z the Hessian
    is the projection of D^2 f [Z], here by central differences of the gradient, and what the
    curvature of M_k adds: G_n Vp S^{-1} and G_n^T Up S^{-1} with the normal part G_n of G.
    With weight decay the critical points are those of L + R, where the Riemannian gradient of L is
    -N lambda W: by that the connection bends the Hessian of L, and that of R is lambda times the
    identity.
    A loss that is smooth on matrices of `one_rank` only is asked at such matrices, W + hZ and what
    bends to the rank k, with steps for the smallest singular value.
    Where squares of the gradient would leave floating point, it is divided by its size, and the
    weights are multiplied by it: what one does with both is the same.
    """
    u, s, vt = point
    v, m, n, k = vt.T, u.shape[0], vt.shape[1], s.size
    shapes = ((m, k), (k, k), (n, k))
    bounds = bounds_of(shapes)
    homogeneity = metric.homogeneity
    unit = 1.0 if homogeneity is None else binary_scale(float(s[0]))
    left, right = metric.normal(s / unit)
    roots = (
        np.tile(np.sqrt(left), (m, 1)),
        np.sqrt(metric.tangential(s / unit)),
        np.tile(np.sqrt(right), (n, 1)),
    )
    root_scale = 1.0 if homogeneity is None else unit ** (1 - 1 / homogeneity)
    weights = joined(roots)
    decay = weight_decay * (metric.layers or 0.0) if weight_decay else 0.0
    at = stacked_weights(s / unit, metric) if decay else None

    def projected(gv: Array, gtu: Array) -> Array:
        middle = u.T @ gv
        return joined((gv - u @ middle, middle, gtu - v @ middle.T))

    def rates(flat: Array) -> Array:
        up, core, vp = split(np.ravel(flat), shapes, bounds)
        tangent = up - u @ (u.T @ up), core, vp - v @ (vt @ vp)
        up, core, vp = (root * part for root, part in zip(roots, tangent, strict=True))
        left, r_left = tall_qr(np.hstack((u, up)))
        right, r_right = tall_qr(np.hstack((v, vp)))
        size = length(joined((up, core, vp)))
        # Of a vector that is normal nothing is left: its step would be infinite in large units.
        if size == 0:
            return np.zeros_like(weights)
        step = 1e-5 * s[-1 if one_rank else 0] / max(size, np.finfo(float).tiny)

        def moved_by(h: float) -> tuple[Array, Array]:
            middle = np.zeros((2 * k, 2 * k))
            middle[:k, :k] = np.diag(s) + h * core
            middle[:k, k:] = middle[k:, :k] = h * np.eye(k)
            if one_rank:
                middle[k:, k:] = h * h * np.linalg.inv(middle[:k, :k])
            gr, gtl = products(left, r_left @ middle @ r_right.T, right)
            return gr @ r_right, gtl @ r_left

        (gv_a, gtu_a), (gv_b, gtu_b) = moved_by(step), moved_by(-step)
        gv, gtu = (gv_a - gv_b) / (2 * step), (gtu_a - gtu_b) / (2 * step)
        here, here_t = (gv_a + gv_b) / 2, (gtu_a + gtu_b) / 2
        bent, bent_t = here[:, k:] / s, here_t[:, k:] / s
        bent, bent_t = bent - u @ (u.T @ bent), bent_t - v @ (vt @ bent_t)
        result = root_scale * (
            root_scale * (weights * projected(gv[:, :k] + bent, gtu[:, :k] + bent_t))
        )
        if at is not None:
            still, along = np.zeros((k, k)), np.diag(-decay * s / unit)
            turned = metric.bend(s / unit, at, along, core, still, still).core
            result += weight_decay * joined(tangent)
            result[bounds[1] : bounds[2]] += np.ravel(roots[1] * turned)
        return result

    operator = LinearOperator((weights.size,) * 2, matvec=rates, dtype=np.float64)
    gv, gtu = products(u, np.diag(s), v)
    gradient = weights * projected(gv, gtu)
    if decay:
        slopes = decay * s / np.diagonal(roots[1]) / root_scale / root_scale
        gradient[bounds[1] : bounds[2] : k + 1] += slopes
    largest = float(np.abs(gradient).max())
    size = binary_scale(largest) if largest > 0 else 1.0
    if _LEAST < root_scale * size < 1 / _LEAST:
        return operator, root_scale * gradient, root_scale * weights
    return operator, gradient / size, weights * (root_scale * size) * root_scale
