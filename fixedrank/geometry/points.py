"""Points W = U diag(s) V^T of M_k and tangent vectors Z = U M V^T + Up V^T + U Vp^T, in factors."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fixedrank._checks import Array, real_array, require_finite

_ORTHONORMALITY_TOLERANCE = 1e-8


class FixedRankPoint(NamedTuple):
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

    u: Array
    s: Array
    vt: Array


class _TangentParts(NamedTuple):
    Up: Array
    M: Array
    Vp: Array


class FixedRankTangentVector(_TangentParts):
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

    # Without this, np.float64 * Z would turn Z into an object array.
    __array_ufunc__ = None

    def __add__(self, other: Any) -> FixedRankTangentVector:
        if not isinstance(other, tuple) or len(other) != 3:
            return NotImplemented
        return FixedRankTangentVector(self.Up + other[0], self.M + other[1], self.Vp + other[2])

    def __sub__(self, other: Any) -> FixedRankTangentVector:
        if not isinstance(other, tuple) or len(other) != 3:
            return NotImplemented
        return FixedRankTangentVector(self.Up - other[0], self.M - other[1], self.Vp - other[2])

    def __mul__(self, scalar: Any) -> FixedRankTangentVector:
        if np.ndim(scalar) != 0:
            return NotImplemented
        return FixedRankTangentVector(self.Up * scalar, self.M * scalar, self.Vp * scalar)

    __rmul__ = __mul__

    def __truediv__(self, scalar: Any) -> FixedRankTangentVector:
        if np.ndim(scalar) != 0:
            return NotImplemented
        return FixedRankTangentVector(self.Up / scalar, self.M / scalar, self.Vp / scalar)

    def __neg__(self) -> FixedRankTangentVector:
        return FixedRankTangentVector(-self.Up, -self.M, -self.Vp)


_POINT, _TANGENT = ("u", "s", "vt"), ("Up", "M", "Vp")


def _parts(value: Any, kind: str, names: tuple[str, ...]) -> list[Array]:
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        raise TypeError(
            f"{kind} is a tuple ({', '.join(names)}) of three arrays, "
            f"got {type(value).__name__} {str(value)[:40]!r}"
        )
    return [real_array(name, part) for name, part in zip(names, value, strict=True)]


def is_triple(value: Any) -> bool:
    """Say whether `value` has the form (u, s, vt), not that of a matrix or of a low-rank one."""
    return (
        isinstance(value, (tuple, list))
        and len(value) == 3
        and np.ndim(value[0]) == 2
        and np.ndim(value[1]) == 1
    )


def as_point(value: Any, m: int, n: int, k: int) -> FixedRankPoint:
    """Return `value` as a point with the shapes of M_k checked, and little else."""
    u, s, vt = parts = _parts(value, "a point", _POINT)
    if u.shape != (m, k) or s.shape != (k,) or vt.shape != (k, n):
        raise ValueError(
            f"a point of {m}x{n} matrices of rank {k} has shapes {(m, k)}, {(k,)}, {(k, n)}, "
            f"got {', '.join(str(part.shape) for part in parts)}"
        )
    # By vdot, which does not warn where the squares overflow.
    if not math.isfinite(np.vdot(s, s)):
        require_finite("s", s)
    return FixedRankPoint(u, s, vt)


def as_tangent(
    value: Any, m: int, n: int, k: int, name: str = "a tangent vector"
) -> FixedRankTangentVector:
    """Return `value` as a tangent vector with its shapes checked."""
    up, core, vp = parts = _parts(value, name, _TANGENT)
    if up.shape != (m, k) or core.shape != (k, k) or vp.shape != (n, k):
        raise ValueError(
            f"{name} at a {m}x{n} matrix of rank {k} has shapes "
            f"{(m, k)}, {(k, k)}, {(n, k)}, got {', '.join(str(part.shape) for part in parts)}"
        )
    return FixedRankTangentVector(up, core, vp)


def checked_point(point: Any) -> FixedRankPoint:
    """Return `point` with all that makes it a point of M_k checked.

    Raises
    ------
    TypeError, ValueError
        Which condition fails, and by how much.
    """
    u, s, vt = parts = _parts(point, "a point", _POINT)
    if (u.ndim, s.ndim, vt.ndim) != (2, 1, 2) or not u.shape[1] == s.size == vt.shape[0]:
        raise ValueError(
            "a point has shapes (m, k), (k,), (k, n), but u, s, vt have shapes "
            f"{u.shape}, {s.shape}, {vt.shape}"
        )
    for name, part in zip(_POINT, parts, strict=True):
        require_finite(name, part)
    (m, k), n = u.shape, vt.shape[1]
    if not 1 <= k <= min(m, n):
        raise ValueError(f"the rank k = {k} must lie between 1 and min(m, n) = {min(m, n)}")
    if not (s > 0).all():
        raise ValueError(f"the singular values must be positive, but the smallest is {s.min():.3e}")
    for name, gram in (("columns of u", u.T @ u), ("rows of vt", vt @ vt.T)):
        deviation = float(np.abs(gram - np.eye(k)).max())
        if deviation > _ORTHONORMALITY_TOLERANCE:
            raise ValueError(
                f"the {name} must be orthonormal, but their Gram matrix differs from the "
                f"identity by {deviation:.3e} (tolerance {_ORTHONORMALITY_TOLERANCE:.0e})"
            )
    return FixedRankPoint(u, s, vt)


def checked_tangent(point: FixedRankPoint, vector: Any, name: str = "Z") -> FixedRankTangentVector:
    """Return `vector` with shapes and finiteness checked against `point`."""
    checked = as_tangent(vector, point.u.shape[0], point.vt.shape[1], point.s.size, name)
    for part, array in zip(_TANGENT, checked, strict=True):
        require_finite(f"{name}.{part}", array)
    return checked


def distance(a: Any, b: Any) -> float:
    """Return the Frobenius distance of two matrices in factors (u, s, vt), without forming them."""
    left, right = (
        np.linalg.qr(np.hstack((a[0], b[0])))[1],
        np.linalg.qr(np.vstack((a[2], b[2])).T)[1],
    )
    return float(np.linalg.norm((left * np.concatenate((a[1], -b[1]))) @ right.T))
