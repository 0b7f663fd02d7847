r"""Geodesics of small matrices by successive approximations.

W'' is the polynomial that the geodesic equation gives from W and W' of the last approximation, at
all Chebyshev nodes of equation.py at once: a few calls of NumPy in place of hundreds of evaluations
one after another. Where the geodesic comes near to where the manifold ends, or the polynomial does
not settle, nothing is returned: it is for the integration in factors to say what happens.
"""

from __future__ import annotations

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.geodesics.equation import acceleration, applied, grid, interpolation
from fixedrank.geometry.metric.spectral import SpectralMetric

# Rows and columns up to which this is faster than integration.
_SMALL = 8
_NODES, _MOST_NODES, _ITERATIONS = 16, 54, 30
# Smallest singular values, of W over the largest, and at a node over that at others: beyond, small
# ones have lost digits, and one may have been zero between two nodes.
_GRADED, _FALLEN = 1e-2, 0.05


def reached(
    point: FixedRankPoint, velocity: FixedRankTangentVector, metric: SpectralMetric, rtol: float
) -> FixedRankPoint | None:
    """Return the end of the geodesic with this start and velocity, at time 1, or None."""
    u, s, vt = point
    rows, columns = u.shape[0], vt.shape[1]
    if max(rows, columns) > _SMALL or s.min() < _GRADED * s.max():
        return None
    start = (u * s) @ vt
    direction = (u @ velocity.M + velocity.Up) @ vt + u @ velocity.Vp.T
    with np.errstate(all="ignore"):
        try:
            second = _second_derivative(start, direction, s.size, metric, 0.1 * rtol)
        except np.linalg.LinAlgError:
            return None
        if second is None:
            return None
        nodes = grid(len(second) - 1)
        w = start + nodes.nodes[:, None, None] * direction + applied(nodes.twice, second)
        values = np.linalg.svd(w, compute_uv=False)
    smallest = values[:, s.size - 1]
    if not (smallest >= _GRADED * values[:, 0]).all() or smallest.min() < _FALLEN * smallest.max():
        return None
    left, middle, right = np.linalg.svd(w[-1], full_matrices=False)
    return FixedRankPoint(left[:, : s.size], middle[: s.size], right[: s.size])


def _second_derivative(
    start: Array, direction: Array, k: int, metric: SpectralMetric, tolerance: float
) -> Array | None:
    """Return W'' at as many nodes as the tolerance for W and W' asks for, or None."""
    goal = tolerance * float(np.abs(start).max())
    second = np.broadcast_to(acceleration(start, direction, k, metric), (_NODES + 1, *start.shape))
    while True:
        n = len(second) - 1
        nodes = grid(n)
        line = start + nodes.nodes[:, None, None] * direction
        for _ in range(_ITERATIONS):
            w, change = line + applied(nodes.twice, second), applied(nodes.once, second)
            previous = second
            second = acceleration(w, direction + change, k, metric)
            step = float(np.abs(nodes.once @ (second - previous).reshape(n + 1, -1)).max())
            if not step > goal:
                break
        if not step <= goal:
            return None
        # Two integrations divide the last coefficients by the square of their degree.
        last = np.abs(nodes.coefficients[-2:] @ second.reshape(n + 1, -1)).max()
        if last <= goal * n * n:
            return second
        n = 3 * n // 2
        if n > _MOST_NODES:
            return None
        second = applied(interpolation(len(second) - 1, n), second)
