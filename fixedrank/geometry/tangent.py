"""Tangent spaces of M_k: projection, transport by projection, dense form."""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.ambient import ambient_products
from fixedrank.geometry.points import FixedRankPoint, FixedRankTangentVector


def project_products(point: FixedRankPoint, gv: Array, gtu: Array) -> FixedRankTangentVector:
    """Project G to the tangent space, given G V and G^T U."""
    u, _, vt = point
    core = u.T @ gv
    return FixedRankTangentVector(
        without_range(u, gv, core), core, without_range(vt.T, gtu, core.T)
    )


def without_range(basis: Array, block: Array, coefficients: Array) -> Array:
    """Return block - basis @ coefficients; exactly zero where the basis spans everything."""
    if basis.shape[0] == basis.shape[1]:
        return np.zeros(block.shape)
    result = basis @ coefficients
    np.subtract(block, result, out=result)
    return result


def without_range_of_rows(basis: Array, block: Array, coefficients: Array) -> Array:
    """Return block - coefficients @ basis, the same for rows."""
    if basis.shape[0] == basis.shape[1]:
        return np.zeros(block.shape)
    result = coefficients @ basis
    np.subtract(block, result, out=result)
    return result


def project(point: FixedRankPoint, matrix: Any) -> FixedRankTangentVector:
    """Project an ambient matrix of any kind to the tangent space."""
    return project_products(point, *ambient_products(matrix, point.u, point.vt.T))


def retangentialise(point: FixedRankPoint, vector: Any) -> FixedRankTangentVector:
    """Take out of Up and Vp what has drifted into the ranges of U and V."""
    u, _, vt = point
    up, core, vp = vector
    return FixedRankTangentVector(
        without_range(u, up, u.T @ up), core, without_range(vt.T, vp, vt @ vp)
    )


def transport(start: FixedRankPoint, end: FixedRankPoint, vector: Any) -> FixedRankTangentVector:
    """Project a tangent vector at `start` to the tangent space at `end`, in thin products."""
    u, _, vt = start
    up, core, vp = vector
    right, left = vt @ end.vt.T, u.T @ end.u
    gv = (u @ core + up) @ right
    gv += u @ (vp.T @ end.vt.T)
    gtu = (vt.T @ core.T + vp) @ left
    gtu += vt.T @ (up.T @ end.u)
    return project_products(end, gv, gtu)


def to_matrix(point: FixedRankPoint, vector: Any) -> Array:
    """Return the dense m x n matrix Z = U M V^T + Up V^T + U Vp^T."""
    u, _, vt = point
    up, core, vp = vector
    return np.asarray((u @ core + up) @ vt + u @ np.transpose(vp))
