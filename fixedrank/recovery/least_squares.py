"""The squared error of linear measurements of a matrix, and its derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike

from fixedrank import _linear_algebra
from fixedrank._aliases import PointLike
from fixedrank._checks import Array, require_finite
from fixedrank._shared_docs import describe
from fixedrank._shown import between
from fixedrank.geometry.factored.ambient import LowRank, as_direction
from fixedrank.geometry.factored.points import FixedRankPoint, is_triple
from fixedrank.geometry.factored.sums import MatrixSum
from fixedrank.losses.loss import MATRICES, THIN
from fixedrank.losses.quadratic import QuadraticLoss
from fixedrank.recovery.kept import KeptResiduals
from fixedrank.recovery.measurements import Measurements

# Squares of numbers in this range, and sums of them, are far from the ends of floating point.
_LEAST, _MOST = 1e-100, 1e100


class LeastSquares(QuadraticLoss):
    r"""The loss :math:`\frac12 \sum_i w_i (\langle A_i, W \rangle - y_i)^2` of an m x n matrix W.

    Attributes
    ----------
    shape : tuple of int
        (m, n), the shape of W.
    values : ndarray, shape (p,)
        The measured values y.
    weights : ndarray, shape (p,), or None
        Their weights w, all positive; None where each is 1.
    """

    # Of problems that were pickled before there were any.
    weights: Array | None = None

    def __init__(
        self, measurements: Measurements, values: Array, weights: Array | None = None
    ) -> None:
        # Copies, as the caller may change its arrays later.
        self._hold(measurements, values.copy(), None if weights is None else weights.copy())

    def _hold(self, measurements: Measurements, values: Array, weights: Array | None) -> None:
        self._measurements, self.shape = measurements, measurements.shape
        # What is kept of the last point holds for these values only.
        values.flags.writeable = False
        if weights is not None:
            weights.flags.writeable = False
        self.values, self.weights = values, weights
        self._last: KeptResiduals | None = None

    def _shown_facts(self) -> dict[str, str]:
        facts = {"values": f"{self.values.size}, {between(self.values)}"}
        return facts if self.weights is None else {**facts, "weights": between(self.weights)}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_last": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._hold(self._measurements, self.values, self.weights)

    def root_mean_square_error(self, W: PointLike | ArrayLike) -> float:
        """Return the root of the mean squared error of the p values, the weighted mean of weights.

        Returns
        -------
        float
            The error, in the unit of the values.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.MatrixCompletion([0, 1], [0, 1], [4.0, 4.0], (2, 2))
        >>> problem.root_mean_square_error(np.eye(2))
        3.0
        """
        residuals = self._residuals(self._known(W))
        # Divided by the largest first, as its square may be beyond floating point.
        size = max(float(residuals.max()), -float(residuals.min()))
        if not size > 0:
            return 0.0
        return size * math.sqrt(float(np.average((residuals / size) ** 2, weights=self.weights)))

    def gradient_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        """Return thin products of the gradient G at ``W = left @ core @ right.T``.

        This is all that the flows ask of a problem.

        Returns
        -------
        tuple of ndarray, shapes (m, k) and (n, k)
            The products G right and G^T left.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.MatrixCompletion([0], [0], [3.0], (1, 1))
        >>> problem.gradient_products(np.array([[2.0]]), None, np.array([[1.0]]))
        (array([[-1.]]), array([[-2.]]))
        """
        measured = self._measurements.of_product(left if core is None else left @ core, right)
        measured -= self.values
        return self._measurements.adjoint_products(self._weighted(measured), left, right)

    def _known(self, W: Any) -> FixedRankPoint | Array:
        return self._point(W) if is_triple(W) else self._matrix(W)

    def _loss_at(self, W: FixedRankPoint | LowRank | Array) -> float:
        return self._squares(self._residuals(W)) / 2

    def _gradient_at(self, W: FixedRankPoint | Array) -> Any:
        residuals = self._residuals(W)
        # Of entries the gradient holds the array, which is its caller's to change.
        return self._measurements.adjoint(
            residuals.copy() if self.weights is None else self._weighted(residuals)
        )

    def _image(self, Z: Any) -> Any:
        return self._measurements.adjoint(self._weighted(self._measured(Z)))

    def _along(self, W: Any, Z: Any) -> tuple[float, float, tuple[float, ...]]:
        residuals = self._residuals(self._known(W))
        along = self._measured(as_direction(W, Z, self.shape))
        size = max(float(along.max()), -float(along.min()))
        if size == 0:
            return 0.0, 0.0, ()
        units: tuple[float, ...] = ()
        if self.weights is not None or not _LEAST < size < _MOST:
            along /= size
            units = (size,)
        weighted, inner = self._weighted(along), _linear_algebra.inner
        return inner(residuals, weighted), inner(along, weighted), units

    def _norm(self, values: Array) -> float:
        """Return the weighted norm."""
        return math.sqrt(self._squares(values))

    def _squares(self, values: Array) -> float:
        """Return the weighted sum of squares."""
        return _linear_algebra.inner(values, self._weighted(values))

    def _weighted(self, values: Array) -> Array:
        """Return the values times their weights, the array itself where there are none."""
        return values if self.weights is None else self.weights * values

    def _residuals(self, W: FixedRankPoint | LowRank | Array) -> Array:
        """Return what is measured of W less the values, an array that is not to be changed.

        Optimizers ask for the loss at a point, twice, for its gradient there, and for the minimum
        along a line from there: of a point it is kept until the next one comes.
        """
        if not isinstance(W, FixedRankPoint):
            return self._sampled(W)
        last = self._last
        if last is None or not last.are_of(W):
            u, s, vt = W
            last = self._last = KeptResiduals(W, self._sampled(LowRank(u * s, None, vt.T)))
        return last.residuals

    def _sampled(self, W: LowRank | Array) -> Array:
        if isinstance(W, LowRank):
            measured = self._measurements.of_product(*W.pair())
        else:
            measured = self._measurements.of_matrix(W)
        measured -= self.values
        return measured

    def _measured(self, Z: Any) -> Array:
        if not isinstance(Z, MatrixSum):
            return self._measured_term(Z)
        return np.sum([self._measured_term(term) for term in Z.terms], axis=0)

    def _measured_term(self, matrix: Any) -> Array:
        if scipy.sparse.issparse(matrix):
            matrix = scipy.sparse.csr_array(matrix)
            require_finite("the stored entries of Z", matrix.data)
        elif isinstance(matrix, np.ndarray):
            require_finite("Z", matrix)
        if isinstance(matrix, LowRank):
            measured = self._measurements.of_product(*matrix.finite_pair("Z"))
        else:
            measured = self._measurements.of_matrix(matrix)
        require_finite("what is measured of Z", measured)
        return measured


describe(LeastSquares, MATRICES, THIN)
