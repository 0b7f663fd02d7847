"""Which samples the steps of an epoch take: all of them once, in a fresh order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Batches:
    """Batches of samples in the order of a permutation, a fresh one for each epoch.

    Parameters
    ----------
    samples : int
        How many there are.
    size : int
        How many a batch has; the last one of an epoch has what is left.
    generator : numpy.random.Generator
        Draws the permutations.
    """

    def __init__(self, samples: int, size: int, generator: np.random.Generator) -> None:
        self.samples, self.size, self.generator = samples, size, generator
        self.an_epoch = math.ceil(samples / size)
        self.taken = self.an_epoch
        self.before: Any = None
        self.order: NDArray[np.intp] = np.empty(0, dtype=np.intp)

    def next(self) -> NDArray[np.intp]:
        """Return the numbers of the samples of the next batch."""
        if self.taken == self.an_epoch:
            self._shuffle()
        first = self.taken * self.size
        self.taken += 1
        return self.order[first : first + self.size]

    def _shuffle(self) -> None:
        self.before = self.generator.bit_generator.state
        self.order, self.taken = self.generator.permutation(self.samples), 0

    @property
    def place(self) -> tuple[Any, int]:
        """The state of the generator before this epoch, and how many batches it has given."""
        return self.before, self.taken

    @place.setter
    def place(self, place: tuple[Any, int]) -> None:
        before, taken = place
        if before is not None:
            self.generator.bit_generator.state = before
            self._shuffle()
        self.taken = taken
