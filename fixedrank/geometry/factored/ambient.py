"""Ambient m x n matrices of any kind, of which only products with thin blocks are formed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array, finite_array, number_of_axes, real_array, require_finite
from fixedrank.geometry.factored.arithmetic import NoVector
from fixedrank.geometry.factored.points import (
    FactorDirections,
    FixedRankPoint,
    FixedRankTangentVector,
    as_directions,
    checked_tangent,
    is_triple,
)
from fixedrank.geometry.factored.tall import dot

KINDS = (
    "an array, a SciPy sparse array, a low-rank pair (L, R) for L @ R.T, "
    "a triple (L, S, R) for L @ S @ R.T, a scipy.sparse.linalg.LinearOperator, a MatrixSum, a "
    "FixedRankPoint or, at a point, a FixedRankTangentVector"
)


class LowRank(NamedTuple):
    """The matrix left @ middle @ right.T; the middle may be left out.

    A tuple of thin arrays, as one is made of each point and pair that comes in: a LinearOperator
    takes twenty times as long to make.
    """

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

    def pair(self) -> tuple[Array, Array]:
        """Return (L, R) for which the matrix is L R^T."""
        return self.left, self.right if self.middle is None else self.right @ self.middle.T

    def finite_pair(self, name: str) -> tuple[Array, Array]:
        """Return (L, R), if both are finite."""
        left, right = self.pair()
        require_finite(f"the left factor of {name}", left)
        require_finite(f"the right factor of {name}", right)
        return left, right

    def before_middle(self, block: Array) -> Array:
        """Return middle.T @ block."""
        return block if self.middle is None else self.middle.T @ block


class _Pair(NamedTuple):
    left: Array
    right: Array


class LowRankPair(NoVector, _Pair):
    """The pair (L, R) that stands for L R^T, as the gradients of some problems are given."""

    __slots__ = ()

    _not_a_vector = (
        "a low-rank pair (L, R) does not add or scale: MatrixSum((L, R), c * W) is the matrix "
        "L R^T + c W, with W an array, a pair (c * L, R) or of any other kind"
    )


class BlockOperator(LinearOperator):
    """A real m x n operator by its products with blocks, `_matmat` and `_rmatmat`.

    Products with vectors are those with one column; SciPy 1.15 does not derive them all.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__(np.dtype(np.float64), shape)

    def at(self, point: FixedRankPoint | None) -> BlockOperator:
        """Return the operator at a point, for one with parts that are matrices only there."""
        return self

    def dot(self, x: Any) -> Any:
        """Return the product, of a block with less overhead than SciPy's.

        Parameters
        ----------
        x : array_like, shape (n,) or (n, columns), or LinearOperator
            What is multiplied, as in SciPy.

        Returns
        -------
        ndarray or LinearOperator
            The product.
        """
        if type(x) is np.ndarray and x.ndim == 2 and x.shape[0] == self.shape[1]:
            return self._matmat(x)
        return super().dot(x)

    def _rmatvec(self, vector: Array) -> Array:
        return np.asarray(self._rmatmat(np.reshape(vector, (-1, 1))))

    # SciPy knows sums with operators only, and would say no more than that they are not supported.

    def __add__(self, other: Any) -> Any:
        return self._sum(super().__add__(other), other)

    def __sub__(self, other: Any) -> Any:
        return self + -other if isinstance(other, LinearOperator) else self._sum(None, other)

    def __radd__(self, other: Any) -> Any:
        return self._sum(None, other)

    __rsub__ = __radd__

    def _sum(self, result: Any, other: Any) -> Any:
        if result is None or result is NotImplemented:
            raise TypeError(
                f"a {type(self).__name__} is a linear operator, which does not add to a "
                f"{type(other).__name__}: MatrixSum(G, c * W) is the matrix G + c W of terms of "
                "any kind, and of a point W = (u, s, vt) it is MatrixSum(G, (c * u * s, vt.T))"
            )
        return result


