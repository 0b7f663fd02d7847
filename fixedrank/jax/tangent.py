"""Projection to tangent spaces, and transport by projection."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from fixedrank._shared_docs import describe
from fixedrank.jax.descriptions import POINTS
from fixedrank.jax.points import CorePoint, Point, Tangent, require_point, require_tangent


def project(point: Point | CorePoint, matrix: Any) -> Tangent:
    """Return the orthogonal projection of an ambient matrix to the tangent space at W.

    Parameters
    ----------
    matrix : array, shape (m, n), or tuple (L, R)
        The matrix, or thin factors of L R^T, of shapes (m, r) and (n, r).

    Returns
    -------
    Tangent
        The projection.

    References
    ----------
    B. Vandereycken, Low-rank matrix completion by Riemannian optimization, SIAM Journal on
    Optimization 23, 2013.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point, project
    >>> point = Point(jnp.eye(3, 1), jnp.array([4.0]), jnp.eye(2, 1))
    >>> project(point, jnp.ones((3, 2))).up.tolist()
    [[0.0], [1.0], [1.0]]
    """
    require_point(point)
    m, n = point.u.shape[0], point.v.shape[0]
    if isinstance(matrix, tuple):
        if len(matrix) != 2:
            raise ValueError(f"a matrix L R^T is a pair (L, R), got a tuple of {len(matrix)}")
        left, right = map(jnp.asarray, matrix)
        if not (
            left.ndim == 2
            and left.shape == (m, *left.shape[1:])
            and right.shape == (n, *left.shape[1:])
        ):
            raise ValueError(
                f"L and R of a matrix at this point must have the shapes ({m}, r) and ({n}, r), "
                f"got {left.shape} and {right.shape}"
            )
        return from_products(point, left @ (right.T @ point.v), right @ (left.T @ point.u))
    matrix = jnp.asarray(matrix)
    if matrix.shape != (m, n):
        raise ValueError(f"the matrix must have the shape {(m, n)}, got {matrix.shape}")
    return from_products(point, matrix @ point.v, matrix.T @ point.u)


def transport(start: Point | CorePoint, end: Point | CorePoint, tangent: Tangent) -> Tangent:
    """Return a tangent vector at one point projected to the tangent space at another.

    Parameters
    ----------
    start, end : Point or CorePoint
        The points, of the same shapes.
    tangent : Tangent
        A tangent vector at the first one.

    Returns
    -------
    Tangent
        A tangent vector at the second one. No m x n array is made.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point, Tangent, transport
    >>> start = Point(jnp.eye(3, 1), jnp.array([4.0]), jnp.eye(2, 1))
    >>> Z = Tangent(jnp.zeros((3, 1)), jnp.ones((1, 1)), jnp.zeros((2, 1)))
    >>> transport(start, start, Z).m.tolist()
    [[1.0]]
    """
    require_point(start)
    require_point(end)
    require_tangent(start, tangent)
    if start.u.shape != end.u.shape or start.v.shape != end.v.shape:
        raise ValueError(
            f"the points must have the same shapes, got u {start.u.shape} and {end.u.shape}, "
            f"v {start.v.shape} and {end.v.shape}"
        )
    left, right = start.u.T @ end.u, start.v.T @ end.v
    # Z V and Z^T U, with U and V of the end.
    gv = start.u @ (tangent.m @ right + tangent.vp.T @ end.v) + tangent.up @ right
    gtu = start.v @ (tangent.m.T @ left + tangent.up.T @ end.u) + tangent.vp @ left
    return from_products(end, gv, gtu)


describe(project, POINTS)
describe(transport, POINTS)


def from_products(point: Point | CorePoint, gv: Array, gtu: Array) -> Tangent:
    """Return the projection of a matrix G, from G V and G^T U."""
    m = point.u.T @ gv
    return Tangent(without_range(point.u, gv, m), m, without_range(point.v, gtu, m.T))


def without_range(basis: Array, block: Array, coefficients: Array) -> Array:
    """Return block - basis @ coefficients, exactly zero where the basis spans all."""
    if basis.shape[0] == basis.shape[1]:
        return jnp.zeros_like(block)
    return block - basis @ coefficients
