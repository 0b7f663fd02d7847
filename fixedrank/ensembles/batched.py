"""The gradient flow (5) of many small networks at once.

A Dormand-Prince step of order 5(4), with the coefficients of SciPy's RK45, is taken for all
networks together, each with a step size, a time and an error control of its own. A network that
needs very many steps is stiff: it goes on alone, by an implicit method with the Hessian of L^N.
What a network does never depends on which others are computed beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import BDF

from fixedrank._checks import Array
from fixedrank._packing import split
from fixedrank.ensembles.compiled import stepper_of
from fixedrank.ensembles.stacked import StackedNetworks, two_or_more
from fixedrank.ensembles.stepping import Mask, Task, root_mean_square
from fixedrank.losses.hessian import NetworkHessian

# Numbers in the states that go on together, whose stages are then in the cache; and how many go on
# at least, since with fewer calls would cost more than arithmetic.
_TOGETHER, _LEAST = 1 << 15, 16
# Lanes are moved together when no more of them than this part are live.
_EMPTY = 0.8


@dataclass(frozen=True)
class Ends:
    """Where the networks have come.

    Attributes
    ----------
    state : ndarray, shape (entries, count)
        The layers at the end.
    t : ndarray, shape (count,)
        The time that was reached.
    steps : ndarray of int, shape (count,)
        Accepted steps.
    failed : ndarray of bool, shape (count,)
        Where a step size collapsed or values were not finite any more.
    """

    state: Array
    t: Array
    steps: NDArray[np.int64]
    failed: Mask


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


def finish_alone(networks: StackedNetworks, ends: Ends, column: int, task: Task) -> None:
    """Integrate a column from where it is to the end, or until it is finished, by BDF."""
    here, speed = np.empty((2, len(ends.state), 1))
    (calls,) = networks.calls(here, [speed])

    def velocity(_: float, state: Array) -> Array:
        here[:, 0] = state
        for call in calls:
            call()
        return speed[:, 0].copy()

    def jacobian(_: float, state: Array) -> Array:
        layers = split(state, networks.shapes, networks.bounds)
        hessian = NetworkHessian(networks.problem, layers) @ np.eye(state.size)
        return np.asarray(-hessian - networks.weight_decay * np.eye(state.size))

    with np.errstate(all="ignore"):
        start, end = ends.state[:, column], task.end
        bound = float(task.absolute(start[:, None])[0])
        solver = BDF(velocity, ends.t[column], start, end, rtol=task.rtol, atol=bound, jac=jacobian)
        while solver.status == "running":
            solver.step()
            ends.steps[column] += 1
            if task.finished(networks, solver.y[:, None])[0]:
                break
    ends.state[:, column], ends.t[column] = solver.y, solver.t
    ends.failed[column] = solver.status == "failed" or not np.isfinite(solver.y).all()


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
