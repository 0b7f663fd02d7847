"""Steps by a compiled kernel: the operations of `stepping.Stepper`, in rows of one array."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import RK45

from fixedrank._checks import Array
from fixedrank._compiled import kernels
from fixedrank.ensembles.stacked import KERNEL, Operation, StackedNetworks
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

# The weights of the velocities in each stage, in the new state and in its error.
_TABLEAU = np.zeros((7, 7))
_TABLEAU[:5, :5], _TABLEAU[5, :6], _TABLEAU[6] = RK45.A[1:], RK45.B, RK45.E
_RULES = (SAFETY, SHRINK, GROW, PART, SMALLEST, TINIEST, STEPS)


def kernel_of(networks: StackedNetworks) -> ModuleType | None:
    """Return the kernel for narrow networks, where it can be compiled."""
    return kernels(KERNEL) if networks.narrow else None


def stepper_of(networks: StackedNetworks) -> type[Stepper]:
    """Return the kind of stepper for some networks: compiled where that is possible."""
    return CompiledStepper if kernel_of(networks) else Stepper


class Rows:
    """The rows of one array, in which all lies that a kernel computes with; a lane in each column.

    Parameters
    ----------
    networks : StackedNetworks
        The widths and the problem.
    states : int
        How many arrays of the size of a state there are, beside the products between.
    lanes : int
        How many networks.
    """

    def __init__(self, networks: StackedNetworks, states: int, lanes: int) -> None:
        self.networks, self._used, self._constants = networks, 0, dict[int, Array]()
        # All products between, and the four matrices of the problem.
        matrices = 2 * len(networks.shapes) + 8
        between = matrices * np.max(networks.shapes) ** 2
        self.work = np.empty((states * networks.bounds[-1] + between, lanes))

    def room(self, shape: tuple[int, ...]) -> Array:
        """Return rows that are not used yet, as an array."""
        begin, self._used = self._used, self._used + math.prod(shape[:2])
        return self.work[begin : self._used].reshape(shape)

    def program(self, operations: Sequence[Operation]) -> NDArray[np.int64]:
        """Return operations as the kernel takes them."""
        return np.array([self._row(*each) for each in operations], np.int64)

    def _row(self, function: Callable[..., Any], a: Array, b: Array, out: Array) -> list[int]:
        """Return an operation as the kernel takes it."""
        places = [place for array in (a, b, out) for place in self._place(array)]
        kind = 1 if function is np.subtract else 2 if function is self.networks.decayed else 0
        return [kind, len(out), a.shape[1], out.shape[1], *places]

    def _place(self, array: Array) -> tuple[int, int, int]:
        """Return the row of the first entry, and how far apart rows and columns lie."""
        address, lanes = array.__array_interface__["data"][0], self.work.shape[1]
        if array.shape[2] != lanes:
            # One for all networks.
            if address not in self._constants:
                self._constants[address] = self.room((*array.shape[:2], lanes))
                self._constants[address][...] = array
            array = self._constants[address]
        size, begin = array.itemsize * lanes, self.work.__array_interface__["data"][0]
        first = (array.__array_interface__["data"][0] - begin) // size
        return first, array.strides[0] // size, array.strides[1] // size


class CompiledStepper(Stepper):
    """Steps of narrow networks by the kernel."""

    def _laid_out(self, lanes: int) -> Array:
        networks, entries = self.networks, self.networks.bounds[-1]
        rows = Rows(networks, 11, lanes)
        self._work, stages = rows.work, rows.room((11, entries, lanes))
        velocities, misfit = networks.operations(stages[8], list(stages[2:8]), rows.room)
        parts = [*velocities, misfit]
        self._operations = rows.program([each for part in parts for each in part])
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

    def advance(self, live: Mask) -> tuple[Mask, Mask]:
        """Take steps until some live lanes end; return which lanes have, and which failed."""
        kernel = kernels(KERNEL)
        assert kernel is not None
        done, lost = np.empty((2, live.size), bool)
        entries, arrays = self.networks.bounds[-1], (self.h, self.t, self.steps, live, done, lost)
        plan = (self._operations, self._starts, _TABLEAU)
        kernel.advance(self._work, entries, *plan, *arrays, self._rules)
        return done, lost
