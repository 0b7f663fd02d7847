"""Sweeps of alternating least squares: each row has its part of the matrix and its bias at once.

With the right factor and the biases of the columns fixed, row i has its own small system, for k
numbers and its bias: what both can say is never told twice. Then the columns likewise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank.estimator.objective import Model, Penalties, Table
from fixedrank.geometry.factored.orthonormal import point_of

# Numbers in the largest array of systems that are solved at once.
_MOST = 1 << 22
_EPS, _TINY = np.finfo(np.float64).eps, np.finfo(np.float64).tiny


class Sweeps:
    """Sweeps over a table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        pattern = table.entries.adjoint(table.weights)
        known = table.entries.adjoint(table.weights * table.values)
        self._by_rows = pattern, known
        self._by_columns = pattern.T.tocsr(), known.T.tocsr()

    def sweep(self, model: Model, penalties: Penalties) -> Model:
        """Return the model after its rows and then its columns have been solved for."""
        (u, s, vt), b, c = model
        d, e = (side[:, None] for side in self.table.sides)
        left, b = _solved(self._by_rows, vt.T * np.sqrt(s) / e, c, d, penalties)
        u, s, vt = point_of(d * left, None, vt.T * np.sqrt(s))
        right, c = _solved(self._by_columns, u * np.sqrt(s) / d, b, e, penalties)
        return Model(point_of(u * np.sqrt(s), None, e * right), b, c)


def _solved(
    matrices: tuple[Any, Any], factor: Array, others: Array, side: Array, penalties: Penalties
) -> tuple[Array, Array]:
    """Return the rows of one factor and their biases, for the other factor and biases."""
    weights, known = matrices
    biased = np.isfinite(penalties.shrinkage)
    features = np.hstack((factor, np.ones((len(factor), 1)))) if biased else factor
    k = features.shape[1]
    if k == 0:
        return np.zeros((len(side), 0)), np.zeros(len(side))
    i, j = np.triu_indices(k)
    place = np.empty((k, k), dtype=np.intp)
    place[i, j] = place[j, i] = np.arange(i.size)
    products = features.take(i, axis=1) * features.take(j, axis=1)
    right = known @ features - weights @ (others[:, None] * features)
    solution = np.empty_like(right)
    size = max(1, _MOST // (k * k))
    for start in range(0, len(right), size):
        here = slice(start, start + size)
        systems = (weights[here] @ products).take(place.ravel(), axis=1)
        # Round-off, for a row that its entries do not determine; a row of zeros stays at zero.
        least = 4 * _EPS * systems[:, :: k + 1].sum(axis=1, keepdims=True) + _TINY
        penalty = np.repeat(penalties.ridge * side[here] ** 2, k, axis=1)
        if biased:
            penalty[:, -1] = penalties.shrinkage
        systems[:, :: k + 1] += np.maximum(penalty, least)
        systems = systems.reshape(-1, k, k)
        solution[here] = np.linalg.solve(systems, right[here, :, None])[:, :, 0]
    if not biased:
        return solution, np.zeros(len(solution))
    return solution[:, :-1], solution[:, -1]
