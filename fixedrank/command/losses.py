"""The losses that ``fixedrank compare`` follows, and what it tells of a matrix beside the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fixedrank._aliases import PointLike
from fixedrank._checks import Array, RankLostError
from fixedrank.command.data import Data
from fixedrank.command.output import say
from fixedrank.flows.tables import effective_ranks
from fixedrank.landscape import global_minimizer
from fixedrank.losses import Classification, LinearRegression, Loss, require_data


class Measure(NamedTuple):
    """What is told of W(t): the heading of a column, the name in files, and the number."""

    heading: str
    name: str
    of: Callable[[PointLike], float]
    limit: Array | None = None


def squared_loss(data: Data) -> LinearRegression:
    """Return the regression of data, on the range of X where X X^T is singular."""
    problem = LinearRegression(data.X, data.Y)
    try:
        require_data(problem, "the comparison")
    except RankLostError:
        problem = LinearRegression.on_range(data.X, data.Y)
        say(
            f"X X^T is singular: restricted to the range of X, {problem.shape[1]} of "
            f"{data.X.shape[0]} dimensions, without loss"
        )
    return problem


def cross_entropy(data: Data) -> Classification:
    """Return the cross-entropy of labelled data."""
    return Classification(data.X, data.Y[0])


def measure(problem: Loss, rank: int, weight_decay: float) -> Measure:
    """Return how far W is from the best one, or by how much it tells classes apart.

    With weight decay the best one is known for white data only, and the rank is what changes.
    """
    if isinstance(problem, Classification):
        return Measure("margin", "margin", problem.margin)
    if weight_decay:
        return Measure(
            "eff. rank",
            "effective_rank",
            lambda W: float(effective_ranks(np.asarray(W[1], dtype=float))),
        )
    assert isinstance(problem, LinearRegression)
    best = global_minimizer(problem, min(rank, problem.rank)).point
    limit = np.asarray((best.u * best.s) @ best.vt)

    def away(W: PointLike) -> float:
        u, s, vt = (np.asarray(part) for part in W)
        return float(np.linalg.norm((u * s) @ vt - limit))

    return Measure("|W - limit|", "distance_to_limit", away, limit)
