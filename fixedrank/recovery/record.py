"""What a recovery has reached: its points, its residuals, and whether it is at its end."""

from __future__ import annotations

import math

from fixedrank._progress import Progress
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.recovery.problem import RecoveryProblem


class Record:
    """The last point, which is the best one, and the residuals of all.

    Parameters
    ----------
    problem : RecoveryProblem
        The data, with their weights and the ridge.
    rtol : float
        At which relative residual it is solved.
    bar : Progress
        What shows it.
    """

    def __init__(self, problem: RecoveryProblem, rtol: float, bar: Progress) -> None:
        self.problem, self.rtol, self.bar = problem, rtol, bar
        self.norm = problem._norm(problem.values)
        self.residuals: list[float] = []
        self.points: list[FixedRankPoint] = []

    @property
    def ridge(self) -> float:
        """The weight of the sum of the singular values."""
        return self.problem.ridge

    @property
    def last(self) -> float:
        """The relative residual of the last point."""
        return self.residuals[-1]

    @property
    def point(self) -> FixedRankPoint:
        """The last point."""
        return self.points[-1]

    def is_solved(self) -> bool:
        """Say whether the last point fits the values; with a ridge the minimum need not."""
        return bool(self.residuals) and self.ridge == 0 and self.last <= self.rtol

    def relative_residual(self, point: FixedRankPoint) -> float:
        """Return the norm of the residual over that of the values, weighted."""
        return self.problem._norm(self.problem._residuals(point)) / self.norm

    def note(self, point: FixedRankPoint) -> float:
        """Keep a point that was reached; return its relative residual."""
        residual = self.relative_residual(point)
        self.residuals.append(residual)
        self.points[:] = [point]
        self.bar.reach(
            min(self.bar.total, -math.log10(max(residual, self.rtol))),
            lambda: f"rank {point.s.size}, residual {residual:.1e}",
        )
        return residual
