"""A regression in the principal axes of its data, where products with C cost nothing."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from fixedrank._checks import Array
from fixedrank.geometry.factored.ambient import BlockOperator, LowRank
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.losses.decomposition import Decomposition
from fixedrank.losses.moment_loss import MomentLoss
from fixedrank.losses.moments import MatrixProduct


class _Diagonal(BlockOperator):
    """A diagonal matrix."""

    def __init__(self, values: Array) -> None:
        super().__init__((values.size, values.size))
        self.column = values[:, None]

    def _matmat(self, block: Array) -> Array:
        return self.column * block

    _rmatmat = _matmat


class PrincipalRegression(MomentLoss):
    """The loss of W E as a function of it, for a problem with C = E diag(scales^2) E^T.

    An orthogonal change of coordinates: gradient flows, of the product and of the layers, and their
    errors are the same in both. Of C it leaves the diagonal.
    """

    def __init__(self, problem: MomentLoss, dense: Decomposition) -> None:
        self.problem, self.dense, self.axes = problem, dense, dense.axes
        B, _ = problem._thin_B
        if isinstance(B, MatrixProduct):
            turned: Any = MatrixProduct(B.left, self.axes.T @ B.right)
        else:
            turned = B @ self.axes
        super().__init__(_Diagonal(dense.scales**2), turned, problem.squared_norm)

    @cached_property
    def _thin_B(self) -> tuple[Any, Any]:
        # The problem has looked for factors already.
        return self.B, self.B.T

    def _loss_at(self, W: LowRank | Array) -> float:
        if isinstance(W, LowRank):
            return self.problem._thin_loss(W.left, self.axes @ W.right)
        return self.problem._loss_at(W @ self.axes.T)

    def _excess(self, left: Array, right: Array, infimum: float) -> float:
        return self.problem._excess(left, self.axes @ right, infimum)

    def _losses(self, points: FixedRankPoint) -> Array:
        return self.dense.losses(points.u * points.s[:, None], points.vt * self.dense.scales)
