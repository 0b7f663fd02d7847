"""The layers of many small networks in one array: products, losses and velocities of all at once.

No network changes what comes out for another: entry by entry or matrix by matrix, the same sums are
taken in the same order, wherever a network stands and whatever stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from fixedrank._checks import Array
from fixedrank._compiled import kernels
from fixedrank._packing import bounds_of, joined, split
from fixedrank.losses.regression import LinearRegression

# A function, its operands and where the result goes.
Operation: TypeAlias = tuple[Callable[..., Any], Array, Array, Array]

# Up to this largest width, times the depth, an entry of all networks at a time takes less time than
# a call of BLAS for each (2026-11, 256 networks: 0.12 against 0.24 microseconds at 5 x 5, 0.39
# against 0.27 at 8 x 8). Of deeper networks more go on in few lanes, where BLAS is quicker.
_NARROW = 20
# Compiled it does so up to this (2026-11, six layers of 6 x 6: 11 ms a run against 22 ms).
_NARROW_COMPILED = 40
KERNEL = "fixedrank.ensembles.kernel"


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
    weight_decay : float
        The rate at which layers decay.
    """

    def __init__(
        self, problem: LinearRegression, widths: Sequence[int], weight_decay: float = 0.0
    ) -> None:
        self.problem, self.weight_decay = problem, weight_decay
        self.decayed = partial(_decayed, weight_decay)
        self.shapes = [(a, b) for b, a in pairwise(widths)]
        self.bounds = bounds_of(self.shapes)
        self.cut = int(np.argmin(widths))
        limit = _NARROW_COMPILED if kernels(KERNEL) else _NARROW
        self.narrow = max(widths) * max(2, len(self.shapes)) <= limit
        # Where the rows and columns of layers are, and the networks; and the products of layers.
        self._axes, self._networks = ((0, 1), 2) if self.narrow else ((1, 2), 0)
        self._product: Callable[..., Array] = np.matmul
        if self.narrow:
            self._product = partial(np.einsum, "ijn,jkn->ikn")

    def state(self, networks: Sequence[Sequence[Array]]) -> Array:
        """Return the state of some networks, given by their layers, shape (entries, count)."""
        return np.array([joined(layers) for layers in networks]).T.copy()

    def velocity(self, state: Array) -> Array:
        """Return minus the gradients of L^N, and of weight decay."""
        result = np.empty_like(state)
        for call in self.calls(state, [result])[0]:
            call()
        return result

    def calls(self, state: Array, outs: Sequence[Array]) -> list[list[Callable[[], object]]]:
        """Return, for each of some arrays, the calls that write minus the gradients of L^N to it.

        They read what the state then holds, and leave what is between in arrays of their own.
        """

        def prepared(operations: list[Operation]) -> list[Callable[[], object]]:
            return [partial(function, a, b, out=out) for function, a, b, out in operations]

        if self.narrow:
            return [prepared(each) for each in self.operations(state, outs)[0]]
        rows, result = np.empty((2, *state.shape[::-1]))
        (between,), _ = self.operations(rows, [result])
        calls: list[Callable[[], object]] = [partial(np.copyto, rows, state.T)]
        calls += prepared(between)
        return [[*calls, partial(np.copyto, out, result.T)] for out in outs]

    def operations(
        self, rows: Array, outs: Sequence[Array], room: Callable[..., Array] = np.empty
    ) -> tuple[list[list[Operation]], list[Operation]]:
        """Return the operations that write velocities to some arrays, and one more, of misfits.

        Through the narrowest width, with W = P R and E = B - W C, the velocities are products with
        E R^T on the one side of it, and with P^T E on the other. The last operations write W Z - Q
        for the root Z of C, after one of the others. What is between is the same for all.

        Parameters
        ----------
        rows : ndarray
            The layers, a network in a column if they are narrow and in a row if not.
        outs : sequence of ndarray
            Where the velocities go.
        room : callable
            Returns an array of a shape.
        """
        kept: dict[int, Array] = {}
        done: list[Operation] = []

        def product(a: Array, b: Array, out: Array | None = None) -> Array:
            if out is None:
                number = len(done)
                if number not in kept:
                    kept[number] = room(self._shape(a, b))
                out = kept[number]
            done.append((self._product, a, b, out))
            return out

        layers, cut, last = self._views(rows), self.cut, len(self.shapes) - 1
        turned, found = self._transposed, []
        for out in outs:
            done.clear()
            targets = self._views(out)
            left, right = self._from_the_narrowest(layers, product)
            misfit = self._between(left, self.problem.C, right, product)
            # What ends the chains of products on both sides is the velocity there.
            here = targets[0] if last == 0 else misfit
            done.append((np.subtract, self._constant(self.problem.B), misfit, here))
            outer = inner = misfit
            if left and right:
                outer = product(misfit, turned(right[-1]), targets[cut] if cut == last else None)
                inner = product(turned(left[-1]), misfit, targets[0] if cut == 1 else None)
            for j in range(last, cut, -1):
                product(outer, turned(left[j - cut - 1]), targets[j])
                outer = product(turned(layers[j]), outer, targets[cut] if j == cut + 1 else None)
            for j in range(cut - 1):
                product(turned(right[cut - 2 - j]), inner, targets[j])
                inner = product(
                    inner, turned(layers[j]), targets[cut - 1] if j == cut - 2 else None
                )
            if self.weight_decay:
                done += [
                    (self.decayed, *pair, pair[0]) for pair in zip(targets, layers, strict=True)
                ]
            found.append(done[:])
        done.clear()
        kept.clear()
        misfit = self._between(left, self.problem.root, right, product)
        done.append((np.subtract, misfit, self._constant(self.problem.Q), misfit))
        return found, done

    def products(self, state: Array) -> Array:
        """Return the products W, of shape (count, d_y, d_x)."""
        left, right = self._from_the_narrowest(self._layers(two_or_more(state)), self._product)
        both = self._product(left[-1], right[-1]) if left and right else (left or right)[-1]
        first = np.ascontiguousarray(np.moveaxis(both, 2, 0)) if self.narrow else both
        return first[: state.shape[1]]

    def gaps(self, state: Array, unreached: float) -> Array:
        """Return the losses above a given one, both without the part that no matrix can fit.

        With weight decay, the losses with half of it times the squares of all entries.
        """
        left, right = self._from_the_narrowest(self._layers(two_or_more(state)), self._product)
        misfit = self._between(left, self.problem.root, right, self._product)
        misfit -= self._constant(self.problem.Q)
        squares = "ijn,ijn->n" if self.narrow else "nij,nij->n"
        sums = np.einsum(squares, misfit, misfit)[: state.shape[1]]
        if self.weight_decay:
            both = two_or_more(state)
            sums = sums + self.weight_decay * np.einsum("en,en->n", both, both)[: state.shape[1]]
        return sums / 2 - unreached

    def _from_the_narrowest(
        self, layers: list[Array], product: Callable[..., Array]
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
        self, left: list[Array], matrix: Array, right: list[Array], product: Callable[..., Array]
    ) -> Array:
        """Return W times a matrix, multiplied from the right."""
        between = self._constant(matrix)
        if right:
            between = product(right[-1], between)
        return product(left[-1], between) if left else between

    def _shape(self, a: Array, b: Array) -> tuple[int, int, int]:
        """Return the shape of products of matrices."""
        count = max(a.shape[self._networks], b.shape[self._networks])
        rows, columns = a.shape[self._axes[0]], b.shape[self._axes[1]]
        return (rows, columns, count) if self.narrow else (count, rows, columns)

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


def _decayed(rate: float, velocity: Array, layer: Array, out: Array) -> Array:
    """Return a velocity less so many times the layer."""
    return np.subtract(velocity, rate * layer, out=out)


def two_or_more(state: Array) -> Array:
    """Return a state of two columns or more, by rows: of others sums come in another order."""
    return np.repeat(state, 2, axis=1) if state.shape[1] == 1 else np.ascontiguousarray(state)
