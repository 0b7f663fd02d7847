"""A step of the method of Dormand and Prince, of order 5(4), of many networks at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import RK45

from fixedrank._checks import Array


def step(
    velocity: Callable[[Array, Array], Array],
    stages: Array,
    h: Array,
    rtol: float,
    absolute: Array,
) -> Array:
    """Take a step of each column, and return the errors in parts of what is tolerated.

    Parameters
    ----------
    velocity : callable
        Writes the velocities at a state to an array.
    stages : ndarray, shape (11, entries, count)
        The state and the velocity there, from which are computed: six more velocities, the new
        state, the errors of its entries and what of each is tolerated.
    h : ndarray, shape (count,)
        The sizes of the steps.
    rtol : float
        Relative tolerance.
    absolute : ndarray, shape (count,)
        Absolute tolerances.
    """
    y, (new, error, scale) = stages[0], stages[8:]
    for stage, weights in enumerate((*RK45.A[1:], RK45.B), start=1):
        np.einsum("s,sen->en", weights[:stage], stages[1 : stage + 1], out=new)
        new *= h
        new += y
        velocity(new, stages[stage + 1])
    np.maximum(np.abs(y, out=error), np.abs(new, out=scale), out=scale)
    scale *= rtol
    scale += absolute
    np.einsum("s,sen->en", RK45.E, stages[1:8], out=error)
    error *= h
    error /= scale
    return root_mean_square(error)


def root_mean_square(columns: Array) -> Array:
    """Return the root of the mean of the squares of each column, of two or more."""
    return np.asarray(np.sqrt(np.einsum("en,en->n", columns, columns) / len(columns)))
