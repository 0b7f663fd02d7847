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
_SMALL = 20
_NODES, _MOST_NODES, _ITERATIONS = 16, 54, 30
# Singular values smaller than this part of the largest one have lost digits.
_GRADED = 1e-2


def reached(
    point: FixedRankPoint, velocity: FixedRankTangentVector, metric: SpectralMetric, rtol: float
) -> FixedRankPoint | None:
    """Return the end of the geodesic with this start and velocity, at time 1, or None."""
    u, s, vt = point
    k, rows, columns = s.size, u.shape[0], vt.shape[1]
    if max(rows, columns) > _SMALL or s.min() < _GRADED * s.max():
        return None
    if not any(part.any() for part in velocity):
        return point
    start = (u * s) @ vt
    direction = (u @ velocity.M + velocity.Up) @ vt + u @ velocity.Vp.T
    with np.errstate(all="ignore"):
        try:
            end = _end(start, direction, k, metric, 0.1 * rtol * float(s.max()))
        except np.linalg.LinAlgError:
            return None
    if end is None:
        return None
    left, middle, right = np.linalg.svd(end, full_matrices=False)
    return FixedRankPoint(left[:, :k], middle[:k], right[:k])


def _end(
    start: Array, direction: Array, k: int, metric: SpectralMetric, tolerance: float
) -> Array | None:
    """Return W at time 1, with as many nodes as the tolerance for W and W' asks for, or None."""
    second = np.broadcast_to(acceleration(start, direction, k, metric), (_NODES + 1, *start.shape))
    while True:
        n = len(second) - 1
        nodes = grid(n)
        line = start + nodes.nodes[:, None, None] * direction
        step = np.inf
        for _ in range(_ITERATIONS):
            w, velocity = line + applied(nodes.twice, second), applied(nodes.once, second)
            velocity += direction
            previous, second = second, acceleration(w, velocity, k, metric)
            step = float(np.abs(nodes.once @ (second - previous).reshape(n + 1, -1)).max())
            if not step > tolerance:
                break
        if not step <= tolerance:
            return None
        # Two integrations divide the last coefficients by the square of their degree.
        last = np.abs(nodes.coefficients[-2:] @ second.reshape(n + 1, -1)).max()
        if last <= tolerance * n * n and _keeps_rank(w, velocity, k):
            return np.asarray(start + direction + applied(nodes.twice[-1:], second)[0])
        n = 3 * n // 2
        if n > _MOST_NODES:
            return None
        second = applied(interpolation(len(second) - 1, n), second)


def _keeps_rank(w: Array, velocity: Array, k: int) -> bool:
    """Say whether the smallest singular value cannot fall to zero between nodes, by its rate."""
    values = np.linalg.svd(w, compute_uv=False)
    smallest, speed = values[:, k - 1], float(np.linalg.norm(velocity, axis=(1, 2)).max())
    # Half of the largest distance of two nodes.
    away = np.pi / 4 / (len(w) - 1)
    return bool(smallest.min() > speed * away and (smallest >= _GRADED * values[:, 0]).all())
