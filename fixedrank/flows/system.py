"""A flow as the loop sees it: a vector that moves, and what is to be known of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array


@dataclass(frozen=True)
class Restart:
    """Go on from another state (another frame, rank or scale), with a step of at most so much."""

    state: Array
    step: float = math.inf


@dataclass(frozen=True)
class Stop:
    """Stop here, for a reason in words; with `rest`, the state stays as it is from now on."""

    reason: str
    rest: bool
    # Whether it would stop here however long the time was.
    for_good: bool = True
    # Whether the state is recorded as the last one, between two asked times.
    kept: bool = False


class System(Protocol):
    """An autonomous flow: the velocity depends on the state only."""

    # Names of the attributes that change, and what the flow goes on from.
    remembered: tuple[str, ...]

    def turned(self, state: Array, rotation: Array) -> Array:
        """Return the state of W E for that of W, with an orthogonal matrix E."""
        ...

    def right_hand_side(self, t: float, state: Array) -> Array:
        """Return the velocity; t is the time of a solver, of no meaning here."""
        ...

    def tolerances(self, state: Array, rtol: float, atol: float | None) -> tuple[float, Any]:
        """Return the tolerances of the state: relative, and absolute for all or each entry.

        Without `atol` the system takes one that is relative to the state.
        """
        ...

    def inspect(self, t: float, state: Array) -> Restart | Stop | None:
        """Look at the state after an accepted step."""
        ...

    def loss(self, state: Array) -> float:
        """Return the loss, for the progress bar."""
        ...

    def moved(self, before: Array, after: Array) -> tuple[float, float]:
        """Return how far the matrix, or the layers, moved, and their norm."""
        ...

    def smallest(self, state: Array) -> float:
        """Return what is kept to relative accuracy and may tend to zero."""
        ...

    def linearisation(self, state: Array) -> tuple[LinearOperator, Array, Array]:
        """Return the rates, the gradient and the lengths that a test for rest needs."""
        ...

    def corrected(self, state: Array, displacement: Array) -> Array:
        """Return the state less a small displacement, in coordinates times their lengths."""
        ...
