"""Ambient m x n matrices of any kind, of which only products with thin blocks are formed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array, real_array
from fixedrank.geometry.points import FixedRankPoint, checked_tangent, is_triple

KINDS = (
    "an array, a SciPy sparse array, a low-rank pair (L, R) for L @ R.T, "
    "a triple (L, S, R) for L @ S @ R.T, a scipy.sparse.linalg.LinearOperator, or a MatrixSum"
)


class LowRank(NamedTuple):
    """The matrix left @ middle @ right.T; the middle may be left out."""

    left: Array
    middle: Array | None
    right: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return self.left.shape[0], self.right.shape[0]

    def after_middle(self, block: Array) -> Array:
        """Return middle @ block."""
        return block if self.middle is None else self.middle @ block

    def thin_right(self) -> Array:
        """Return R for which the matrix is left @ R.T."""
        return self.right if self.middle is None else self.right @ self.middle.T

    def before_middle(self, block: Array) -> Array:
        """Return middle.T @ block."""
        return block if self.middle is None else self.middle.T @ block


class BlockOperator(LinearOperator):
    """A real m x n operator by its products with blocks, `_matmat` and `_rmatmat`.

    Products with vectors are those with one column; SciPy 1.15 does not derive them all.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__(np.dtype(np.float64), shape)

    def dot(self, x: Any) -> Any:
        """Return the product, of a block with less overhead than SciPy's."""
        if type(x) is np.ndarray and x.ndim == 2 and x.shape[0] == self.shape[1]:
            return self._matmat(x)
        return super().dot(x)

    def _rmatvec(self, vector: Array) -> Array:
        return np.asarray(self._rmatmat(np.reshape(vector, (-1, 1))))


class ScaledMatrix(BlockOperator):
    """A matrix that `as_ambient` returned, times 2^e."""

    def __init__(self, matrix: Any, exponent: int) -> None:
        super().__init__(matrix.shape)
        self.matrix, self.exponent = matrix, exponent

    def _matmat(self, block: Array) -> Array:
        return np.ldexp(times(self.matrix, block), self.exponent)

    def _rmatmat(self, block: Array) -> Array:
        return np.ldexp(transposed_times(self.matrix, block), self.exponent)


def as_ambient(matrix: Any, shape: tuple[int, int]) -> Any:
    """Return an m x n matrix as an array, a sparse array, a LinearOperator or a LowRank.

    Raises
    ------
    TypeError, ValueError
        If it is of an unknown kind, complex, or of another shape.
    """
    if isinstance(matrix, (tuple, list)):
        of_rows = not matrix or np.ndim(matrix[0]) < 2
        matrix = real_array("the matrix", matrix) if of_rows else _low_rank(matrix)
    elif isinstance(matrix, np.ndarray):
        matrix = real_array("the matrix", matrix)
    elif not (scipy.sparse.issparse(matrix) or isinstance(matrix, LinearOperator)):
        raise TypeError(f"an ambient matrix is {KINDS}; got {type(matrix).__name__}")
    elif np.issubdtype(matrix.dtype, np.complexfloating):
        raise TypeError(f"the matrix must be real, but has dtype {matrix.dtype}")
    if tuple(matrix.shape) != shape:
        raise ValueError(f"the ambient matrix must have shape {shape}, got {tuple(matrix.shape)}")
    return matrix


def ambient_products(matrix: Any, u: Array, v: Array) -> tuple[Array, Array]:
    """Return the products G V (m x k) and G^T U (n x k) of an m x n matrix G of any kind."""
    known = as_ambient(matrix, (u.shape[0], v.shape[0]))
    return times(known, v), transposed_times(known, u)


def times(known: Any, block: Array) -> Array:
    """Return G @ block for a matrix G that `as_ambient` returned."""
    if isinstance(known, LowRank):
        return known.left @ known.after_middle(known.right.T @ block)
    if isinstance(known, LinearOperator):
        return np.asarray(known.matmat(block))
    return np.asarray(known @ block)


def transposed_times(known: Any, block: Array) -> Array:
    """Return G.T @ block for a matrix G that `as_ambient` returned."""
    if isinstance(known, LowRank):
        return known.right @ known.before_middle(known.left.T @ block)
    if isinstance(known, LinearOperator):
        try:
            return np.asarray(known.rmatmat(block))
        except (NotImplementedError, TypeError) as error:
            # Without rmatvec, SciPy calls None.
            raise TypeError(
                "a LinearOperator needs rmatvec or rmatmat too, for products with its transpose, "
                f"but here these fail: {error}"
            ) from error
    return np.asarray(known.T @ block)


def to_array(known: Any) -> Array:
    """Return the m x n array of a matrix that `as_ambient` returned."""
    if scipy.sparse.issparse(known):
        return np.asarray(known.toarray())
    return known if isinstance(known, np.ndarray) else times(known, np.eye(known.shape[1]))


def tangent_pair(point: Any, vector: Any) -> tuple[Array, Array]:
    """Return the low-rank pair (L, R), m x 2k and n x 2k, of a tangent vector Z = L R^T.

    With Z = U M V^T + Up V^T + U Vp^T these are [U M + Up, U] and [V, Vp].

    Raises
    ------
    TypeError, ValueError
        If the vector is not (Up, M, Vp) with the shapes of the point, or is not finite.
    """
    u, _, vt = checked = FixedRankPoint(*point)
    up, core, vp = checked_tangent(checked, vector)
    return np.hstack((u @ core + up, u)), np.hstack((vt.T, vp))


def as_direction(place: Any, direction: Any, shape: tuple[int, int]) -> Any:
    """Return a direction Z at a matrix W as `as_ambient` does; a tangent vector as a LowRank.

    At a point (u, s, vt) a triple is a tangent vector (Up, M, Vp); at an array it stands for the
    low-rank matrix L S R^T, which at a point is written as the pair (L S, R).
    """
    if is_triple(place) and isinstance(direction, (tuple, list)) and len(direction) == 3:
        left, right = tangent_pair(place, direction)
        return LowRank(left, None, right)
    return as_ambient(direction, shape)


def _low_rank(parts: Any) -> LowRank:
    arrays = [real_array("a low-rank part", part) for part in parts]
    shapes = ", ".join(str(array.shape) for array in arrays)
    if len(arrays) not in (2, 3) or any(array.ndim != 2 for array in arrays):
        raise ValueError(f"a low-rank matrix has 2 or 3 parts with two axes each, got {shapes}")
    left, *middle, right = arrays
    inner = (left.shape[1], right.shape[1])
    if (middle[0].shape != inner) if middle else (inner[0] != inner[1]):
        raise ValueError(
            f"low-rank parts have shapes (m, r), (n, r) or (m, r), (r, q), (n, q), got {shapes}"
        )
    return LowRank(left, middle[0] if middle else None, right)
