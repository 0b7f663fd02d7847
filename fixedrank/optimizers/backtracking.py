"""Steps that are shortened by quadratic interpolation until the cost falls."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import RankLostError

# What the cost may rise by, as a share of it: near a minimum its round-off hides the decrease.
_SLACK = 1e-15
# The share of the slope by which it must fall.
_DECREASE = 1e-4
_SHORTEST, _LONGEST = 0.1, 0.5
_TRIALS = 25


class Step(NamedTuple):
    """What a search found: a share of the direction, 0 where no step lowers the cost."""

    share: float
    point: Any
    cost: float
    evaluations: int


def backtrack(
    cost: Callable[[Any], float],
    manifold: Manifold,
    point: Any,
    direction: Any,
    value: float,
    slope: float,
) -> Step:
    """Return the first step, from the whole direction on, that lowers the cost.

    The cost at the point and its slope along the direction are given. A step that leaves the
    manifold counts as one that raises the cost, and is halved.
    """
    share, evaluations = 1.0, 0
    for _ in range(_TRIALS):
        found = math.inf
        try:
            trial = manifold.retraction(point, share * direction)
            evaluations += 1
            found = float(cost(trial))
        except RankLostError:
            pass
        if found <= value + _DECREASE * share * slope + _SLACK * abs(value):
            return Step(share, trial, found, evaluations)
        share *= _shortening(found - value, share * slope)
    return Step(0.0, point, value, evaluations)


def _shortening(rise: float, slope: float) -> float:
    """Return where the parabola with this slope and rise is least, within bounds."""
    if not math.isfinite(rise):
        return _LONGEST
    return min(max(-slope / (2 * (rise - slope)), _SHORTEST), _LONGEST)
