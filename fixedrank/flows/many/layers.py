"""The layers of many networks: their velocities at once, and what is looked at after each step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank._packing import split
from fixedrank.flows.changes import CHANGE
from fixedrank.flows.known_rates import KnownRates
from fixedrank.flows.many.lanes import Mask, finite, lengths
from fixedrank.flows.many.rates import DENSE, Probe
from fixedrank.flows.many.steps import Lanes
from fixedrank.geometry.factored.stacks import transposed
from fixedrank.networks.gradients import StackedProducts


class ManyLayers:
    """The layers of many networks, one after another in the rows of an array.

    Parameters
    ----------
    systems : sequence
        The flow of each.
    """

    def __init__(self, systems: Sequence[Any]) -> None:
        self.systems = list(systems)
        first = systems[0]
        self.problem, self.shapes, self.bounds = first.problem, first.shapes, first.bounds
        self.weight_decay = first.weight_decay
        # Of systems whose tolerance is absolute it stays NaN, and nothing is true of it.
        self.scale = np.full((len(systems), len(self.shapes)), np.nan)
        for lane in range(len(systems)):
            self.put(lane)

    def of(self, lanes: Lanes) -> ManyLayers:
        """Return what is known of some of the lanes."""
        return ManyLayers([self.systems[lane] for lane in lanes])

    def put(self, lane: int) -> None:
        """Take up what has changed in the system of a lane."""
        scale = self.systems[lane].scale
        if scale is not None:
            self.scale[lane] = scale

    def velocity(self, states: Array, lanes: Lanes) -> Array:
        """Return the velocities of states; NaN where they have overflowed."""
        states, lost = finite(states)
        if lost.all():
            return np.full_like(states, np.nan)
        layers = split(states, self.shapes, self.bounds)
        products = StackedProducts(layers)
        left, right = products.left, transposed(products.right)
        outer, inner = self.problem._stacked_products(left, None, right)
        gradients = products.gradients(outer, inner, self.weight_decay)
        result = np.empty_like(states)
        for part, gradient in zip(split(result, self.shapes, self.bounds), gradients, strict=True):
            np.negative(gradient, out=part)
        result[lost] = np.nan
        return result

    def look(self, states: Array, lanes: Lanes) -> Mask:
        """Say of which networks a layer has grown or shrunk."""
        norms, scale = self.norms(states), self.scale[lanes]
        return np.asarray(((norms > CHANGE * scale) | (scale > CHANGE * norms)).any(1))

    def prepare(self, lane: int, t: float) -> None:
        """Do nothing: layers remember no step."""

    def probe(self, lane: int) -> Any:
        """Return the flow in a lane as the test for rest sees it."""
        system = self.systems[lane]
        if self.bounds[-1] > DENSE:
            return system
        return Probe(system, partial(self._rates, lane), system.corrected)

    def _rates(self, lane: int, state: Array) -> tuple[KnownRates, Array, Array]:
        """Return the Hessian by central differences, as a single flow does, and the gradient."""
        # Where all layers are zero what matters is linear: nothing cancels, however small.
        scale = 1e-6 * float(lengths(state[None])[0]) or 1e-100

        def hessian(directions: Array) -> Array:
            steps = scale / np.maximum(lengths(directions), np.finfo(float).tiny)[:, None]
            away = steps * directions
            states = np.concatenate((state + away, state - away))
            ahead, behind = np.split(self.velocity(states, np.full(len(states), lane)), 2)
            return (behind - ahead) / (2 * steps)

        gradient = -self.velocity(state[None], np.array([lane]))[0]
        return KnownRates(hessian, state.size), gradient, np.ones(state.size)

    @staticmethod
    def whole(system: Any, states: Array) -> Array:
        """Return the states, whose units are those of the layers."""
        return states

    def norms(self, states: Array) -> Array:
        """Return the norms of the layers."""
        parts = (states[:, start:end] for start, end in pairwise(self.bounds))
        return np.array([lengths(part) for part in parts]).T

    def moved(self, before: Array, after: Array) -> tuple[Array, Array]:
        """Return how far the layers moved, and their norms."""
        return lengths(after - before), lengths(after)
