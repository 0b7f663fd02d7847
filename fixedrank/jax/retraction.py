r"""Retractions: the nearest matrix of rank k, and the orthographic one at a full core.

Singular vectors have no derivative at ties, nor has a decomposition of a zero block at Z = 0. The
nearest matrix has: its derivative is taken in frames that move across their own range only. With
the part B = U_b diag(b) V_b^T of W + Z that is cut, and Phi = U_b^T X V, Psi = V_b^T X^T U for the
derivative X of W + Z, the frames move in U_b by (s Phi + b Psi) / (s^2 - b^2), and elsewhere by
Phi / s.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from fixedrank._shared_docs import describe
from fixedrank.jax.descriptions import POINTS
from fixedrank.jax.points import CorePoint, Point, Tangent, core_point, require_tangent
from fixedrank.jax.tangent import without_range


def retract(point: Point | CorePoint, tangent: Tangent) -> CorePoint:
    """Return the matrix of rank k nearest to W + Z.

    Its core is diagonal, with descending singular values. Derivatives of first order are those of
    the nearest matrix, in frames that move across their own range: right for all functions of the
    product, at Z = 0 and at ties too.

    Returns
    -------
    CorePoint
        The nearest matrix. Where W + Z has rank below k its core is singular.

    References
    ----------
    P.-A. Absil, J. Malick, Projection-like retractions on matrix manifolds, SIAM Journal on
    Optimization 22, 2012.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point, Tangent, retract
    >>> point = Point(jnp.eye(3, 1), jnp.array([4.0]), jnp.eye(2, 1))
    >>> Z = Tangent(jnp.zeros((3, 1)), jnp.ones((1, 1)), jnp.zeros((2, 1)))
    >>> retract(point, Z).core.tolist()
    [[5.0]]
    """
    point = core_point(point)
    require_tangent(point, tangent)
    return _nearest(point, tangent)


def retract_orthographic(point: Point | CorePoint, tangent: Tangent) -> CorePoint:
    """Return the matrix of rank k that differs from W + Z by a normal vector at W.

    It takes no singular value decomposition: derivatives of all orders are those of its formula. It
    agrees with the geodesic of the embedded metric to second order.

    Returns
    -------
    CorePoint
        The matrix, with a full core. Not finite where S + M is singular.

    References
    ----------
    P.-A. Absil, I. V. Oseledets, Low-rank retractions: a survey and new results, Computational
    Optimization and Applications 62, 2015.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point, Tangent, retract_orthographic
    >>> point = Point(jnp.eye(3, 1), jnp.array([4.0]), jnp.eye(2, 1))
    >>> Z = Tangent(jnp.zeros((3, 1)), jnp.ones((1, 1)), jnp.zeros((2, 1)))
    >>> retract_orthographic(point, Z).core.tolist()
    [[5.0]]
    """
    point = core_point(point)
    require_tangent(point, tangent)
    inner = point.core + tangent.m
    # W' = (U + Up C^-1) C (V + Vp C^-T)^T with C = S + M, and QR of both outer factors.
    u, left = _positive_qr(point.u + jnp.linalg.solve(inner.T, tangent.up.T).T)
    v, right = _positive_qr(point.v + jnp.linalg.solve(inner, tangent.vp.T).T)
    return CorePoint(u, left @ inner @ right.T, v)


describe(retract, POINTS)
describe(retract_orthographic, POINTS)


def _positive_qr(matrix: Array) -> tuple[Array, Array]:
    """Return the QR decomposition with a positive diagonal, near the identity for a near basis."""
    q, r = jnp.linalg.qr(matrix)
    signs = jnp.where(jnp.diagonal(r) < 0, -1.0, 1.0).astype(matrix.dtype)
    return q * signs, signs[:, None] * r


@jax.custom_jvp
def _nearest(point: CorePoint, tangent: Tangent) -> CorePoint:
    return _decomposed(point, tangent)[0]


@_nearest.defjvp
def _nearest_jvp(primals: Any, tangents: Any) -> tuple[CorePoint, CorePoint]:
    (point, vector), (dpoint, dvector) = primals, tangents
    nearest, rest = _decomposed(point, vector)
    # W + Z = [U, Up] [V (S + M)^T + Vp, V]^T, and its derivative X.
    inner, dinner = point.core + vector.m, dpoint.core + dvector.m
    left, dleft = jnp.hstack([point.u, vector.up]), jnp.hstack([dpoint.u, dvector.up])
    right = jnp.hstack([point.v @ inner.T + vector.vp, point.v])
    dright = jnp.hstack([dpoint.v @ inner.T + point.v @ dinner.T + dvector.vp, dpoint.v])
    u, s, v = nearest.u, jnp.diagonal(nearest.core), nearest.v
    xv = dleft @ (right.T @ v) + left @ (dright.T @ v)
    xtu = dright @ (left.T @ u) + right @ (dleft.T @ u)
    dcore = u.T @ xv
    phi, psi = rest.u.T @ xv / s, rest.v.T @ xtu / s
    ratio = jnp.diagonal(rest.core)[:, None] / s
    # What the part that is cut adds to Phi / s and Psi / s.
    by_rest = ratio / ((1 - ratio) * (1 + ratio))
    du = without_range(u, xv, dcore) / s + rest.u @ (by_rest * (psi + ratio * phi))
    dv = without_range(v, xtu, dcore.T) / s + rest.v @ (by_rest * (phi + ratio * psi))
    return nearest, CorePoint(du, dcore, dv)


def _decomposed(point: CorePoint, tangent: Tangent) -> tuple[CorePoint, CorePoint]:
    """Return the nearest matrix to W + Z, and the rest, by singular value decompositions."""
    k = point.core.shape[0]
    left, of_left = jnp.linalg.qr(jnp.hstack([point.u, tangent.up]))
    right, of_right = jnp.linalg.qr(jnp.hstack([point.v, tangent.vp]))
    eye = jnp.eye(k, dtype=point.core.dtype)
    inner = jnp.block([[point.core + tangent.m, eye], [eye, jnp.zeros_like(eye)]])
    u, s, vt = jnp.linalg.svd(of_left @ inner @ of_right.T, full_matrices=False)
    u, v = left @ u, right @ vt.T
    return (
        CorePoint(u[:, :k], jnp.diag(s[:k]), v[:, :k]),
        CorePoint(u[:, k:], jnp.diag(s[k:]), v[:, k:]),
    )
