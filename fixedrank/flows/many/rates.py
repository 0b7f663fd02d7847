"""The rates at a state as a matrix, from velocities at many states near it at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array

# A matrix of more rows takes more time than a few products with it.
DENSE = 400


@dataclass(frozen=True)
class Probe:
    """A flow as the test for rest sees it, with rates that are cheaper."""

    system: Any
    rates: Callable[[Array], tuple[LinearOperator, Array, Array]]
    corrected: Callable[[Array, Array], Array]

    def moved(self, before: Array, after: Array) -> tuple[float, float]:
        """Return how far the matrix, or the layers, moved, and their norm."""
        moved: tuple[float, float] = self.system.moved(before, after)
        return moved

    def smallest(self, state: Array) -> float:
        """Return what is kept to relative accuracy and may tend to zero."""
        return float(self.system.smallest(state))

    def linearisation(self, state: Array) -> tuple[LinearOperator, Array, Array]:
        """Return the rates, the gradient, and the length of each coordinate."""
        return self.rates(state)
