"""The rates at a state as a matrix, from velocities at many states near it at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array

# A matrix of more rows takes more time than a few products with it.
DENSE = 400


class KnownRates(LinearOperator):
    """Rates as a matrix, with the noise of the differences that it is made of.

    Parameters
    ----------
    products : callable
        Returns the products with the rows of an array, as rows.
    size : int
        The number of rows.
    """

    def __init__(self, products: Callable[[Array], Array], size: int) -> None:
        super().__init__(np.float64, (size, size))
        pair = np.random.default_rng(0).standard_normal((2, size))
        pair /= np.linalg.norm(pair, axis=1, keepdims=True)
        images = products(np.concatenate((np.eye(size), pair, pair.sum(0, keepdims=True))))
        matrix, (first, second, both) = images[:size], images[size:]
        self.matrix = (matrix + matrix.T) / 2
        defect = float(np.linalg.norm(both - first - second))
        # As that of an operator by differences is found: by how far it is from additive.
        self.noise = max(defect, float(np.finfo(float).eps) * float(np.linalg.norm(both)))

    def _matvec(self, vector: Array) -> Array:
        return self.matrix @ np.ravel(vector)


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
