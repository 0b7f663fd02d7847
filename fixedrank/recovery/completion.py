"""Matrix completion: a matrix of low rank from some of its entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank._checks import finite_array, positive_integer
from fixedrank.recovery.entries import Entries, Indices
from fixedrank.recovery.problem import RecoveryProblem

_LARGEST = np.iinfo(np.intp).max


class MatrixCompletion(RecoveryProblem):
    r"""The least-squares problem of some entries of a matrix W, for matrices of low rank.

    The loss is :math:`\frac12 \sum_{(i, j) \in \Omega} (W_{ij} - v_{ij})^2`. At a point of rank k a
    loss, a gradient or a product with the Hessian costs O(p k) for p entries, and the products with
    thin blocks that optimizers and flows form another O((m + n) k^2). No m x n array is formed of
    large matrices.

    Parameters
    ----------
    rows, cols : array_like of int, shape (p,)
        The positions of the known entries, from 0, in any order and without duplicates.
    values : array_like, shape (p,)
        The known entries.
    shape : tuple of int
        (m, n), the shape of W.

    Attributes
    ----------
    rows, cols, values : ndarray, shape (p,)
        The known entries, row by row.
    shape : tuple of int
        (m, n).

    Raises
    ------
    TypeError
        If positions are not integers, or values not real numbers.
    ValueError
        If the three arrays do not have the same length of at least 1, a position lies outside
        of the matrix or is given twice, or a value is not finite.

    References
    ----------
    B. Vandereycken, "Low-rank matrix completion by Riemannian optimization", SIAM J. Optim.
    23, 2013.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> truth = np.outer([1.0, 2.0, 3.0], [1.0, -1.0])
    >>> rows, cols = [0, 0, 1, 2], [0, 1, 0, 1]
    >>> problem = fixedrank.MatrixCompletion(rows, cols, truth[rows, cols], truth.shape)
    >>> problem.loss(truth), problem.loss(0 * truth)
    (0.0, 7.5)
    """

    _measurements: Entries

    def __init__(self, rows: Any, cols: Any, values: Any, shape: tuple[int, int]) -> None:
        m, n = checked_shape(shape)
        known = finite_array("values", values, 1)
        i, j = _indices("rows", rows, m), _indices("cols", cols, n)
        if not i.size == j.size == known.size > 0:
            raise ValueError(
                "rows, cols and values must have the same length of at least 1, got "
                f"{i.size}, {j.size} and {known.size}"
            )
        places = i * n + j
        if (np.diff(places) <= 0).any():
            order = np.argsort(places, kind="stable")
            i, j, known, places = i[order], j[order], known[order], places[order]
            twice = np.flatnonzero(np.diff(places) == 0)
            if twice.size:
                at = twice[0]
                pair = (int(i[at]), int(j[at]))
                raise ValueError(
                    f"{twice.size} of the {places.size} positions repeat another one, such as "
                    f"{pair} with the values {known[at]} and {known[at + 1]}; "
                    "give each entry once, for example its mean"
                )
        self._set_up(Entries(i, j, (m, n)), known)

    @property
    def rows(self) -> Indices:
        """The rows of the known entries, ascending."""
        return self._measurements.rows

    @property
    def cols(self) -> Indices:
        """The columns of the known entries, ascending within a row."""
        return self._measurements.cols


def checked_shape(shape: Any) -> tuple[int, int]:
    """Return the shape (m, n) of W as integers."""
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise TypeError(f"shape must be a tuple (m, n), got {shape!r}")
    m, n = (positive_integer(f"shape[{i}]", size) for i, size in enumerate(shape))
    if m > _LARGEST // n:
        raise ValueError(f"{m} x {n} entries are more than can be numbered, {_LARGEST}")
    return m, n


def _indices(name: str, values: Any, end: int) -> Indices:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must have 1 axis, but has shape {array.shape}")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name} must be integers, but has dtype {array.dtype}")
    outside = np.flatnonzero((array < 0) | (array >= end))
    if outside.size:
        raise ValueError(
            f"{name} must lie between 0 and {end - 1}, but {outside.size} do not, the first at "
            f"index {outside[0]}: {array[outside[0]]}"
        )
    return array.astype(np.intp)
