"""Volumes of spheres and of Stiefel manifolds, in logarithms."""

from __future__ import annotations

import math


def log_sphere_volume(d: int) -> float:
    """Return the logarithm of the volume of the unit sphere of R^d; that of R^1 has two points."""
    return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)


def log_stiefel_volume(d: int, k: int) -> float:
    """Return that of the d x k matrices with orthonormal columns, spheres of R^d to R^(d-k+1).

    Each entry below the diagonal of the skew part of a tangent vector counts once.
    """
    return sum(log_sphere_volume(d - i) for i in range(k))
