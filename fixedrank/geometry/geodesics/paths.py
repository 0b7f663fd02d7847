r"""Paths between two points by interpolation of balanced factors.

With s^(1/N) = r, a point A = L R^(N-2) L'^T has the balanced factors L = U diag(r), R = diag(r) and
L' = V diag(r); and so has B, after an orthogonal change that brings its L and L' close to those of
A. The path interpolates the three linearly: a geodesic where both have the same singular vectors.
Layers out of balance by multiples of I do as well, each with its own singular values. At infinite
depth the factors are U, ln s and V, and the exponential takes the place of the power.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.metric.imbalanced import ImbalancedMetric, layer_offsets
from fixedrank.geometry.metric.spectral import SpectralMetric


def balanced_paths(
    a: FixedRankPoint, b: FixedRankPoint, metric: SpectralMetric
) -> list[BalancedPath]:
    """Return a path for each of the two ways around, the nearer one first.

    A square frame of singular vectors has one orientation, so that there is one way only.
    """
    # For a metric without layers the path of two is a guess as good as any.
    depth = 2.0 if metric.depth is None else metric.depth
    kind: Callable[..., BalancedPath] = LogarithmicPath if math.isinf(depth) else BalancedPath
    known = metric.depth is not None
    if isinstance(metric, ImbalancedMetric):
        kind, depth, known = functools.partial(ImbalancedPath, metric), metric.layers, True
    for start, end in ((a.u, b.u), (a.vt.T, b.vt.T)):
        if start.shape[0] == start.shape[1]:
            return [kind(a, b, depth, float(np.linalg.det(start.T @ end)), known)]
    paths = [kind(a, b, depth, orientation, known) for orientation in (1.0, -1.0)]
    return sorted(paths, key=BalancedPath.factor_distance)


class BalancedPath:
    """A path from A to B, as dense matrices; the change of factors has the given orientation."""

    def __init__(
        self,
        a: FixedRankPoint,
        b: FixedRankPoint,
        depth: float,
        orientation: float,
        known: bool = True,
    ) -> None:
        self.depth, self._known = depth, known
        root_a, root_b = self._root(a.s), self._root(b.s)
        ends_a, ends_b = self._frames(a, root_a), self._frames(b, root_b)
        p, _, qt = scipy.linalg.svd(ends_b[0].T @ ends_a[0] + ends_b[1].T @ ends_a[1])
        # The direction in which the two agree least is turned around at the least cost.
        if orientation * np.linalg.det(p @ qt) < 0:
            p[:, -1] *= -1
        turn = p @ qt
        self._roots = np.sort(root_a), np.sort(root_b)
        self._left = (ends_a[0], ends_b[0] @ turn)
        self._right = (ends_a[1], ends_b[1] @ turn)
        self._middle = (np.diag(root_a), (turn.T * root_b) @ turn)

    def __call__(self, t: Array) -> Array:
        """Return the matrices at all times t, stacked."""
        t = t[:, None, None]
        left, middle, right = (
            (1 - t) * start + t * end for start, end in (self._left, self._middle, self._right)
        )
        values, frame = np.linalg.eigh(middle)
        # Where values are zero to round-off there may be no path, but NaN: no one follows it.
        with np.errstate(all="ignore"):
            left, right = (left @ frame) * self._between(values)[:, None, :], right @ frame
            return np.asarray(left @ right.swapaxes(-1, -2))

    def factor_distance(self) -> float:
        """Return the distance between the factors, each changed as suits it best.

        At whole N >= 2 geodesics lift to balanced factors at full length, and changes of the two
        orientations are not joined: no geodesic that goes this way around is shorter.
        """
        squares = self._inner_distance()
        for start, end in (self._left, self._right):
            p, overlap, qt = scipy.linalg.svd(end.T @ start)
            if np.linalg.det(p @ qt) < 0:
                overlap[-1] *= -1
            squares += float((start**2).sum() + (end**2).sum() - 2 * overlap.sum())
        return math.sqrt(max(squares, 0.0))

    def detour(self) -> float:
        """Return what no geodesic is shorter than that goes this way around, the farther one.

        At N = 1 it leaves the ball about A in which the smallest singular value stays positive.
        At other depths that are not whole, both are a guide; for other metrics nothing is known.
        """
        if not self._known:
            return 0.0
        if self.depth >= 2:  # below, the factors would have one layer less than two
            return self.factor_distance()
        a, b = self(np.array([0.0, 1.0]))
        distance = float(np.linalg.norm(a - b))
        return max(distance, 2 * float(max(root[0] for root in self._roots)) - distance)

    @property
    def _inner_layers(self) -> float:
        return self.depth - 2

    def _inner_distance(self) -> float:
        """Return the least sum of squared distances of the inner layers."""
        return self._inner_layers * float(np.square(self._roots[0] - self._roots[1]).sum())

    def _root(self, s: Array) -> Array:
        return np.asarray(s ** (1 / self.depth))

    def _between(self, values: Array) -> Array:
        """Return the singular values of the product of the inner layers."""
        return np.asarray(values**self._inner_layers)

    def _frames(self, point: FixedRankPoint, root: Array) -> tuple[Array, Array]:
        """Return the outer layers, on the left and on the right."""
        return point.u * root, point.vt.T * root


class ImbalancedPath(BalancedPath):
    """The path of layers out of balance, with squared singular values r^2 + mu_j."""

    def __init__(self, metric: ImbalancedMetric, *arguments: Any) -> None:
        self._metric = metric
        first, *self._inner, last = np.sqrt(layer_offsets(metric.imbalance))
        self._ends = last, first
        super().__init__(*arguments)

    def _inner_distance(self) -> float:
        a, b = self._roots
        gaps = (np.hypot(a, offset) - np.hypot(b, offset) for offset in self._inner)
        return float(sum(np.square(gap).sum() for gap in gaps))

    def _root(self, s: Array) -> Array:
        return np.sqrt(self._metric.layer_squares(s).min(axis=0))

    def _between(self, values: Array) -> Array:
        result = np.ones_like(values)
        for offset in self._inner:
            result *= np.hypot(values, offset)
        return result

    def _frames(self, point: FixedRankPoint, root: Array) -> tuple[Array, Array]:
        left, right = (np.hypot(root, offset) for offset in self._ends)
        return point.u * left, point.vt.T * right


class LogarithmicPath(BalancedPath):
    """The path at infinite depth, with U, ln s and V as its factors."""

    _inner_layers = 0.0

    def _root(self, s: Array) -> Array:
        return np.asarray(np.log(s))

    def _between(self, values: Array) -> Array:
        return np.asarray(np.exp(values))

    def _frames(self, point: FixedRankPoint, root: Array) -> tuple[Array, Array]:
        return point.u, point.vt.T
