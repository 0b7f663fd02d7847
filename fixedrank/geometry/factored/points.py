"""Points W = U diag(s) V^T of M_k and tangent vectors Z = U M V^T + Up V^T + U Vp^T, in factors."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fixedrank._checks import Array, number_of_axes, real_array, require_finite
from fixedrank._linear_algebra import tall_qr
from fixedrank._shown import parts_shown
from fixedrank.geometry.factored.arithmetic import NoVector, Vector

_ORTHONORMALITY_TOLERANCE = 1e-8


class _PointParts(NamedTuple):
    u: Array
    s: Array
    vt: Array


class FixedRankPoint(NoVector, _PointParts):
    """A matrix W = U diag(s) V^T of rank k, held by its factors.

    Any tuple ``(u, s, vt)`` of three such arrays serves as well, wherever a point is asked for.

    Parameters
    ----------
    u : ndarray, shape (m, k)
        Left singular vectors, orthonormal columns.
    s : ndarray, shape (k,)
        Singular values, positive; descending where this library makes the point.
    vt : ndarray, shape (k, n)
        Right singular vectors, orthonormal rows.

    Examples
    --------
    >>> import fixedrank
    >>> fixedrank.FixedRank(4, 3, 1, depth=2).random_point(rng=0).s.shape
    (1,)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return parts_shown(self, super().__repr__)

    _not_a_vector = (
        "points (u, s, vt) do not add or scale: matrices of rank k are no vector space. The matrix "
        "G + c W is MatrixSum(G, (c * u * s, vt.T)); a step along a tangent vector is "
        "manifold.retraction(point, Z)"
    )


class _TangentParts(NamedTuple):
    Up: Array
    M: Array
    Vp: Array


class FixedRankTangentVector(Vector, _TangentParts):
    """A tangent vector Z = U M V^T + Up V^T + U Vp^T at W = U diag(s) V^T.

    It adds, subtracts, and scales like a vector. Any tuple ``(Up, M, Vp)`` of three
    such arrays serves as well, wherever a tangent vector is asked for.

    Parameters
    ----------
    Up : ndarray, shape (m, k)
        Part that moves the column space, U^T Up = 0.
    M : ndarray, shape (k, k)
        Part within the row and the column space.
    Vp : ndarray, shape (n, k)
        Part that moves the row space, V^T Vp = 0.

    Examples
    --------
    >>> import fixedrank
    >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
    >>> point = manifold.random_point(rng=0)
    >>> Z = manifold.random_tangent_vector(point, rng=1)
    >>> round(float(manifold.norm(point, 2 * Z - Z / 2)), 12)
    1.5
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return parts_shown(self, super().__repr__)


class _DirectionParts(NamedTuple):
    du: Array
    ds: Array
    dvt: Array


class FactorDirections(Vector, _DirectionParts):
    """Directions (du, ds, dvt) along which the factors of W = U diag(s) V^T move.

    They move W by du diag(s) vt + u diag(ds) vt + u diag(s) dvt, and have the shapes of the point,
    as automatic differentiation of cost(u, s, vt) needs them: :meth:`FixedRank.embedding` makes
    them. Their type tells them from a point and from derivatives of a cost, of the same shapes:
    wherever an ambient matrix at a point is asked for they stand for the one by which W moves.
    Like tangent vectors they add, subtract and scale.

    Parameters
    ----------
    du : ndarray, shape (m, k)
        Direction of u.
    ds : ndarray, shape (k,)
        Direction of s.
    dvt : ndarray, shape (k, n)
        Direction of vt.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
    >>> point = manifold.random_point(rng=0)
    >>> Z = manifold.random_tangent_vector(point, rng=1)
    >>> directions = manifold.embedding(point, Z)
    >>> [part.shape for part in directions]
    [(4, 2), (2,), (2, 3)]
    >>> bool(np.allclose(manifold.projection(point, directions).Up, Z.Up))
    True
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return parts_shown(self, super().__repr__)


_POINT, _TANGENT = ("u", "s", "vt"), ("Up", "M", "Vp")
_OF_MATRIX = "; manifold.point(W) is the point of a matrix W"


def _parts(value: Any, kind: str, names: tuple[str, ...]) -> list[Array]:
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        shape = tuple(getattr(value, "shape", ()))
        of_matrix = names is _POINT and (len(shape) == 2 or isinstance(value, list))
        raise TypeError(
            f"{kind} is a tuple ({', '.join(names)}) of three arrays, got {type(value).__name__} "
            + (f"of shape {shape}" if len(shape) == 2 else repr(str(value)[:40]))
            + (_OF_MATRIX if of_matrix else "")
        )
    return [real_array(name, part) for name, part in zip(names, value, strict=True)]


def _shown(value: Any, parts: list[Array]) -> str:
    of = "FactorDirections of " if isinstance(value, FactorDirections) else ""
    return of + ", ".join(str(part.shape) for part in parts)


def _advice_on_point(value: Any, parts: list[Array]) -> str:
    """Return what to do with what is no point, as far as its form tells what it is."""
    if isinstance(value, FactorDirections):
        return "; they are a way of moving a point, not a point"
    form = tuple(part.ndim for part in parts)
    if form == (2, 2, 2):
        return "; manifold.tangent_to_matrix(point, Z) is the matrix of a tangent vector Z"
    return _OF_MATRIX if form == (1, 1, 1) else ""


def _advice_on_vector(parts: list[Array]) -> str:
    """Return what to do with what is no tangent vector, as far as its form tells what it is."""
    if tuple(part.ndim for part in parts) != (2, 1, 2):
        return ""
    return (
        "; manifold.projection(point, directions) is the tangent vector of FactorDirections, "
        "manifold.euclidean_to_riemannian_gradient(point, derivatives) the gradient of a cost"
    )


