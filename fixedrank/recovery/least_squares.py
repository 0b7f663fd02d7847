"""The squared error of linear measurements of a matrix, and its derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse

from fixedrank import _linear_algebra
from fixedrank._checks import Array, require_finite
from fixedrank.geometry.ambient import LowRank, as_direction, dense_matrix
from fixedrank.geometry.points import FixedRankPoint, as_point, is_triple
from fixedrank.geometry.sums import MatrixSum
from fixedrank.recovery.measurements import Measurements


class LeastSquares:
    r"""The loss :math:`\frac12 \sum_i (\langle A_i, W \rangle - y_i)^2` of an m x n matrix W.

    Attributes
    ----------
    shape : tuple of int
        (m, n), the shape of W.
    values : ndarray, shape (p,)
        The measured values y.
    """

    shape: tuple[int, int]
    values: Array

    def _set_up(self, measurements: Measurements, values: Array) -> None:
        self._measurements = measurements
        # A copy, as the caller may change its array later.
        self.shape, self.values = measurements.shape, values.copy()

    def loss(self, W: Any) -> float:
        r"""Return :math:`\frac12 \sum_i (\langle A_i, W \rangle - y_i)^2`.

        Parameters
        ----------
        W : ndarray, shape (m, n), or point (u, s, vt)
            The matrix. A point may have singular values that are zero.

        Returns
        -------
        float
            The loss.

        Raises
        ------
        TypeError, ValueError
            If W has the wrong shape or is not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> fixedrank.MatrixCompletion([0, 1], [0, 1], [3.0, 1.0], (2, 2)).loss(np.eye(2))
        2.0
        """
        residuals = self._residuals(W)
        return _linear_algebra.inner(residuals, residuals) / 2

    def root_mean_square_error(self, W: Any) -> float:
        """Return the root of the mean squared error of the p values.

        Parameters
        ----------
        W : ndarray, shape (m, n), or point (u, s, vt)
            The matrix.

        Returns
        -------
        float
            The error, in the unit of the values.

        Raises
        ------
        TypeError, ValueError
            If W has the wrong shape or is not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.MatrixCompletion([0, 1], [0, 1], [4.0, 4.0], (2, 2))
        >>> problem.root_mean_square_error(np.eye(2))
        3.0
        """
        return math.sqrt(2 * self.loss(W) / self.values.size)

    def gradient(self, W: Any) -> Any:
        r"""Return the Euclidean gradient :math:`\sum_i (\langle A_i, W \rangle - y_i) A_i`.

        Parameters
        ----------
        W : ndarray, shape (m, n), or point (u, s, vt)
            The matrix.

        Returns
        -------
        csr_array, pair of ndarray, or ndarray
            The m x n gradient in the form that fits the A_i: a csr_array for entries and for
            sparse A_i, a pair (L, R) of m x p and n x p arrays, which stands for L R^T, for A_i of
            rank one, and an array for dense A_i.

        Raises
        ------
        TypeError, ValueError
            If W has the wrong shape or is not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.MatrixCompletion([0, 1], [0, 1], [3.0, 1.0], (2, 2))
        >>> problem.gradient(np.ones((2, 2))).toarray()
        array([[-2.,  0.],
               [ 0.,  0.]])
        """
        return self._measurements.adjoint(self._residuals(W))

    def gradient_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        """Return thin products of the gradient G at W = left core right^T.

        This is all that the flows ask of a problem.

        Parameters
        ----------
        left : ndarray, shape (m, k)
            The factor of W on the left.
        core : ndarray, shape (k, k), or None
            The factor between, None for the identity.
        right : ndarray, shape (n, k)
            The factor on the right.

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
        return self._measurements.adjoint_products(measured, left, right)

    def hessian_product(self, W: Any, Z: Any) -> Any:
        r"""Return the Hessian of the loss applied to Z, :math:`\sum_i \langle A_i, Z \rangle A_i`.

        The loss is quadratic: the Hessian is the same at every W.

        Parameters
        ----------
        W : ndarray, shape (m, n), or point (u, s, vt)
            The matrix at which Z stands.
        Z : tangent vector (Up, M, Vp), array, sparse array, low-rank pair or LinearOperator
            The direction, m x n. At a point a triple is a tangent vector; at an array it stands for
            the low-rank matrix L S R^T. Write this one as a pair (L S, R) at a point.

        Returns
        -------
        csr_array, pair of ndarray, or ndarray
            An m x n matrix, in the same form as the gradient.

        Raises
        ------
        TypeError, ValueError
            If W or Z has the wrong shape or is not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.MatrixCompletion([0, 1], [0, 1], [3.0, 1.0], (2, 2))
        >>> problem.hessian_product(np.eye(2), np.array([[5.0, 6.0], [7.0, 8.0]])).toarray()
        array([[5., 0.],
               [0., 8.]])
        """
        return self._measurements.adjoint(self._measured_direction(W, Z))

    def line_minimum(self, W: Any, Z: Any) -> float:
        """Return the t at which the loss of W + t Z is least.

        Parameters
        ----------
        W : ndarray, shape (m, n), or point (u, s, vt)
            The matrix.
        Z : tangent vector (Up, M, Vp), array, sparse array, low-rank pair or LinearOperator
            The direction, as in :meth:`hessian_product`.

        Returns
        -------
        float
            The minimiser, of either sign; 0 if no measurement notices Z.

        Raises
        ------
        TypeError, ValueError
            If W or Z has the wrong shape or is not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.MatrixCompletion([0, 1], [0, 1], [3.0, 1.0], (2, 2))
        >>> problem.line_minimum(np.zeros((2, 2)), np.eye(2))
        2.0
        """
        residuals, along = self._residuals(W), self._measured_direction(W, Z)
        # Scaled, so that no square underflows or overflows.
        size = float(np.abs(along).max())
        if size == 0:
            return 0.0
        along /= size
        return -_linear_algebra.inner(residuals, along) / _linear_algebra.inner(along, along) / size

    # Inside

    def _thin_loss(self, left: Array, right: Array) -> float:
        residuals = self._measurements.of_product(left, right) - self.values
        return _linear_algebra.inner(residuals, residuals) / 2

    def _residuals(self, W: Any) -> Array:
        if is_triple(W):
            u, s, vt = self._point(W)
            measured = self._measurements.of_product(u * s, vt.T)
        else:
            measured = self._measurements.of_matrix(self._matrix(W))
        measured -= self.values
        return measured

    def _measured_direction(self, W: Any, Z: Any) -> Array:
        direction = as_direction(W, Z, self.shape)
        if not isinstance(direction, MatrixSum):
            return self._measured_term(direction)
        return np.sum([self._measured_term(term) for term in direction.terms], axis=0)

    def _measured_term(self, matrix: Any) -> Array:
        if scipy.sparse.issparse(matrix):
            matrix = scipy.sparse.csr_array(matrix)
            require_finite("the stored entries of Z", matrix.data)
        elif isinstance(matrix, LowRank):
            require_finite("the left factor of Z", matrix.left)
            require_finite("the right factor of Z", matrix.thin_right())
        elif isinstance(matrix, np.ndarray):
            require_finite("Z", matrix)
        measured = self._measurements.of_matrix(matrix)
        require_finite("what is measured of Z", measured)
        return measured

    def _point(self, W: Any) -> FixedRankPoint:
        point = as_point(W, *self.shape, np.size(W[1]))
        require_finite("u", point.u)
        require_finite("vt", point.vt)
        return point

    def _matrix(self, W: Any) -> Array:
        return dense_matrix("W", W, self.shape, "(m, n)")
