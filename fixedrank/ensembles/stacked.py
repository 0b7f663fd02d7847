"""The layers of many small networks in one array: products, losses and velocities of all at once.

No network changes what comes out for another: entry by entry or matrix by matrix, the same sums are
taken in the same order, wherever a network stands and whatever stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from fixedrank._checks import Array
from fixedrank._packing import bounds_of, joined, split
from fixedrank.losses.regression import LinearRegression

Call: TypeAlias = Callable[[], object]
Product: TypeAlias = Callable[..., Array]

# Up to this largest width, times the depth, an entry of all networks at a time takes less time than
# a call of BLAS for each (2026-11, 256 networks: 0.12 against 0.24 microseconds at 5 x 5, 0.39
# against 0.27 at 8 x 8). Of deeper networks more go on in few lanes, where BLAS is quicker.
_NARROW = 20


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
        # Where the rows and columns of layers are, and the networks; and the products of layers.
        self._axes, self._networks = ((0, 1), 2) if self.narrow else ((1, 2), 0)
        self._product: Callable[..., Array] = np.matmul
        if self.narrow:
            self._product = partial(np.einsum, "ijn,jkn->ikn")

    def state(self, networks: Sequence[Sequence[Array]]) -> Array:
        """Return the state of some networks, given by their layers, shape (entries, count)."""
        return np.array([joined(layers) for layers in networks]).T.copy()

    def velocity(self, state: Array) -> Array:
        """Return minus the gradients of L^N."""
        result = np.empty_like(state)
        for call in self.velocities(state, [result])[0]:
            call()
        return result

    def velocities(self, state: Array, outs: Iterable[Array]) -> list[list[Call]]:
        """Return, for each of some arrays, the calls that write minus the gradients of L^N to it.

        They read what the state then holds, and leave what is between in arrays of their own.
        """
        rows = state if self.narrow else np.empty(state.shape[::-1])
        result, kept = np.empty(0 if self.narrow else rows.shape), dict[int, Array]()
        if self.narrow:
            return [self._calls(rows, out, kept) for out in outs]
        calls: list[Call] = [partial(np.copyto, rows, state.T)]
        calls += self._calls(rows, result, kept)
        return [[*calls, partial(np.copyto, out, result.T)] for out in outs]

    def _calls(self, rows: Array, out: Array, kept: dict[int, Array]) -> list[Call]:
        """Return the calls that write velocities; the arrays between are kept by their number.

        Through the narrowest width, with W = P R and E = B - W C, the velocities are products with
        E R^T on the one side of it, and with P^T E on the other.
        """
        calls: list[Call] = []

        def product(a: Array, b: Array, out: Array | None = None) -> Array:
            room = kept.setdefault(len(calls), self._room(a, b)) if out is None else out
            calls.append(partial(self._product, a, b, out=room))
            return room

        layers, targets, cut = self._views(rows), self._views(out), self.cut
        left, right = self._from_the_narrowest(layers, product)
        misfit = self._between(left, self.problem.C, right, product)
        calls.append(partial(np.subtract, self._constant(self.problem.B), misfit, out=misfit))
        outer = product(misfit, self._transposed(right[-1])) if right else misfit
        for j in range(len(layers) - 1, cut, -1):
            product(outer, self._transposed(left[j - cut - 1]), targets[j])
            outer = product(self._transposed(layers[j]), outer)
        inner = product(self._transposed(left[-1]), misfit) if left else misfit
        for j in range(cut - 1):
            product(self._transposed(right[cut - 2 - j]), inner, targets[j])
            inner = product(inner, self._transposed(layers[j]))
        if left:
            calls.append(partial(np.copyto, targets[cut], outer))
        if right:
            calls.append(partial(np.copyto, targets[cut - 1], inner))
        return calls

    def products(self, state: Array) -> Array:
        """Return the products W, of shape (count, d_y, d_x)."""
        left, right = self._from_the_narrowest(self._layers(two_or_more(state)), self._product)
        both = self._product(left[-1], right[-1]) if left and right else (left or right)[-1]
        first = np.ascontiguousarray(np.moveaxis(both, 2, 0)) if self.narrow else both
        return first[: state.shape[1]]

    def gaps(self, state: Array, unreached: float) -> Array:
        """Return the losses above a given one, both without the part that no matrix can fit."""
        left, right = self._from_the_narrowest(self._layers(two_or_more(state)), self._product)
        misfit = self._between(left, self.problem.root, right, self._product)
        misfit -= self._constant(self.problem.Q)
        squares = "ijn,ijn->n" if self.narrow else "nij,nij->n"
        return np.einsum(squares, misfit, misfit)[: state.shape[1]] / 2 - unreached

    def _from_the_narrowest(
        self, layers: list[Array], product: Product
    ) -> tuple[list[Array], list[Array]]:
        """Return the products of layers from the narrowest width on, to the left and the right.

        For the narrowest width d_c these are W_{c+1}, W_{c+2} W_{c+1}, ... and
        W_c, W_c W_{c-1}, ...
        """
        left, right = layers[self.cut : self.cut + 1], layers[: self.cut][-1:]
        for layer in layers[self.cut + 1 :]:
            left.append(product(layer, left[-1]))
        for layer in reversed(layers[: self.cut][:-1]):
            right.append(product(right[-1], layer))
        return left, right

    def _between(
        self, left: list[Array], matrix: Array, right: list[Array], product: Product
    ) -> Array:
        """Return W times a matrix, multiplied from the right."""
        between = self._constant(matrix)
        if right:
            between = product(right[-1], between)
        return product(left[-1], between) if left else between

    def _room(self, a: Array, b: Array) -> Array:
        """Return an array for products of matrices."""
        count = max(a.shape[self._networks], b.shape[self._networks])
        rows, columns = a.shape[self._axes[0]], b.shape[self._axes[1]]
        return np.empty((rows, columns, count) if self.narrow else (count, rows, columns))

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
        return np.expand_dims(matrix, self._networks)


def two_or_more(state: Array) -> Array:
    """Return a state of two columns or more, by rows: of others sums come in another order."""
    return np.repeat(state, 2, axis=1) if state.shape[1] == 1 else np.ascontiguousarray(state)
