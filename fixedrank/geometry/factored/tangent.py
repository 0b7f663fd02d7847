"""Tangent spaces of M_k: projection, transport by projection, dense form."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array
from fixedrank.geometry.factored.ambient import as_ambient, times, transposed_times
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.tall import (
    TALL,
    add_product,
    dot,
    dot_at,
    scaled_columns,
    subtract_product,
)


def without_range(
    basis: Array,
    block: Array,
    coefficients: Array,
    weights: Array | None = None,
    *,
    in_place: bool = False,
) -> Array:
    """Return (block - basis @ coefficients) * weights; exactly zero where the basis spans all."""
    if basis.shape[0] == basis.shape[1]:
        return np.zeros(block.shape)
    if basis.shape[0] < TALL:
        result = basis.dot(coefficients)
        np.subtract(block, result, out=result)
        return result if weights is None else np.multiply(result, weights, out=result)
    if weights is not None:
        block, coefficients = (
            scaled_columns(block, weights, in_place=in_place),
            coefficients * weights,
        )
    elif not in_place:
        block = block.copy(order="K")
    subtract_product(block, basis, coefficients)
    return block


def project(
    point: FixedRankPoint, matrix: Any, left: Array | None = None, right: Array | None = None
) -> FixedRankTangentVector:
    """Project an ambient matrix of any kind to the tangent space; weigh columns of Up and Vp."""
    u, _, vt = point
    known = as_ambient(matrix, (u.shape[0], vt.shape[1]), point)
    gv, gtu = times(known, vt.T), transposed_times(known, u)
    core = dot(u.T, gv)
    # An operator of the user may return what is not ours to change.
    ours = not isinstance(matrix, LinearOperator)
    return FixedRankTangentVector(
        without_range(u, gv, core, left, in_place=ours),
        core,
        without_range(vt.T, gtu, core.T, right, in_place=ours),
    )


def retangentialise(point: FixedRankPoint, vector: Any) -> FixedRankTangentVector:
    """Take out of Up and Vp what has drifted into the ranges of U and V."""
    u, _, vt = point
    up, core, vp = vector
    return FixedRankTangentVector(
        without_range(u, up, dot(u.T, up)), core, without_range(vt.T, vp, dot(vt, vp))
    )


def transport(start: FixedRankPoint, end: FixedRankPoint, vector: Any) -> FixedRankTangentVector:
    """Project a tangent vector at `start` to the tangent space at `end`, in thin products."""
    (u, _, vt), (end_u, _, end_vt) = start, end
    up, core, vp = vector
    # By dot small products cost half of what they do by @.
    multiply = dot_at(u, vt)
    left, right = multiply(u.T, end_u), multiply(vt, end_vt.T)
    up_left, vp_right = multiply(up.T, end_u), multiply(vp.T, end_vt.T)
    # Z V = U in_u + Up right and Z^T U = V in_v + Vp left, with U and V of the end on the left.
    in_u, in_v = core.dot(right) + vp_right, core.T.dot(left) + up_left
    moved = left.T.dot(in_u) + up_left.T.dot(right)
    new_up, new_vp = multiply(up, right), multiply(vp, left)
    add_product(new_up, u, in_u)
    add_product(new_vp, vt.T, in_v)
    return FixedRankTangentVector(
        without_range(end_u, new_up, moved, in_place=True),
        moved,
        without_range(end_vt.T, new_vp, moved.T, in_place=True),
    )


def to_matrix(point: FixedRankPoint, vector: Any) -> Array:
    """Return the dense m x n matrix Z = U M V^T + Up V^T + U Vp^T."""
    u, _, vt = point
    up, core, vp = vector
    return np.asarray((u @ core + up) @ vt + u @ np.transpose(vp))
