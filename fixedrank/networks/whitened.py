"""What dense data add to the moments: Q = B C^{-1/2}, and the loss without cancellation."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.linalg

from fixedrank._checks import Array
from fixedrank.networks.data import squared_norm_of
from fixedrank.networks.layered import LayeredLoss
from fixedrank.networks.second_order import SecondOrder

_BLOCK = 1 << 22
_EPS = float(np.finfo(float).eps)


class Whitened(NamedTuple):
    """What the theory needs of the data beside C and B: C = axes diag(scales^2) axes^T."""

    axes: Array
    scales: Array
    root: Array
    Q: Array
    residual: float
    tolerance: float


class WhitenedLoss(SecondOrder, LayeredLoss):
    """A quadratic loss that knows C^{1/2} and Q, where the data are dense."""

    _whitened: Whitened | None

    def _set_up_dense(
        self, data: Array, labels: Array, left: Array, s: Array, right: Array
    ) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            C, B = data @ data.T, labels @ data.T
        if not (np.isfinite(C).all() and np.isfinite(B).all()):
            raise ValueError(
                "X X^T or Y X^T overflows: the largest entries are "
                f"{np.abs(data).max():.1e} in X and {np.abs(labels).max():.1e} in Y; scale the data"
            )
        self._set_moments(C, B, squared_norm_of(labels))
        projected = labels @ right.T
        self._whitened = Whitened(
            axes=left,
            scales=s,
            root=(left * s) @ left.T,
            Q=projected @ left.T,
            residual=float(np.linalg.norm(labels - projected @ right)),
            tolerance=max(*data.shape, *labels.shape) * _EPS * float(np.linalg.norm(labels)),
        )

    @property
    def root(self) -> Array:
        """The symmetric square root C^{1/2}, shape (d_x, d_x). Needs X and Y as arrays."""
        return self._dense("the root C^{1/2}").root

    @property
    def Q(self) -> Array:
        """B C^{-1/2}, shape (d_y, d_x), whose singular values make the critical points.

        Needs X and Y as arrays.
        """
        return self._dense("Q = B C^{-1/2}").Q

    @property
    def residual(self) -> float:
        r"""The smallest value of \|Y - WX\|_F over all W. Needs X and Y as arrays."""
        return self._dense("the residual of the best fit").residual

    @property
    def tolerance(self) -> float:
        """Round-off of Q, which comes from that of Y. Needs X and Y as arrays.

        Singular values up to it are zero, and two that differ by less are the same.
        """
        return self._dense("the tolerance of singular values of Q").tolerance

    @cached_property
    def svd(self) -> tuple[Array, Array, Array]:
        """The thin singular value decomposition (U, s, V^T) of Q. Needs X and Y as arrays.

        All critical points of L^1 on M_k come from it: see :func:`critical_points`.
        """
        u, s, vt = scipy.linalg.svd(self.Q, full_matrices=False)
        return u, s, vt

    @property
    def rank(self) -> int:
        """The rank q of Q: the number of singular values above `tolerance`."""
        return int((self.svd[1] > self.tolerance).sum())

    def _dense(self, what: str) -> Whitened:
        if self._whitened is None:
            raise TypeError(
                f"{what} needs the singular value decomposition of X, but this problem holds C "
                f"{self.C.shape} as {type(self.C).__name__} and B as {type(self.B).__name__}: "
                "it serves for losses, gradients, flows and optimization only. For critical points "
                "and what builds on them, make LinearRegression(X, Y) of X and Y as NumPy arrays"
            )
        return self._whitened

    def _thin_loss(self, left: Array, right: Array) -> float:
        """Return the loss of W = left @ right.T; for dense data in blocks of rows."""
        if self._whitened is None:
            return super()._thin_loss(left, right)
        images, rows, squares = right.T @ self.root, max(1, _BLOCK // self.shape[1]), 0.0
        for start in range(0, self.shape[0], rows):
            block = left[start : start + rows] @ images
            block -= self.Q[start : start + rows]
            squares += float(np.vdot(block, block))
        return (squares + self.residual**2) / 2
