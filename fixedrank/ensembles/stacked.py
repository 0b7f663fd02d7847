"""The layers of many small networks in one array: products, losses and velocities of all at once.

No network changes what comes out for another: entry by entry or matrix by matrix, the same sums are
taken in the same order, wherever a network stands and whatever stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from fixedrank._checks import Array
from fixedrank._packing import bounds_of, joined, split
from fixedrank.losses.regression import LinearRegression

# Up to this largest width, times the depth, an entry of all networks at a time takes less time than
# a call of BLAS for each (2026-11, 256 networks: 0.12 against 0.24 microseconds at 5 x 5, 0.39
# against 0.27 at 8 x 8). Of deep networks a few take so much longer than the others that they go on
# alone, where a call of BLAS is quicker.
_NARROW = 15


class StackedNetworks:
    """The layers of many networks of the same widths; a column of the state for each.

    Layers are three-dimensional arrays in which networks come last, so that loops over them are
    long; those of wide networks are copied, so that networks come first and BLAS takes each.

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
        self.cut = int(np.argmin(widths))
        self.narrow = max(widths) * max(2, len(self.shapes)) <= _NARROW
        # Where the rows and columns of layers are, and the products of layers.
        self._axes = (0, 1) if self.narrow else (1, 2)
        self._product: Callable[..., Array] = np.matmul
        if self.narrow:
            self._product = partial(np.einsum, "ijn,jkn->ikn")

    def state(self, networks: Sequence[Sequence[Array]]) -> Array:
        """Return the state of some networks, given by their layers, shape (entries, count)."""
        return np.array([joined(layers) for layers in networks]).T.copy()

    def velocity(self, state: Array, out: Array | None = None) -> Array:
        """Return minus the gradients of L^N, through the narrowest width.

        With W = P R and E = B - W C they are products with E R^T on the one side of it, and with
        P^T E on the other.
        """
        result = np.empty_like(state) if out is None else out
        rows = result if self.narrow else np.empty(state.shape[::-1])
        layers, targets, cut = self._layers(state), self._views(rows), self.cut
        left, right = self._from_the_narrowest(layers)
        misfit = self._between(left, self.problem.C, right)
        np.subtract(self._constant(self.problem.B), misfit, out=misfit)
        outer = self._product(misfit, self._transposed(right[-1])) if right else misfit
        for j in range(len(layers) - 1, cut, -1):
            self._product(outer, self._transposed(left[j - cut - 1]), out=targets[j])
            outer = self._product(self._transposed(layers[j]), outer)
        inner = self._product(self._transposed(left[-1]), misfit) if left else misfit
        for j in range(cut - 1):
            self._product(self._transposed(right[cut - 2 - j]), inner, out=targets[j])
            inner = self._product(inner, self._transposed(layers[j]))
        if left:
            targets[cut][...] = outer
        if right:
            targets[cut - 1][...] = inner
        if not self.narrow:
            result[...] = rows.T
        return result

    def products(self, state: Array) -> Array:
        """Return the products W, of shape (count, d_y, d_x)."""
        left, right = self._from_the_narrowest(self._layers(two_or_more(state)))
        both = self._product(left[-1], right[-1]) if left and right else (left or right)[-1]
        first = np.ascontiguousarray(np.moveaxis(both, 2, 0)) if self.narrow else both
        return first[: state.shape[1]]

    def gaps(self, state: Array, unreached: float) -> Array:
        """Return the losses above a given one, both without the part that no matrix can fit."""
        left, right = self._from_the_narrowest(self._layers(two_or_more(state)))
        misfit = self._between(left, self.problem.root, right) - self._constant(self.problem.Q)
        squares = "ijn,ijn->n" if self.narrow else "nij,nij->n"
        return np.einsum(squares, misfit, misfit)[: state.shape[1]] / 2 - unreached

    def _from_the_narrowest(self, layers: list[Array]) -> tuple[list[Array], list[Array]]:
        """Return the products of layers from the narrowest width on, to the left and the right.

        For the narrowest width d_c these are W_{c+1}, W_{c+2} W_{c+1}, ... and
        W_c, W_c W_{c-1}, ...
        """
        left, right = layers[self.cut : self.cut + 1], layers[: self.cut][-1:]
        for layer in layers[self.cut + 1 :]:
            left.append(self._product(layer, left[-1]))
        for layer in reversed(layers[: self.cut][:-1]):
            right.append(self._product(right[-1], layer))
        return left, right

    def _between(self, left: list[Array], matrix: Array, right: list[Array]) -> Array:
        """Return W times a matrix, multiplied from the right."""
        product = self._constant(matrix)
        if right:
            product = self._product(right[-1], product)
        return self._product(left[-1], product) if left else product

    def _layers(self, state: Array) -> list[Array]:
        return self._views(state if self.narrow else state.T.copy())

    def _views(self, rows: Array) -> list[Array]:
        if not self.narrow:
            return split(rows, self.shapes, self.bounds)
        parts = zip(self.bounds, self.bounds[1:], self.shapes, strict=False)
        return [rows[start:end].reshape(*shape, -1) for start, end, shape in parts]

    def _transposed(self, stack: Array) -> Array:
        return stack.swapaxes(*self._axes)

    def _constant(self, matrix: Array) -> Array:
        return matrix[:, :, None] if self.narrow else matrix


def two_or_more(state: Array) -> Array:
    """Return a state of two columns or more, by rows: of others sums come in another order."""
    return np.repeat(state, 2, axis=1) if state.shape[1] == 1 else np.ascontiguousarray(state)
