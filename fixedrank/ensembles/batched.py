"""The gradient flow (5) of many small networks at once.

A Dormand-Prince step of order 5(4), with the coefficients of SciPy's RK45, is taken for all
networks together, each with a step size, a time and an error control of its own. A network that
needs very many steps is stiff: it goes on alone, by an implicit method with the Hessian of L^N.
What a network does never depends on which others are computed beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import BDF, RK45

from fixedrank._checks import Array
from fixedrank._packing import bounds_of, joined, split
from fixedrank.losses.hessian import NetworkHessian
from fixedrank.losses.regression import LinearRegression

Mask = NDArray[np.bool_]

# Of the step size that the error asks for, and the range in which it may change at once.
_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 5.0
# The absolute tolerance beside the relative one, in sizes of the state.
_PART = 1e-3
# Shorter steps have collapsed.
_TINIEST = 1e-200
# After so many steps a network goes on alone.
_STEPS = 4000


class StackedNetworks:
    """The layers of many networks of the same widths; a row of the state for each.

    Parameters
    ----------
    problem : LinearRegression
        The problem.
    widths : sequence of int
        The widths [d_0, ..., d_N].
    """

    def __init__(self, problem: LinearRegression, widths: Sequence[int]) -> None:
        self.problem = problem
        self.shapes = [(a, b) for b, a in pairwise(widths)]
        self.bounds = bounds_of(self.shapes)

    def state(self, networks: Sequence[Sequence[Array]]) -> Array:
        """Return the state of some networks, given by their layers."""
        return np.array([joined(layers) for layers in networks])

    def layers(self, state: Array) -> list[Array]:
        """Return views of the layers, of shapes (count, d_j, d_{j-1})."""
        return split(state, self.shapes, self.bounds)

    def velocity(self, state: Array) -> Array:
        """Return minus the gradients of L^N."""
        layers = self.layers(state)
        inner = [layers[0]]
        for layer in layers[1:]:
            inner.append(layer @ inner[-1])
        outer = self.problem.B - inner[-1] @ self.problem.C
        velocity = np.empty_like(state)
        for j, target in reversed(list(enumerate(self.layers(velocity)))):
            if j:
                np.matmul(outer, inner[j - 1].swapaxes(1, 2), out=target)
                outer = layers[j].swapaxes(1, 2) @ outer
            else:
                target[:] = outer
        return velocity

    def products(self, state: Array) -> Array:
        """Return the products W, of shape (count, d_y, d_x)."""
        result, *rest = self.layers(state)
        for layer in rest:
            result = layer @ result
        return result

    def gaps(self, state: Array, unreached: float) -> Array:
        """Return the losses above a given one, both without the part that no matrix can fit."""
        misfit = self.products(state) @ self.problem.root - self.problem.Q
        return np.square(misfit).sum((1, 2)) / 2 - unreached


@dataclass(frozen=True)
class Ends:
    """Where the networks have come.

    Attributes
    ----------
    state : ndarray, shape (count, entries)
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
    velocity: Callable[[Array], Array],
    state: Array,
    end: float,
    finished: Callable[[Array], Mask],
    *,
    rtol: float,
    atol: float | None,
) -> Ends:
    """Integrate all rows of a state from t = 0 to `end`, or until they are `finished`.

    Rows that have taken very many steps are left where they are, before `end`.

    Parameters
    ----------
    velocity, finished : callable
        Functions of a state with any number of rows: its velocity, and which rows may stop.
    state : ndarray, shape (count, entries)
        The initial values.
    end : float
        The last time.
    rtol : float
        Relative tolerance of the local error, as in scipy.integrate.RK45.
    atol : float, optional
        Absolute tolerance; if left out, a part of the size of each row.
    """
    count = len(state)
    result, reached = state.copy(), np.zeros(count)
    steps, failed = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
    with np.errstate(all="ignore"):
        alive = np.flatnonzero(~finished(state))
        y, t, taken = state[alive], np.zeros(alive.size), np.zeros(alive.size, dtype=np.int64)
        k = np.empty((7, *y.shape))
        k[0] = velocity(y)
        h = _first_steps(y, k[0], end, rtol, atol)
        while alive.size:
            h = np.minimum(h, end - t)
            for stage in range(1, 6):
                k[stage] = velocity(y + h[:, None] * _combined(RK45.A[stage, :stage], k))
            new = y + h[:, None] * _combined(RK45.B, k)
            k[6] = velocity(new)
            scale = _absolute(y, rtol, atol) + rtol * np.maximum(np.abs(y), np.abs(new))
            error = h[:, None] * _combined(RK45.E, k) / scale
            size = np.sqrt(np.square(error).mean(1))
            good = size < 1
            factor = np.clip(_SAFETY * size**-0.2, _SHRINK, _GROW)
            factor[~np.isfinite(size)] = _SHRINK
            at_end = good & (h >= end - t)
            t = np.where(at_end, end, np.where(good, t + h, t))
            y[good], k[0, good] = new[good], k[6, good]
            taken[good] += 1
            # As in SciPy, a step after a rejected one does not grow.
            h = h * np.where(good, factor, np.minimum(factor, 1))
            lost = (t + h == t) | (h < _TINIEST)
            done = at_end | lost | (taken >= _STEPS)
            done[good] |= finished(y[good])
            if done.any():
                rows = alive[done]
                result[rows], reached[rows] = y[done], t[done]
                steps[rows], failed[rows] = taken[done], (lost & ~at_end)[done]
                left = ~done
                alive, y, t, h, taken = alive[left], y[left], t[left], h[left], taken[left]
                k = np.ascontiguousarray(k[:, left])
    failed |= ~np.isfinite(result).all(1)
    return Ends(result, reached, steps, failed)