class _Float64(BlockOperator):
    """A LinearOperator whose products are float64, whatever its own precision is."""

    def __init__(self, operator: LinearOperator) -> None:
        super().__init__(operator.shape)
        self.operator = operator

    def _matmat(self, block: Array) -> Array:
        return real_array("the product with a LinearOperator", self.operator.matmat(block))

    def _rmatmat(self, block: Array) -> Array:
        return real_array("the product with a LinearOperator", _transposed(self.operator, block))


class ScaledMatrix(BlockOperator):
    """A matrix that `as_ambient` returned, times 2^e."""

    def __init__(self, matrix: Any, exponent: int) -> None:
        super().__init__(matrix.shape)
        self.matrix, self.exponent = matrix, exponent

    def _matmat(self, block: Array) -> Array:
        return np.ldexp(times(self.matrix, block), self.exponent)

    def _rmatmat(self, block: Array) -> Array:
        return np.ldexp(transposed_times(self.matrix, block), self.exponent)


def as_ambient(matrix: Any, shape: tuple[int, int], point: FixedRankPoint | None = None) -> Any:
    """Return a matrix as an array, a sparse array, a LinearOperator or a LowRank, of float64.

    A tangent vector and FactorDirections stand for their matrix at the point, where one is known.

    Raises
    ------
    TypeError, ValueError
        If it is of an unknown kind, complex, or of another shape.
    """
    known = known_matrix(matrix, point)
    if tuple(known.shape) != shape:
        raise ValueError(f"the ambient matrix must have shape {shape}, got {tuple(known.shape)}")
    return known


def known_matrix(matrix: Any, point: FixedRankPoint | None = None) -> Any:
    """Return a matrix of any shape as `as_ambient` does."""
    if isinstance(matrix, (tuple, list)):
        return _from_parts(matrix, point)
    if scipy.sparse.issparse(matrix) or isinstance(matrix, LinearOperator):
        if isinstance(matrix, BlockOperator):
            return matrix.at(point)
        return float64_matrix("the matrix", matrix)
    if any(hasattr(matrix, name) for name in ("__array__", "__array_interface__")):
        return real_array("the matrix", matrix)
    raise TypeError(f"an ambient matrix is {KINDS}; got {type(matrix).__name__}")


def float64_matrix(name: str, matrix: Any) -> Any:
    """Return a sparse array or a LinearOperator of real numbers as one of float64."""
    if np.issubdtype(matrix.dtype, np.complexfloating):
        raise TypeError(f"{name} must be real, but has dtype {matrix.dtype}")
    if matrix.dtype == np.float64:
        return matrix
    return _Float64(matrix) if isinstance(matrix, LinearOperator) else matrix.astype(np.float64)


def _from_parts(parts: Any, point: FixedRankPoint | None) -> Any:
    """Return a matrix given by a tuple or a list: in factors, or row by row."""
    if isinstance(parts, LowRank):
        return parts
    if isinstance(parts, FixedRankPoint):
        u, s, vt = (real_array(name, part) for name, part in zip("usv", parts, strict=True))
        if (u.ndim, vt.ndim) != (2, 2) or not u.shape[1:] == s.shape == vt.shape[:1]:
            raise ValueError(
                "a point has shapes (m, k), (k,), (k, n), "
                f"got {', '.join(str(part.shape) for part in (u, s, vt))}"
            )
        return LowRank(u * s, None, vt.T)
    if isinstance(parts, (FixedRankTangentVector, FactorDirections)):
        return _at_point(parts, point)
    if is_triple(parts):
        raise TypeError(
            "a triple of arrays of shapes "
            f"{', '.join(str(np.shape(part)) for part in parts)} can be a point, directions of its "
            "factors, or derivatives of a cost(u, s, vt): "
            "FixedRankPoint(*triple) is the matrix of the first, FactorDirections(*triple) of the "
            "second, and manifold.euclidean_to_riemannian_gradient(point, triple) takes the third"
        )
    by_factors = parts and number_of_axes(parts[0]) >= 2
    return _low_rank(parts) if by_factors else real_array("the matrix", parts)


