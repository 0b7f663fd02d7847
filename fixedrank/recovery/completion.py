"""Matrix completion: a matrix of low rank from some of its entries."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fixedrank._aliases import DataLike, PointLike
from fixedrank._checks import finite_array
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.recovery.entries import Entries, Indices, entries_of_product
from fixedrank.recovery.known_entries import (
    checked_shape,
    indices,
    known_entries,
    weights_at,
    with_weight,
    without_masked,
)
from fixedrank.recovery.occurring import OccurringPart
from fixedrank.recovery.problem import RecoveryProblem


class MatrixCompletion(RecoveryProblem):
    r"""The least-squares problem of some entries of a matrix W, for matrices of low rank.

    The loss is
    :math:`\frac12 \sum_{(i, j) \in \Omega} w_{ij} (W_{ij} - v_{ij})^2 + \rho \sum_j s_j` with
    weights w, 1 by default, and a ridge :math:`\rho`, 0 by default. At a point of rank k a loss, a
    gradient or a product with the Hessian costs O(p k) for p entries, and the products with thin
    blocks that optimizers and flows form, and the ridge, another O((m + n) k^2). No m x n array is
    formed of large matrices.

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
    weights : array_like, shape (p,), or matrix, shape (m, n), optional
        A weight of at least 0 for each value, such as the inverse of its variance; an entry of
        weight 0 is left out, as one that is masked. Beside a matrix as the only argument they are
        a matrix too, sparse or not, of which those at known entries count.
    ridge : float, optional
        The weight :math:`\rho \ge 0` of the sum of the singular values, the nuclear norm: over the
        factors of W = L R^T it is the least :math:`\rho (\|L\|_F^2 + \|R\|_F^2) / 2`.

    Attributes
    ----------
    rows, cols, values : ndarray, shape (p,)
        The known entries, row by row.
    weights : ndarray, shape (p,), or None
        Their weights; None where none were given.
    ridge : float
        The weight of the sum of the singular values.
    shape : tuple of int
        (m, n).

    Raises
    ------
    TypeError
        If positions are not integers, or values, weights or the ridge not real numbers; if a matrix
        is not the only argument.
    ValueError
        If the arrays do not have the same length of at least 1, a position lies outside of the
        matrix or is given twice, a value is not finite, or a weight or the ridge is negative.

    Notes
    -----
    The ridge is smooth on matrices of one rank, and its gradient there is :math:`\rho U V^T`, its
    Hessian that along them. Where the rank falls it has a kink: singular values that are zero, of
    an m x n array those below round-off, count for nothing in derivatives.

    In a flow of depth N below 2 a singular value that no entry supports reaches zero in finite
    time, and :func:`riemannian_flow` goes on at the lower rank; from depth 2 on it decays, at depth
    2 exponentially. On layers the loss is that of their product. Two balanced layers have
    :math:`\rho (\|W_1\|_F^2 + \|W_2\|_F^2) / 2 = \rho \sum_j s_j`, so there the ridge is weight
    decay. Weight decay makes other layers balanced, the ridge does not: where a singular value
    falls to what the layers differ by, be it by errors of the method, it goes on to zero and
    :func:`factored_flow` stops at the kink.

    References
    ----------
    B. Vandereycken, "Low-rank matrix completion by Riemannian optimization", SIAM J. Optim.
    23, 2013. R. Mazumder, T. Hastie and R. Tibshirani, "Spectral regularization algorithms for
    learning large incomplete matrices", J. Mach. Learn. Res. 11, 2010.

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
    >>> weighted = fixedrank.MatrixCompletion(
    ...     rows, cols, truth[rows, cols], truth.shape, weights=[1, 2, 1, 1], ridge=0.5
    ... )
    >>> weighted.loss(0 * truth), round(weighted.loss(truth), 6)
    (8.0, 2.645751)
    """

    _measurements: Entries

    def __init__(
        self,
        rows: DataLike,
        cols: ArrayLike | None = None,
        values: ArrayLike | None = None,
        shape: tuple[int, int] | None = None,
        *,
        weights: DataLike | None = None,
        ridge: float = 0.0,
    ) -> None:
        if cols is None and values is None and shape is None:
            rows, cols, values, shape = known_entries(rows)
            weights = weights_at(weights, rows, cols, shape)
        elif cols is None or values is None or shape is None:
            raise TypeError(
                "MatrixCompletion takes rows, cols, values and shape, or nothing but the matrix "
                "with its known entries (sparse, masked, or with NaN elsewhere), from which the "
                "shape is taken"
            )
        m, n = checked_shape(shape)
        parts = without_masked(weights, rows, cols, values)
        weight, rows, cols, values = with_weight(*parts)
        known = finite_array("values", values, 1)
        i, j = indices("rows", rows, m), indices("cols", cols, n)
        if not i.size == j.size == known.size > 0:
            raise ValueError(
                "rows, cols and values must have the same length of at least 1, got "
                f"{i.size}, {j.size} and {known.size}"
            )
        places = i * n + j
        if (np.diff(places) <= 0).any():
            order = np.argsort(places, kind="stable")
            i, j, known, places = i[order], j[order], known[order], places[order]
            weight = None if weight is None else weight[order]
            twice = np.flatnonzero(np.diff(places) == 0)
            if twice.size:
                at = twice[0]
                pair = (int(i[at]), int(j[at]))
                raise ValueError(
                    f"{twice.size} of the {places.size} positions repeat another one, such as "
                    f"{pair} with the values {known[at]} and {known[at + 1]}; "
                    "give each entry once, for example its mean"
                )
        super().__init__(Entries(i, j, (m, n)), known, weight, ridge)

    @property
    def infimum(self) -> float | None:  # type: ignore[override]
        """The infimum: some matrix has any given entries. None with a ridge."""
        return 0.0 if self.ridge == 0 else None

    @property
    def rows(self) -> Indices:
        """The rows of the known entries, ascending."""
        return self._measurements.rows

    @property
    def cols(self) -> Indices:
        """The columns of the known entries, ascending within a row."""
        return self._measurements.cols

    def _shown_facts(self) -> dict[str, str]:
        (m, n), count = self.shape, self.values.size
        return {"entries": f"{count / m / n:.3g} of all", **super()._shown_facts()}

    def predict(self, point: PointLike | ArrayLike, rows: ArrayLike, cols: ArrayLike) -> Any:
        """Return the entries of a matrix at any positions, known or not.

        Parameters
        ----------
        point : tuple (u, s, vt), or ndarray, shape (m, n)
            The matrix.
        rows, cols : int or array_like of int
            The positions, from 0; arrays of different shapes are broadcast, such as
            ``rows[:, None]`` and ``cols``.

        Returns
        -------
        float or ndarray
            The entries, an array of the shape to which rows and columns broadcast. Of a point they
            take O(k) each.

        Raises
        ------
        TypeError, ValueError
            If the matrix has another shape, or positions are not integers, lie outside of it or
            do not broadcast.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.MatrixCompletion([0, 0, 1], [0, 1, 0], [1.0, 2.0, 3.0], (2, 2))
        >>> point = fixedrank.recover(problem, 1).point
        >>> round(float(problem.predict(point, 1, 1)), 4)
        6.0
        >>> problem.predict(point, np.array([[0], [1]]), [0, 1]).round(4)
        array([[1., 2.],
               [3., 6.]])
        """
        known = self._known(point)
        (m, n), i, j = self.shape, np.asarray(rows), np.asarray(cols)
        i, j = (
            indices(name, which.ravel(), size).reshape(which.shape)
            for name, which, size in (("rows", i, m), ("cols", j, n))
        )
        try:
            i, j = np.broadcast_arrays(i, j)
        except ValueError as error:
            raise ValueError(
                f"rows and cols must have one shape or broadcast, got {i.shape} and {j.shape}"
            ) from error
        if not isinstance(known, FixedRankPoint):
            return known[i, j]
        u, s, vt = known
        return entries_of_product(u * s, vt.T, i.ravel(), j.ravel()).reshape(i.shape)[()]

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
            part._hold(Entries(i, j, (rows.size, cols.size)), self.values, self.weights)
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
