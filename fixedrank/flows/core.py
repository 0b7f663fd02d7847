r"""The Riemannian gradient flow (9) on (M_k, g), in factors.

W = U S V^T is carried by U (m x k), V (n x k) with orthonormal columns and a full k x k core S.
With F = -A_{W,N}(G), G the Euclidean gradient,

    U' = (I - U U^T) F V S^{-1},   S' = U^T F V,   V' = (I - V V^T) F^T U S^{-T}.

With the SVD S = P diag(s) R^T and M = U^T G V this is U' = -(G V - U M) T and
V' = -(G^T U - V M^T) T^T, T = R diag(s^(1-2/N)) P^T, and S' = -P (c o P^T M R) R^T with the weights
c of the metric: no inverse of a small singular value for N >= 2, no difference of two.

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

from fixedrank._checks import Array
from fixedrank.flows.integration import Restart, Stop
from fixedrank.flows.linearisation import linearise
from fixedrank.flows.trajectory import RankChange
from fixedrank.geometry.gradients import gradient_norm
from fixedrank.geometry.orthonormal import GRADED, graded_svd
from fixedrank.geometry.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.retraction import retract
from fixedrank.geometry.spectrum import normal_weights, tangential_weights
from fixedrank.networks.gradients import thin_gradient

_EPS = float(np.finfo(float).eps)
# A matrix as small as this is zero: squares of its entries would underflow.
_NOTHING = 1e-150
# Ratios of neighbouring singular values at which groups part, and at which they join again.
_SPLIT, _MERGE = 0.3, 0.7


class RiemannianSystem:
    """The flow (9) of a problem, with its state (U, V, S) in one vector.

    Parameters
    ----------
    problem : object
        With ``loss(W)`` and ``gradient(W)``.
    shape : tuple of int
        The shape (m, n) of W.
    depth, rtol : float
        The depth N, and the relative tolerance of the integration.
    """

    def __init__(self, problem: Any, shape: tuple[int, int], depth: float, rtol: float) -> None:
        self.problem, self.products = problem, thin_gradient(problem)
        self.shape, self.depth, self.rtol = shape, depth, rtol
        self.k = 0
        self.changes: list[RankChange] = []
        self.framed = np.zeros(0)
        self.bounds = [0]
        self.together = np.ones((0, 0), dtype=bool)
        self.least = 0.0

    # Between points and vectors

    def state(self, u: Array, core: Array, v: Array) -> Array:
        """Return U, V and a diagonal core in one vector: the frame for what follows."""
        self.k = core.shape[0]
        self.framed = s = np.diagonal(core)
        self.least = float(s[-1])
        parts = (s[1:] < _SPLIT * s[:-1]) & (s[-1] < GRADED * s[0])
        self.bounds = [0, *(np.flatnonzero(parts) + 1).tolist(), self.k]
        group = np.concatenate(([0], np.cumsum(parts)))
        self.together = np.equal.outer(group, group)
        return np.concatenate((u.ravel(), v.ravel(), core.ravel()))

    def split(self, state: Array) -> tuple[Array, Array, Array]:
        """Return views U, S, V of a state."""
        (m, n), k = self.shape, self.k
        return (
            state[: m * k].reshape(m, k),
            state[(m + n) * k :].reshape(k, k),
            state[m * k : (m + n) * k].reshape(n, k),
        )

    def point(self, state: Array) -> FixedRankPoint:
        """Return the state as a point, orthonormal to round-off."""
        u, core, v = self.split(state)
        q_left, r_left = np.linalg.qr(u)
        q_right, r_right = np.linalg.qr(v)
        left, s, right = graded_svd(r_left @ core @ r_right.T)
        return FixedRankPoint(q_left @ left, s, right @ q_right.T)

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
        gv, gtu = self.products(u, core, v)
        # Of such small matrices numpy.dot makes products faster than the operator does.
        middle = np.dot(u.T, gv)
        turn = np.dot(right.T * normal_weights(s, self.depth, shift=1), left.T)
        descent_u, descent_v = np.dot(u, middle), np.dot(v, middle.T)
        descent_u -= gv
        descent_v -= gtu
        np.dot(descent_u, turn, out=du)
        np.dot(descent_v, turn.T, out=dv)
        weighted = tangential_weights(s, self.depth) * np.dot(np.dot(left.T, middle), right.T)
        if len(self.bounds) > 2:
            # Between groups the frames turn, so that the core stays block diagonal.
            squares = s**2
            gaps = np.where(self.together, np.inf, squares - squares[:, None])
            turn_u = (weighted * s + s[:, None] * weighted.T) / -gaps
            turn_v = (weighted * s[:, None] + s * weighted.T) / -gaps
            du += u @ (left @ turn_u @ left.T)
            dv += v @ (right.T @ turn_v @ right)
            weighted = np.where(self.together, weighted, 0)
        np.dot(np.dot(left, -weighted), right, out=dcore)
        return velocity

    def core_svd(self, core: Array) -> tuple[Array, Array, Array]:
        """Return the singular value decomposition of a core, group by group."""
        if len(self.bounds) == 2:
            return graded_svd(core)
        left, right, s = np.zeros_like(core), np.zeros_like(core), np.empty(self.k)
        for a, b in pairwise(self.bounds):
            left[a:b, a:b], s[a:b], right[a:b, a:b] = graded_svd(core[a:b, a:b])
        return left, s, right

    def tolerances(self, state: Array, rtol: float, atol: float) -> tuple[float, Array]:
        """Return tolerances that keep the small singular values of the frame to relative accuracy.

        A change of entry (i, j) of a diagonal core by rtol sqrt(s_i s_j) changes every singular
        value by rtol relative, which is how layers keep them, with their s^(1/N).
        """
        core = rtol * np.sqrt(np.outer(self.framed, self.framed))
        bounds = np.full(state.size, atol)
        bounds[-core.size :] = core.ravel()
        return rtol, bounds

    # What is looked at after each step

    def inspect(self, t: float, state: Array) -> Restart | Stop | None:
        """Cut the rank at round-off, refuse to cross the boundary of M_k, mend the frames."""
        u, core, v = self.split(state)
        k, sign = self.k, np.linalg.slogdet(core)[0]
        _, s, _ = self.core_svd(core)
        tolerance = max(self.shape) * _EPS * float(s[0])
        kept = int((s > tolerance).sum())
        shrinking = s[-1] < self.least
        self.least = float(s[-1])
        if s[0] < _NOTHING:
            return Stop(f"stationary from t = {t:.6g} on: W has decayed to zero", rest=True)
        if kept < k and shrinking:
            lost = float(s[kept])
            fell = f"a singular value fell to {lost:.2e}, round-off of the largest, {s[0]:.2e}; "
            self.changes.append(RankChange(t, kept, lost, fell + self._boundary(k, kept)))
            return self._reframe(state, kept)
        if sign < 0:
            does = "may end at" if self.depth < 2 else "never reaches; take smaller steps"
            return Stop(
                f"stopped at t = {t:.6g}: a step crossed the boundary of M_{k}, which the flow "
                f"{does} (singular values {s[-1]:.2e} to {s[0]:.2e})",
                rest=False,
            )
        ratios = s[1:] / s[:-1]
        within = self.together.diagonal(1)
        part = s[-1] < GRADED * s[0] and (ratios[within] < _SPLIT / 3).any()
        if part or (ratios[~within] > _MERGE).any() or (s < 0.1 * self.framed).any():
            return self._reframe(state, k)
        if max(_drift(u), _drift(v)) > 10 * self.rtol:
            return self._reframe(state, k)
        return None

    def _boundary(self, k: int, kept: int) -> str:
        """Say why it goes on at a lower rank; s' ~ -s^(2-2/N) is zero in finite time if N < 2."""
        if self.depth < 2:
            return f"at depth N < 2 the flow reaches the boundary of M_{k}; it goes on in M_{kept}"
        return (
            f"errors would carry the flow across the boundary of M_{k}, which it never crosses, "
            f"so it goes on in M_{kept}"
        )

    def _reframe(self, state: Array, rank: int) -> Restart:
        """Return the same matrix, cut to `rank`, with orthonormal U, V and diagonal core."""
        u, s, vt = self.point(state)
        return Restart(self.state(u[:, :rank], np.diag(s[:rank]), vt[:rank].T))

    def moved(self, before: Array, after: Array) -> tuple[float, float]:
        """Return how far W moved between two states, and its norm."""
        if before.size != after.size:
            return math.inf, 0.0
        _, core, _ = self.split(after)
        du, dcore, dv = self.split(after - before)
        parts = (du @ core, dcore, dv @ core.T)
        return math.sqrt(sum(np.vdot(p, p) for p in parts)), float(np.linalg.norm(core))

    def smallest(self, state: Array) -> float:
        """Return the smallest singular value."""
        return float(self.core_svd(self.split(state)[1])[1].min())

    def linearisation(self, state: Array) -> tuple[LinearOperator, Array, Array]:
        """Return the rates, the gradient and the weights that the test for rest needs."""
        return linearise(self.products, self.point(state), self.depth)

    def corrected(self, state: Array, displacement: Array) -> Array:
        """Return the state less a small tangent vector, (Up, M, Vp) one after another."""
        point = self.point(state)
        (m, n), k = self.shape, self.k
        up, core, vp = np.split(-displacement, (m * k, m * k + k * k))
        parts = (up.reshape(m, k), core.reshape(k, k), vp.reshape(n, k))
        u, s, vt = retract(point, FixedRankTangentVector(*parts))
        return np.concatenate((u.ravel(), vt.T.ravel(), np.diag(s).ravel()))

    def record(self, state: Array) -> FixedRankPoint:
        """Return the point that is kept at an output time."""
        return self.point(state)

    def loss(self, state: Array) -> float:
        """Return the loss."""
        return float(self.problem.loss(self.point(state)))

    def gradient_norm(self, point: FixedRankPoint) -> float:
        """Return the length of the Riemannian gradient."""
        products = self.products(point.u, np.diag(point.s), point.vt.T)
        return gradient_norm(point, *products, self.depth)


def _drift(frame: Array) -> float:
    gram = frame.T @ frame
    gram.flat[:: gram.shape[0] + 1] -= 1
    return float(np.abs(gram).max())
