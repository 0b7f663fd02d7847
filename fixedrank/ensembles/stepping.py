"""Steps of the method of Dormand and Prince, of order 5(4), of many networks at once."""

from __future__ import annotations

import numpy as np
from scipy.integrate import RK45

from fixedrank._checks import Array
from fixedrank.ensembles.stacked import StackedNetworks


class Stepper:
    """Steps of some networks, each in a lane.

    Parameters
    ----------
    networks : StackedNetworks
        The widths and the problem.
    lanes : int
        How many networks, two or more.

    Attributes
    ----------
    stages : ndarray, shape (11, entries, lanes)
        The state and the velocity there, from which a step computes: six more velocities, the new
        state, the errors of its entries and what of each is tolerated.
    """

    def __init__(self, networks: StackedNetworks, lanes: int) -> None:
        self.stages = np.empty((11, networks.bounds[-1], lanes))
        velocities = networks.velocities(self.stages[8], self.stages[2:8])
        # The weights of each stage, the velocities that they weigh, and the calls for the next.
        self._plan = [
            (weights[:stage], self.stages[1 : stage + 1], calls)
            for stage, (weights, calls) in enumerate(
                zip((*RK45.A[1:], RK45.B), velocities, strict=True), start=1
            )
        ]

    def step(self, h: Array, rtol: float, absolute: Array) -> Array:
        """Take a step of each network, and return the errors in parts of what is tolerated.

        Parameters
        ----------
        h : ndarray, shape (lanes,)
            The sizes of the steps.
        rtol : float
            Relative tolerance.
        absolute : ndarray, shape (lanes,)
            Absolute tolerances.
        """
        y, (new, error, scale) = self.stages[0], self.stages[8:]
        for weights, before, calls in self._plan:
            np.einsum("s,sen->en", weights, before, out=new)
            new *= h
            new += y
            for call in calls:
                call()
        np.maximum(np.abs(y, out=error), np.abs(new, out=scale), out=scale)
        scale *= rtol
        scale += absolute
        np.einsum("s,sen->en", RK45.E, self.stages[1:8], out=error)
        error *= h
        error /= scale
        return root_mean_square(error)


def root_mean_square(columns: Array) -> Array:
    """Return the root of the mean of the squares of each column, of two or more."""
    return np.asarray(np.sqrt(np.einsum("en,en->n", columns, columns) / len(columns)))
