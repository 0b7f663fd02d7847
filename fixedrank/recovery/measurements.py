"""Linear maps from m x n matrices to R^p, held by their p measurement matrices A_i."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array
from fixedrank.geometry.factored.ambient import LowRankPair, ambient_products
from fixedrank.recovery.entries import Entries, Indices


class Measurements(Protocol):
    """A linear map W -> (<A_1, W>, ..., <A_p, W>) and its adjoint r -> sum r_i A_i."""

    shape: tuple[int, int]
    count: int

    def of_product(self, left: Array, right: Array) -> Array:
        """Return the measurements of left @ right.T."""
        ...

    def of_matrix(self, matrix: Any) -> Array:
        """Return the measurements of an ambient matrix, as `as_ambient` returns it."""
        ...

    def adjoint(self, values: Array) -> Any:
        """Return sum r_i A_i, an ambient matrix."""
        ...

    def adjoint_products(self, values: Array, left: Array, right: Array) -> tuple[Array, Array]:
        """Return the products G right and G^T left of G = sum r_i A_i."""
        ...

    def subset(self, which: Indices) -> Measurements:
        """Return the map to some of the measurements, `which` in ascending order."""
        ...


class RankOneMeasurements:
    """A_i = l_i r_i^T with the rows of a p x m and of a p x n array: <A_i, W> = l_i^T W r_i."""

    def __init__(self, left: Array, right: Array) -> None:
        self.left, self.right = left, right
        self.shape, self.count = (left.shape[1], right.shape[1]), left.shape[0]

    def of_product(self, left: Array, right: Array) -> Array:
        """Return the row sums of (L left) * (R right)."""
        return np.asarray(np.einsum("ij,ij->i", self.left @ left, self.right @ right))

    def of_matrix(self, matrix: Any) -> Array:
        """Return l_i^T W r_i from the product W R^T."""
        return np.asarray(np.einsum("ij,ji->i", self.left, np.asarray(matrix @ self.right.T)))

    def adjoint(self, values: Array) -> LowRankPair:
        """Return the pair (L^T diag(r), R^T), which stands for L^T diag(r) R."""
        return LowRankPair(self.left.T * values, self.right.T)

    def adjoint_products(self, values: Array, left: Array, right: Array) -> tuple[Array, Array]:
        """Return both products without the pair."""
        column = values[:, None]
        return (
            self.left.T @ (column * (self.right @ right)),
            self.right.T @ (column * (self.left @ left)),
        )

    def subset(self, which: Indices) -> RankOneMeasurements:
        """Return the map to some of the measurements."""
        return RankOneMeasurements(self.left[which], self.right[which])


class SparseMeasurements:
    """Measurement matrices in the rows of a sparse p x (m n) array, row-major.

    Only the q entries of W that some A_i looks at are ever computed.
    """

    def __init__(self, matrix: Any, shape: tuple[int, int]) -> None:
        coordinates = scipy.sparse.coo_array(matrix)
        seen, column = np.unique(coordinates.coords[1], return_inverse=True)
        rows, cols = np.divmod(seen, shape[1])
        self._matrix, self.shape, self.count = matrix, shape, matrix.shape[0]
        self._entries = Entries(rows.astype(np.intp), cols.astype(np.intp), shape)
        self._weights = scipy.sparse.csr_array(
            (coordinates.data, (coordinates.coords[0], column)), shape=(self.count, seen.size)
        )

    def of_product(self, left: Array, right: Array) -> Array:
        """Return the weighted sums of the entries of left @ right.T."""
        return np.asarray(self._weights @ self._entries.of_product(left, right))

    def of_matrix(self, matrix: Any) -> Array:
        """Return the weighted sums of the entries of a matrix."""
        return np.asarray(self._weights @ self._entries.of_matrix(matrix))

    def adjoint(self, values: Array) -> Any:
        """Return sum r_i A_i as a csr_array."""
        return self._entries.adjoint(self._weights.T @ values)

    def adjoint_products(self, values: Array, left: Array, right: Array) -> tuple[Array, Array]:
        """Return the products of sum r_i A_i with thin blocks."""
        return self._entries.adjoint_products(self._weights.T @ values, left, right)

    def subset(self, which: Indices) -> SparseMeasurements:
        """Return the map to some of the measurements."""
        return SparseMeasurements(self._matrix[which], self.shape)


class DenseMeasurements:
    """Measurement matrices in the rows of a p x (m n) array or LinearOperator, row-major.

    W is formed: it is no larger than one A_i.
    """

    def __init__(self, matrix: Any, shape: tuple[int, int]) -> None:
        self._matrix, self.shape, self.count = matrix, shape, matrix.shape[0]

    def of_product(self, left: Array, right: Array) -> Array:
        """Return the inner products with left @ right.T."""
        return self.of_matrix(left @ right.T)

    def of_matrix(self, matrix: Any) -> Array:
        """Return the inner products with a matrix."""
        if scipy.sparse.issparse(matrix):
            matrix = matrix.toarray()
        elif isinstance(matrix, LinearOperator):
            matrix = matrix @ np.eye(self.shape[1])
        return np.asarray(self._matrix @ np.ravel(matrix))

    def adjoint(self, values: Array) -> Array:
        """Return sum r_i A_i as an array."""
        return np.asarray(self._matrix.T @ values).reshape(self.shape)

    def adjoint_products(self, values: Array, left: Array, right: Array) -> tuple[Array, Array]:
        """Return the products of sum r_i A_i with thin blocks."""
        return ambient_products(self.adjoint(values), left, right)

    def subset(self, which: Indices) -> DenseMeasurements:
        """Return the map to some of the measurements."""
        if isinstance(self._matrix, LinearOperator):
            return DenseMeasurements(_SelectedRows(self._matrix, which), self.shape)
        return DenseMeasurements(self._matrix[which], self.shape)


class ScaledMeasurements:
    """The measurements of W / 2^e, whose matrices are A_i / 2^e."""

    def __init__(self, measurements: Measurements, exponent: int) -> None:
        self._whole, self._exponent = measurements, exponent
        self.shape, self.count = measurements.shape, measurements.count

    def of_product(self, left: Array, right: Array) -> Array:
        """Return the measurements of left @ right.T, divided."""
        return self._whole.of_product(np.ldexp(left, -self._exponent), right)

    def of_matrix(self, matrix: Any) -> Array:
        """Return the measurements of a matrix, divided."""
        return np.ldexp(self._whole.of_matrix(matrix), -self._exponent)

    def adjoint(self, values: Array) -> Any:
        """Return sum r_i A_i, divided."""
        return self._whole.adjoint(np.ldexp(values, -self._exponent))

    def adjoint_products(self, values: Array, left: Array, right: Array) -> tuple[Array, Array]:
        """Return the products of sum r_i A_i with thin blocks, divided."""
        return self._whole.adjoint_products(np.ldexp(values, -self._exponent), left, right)

    def subset(self, which: Indices) -> ScaledMeasurements:
        """Return the map to some of the measurements."""
        return ScaledMeasurements(self._whole.subset(which), self._exponent)


class _SelectedRows(LinearOperator):
    """Some rows of a LinearOperator."""

    def __init__(self, operator: LinearOperator, which: Indices) -> None:
        super().__init__(np.dtype(np.float64), (which.size, operator.shape[1]))
        self.operator, self.which = operator, which

    def _matvec(self, vector: Array) -> Array:
        return np.asarray(self.operator.matvec(vector))[self.which]

    def _rmatvec(self, vector: Array) -> Array:
        spread = np.zeros(self.operator.shape[0])
        spread[self.which] = np.ravel(vector)
        return np.asarray(self.operator.rmatvec(spread))
