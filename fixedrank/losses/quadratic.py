"""Losses that are quadratic in W: what regression, completion and sensing have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fixedrank._aliases import AmbientLike, PointLike
from fixedrank._checks import Array, real_array, require_finite
from fixedrank._shared_docs import describe
from fixedrank.geometry.factored.ambient import LowRank, as_direction, dense_matrix
from fixedrank.geometry.factored.points import FactorDirections, FixedRankPoint, is_triple
from fixedrank.losses.loss import MATRICES, Loss


class QuadraticLoss(Loss):
    r"""A loss with the same Hessian at every W, which is a matrix or a point.

    It is :math:`\frac12 \|Y - WX\|_F^2` or :math:`\frac12 \sum_i (\langle A_i, W \rangle - y_i)^2`:
    one class for each way to hold the data. Such a class has `gradient_products` and the four
    methods at the end.

    Attributes
    ----------
    shape : tuple of int
        The shape of W.
    """

    shape: tuple[int, int]

    def loss(self, W: PointLike | ArrayLike) -> float:
        """Return the loss at a matrix.

        Parameters
        ----------
        W : ndarray, shape (m, n), or point (u, s, vt)
            The matrix. For a point no matrix of its size is formed; singular values may be zero.

        Returns
        -------
        float
            The loss. For dense data and for measurements it is accurate near zero residual too.
            Of a regression on sparse data or of moments it is the sum
            (||Y||^2 - 2 <B, W> + <W C, W>) / 2, which cancels: below some 1e-16 ||Y||^2 nothing of
            it is right, not even the sign.

        Raises
        ------
        TypeError, ValueError
            If W has the wrong shape or is not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> round(fixedrank.LinearRegression(np.eye(2), np.eye(2)).loss(np.zeros((2, 2))), 12)
        1.0
        >>> fixedrank.MatrixCompletion([0, 1], [0, 1], [3.0, 1.0], (2, 2)).loss(np.eye(2))
        2.0
        """
        return self._loss_at(self._known(W))

    def gradient(self, W: PointLike | ArrayLike) -> Any:
        r"""Return the Euclidean gradient: W C - B of a regression.

        Of measurements it is :math:`\sum_i (\langle A_i, W \rangle - y_i) A_i`.

        Returns
        -------
        ndarray, csr_array, pair of ndarray, or LinearOperator, shape (m, n)
            Of a regression an array for an array, unless C or B is a LinearOperator, and for a
            point an operator, of which the manifold forms thin products only; ``toarray()`` or
            ``numpy.asarray`` make it dense. Of measurements it has the form that fits the A_i: a
            csr_array for entries and for sparse A_i, a pair (L, R) of m x p and n x p arrays, which
            stands for L R^T, for A_i of rank one, and an array for dense A_i.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        >>> problem.gradient(np.eye(2))
        array([[-2.,  0.],
               [ 0.,  0.]])
        >>> point = fixedrank.FixedRank(2, 2, 1, depth=2).point(np.diag([1.0, 0.0]))
        >>> np.asarray(problem.gradient(point))
        array([[-2.,  0.],
               [ 0., -1.]])
        """
        return self._gradient_at(self._known(W))

    def hessian_product(self, W: PointLike | ArrayLike, Z: AmbientLike) -> Any:
        r"""Return the Hessian of the loss applied to Z, the same at every W: Z C of a regression.

        Of measurements it is :math:`\sum_i \langle A_i, Z \rangle A_i`.

        Parameters
        ----------
        W : ndarray, shape (m, n), or point (u, s, vt)
            The matrix at which Z stands.

        Returns
        -------
        pair of ndarray, ndarray, csr_array or LinearOperator, shape (m, n)
            Of a regression a pair (L, R), which stands for L R^T, for a tangent vector or a
            low-rank Z; an array for an array; a sparse array where Z and C are sparse; otherwise an
            operator. Of measurements a matrix in the same form as the gradient.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.diag([1.0, 2.0]), np.eye(2))
        >>> problem.hessian_product(np.eye(2), np.ones((2, 2)))
        array([[1., 4.],
               [1., 4.]])
        >>> problem = fixedrank.MatrixCompletion([0, 1], [0, 1], [3.0, 1.0], (2, 2))
        >>> problem.hessian_product(np.eye(2), np.array([[5.0, 6.0], [7.0, 8.0]])).toarray()
        array([[5., 0.],
               [0., 8.]])
        """
        return self._image(as_direction(W, Z, self.shape))

    def line_minimum(self, W: PointLike | ArrayLike, Z: AmbientLike) -> float:
        """Return the t at which the loss of W + t Z is least.

        Parameters
        ----------
        Z : tangent vector (Up, M, Vp), low-rank pair or ndarray, shape (m, n)
            The direction, as in :meth:`hessian_product`; for measurements of any kind there.

        Returns
        -------
        float
            The minimiser -<G, Z> / <Z, H Z> with the gradient G and the Hessian H, of either sign;
            0 if the loss does not change along Z.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.diag([1.0, 2.0]), np.diag([3.0, 6.0]))
        >>> problem.line_minimum(np.zeros((2, 2)), np.eye(2))
        3.0
        """
        slope, curvature, units = self._along(W, Z)
        if not curvature > 0:
            return 0.0
        t = -slope / curvature
        for unit in units:
            t /= unit
        return t

    # What a way to hold the data adds

    @abstractmethod
    def _loss_at(self, W: Any) -> float:
        """Return the loss at a matrix."""

    @abstractmethod
    def _gradient_at(self, W: Any) -> Any:
        """Return the gradient."""

    @abstractmethod
    def _image(self, Z: Any) -> Any:
        """Return the Hessian applied to a matrix that `as_ambient` returned."""

    @abstractmethod
    def _along(self, W: Any, Z: Any) -> tuple[float, float, tuple[float, ...]]:
        """Return <G, Z> and <Z, H Z> for a direction Z at W divided by its units, and these.

        So no square underflows or overflows.
        """

    # Inside

    def _thin_loss(self, left: Array, right: Array) -> float:
        return self._loss_at(LowRank(left, None, right))

    def _known(self, W: Any) -> Any:
        """Return a point as a LowRank without a middle, and a matrix as an array."""
        if is_triple(W):
            u, s, vt = self._point(W)
            return LowRank(u * s, None, vt.T)
        return self._matrix(W)

    def _matrix(self, W: Any) -> Array:
        return dense_matrix("W", W, self.shape, "(m, n)")

    def _point(self, W: Any) -> FixedRankPoint:
        u, s, vt = parts = [
            real_array(name, part) for name, part in zip(("u", "s", "vt"), W, strict=True)
        ]
        (m, n), k = self.shape, s.size
        if isinstance(W, FactorDirections):
            self._matrix(W)
        if u.shape != (m, k) or vt.shape != (k, n):
            raise ValueError(
                f"a point of {m}x{n} matrices of rank {k} has shapes {(m, k)}, {(k,)}, {(k, n)}, "
                f"got {u.shape}, {s.shape}, {vt.shape}"
            )
        with np.errstate(invalid="ignore"):  # infinities of both signs
            total = u.sum() + s.sum() + vt.sum()
        if not math.isfinite(total):
            for name, part in zip(("u", "s", "vt"), parts, strict=True):
                require_finite(name, part)
        return FixedRankPoint(u, s, vt)


describe(QuadraticLoss, MATRICES)
