"""The end of stiff networks: steps of the stabilised method RKC of many at once.

An explicit step that is bounded by stability wastes what it computes, and an implicit one is too
stable: of a long step it damps what grows, and may hold a run at a strict saddle for ever.
The steps of :class:`fixedrank.RKC` are long, and what grows along the flow grows in all of them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array
from fixedrank.ensembles.compiled import Rows, kernel_of
from fixedrank.ensembles.ends import Ends
from fixedrank.ensembles.stacked import StackedNetworks
from fixedrank.ensembles.stepping import Mask, Task, root_mean_square
from fixedrank.flows.chebyshev import RKC, coefficients

# Few different numbers of stages, each a tenth more than the one before, up to the most of RKC.
_COUNTS = np.unique(np.round(2 * 1.1 ** np.arange(82)).astype(int))
_INTERVALS = np.array([RKC._interval(float(count)) for count in _COUNTS])
# Tolerances of a method of second order that cost as much as those of one of fifth order.
_POWER = 2 / 3
# The largest rate is a little more than a power iteration finds, so often at first and each step.
_MARGIN, _FIRST, _AGAIN = 1.2, 20, 2
# Of the step size that the error asks for, and the range in which it may change at once.
_SAFETY, _SHRINK, _GROW, _NO_ERROR = 0.8, 0.1, 5.0, 1e-12
# Lanes are moved together when no more of them than this part are live.
_EMPTY = 0.8


def finish(
    networks: StackedNetworks, ends: Ends, columns: NDArray[np.int64], task: Task, most: int
) -> None:
    """Integrate columns from where they are to the end, or until they are finished.

    What does not come there in so many evaluations stays where it is.
    """
    task = replace(task, rtol=task.rtol**_POWER)
    if not columns.size:
        return
    with np.errstate(all="ignore"):
        column = np.resize(columns, max(2, columns.size))
        live = np.arange(column.size) < columns.size
        lanes = _Lanes(networks, task, ends.state[:, column], ends.t[column])
        while live.any():
            done, lost = lanes.step()
            done |= lanes.evaluations >= most
            places = np.flatnonzero(done & live)
            ended = column[places]
            ends.state[:, ended], ends.t[ended] = lanes.y[:, places], lanes.t[places]
            ends.steps[ended] += lanes.steps[places]
            ends.failed[ended] = lost[places] | ~np.isfinite(lanes.y[:, places]).all(0)
            live[places] = False
            left = np.flatnonzero(live)
            if 0 < left.size <= _EMPTY * live.size and live.size > 2:
                kept = np.resize(left, max(2, left.size))
                live, column = np.arange(kept.size) < left.size, column[kept]
                lanes = lanes.some(kept)


class _Lanes:
    """Networks that take steps at once, each with a step size and a number of stages of its own."""

    def __init__(self, networks: StackedNetworks, task: Task, y: Array, t: Array) -> None:
        self._set_up(networks, task, y.copy(), t.copy())
        # What decays to zero is not followed to all of its digits.
        self.absolute = task.absolute(y)
        self.f = self._velocity(self.y)
        self.direction = self.f.copy()
        self.rate = self._rates(_FIRST)
        self.steps, self.evaluations = np.zeros((2, t.size), np.int64)
        self.h = np.where(self.rate > 0, 1 / self.rate, task.end - t)

    def _set_up(self, networks: StackedNetworks, task: Task, y: Array, t: Array) -> None:
        self.networks, self.task, self.y, self.t = networks, task, y, t
        self._kernel = kernel_of(networks)
        if self._kernel is None:
            self._states = np.empty((5, *y.shape))
            self._at, self._out = self._states[:2]
            (self._calls,) = networks.calls(self._at, [self._out])
            return
        rows = Rows(networks, 5, t.size)
        self._work, self._states = rows.work, rows.room((5, *y.shape))
        self._at, self._out = self._states[:2]
        (operations,), _ = networks.operations(self._at, [self._out], rows.room)
        self._program = rows.program(operations)

    def some(self, kept: NDArray[np.int64]) -> _Lanes:
        """Return some of the lanes."""
        other = object.__new__(_Lanes)
        other._set_up(self.networks, self.task, self.y[:, kept], self.t[kept])
        other.f, other.direction = self.f[:, kept], self.direction[:, kept]
        other.rate, other.h, other.absolute = self.rate[kept], self.h[kept], self.absolute[kept]
        other.steps, other.evaluations = self.steps[kept], self.evaluations[kept]
        return other

    def _evaluate(self) -> None:
        """Write the velocities at a state."""
        if self._kernel is not None:
            self._kernel.operate(self._work, self._program, self.networks.weight_decay)
            return
        for call in self._calls:
            call()

    def _recur(self, table: Array, h: Array) -> None:
        """Take the stages of a step, from the first one and the state before it."""
        if self._kernel is not None:
            decay = self.networks.weight_decay
            self._kernel.recur(self._work, len(self.y), self._program, table, h, decay)
            return
        at, out, older, y, f = self._states
        new, part = np.empty((2, *y.shape))
        for mu, nu, weight, correction in table:
            self._evaluate()
            np.multiply(1 - mu - nu, y, out=new)
            new += np.multiply(mu, at, out=part)
            new += np.multiply(nu, older, out=part)
            new += np.multiply(weight * h, out, out=part)
            new += np.multiply(correction * h, f, out=part)
            older[...], at[...] = at, new

    def _velocity(self, y: Array) -> Array:
        self._at[...] = y
        self._evaluate()
        return self._out.copy()

    def _rates(self, times: int) -> Array:
        """Return upper estimates of the largest rates, by steps of a power iteration."""
        size = math.sqrt(np.finfo(float).eps) * _lengths(self.y)
        found = np.zeros(self.t.size)
        # A fast direction may have no part in the last ones, nor in the velocity.
        generic = np.sin(np.arange(1.0, 1.0 + len(self.y)))[:, None]
        self.direction += 0.01 * _lengths(self.direction) / _lengths(generic) * generic
        for _ in range(times):
            norm = _lengths(self.direction)
            # Where nothing moves any direction is as good.
            told = (norm > 0) & np.isfinite(norm)
            self.direction[:, ~told] = 1.0
            norm[~told] = math.sqrt(len(self.y))
            np.multiply(self.direction, size / norm, out=self._at)
            self._at += self.y
            self._evaluate()
            np.subtract(self._out, self.f, out=self.direction)
            before, found = found, _lengths(self.direction) / size
        return np.where(size > 0, _MARGIN * np.maximum(before, found), 0.0)

    def step(self) -> tuple[Mask, Mask]:
        """Take a step of each lane; return which have ended, and which failed."""
        task, t = self.task, self.t
        h = np.minimum(np.minimum(self.h, _INTERVALS[-1] / self.rate), task.end - t)
        y = self._moved(h)
        f = self._velocity(y)
        error = 0.8 * (self.y - y) + 0.4 * h * (self.f + f)
        scale = self.absolute + task.rtol * np.maximum(np.abs(self.y), np.abs(y))
        size = root_mean_square(error / scale)
        good = size < 1
        at_end = good & (h >= task.end - t)
        np.copyto(self.y, y, where=good)
        np.copyto(self.f, f, where=good)
        np.copyto(t, np.where(at_end, task.end, t + h), where=good)
        self.steps += good
        factor = _SAFETY * np.maximum(size, _NO_ERROR) ** (-1 / RKC.error_order)
        factor = np.clip(factor, _SHRINK, np.where(good, _GROW, 1.0))
        factor[~np.isfinite(size)] = _SHRINK
        self.h = h * factor
        self.rate = self._rates(_AGAIN)
        lost = ~at_end & ((t + self.h == t) | ~np.isfinite(self.rate))
        return at_end | lost | (good & task.finished(self.networks, self.y)), lost

    def _moved(self, h: Array) -> Array:
        """Return the states a step later."""
        which = np.minimum(np.searchsorted(_INTERVALS, h * self.rate), _INTERVALS.size - 1)
        methods = [_method(int(_COUNTS[i])) for i in which]
        # Those of few stages stay where they are when they are there.
        table = np.zeros((max(len(rows) for _, rows in methods), 4, h.size))
        table[:, 0] = 1.0
        for lane, (_, rows) in enumerate(methods):
            table[: len(rows), :, lane] = rows
        self.evaluations += [len(rows) + _AGAIN + 2 for _, rows in methods]
        at, _, older, y, f = self._states
        y[...] = older[...] = self.y
        f[...] = self.f
        np.multiply(np.array([first for first, _ in methods]) * h, f, out=at)
        at += y
        self._recur(table, h)
        return at.copy()


@lru_cache(maxsize=128)
def _method(stages: int) -> tuple[float, Array]:
    """Return the first weight, and (mu, nu, mu~, gamma~) of the later stages in rows."""
    first, rows = coefficients(stages)
    return first, np.array(rows)[:, :4]


def _lengths(columns: Array) -> Array:
    """Return the length of each column, whatever its unit."""
    unit = np.abs(columns).max(0)
    unit = np.where((unit > 0) & np.isfinite(unit), unit, 1.0)
    parts = columns / unit
    return np.asarray(unit * np.sqrt(np.einsum("en,en->n", parts, parts)))
