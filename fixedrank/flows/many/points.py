"""Many points of M_k in factors: their velocities at once, and what is looked at after each step.

The equations are those of `core.RiemannianSystem`. Where the singular values of some are spread so
widely that their cores are block diagonal, those of the same blocks are taken together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from fixedrank._checks import Array, round_off
from fixedrank._packing import joined
from fixedrank.flows.changes import APART, DRIFT, GROWN, MERGE, SHRUNK, SPLIT
from fixedrank.flows.core import RiemannianSystem
from fixedrank.flows.known_rates import KnownRates
from fixedrank.flows.many.lanes import Mask, finite, lengths
from fixedrank.flows.many.rates import DENSE, Probe
from fixedrank.flows.many.steps import Lanes
from fixedrank.flows.scales import SMALLEST
from fixedrank.geometry.factored.orthonormal import GRADED, graded_svd
from fixedrank.geometry.factored.stacks import transposed


class ManyPoints:
    """Many points of one rank, each as U, V and a core in the rows of an array.

    Parameters
    ----------
    systems : sequence of RiemannianSystem
        The flow of each.
    """

    def __init__(self, systems: Sequence[RiemannianSystem]) -> None:
        self.systems = list(systems)
        first = systems[0]
        self.shape, self.k, self.metric = first.shape, first.k, first.metric
        self.problem, self.rtol = first.problem, first.rtol
        self.guarded, self.reaches = first.guarded, first.reaches
        self.decay, self.decayed = first.decay, first.decayed
        count = len(systems)
        self.unit, self.rate, self.least, self.largest, self.peak = np.empty((5, count))
        self.framed = np.empty((count, self.k))
        self.together = np.empty((count, self.k, self.k), dtype=bool)
        for lane in range(count):
            self.put(lane)

    def of(self, lanes: Lanes) -> ManyPoints:
        """Return what is known of some of the lanes."""
        for lane in lanes:
            self._tell(lane)
        return ManyPoints([self.systems[lane] for lane in lanes])

    def put(self, lane: int) -> None:
        """Take up what has changed in the system of a lane."""
        system = self.systems[lane]
        self.unit[lane], self.rate[lane] = system.unit, system.rate
        self.least[lane], self.largest[lane] = system.least, system.largest
        self.peak[lane], self.framed[lane] = system.peak, system.framed
        self.together[lane] = system.together

    def split(self, states: Array) -> tuple[Array, Array, Array]:
        """Return views U, S / unit, V of states."""
        (m, n), k = self.shape, self.k
        return (
            states[:, : m * k].reshape(-1, m, k),
            states[:, (m + n) * k :].reshape(-1, k, k),
            states[:, m * k : (m + n) * k].reshape(-1, n, k),
        )

    def velocity(self, states: Array, lanes: Lanes) -> Array:
        """Return the velocities of states; NaN where they have overflowed."""
        states, lost = finite(states)
        if lost.all():
            return np.full_like(states, np.nan)
        u, core, v = self.split(states)
        left, s, right = self.core_svd(core, lanes)
        if self.guarded:
            lost |= _agreement(left, right) < 0
        gv, gtu = self.problem._stacked_products(u, core * self.unit[lanes, None, None], v)
        middle = transposed(u) @ gv
        on_left, on_right = self.metric.factor_weights(s)
        turn = turn_v = _weighted(right, on_left) @ transposed(left)
        if on_right is not on_left:
            turn_v = _weighted(right, on_right) @ transposed(left)
        result = np.empty_like(states)
        du, dcore, dv = self.split(result)
        np.matmul(u @ middle - gv, turn, out=du)
        np.matmul(v @ transposed(middle) - gtu, transposed(turn_v), out=dv)
        weighted = self.metric.tangential(s) * (transposed(left) @ middle @ transposed(right))
        apart = np.flatnonzero(~self.together[lanes].all((1, 2)))
        if apart.size:
            self._turn(weighted, s, apart, lanes, (u, left, du), (v, transposed(right), dv))
        np.matmul(left @ -weighted, right, out=dcore)
        result *= self.rate[lanes, None]
        if self.decay:
            dcore -= self.decay * core
        result[lost] = np.nan
        return result

    def _turn(
        self,
        weighted: Array,
        s: Array,
        apart: Lanes,
        lanes: Lanes,
        of_u: tuple[Array, Array, Array],
        of_v: tuple[Array, Array, Array],
    ) -> None:
        """Let frames turn between groups in some lanes, so that their cores stay block diagonal."""
        some, values, together = weighted[apart], s[apart], self.together[lanes[apart]]
        squares, row, column = values**2, values[:, None, :], values[:, :, None]
        gaps = np.where(together, np.inf, squares[:, None, :] - squares[:, :, None])
        by_u = (some * row + column * transposed(some)) / -gaps
        by_v = (some * column + row * transposed(some)) / -gaps
        for (frame, basis, velocity), turn in ((of_u, by_u), (of_v, by_v)):
            side = basis[apart]
            velocity[apart] += frame[apart] @ (side @ turn @ transposed(side))
        weighted[apart] = np.where(together, some, 0)

    def core_svd(self, core: Array, lanes: Lanes) -> tuple[Array, Array, Array]:
        """Return the singular value decompositions of cores, group by group."""
        left, right, s = np.zeros_like(core), np.zeros_like(core), np.empty(core.shape[:2])
        for bounds, chosen in self._by_bounds(lanes):
            for a, b in pairwise(bounds):
                block = (chosen, slice(a, b), slice(a, b))
                left[block], s[chosen, a:b], right[block] = _svd(core[block])
        return left, s, right

    def _by_bounds(self, lanes: Lanes) -> Iterator[tuple[list[int], Lanes | slice]]:
        """Yield bounds of groups, and those of the lanes that have them."""
        parts = ~np.diagonal(self.together[lanes], 1, 1, 2)
        if not parts.any():
            yield [0, self.k], slice(None)
            return
        rows = np.packbits(parts, axis=1)
        if rows.shape[1] == 1:
            which = rows[:, 0].astype(int)
        else:
            which = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
        for index in np.flatnonzero(np.bincount(which)):
            chosen = np.flatnonzero(which == index)
            yield [0, *(np.flatnonzero(parts[chosen[0]]) + 1).tolist(), self.k], chosen

    # What is looked at after each step

    def look(self, states: Array, lanes: Lanes) -> Mask:
        """Say which systems have something to do, by their own conditions."""
        u, core, v = self.split(states)
        left, s, right = self.core_svd(core, lanes)
        least, largest = s.min(1), s.max(1)
        falling = largest < self.largest[lanes]
        size = largest * self.unit[lanes]
        peak = np.maximum(self.peak[lanes], size)
        found = falling & (size < np.maximum(self.decayed * peak, SMALLEST))
        if self.reaches:
            found |= least < self.least[lanes]
            agreement = _agreement(left, right)
        else:
            agreement = np.linalg.det(left) * np.linalg.det(right)
        found |= agreement < APART
        found |= ~(least > 2 * round_off(max(self.shape), 1.0) * largest)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = s[:, 1:] / s[:, :-1]
        within = np.diagonal(self.together[lanes], 1, 1, 2)
        found |= ((least < GRADED * largest)[:, None] & within & (ratios < SPLIT / 3)).any(1)
        found |= (~within & (ratios > MERGE)).any(1)
        found |= (s < SHRUNK * self.framed[lanes]).any(1)
        found |= largest > GROWN * self.framed[lanes, 0]
        found |= np.maximum(_drift(u), _drift(v)) > DRIFT * self.rtol
        calm = lanes[~found]
        self.least[calm], self.largest[calm] = least[~found], largest[~found]
        self.peak[calm] = peak[~found]
        return np.asarray(found)

    def prepare(self, lane: int, t: float) -> None:
        """Let the system of a lane know of the steps that it has not looked at, the last at t."""
        self._tell(lane)
        self.systems[lane].t = t

    def _tell(self, lane: int) -> None:
        system = self.systems[lane]
        system.least, system.largest = float(self.least[lane]), float(self.largest[lane])
        system.peak = float(self.peak[lane])

    def probe(self, lane: int) -> Any:
        """Return the flow in a lane as the test for rest sees it."""
        system, size = self.systems[lane], (sum(self.shape) + self.k) * self.k
        # Rates of frames are differences of what small singular values divide.
        graded = self.least[lane] < 10 * GRADED * self.largest[lane]
        if graded or size > DENSE:
            return system

        def corrected(at: Array, displacement: Array) -> Array:
            first, second = self.shape[0] * self.k, sum(self.shape) * self.k
            up, vp, core = np.split(displacement, (first, second))
            return system.corrected(at, joined((up, core, vp)))

        return Probe(system, partial(self._rates, lane), corrected)

    def _rates(self, lane: int, state: Array) -> tuple[KnownRates, Array, Array]:
        """Return the rates, the gradient and the lengths, in orthonormal coordinates of g."""
        system, (m, n) = self.systems[lane], self.shape
        u, s, vt = system.point(state)
        s, v = s / system.unit, vt.T
        frame = joined((u, v, np.diag(s)))
        sides = self.metric.normal(s)
        columns = (np.tile(np.sqrt(sides[0]), (m, 1)), np.tile(np.sqrt(sides[1]), (n, 1)))
        weights = joined((*columns, np.sqrt(self.metric.tangential(s))))

        def field(states: Array) -> Array:
            """Return the tangent part of the velocities of W at states near the frame."""
            ups, cores, vps = self.split(states)
            du, dcore, dv = self.split(self.velocity(states, np.full(len(states), lane)))
            on_u, on_v = u.T @ ups, transposed(vps) @ v
            along = du @ (cores @ on_v) + ups @ (dcore @ on_v + cores @ (transposed(dv) @ v))
            turned, moved = transposed(on_u), transposed(cores)
            beside = dv @ (moved @ turned)
            beside += vps @ (transposed(dcore) @ turned + moved @ (transposed(du) @ u))
            middle = u.T @ along
            result = np.empty_like(states)
            up, core, vp = self.split(result)
            up[:], core[:], vp[:] = along - u @ middle, middle, beside - v @ (v.T @ beside)
            return result / weights

        def rates(directions: Array) -> Array:
            away = directions * weights
            up, core, vp = self.split(away)
            up -= u @ (u.T @ up)
            vp -= v @ (v.T @ vp)
            up /= s
            vp /= s
            size = np.sqrt(
                sum(
                    np.square(part / scale).sum((1, 2))
                    for part, scale in ((up, 1), (vp, 1), (core, np.sqrt(np.outer(s, s))))
                )
            )
            steps = 1e-5 / np.maximum(size, np.finfo(float).tiny)[:, None]
            away *= steps
            ahead, behind = np.split(field(np.concatenate((frame + away, frame - away))), 2)
            return (behind - ahead) / (2 * steps)

        gradient = -field(frame[None])[0]
        return KnownRates(rates, weights.size), gradient, system.unit * weights

    @staticmethod
    def whole(system: RiemannianSystem, states: Array) -> Array:
        """Return states with their cores in the units of W."""
        m, n = system.shape
        scaled = states.copy()
        scaled[:, (m + n) * system.k :] *= 0.0 if system.zero else system.unit
        return scaled

    def moved(self, before: Array, after: Array) -> tuple[Array, Array]:
        """Return how far points moved, and their norms."""
        core, (du, dcore, dv) = self.split(after)[1], self.split(after - before)
        parts = (du @ core, dcore, dv @ transposed(core))
        squares = sum(np.square(lengths(part.reshape(len(part), -1))) for part in parts)
        norms = lengths(core.reshape(len(core), -1))
        return self.unit * np.sqrt(squares), self.unit * norms


def _svd(cores: Array) -> tuple[Array, Array, Array]:
    """Return singular value decompositions, small singular values to relative accuracy."""
    if cores.shape[1] == 1:
        return np.sign(cores) + (cores == 0), np.abs(cores[:, :, 0]), np.ones_like(cores)
    left, s, right = np.linalg.svd(cores)
    for index in np.flatnonzero(s[:, -1] < GRADED * s[:, 0]):
        left[index], s[index], right[index] = graded_svd(cores[index])
    return left, s, right


def _weighted(right: Array, weights: Array | None) -> Array:
    turned = transposed(right)
    return turned if weights is None else turned * weights[:, None, :]


def _agreement(left: Array, right: Array) -> Array:
    return np.asarray((left * transposed(right)).sum(1).min(1))


def _drift(frames: Array) -> Array:
    gram = transposed(frames) @ frames
    return np.abs(gram - np.eye(frames.shape[2])).max((1, 2))
