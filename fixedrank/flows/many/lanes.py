"""What the loop over many flows asks of a kind of flow: the velocity of all, and a look at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array
from fixedrank.flows.many.steps import Lanes
from fixedrank.flows.stationarity import Linearised

Mask = NDArray[np.bool_]


class Kind(Protocol):
    """Some flows, each with its state in a lane, all of one size."""

    def __init__(self, systems: Sequence[Any]) -> None: ...

    def of(self, lanes: Lanes) -> Kind:
        """Return what is known of some of the lanes."""
        ...

    def put(self, lane: int) -> None:
        """Take up what has changed in the system of a lane."""
        ...

    def velocity(self, states: Array, lanes: Lanes) -> Array:
        """Return the velocities of the states of some lanes; NaN where they have overflowed."""
        ...

    def look(self, states: Array, lanes: Lanes) -> Mask:
        """Say of which lanes the system has to look at the state, after an accepted step.

        What systems would remember of the step is kept here, until they look.
        """
        ...

    def prepare(self, lane: int, t: float) -> None:
        """Let the system of a lane know of the steps that it has not looked at, the last at t."""
        ...

    def probe(self, lane: int) -> Linearised:
        """Return the flow in a lane as the test for rest sees it."""
        ...

    @staticmethod
    def whole(system: Any, states: Array) -> Array:
        """Return states in units and coordinates that do not change with the system."""
        ...

    def moved(self, before: Array, after: Array) -> tuple[Array, Array]:
        """Return how far the matrices, or the layers, moved at most, and their norms."""
        ...


def lengths(rows: Array) -> Array:
    """Return the norms of rows, of numbers of any size."""
    largest = np.abs(rows).max(1, initial=0.0)
    unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    return np.asarray(unit * np.linalg.norm(rows / unit[:, None], axis=1))


def finite(states: Array) -> tuple[Array, Mask]:
    """Return states with others in place of those that left the numbers, and which these are."""
    lost = ~np.isfinite(states).all(1)
    if lost.any() and not lost.all():
        states = np.where(lost[:, None], states[lost.argmin()], states)
    return states, lost
