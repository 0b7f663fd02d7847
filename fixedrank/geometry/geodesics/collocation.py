r"""Geodesics between two points by collocation.

In the space of all matrices a geodesic obeys W'' = 2 Up S^{-1} Vp^T - Gamma(W', W') with the parts
Up and Vp of W': the first term keeps it on M_k, the second is the Christoffel term. The unknown is
W'' as a polynomial, by its values at Chebyshev nodes; W' and W follow by integration, which unlike
differentiation amplifies no round-off. Newton's method with Krylov subspaces solves the equation
at the nodes, all of which are evaluated at once.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from scipy.optimize import NoConvergence, newton_krylov

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankTangentVector
from fixedrank.geometry.geodesics.paths import BalancedPath
from fixedrank.geometry.metric.spectral import SpectralMetric

# Enough for points at moderate distance; for all others to begin with; at the most.
_NODES, _MORE_NODES, _MOST_NODES = 16, 48, 600
# Of the way from A to B in a single step of the continuation, at the least.
_SHORTEST = 1 / 64
_COARSE = 1e-4
_ITERATIONS, _KRYLOV = 12, 30


class NotJoinedError(ArithmeticError):
    """No solution of the collocation equations was found."""


class _Grid(NamedTuple):
    """Chebyshev nodes in [0, 1], and maps between values there and Chebyshev coefficients.

    From the values of W'' they lead to the deviations of W' from B - A and of W from the straight
    line, which is zero at both ends.
    """

    nodes: Array
    coefficients: Array
    velocity: Array
    position: Array


def _vandermonde(t: Array, degree: int) -> Array:
    """Return the Chebyshev polynomials of [0, 1] at t."""
    return np.asarray(chebyshev.chebvander(2 * t - 1, degree), dtype=np.float64)


@functools.lru_cache(maxsize=32)
def _grid(n: int) -> _Grid:
    t = (1 - np.cos(np.pi * np.arange(n + 1) / n)) / 2
    coefficients = np.linalg.inv(_vandermonde(t, n))
    # The half is that of the interval [-1, 1] against [0, 1].
    once = np.asarray(chebyshev.chebint(coefficients, scl=0.5, lbnd=-1))
    twice = np.asarray(chebyshev.chebint(once, scl=0.5, lbnd=-1))
    end = chebyshev.chebval(1.0, twice)
    position = _vandermonde(t, n + 2) @ twice - t[:, None] * end
    position[[0, -1]] = 0
    return _Grid(t, coefficients, _vandermonde(t, n + 1) @ once - end, position)


def _applied(matrix: Array, values: Array) -> Array:
    """Return the matrix times a stack of values."""
    return np.asarray(np.tensordot(matrix, values, 1))


def _interpolated(values: Array, n: int) -> Array:
    """Return the values at n + 1 nodes of the polynomial with these values at fewer."""
    m = len(values) - 1
    return _applied(_vandermonde(_grid(n).nodes, m) @ _grid(m).coefficients, values)


def acceleration(w: Array, velocity: Array, k: int, metric: SpectralMetric) -> Array:
    """Return W'' of the geodesics through a stack of matrices with a stack of velocities."""
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    u, s, vt = u[..., :k], s[..., :k], vt[..., :k, :]
    ut, v = u.swapaxes(-1, -2), vt.swapaxes(-1, -2)
    zv, ztu = velocity @ v, velocity.swapaxes(-1, -2) @ u
    core = ut @ zv
    z = FixedRankTangentVector(zv - u @ core, core, ztu - v @ core.swapaxes(-1, -2))
    result = 2 * (z.Up / s[..., None, :]) @ z.Vp.swapaxes(-1, -2)
    bent = metric.stacked_christoffel(s, z)
    result -= (u @ bent.M + bent.Up) @ vt + u @ bent.Vp.swapaxes(-1, -2)
    return np.asarray(result)


class Collocation:
    """The equations for a geodesic of rank-k matrices from A to B."""

    def __init__(self, a: Array, b: Array, k: int, metric: SpectralMetric) -> None:
        self.a, self.straight, self.k, self.metric = a, b - a, k, metric

    def residual(self, second: Array) -> Array:
        """Return by how much the values of W'' miss the equation."""
        grid = _grid(len(second) - 1)
        w = self.a + grid.nodes[:, None, None] * self.straight + _applied(grid.position, second)
        velocity = self.straight + _applied(grid.velocity, second)
        return second - acceleration(w, velocity, self.k, self.metric)

    def solve(self, guess: Array, tolerance: float) -> Array:
        """Return the values of W''; the tolerance is that of W', relative to B - A."""
        integral = _grid(len(guess) - 1).velocity

        def size(rest: Array) -> float:
            return float(np.abs(integral @ rest.reshape(len(integral), -1)).max())

        try:
            with np.errstate(all="ignore"):
                return np.asarray(
                    newton_krylov(
                        self.residual,
                        guess,
                        f_tol=tolerance * float(np.abs(self.straight).max()),
                        tol_norm=size,
                        maxiter=_ITERATIONS,
                        method="lgmres",
                        inner_maxiter=_KRYLOV,
                        outer_k=0,
                    )
                )
        except (NoConvergence, ValueError, np.linalg.LinAlgError) as error:
            raise NotJoinedError("Newton's method did not converge") from error

    def start(self, second: Array) -> Array:
        """Return W'(0)."""
        return self.straight + _applied(_grid(len(second) - 1).velocity[:1], second)[0]


