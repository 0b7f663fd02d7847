r"""The Riemannian gradient flow (9) on (M_k, g), in factors.

W = U S V^T is carried by U (m x k), V (n x k) with orthonormal columns and a full k x k core S.
With F = -A_{W,N}(G), G the Euclidean gradient,

    U' = (I - U U^T) F V S^{-1},   S' = U^T F V,   V' = (I - V V^T) F^T U S^{-T}.

With the SVD S = P diag(s) R^T and M = U^T G V this is U' = -(G V - U M) T and
V' = -(G^T U - V M^T) T^T, T = R diag(s^(1-2/N)) P^T, and S' = -P (c o P^T M R) R^T with the weights
c of the metric: no inverse of a small singular value for N >= 2, no difference of two. Weight decay
of the layers, -lambda W_j, adds -N lambda S to S', and nothing else.

Where singular values are spread widely, S is kept block diagonal, a block for each group of
comparable ones: entries of S that are large beside a small singular value would drown it in
their errors, and with it the boundary of M_k, which the flow never crosses. Frames then turn
between groups, which divides by s_i^2 - s_j^2, but only for i and j far apart.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array, round_off
from fixedrank._packing import bounds_of, joined, split
from fixedrank.flows.boundary import Approach, Meeting
from fixedrank.flows.changes import APART, DRIFT, GROWN, MERGE, SHRUNK, SPLIT
from fixedrank.flows.current_metric import CurrentMetric
from fixedrank.flows.integration import Restart, Stop
from fixedrank.flows.linearisation import linearise
from fixedrank.flows.rank_change import RankChange
from fixedrank.flows.scales import DECAYED, SMALLEST, length
from fixedrank.geometry.factored.orthonormal import GRADED, graded_svd, point_of
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.retraction import retract
from fixedrank.geometry.factored.stacks import stacked_points, transposed
from fixedrank.geometry.metric.gradients import gradient_norms
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.adapted import as_loss

# Round-off of a gradient beside its parts, with a margin: at N < 2 it is divided by s^(2/N-1).
_NOISE = 1e3 * float(np.finfo(float).eps)
# Singular values that may pass zero are kept to a tolerance beside so much of the largest; and an
# imbalance that decays to so many relative tolerances.
_ABSOLUTE = 0.01
# Iterations for the norm of a gradient, to a factor of two at least.
_POWERS = 20


class RiemannianSystem:
    """The flow (9) of a problem, with its state (U, V, S) in one vector.

    Parameters
    ----------
    problem : object
        With ``loss(W)`` and ``gradient(W)``.
    shape : tuple of int
        The shape (m, n) of W.
    metric : SpectralMetric
        The metric.
    rtol : float
        The relative tolerance of the integration.
    start, end : float
        The first and the last time.
    guarded : bool
        Whether the method takes shorter steps where the velocity is NaN, which keeps it from
        stepping across a boundary that the flow may reach.
    weight_decay : float
        The rate at which the layers decay.
    in_loss : float
        What of it is a part of the loss.
    """

    remembered: tuple[str, ...] = (
        *("t", "k", "unit", "rate", "peak", "zero", "changes", "framed", "bounds", "together"),
        *("least", "largest", "asked", "approach.seen", "approach.expected"),
    )

    def __init__(
        self,
        problem: Any,
        shape: tuple[int, int],
        metric: SpectralMetric,
        rtol: float,
        *,
        start: float = 0.0,
        end: float = math.inf,
        guarded: bool = True,
        weight_decay: float = 0.0,
        in_loss: float = 0.0,
    ) -> None:
        self.problem = as_loss(problem)
        self.products = self.problem.gradient_products
        self.shape, self.metric, self.rtol = shape, metric, rtol
        self.start, self.end, self.t = start, end, start
        self.weight_decay, self.in_loss = weight_decay, in_loss
        # The rate at which the product decays, by that of each of its layers.
        self.decay = weight_decay * (metric.layers or 0.0) if weight_decay else 0.0
        # The part of W of which the layers are within a tolerance of zero: its N-th power.
        small = (_ABSOLUTE * rtol) ** (metric.layers or 1.0)
        self.decayed = max(small, DECAYED) if self.decay else DECAYED
        # Where singular values have a price the flow has a kink at zero.
        self.smooth = self.problem._price_of_rank == 0
        self.current = CurrentMetric(metric)
        self.approach = Approach(metric, self.decay, self.smooth)
        # Whether singular values pass zero, or may reach it and stay; and the width of the layers.
        self.passes, self.reaches, self.width, self._may_guard = False, False, 0, guarded
        self.guarded = False
        self.k, self.unit, self.rate, self.peak, self.zero = 0, 1.0, 1.0, 0.0, False
        self.changes: list[RankChange] = []
        self.framed = np.zeros(0)
        self.bounds = [0]
        self.together = np.ones((0, 0), dtype=bool)
        self.least, self.asked = 0.0, math.inf

    # Between points and vectors

    def state(self, u: Array, core: Array, v: Array) -> Array:
        """Return U, V and a diagonal core, in units of its size: the frame for what follows."""
        self.k = core.shape[0]
        self.width = max(self.width, self.k)
        self.unit, self.rate = self.current.unit(float(core[0, 0]))
        self.see_boundary()
        core = core / self.unit
        self.least, self.largest = float(core[-1, -1]), float(core[0, 0])
        self.framed = s = self._felt(np.diagonal(core))
        parts = (s[1:] < SPLIT * s[:-1]) & (s[-1] < GRADED * s[0])
        self.bounds = [0, *(np.flatnonzero(parts) + 1).tolist(), self.k]
        group = np.concatenate(([0], np.cumsum(parts)))
        self.together = np.equal.outer(group, group)
        return joined((u, v, core))

    def hold(self, share: float) -> None:
        """Let so much be left of the imbalance of layers."""
        ends = share == 0 and self.current.share != 0
        self.current.share = share
        if ends:
            self.approach = Approach(self.current.within(1.0), self.decay, self.smooth)
            self.see_boundary()

    def balanced(self, state: Array) -> Array:
        """Return a frame of the same matrix for the flow without imbalance."""
        self.hold(0.0)
        return self._reframe(state, self.k).state

    def without_imbalance(self) -> bool:
        """Say whether an imbalance has decayed so far that it can be left out."""
        return self.current.negligible(self.framed * self.unit, _ABSOLUTE * self.rtol)

    def see_boundary(self) -> None:
        """Find out what singular values do at zero."""
        self.passes = self.smooth and self.current.passes_zero(*self.shape, self.k)
        self.reaches = self.approach.possible and not self.passes
        self.guarded = self._may_guard and self.reaches

    def split(self, state: Array) -> tuple[Array, Array, Array]:
        """Return views U, S / unit, V of a state."""
        (m, n), k = self.shape, self.k
        return (
            state[: m * k].reshape(m, k),
            state[(m + n) * k :].reshape(k, k),
            state[m * k : (m + n) * k].reshape(n, k),
        )

    def point(self, state: Array) -> FixedRankPoint:
        """Return the state as a point, orthonormal to round-off."""
        u, core, v = self.split(state)
        point = point_of(u, core, v, graded_svd)
        return point._replace(s=np.zeros(self.k) if self.zero else point.s * self.unit)

    # The flow

    def right_hand_side(self, t: float, state: Array) -> Array:
        """Return the velocity of the state; NaN where a trial step has overflowed."""
        velocity = np.empty_like(state)
        u, core, v = self.split(state)
        if not math.isfinite(core.sum()):
            velocity.fill(np.nan)
            return velocity
        du, dcore, dv = self.split(velocity)
        left, s, right = self.core_svd(core)
        # A cosine below zero leaves less than k - 1 to the sum of all.
        if self.guarded and np.vdot(left, right.T) < self.k - 1 and _agreement(left, right) < 0:
            velocity.fill(np.nan)
            return velocity
        gv, gtu = self.products(u, core if self.unit == 1 else core * self.unit, v)
        # Of such small matrices numpy.dot makes products faster than the operator does.
        middle = np.dot(u.T, gv)
        metric = self.current.within(self.unit) if self.current.varies else self.metric
        on_left, on_right = metric.factor_weights(s)
        turn = np.dot(right.T if on_left is None else right.T * on_left, left.T)
        turn_v = turn
        if on_right is not on_left:
            turn_v = np.dot(right.T if on_right is None else right.T * on_right, left.T)
        descent_u, descent_v = np.dot(u, middle), np.dot(v, middle.T)
        descent_u -= gv
        descent_v -= gtu
        np.dot(descent_u, turn, out=du)
        np.dot(descent_v, turn_v.T, out=dv)
        if self.passes:
            # What a square frame has outside of its span is round-off, which is divided by s.
            for turning in (du, dv):
                if len(turning) == self.k:
                    turning.fill(0)
        weighted = metric.tangential(s) * np.dot(np.dot(left.T, middle), right.T)
        if len(self.bounds) > 2:
            # Between groups the frames turn, so that the core stays block diagonal.
            squares = s**2
            gaps = np.where(self.together, np.inf, squares - squares[:, None])
            by_u = (weighted * s + s[:, None] * weighted.T) / -gaps
            by_v = (weighted * s[:, None] + s * weighted.T) / -gaps
            du += u @ (left @ by_u @ left.T)
            dv += v @ (right.T @ by_v @ right)
            weighted = np.where(self.together, weighted, 0)
        np.dot(np.dot(left, -weighted), right, out=dcore)
        # Both weights, the one of the core by the unit, are homogeneous of degree 1 - 2/N in s.
        if self.rate != 1:
            velocity *= self.rate
        if self.decay:
            dcore -= self.decay * core
        return velocity

    def core_svd(self, core: Array) -> tuple[Array, Array, Array]:
        """Return the singular value decomposition of a core, group by group."""
        if len(self.bounds) == 2:
            return graded_svd(core)
        left, right, s = np.zeros_like(core), np.zeros_like(core), np.empty(self.k)
        for a, b in pairwise(self.bounds):
            left[a:b, a:b], s[a:b], right[a:b, a:b] = graded_svd(core[a:b, a:b])
        return left, s, right

    def tolerances(self, state: Array, rtol: float, atol: float | None) -> tuple[float, Array]:
        """Return tolerances that keep the small singular values of the frame to relative accuracy.

        A change of entry (i, j) of a diagonal core by rtol sqrt(s_i s_j) changes every singular
        value by rtol relative, which is how layers keep them, with their s^(1/N). Columns of
        frames are of length one. Where the boundary may be reached, there is round-off below which
        nothing can be kept; where it may be passed, a small part of the largest.
        """
        s = self.framed
        noise = np.zeros_like(s)
        if self.reaches:
            noise = _NOISE * (s[0] / s) ** self.approach.power
        bounds = np.empty(state.size)
        u, core, v = self.split(bounds)
        u[:] = v[:] = np.maximum(1e-2 * rtol if atol is None else atol, noise)
        roots = np.sqrt(s * np.maximum(rtol, noise))
        np.outer(roots, roots, out=core)
        return rtol, bounds

    # What is looked at after each step

    def inspect(self, t: float, state: Array) -> Restart | Stop | None:
        """Cut the rank at the boundary of M_k and at round-off, cross nothing, mend the frames."""
        u, core, v = self.split(state)
        left, s, right = self.core_svd(core)
        span, self.t = t - self.t, t
        shrinking, falling = s[-1] < self.least, s[0] < self.largest
        self.least, self.largest = float(s[-1]), float(s[0])
        size = self.largest * self.unit
        self.peak = max(self.peak, size)
        if falling and size < max(DECAYED * self.peak, SMALLEST):
            return Stop(f"stationary from t = {t:.6g} on: W has decayed to zero", rest=True)
        if falling and self.decay and size < min(self.decayed * self.peak, self.asked):
            self.asked = 0.1 * size
            if self._only_decays(u, v, size):
                self.zero = True
                reason = f"weight decay takes W to zero, of which {size:.1e} is left"
                return Stop(f"stationary from t = {t:.6g} on: {reason}", rest=True)
        agreement, meeting = float(np.linalg.slogdet(core)[0]), None
        floor = round_off(max(self.shape), 1.0)
        if self.reaches:
            if self.current.varies:
                self.approach.metric = self.current.within(1.0)
            agreement = _agreement(left, right)
            floor = max(floor, _NOISE ** (1 / self.approach.power))
            if not shrinking or agreement < 0:
                self.approach.forget()
            else:
                gradient = u.T @ self.products(u, core * self.unit, v)[0]
                slope = float(left[:, -1] @ gradient @ right[-1])
                meeting = self.approach.meeting(t, self.least * self.unit, slope)
        if meeting is not None and self._met(meeting, s, floor):
            return self._cut_at_zero(meeting, state)
        kept = self.k if self.passes else int((s > floor * s[0]).sum())
        if kept < self.k and shrinking and meeting is None:
            lost = float(s[kept]) * self.unit
            reason = (
                f"a singular value fell to {lost:.2e}, round-off of the largest, {size:.2e}; "
                + self.approach.lower_rank(self.k, kept)
            )
            self.changes = [*self.changes, RankChange(t, kept, lost, reason)]
            return self._reframe(state, kept)
        if agreement < 0 and not self.passes:
            does = "may end at" if self.reaches else "never reaches; take smaller steps"
            return Stop(
                f"stopped at t = {t:.6g}: a step crossed the boundary of M_{self.k}, which the "
                f"flow {does} (singular values {self.least * self.unit:.2e} to {size:.2e})",
                rest=False,
            )
        if meeting is not None and meeting.t - t < 10 * span:
            return self._reframe(state, self.k, step=self.approach.part * (meeting.t - t))
        s = self._felt(s)
        ratios = s[1:] / s[:-1]
        within = self.together.diagonal(1)
        part = s[-1] < GRADED * s[0] and (ratios[within] < SPLIT / 3).any()
        if part or (ratios[~within] > MERGE).any() or (s < SHRUNK * self.framed).any():
            return self._reframe(state, self.k)
        if agreement < APART:
            return self._reframe(state, self.k)
        if s[0] > GROWN * self.framed[0] or max(_drift(u), _drift(v)) > DRIFT * self.rtol:
            return self._reframe(state, self.k)
        return None

    def _only_decays(self, u: Array, v: Array, size: float) -> bool:
        """Say whether no layer can grow from here on: the gradient is weaker than the decay.

        With layers of squares q at most each gradient is at most q^((N-1)/2) |G|, and |G|, near
        W = 0, is found by iterations of G and its transpose, to a factor that is allowed for.
        """
        pull = self.current.pull(size)
        if pull is None:
            return False
        rng, core = np.random.default_rng(0), np.zeros((self.k + 1, self.k + 1))
        left, right = rng.standard_normal(len(u)), rng.standard_normal(len(v))
        norm = 0.0
        for _ in range(_POWERS):
            left, right = left / (length(left) or 1.0), right / (length(right) or 1.0)
            gv, gtu = self.products(np.column_stack((u, left)), core, np.column_stack((v, right)))
            left, right = gv[:, -1], gtu[:, -1]
            norm = max(norm, length(left), length(right))
        return 2 * pull * norm < self.weight_decay

    def _felt(self, s: Array) -> Array:
        """Return the sizes to which singular values are kept: those that pass zero have none."""
        return np.maximum(s, _ABSOLUTE * s[0]) if self.passes else s

    def _met(self, meeting: Meeting, s: Array, floor: float) -> bool:
        """Say whether the time is right to the tolerance, and what is left within it too."""
        # Where all of W goes to zero, beside what it was.
        scale = self.peak / self.unit if s[-1] > 0.5 * s[0] else s[0]
        way = meeting.t - self.start
        known = meeting.change <= self.rtol * way and meeting.t <= self.end
        # Close to N = 2 it is within the tolerance for long, and kept as far as round-off allows.
        near = meeting.t - self.t <= 0.1 * way or s[-1] <= 10 * floor * scale
        return bool(known and near and s[-1] <= self.rtol * scale)

    def _cut_at_zero(self, meeting: Meeting, state: Array) -> Restart | Stop:
        """Go on in M_(k-1), or at zero, without the smallest singular value."""
        kept = self.k - 1
        self.approach.forget()
        reason = "a singular value reached zero; " + self.approach.lower_rank(self.k, kept)
        change = RankChange(meeting.t, kept, self.least * self.unit, reason)
        self.changes = [*self.changes, change]
        if kept > 0:
            return self._reframe(state, kept)
        self.zero = True
        return Stop(f"stationary from t = {meeting.t:.6g} on: W is zero", rest=True)

    def _reframe(self, state: Array, rank: int, step: float = math.inf) -> Restart:
        """Return the same matrix, cut to `rank`, with orthonormal U, V and diagonal core."""
        u, s, vt = self.point(state)
        return Restart(self.state(u[:, :rank], np.diag(s[:rank]), vt[:rank].T), step)

    def moved(self, before: Array, after: Array) -> tuple[float, float]:
        """Return how far W moved between two states, and its norm."""
        if before.size != after.size:
            return math.inf, 0.0
        _, core, _ = self.split(after)
        du, dcore, dv = self.split(after - before)
        parts = (du @ core, dcore, dv @ core.T)
        distance = math.sqrt(sum(np.vdot(p, p) for p in parts))
        return self.unit * distance, self.unit * float(np.linalg.norm(core))

    def smallest(self, state: Array) -> float:
        """Return the smallest singular value, if it never passes zero."""
        if self.passes:
            return math.inf
        return self.unit * float(self.core_svd(self.split(state)[1])[1].min())

    def linearisation(self, state: Array) -> tuple[LinearOperator, Array, Array]:
        """Return the rates, the gradient and the weights that the test for rest needs."""
        metric = self.current.within(1.0)
        one_rank = math.isinf(self.problem._price_of_rank)
        return linearise(self.products, self.point(state), metric, self.weight_decay, one_rank)

    def corrected(self, state: Array, displacement: Array) -> Array:
        """Return the state less a small tangent vector, (Up, M, Vp) one after another."""
        point = self.point(state)
        (m, n), k = self.shape, self.k
        shapes = ((m, k), (k, k), (n, k))
        parts = split(-displacement, shapes, bounds_of(shapes))
        u, s, vt = retract(point, FixedRankTangentVector(*parts))
        return joined((u, vt.T, np.diag(s / self.unit)))

    def turned(self, state: Array, rotation: Array) -> Array:
        """Return the state of W E for that of W, with an orthogonal matrix E."""
        u, core, v = self.split(state)
        return joined((u, rotation.T @ v, core))

    def points(self, states: Array) -> FixedRankPoint:
        """Return stacked states as stacked points."""
        (m, n), k = self.shape, self.k
        frames, cores = states[:, : (m + n) * k].reshape(-1, m + n, k), states[:, (m + n) * k :]
        u, v = frames[:, :m], frames[:, m:]
        points = stacked_points(u, cores.reshape(-1, k, k), v, graded_svd)
        return points._replace(s=points.s * (0.0 if self.zero else self.unit))

    def loss(self, state: Array) -> float:
        """Return the loss at a matrix."""
        point = self.point(state)
        loss = float(self.problem.loss(point))
        return loss + self.in_loss * float(self.half_squares(point)) if self.in_loss else loss

    def gradient_norms(self, points: FixedRankPoint) -> Array:
        """Return the lengths of the Riemannian gradient, with weight decay, at stacked points."""
        if not points.s.any():
            return np.zeros(len(points.s))
        cores = points.s[:, :, None] * np.eye(self.k)
        gv, gtu = self.problem._stacked_products(points.u, cores, transposed(points.vt))
        metric = self.current.within(1.0)
        if not self.decay:
            return gradient_norms(points, gv, gtu, metric)
        s = points.s / self.unit
        slopes = self.decay * self.current.within(self.unit).radial_weights(s) / s / self.rate
        gv = gv + points.u * slopes[:, None]
        gtu = gtu + transposed(points.vt) * slopes[:, None]
        lengths = gradient_norms(points, gv, gtu, metric)
        if self.current.imbalanced:
            beside = self.current.beside_the_product(points.s, self.width)
            lengths = np.hypot(lengths, self.weight_decay * np.sqrt(beside))
        return lengths

    def half_squares(self, points: FixedRankPoint) -> Array:
        """Return half the squared length of the layers at stacked points."""
        return self.current.squared_norms(points.s, self.width) / 2

    def measured(self, states: Array) -> tuple[FixedRankPoint, Array, Array | None]:
        """Return points, lengths of gradients and, with decay, half the squared layers."""
        points = self.points(states)
        halves = self.half_squares(points) if self.weight_decay else None
        return points, self.gradient_norms(points), halves


def _agreement(left: Array, right: Array) -> float:
    """Return the least cosine of left and right singular vectors of a core, 1 in its own frame.

    Where a singular value has passed zero it is near -1.
    """
    return float((left * right.T).sum(0).min())


def _drift(frame: Array) -> float:
    gram = frame.T @ frame
    gram.flat[:: gram.shape[0] + 1] -= 1
    return float(np.abs(gram).max())