def is_triple(value: Any) -> bool:
    """Say whether `value` has the form (u, s, vt), not that of a matrix or of a low-rank one."""
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        return False
    first, second, _ = value
    if first.__class__ is second.__class__ is np.ndarray:
        return bool(first.ndim == 2 and second.ndim == 1)
    return number_of_axes(first) == 2 and number_of_axes(second) == 1


def is_factor_derivative(value: Any) -> bool:
    """Say whether `value` is a triple (du, ds, dvt) of no type that would tell what it is."""
    return is_triple(value) and not isinstance(value, (FixedRankPoint, FactorDirections))


def as_point(value: Any, m: int, n: int, k: int) -> FixedRankPoint:
    """Return `value` as a point with the shapes of M_k checked, and little else.

    Factors in another precision than float64 are in general not orthonormal to round-off of it:
    of those this is checked too.
    """
    u, s, vt = parts = _parts(value, "a point", _POINT)
    if (
        u.shape != (m, k)
        or s.shape != (k,)
        or vt.shape != (k, n)
        or value.__class__ is FactorDirections
    ):
        raise ValueError(
            f"a point of {m}x{n} matrices of rank {k} has shapes {(m, k)}, {(k,)}, {(k, n)}, got "
            f"{_shown(value, parts)}{_advice_on_point(value, parts)}"
        )
    # By vdot, which does not warn where the squares overflow.
    if not math.isfinite(np.vdot(s, s)):
        require_finite("s", s)
    if not (u is value[0] and vt is value[2]):
        for name, part in (("u", u), ("vt", vt)):
            require_finite(name, part)
        _require_orthonormal(u, vt)
    return FixedRankPoint(u, s, vt)


def as_tangent(
    value: Any, m: int, n: int, k: int, name: str = "a tangent vector"
) -> FixedRankTangentVector:
    """Return `value` as a tangent vector with its shapes checked."""
    up, core, vp = parts = _parts(value, name, _TANGENT)
    if up.shape != (m, k) or core.shape != (k, k) or vp.shape != (n, k):
        raise ValueError(
            f"{name} at a {m}x{n} matrix of rank {k} has shapes "
            f"{(m, k)}, {(k, k)}, {(n, k)}, got "
            f"{_shown(value, parts)}{_advice_on_vector(parts)}"
        )
    return FixedRankTangentVector(up, core, vp)


def as_directions(point: FixedRankPoint, value: Any) -> FactorDirections:
    """Return `value` as FactorDirections with shapes and finiteness checked against the point."""
    parts = _parts(value, "FactorDirections", ("du", "ds", "dvt"))
    if any(part.shape != of.shape for part, of in zip(parts, point, strict=True)):
        raise ValueError(
            f"FactorDirections have the shapes of the point, "
            f"{', '.join(str(of.shape) for of in point)}, "
            f"got {', '.join(str(part.shape) for part in parts)}"
        )
    for name, part in zip(("du", "ds", "dvt"), parts, strict=True):
        require_finite(name, part)
    return FactorDirections(*parts)


def checked_point(point: Any) -> FixedRankPoint:
    """Return `point` with all that makes it a point of M_k checked.

    Raises
    ------
    TypeError, ValueError
        Which condition fails, and by how much.
    """
    u, s, vt = parts = _parts(point, "a point", _POINT)
    fitting = (u.ndim, s.ndim, vt.ndim) == (2, 1, 2) and u.shape[1] == s.size == vt.shape[0]
    if not fitting or isinstance(point, FactorDirections):
        raise ValueError(
            "a point has shapes (m, k), (k,), (k, n), but u, s, vt have shapes "
            f"{_shown(point, parts)}{_advice_on_point(point, parts)}"
        )
    for name, part in zip(_POINT, parts, strict=True):
        require_finite(name, part)
    (m, k), n = u.shape, vt.shape[1]
    if not 1 <= k <= min(m, n):
        raise ValueError(f"the rank k = {k} must lie between 1 and min(m, n) = {min(m, n)}")
    if not (s > 0).all():
        raise ValueError(f"the singular values must be positive, but the smallest is {s.min():.3e}")
    _require_orthonormal(u, vt)
    return FixedRankPoint(u, s, vt)


def _require_orthonormal(u: Array, vt: Array) -> None:
    for name, gram in (("columns of u", u.T @ u), ("rows of vt", vt @ vt.T)):
        deviation = float(np.abs(gram - np.eye(gram.shape[0])).max())
        if deviation > _ORTHONORMALITY_TOLERANCE:
            raise ValueError(
                f"the {name} must be orthonormal, but their Gram matrix differs from the "
                f"identity by {deviation:.3e} (tolerance {_ORTHONORMALITY_TOLERANCE:.0e}); "
                "manifold.point((u, s, vt)) makes the same matrix a point, also one that was saved "
                "in float32"
            )


def checked_tangent(point: FixedRankPoint, vector: Any, name: str = "Z") -> FixedRankTangentVector:
    """Return `vector` with shapes and finiteness checked against `point`."""
    checked = as_tangent(vector, point.u.shape[0], point.vt.shape[1], point.s.size, name)
    for part, array in zip(_TANGENT, checked, strict=True):
        require_finite(f"{name}.{part}", array)
    return checked


def distance(a: Any, b: Any) -> float:
    """Return the Frobenius distance of two matrices in factors (u, s, vt), without forming them."""
    left, right = (
        tall_qr(np.hstack((a[0], b[0])))[1],
        tall_qr(np.vstack((a[2], b[2])).T)[1],
    )
    return float(np.linalg.norm((left * np.concatenate((a[1], -b[1]))) @ right.T))
