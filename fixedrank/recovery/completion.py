"""Matrix completion: a matrix of low rank from some of its entries."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike

from fixedrank._aliases import DataLike
from fixedrank._checks import finite_array, positive_integer, real_array, require_finite
from fixedrank.geometry.factored.ambient import float64_matrix
from fixedrank.recovery.entries import Entries, Indices
from fixedrank.recovery.occurring import OccurringPart
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
        The positions of the known entries, from 0, in any order and without duplicates. Or, as the
        only argument, the m x n matrix with its known entries: a sparse array, of which all stored
        entries are known, also zeros; a masked array, of which those are known that are not masked;
        or an array or data frame, of which those are known that are not NaN.
    values : array_like, shape (p,)
        The known entries. Those that are masked are left out.
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
        If positions are not integers, or values not real numbers; if a matrix is not the only
        argument.
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
    >>> fixedrank.MatrixCompletion([[1.0, np.nan], [3.0, 4.0]]).values
    array([1., 3., 4.])
    """

    _measurements: Entries

    def _shown_facts(self) -> dict[str, str]:
        (m, n), count = self.shape, self.values.size
        return {"entries": f"{count / m / n:.3g} of all", **super()._shown_facts()}

    # Some matrix has any given entries.
    infimum = 0.0

    def __init__(
        self,
        rows: DataLike,
        cols: ArrayLike | None = None,
        values: ArrayLike | None = None,
        shape: tuple[int, int] | None = None,
    ) -> None:
        if cols is None and values is None and shape is None:
            rows, cols, values, shape = _known_entries(rows)
        elif cols is None or values is None or shape is None:
            raise TypeError(
                "MatrixCompletion takes rows, cols, values and shape, or nothing but the matrix "
                "with its known entries (sparse, masked, or with NaN elsewhere), from which the "
                "shape is taken"
            )
        m, n = checked_shape(shape)
        rows, cols, values = _without_masked(rows, cols, values)
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
        super().__init__(Entries(i, j, (m, n)), known)

    @property
    def rows(self) -> Indices:
        """The rows of the known entries, ascending."""
        return self._measurements.rows

    @property
    def cols(self) -> Indices:
        """The columns of the known entries, ascending within a row."""
        return self._measurements.cols

    def occurring(self) -> OccurringPart:
        """Return the same problem without the rows and columns in which no entry is known.

        It takes time and memory of the order of the entries, however large the shape is, and
        :meth:`OccurringPart.embed` makes a point of the smaller matrix one of the whole one. The
        loss is the same; in a row or column without an entry anything else would be as good as
        zero, and optimizers that start from :meth:`initial_point` leave it at zero.

        Returns
        -------
        OccurringPart
            With ``problem``, ``rows``, ``cols``, ``shape``, and ``embed(point)``.

        Examples
        --------
        >>> import fixedrank
        >>> problem = fixedrank.MatrixCompletion([0, 9], [3, 3], [1.0, 2.0], (10, 5))
        >>> problem.occurring().problem.shape
        (2, 1)
        """
        (rows, i), (cols, j) = (
            _renumbered(which, size)
            for which, size in zip((self.rows, self.cols), self.shape, strict=True)
        )
        part = self
        if (rows.size, cols.size) != self.shape:
            part = copy.copy(self)
            part._hold(Entries(i, j, (rows.size, cols.size)), self.values)
        return OccurringPart(part, rows, cols, self.shape)


def _renumbered(which: Indices, size: int) -> tuple[Indices, Indices]:
    """Return the different numbers below `size`, ascending, and each by its place among them."""
    if size > 2 * which.size:
        different, places = np.unique(which, return_inverse=True)
        return different, places
    present = np.zeros(size, dtype=bool)
    present[which] = True
    different = np.flatnonzero(present)
    return different, which if different.size == size else (np.cumsum(present) - 1)[which]


def _known_entries(matrix: Any) -> tuple[Any, Any, Any, Any]:
    """Return rows, columns and values of the known entries of a matrix, and its shape."""
    if scipy.sparse.issparse(matrix):
        stored = scipy.sparse.coo_array(float64_matrix("the matrix", matrix))
        _require_matrix(stored)
        require_finite("the stored entries of the matrix", stored.data)
        return *stored.coords, stored.data, stored.shape
    known = None
    if isinstance(matrix, np.ma.MaskedArray):
        known, matrix = ~np.ma.getmaskarray(matrix), matrix.data
    elif hasattr(matrix, "to_numpy") and np.asarray(matrix).dtype == np.object_:
        # A data frame with types that have no NaN but a sign of their own for what is missing.
        matrix = matrix.to_numpy(dtype=np.object_, na_value=np.nan)
    array = real_array("the matrix", matrix)
    _require_matrix(array)
    if known is None:
        known = ~np.isnan(array)
    if not known.any():
        raise ValueError(f"no entry of the {array.shape} matrix is known: all are masked or NaN")
    require_finite("the known part of the matrix", np.where(known, array, 0))
    return *np.nonzero(known), array[known], array.shape


def _require_matrix(array: Any) -> None:
    if array.ndim != 2:
        raise ValueError(
            "a single argument is the m x n matrix with its known entries (sparse, masked, or with "
            f"NaN elsewhere), but here its shape is {array.shape}"
        )


def _without_masked(*parts: Any) -> tuple[Any, ...]:
    """Return arrays of one shape without the entries that are masked in one of them."""
    masks = [np.ma.getmaskarray(part) for part in parts if isinstance(part, np.ma.MaskedArray)]
    if not masks or len({np.shape(part) for part in parts}) > 1:
        return parts
    known = ~np.logical_or.reduce(masks)
    return tuple(np.asarray(part)[known] for part in parts)


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
        labels = f": codes, labels = pandas.factorize({name}) numbers labels from 0"
        raise TypeError(
            f"{name} must be integers, but has dtype {array.dtype}"
            + (labels if array.dtype.kind in "OSTUMm" else "")
        )
    outside = np.flatnonzero((array < 0) | (array >= end))
    if outside.size:
        raise ValueError(
            f"{name} must lie between 0 and {end - 1}, but {outside.size} do not, the first at "
            f"index {outside[0]}: {array[outside[0]]}"
        )
    return array.astype(np.intp)
