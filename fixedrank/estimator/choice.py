"""Penalties chosen by entries that are held out, on a path from the strongest ridge downwards."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array
from fixedrank.estimator.fitting import swept
from fixedrank.estimator.objective import Model, Penalties, Table
from fixedrank.estimator.sweeps import Sweeps
from fixedrank.recovery.directions import leading_triples

# From one ridge to the next, down to this share of the first.
_STEP, _LAST = 0.7, 1e-6
# The biases are shrunk as if there were so many more entries of the average.
_SHRINKAGES = 2.0 ** np.arange(-4, 9)
# A choice needs no more entries held out than these: errors of neighbours on the path differ far
# less than their own standard error, since they are of the same entries. Nor more parts.
_ENOUGH, _PARTS = 2000, 5
# After so many steps a fall of the mean square error by less than this share counts as none.
_MANY, _NOTHING = 8, 1e-3
# How precisely, and in how many sweeps at most, the models on the path are fitted.
_ROUGH, _SWEEPS = 1e-3, 6


class Choice(NamedTuple):
    """Penalties, a model that was fitted with them, and the path: ridges and mean square errors."""

    penalties: Penalties
    model: Model
    ridges: Array
    errors: Array


class _Fold:
    """A part of the entries, the others that are held out, and the last model of the part."""

    def __init__(self, table: Table, out: NDArray[np.bool_], rng: np.random.Generator) -> None:
        self.sweeps = Sweeps(table.subset(np.flatnonzero(~out)))
        self.test = table.subset(np.flatnonzero(out))
        self.model, self.rng = Model.zero(table.shape), rng

    def error(self, penalties: Penalties, rank: int, tol: float) -> float:
        """Go on to other penalties, and return the mean square error on what is held out."""
        self.model, _ = swept(
            self.sweeps, self.model, penalties, rank, tol=tol, max_iter=_SWEEPS, rng=self.rng
        )
        return self.test.mean_square(self.model)


def chosen(
    table: Table,
    rank: int,
    ridge: float | None,
    shrinkage: float | None,
    held_out: float,
    rng: np.random.Generator,
) -> Choice:
    """Choose the penalties that are None by entries that are held out.

    The ridge is that of the whole table: the best one grows with the noise of the entries, and
    hardly with their number.
    """
    if ridge is not None and shrinkage is not None:
        model = Model.zero(table.shape)
        return Choice(Penalties(ridge, shrinkage), model, np.zeros(0), np.zeros(0))
    if table.values.size < 2:
        raise ValueError(
            "with n_samples = 1 pair of row and column nothing can be held out to choose a "
            "penalty: give ridge and shrinkage as numbers"
        )
    folds = list(_folds(table, held_out, rng))

    def error(penalties: Penalties, of_rank: int, tol: float) -> float:
        return float(np.mean([fold.error(penalties, of_rank, tol) for fold in folds]))

    if shrinkage is None:
        unit = float(np.mean(table.weights))
        tried, errors = _descending(
            (unit * one for one in _SHRINKAGES[::-1]),
            lambda one: error(Penalties(math.inf, one), 0, _ROUGH / 10),
        )
        shrinkage = _least(tried, errors)
    for fold in folds:
        fold.error(Penalties(math.inf, shrinkage), 0, _ROUGH / 10)
    if ridge is not None:
        return Choice(Penalties(ridge, shrinkage), folds[0].model, np.zeros(0), np.zeros(0))
    largest = max(_largest_ridge(fold) for fold in folds)
    models: list[Model] = []

    def on_the_path(one: float) -> float:
        found = error(Penalties(one, shrinkage), rank, _ROUGH)
        models.append(folds[0].model)
        return found

    steps = itertools.takewhile(lambda share: share >= _LAST, (_STEP**i for i in itertools.count()))
    tried, errors = _descending((largest * share for share in steps), on_the_path)
    return Choice(
        Penalties(_least(tried, errors), shrinkage),
        models[int(np.argmin(errors))],
        np.array(tried),
        np.array(errors),
    )


def _folds(table: Table, held_out: float, rng: np.random.Generator) -> Iterator[_Fold]:
    """Yield disjoint parts that are held out, until they are enough."""
    count = table.values.size
    size = min(max(1, round(held_out * count)), count - 1)
    order = rng.permutation(count)
    for start in range(0, min(count - size + 1, _ENOUGH, _PARTS * size), size):
        out = np.zeros(count, dtype=bool)
        out[order[start : start + size]] = True
        yield _Fold(table, out, rng)


def _descending(
    values: Iterator[float], error: Callable[[float], float]
) -> tuple[list[float], list[float]]:
    """Try one after the other until it brings nothing any more.

    That is where the error has not fallen twice in a row, or by next to nothing, as where the rank
    alone holds the model back.
    """
    tried: list[float] = []
    errors: list[float] = []
    for value in values:
        tried.append(value)
        errors.append(error(value))
        least = 1.0 if len(errors) < _MANY else 1 - _NOTHING
        if len(errors) > 2 and all(
            after >= least * before for before, after in itertools.pairwise(errors[-3:])
        ):
            break
    return tried, errors


def _least(tried: Sequence[float], errors: Sequence[float]) -> float:
    """Return where the parabola through the least error and its neighbours, by logarithms, ends."""
    best = int(np.argmin(errors))
    if not 0 < best < len(tried) - 1:
        return tried[best]
    before, here, after = errors[best - 1 : best + 2]
    bend = before - 2 * here + after
    shift = (before - after) / (2 * bend) if bend > 0 else 0.0
    # The steps are equal by their logarithms.
    return tried[best] * (tried[best + 1] / tried[best]) ** shift


def _largest_ridge(fold: _Fold) -> float:
    """Return from which ridge on the best matrix of low rank is zero."""
    table = fold.sweeps.table
    slopes = table.entries.adjoint(table.slopes(table.residuals(fold.model)))
    return float(leading_triples(slopes, 1, fold.rng, passes=10, off=None)[1][0])
