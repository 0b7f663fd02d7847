r"""The first step of a solver, in no unit but those of the problem.

SciPy's own choice ends in 1e-6 where little moves, and in :math:`(0.01 / |f|)^{1/(p+1)}`, which
has no dimension of time. Here both sizes and rates are measured: y in tolerances, f in tolerances a
unit of time, and the rate at which f changes along itself. A component that changes at the rate
:math:`\lambda` leaves a local error of :math:`|f| / \lambda \cdot (\lambda h)^{p+1}` tolerances;
the step is the one that makes this a hundredth. So it scales with time, and not with the state.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank.flows.scales import length


def first_step(
    velocity: Callable[[float, Array], Array],
    state: Array,
    slope: Array,
    tolerances: tuple[Any, Any],
    order: int,
    left: float,
) -> float:
    """Return the first step, by one evaluation.

    Parameters
    ----------
    velocity : callable
        The right-hand side, of the time since the start and the state.
    state, slope : ndarray, shape (size,)
        The state and the velocity there.
    tolerances : tuple (float or ndarray, float or ndarray)
        The relative and the absolute tolerances, positive.
    order : int
        The order p of the error estimate.
    left : float
        The longest step.
    """
    rtol, atol = tolerances
    scale = atol + rtol * np.abs(state)
    size, speed = _mean(state / scale), _mean(slope / scale)
    if not 0 < speed < math.inf:
        return left
    # What moves the state by a hundredth of itself, or by a tolerance.
    trial = min(max(0.01 * size, 1.0) / speed, left)
    change = _mean((velocity(trial, state + trial * slope) - slope) / scale)
    rate = change / speed / trial
    if not 0 < rate < math.inf:
        return trial
    return float(min(left, 100 * trial, (0.01 * rate / speed) ** (1 / (order + 1)) / rate))


def _mean(values: Array) -> float:
    """Return the root mean square, of numbers of any size."""
    return length(values) / math.sqrt(values.size)


def reach_of_zero(velocity: Callable[[float, Array], Array], zero: Array) -> float:
    """Return how far a zero state moves before its velocity changes by about its own size.

    It is the only size that a flow from zero has, and is searched for, as it may be any number.
    """
    slope = velocity(0.0, zero)
    speed = reach = float(np.linalg.norm(slope))
    if speed == 0:
        return 1.0
    for _ in range(8):
        change = float(np.linalg.norm(velocity(0.0, (reach / speed) * slope) - slope))
        if 0.1 * speed < change < 10 * speed:
            break
        # Nothing is left of a change below round-off, nor of one that has overflowed.
        factor = speed / change if change > 0 else 1e12
        reach *= min(max(factor, 1e-12), 1e12) if math.isfinite(change) else 1e-12
    return reach
