"""The roots W^(1/N) of many matrices, and their moves along tangent vectors."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.factored.stacks import transposed


class Roots(NamedTuple):
    """The roots W^(1/N) of many matrices: U, sigma and V, with copies along the first axis."""

    u: Array
    sigma: Array
    v: Array

    @property
    def finite(self) -> bool:
        """Whether all singular values are numbers."""
        return math.isfinite(float(self.sigma.sum()))


def as_roots(points: FixedRankPoint, depth: float) -> Roots:
    """Return the roots of points, with descending singular values."""
    order = np.argsort(-points.s, axis=1, kind="stable")
    u = np.take_along_axis(points.u, order[:, None, :], 2)
    vt = np.take_along_axis(points.vt, order[:, :, None], 1)
    s = np.take_along_axis(points.s, order, 1)
    return Roots(u, s ** (1 / depth), np.ascontiguousarray(transposed(vt)))


def as_points(roots: Roots, depth: float) -> FixedRankPoint:
    """Return the matrices of some roots."""
    return FixedRankPoint(roots.u, roots.sigma**depth, np.ascontiguousarray(transposed(roots.v)))


def orientations(roots: Roots) -> Array:
    """Return the signs of the determinants of square matrices of full rank."""
    return np.sign(np.linalg.det(roots.u)) * np.sign(np.linalg.det(roots.v))


def root_weights(sigma: Array, depth: float) -> tuple[Array, Array]:
    """Return (s_a + s_b) / (sigma_a + sigma_b) and (s_a - s_b) / (sigma_a - sigma_b)."""
    first, second = sigma[:, :, None], sigma[:, None, :]
    larger, smaller = np.maximum(first, second), np.minimum(first, second)
    with np.errstate(divide="ignore", over="ignore"):
        y = -np.maximum(np.log1p((larger - smaller) / smaller), 1e-100)
    unit = larger ** (depth - 1)
    even = unit * (1 + np.exp(depth * y)) / (1 + np.exp(y))
    return even, unit * (np.expm1(depth * y) / np.expm1(y))


def projected(u: Array, v: Array, core: Array, up: Array, vp: Array) -> Roots:
    """Return U core V^T + Up V^T + U Vp^T in the spaces that it maps V and its transpose U to.

    It agrees with the nearest matrix of rank k to the second order in Up and Vp.
    """
    left, on_left = np.linalg.qr(u @ core + up)
    right, on_right = np.linalg.qr(v @ transposed(core) + vp)
    from_u, from_v = transposed(left) @ u, transposed(v) @ right
    middle = on_left @ from_v + from_u @ (transposed(on_right) - core @ from_v)
    first, sigma, second = np.linalg.svd(middle)
    return Roots(left @ first, sigma, right @ transposed(second))


def lengths(*parts: Array) -> Array:
    """Return the lengths of vectors in parts, of numbers of any size, of each copy."""
    rows = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
    largest = np.abs(rows).max(1)
    unit = np.where(largest > 0, largest, 1.0)
    return np.asarray(unit * np.linalg.norm(rows / unit[:, None], axis=1))
