"""A table of ratings as numbers: ids numbered, each pair once, near one and with mean zero."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fixedrank._checks import Array, finite_array
from fixedrank.estimator.labels import Labels, two_columns
from fixedrank.estimator.objective import Table
from fixedrank.geometry.factored.units import unit_array
from fixedrank.recovery.entries import Entries, Indices


class Ratings(NamedTuple):
    """What was given to be fitted: values are mean + 2^exponent times those of the table."""

    rows: Labels
    columns: Labels
    table: Table
    mean: float
    exponent: int
    range: tuple[float, float]


def ratings(X: Any, y: Any, sample_weight: Any, ridge_power: float) -> Ratings:
    """Return the data in the form in which they are fitted.

    Raises
    ------
    TypeError, ValueError
        If ids, values or weights are of the wrong kind, missing, or of different number.
    """
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None")
    row_ids, column_ids = two_columns(X)
    values = finite_array("y", y, 1)
    if len(row_ids) != values.size:
        raise ValueError(f"X has {len(row_ids)} rows, but y has {values.size} values")
    if values.size == 0:
        raise ValueError("Found array with 0 sample(s): X and y must have at least one row")
    weights = _weights(sample_weight, values.size)
    kept = np.flatnonzero(weights)
    if kept.size < values.size:
        row_ids, column_ids = ([ids[i] for i in kept] for ids in (row_ids, column_ids))
        values, weights = values[kept], weights[kept]
    rows, columns = Labels("row", row_ids), Labels("column", column_ids)
    shape = len(rows), len(columns)
    scaled, exponent = unit_array("y", values)
    mean = float(np.average(scaled, weights=weights))
    scaled, shift = unit_array("y", scaled - mean)
    if not scaled.any():
        shift = 0
    places, i = np.unique(
        rows.places(row_ids) * shape[1] + columns.places(column_ids), return_inverse=True
    )
    total = np.bincount(i, weights)
    entries = Entries(*np.divmod(places, shape[1]), shape)
    return Ratings(
        rows,
        columns,
        Table(
            entries,
            np.bincount(i, weights * scaled) / total,
            total,
            (
                _side(entries.rows, total, shape[0], ridge_power),
                _side(entries.cols, total, shape[1], ridge_power),
            ),
        ),
        math.ldexp(mean, exponent),
        exponent + shift,
        (float(values.min()), float(values.max())),
    )


def _side(which: Indices, weights: Array, size: int, power: float) -> Array:
    """Return numbers whose squares grow as the weight of a row to a power; entries see 1."""
    squares = np.bincount(which, weights, size) ** power
    return np.sqrt(squares / np.average(squares[which], weights=weights))


def _weights(sample_weight: Any, count: int) -> Array:
    """Return the weights, of which those that are not zero count."""
    if sample_weight is None:
        return np.ones(count)
    sample_weight = np.asarray(sample_weight)
    if sample_weight.ndim == 0:
        sample_weight = np.full(count, sample_weight)
    weights = finite_array("sample_weight", sample_weight, 1)
    if weights.size != count:
        raise ValueError(f"sample_weight has {weights.size} values, but X has {count} rows")
    if (weights < 0).any():
        at = int(np.argmax(weights < 0))
        raise ValueError(f"sample_weight must not be negative, but is {weights[at]} at index {at}")
    if not weights.any():
        raise ValueError("sample_weight is zero everywhere: no row of X counts")
    return weights
