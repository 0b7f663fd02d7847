r"""Geodesics between two points by collocation.

In the space of all matrices a geodesic obeys W'' = 2 Up S^{-1} Vp^T - Gamma(W', W') with the parts
Up and Vp of W': the first term keeps it on M_k, the second is the Christoffel term. With
W(t) = A + t (B - A) + X(t) the deviation X is a polynomial that vanishes at both ends and meets
this equation at Chebyshev nodes (Trefethen, Spectral Methods in MATLAB, SIAM 2000, chapter 13).
Newton's method with Krylov subspaces finds it; all nodes are evaluated at once.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from scipy.optimize import NoConvergence, newton_krylov

from fixedrank._checks import Array
from fixedrank.geometry.connection import christoffel_term
from fixedrank.geometry.differences import stacked_weights
from fixedrank.geometry.paths import BalancedPath
from fixedrank.geometry.points import FixedRankTangentVector

_NODES, _MOST_NODES = 16, 200
# Of the way from A to B in a single step of the continuation, at the least.
_SHORTEST = 1 / 64
_COARSE = 1e-4
_ITERATIONS, _KRYLOV = 12, 30


class NotJoinedError(ArithmeticError):
    """No solution of the collocation equations was found."""


class _Grid(NamedTuple):
    """Chebyshev nodes in [0, 1]: derivative matrix, and the inner block of its square inverted."""

    nodes: Array
    derivative: Array
    second: Array
    inverse: Array


@functools.lru_cache(maxsize=32)
def _grid(n: int) -> _Grid:
    x = np.cos(np.pi * np.arange(n + 1) / n)[::-1]
    weights = np.where(np.arange(n + 1) % n == 0, 2.0, 1.0) * (-1.0) ** np.arange(n + 1)
    derivative = np.outer(weights, 1 / weights) / (x[:, None] - x + np.eye(n + 1))
    np.fill_diagonal(derivative, 0)
    np.fill_diagonal(derivative, -derivative.sum(axis=1))
    derivative *= 2  # from [-1, 1] to [0, 1]
    second = derivative @ derivative
    return _Grid((x + 1) / 2, derivative, second, np.linalg.inv(second[1:-1, 1:-1]))


def _interpolated(x: Array, n: int) -> Array:
    """Return the values at n + 1 nodes of the polynomial with the values x at fewer."""
    m = len(x) - 1
    old, new = (chebyshev.chebvander(2 * _grid(size).nodes - 1, m) for size in (m, n))
    return np.asarray(np.tensordot(new @ np.linalg.inv(old), x, 1))


def acceleration(w: Array, velocity: Array, k: int, depth: float) -> Array:
    """Return W'' of the geodesics through a stack of matrices with a stack of velocities."""
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    u, s, vt = u[..., :k], s[..., :k], vt[..., :k, :]
    ut, v = u.swapaxes(-1, -2), vt.swapaxes(-1, -2)
    zv, ztu = velocity @ v, velocity.swapaxes(-1, -2) @ u
    core = ut @ zv
    z = FixedRankTangentVector(zv - u @ core, core, ztu - v @ core.swapaxes(-1, -2))
    result = 2 * (z.Up / s[..., None, :]) @ z.Vp.swapaxes(-1, -2)
    if depth > 1:
        bent = christoffel_term(s, stacked_weights(s, depth), z, z)
        result -= (u @ bent.M + bent.Up) @ vt + u @ bent.Vp.swapaxes(-1, -2)
    return np.asarray(result)


class Collocation:
    """The equations for a geodesic of rank-k matrices from A to B."""

    def __init__(self, a: Array, b: Array, k: int, depth: float) -> None:
        self.a, self.straight, self.k, self.depth = a, b - a, k, depth

    def residual(self, inner: Array) -> Array:
        """Return by how much X at the inner nodes misses its equation, integrated twice."""
        grid = _grid(len(inner) + 1)
        w = self.a + grid.nodes[1:-1, None, None] * self.straight + inner
        velocity = self.straight + np.tensordot(grid.derivative[1:-1, 1:-1], inner, 1)
        return np.asarray(
            inner - np.tensordot(grid.inverse, acceleration(w, velocity, self.k, self.depth), 1)
        )

    def solve(self, deviation: Array, tolerance: float) -> Array:
        """Return X at all nodes, from a guess and up to a tolerance relative to B - A."""
        try:
            with np.errstate(all="ignore"):
                inner = newton_krylov(
                    self.residual,
                    deviation[1:-1],
                    f_tol=tolerance * float(np.abs(self.straight).max()),
                    maxiter=_ITERATIONS,
                    method="lgmres",
                    inner_maxiter=_KRYLOV,
                    outer_k=0,
                )
        except (NoConvergence, ValueError, np.linalg.LinAlgError) as error:
            raise NotJoinedError("Newton's method did not converge") from error
        return np.concatenate((deviation[:1], inner, deviation[-1:]))

    def start(self, deviation: Array) -> Array:
        """Return W'(0)."""
        return np.asarray(
            self.straight + np.tensordot(_grid(len(deviation) - 1).derivative[0], deviation, 1)
        )


def _guess(path: BalancedPath, a: Array, reach: float) -> Array:
    """Return the deviation X of the path from A as far as `reach`."""
    t = _grid(_NODES).nodes
    w = path(reach * t)
    deviation = w - a - t[:, None, None] * (w[-1] - a)
    deviation[[0, -1]] = 0
    return np.asarray(deviation)


def joined(path: BalancedPath, k: int, depth: float, rtol: float) -> Array:
    """Return W'(0) of a geodesic between the ends of a path, to relative accuracy.

    If Newton's method does not converge from the path itself, geodesics to points of the path,
    farther and farther along, lead to it.

    Raises
    ------
    NotJoinedError
        If it does not converge or needs more nodes than are allowed.
    """
    a, b = path(np.array([0.0, 1.0]))
    reached, step, deviation = 0.0, 1.0, np.zeros((_NODES + 1, *a.shape))
    while reached < 1:
        reach = min(1.0, reached + step)
        aim = b if reach == 1 else path(np.array([reach]))[0]
        guess = _guess(path, a, reach)
        if reached:
            guess += deviation - _guess(path, a, reached)
        try:
            deviation = Collocation(a, aim, k, depth).solve(guess, _COARSE)
        except NotJoinedError as error:
            step /= 2
            if step < _SHORTEST:
                raise NotJoinedError(
                    f"the continuation came as far as {reached:.3g} of the way"
                ) from error
        else:
            reached, step = reach, 2 * step
    return _refined(Collocation(a, b, k, depth), deviation, rtol)


def _refined(equations: Collocation, deviation: Array, rtol: float) -> Array:
    """Return W'(0) with so many nodes that it does not change any more."""
    velocity = equations.start(deviation)
    while True:
        n = 3 * (len(deviation) - 1) // 2
        if n > _MOST_NODES:
            raise NotJoinedError(f"more than {_MOST_NODES} nodes are needed")
        deviation = equations.solve(_interpolated(deviation, n), rtol / 10)
        previous, velocity = velocity, equations.start(deviation)
        if np.abs(velocity - previous).max() <= rtol * np.abs(velocity).max():
            return velocity
