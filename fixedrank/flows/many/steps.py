"""Steps of DOP853 of many states at once, each with a size, a tolerance and an error of its own.

The coefficients and the control of the step are those of SciPy's DOP853. States are the rows of an
array, so that a stage of all of them is one call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import DOP853

from fixedrank._checks import Array
from fixedrank.flows.inside import DEFECT, FEW, LOOKS, at_looks

Lanes: TypeAlias = NDArray[np.intp]
# The velocities of some states, and in which lanes these are.
Velocity: TypeAlias = Callable[[Array, Lanes], Array]

# As in SciPy: of the step that the error asks for, and the range in which it changes at once.
_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 10.0
_STAGES = DOP853.n_stages
# The evaluations of a step, of one without an error, and of the interpolant with its defect.
STEP, PART, INSIDE = _STAGES, _STAGES - 1, 5
ORDER = DOP853.error_estimator_order


@dataclass
class Bounds:
    """The tolerances of states: relative, and absolute of each entry."""

    relative: Array
    absolute: Array


@dataclass
class Steps:
    """A step of each of some states.

    Attributes
    ----------
    start, end : ndarray, shape (states, size)
        The states before and after.
    h : ndarray, shape (states,)
        The sizes of the steps.
    slopes : ndarray, shape (16, states, size)
        The velocities at the stages, the last three free for the interpolant.
    scale : ndarray, shape (states, size)
        What is tolerated of each entry.
    error : ndarray, shape (states,)
        The errors, in parts of what is tolerated; NaN or infinite where a step left the numbers.
    """

    start: Array
    end: Array
    h: Array
    slopes: Array
    scale: Array
    error: Array

    @property
    def stiffness(self) -> Array:
        """The size of each step times the largest rate, from the two stages at its end."""
        last = _STAGES - 1
        stage = self.start + self.h[:, None] * _weighted(DOP853.A[last, :last], self.slopes)
        distance = _lengths(self.end - stage)
        change = self.h * _lengths(self.slopes[_STAGES] - self.slopes[last])
        return np.divide(change, distance, out=np.zeros_like(distance), where=distance > 0)


def step(velocity: Velocity, start: Array, slope: Array, h: Array, bounds: Bounds) -> Steps:
    """Return a step from each state, where the velocity is known."""
    lanes = np.arange(len(start))
    slopes = _stages(velocity, start, slope, h, lanes)
    end = start + h[:, None] * _weighted(DOP853.B, slopes)
    slopes[_STAGES] = velocity(end, lanes)
    scale = bounds.absolute + bounds.relative * np.maximum(np.abs(start), np.abs(end))
    fifth, third = (
        _squares(h[:, None] * _weighted(weights, slopes) / scale)
        for weights in (DOP853.E5, DOP853.E3)
    )
    total = fifth + 0.01 * third
    error = fifth / np.sqrt(np.where(total > 0, total, 1.0) * start.shape[1])
    error[~np.isfinite(end).all(1) | ~np.isfinite(slopes[_STAGES]).all(1)] = np.inf
    return Steps(start, end, h, slopes, scale, error)


def next_sizes(steps: Steps, tried_again: NDArray[np.bool_]) -> Array:
    """Return the sizes of the next steps, which do not grow after one that was tried again."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factor = np.clip(_SAFETY * steps.error ** (-1 / 8), _SHRINK, _GROW)
    factor[~np.isfinite(steps.error)] = _SHRINK
    kept = steps.error < 1
    return steps.h * np.where(kept & ~tried_again, factor, np.minimum(factor, 1.0))


def inside(
    velocity: Velocity, steps: Steps, lanes: Lanes, parts: list[Array]
) -> tuple[list[Array], Array]:
    """Return the states at some parts of the steps in some lanes, and the evaluations for each.

    A few are reached by shorter steps from the start each, more of them by the interpolant where
    its defect is small: as in single flows.
    """
    counts = np.array([part.size for part in parts])
    which, at = np.repeat(np.arange(lanes.size), counts), np.concatenate(parts)
    states, cost = np.empty((at.size, steps.start.shape[1])), PART * counts
    crowded = np.flatnonzero(counts > FEW)
    by_steps = np.ones(at.size, dtype=bool)
    if crowded.size:
        dense, good = _interpolant(velocity, steps, lanes[crowded])
        cost[crowded] = INSIDE + np.where(good, 0, cost[crowded])
        for place in np.flatnonzero(good):
            some = which == crowded[place]
            by_steps &= ~some
            start = np.broadcast_to(
                steps.start[lanes[crowded[place]]], (some.sum(), states.shape[1])
            )
            states[some] = _interpolated(dense[:, [place] * int(some.sum())], start, at[some])
    if by_steps.any():
        of = lanes[which[by_steps]]
        h = at[by_steps] * steps.h[of]
        slopes = _stages(velocity, steps.start[of], steps.slopes[0, of], h, of)
        states[by_steps] = steps.start[of] + h[:, None] * _weighted(DOP853.B, slopes)
    return np.split(states, np.cumsum(counts)[:-1]), cost


def _stages(velocity: Velocity, start: Array, slope: Array, h: Array, lanes: Lanes) -> Array:
    slopes = np.empty((_STAGES + 4, *start.shape))
    slopes[0] = slope
    for i in range(1, _STAGES):
        slopes[i] = velocity(start + h[:, None] * _weighted(DOP853.A[i, :i], slopes), lanes)
    return slopes


def _interpolant(velocity: Velocity, steps: Steps, lanes: Lanes) -> tuple[Array, NDArray[np.bool_]]:
    """Return the coefficients of the interpolant in some lanes, and where its defect is small."""
    start, end, h = steps.start[lanes], steps.end[lanes], steps.h[lanes, None]
    slopes = steps.slopes[:, lanes]
    for i, weights in enumerate(DOP853.A_EXTRA, start=_STAGES + 1):
        slopes[i] = velocity(start + h * _weighted(weights[:i], slopes), lanes)
    change = end - start
    first, last = slopes[0], slopes[_STAGES]
    dense = np.empty((3 + len(DOP853.D), *start.shape))
    dense[:3] = change, h * first - change, 2 * change - h * (last + first)
    for row, weights in zip(dense[3:], DOP853.D, strict=True):
        row[:] = h * _weighted(weights, slopes)
    nodes, to_slopes, to_values = at_looks()
    samples = np.array([_interpolated(dense, start, np.full(len(start), x)) for x in nodes])
    flat, worst = samples.reshape(len(nodes), -1), np.zeros(len(start))
    for i in range(len(LOOKS)):
        slope, value = ((w[:, i] @ flat).reshape(start.shape) for w in (to_slopes, to_values))
        miss = (slope - h * velocity(value, lanes)) / steps.scale[lanes]
        worst = np.maximum(worst, np.sqrt(_squares(miss) / start.shape[1]))
    return dense, worst < DEFECT


def _interpolated(dense: Array, start: Array, parts: Array) -> Array:
    x, states = parts[:, None], np.zeros_like(start)
    for i, coefficient in enumerate(dense[::-1]):
        states += coefficient
        states *= x if i % 2 == 0 else 1 - x
    return states + start


def _weighted(weights: Array, slopes: Array) -> Array:
    """Return the sum of the first slopes, as many as there are weights."""
    first = slopes[: len(weights)]
    return np.asarray(weights.dot(first.reshape(len(weights), -1)).reshape(first.shape[1:]))


def _squares(rows: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", rows, rows))


def _lengths(rows: Array) -> Array:
    return np.sqrt(_squares(rows))
