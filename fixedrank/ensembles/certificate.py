"""Where a run must end whose loss is low: below all critical values but the least."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from fixedrank._checks import Array
from fixedrank.landscape.classification import PointClassification, classify, nearest_minimum
from fixedrank.landscape.critical_points import CriticalPoint, critical_point
from fixedrank.landscape.critical_values import (
    CriticalValues,
    critical_values,
    gap_above_minimum,
)
from fixedrank.losses.regression import LinearRegression


@dataclass(frozen=True)
class Certificate:
    """The critical values of a regression that matrices of a rank can reach.

    A run whose loss is below the next higher critical value converges to the minimum: the loss of
    a gradient flow falls, and by Theorem 1 the limit is a critical point.

    Parameters
    ----------
    problem : LinearRegression
        The problem, which has Q.
    most : int
        The highest rank.
    """

    problem: LinearRegression
    most: int

    @property
    def rank(self) -> int:
        """The rank of the minimum."""
        return min(self.problem.rank, self.most)

    @property
    def minimum(self) -> float:
        """The least loss."""
        return self.unreached + self.problem.residual**2 / 2

    @property
    def unreached(self) -> float:
        """The least loss, without what no matrix can fit."""
        return float((self.problem.svd[1][self.rank :] ** 2).sum()) / 2

    @cached_property
    def gap(self) -> float:
        """The next higher critical value above the minimum; infinite if there is none."""
        return gap_above_minimum(self.problem, self.rank)

    @cached_property
    def limit(self) -> CriticalPoint | None:
        """The minimum; None where a tie at its last singular value makes a family of them."""
        values, k = self.problem.svd[1][: self.problem.rank], self.rank
        if 0 < k < values.size and values[k - 1] - values[k] <= self.problem.tolerance:
            return None
        return critical_point(self.problem, tuple(range(k)))

    @property
    def scale(self) -> float:
        """The unit of loss gaps; without another critical value the loss itself."""
        if math.isfinite(self.gap):
            return self.gap
        return float((self.problem.Q**2).sum() / 2) or 1.0

    def minimum_near(self, matrix: Array) -> CriticalPoint:
        """Return the minimum that is nearest to a matrix, where there are several."""
        return nearest_minimum(self.problem, matrix, self.rank)

    def classify(self, matrix: Array, rtol: float) -> PointClassification:
        """Say which critical point a matrix is near to."""
        return classify(self.problem, matrix, rtol=rtol)


@dataclass(frozen=True)
class DecayCertificate:
    """The same with weight decay, of white data: all values are those of the objective.

    Parameters
    ----------
    problem : LinearRegression
        The problem.
    most : int
        The highest rank.
    weight_decay : float
        The rate at which layers decay, positive.
    depth : int
        How many layers there are.
    """

    problem: LinearRegression
    most: int
    weight_decay: float
    depth: int

    @cached_property
    def values(self) -> CriticalValues:
        """The least critical values; a ValueError says that the data are not white."""
        how = {"weight_decay": self.weight_decay, "depth": float(self.depth)}
        values = critical_values(self.problem, self.most, **how)
        assert values is not None
        return values

    @property
    def rank(self) -> int:
        """The rank of the minimum; -1 where several tie."""
        return -1 if self.limit is None else len(self.limit.indices)

    @property
    def minimum(self) -> float:
        """The least objective."""
        return self.values.least

    @property
    def unreached(self) -> float:
        """The least objective, without what no matrix can fit."""
        return self.values.unreached

    @property
    def gap(self) -> float:
        """The next higher critical value above the minimum; infinite if there is none."""
        return self.values.gap

    @property
    def limit(self) -> CriticalPoint | None:
        """The minimum; None where a tie makes several of them."""
        return self.values.minimizer

    @property
    def scale(self) -> float:
        """The unit of gaps; without another critical value the loss itself."""
        if math.isfinite(self.gap):
            return self.gap
        return float((self.problem.Q**2).sum() / 2) or 1.0

    def minimum_near(self, matrix: Array) -> CriticalPoint:
        """Return the critical point that is nearest to a matrix."""
        return self.classify(matrix, 1e-6).nearest

    def classify(self, matrix: Array, rtol: float) -> PointClassification:
        """Say which critical point a matrix is near to."""
        how = {"weight_decay": self.weight_decay, "depth": float(self.depth)}
        return classify(self.problem, matrix, rtol=rtol, **how)
