"""The Hessian of the quadratic loss, and the minimum of the loss along a line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from fixedrank._checks import Array, finite_array, require_finite
from fixedrank.geometry.ambient import LowRank, LowRankPair, as_direction
from fixedrank.networks.quadratic import QuadraticLoss


class SecondOrder(QuadraticLoss):
    """A quadratic loss with its second derivative Z -> Z C."""

    def hessian_product(self, W: Any, Z: Any) -> Any:
        """Return the Hessian of L^1 applied to Z, the matrix Z C.

        L^1 is quadratic: the Hessian is the same at every W.

        Parameters
        ----------
        W : ndarray, shape (d_y, d_x), or point (u, s, vt)
            The matrix at which Z stands.
        Z : tangent vector (Up, M, Vp), array, sparse array, low-rank pair or LinearOperator
            The direction, d_y x d_x. At a point a triple is a tangent vector; at an array it stands
            for the low-rank matrix L S R^T. Write this one as a pair (L S, R) at a point.

        Returns
        -------
        pair of ndarray, ndarray, csr_array or LinearOperator, shape (d_y, d_x)
            A pair (L, R), which stands for L R^T, for a tangent vector or a low-rank Z; an array
            for an array; a sparse array where Z and C are sparse; otherwise an operator.

        Raises
        ------
        TypeError, ValueError
            If Z has the wrong shape, or factors or entries that are not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.diag([1.0, 2.0]), np.eye(2))
        >>> problem.hessian_product(np.eye(2), np.ones((2, 2)))
        array([[1., 4.],
               [1., 4.]])
        """
        direction = as_direction(W, Z, self.shape)
        if isinstance(direction, LowRank):
            left, right = _finite_pair("Z", direction.left, direction.thin_right())
            return LowRankPair(left, self.C @ right)
        if isinstance(direction, np.ndarray):
            return (self.C @ finite_array("Z", direction, 2).T).T
        if isinstance(direction, LinearOperator) or isinstance(
            self.C, (np.ndarray, LinearOperator)
        ):
            return aslinearoperator(direction) @ aslinearoperator(self.C)
        return direction @ self.C

    def line_minimum(self, W: Any, Z: Any) -> float:
        """Return the t at which the loss of W + t Z is least.

        Parameters
        ----------
        W : ndarray, shape (d_y, d_x), or point (u, s, vt)
            The matrix.
        Z : tangent vector (Up, M, Vp), low-rank pair or ndarray, shape (d_y, d_x)
            The direction, as in :meth:`hessian_product`.

        Returns
        -------
        float
            The minimiser -<W C - B, Z> / <Z C, Z>, of either sign; 0 if Z X = 0, where the loss
            does not change.

        Raises
        ------
        TypeError, ValueError
            If W or Z has the wrong shape or is not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.diag([1.0, 2.0]), np.diag([3.0, 6.0]))
        >>> problem.line_minimum(np.zeros((2, 2)), np.eye(2))
        3.0
        """
        left, right = self._pair(W)
        direction = as_direction(W, Z, self.shape)
        if isinstance(direction, LowRank):
            z_left, z_right = _finite_pair("Z", direction.left, direction.thin_right())
        elif isinstance(direction, np.ndarray):
            z_left, z_right = self._pair(direction)
        else:
            raise TypeError(
                "Z must be a tangent vector (Up, M, Vp), a low-rank pair or an array, "
                f"got a {type(Z).__name__}"
            )
        # Scaled, so that no square underflows or overflows.
        sizes = [float(np.abs(part).max(initial=0.0)) for part in (z_left, z_right)]
        if 0 in sizes:
            return 0.0
        z_left, z_right = z_left / sizes[0], z_right / sizes[1]
        image = self.C @ z_right
        curvature = float(np.vdot(z_left.T @ z_left, z_right.T @ image))
        slope = float(np.vdot(left.T @ z_left, right.T @ image))
        slope -= float(np.vdot(z_left, self.B @ z_right))
        return -slope / curvature / sizes[0] / sizes[1] if curvature > 0 else 0.0


def _finite_pair(name: str, left: Array, right: Array) -> tuple[Array, Array]:
    if not math.isfinite(left.sum() + right.sum()):
        require_finite(f"the left factor of {name}", left)
        require_finite(f"the right factor of {name}", right)
    return left, right
