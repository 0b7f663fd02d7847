"""The logarithm of a loss above its infimum, whose gradient is of no size however small it is."""

from __future__ import annotations

import math

import numpy as np

from fixedrank._aliases import AmbientLike, PointLike
from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.losses.combinations import combined_matrix
from fixedrank.losses.loss import Loss


class LogExcess(Loss):
    """The logarithm ln(L - L_inf) of a loss L, as the flow in its clock asks for it.

    Parameters
    ----------
    problem : Loss
        The loss L.
    infimum : float
        The number L_inf.

    Attributes
    ----------
    value : float
        The logarithm where products of its gradient were asked for last.
    products : tuple of ndarray
        These products.
    pace : float
        The number that products of the gradient are multiplied by.
    """

    def __init__(self, problem: Loss, infimum: float) -> None:
        self.problem, self.lowest, self.shape = problem, infimum, problem.shape
        self.value, self.products, self.pace = 0.0, (np.zeros(0), np.zeros(0)), 1.0

    def loss(self, W: PointLike) -> float:
        """Return the loss L itself, as it is shown."""
        return float(self.problem.loss(W))

    def gradient(self, W: PointLike) -> AmbientLike:
        """Return the gradient of the logarithm."""
        u, s, vt = (np.asarray(part, dtype=np.float64) for part in W)
        value, _, _ = self.problem._logarithmic(u * s, None, vt.T, self.lowest)
        return combined_matrix([(math.exp(-value), self.problem.gradient(W))])

    def gradient_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        """Return thin products of the gradient of the logarithm, and keep them."""
        self.value, *products = self.problem._logarithmic(left, core, right, self.lowest)
        self.products = products[0], products[1]
        if self.pace == 1:
            return self.products
        return self.pace * self.products[0], self.pace * self.products[1]

    @property
    def _price_of_rank(self) -> float:  # type: ignore[override]
        return self.problem._price_of_rank

    # Of what is recorded, the gradient is that of the loss.

    def _losses(self, points: FixedRankPoint) -> Array:
        return self.problem._losses(points)

    def _stacked_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        return self.problem._stacked_products(left, core, right)
