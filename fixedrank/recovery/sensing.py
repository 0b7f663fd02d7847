"""Matrix sensing: a matrix of low rank from inner products with given matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from fixedrank._aliases import AmbientLike
from fixedrank._checks import finite_array, require_finite
from fixedrank.geometry.factored.ambient import float64_matrix
from fixedrank.recovery.known_entries import checked_shape, with_weight
from fixedrank.recovery.measurements import (
    DenseMeasurements,
    Measurements,
    RankOneMeasurements,
    SparseMeasurements,
)
from fixedrank.recovery.problem import RecoveryProblem


class MatrixSensing(RecoveryProblem):
    r"""The least-squares problem of p linear measurements of a matrix W, for matrices of low rank.

    The loss is
    :math:`\frac12 \sum_i w_i (\langle A_i, W \rangle - y_i)^2 + \rho \sum_j s_j` with the Frobenius
    inner product, weights w, 1 by default, and a ridge :math:`\rho`, 0 by default, on the singular
    values: see :class:`MatrixCompletion`. Rank-one and sparse A_i are never multiplied out, and no
    m x n array is formed for them; dense A_i are used as they are.

    Parameters
    ----------
    measurements : ndarray, pair of ndarray, sparse array or LinearOperator
        The matrices A_1, ..., A_p, as an array of shape (p, m, n); or as a tuple (L, R) of
        arrays of shapes (p, m) and (p, n) for A_i = l_i r_i^T with their rows l_i, r_i; or as a
        sparse array or a LinearOperator of shape (p, m n) whose rows are the A_i, row by row.
        An operator needs ``rmatvec`` too. Arrays are kept, not copied: do not change them later.
    values : array_like, shape (p,)
        The measured values y.
    shape : tuple of int, optional
        (m, n), the shape of W: needed for a sparse array or a LinearOperator, otherwise known.
    weights : array_like, shape (p,), optional
        A weight of at least 0 for each value; a measurement of weight 0 is left out.
    ridge : float, optional
        The weight :math:`\rho \ge 0` of the sum of the singular values.

    Attributes
    ----------
    values : ndarray, shape (p,)
        The measured values.
    weights : ndarray, shape (p,), or None
        Their weights; None where none were given.
    ridge : float
        The weight of the sum of the singular values.
    shape : tuple of int
        (m, n).

    Raises
    ------
    TypeError
        If the measurements are of another kind or complex.
    ValueError
        If there are none, shapes do not fit together, entries are not finite, or a weight or the
        ridge is negative.

    References
    ----------
    B. Recht, M. Fazel and P. A. Parrilo, "Guaranteed minimum-rank solutions of linear matrix
    equations via nuclear norm minimization", SIAM Review 52, 2010.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> rng = np.random.default_rng(0)
    >>> truth = np.outer([1.0, 2.0, 3.0], [1.0, -1.0])
    >>> L, R = rng.standard_normal((12, 3)), rng.standard_normal((12, 2))
    >>> problem = fixedrank.MatrixSensing((L, R), np.sum((L @ truth) * R, axis=1))
    >>> problem.shape
    (3, 2)
    >>> problem.loss(truth) < 1e-28
    True
    """

    def __init__(
        self,
        measurements: AmbientLike,
        values: ArrayLike,
        shape: tuple[int, int] | None = None,
        *,
        weights: ArrayLike | None = None,
        ridge: float = 0.0,
    ) -> None:
        known = finite_array("values", values, 1)
        expected = None if shape is None else checked_shape(shape)
        made = _measurements(measurements, expected)
        if expected not in (None, made.shape):
            raise ValueError(f"the measurements are of {made.shape} matrices, but shape is {shape}")
        if not made.count == known.size > 0:
            raise ValueError(
                "there must be as many values as measurements, and at least 1, got "
                f"{known.size} values and {made.count} measurements"
            )
        weight, known, kept = with_weight(weights, known, np.arange(known.size))
        if kept.size < made.count:
            made = made.subset(kept)
        super().__init__(made, known, weight, ridge)


def _measurements(given: Any, shape: tuple[int, int] | None) -> Measurements:
    if isinstance(given, tuple):
        return _rank_one(given)
    if scipy.sparse.issparse(given) or isinstance(given, LinearOperator):
        return _flat(given, shape)
    array = finite_array("measurements", given, 3)
    count, m, n = array.shape
    shape = checked_shape((m, n))
    return DenseMeasurements(array.reshape(count, m * n), shape)


def _rank_one(pair: tuple[Any, ...]) -> RankOneMeasurements:
    if len(pair) != 2:
        raise TypeError(
            f"a tuple of measurements is a pair (L, R) of p x m and p x n arrays, got {len(pair)} "
            "parts; put dense matrices into an array of shape (p, m, n)"
        )
    left, right = finite_array("L", pair[0], 2), finite_array("R", pair[1], 2)
    if left.shape[0] != right.shape[0]:
        raise ValueError(
            "L and R must have a row for each measurement, as many in both, but have shapes "
            f"{left.shape} and {right.shape}"
        )
    checked_shape((left.shape[1], right.shape[1]))
    return RankOneMeasurements(left, right)


def _flat(given: Any, shape: tuple[int, int] | None) -> Measurements:
    if shape is None:
        raise ValueError(
            "a sparse array or a LinearOperator of measurements needs shape=(m, n), the shape of W"
        )
    if given.ndim != 2 or given.shape[1] != shape[0] * shape[1]:
        raise ValueError(
            f"measurements of {shape} matrices must have shape (p, {shape[0] * shape[1]}), "
            f"got {given.shape}"
        )
    known = float64_matrix("the array of measurements", given)
    if isinstance(known, LinearOperator):
        return DenseMeasurements(known, shape)
    matrix = scipy.sparse.csr_array(known)
    require_finite("the stored entries of the measurements", matrix.data)
    return SparseMeasurements(matrix, shape)
