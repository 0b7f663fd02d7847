"""The quadratic loss (||Y||^2 - 2 <B, W> + <W C, W>) / 2 of a matrix W, and its derivatives."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array, real_array
from fixedrank.geometry.ambient import dense_matrix
from fixedrank.geometry.points import FactorDirections, is_triple
from fixedrank.networks.moments import in_factors
from fixedrank.networks.regression_gradient import RegressionGradient


class QuadraticLoss:
    """A loss held by C, B and ||Y||^2, of which only products with thin blocks are formed.

    Attributes
    ----------
    C : ndarray, csr_array or LinearOperator, shape (d_x, d_x)
        X X^T.
    B : ndarray, csr_array or LinearOperator, shape (d_y, d_x)
        Y X^T.
    squared_norm : float
        The squared Frobenius norm of Y.
    shape : tuple of int
        (d_y, d_x), the shape of W.
    """

    C: Any
    B: Any
    squared_norm: float
    shape: tuple[int, int]

    def _set_moments(self, C: Any, B: Any, squared_norm: float) -> None:
        self.C, self.B, self.squared_norm = C, B, squared_norm
        self.shape = (B.shape[0], B.shape[1])

    def loss(self, W: Any) -> float:
        r"""Return L^1(W) = \|Y - WX\|_F^2 / 2.

        Parameters
        ----------
        W : ndarray, shape (d_y, d_x), or point (u, s, vt)
            The matrix. For a point no matrix of its size is formed.

        Returns
        -------
        float
            The loss. For dense data it is accurate near zero residual too. Otherwise it is the
            sum (||Y||^2 - 2 <B, W> + <W C, W>) / 2, which cancels: below some 1e-16 ||Y||^2
            nothing of it is right, not even the sign.

        Raises
        ------
        TypeError, ValueError
            If W has the wrong shape or is not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> round(fixedrank.LinearRegression(np.eye(2), np.eye(2)).loss(np.zeros((2, 2))), 12)
        1.0
        """
        return self._thin_loss(*self._pair(W))

    def gradient(self, W: Any) -> Any:
        """Return the Euclidean gradient W C - B of L^1.

        Parameters
        ----------
        W : ndarray, shape (d_y, d_x), or point (u, s, vt)
            The matrix.

        Returns
        -------
        ndarray or scipy.sparse.linalg.LinearOperator, shape (d_y, d_x)
            An array for an array, unless C or B is a LinearOperator. For a point an operator, of
            which the manifold forms thin products only; ``toarray()`` or ``numpy.asarray`` make
            it dense.

        Raises
        ------
        TypeError, ValueError
            If W has the wrong shape or is not finite.

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
        if is_triple(W) or isinstance(self.C, LinearOperator) or isinstance(self.B, LinearOperator):
            return RegressionGradient(*self._pair(W), self.C, self._thin_B[0])
        return np.asarray((self.C @ self._matrix(W).T).T - self.B)

    def gradient_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        """Return thin products of the gradient G = W C - B at W = left core right^T.

        This is all that the flows ask of a problem: three products with C and B. A problem of
        your own may have such a method too; without it the flows use its ``gradient``.

        Parameters
        ----------
        left : ndarray, shape (d_y, k)
            The factor of W on the left.
        core : ndarray, shape (k, k), or None
            The factor between, None for the identity.
        right : ndarray, shape (d_x, k)
            The factor on the right.

        Returns
        -------
        tuple of ndarray, shapes (d_y, k) and (d_x, k)
            The products G right and G^T left.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
        >>> problem.gradient_products(np.array([[2.0]]), None, np.array([[1.0]]))
        (array([[-1.]]), array([[-2.]]))
        """
        # 2026-11: at d = 20, `dot` takes half the time of `@`; at d = 2000 the same.
        cv = self.C.dot(right)
        if core is None:
            along, across = right.T.dot(cv), left.T.dot(left)
        else:
            along, across = core.dot(right.T.dot(cv)), core.T.dot(left.T.dot(left))
        gv = left.dot(along)
        B, B_transposed = self._thin_B
        gv -= B.dot(right)
        gtu = cv.dot(across)
        gtu -= B_transposed.dot(left)
        return gv, gtu

    # Inside

    @cached_property
    def _thin_B(self) -> tuple[Any, Any]:
        """B and its transpose in the form of which thin products are cheapest."""
        B = in_factors(self.B)
        return B, B.T

    def _thin_loss(self, left: Array, right: Array) -> float:
        """Return the loss of W = left @ right.T."""
        linear = float(np.vdot(left, self.B @ right))
        quadratic = float(np.vdot(left.T @ left, right.T @ (self.C @ right)))
        return (self.squared_norm - 2 * linear + quadratic) / 2

    def _pair(self, W: Any) -> tuple[Array, Array]:
        """Return (L, R) with W = L R^T; for an array, one of them is an identity."""
        if is_triple(W):
            u, s, vt = self._point(W)
            return u * s, vt.T
        matrix = self._matrix(W)
        rows, columns = matrix.shape
        return (np.eye(rows), matrix.T) if rows <= columns else (matrix, np.eye(columns))

    def _matrix(self, W: Any) -> Array:
        return dense_matrix("W", W, self.shape, "(d_y, d_x)")

    def _point(self, W: Any) -> tuple[Array, Array, Array]:
        u, s, vt = (real_array(name, part) for name, part in zip(("u", "s", "vt"), W, strict=True))
        k = s.size
        if isinstance(W, FactorDirections):
            dense_matrix("W", W, self.shape, "(d_y, d_x)")
        if u.shape != (self.shape[0], k) or vt.shape != (k, self.shape[1]):
            raise ValueError(
                f"a point (u, s, vt) of {self.shape} matrices was expected, "
                f"got shapes {u.shape}, {s.shape}, {vt.shape}"
            )
        with np.errstate(invalid="ignore"):  # infinities of both signs
            total = u.sum() + s.sum() + vt.sum()
        if not math.isfinite(total):
            raise ValueError("the point (u, s, vt) has NaN or infinite values")
        return u, s, vt