def _at_point(vector: Any, point: FixedRankPoint | None) -> LowRank:
    """Return the matrix of a tangent vector, or of FactorDirections, at a point."""
    if point is None:
        raise TypeError(
            f"a {type(vector).__name__} is a matrix only together with its point: "
            "manifold.tangent_to_matrix(point, Z) is the matrix of a tangent vector Z, and of "
            "FactorDirections with Z = manifold.projection(point, directions)"
        )
    if isinstance(vector, FixedRankTangentVector):
        left, right = tangent_pair(point, vector)
        return LowRank(left, None, right)
    u, s, vt = point
    du, ds, dvt = as_directions(point, vector)
    return LowRank(np.hstack((du * s + u * ds, u * s)), None, np.hstack((vt.T, dvt.T)))


def dense_matrix(name: str, value: Any, shape: tuple[int, int], axes: str) -> Array:
    """Return a finite m x n array, where a loss asks for one if it is given no point (u, s, vt).

    Raises
    ------
    TypeError, ValueError
        What it is instead, and what to do.
    """
    if isinstance(value, (FixedRankTangentVector, FactorDirections)):
        _at_point(value, None)
    in_factors = isinstance(value, (tuple, list)) and value and number_of_axes(value[0]) == 2
    if in_factors or scipy.sparse.issparse(value) or isinstance(value, LinearOperator):
        kind = "matrix in factors" if in_factors else type(value).__name__
        raise TypeError(
            f"{name} must be a point (u, s, vt) or an array of shape {shape}, got a {kind}; "
            f"FixedRank(m, n, k, depth=N).point({name}) is a point"
        )
    matrix = finite_array(name, value, 2)
    if matrix.shape != shape:
        raise ValueError(f"{name} must have shape {axes} = {shape}, got {matrix.shape}")
    return matrix


def ambient_products(matrix: Any, u: Array, v: Array) -> tuple[Array, Array]:
    """Return the products G V (m x k) and G^T U (n x k) of an m x n matrix G of any kind."""
    known = as_ambient(matrix, (u.shape[0], v.shape[0]))
    return times(known, v), transposed_times(known, u)


def times(known: Any, block: Array) -> Array:
    """Return G @ block for a matrix G that `as_ambient` returned."""
    if isinstance(known, LowRank):
        return dot(known.left, known.after_middle(dot(known.right.T, block)))
    if isinstance(known, LinearOperator):
        return real_array("the product with a LinearOperator", known.matmat(block))
    return np.asarray(known @ block)


def transposed_times(known: Any, block: Array) -> Array:
    """Return G.T @ block for a matrix G that `as_ambient` returned."""
    if isinstance(known, LowRank):
        return dot(known.right, known.before_middle(dot(known.left.T, block)))
    if isinstance(known, LinearOperator):
        return real_array("the product with a LinearOperator", _transposed(known, block))
    return np.asarray(known.T @ block)


def _transposed(operator: LinearOperator, block: Array) -> Any:
    try:
        return operator.rmatmat(block)
    except (NotImplementedError, TypeError) as error:
        # Without rmatvec, SciPy calls None.
        raise TypeError(
            "a LinearOperator needs rmatvec or rmatmat too, for products with its transpose, "
            f"but here these fail: {error}"
        ) from error


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
    return np.hstack((dot(u, core) + up, u)), np.hstack((vt.T, vp))


def as_direction(place: Any, direction: Any, shape: tuple[int, int]) -> Any:
    """Return a direction Z at a matrix W as `as_ambient` does; a tangent vector as a LowRank.

    At a point (u, s, vt) a triple is a tangent vector (Up, M, Vp); at an array it stands for the
    low-rank matrix L S R^T, which at a point is written as the pair (L S, R).
    """
    if not is_triple(place):
        return as_ambient(direction, shape)
    plain = isinstance(direction, (tuple, list)) and len(direction) == 3
    if plain and not isinstance(direction, (LowRank, FixedRankPoint, FactorDirections)):
        left, right = tangent_pair(place, direction)
        return LowRank(left, None, right)
    return as_ambient(direction, shape, FixedRankPoint(*place))


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
