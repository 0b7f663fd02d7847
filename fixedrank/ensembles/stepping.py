"""Steps of the method of Dormand and Prince, of order 5(4), of many networks at once.

The coefficients are those of SciPy's RK45. Each network has a step size, a time and an error
control of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import RK45

from fixedrank._checks import Array
from fixedrank.ensembles.stacked import StackedNetworks

Mask = NDArray[np.bool_]

# Of the step size that the error asks for, and the range in which it may change at once.
SAFETY, SHRINK, GROW = 0.9, 0.2, 5.0
# The absolute tolerance beside the relative one, in sizes of the state.
PART = 1e-3
SMALLEST = float(np.finfo(float).tiny)
# Shorter steps, in parts of the last time, have collapsed.
TINIEST = 1e-200
# After so many steps a network is stiff, and goes on by stabilised ones (2026-11: of 400, 1500 and
# 4000 what took least time from starts of scales 0.01 to 1 at three to six layers).
STEPS = 1500


@dataclass(frozen=True)
class Task:
    """How far networks go, and how precisely.

    Parameters
    ----------
    end : float
        The last time.
    rtol : float
        Relative tolerance of the local error, as in scipy.integrate.RK45.
    atol : float, optional
        Absolute tolerance; if left out, a part of the size of each network.
    unreached, close : float
        A network may stop whose loss is at most so close above the one that is not reached.
    """

    end: float
    rtol: float
    atol: float | None
    unreached: float
    close: float

    def finished(self, networks: StackedNetworks, state: Array) -> Mask:
        """Return which columns of a state, two or more, may stop."""
        return np.asarray(networks.gaps(state, self.unreached) <= self.close)

    def absolute(self, state: Array) -> Array:
        """Return the absolute tolerance of each column, one in its own units if none is given."""
        if self.atol is not None:
            return np.full(state.shape[1], self.atol)
        return np.asarray(np.maximum(PART * self.rtol * root_mean_square(state), SMALLEST))


class Stepper:
    """Steps of some networks, each in a lane.

    Parameters
    ----------
    networks : StackedNetworks
        The widths and the problem.
    task : Task
        How far they go.
    lanes : int
        How many they are, two or more.

    Attributes
    ----------
    stages : ndarray, shape (11, entries, lanes)
        The state and the velocity there, from which a step computes: six more velocities, the new
        state, the errors of its entries and what of each is tolerated.
    h, t : ndarray, shape (lanes,)
        The size of the next step, and the time.
    steps : ndarray of int, shape (lanes,)
        Accepted steps.
    """

    def __init__(self, networks: StackedNetworks, task: Task, lanes: int) -> None:
        self.networks, self.task = networks, task
        self.h, self.t, self.steps = np.ones(lanes), np.zeros(lanes), np.zeros(lanes, np.int64)
        self.stages = self._laid_out(lanes)

    def _laid_out(self, lanes: int) -> Array:
        """Return the stages, and keep what a step of them does."""
        stages = np.empty((11, self.networks.bounds[-1], lanes))
        calls = self.networks.calls(stages[8], list(stages[2:8]))
        # The weights of each stage, the velocities that they weigh, and the calls for the next.
        self._plan = [
            (weights[:stage], stages[1 : stage + 1], calls[stage - 1])
            for stage, weights in enumerate((*RK45.A[1:], RK45.B), start=1)
        ]
        return stages

    def advance(self, live: Mask) -> tuple[Mask, Mask]:
        """Take steps until some live lanes end; return which lanes have, and which failed."""
        stages, h, t, end = self.stages, self.h, self.t, self.task.end
        while True:
            np.minimum(h, end - t, out=h)
            size = self.step()
            good = size < 1
            factor = np.minimum(np.maximum(SAFETY * size**-0.2, SHRINK), GROW)
            factor[~np.isfinite(size)] = SHRINK
            at_end = good & (h >= end - t)
            np.copyto(t, np.where(at_end, end, t + h), where=good)
            rejected = np.flatnonzero(~good)
            before = stages[:2, :, rejected]
            stages[0], stages[1] = stages[8], stages[7]
            stages[:2, :, rejected] = before
            self.steps += good
            # As in SciPy, a step after a rejected one does not grow.
            h *= np.where(good, factor, np.minimum(factor, 1))
            lost = ~at_end & ((t + h == t) | (h < TINIEST * end))
            done = at_end | lost | (self.steps >= STEPS)
            done |= good & self.task.finished(self.networks, stages[8])
            if (done & live).any():
                return done, lost

    def of_lanes(self, lanes: NDArray[np.int64]) -> Stepper:
        """Return a stepper of some of the lanes."""
        other = type(self)(self.networks, self.task, lanes.size)
        other.stages[:2] = self.stages[:2, :, lanes]
        other.h[:], other.t[:], other.steps[:] = self.h[lanes], self.t[lanes], self.steps[lanes]
        return other

    def step(self) -> Array:
        """Compute a step of each network, and return the errors in parts of what is tolerated."""
        y, (new, error, scale) = self.stages[0], self.stages[8:]
        for weights, velocities, calls in self._plan:
            np.einsum("s,sen->en", weights, velocities, out=new)
            new *= self.h
            new += y
            for call in calls:
                call()
        np.maximum(np.abs(y, out=error), np.abs(new, out=scale), out=scale)
        scale *= self.task.rtol
        scale += self.task.absolute(y)
        np.einsum("s,sen->en", RK45.E, self.stages[1:8], out=error)
        error *= self.h
        error /= scale
        return root_mean_square(error)


def root_mean_square(columns: Array) -> Array:
    """Return the root of the mean of the squares of each column, of two or more."""
    return np.asarray(np.sqrt(np.einsum("en,en->n", columns, columns) / len(columns)))
