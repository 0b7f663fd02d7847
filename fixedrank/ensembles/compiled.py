"""Steps by a compiled kernel: the operations of `stepping.Stepper`, in rows of one array."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import RK45

from fixedrank._checks import Array
from fixedrank._compiled import kernels
from fixedrank.ensembles.stacked import StackedNetworks
from fixedrank.ensembles.stepping import (
    GROW,
    PART,
    SAFETY,
    SHRINK,
    SMALLEST,
    STEPS,
    TINIEST,
    Mask,
    Stepper,
)

_KERNEL = "fixedrank.ensembles.kernel"
# The weights of the velocities in each stage, in the new state and in its error.
_TABLEAU = np.zeros((7, 7))
_TABLEAU[:5, :5], _TABLEAU[5, :6], _TABLEAU[6] = RK45.A[1:], RK45.B, RK45.E
_RULES = (SAFETY, SHRINK, GROW, PART, SMALLEST, TINIEST, STEPS)


def stepper_of(networks: StackedNetworks) -> type[Stepper]:
    """Return the kind of stepper for some networks: compiled where that is possible."""
    return CompiledStepper if networks.narrow and kernels(_KERNEL) else Stepper


class CompiledStepper(Stepper):
    """Steps of narrow networks by the kernel."""

    def _laid_out(self, lanes: int) -> Array:
        networks, entries = self.networks, self.networks.bounds[-1]
        # The stages, all products between, and the four matrices of the problem.
        matrices = 2 * len(networks.shapes) + 8
        self._work = np.empty((11 * entries + matrices * np.max(networks.shapes) ** 2, lanes))
        self._used, self._constants = 0, dict[int, Array]()
        stages = self._room((11, entries, lanes))
        velocities, misfit = networks.operations(stages[8], list(stages[2:8]), self._room)
        parts = [*velocities, misfit]
        self._operations = np.array([self._row(*each) for part in parts for each in part], np.int64)
        self._starts = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        task, atol = self.task, -1.0 if self.task.atol is None else self.task.atol
        rules = (task.end, task.rtol, atol, task.unreached, task.close, *_RULES)
        self._rules = np.array([*rules, networks.weight_decay])
        return stages

    def of_lanes(self, lanes: NDArray[np.int64]) -> CompiledStepper:
        """Return a stepper of some of the lanes, with the same rows and operations."""
        other = copy.copy(self)
        other._work = self._work.take(lanes, axis=1)
        other.stages = other._work[: 11 * self.networks.bounds[-1]].reshape(11, -1, lanes.size)
        other.h, other.t, other.steps = self.h[lanes], self.t[lanes], self.steps[lanes]
        return other

    def _room(self, shape: tuple[int, ...]) -> Array:
        """Return rows that are not used yet, as an array."""
        begin, self._used = self._used, self._used + math.prod(shape[:2])
        return self._work[begin : self._used].reshape(shape)

    def _row(self, function: Callable[..., Any], a: Array, b: Array, out: Array) -> list[int]:
        """Return an operation as the kernel takes it."""
        places = [place for array in (a, b, out) for place in self._place(array)]
        kind = 1 if function is np.subtract else 2 if function is self.networks.decayed else 0
        return [kind, len(out), a.shape[1], out.shape[1], *places]

    def _place(self, array: Array) -> tuple[int, int, int]:
        """Return the row of the first entry, and how far apart rows and columns lie."""
        address, lanes = array.__array_interface__["data"][0], self.h.size
        if array.shape[2] != lanes:
            # One for all networks.
            if address not in self._constants:
                self._constants[address] = self._room((*array.shape[:2], lanes))
                self._constants[address][...] = array
            array = self._constants[address]
        size, begin = array.itemsize * lanes, self._work.__array_interface__["data"][0]
        first = (array.__array_interface__["data"][0] - begin) // size
        return first, array.strides[0] // size, array.strides[1] // size

    def advance(self, live: Mask) -> tuple[Mask, Mask]:
        """Take steps until some live lanes end; return which lanes have, and which failed."""
        kernel = kernels(_KERNEL)
        assert kernel is not None
        done, lost = np.empty((2, live.size), bool)
        entries, arrays = self.networks.bounds[-1], (self.h, self.t, self.steps, live, done, lost)
        plan = (self._operations, self._starts, _TABLEAU)
        kernel.advance(self._work, entries, *plan, *arrays, self._rules)
        return done, lost
