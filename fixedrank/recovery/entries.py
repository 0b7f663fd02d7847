"""Given entries of a matrix of low rank, and sparse matrices with entries there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array
from fixedrank.geometry.factored.ambient import ambient_products

Indices = NDArray[np.intp]

# Numbers in a temporary array: twice as fast as none at all or four times as many (2026-11).
_BLOCK = 1 << 16
# From this share of the entries on, products of whole blocks of rows are faster than sparse ones.
_DENSE = 1 / 12


def entries_of_product(left: Array, right: Array, rows: Indices, cols: Indices) -> Array:
    """Return the entries of left @ right.T at positions in any order, which must be inside."""
    # Of rows that do not lie together np.take would copy the whole array for each block.
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    count, k = rows.size, left.shape[1]
    values, size = np.empty(count), max(1, min(count, _BLOCK // max(k, 1)))
    first, second = np.empty((size, k)), np.empty((size, k))
    for start in range(0, count, size):
        here = slice(start, min(start + size, count))
        length = here.stop - start
        # With out=, the mode "raise" would copy; the indices were checked at the start.
        a = np.take(left, rows[here], axis=0, out=first[:length], mode="clip")
        b = np.take(right, cols[here], axis=0, out=second[:length], mode="clip")
        np.einsum("ij,ij->i", a, b, out=values[here])
    return values


class Entries:
    """The entries of an m x n matrix at given positions, a linear map to R^p.

    Parameters
    ----------
    rows, cols : ndarray of int, shape (p,)
        The positions, without duplicates, sorted by rows and in a row by columns.
    shape : tuple of int
        (m, n).
    """

    def __init__(self, rows: Indices, cols: Indices, shape: tuple[int, int]) -> None:
        self.rows, self.cols, self.shape = rows, cols, shape
        self.count = rows.size
        m, n = shape
        self._small = scipy.sparse.get_index_dtype(maxval=max(self.count, n))
        self._columns = cols.astype(self._small)
        self._height = min(m, max(1, _BLOCK // n))
        dense = self.count >= _DENSE * m * n
        # Where an entry stands in its block of rows, counted row by row.
        self._places = (rows % self._height) * n + cols if dense else None

    @cached_property
    def _starts(self) -> Indices:
        """Where each row starts. Not made before it is needed: there may be many more rows."""
        rows = np.arange(self.shape[0] + 1)
        return np.searchsorted(self.rows, rows).astype(self._small)

    def of_product(self, left: Array, right: Array) -> Array:
        """Return the entries of left @ right.T, with no array larger than a block beside them."""
        if self._places is None:
            return entries_of_product(left, right, self.rows, self.cols)
        values = np.empty(self.count)
        for rows, here in self._blocks():
            block = left[rows] @ right.T
            np.take(block.ravel(), self._places[here], out=values[here], mode="clip")
        return values

    def of_matrix(self, matrix: Any) -> Array:
        """Return the entries of a matrix that `as_ambient` returned, but for those of low rank."""
        if isinstance(matrix, LinearOperator):
            return self._of_operator(matrix)
        if not scipy.sparse.issparse(matrix):
            return np.asarray(matrix[self.rows, self.cols])
        return self._of_sparse(matrix)

    def adjoint(self, values: Array) -> Any:
        """Return the sparse matrix with these entries, a csr_array."""
        return scipy.sparse.csr_array((values, self._columns, self._starts), shape=self.shape)

    def adjoint_products(self, values: Array, left: Array, right: Array) -> tuple[Array, Array]:
        """Return the products G right and G^T left of the sparse matrix G with these entries."""
        if self._places is None or self._height < self.shape[0]:
            return ambient_products(self.adjoint(values), left, right)
        # A small matrix: to build a sparse one would take longer than the products.
        dense = np.zeros(self.shape)
        dense.ravel()[self._places] = values
        return dense @ right, dense.T @ left

    def subset(self, which: Indices) -> Entries:
        """Return the map to some of the entries, `which` in ascending order."""
        return Entries(self.rows[which], self.cols[which], self.shape)

    def _blocks(self) -> Iterator[tuple[slice, slice]]:
        """Yield blocks of rows, and which entries stand in them."""
        for start in range(0, self.shape[0], self._height):
            end = min(start + self._height, self.shape[0])
            yield slice(start, end), slice(int(self._starts[start]), int(self._starts[end]))

    def _of_operator(self, operator: LinearOperator) -> Array:
        values = np.empty(self.count)
        used = np.flatnonzero(np.diff(self._starts))
        size = max(1, _BLOCK // max(self.shape))
        for start in range(0, used.size, size):
            rows = used[start : start + size]
            units = np.zeros((self.shape[0], rows.size))
            units[rows, np.arange(rows.size)] = 1
            here = slice(int(self._starts[rows[0]]), int(self._starts[rows[-1] + 1]))
            block = np.asarray(operator.rmatmat(units))
            values[here] = block[self.cols[here], np.searchsorted(rows, self.rows[here])]
        return values

    def _of_sparse(self, matrix: Any) -> Array:
        other = scipy.sparse.csr_array(matrix)
        if not other.has_canonical_format:
            other = other.copy()
            other.sum_duplicates()
        n = self.shape[1]
        stored = np.repeat(np.arange(self.shape[0]) * n, np.diff(other.indptr)) + other.indices
        wanted = self.rows * n + self.cols
        found = np.searchsorted(stored, wanted)
        values = np.zeros(self.count)
        hit = np.flatnonzero(found < stored.size)
        hit = hit[stored[found[hit]] == wanted[hit]]
        values[hit] = other.data[found[hit]]
        return values
