"""What a recovery minimises: the loss of the data, and a ridge on the factors."""

from __future__ import annotations

import math
from typing import Any

from fixedrank.geometry.factored.ambient import LowRankPair
from fixedrank.losses.combinations import combined_matrix
from fixedrank.losses.loss import Loss
from fixedrank.recovery.problem import RecoveryProblem


class RidgeLoss(Loss):
    r"""The loss of the data plus :math:`\rho \sum_i s_i`.

    Over all factors of W = L R^T this is the least :math:`\rho (\|L\|^2 + \|R\|^2) / 2`.
    """

    def __init__(self, problem: RecoveryProblem, ridge: float) -> None:
        self.problem, self.ridge, self.shape = problem, ridge, problem.shape

    def loss(self, W: Any) -> float:
        """Return the sum."""
        return self.problem.loss(W) + self.ridge * float(W[1].sum())

    def gradient(self, W: Any) -> Any:
        """Return G + ridge U V^T."""
        u, _, vt = W
        return combined_matrix(
            [(1.0, self.problem.gradient(W)), (self.ridge, LowRankPair(u, vt.T))]
        )

    def line_minimum(self, W: Any, Z: Any) -> float:
        """Return the minimum with the ridge to first order, for a tangent vector Z at a point."""
        slope, curvature, units = self.problem._along(W, Z)
        if not curvature > 0:
            return 0.0
        unit = math.prod(units)
        return -(slope + self.ridge / unit * float(Z[1].trace())) / curvature / unit


def objective(problem: RecoveryProblem, ridge: float) -> Loss:
    """Return the problem, with a ridge if there is one."""
    return RidgeLoss(problem, ridge) if ridge > 0 else problem
