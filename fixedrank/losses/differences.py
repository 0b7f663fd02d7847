"""The Hessian of a loss applied to a direction, from the difference of two gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fixedrank._checks import Array, require_finite
from fixedrank._linear_algebra import tall_qr
from fixedrank.geometry.factored.ambient import (
    LowRank,
    LowRankPair,
    as_ambient,
    as_direction,
    dense_matrix,
    to_array,
)
from fixedrank.geometry.factored.orthonormal import svd_point
from fixedrank.geometry.factored.points import FixedRankPoint, as_point, is_triple
from fixedrank.geometry.factored.tall import dot
from fixedrank.losses.combinations import combined_matrix

# The step, relative to W, that makes the errors of differences and of round-off about as large.
_STEP = float(np.finfo(float).eps) ** (1 / 3)


def hessian_by_differences(
    gradient: Callable[[FixedRankPoint], Any], shape: tuple[int, int] | None, W: Any, Z: Any
) -> Any:
    """Return (grad f(W + h Z) - grad f(W - h Z)) / (2 h), as a matrix of the gradient's kind.

    At a point and along a direction of low rank no m x n array is formed; |h Z| is `_STEP` |W|,
    or |Z| where W = 0.
    """
    place = _triple(W, shape)
    u, s, vt = place
    m, n = u.shape[0], vt.shape[1]
    direction = as_direction(W, Z, (m, n))
    # W and Z in units of its factors as cores: between common frames, or as they are.
    frames: tuple[Array, Array] | None = None
    if isinstance(direction, LowRank):
        (z_left, left_unit), (z_right, right_unit) = map(_in_units, direction.finite_pair("Z"))
        left, r_left = tall_qr(np.hstack((u, z_left)))
        right, r_right = tall_qr(np.hstack((vt.T, z_right)))
        frames, k = (left, right), s.size
        core, along = (r_left[:, :k] * s) @ r_right[:, :k].T, r_left[:, k:] @ r_right[:, k:].T
    else:
        core, right_unit = (u * s) @ vt, 1.0
        dense = to_array(direction)
        require_finite("Z", dense)
        along, left_unit = _in_units(dense)
    size = float(np.linalg.norm(along))
    if not size > 0:
        return LowRankPair(np.zeros((m, 1)), np.zeros((n, 1)))
    largest = float(s.max(initial=0.0))
    of_place = largest * float(np.linalg.norm(s / largest)) if largest > 0 else 0.0
    of_direction = size * left_unit * right_unit
    reach = _STEP * (of_place or of_direction)

    def gradient_at(step: float) -> Any:
        a, sizes, b = svd_point(core + step * along)
        if frames is not None:
            a, b = dot(frames[0], a), dot(b, frames[1].T)
        point = FixedRankPoint(a, sizes, b)
        return as_ambient(gradient(point), (m, n), point)

    ahead, behind = (gradient_at(step) for step in (reach / size, -reach / size))
    factor = of_direction / (2 * reach)
    return combined_matrix([(factor, ahead), (-factor, behind)])


def _triple(W: Any, shape: tuple[int, int] | None) -> FixedRankPoint:
    if is_triple(W):
        m, n = shape or (np.shape(W[0])[0], np.shape(W[2])[1])
        point = as_point(W, m, n, np.size(W[1]))
        require_finite("u", point.u)
        require_finite("vt", point.vt)
        return point
    matrix = dense_matrix("W", W, shape or np.shape(W), "(m, n)")
    return svd_point(matrix)


def _in_units(array: Array) -> tuple[Array, float]:
    """Return the array over its largest entry, and this."""
    largest = float(np.abs(array).max(initial=0.0))
    return (array / largest, largest) if largest > 0 else (array, 1.0)
