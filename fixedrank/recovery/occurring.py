"""The rows and columns in which entries are known: which occur, and which are pinned down."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components

from fixedrank._aliases import PointLike
from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point
from fixedrank.recovery.entries import Entries, Indices

if TYPE_CHECKING:
    from fixedrank.recovery.completion import MatrixCompletion


class OccurringPart(NamedTuple):
    """A completion without the rows and columns of which no entry is known.

    Attributes
    ----------
    problem : MatrixCompletion
        The same entries, in the smaller matrix.
    rows, cols : ndarray of int
        Which rows and columns of the whole matrix are those of the smaller one, ascending.
    shape : tuple of int
        (m, n), the shape of the whole matrix.

    Examples
    --------
    >>> import fixedrank
    >>> problem = fixedrank.MatrixCompletion([5, 900], [7, 7], [1.0, 2.0], (10**9, 10**9))
    >>> part = problem.occurring()
    >>> part.problem.shape, part.rows, part.cols
    ((2, 1), array([  5, 900]), array([7]))
    """

    problem: MatrixCompletion
    rows: Indices
    cols: Indices
    shape: tuple[int, int]

    def __repr__(self) -> str:
        (a, b), (m, n) = self.problem.shape, self.shape
        return f"<OccurringPart: {a} of {m} rows, {b} of {n} columns>"

    def embed(self, point: PointLike) -> FixedRankPoint:
        """Return the point of the whole matrix, zero in the rows and columns that do not occur.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            A point of the smaller matrix.

        Returns
        -------
        FixedRankPoint
            The same singular values; of all matrices of the whole shape with these entries it has
            the smallest norm.

        Raises
        ------
        TypeError, ValueError
            If the point is not one of the smaller matrix.

        Examples
        --------
        >>> import fixedrank
        >>> problem = fixedrank.MatrixCompletion([0, 2], [1, 1], [3.0, 4.0], (3, 2))
        >>> part = problem.occurring()
        >>> u, s, vt = part.embed(part.problem.initial_point(1))
        >>> abs(((u * s) @ vt).round(12))
        array([[0., 3.],
               [0., 0.],
               [0., 4.]])
        """
        u, s, vt = checked_point(point)
        if (u.shape[0], vt.shape[1]) != (self.rows.size, self.cols.size):
            raise ValueError(
                f"the part that occurs has {self.rows.size} rows and {self.cols.size} columns, "
                f"but the point is a {u.shape[0]}x{vt.shape[1]} matrix"
            )
        return FixedRankPoint(
            _spread(u, self.rows, self.shape[0]), s, _spread(vt.T, self.cols, self.shape[1]).T
        )


def _spread(block: Array, where: Indices, size: int) -> Array:
    if where.size == size:
        return block
    whole = np.zeros((size, block.shape[1]))
    whole[where] = block
    return whole


class Pinned(NamedTuple):
    """Which rows and columns have too few entries, and in how many parts the others fall."""

    rows: Indices
    cols: Indices
    parts: int


def pinned_down(entries: Entries, k: int) -> Pinned:
    """Return the rows and columns that k columns of factors are not determined in.

    A row of the left factor has k unknown numbers, and each entry in it gives one equation if its
    column is determined, and likewise for columns: what has fewer equations is left out, until
    nothing more goes. What stays is the k-core of the bipartite graph of the entries. Where it is
    not connected, nothing is known of the entries of W between its parts.
    """
    rows, cols = entries.rows, entries.cols
    m, n = entries.shape
    while True:
        in_row, in_col = np.bincount(rows, minlength=m), np.bincount(cols, minlength=n)
        kept = (in_row[rows] >= k) & (in_col[cols] >= k)
        if kept.all():
            break
        rows, cols = rows[kept], cols[kept]
    starts = np.zeros(m + n + 1, dtype=np.int64)
    np.cumsum(in_row, out=starts[1 : m + 1])
    starts[m + 1 :] = rows.size
    graph = scipy.sparse.csr_array(
        (np.ones(rows.size, dtype=bool), m + cols, starts), shape=(m + n, m + n)
    )
    few_rows, few_cols = np.flatnonzero(in_row < k), np.flatnonzero(in_col < k)
    parts = int(connected_components(graph, directed=False)[0]) - few_rows.size - few_cols.size
    return Pinned(few_rows, few_cols, parts)