def _guess(path: BalancedPath, reach: float, n: int) -> Array:
    """Return the second derivative of the path as far as `reach`."""
    grid = _grid(n)
    coefficients = _applied(grid.coefficients, path(reach * grid.nodes))
    return _applied(
        _vandermonde(grid.nodes, n - 2), np.asarray(chebyshev.chebder(coefficients, 2, scl=2))
    )


def joined(path: BalancedPath, k: int, metric: SpectralMetric, rtol: float, direct: bool) -> Array:
    """Return W'(0) of a geodesic between the ends of a path, to relative accuracy.

    Newton's method starts from the path itself, or else from geodesics to points on it.

    Raises
    ------
    NotJoinedError
        If Newton's method does not converge, or needs more nodes than are allowed.
    """
    a, b = path(np.array([0.0, 1.0]))
    equations = Collocation(a, b, k, metric)
    if direct:
        second = equations.solve(_guess(path, 1.0, _NODES), _COARSE)
    else:
        second = _continued(path, a, k, metric)
    return _refined(equations, second, rtol)


def _continued(path: BalancedPath, a: Array, k: int, metric: SpectralMetric) -> Array:
    """Return W'' of a geodesic to the end of the path, by way of points on it."""
    reached, step = 0.0, 0.5
    correction = np.zeros((_MORE_NODES + 1, *a.shape))
    while reached < 1:
        reach = min(1.0, reached + step)
        guess = _guess(path, reach, _MORE_NODES)
        aim = path(np.array([reach]))[0]
        try:
            second = Collocation(a, aim, k, metric).solve(guess + correction, _COARSE)
        except NotJoinedError as error:
            step /= 2
            if step < _SHORTEST:
                raise NotJoinedError(
                    f"the continuation came as far as {reached:.3g} of the way"
                ) from error
        else:
            reached, step, correction = reach, 2 * step, second - guess
    return guess + correction


def _refined(equations: Collocation, second: Array, rtol: float) -> Array:
    """Return W'(0) with so many nodes that it does not change any more."""
    velocity = equations.start(second)
    while True:
        n = 3 * (len(second) - 1) // 2
        if n > _MOST_NODES:
            raise NotJoinedError(f"more than {_MOST_NODES} nodes are needed")
        second = equations.solve(_interpolated(second, n), rtol / 10)
        previous, velocity = velocity, equations.start(second)
        if np.abs(velocity - previous).max() <= rtol * np.abs(velocity).max():
            return velocity
