r"""The inverse of the exponential map, by shooting.

Starting from a velocity Z at A, the geodesic ends at some C. What is missing there, the projection
of B - C to the tangent space at C, is carried back to A by parallel transport: to first order in
it and up to curvature, this is what Z lacks. Broyden's method solves for the Z that lacks nothing.

The first guess is the velocity of a path of balanced factors. With s^(1/N) = r, A = L R^(N-2) L'^T
has the factors L = U diag(r), R = diag(r), L' = V diag(r), and so has B after an orthogonal change
that brings its L and L' close to those of A; the path interpolates the three factors linearly.
Where both have the same singular vectors it is a geodesic. If shooting at B fails, points of the
path are aimed at one after the other.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg
from scipy.optimize import NoConvergence, broyden1

from fixedrank._checks import Array, RankLostError
from fixedrank.geometry.differences import weights
from fixedrank.geometry.geodesics import Frame, follow
from fixedrank.geometry.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.tangent import project, transport

_ITERATIONS = 30
_SHORTEST = 1 / 64
_DIFFERENCE = 1e-6


class GeodesicNotFoundError(RuntimeError):
    """No geodesic between two points was found.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> manifold = fixedrank.FixedRank(2, 2, 2, depth=2)
    >>> a, b = manifold.point(np.eye(2)), manifold.point(np.diag([1.0, -1.0]))
    >>> manifold.dist(a, b)
    Traceback (most recent call last):
    ...
    fixedrank.geometry.logarithm.GeodesicNotFoundError: the determinants of the two matrices ...
    """


def logarithm(
    a: FixedRankPoint, b: FixedRankPoint, depth: float, rtol: float
) -> FixedRankTangentVector:
    """Return the velocity at A of a geodesic that reaches B at time 1."""
    m, n, k = a.u.shape[0], a.vt.shape[1], a.s.size
    if not all(math.isfinite(part.sum()) for part in (*a, *b)):
        raise ValueError("a point has NaN or infinite values")
    if m == n == k and np.linalg.det(a.u @ a.vt) * np.linalg.det(b.u @ b.vt) < 0:
        raise GeodesicNotFoundError(
            "the determinants of the two matrices have opposite signs: "
            f"no path in the {m}x{n} matrices of rank {k} joins them"
        )
    frame = Frame([a.u, b.u], [a.vt.T, b.vt.T])
    a, b = frame.point(a), frame.point(b)
    # Homogeneity: the metric of W / c is that of W up to a constant.
    scale = float(a.s.max())
    a, b = a._replace(s=a.s / scale), b._replace(s=b.s / scale)
    return frame.lift_vector(_shoot(a, b, depth, rtol)) * scale


def _shoot(
    a: FixedRankPoint, b: FixedRankPoint, depth: float, rtol: float
) -> FixedRankTangentVector:
    path = _BalancedPath(a, b, depth)
    coordinates = _Coordinates(a, depth)
    x = coordinates.flat(project(a, (path(_DIFFERENCE) - path(0.0)) / _DIFFERENCE))
    if not x.any() or not np.any(path(1.0) - path(0.0)):
        return coordinates.vector(0 * x)
    reached, step = 0.0, 1.0
    while reached < 1:
        target = min(1.0, reached + step)
        aim = path(target) if target < 1 else (b.u * b.s) @ b.vt
        guess = x * (target / reached if reached else target)
        tolerance = rtol if target == 1 else 1e-3
        try:
            x = _solve(a, aim, guess, coordinates, depth, tolerance)
        except (NoConvergence, RankLostError, ValueError, np.linalg.LinAlgError) as error:
            step /= 2
            if step < _SHORTEST:
                raise GeodesicNotFoundError(
                    "shooting found no geodesic between the two points; it got as far as "
                    f"{reached:.3g} of a path between them ({error}). Take points that are "
                    "closer to each other, or go by points between them"
                ) from error
        else:
            reached, step = target, 2 * step
    return coordinates.vector(x)


def _solve(
    a: FixedRankPoint,
    aim: Array,
    guess: Array,
    coordinates: _Coordinates,
    depth: float,
    tolerance: float,
) -> Array:
    """Return the coordinates of the velocity that leads to `aim`, to relative accuracy."""
    size = float(np.linalg.norm(guess))

    def missing(x: Array) -> Array:
        end, velocity = follow(a, [coordinates.vector(x)], depth, tolerance / 10)
        rest = project(end, aim - (end.u * end.s) @ end.vt)
        # The way back needs little accuracy: an error in it only slows the iteration down.
        start, _, back = follow(end, [velocity * -1.0, rest], depth, 1e-2)
        return coordinates.flat(transport(start, a, back))

    return np.asarray(
        broyden1(
            missing,
            guess,
            alpha=1.0,
            maxiter=_ITERATIONS,
            f_tol=tolerance * size,
            tol_norm=np.linalg.norm,
            line_search=None,
        )
    )


class _Coordinates:
    """Tangent vectors at one point as flat arrays, orthonormal for the metric."""

    def __init__(self, point: FixedRankPoint, depth: float) -> None:
        w = weights(point.s, depth)
        normal = np.sqrt(w.normal) if depth < math.inf else np.ones_like(w.normal)
        self.roots = (normal, np.sqrt(w.tangential), normal)
        self.shapes = (point.u.shape, w.tangential.shape, point.vt.T.shape)
        self.cuts = np.cumsum([0] + [math.prod(shape) for shape in self.shapes])

    def flat(self, vector: FixedRankTangentVector) -> Array:
        return np.concatenate(
            [(part / root).ravel() for part, root in zip(vector, self.roots, strict=True)]
        )

    def vector(self, x: Array) -> FixedRankTangentVector:
        parts = zip(self.cuts, self.cuts[1:], self.shapes, self.roots, strict=False)
        return FixedRankTangentVector(*(x[i:j].reshape(c) * root for i, j, c, root in parts))


class _BalancedPath:
    """A path from A to B by interpolation of balanced factors, as dense matrices."""

    def __init__(self, a: FixedRankPoint, b: FixedRankPoint, depth: float) -> None:
        self.depth = depth
        m, n, k = a.u.shape[0], a.vt.shape[1], a.s.size
        root_a, root_b = self._root(a.s), self._root(b.s)
        if math.isinf(depth):
            ends_a, ends_b = (a.u, a.vt.T), (b.u, b.vt.T)
        else:
            ends_a, ends_b = (a.u * root_a, a.vt.T * root_a), (b.u * root_b, b.vt.T * root_b)
        p, _, qt = scipy.linalg.svd(ends_b[0].T @ ends_a[0] + ends_b[1].T @ ends_a[1])
        for i, rows in enumerate((m, n)):
            # Square frames are joined only by a change with the right determinant.
            frames = ((a.u, b.u), (a.vt.T, b.vt.T))[i]
            if rows == k and np.linalg.det(frames[0].T @ frames[1] @ p @ qt) < 0:
                p[:, -1] *= -1
                break
        turn = p @ qt
        self.left = (ends_a[0], ends_b[0] @ turn)
        self.right = (ends_a[1], ends_b[1] @ turn)
        self.middle = (np.diag(root_a), (turn.T * root_b) @ turn)

    def _root(self, s: Array) -> Array:
        return np.asarray(np.log(s) if math.isinf(self.depth) else s ** (1 / self.depth))

    def __call__(self, t: float) -> Array:
        left, middle, right = (
            (1 - t) * start + t * end for start, end in (self.left, self.middle, self.right)
        )
        values, frame = scipy.linalg.eigh(middle)
        values = np.exp(values) if math.isinf(self.depth) else values ** (self.depth - 2)
        return np.asarray(((left @ frame) * values) @ (right @ frame).T)
