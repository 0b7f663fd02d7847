r"""Alternating least squares for entries: one factor of W = L R^T after the other.

With R fixed, row i of L solves its own small system, of which all are solved at once:
:math:`(\sum_{j \in \Omega_i} r_j r_j^T + D)\, l_i = \sum_{j \in \Omega_i} v_{ij} r_j`. R is V here,
whose columns are orthonormal: in place of ill-conditioned W these systems see how the entries
are spread only. Weights stand at both products.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.orthonormal import point_of
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.recovery.entries import Entries

# Numbers in the largest array that sweeps may form.
_MOST = 1 << 25


class AlternatingSweeps:
    """Sweeps for given entries.

    Parameters
    ----------
    entries : Entries
        Where the entries stand; there is one in each row and in each column.
    values : ndarray, shape (p,)
        The entries.
    weights : ndarray, shape (p,), or None
        Their weights, up to 1; None where each is 1.
    ridge : float
        The weight of the sum of the singular values.
    """

    def __init__(
        self, entries: Entries, values: Array, weights: Array | None, ridge: float
    ) -> None:
        weighted = values if weights is None else weights * values
        weights = np.ones(values.size) if weights is None else weights
        pattern, known = entries.adjoint(weights), entries.adjoint(weighted)
        self._by_rows, self._by_columns = (pattern, known), (pattern.T, known.T)
        self._count, self._shape, self._ridge = values.size, entries.shape, ridge
        self._total = float(weights.sum())

    @staticmethod
    def affordable(shape: tuple[int, int], k: int) -> bool:
        """Say whether arrays of size max(m, n) x k x k are small enough."""
        return max(shape) * k * k <= _MOST

    def sweep(self, point: FixedRankPoint, residual: float) -> FixedRankPoint:
        """Return what the left and then the right factor become; singular values may vanish.

        Parameters
        ----------
        point : FixedRankPoint
            Where to start; its left factor is not asked for.
        residual : float
            The norm of the residual there, weighted. D is that of the ridge, and that with
            which an error of this size, spread over all entries, is likeliest: m times its mean
            square over s^2. It keeps rows with few entries from running away, and vanishes with it.
        """
        u, s, vt = point
        half = self._solved(self._by_rows, vt.T, s, residual)
        u, s, vt = point_of(half, None, vt.T)
        half = self._solved(self._by_columns, u, s, residual)
        return point_of(u, None, half)

    def _solved(self, matrices: tuple[Any, Any], basis: Array, s: Array, residual: float) -> Array:
        pattern, known = matrices
        k = s.size
        i, j = np.triu_indices(k)
        products = pattern @ (basis.take(i, axis=1) * basis.take(j, axis=1))
        place = np.empty((k, k), dtype=np.intp)
        place[i, j] = place[j, i] = np.arange(i.size)
        systems = products.take(place.ravel(), axis=1)
        # No singular value counts for less than the residual would have, as a matrix.
        error = residual / math.sqrt(self._count)
        least = np.maximum(s, residual * math.sqrt(math.prod(self._shape) / self._total))
        least = np.maximum(least, np.finfo(float).eps * s[0])
        damping = self._ridge / least + pattern.shape[0] * (error / least) ** 2
        # Round-off of a row that its entries do not determine.
        systems[:, :: k + 1] += damping + 4 * np.finfo(float).eps * systems[:, :: k + 1].sum(
            axis=1, keepdims=True
        )
        solution = np.linalg.solve(systems.reshape(-1, k, k), (known @ basis)[:, :, None])
        return np.asarray(solution[:, :, 0])