def finish_alone(
    networks: StackedNetworks,
    ends: Ends,
    row: int,
    end: float,
    finished: Callable[[Array], Mask],
    *,
    rtol: float,
    atol: float | None,
) -> None:
    """Integrate a row from where it is to `end`, or until it is `finished`, by BDF."""

    def velocity(_: float, state: Array) -> Array:
        return networks.velocity(state[None])[0]

    def jacobian(_: float, state: Array) -> Array:
        layers = [layer[0] for layer in networks.layers(state[None])]
        return np.asarray(-NetworkHessian(networks.problem, layers) @ np.eye(state.size))

    with np.errstate(all="ignore"):
        start = ends.state[row]
        bound = float(_absolute(start[None], rtol, atol)[0, 0])
        solver = BDF(velocity, ends.t[row], start, end, rtol=rtol, atol=bound, jac=jacobian)
        while solver.status == "running":
            solver.step()
            ends.steps[row] += 1
            if finished(solver.y[None])[0]:
                break
    ends.state[row], ends.t[row] = solver.y, solver.t
    ends.failed[row] = solver.status == "failed" or not np.isfinite(solver.y).all()


def _absolute(y: Array, rtol: float, atol: float | None) -> Array:
    """Return the absolute tolerance of each row, one in its own units if none is given."""
    if atol is not None:
        return np.full((len(y), 1), atol)
    sizes = np.sqrt(np.square(y).mean(1, keepdims=True))
    return np.asarray(np.maximum(_PART * rtol * sizes, np.finfo(float).tiny))


def _combined(weights: Array, stages: Array) -> Array:
    """Return the weighted sum of stages, added in a fixed order."""
    total = weights[0] * stages[0]
    for weight, stage in zip(weights[1:], stages[1:], strict=False):
        if weight:
            total += weight * stage
    return total


def _first_steps(y: Array, velocity: Array, end: float, rtol: float, atol: float | None) -> Array:
    """Return first step sizes: what moves each row by a hundredth of its size."""
    scale = _absolute(y, rtol, atol) + rtol * np.abs(y)
    size = np.sqrt(np.square(y / scale).mean(1))
    speed = np.sqrt(np.square(velocity / scale).mean(1))
    step = np.where(speed > 0, 0.01 * np.maximum(size, 1) / speed, end)
    return np.minimum(np.where(np.isfinite(step), step, 1e-7 * end), end)
