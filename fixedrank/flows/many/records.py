"""What is kept of many flows at their output times, made of many states at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank._packing import split
from fixedrank.flows.fate import sign_of
from fixedrank.flows.keeping import Outcome
from fixedrank.flows.many.loop import Course
from fixedrank.geometry.factored.orthonormal import graded_svd
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.factored.stacks import stacked_points, times_matrix, transposed
from fixedrank.geometry.metric.gradients import gradient_norms
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.loss import Loss
from fixedrank.networks.gradients import StackedProducts
from fixedrank.networks.layers import imbalances

# Norms of gradients are taken together of points that are not further apart than this.
_FAR = 1e100


@dataclass
class Kept:
    """What is kept of each state: by its name, and by a function of the layers or the point."""

    name: str
    of: Any


class LayerRecords:
    """Records of layers.

    Parameters
    ----------
    problem : Loss
        The loss, in principal axes of its data where these are given.
    axes : ndarray, optional
        The axes.
    kept : Kept
        What is kept.
    """

    def __init__(self, problem: Loss, axes: Array | None, kept: Kept) -> None:
        self.problem, self.axes, self.kept = problem, axes, kept

    def __call__(self, courses: Sequence[Course], states: Array) -> Iterator[Outcome]:
        """Yield the records of states of some courses, and keep the last of each with it."""
        system, name = courses[0].system, self.kept.name
        decay = system.weight_decay
        found = [np.ascontiguousarray(part) for part in split(states, system.shapes, system.bounds)]
        products = StackedProducts(found)
        left, right = products.left, transposed(products.right)
        sides = self.problem._stacked_products(left, None, right)
        norms = products.gradient_norms(*sides, decay)
        points = stacked_points(left, None, right)
        losses = self.problem._losses(points)
        penalties: Any = [None] * len(states)
        if decay:
            penalties = decay / 2 * sum(np.square(part).sum((1, 2)) for part in found)
        if self.axes is not None:
            found[0] = times_matrix(found[0], self.axes.T)
            points = points._replace(vt=times_matrix(points.vt, self.axes.T))
        unbalanced: Any = [None] * len(states) if name == "layers" else imbalances(found)
        # Where the product is square and no layer is narrower it has a determinant.
        rows, columns = found[-1].shape[1], found[0].shape[2]
        signed = len(found) > 1 and min(part.shape[1] for part in found) == rows == columns
        for i, course in enumerate(courses):
            point, layers = FixedRankPoint(*(part[i] for part in points)), [W[i] for W in found]
            if not course.records:
                # The first layers are those that were handed in, to the last digit.
                layers = list(course.first)
            # What is kept of one shall not hold the others, where these are not kept, too.
            course.last = layers if name == "layers" else [W.copy() for W in layers]
            yield Outcome(
                float(losses[i]),
                float(norms[i]),
                point.s,
                _number(unbalanced[i]),
                point if name == "points" else self.kept.of(course.last),
                sign_of(point) if signed else None,
                _number(penalties[i]),
            )


class PointRecords:
    """Records of points of M_k: see LayerRecords."""

    def __init__(self, problem: Loss, axes: Array | None, kept: Kept) -> None:
        self.problem, self.axes, self.kept = problem, axes, kept

    def __call__(self, courses: Sequence[Course], states: Array) -> Iterator[Outcome]:
        """Yield the records of states of some courses, and keep the last of each with it."""
        system, (m, n) = courses[0].system, courses[0].system.shape
        # Of the states: the rank of a system may have fallen since.
        k = (math.isqrt((m + n) ** 2 + 4 * states.shape[1]) - (m + n)) // 2
        u, v = states[:, : m * k].reshape(-1, m, k), states[:, m * k : (m + n) * k]
        cores = states[:, (m + n) * k :].reshape(-1, k, k)
        points = stacked_points(u, cores, v.reshape(-1, n, k), graded_svd)
        losses = self.problem._losses(points)
        norms = self._gradient_norms(system.metric, points, system.decay)
        penalties: Any = [None] * len(states)
        if system.weight_decay:
            penalties = system.weight_decay * system.half_squares(points)
        if self.axes is not None:
            points = points._replace(vt=times_matrix(points.vt, self.axes.T))
        for i, course in enumerate(courses):
            parts = (part[i] for part in points)
            alone = self.kept.name != "points"
            course.last = FixedRankPoint(*(map(np.copy, parts) if alone else parts))
            kept = self.kept.of(course.last)
            loss, norm = float(losses[i]), float(norms[i])
            yield Outcome(loss, norm, course.last.s, None, kept, None, _number(penalties[i]))

    def _gradient_norms(
        self, metric: SpectralMetric, points: FixedRankPoint, decay: float
    ) -> Array:
        largest = points.s[:, 0]
        if not largest.any():
            return np.zeros(largest.size)
        if largest.size > 1 and not largest.max() < _FAR * largest.min():
            ones = [
                points._replace(u=u[None], s=s[None], vt=vt[None])
                for u, s, vt in zip(*points, strict=True)
            ]
            return np.concatenate([self._gradient_norms(metric, one, decay) for one in ones])
        cores = points.s[:, :, None] * np.eye(points.s.shape[1])
        gv, gtu = self.problem._stacked_products(points.u, cores, transposed(points.vt))
        if decay:
            slopes = decay * metric.radial_weights(points.s) / points.s
            gv = gv + points.u * slopes[:, None]
            gtu = gtu + transposed(points.vt) * slopes[:, None]
        return gradient_norms(points, gv, gtu, metric)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
