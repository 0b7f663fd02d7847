"""Coefficients of the stabilised method for the numbers of stages that are kept, as arrays."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixedrank.flows.rock_coefficients import coefficients

# All small numbers of stages, then each some 6 % above the one before: the next one that is kept
# costs that much more than the one that would do.
_FIRST, _EACH, _MOST, _GROWTH = 5, 20, 250, 1.06
# The last four stages are apart from those of the recurrence.
_LAST = 4


class RockTables(NamedTuple):
    """Methods of growing numbers of stages, one after another along the first axis.

    Attributes
    ----------
    steps : ndarray, shape (count,)
        How many stages the recurrence has.
    lengths : ndarray, shape (count,)
        The lengths of the intervals of stability.
    recurrence : ndarray, shape (count, most - 4, 3)
        mu, nu and the times of the stages of the recurrence, zero beyond the last one.
    abscissae : ndarray, shape (count, 5)
        The times of the last four stages, and one: that of the end of the step.
    inner : ndarray, shape (count, 5, 5)
        Their lower triangular matrix, and below it their weights, which make the end of the step.
    estimate : ndarray, shape (count, 5)
        The weights of the error, for the last stage of the recurrence and the last four.
    """

    steps: NDArray[np.int32]
    lengths: NDArray[np.float64]
    recurrence: NDArray[np.float64]
    abscissae: NDArray[np.float64]
    inner: NDArray[np.float64]
    estimate: NDArray[np.float64]


@functools.cache
def rock_tables() -> RockTables:
    """Return all methods that are kept."""
    stages = list(range(_FIRST, _EACH + 1))
    while stages[-1] < _MOST:
        stages.append(min(_MOST, math.ceil(_GROWTH * stages[-1])))
    count = len(stages)
    recurrence, inner = np.zeros((count, _MOST - _LAST, 3)), np.zeros((count, 5, 5))
    methods = [coefficients(number) for number in stages]
    for index, method in enumerate(methods):
        recurrence[index, : len(method.steps)] = method.steps
        for row, values in enumerate((*method.inner, method.outer), start=1):
            inner[index, row, :row] = values
    number = np.array(stages)
    return RockTables(
        (number - _LAST).astype(np.int32),
        0.3531 * number**2.0 - 2.9,
        recurrence,
        np.array([(*method.abscissae, 1.0) for method in methods]),
        inner,
        np.array([method.estimate for method in methods]),
    )
