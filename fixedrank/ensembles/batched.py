"""The gradient flow (5) of many small networks at once.

A Dormand-Prince step of order 5(4), with the coefficients of SciPy's RK45, is taken for all
networks together, each with a step size, a time and an error control of its own. A network that
needs very many steps is stiff: it goes on by stabilised steps, of `stabilised.finish`.
What a network does never depends on which others are computed beside it.
"""

from __future__ import annotations

import numpy as np

from fixedrank._checks import Array
from fixedrank.ensembles.compiled import stepper_of
from fixedrank.ensembles.ends import Ends
from fixedrank.ensembles.stacked import StackedNetworks, two_or_more
from fixedrank.ensembles.stepping import Task, root_mean_square

# Numbers in the states that go on together, whose stages are then in the cache; and how many go on
# at least, since with fewer calls would cost more than arithmetic.
_TOGETHER, _LEAST = 1 << 15, 16
# Lanes are moved together when no more of them than this part are live.
_EMPTY = 0.8


def integrate_stack(networks: StackedNetworks, state: Array, task: Task) -> Ends:
    """Integrate the networks in the columns of a state from t = 0 on.

    So many go on together as the cache holds, each in a lane; where one ends, the next takes its
    place. Columns that have taken very many steps are left where they are, before the end.
    """
    entries, count = state.shape
    ends = Ends(state.copy(), np.zeros(count), np.zeros(count, np.int64), np.zeros(count, bool))
    with np.errstate(all="ignore"):
        waiting = np.flatnonzero(~task.finished(networks, two_or_more(state))[:count])
        if not waiting.size:
            return ends
        speed = networks.velocity(two_or_more(state))
        first = _first_steps(two_or_more(state), speed, task)
        lanes = max(2, min(waiting.size, max(_LEAST, _TOGETHER // entries)))
        # The columns in the lanes; empty lanes repeat others, and are not looked at.
        column, live = np.resize(waiting, lanes), np.arange(lanes) < waiting.size
        waiting = waiting[lanes:]
        stepper = stepper_of(networks)(networks, task, lanes)
        stepper.stages[0], stepper.stages[1] = state[:, column], speed[:, column]
        stepper.h[:] = first[column]
        while live.any():
            done, lost = stepper.advance(live)
            places = np.flatnonzero(done & live)
            ended = column[places]
            ends.state[:, ended], ends.t[ended] = stepper.stages[0][:, places], stepper.t[places]
            ends.steps[ended], ends.failed[ended] = stepper.steps[places], lost[places]
            live[places[waiting.size :]] = False
            begun, waiting = waiting[: places.size], waiting[places.size :]
            places = places[: begun.size]
            column[places], stepper.h[places] = begun, first[begun]
            stepper.t[places], stepper.steps[places] = 0.0, 0
            stepper.stages[0][:, places], stepper.stages[1][:, places] = (
                state[:, begun],
                speed[:, begun],
            )
            left = np.flatnonzero(live)
            if 0 < left.size <= _EMPTY * live.size and live.size > 2:
                kept = np.resize(left, max(2, left.size))
                live, column = np.arange(kept.size) < left.size, column[kept]
                stepper = stepper.of_lanes(kept)
    np.logical_or(ends.failed, ~np.isfinite(ends.state).all(0), out=ends.failed)
    return ends


def _first_steps(y: Array, velocity: Array, task: Task) -> Array:
    """Return first step sizes: what moves each column by a hundredth of its size."""
    scale = task.absolute(y) + task.rtol * np.abs(y)
    size = root_mean_square(y / scale)
    # The velocity has a unit of its own, whose square may leave the range of numbers.
    rate = velocity / scale
    unit = np.abs(rate).max(0)
    speed = unit * root_mean_square(rate / np.where(unit > 0, unit, 1))
    step = np.where(speed > 0, 0.01 * np.maximum(size, 1) / speed, task.end)
    # One layer may start from zero, which has no size.
    told = np.isfinite(step) & ((speed == 0) | y.any(0))
    return np.minimum(np.where(told, step, 1e-7 * task.end), task.end)
