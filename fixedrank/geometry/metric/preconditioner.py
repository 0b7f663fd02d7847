"""The change from one metric to another, as a preconditioner of pymanopt's optimisers."""

from __future__ import annotations

import numpy as np

from fixedrank._aliases import PointLike, TangentLike
from fixedrank._checks import Array
from fixedrank.geometry.factored.points import (
    FixedRankPoint,
    FixedRankTangentVector,
    as_point,
    as_tangent,
)
from fixedrank.geometry.metric.operator import multiplied
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import Tables, tables

_ONE = np.ones(1)
# The tables of depth 1: not among those that are kept, as they would take the place of others.
_EMBEDDED = Tables(_ONE, _ONE, _ONE, 0)


def changed(
    point: FixedRankPoint, vector: FixedRankTangentVector, old: SpectralMetric, new: SpectralMetric
) -> FixedRankTangentVector:
    """Return what makes a gradient in the old metric one in the new: A_new A_old^{-1}.

    Raises
    ------
    OverflowError
        If the result is beyond the range of floating point.
    """
    if old == new:
        return FixedRankTangentVector(*vector)
    before, after = _tables(point.s, old), _tables(point.s, new)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        tangential = after.tangential / before.tangential
        left = right = np.zeros(1)
        if old.normal_directions:
            left = after.left / before.left
            same = after.left is after.right and before.left is before.right
            right = left if same else after.right / before.right
    weights = Tables(tangential, left, right, after.exponent - before.exponent)
    return multiplied("the preconditioned vector", vector, weights)


def _tables(s: Array, metric: SpectralMetric) -> Tables:
    return _EMBEDDED if metric.depth == 1 else tables(s, metric)


class MetricPreconditioner:
    """The map of gradients in one metric to those in another, for ``pymanopt.Problem``.

    Attributes
    ----------
    typical_dist : float
        The radius that belongs to it.
    """

    def __init__(
        self, sizes: tuple[int, int, int], old: SpectralMetric, new: SpectralMetric
    ) -> None:
        new.check_sizes(*sizes)
        self._sizes, self._old, self._new = sizes, old, new
        self.typical_dist = new.typical_dist(sizes[2])

    def __repr__(self) -> str:
        return f"<preconditioner from {self._old} to {self._new}>"

    def __call__(self, point: PointLike, tangent_vector: TangentLike) -> FixedRankTangentVector:
        """Return the preconditioned vector."""
        at, vector = as_point(point, *self._sizes), as_tangent(tangent_vector, *self._sizes)
        return changed(at, vector, self._old, self._new)
