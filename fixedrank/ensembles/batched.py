"""The gradient flow (5) of many small networks at once.

A Dormand-Prince step of order 5(4), with the coefficients of SciPy's RK45, is taken for all
networks together, each with a step size, a time and an error control of its own. A network that
needs very many steps is stiff: it goes on alone, by an implicit method with the Hessian of L^N.
What a network does never depends on which others are computed beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import BDF

from fixedrank._checks import Array
from fixedrank._packing import split
from fixedrank.ensembles.stacked import StackedNetworks, two_or_more
from fixedrank.ensembles.stepping import Stepper, root_mean_square
from fixedrank.losses.hessian import NetworkHessian

Mask = NDArray[np.bool_]

# Of the step size that the error asks for, and the range in which it may change at once.
_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 5.0
# The absolute tolerance beside the relative one, in sizes of the state.
_PART = 1e-3
_SMALLEST = float(np.finfo(float).tiny)
# Shorter steps, in parts of the last time, have collapsed.
_TINIEST = 1e-200
# After so many steps a network goes on alone: they have taken, in a few lanes, what the implicit
# method takes to the end.
_STEPS = 1000
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


def integrate_stack(
    networks: StackedNetworks,
    state: Array,
    end: float,
    finished: Callable[[Array], Mask],
    *,
    rtol: float,
    atol: float | None,
) -> Ends:
    """Integrate all columns of a state from t = 0 to `end`, or until they are `finished`.

    So many go on together as the cache holds, each in a lane; where one ends, the next takes its
    place. Columns that have taken very many steps are left where they are, before `end`.

    Parameters
    ----------
    networks : StackedNetworks
        What the columns of a state are.
    state : ndarray, shape (entries, count)
        The initial values.
    end : float
        The last time.
    finished : callable
        Which columns of a state, with two or more, may stop.
    rtol : float
        Relative tolerance of the local error, as in scipy.integrate.RK45.
    atol : float, optional
        Absolute tolerance; if left out, a part of the size of each column.
    """
    entries, count = state.shape
    ends = Ends(state.copy(), np.zeros(count), np.zeros(count, np.int64), np.zeros(count, bool))
    with np.errstate(all="ignore"):
        waiting = np.flatnonzero(~finished(two_or_more(state))[:count])
        if not waiting.size:
            return ends
        speed = networks.velocity(two_or_more(state))
        first = _first_steps(two_or_more(state), speed, end, rtol, atol)
        lanes = max(2, min(waiting.size, max(_LEAST, _TOGETHER // entries)))
        # The columns in the lanes; empty lanes repeat others, and are not looked at.
        column, live = np.resize(waiting, lanes), np.arange(lanes) < waiting.size
        waiting = waiting[lanes:]
        stepper = Stepper(networks, lanes)
        stages = stepper.stages
        stages[0], stages[1] = state[:, column], speed[:, column]
        h, t, steps = first[column], np.zeros(lanes), np.zeros(lanes, np.int64)
        while True:
            np.minimum(h, end - t, out=h)
            absolute, new = _absolute(stages[0], rtol, atol), stages[8]
            size = stepper.step(h, rtol, absolute)
            good = size < 1
            factor = np.minimum(np.maximum(_SAFETY * size**-0.2, _SHRINK), _GROW)
            factor[~np.isfinite(size)] = _SHRINK
            at_end = good & (h >= end - t)
            np.copyto(t, np.where(at_end, end, t + h), where=good)
            rejected = np.flatnonzero(~good)
            before = stages[:2, :, rejected]
            stages[0], stages[1] = new, stages[7]
            stages[:2, :, rejected] = before
            steps += good
            # As in SciPy, a step after a rejected one does not grow.
            h *= np.where(good, factor, np.minimum(factor, 1))
            lost = (t + h == t) | (h < _TINIEST * end)
            done = at_end | lost | (steps >= _STEPS) | (good & finished(new))
            places = np.flatnonzero(done & live)
            if not places.size:
                continue
            ended = column[places]
            ends.state[:, ended], ends.t[ended] = stages[0][:, places], t[places]
            ends.steps[ended], ends.failed[ended] = steps[places], (lost & ~at_end)[places]
            live[places[waiting.size :]] = False
            begun, waiting = waiting[: places.size], waiting[places.size :]
            places = places[: begun.size]
            column[places], h[places], t[places], steps[places] = begun, first[begun], 0.0, 0
            stages[0][:, places], stages[1][:, places] = state[:, begun], speed[:, begun]
            left = np.flatnonzero(live)
            if not left.size:
                break
            if left.size <= _EMPTY * live.size and live.size > 2:
                kept = np.resize(left, max(2, left.size))
                live = np.arange(kept.size) < left.size
                column, h, t, steps = column[kept], h[kept], t[kept], steps[kept]
                stepper, before = Stepper(networks, kept.size), stages[:2, :, kept]
                stages = stepper.stages
                stages[:2] = before
    np.logical_or(ends.failed, ~np.isfinite(ends.state).all(0), out=ends.failed)
    return ends


def finish_alone(
    networks: StackedNetworks,
    ends: Ends,
    column: int,
    end: float,
    finished: Callable[[Array], Mask],
    *,
    rtol: float,
    atol: float | None,
) -> None:
    """Integrate a column from where it is to `end`, or until it is `finished`, by BDF."""

    def velocity(_: float, state: Array) -> Array:
        return networks.velocity(state[:, None])[:, 0]

    def jacobian(_: float, state: Array) -> Array:
        layers = split(state, networks.shapes, networks.bounds)
        return np.asarray(-NetworkHessian(networks.problem, layers) @ np.eye(state.size))

    with np.errstate(all="ignore"):
        start = ends.state[:, column]
        bound = float(_absolute(start[:, None], rtol, atol)[0])
        solver = BDF(velocity, ends.t[column], start, end, rtol=rtol, atol=bound, jac=jacobian)
        while solver.status == "running":
            solver.step()
            ends.steps[column] += 1
            if finished(solver.y[:, None])[0]:
                break
    ends.state[:, column], ends.t[column] = solver.y, solver.t
    ends.failed[column] = solver.status == "failed" or not np.isfinite(solver.y).all()


def _absolute(y: Array, rtol: float, atol: float | None) -> Array:
    """Return the absolute tolerance of each column, one in its own units if none is given."""
    if atol is not None:
        return np.full(y.shape[1], atol)
    return np.asarray(np.maximum(_PART * rtol * root_mean_square(y), _SMALLEST))


def _first_steps(y: Array, velocity: Array, end: float, rtol: float, atol: float | None) -> Array:
    """Return first step sizes: what moves each column by a hundredth of its size."""
    scale = _absolute(y, rtol, atol) + rtol * np.abs(y)
    size = root_mean_square(y / scale)
    # The velocity has a unit of its own, whose square may leave the range of numbers.
    rate = velocity / scale
    unit = np.abs(rate).max(0)
    speed = unit * root_mean_square(rate / np.where(unit > 0, unit, 1))
    step = np.where(speed > 0, 0.01 * np.maximum(size, 1) / speed, end)
    return np.minimum(np.where(np.isfinite(step), step, 1e-7 * end), end)
