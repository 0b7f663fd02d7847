"""Points and tangent vectors as pytrees, and their conversion from and to those of the library."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector


class Point(NamedTuple):
    """A matrix W = U diag(s) V^T of rank k, by its singular value decomposition.

    A pytree. The right factor is V, n x k, where the points of the library hold V^T.

    Parameters
    ----------
    u : array, shape (m, k)
        Left singular vectors, orthonormal columns.
    s : array, shape (k,)
        Singular values, positive, in any order.
    v : array, shape (n, k)
        Right singular vectors, orthonormal columns.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point
    >>> Point(jnp.eye(3, 1), jnp.array([2.0]), jnp.eye(2, 1)).s.shape
    (1,)
    """

    u: Array
    s: Array
    v: Array


class CorePoint(NamedTuple):
    """A matrix W = U S V^T of rank k with a full core S.

    A pytree. Its frames need not be singular vectors, so that they move smoothly where singular
    values meet: this is the form for flows and optimisers.

    Parameters
    ----------
    u : array, shape (m, k)
        A basis of the column space, orthonormal columns.
    core : array, shape (k, k)
        The core S, invertible.
    v : array, shape (n, k)
        A basis of the row space, orthonormal columns.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import CorePoint, to_matrix
    >>> to_matrix(CorePoint(jnp.eye(3, 1), jnp.array([[2.0]]), jnp.eye(2, 1))).tolist()
    [[2.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    """

    u: Array
    core: Array
    v: Array


class Tangent(NamedTuple):
    """A tangent vector Z = U M V^T + Up V^T + U Vp^T, in the frames U and V of its point.

    A pytree, so that ``jax.tree.map`` adds and scales it.

    Parameters
    ----------
    up : array, shape (m, k)
        Part that moves the column space, U^T Up = 0.
    m : array, shape (k, k)
        Part within the row and the column space.
    vp : array, shape (n, k)
        Part that moves the row space, V^T Vp = 0.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Tangent
    >>> Tangent(jnp.zeros((3, 1)), jnp.ones((1, 1)), jnp.zeros((2, 1))).m.shape
    (1, 1)
    """

    up: Array
    m: Array
    vp: Array


def from_fixedrank(value: Any) -> Point | Tangent:
    """Return a point or a tangent vector of the library as arrays of JAX.

    Parameters
    ----------
    value : FixedRankPoint, FixedRankTangentVector or tuple of arrays
        A point (u, s, vt), a tangent vector (Up, M, Vp), or stacks of them along axes in front.

    Returns
    -------
    Point or Tangent
        The same in the precision of JAX: float32 unless ``jax_enable_x64`` is set.

    Raises
    ------
    TypeError, ValueError
        If it is neither, or its shapes do not fit together.

    Examples
    --------
    >>> import fixedrank
    >>> from fixedrank.jax import from_fixedrank
    >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=3)
    >>> from_fixedrank(manifold.random_point(rng=0)).v.shape
    (3, 2)
    """
    if isinstance(value, Point | CorePoint | Tangent):
        raise TypeError(f"a {type(value).__name__} is of JAX already")
    parts = _three_arrays(value)
    first, middle, last = parts
    if middle.ndim == first.ndim - 1:
        u, s, v = first, middle, np.swapaxes(last, -1, -2)
        _require_shapes("a point (u, s, vt)", parts, (u, s, v), s.shape[-1:])
        return Point(*map(_own, (u, s, v)))
    _require_shapes("a tangent vector (Up, M, Vp)", parts, parts, middle.shape[-1:] * 2)
    return Tangent(*map(_own, parts))


def to_fixedrank(value: Point | CorePoint | Tangent) -> FixedRankPoint | FixedRankTangentVector:
    """Return a point or a tangent vector as those of the library, in double precision.

    Parameters
    ----------
    value : Point, CorePoint or Tangent
        The point or vector, or a stack of them along axes in front. The library knows a tangent
        vector in the frames of singular vectors only: one at a CorePoint is no vector there.

    Returns
    -------
    FixedRankPoint or FixedRankTangentVector
        The same; of a point with singular values in descending order, of a CorePoint by the
        singular value decomposition of its core.

    Raises
    ------
    TypeError
        If it is none of these.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import CorePoint, to_fixedrank
    >>> core = jnp.array([[0.0, 1.0], [3.0, 0.0]])
    >>> to_fixedrank(CorePoint(jnp.eye(3, 2), core, jnp.eye(2))).s.tolist()
    [3.0, 1.0]
    """
    if isinstance(value, Tangent):
        return FixedRankTangentVector(*(np.array(part, dtype=np.float64) for part in value))
    if isinstance(value, Point):
        u, s, v = (np.array(part, dtype=np.float64) for part in value)
        order = np.argsort(-s, axis=-1, kind="stable")
        u = np.take_along_axis(u, order[..., None, :], axis=-1)
        v = np.take_along_axis(v, order[..., None, :], axis=-1)
        s = np.take_along_axis(s, order, axis=-1)
        return FixedRankPoint(u, s, np.swapaxes(v, -1, -2))
    if isinstance(value, CorePoint):
        u, core, v = (np.array(part, dtype=np.float64) for part in value)
        left, s, right = np.linalg.svd(core)
        return FixedRankPoint(u @ left, s, right @ np.swapaxes(v, -1, -2))
    raise TypeError(f"expected a Point, a CorePoint or a Tangent, got {type(value).__name__}")


def core_point(point: Point | CorePoint) -> CorePoint:
    """Return a point with its core, diag(s) for a Point.

    Parameters
    ----------
    point : Point or CorePoint
        The point.

    Returns
    -------
    CorePoint
        The same matrix, in the same frames.

    Raises
    ------
    TypeError, ValueError
        If it is no point, or its shapes do not fit together.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point, core_point
    >>> core_point(Point(jnp.eye(3, 2), jnp.array([2.0, 1.0]), jnp.eye(2))).core.tolist()
    [[2.0, 0.0], [0.0, 1.0]]
    """
    require_point(point)
    if isinstance(point, CorePoint):
        return point
    return CorePoint(point.u, jnp.diag(point.s), point.v)


def to_matrix(point: Point | CorePoint, tangent: Tangent | None = None) -> Array:
    """Return a point, or a tangent vector at it, as a dense m x n matrix.

    Parameters
    ----------
    point : Point or CorePoint
        The point W.
    tangent : Tangent, optional
        A tangent vector Z at W.

    Returns
    -------
    array, shape (m, n)
        W, or Z if it is given.

    Raises
    ------
    TypeError, ValueError
        If they are no point or no tangent vector at it, or shapes do not fit together.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point, to_matrix
    >>> to_matrix(Point(jnp.eye(2, 1), jnp.array([2.0]), jnp.eye(2, 1))).tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    require_point(point)
    if tangent is not None:
        require_tangent(point, tangent)
        left = point.u @ tangent.m + tangent.up
        return left @ point.v.T + point.u @ tangent.vp.T
    if isinstance(point, Point):
        return (point.u * point.s) @ point.v.T
    return point.u @ point.core @ point.v.T


def require_point(point: Any) -> None:
    """Raise an error unless it is a Point or a CorePoint whose shapes fit together."""
    if not isinstance(point, Point | CorePoint):
        raise TypeError(
            f"expected a Point (u, s, v) or a CorePoint (u, core, v), got {type(point).__name__}; "
            "from_fixedrank makes one of a point (u, s, vt) of the library"
        )
    u, middle, v = map(jnp.shape, point)
    k = u[-1] if u else 0
    wanted = (k,) if isinstance(point, Point) else (k, k)
    if not (len(u) == len(v) == 2 and middle == wanted and v[1] == k and 1 <= k <= min(u[0], v[0])):
        names, form = ("s", "(k,)") if isinstance(point, Point) else ("core", "(k, k)")
        raise ValueError(
            f"u, {names} and v must have the shapes (m, k), {form} and (n, k) with "
            f"1 <= k <= min(m, n), got {u}, {middle} and {v}; map stacks of points by jax.vmap"
        )


def require_tangent(point: Point | CorePoint, tangent: Any) -> None:
    """Raise an error unless it is a Tangent with the shapes of one at this point."""
    if not isinstance(tangent, Tangent):
        raise TypeError(f"expected a Tangent (up, m, vp), got {type(tangent).__name__}")
    k = point.u.shape[1]
    wanted, got = (point.u.shape, (k, k), point.v.shape), tuple(map(jnp.shape, tangent))
    if got != wanted:
        raise ValueError(
            f"up, m and vp of a tangent vector at this point must have the shapes {wanted[0]}, "
            f"{wanted[1]} and {wanted[2]}, got {got[0]}, {got[1]} and {got[2]}"
        )


def _three_arrays(value: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        first, middle, last = (np.asarray(part) for part in value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            "expected a point (u, s, vt) or a tangent vector (Up, M, Vp), three arrays, got "
            f"{type(value).__name__}"
        ) from error
    return first, middle, last


def _require_shapes(what: str, given: Any, parts: Any, middle: tuple[int, ...]) -> None:
    k = middle[0] if middle else 0
    first, between, last = parts
    front = between.shape[: between.ndim - len(middle)]
    if not (
        first.ndim == last.ndim == len(front) + 2
        and first.shape[:-2] == last.shape[:-2] == front
        and first.shape[-1] == last.shape[-1] == k
        and between.shape[len(front) :] == middle
    ):
        shapes = ", ".join(str(part.shape) for part in given)
        raise ValueError(f"the shapes of {what} do not fit together: {shapes}")


def _own(part: np.ndarray) -> Array:
    # The precision is that of JAX: asked for by dtype it would warn of what it does not have.
    return jnp.asarray(part.astype(jnp.result_type(float)))
