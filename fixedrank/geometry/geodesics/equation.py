r"""The geodesic equation in the space of all matrices, at Chebyshev nodes in time.

A geodesic obeys W'' = 2 Up S^{-1} Vp^T - Gamma(W', W') with the parts Up and Vp of W': the first
term keeps it on M_k, the second is the Christoffel term. Of W'' by its values at the nodes W' and W
follow by integration, which unlike differentiation amplifies no round-off. All nodes are evaluated
at once.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankTangentVector
from fixedrank.geometry.metric.spectral import SpectralMetric


class Grid(NamedTuple):
    """Chebyshev nodes in [0, 1], and maps from values there: to coefficients, and to integrals.

    From the values of W'' `once` and `twice` lead to W' and W that start from zero, `velocity` and
    `position` to W' and W where W is zero at both ends.
    """

    nodes: Array
    coefficients: Array
    once: Array
    twice: Array
    velocity: Array
    position: Array


def vandermonde(t: Array, degree: int) -> Array:
    """Return the Chebyshev polynomials of [0, 1] at t."""
    return np.asarray(chebyshev.chebvander(2 * t - 1, degree), dtype=np.float64)


@functools.lru_cache(maxsize=32)
def grid(n: int) -> Grid:
    """Return the grid of n + 1 nodes."""
    t = (1 - np.cos(np.pi * np.arange(n + 1) / n)) / 2
    coefficients = np.linalg.inv(vandermonde(t, n))
    # The half is that of the interval [-1, 1] against [0, 1].
    first = np.asarray(chebyshev.chebint(coefficients, scl=0.5, lbnd=-1))
    second = np.asarray(chebyshev.chebint(first, scl=0.5, lbnd=-1))
    once, twice = vandermonde(t, n + 1) @ first, vandermonde(t, n + 2) @ second
    twice[0] = once[0] = 0
    end = chebyshev.chebval(1.0, second)
    position = twice - t[:, None] * end
    position[[0, -1]] = 0
    return Grid(t, coefficients, once, twice, once - end, position)


def applied(matrix: Array, values: Array) -> Array:
    """Return the matrix times a stack of values."""
    shape = values.shape
    return (matrix @ values.reshape(len(values), -1)).reshape(len(matrix), *shape[1:])


@functools.lru_cache(maxsize=32)
def interpolation(m: int, n: int) -> Array:
    """Return the matrix from values at m + 1 nodes to those of their polynomial at n + 1."""
    return vandermonde(grid(n).nodes, m) @ grid(m).coefficients


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
