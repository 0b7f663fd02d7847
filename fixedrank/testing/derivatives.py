"""Derivatives at 0 of values along a curve, by extrapolated differences with an error estimate."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fixedrank._checks import Array
from fixedrank.testing.curves import Samples, sample

_COLUMNS = 4
# Where values take long, so many steps are tried, and more only where they do not suffice.
_COUNTS = (8, 12, 18, 27)
# So many times their round-off, differences over shorter steps may be away from the derivative.
_NOISE = 8.0


@dataclass(frozen=True)
class Derivative:
    """A derivative, and an estimate of its error."""

    value: Array
    error: float


def derivative(samples: Samples, order: int) -> Derivative:
    """Return the first or second derivative at 0.

    Central differences over steps that halve are extrapolated to the step 0 (Richardson). The
    error of an entry of the table is how far it is from those that it comes from and from the next
    in its column. The entry with the smallest error is taken, of those which the differences over
    shorter steps confirm up to their round-off: a curve may be as smooth far from its start as
    near it, and another one.
    """
    t = samples.steps[:, None]
    if order == 1:
        differences = (samples.forward - samples.backward) / (2 * t)
        noise = samples.noise / samples.steps
    else:
        differences = (samples.forward - 2 * samples.start + samples.backward) / t**2
        noise = 4 * samples.noise / samples.steps**2
    entries: list[tuple[bool, float, int, Array]] = []
    table = differences
    for column in range(1, _COLUMNS + 1):
        finer, coarser = table[1:], table[:-1]
        table = finer + (finer - coarser) / (4.0**column - 1)
        errors = np.maximum(
            np.linalg.norm(table - finer, axis=1), np.linalg.norm(table - coarser, axis=1)
        )[:-1]
        errors = np.maximum(errors, np.linalg.norm(np.diff(table, axis=0), axis=1))
        for i, error in enumerate(errors + noise[column:-1]):
            away = np.linalg.norm(differences[i + column + 1 :] - table[i], axis=1)
            allowed = _NOISE * (noise[i + column + 1 :] + error)
            entries.append((bool((away > allowed).any()), float(error), column, table[i]))
    _, error, _, value = min(entries, key=lambda entry: entry[:2])
    return Derivative(value, error)


def derivative_with_few_steps(
    function: Callable[[float], Array], start: Array, longest: float, order: int, wanted: float
) -> Derivative:
    """Return a derivative at 0 whose estimated error is below what is wanted, or the best one."""
    known = functools.cache(function)
    found: list[Derivative] = []
    for count in _COUNTS:
        found.append(derivative(sample(known, start, longest, count)[0], order))
        if found[-1].error <= wanted:
            break
    return min(found, key=lambda measured: measured.error)
