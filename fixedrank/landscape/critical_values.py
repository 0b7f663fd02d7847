"""The critical values that matrices of a rank can reach: what certifies a run."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.landscape.critical_points import CriticalPoint, decayed_point
from fixedrank.landscape.decay import white_decay
from fixedrank.losses.regression import LinearRegression


class CriticalValues(NamedTuple):
    """The least critical value of L^1 + R on the matrices of at most some rank, and the next one.

    Parameters
    ----------
    least : float
        The minimum of L^1 + R.
    unreached : float
        The minimum less half of the squared residual, which no matrix can fit.
    gap : float
        By how much the next higher critical value is above the minimum; infinite if there is none.
    minimizer : CriticalPoint or None
        The minimum; None where a tie makes several of them.
    """

    least: float
    unreached: float
    gap: float
    minimizer: CriticalPoint | None


def gap_above_minimum(problem: LinearRegression, k: int) -> float:
    """Return how far the next critical value without decay is above that of the first k <= q."""
    squares = problem.svd[1][: problem.rank] ** 2
    if k == 0:
        return math.inf
    # Drop the last singular value, or exchange one for a smaller one.
    exchanges = np.subtract.outer(squares[:k], squares[k:])
    exchanges = exchanges[exchanges > 2 * problem.tolerance * problem.svd[1][0]]
    return float(min(squares[k - 1], exchanges.min(initial=math.inf))) / 2


def critical_values(
    problem: LinearRegression,
    most: int,
    *,
    weight_decay: float,
    depth: float | SpectralMetric,
) -> CriticalValues | None:
    r"""Return the two least critical values with weight decay at rank up to `most`.

    A gradient flow with decay, of layers whose least width is `most` or on M_k with k = `most`,
    whose objective is below ``least + gap`` converges to a minimum. For its objective, the loss and
    (lambda/2) sum |W_j|^2, falls, and its limit is critical. With decay critical layers are
    balanced, so that their product is a critical point of L^1 + R on the matrices of its rank, and
    this objective is the one there.

    The minimum takes the first indices that gain, at their upper roots. Every other critical
    point comes from it by steps that cost something each, one of which is the least: to drop an
    index, to take its lower root, to add an index, or to exchange one for another.

    Returns
    -------
    CriticalValues or None
        The values; None without decay.

    Raises
    ------
    TypeError, ValueError
        If the decay is negative, or the data are not white.
    """
    data = white_decay(problem, weight_decay, depth, "a certificate")
    if data is None:
        return None
    best, tolerance = data.least(most), data.energy_tolerance
    count, upper, lower = len(best.indices), data.energies(data.upper), data.energies(data.lower)

    def taken(energies: Array) -> list[Array]:
        """Return what it costs to add an index with such an energy, or to take it in exchange."""
        added = energies if count < most else energies[:0]
        return [added, np.subtract.outer(energies, upper[:count]).ravel()]

    to_minima = np.concatenate((-upper[:count], *taken(upper[count:])))
    to_saddles = np.concatenate(((lower - upper[: lower.size])[:count], *taken(lower[count:])))
    costs = np.concatenate((to_minima, to_saddles))
    unreached = data.misfit(best) + data.penalty_of(best)
    return CriticalValues(
        least=unreached + problem.residual**2 / 2,
        unreached=unreached,
        gap=float(costs[costs > tolerance].min(initial=math.inf)),
        minimizer=None if (to_minima <= tolerance).any() else decayed_point(data, best),
    )
