r"""The Riemannian gradient flow (9) on (M_k, g), in factors.

W = U S V^T is carried by U (m x k), V (n x k) with orthonormal columns and a full k x k core S.
With F = -A_{W,N}(G), G the Euclidean gradient,

    U' = (I - U U^T) F V S^{-1},   S' = U^T F V,   V' = (I - V V^T) F^T U S^{-T}.

With the SVD S = P diag(s) R^T and M = U^T G V this is U' = -(G V - U M) T and
V' = -(G^T U - V M^T) T^T, T = R diag(s^(1-2/N)) P^T, and S' = -P (c o P^T M R) R^T with the weights
c of the metric: no inverse of a small singular value for N >= 2, no difference of two.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import lapack
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array, real_depth
from fixedrank.flows.integration import Restart, Stop, integrate, output_times
from fixedrank.flows.trajectory import RankChange, RiemannianTrajectory
from fixedrank.geometry.operator import require_metric
from fixedrank.geometry.points import FixedRankPoint, checked_point
from fixedrank.geometry.spectrum import normal_weights, tangential_weights
from fixedrank.networks.gradients import thin_gradient

_EPS = float(np.finfo(float).eps)
# Below this ratio of singular values the small ones are computed, and kept, to relative accuracy.
_GRADED = 1e-3


class _Core:
    """The state (U, V, S) in one vector."""

    def __init__(self, problem: Any, shape: tuple[int, int], depth: float, rtol: float) -> None:
        self.problem, self.products = problem, thin_gradient(problem)
        self.shape, self.depth, self.rtol = shape, depth, rtol
        self.k = 0
        self.changes: list[RankChange] = []
        self.smallest = math.inf
        self.sign = 0.0

    # Between points and vectors

    def state(self, u: Array, core: Array, v: Array) -> Array:
        self.k = core.shape[0]
        return np.concatenate((u.ravel(), v.ravel(), core.ravel()))

    def split(self, state: Array) -> tuple[Array, Array, Array]:
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
        velocity = np.empty_like(state)
        u, core, v = self.split(state)
        if not math.isfinite(core.sum()):
            velocity.fill(np.nan)
            return velocity
        du, dcore, dv = self.split(velocity)
        left, s, right = graded_svd(core)
        gv, gtu = self.products(u, core, v)
        middle = u.T @ gv
        turn = (right.T * normal_weights(s, self.depth, shift=1)) @ left.T
        np.matmul(u @ middle - gv, turn, out=du)
        np.matmul(v @ middle.T - gtu, turn.T, out=dv)
        weighted = tangential_weights(s, self.depth) * (left.T @ middle @ right.T)
        np.matmul(-left @ weighted, right, out=dcore)
        return velocity

    def tolerances(self, state: Array, atol: float) -> Array:
        """Return tolerances that keep small singular values to relative accuracy.

        In a frame in which the core is diagonal, a change of entry (i, j) by
        rtol sqrt(s_i s_j) changes every singular value by rtol relative, as it does in the
        layers, whose singular values are s^(1/N).
        """
        s = np.abs(np.diagonal(self.split(state)[1]))
        core = np.minimum(atol, self.rtol * np.sqrt(np.outer(s, s)))
        core = np.maximum(core, 4 * _EPS * s.max())
        bounds = np.full(state.size, atol)
        bounds[-core.size :] = core.ravel()
        return bounds

    # What is looked at after each step

    def inspect(self, t: float, state: Array) -> Restart | Stop | None:
        u, core, v = self.split(state)
        k, (sign, _) = self.k, np.linalg.slogdet(core)
        _, s, _ = graded_svd(core)
        tolerance = max(self.shape) * _EPS * float(s[0])
        kept = int((s > tolerance).sum())
        shrinking = s[-1] < self.smallest
        self.smallest = float(s[-1])
        if kept == 0:
            return Stop(f"stationary from t = {t:.6g} on: W = 0", rest=True)
        if kept < k and shrinking:
            lost = float(s[kept])
            self.changes.append(
                RankChange(
                    t,
                    kept,
                    lost,
                    f"a singular value fell to {lost:.2e}, round-off of the largest, {s[0]:.2e}; "
                    "errors would carry the flow across the boundary of "
                    f"M_{k}, which it never crosses, so it goes on in M_{kept}",
                )
            )
            return self._reframe(state, kept)
        if self.sign and sign != self.sign:
            return Stop(
                f"stopped at t = {t:.6g}: a step crossed the boundary of M_{k}, which the flow "
                f"never does (singular values {s[-1]:.2e} to {s[0]:.2e}); "
                "take smaller rtol, max_step or step",
                rest=False,
            )
        self.sign = sign
        if s[-1] < _GRADED * s[0]:
            off = np.abs(core) / np.sqrt(np.outer(s, s))
            np.fill_diagonal(off, 0)
            if off.max() > 1:
                return self._reframe(state, k)
        drift = max(_drift(u), _drift(v))
        if drift > 10 * self.rtol:
            return self._reframe(state, k)
        return None

    def _reframe(self, state: Array, rank: int) -> Restart:
        """Return the same matrix, cut to `rank`, with orthonormal U, V and diagonal core."""
        u, s, vt = self.point(state)
        self.sign, self.smallest = 1.0, math.inf
        return Restart(self.state(u[:, :rank], np.diag(s[:rank]), vt[:rank].T))

    def moved(self, before: Array, after: Array) -> tuple[float, float]:
        if before.size != after.size:
            return math.inf, 0.0
        _, core, _ = self.split(after)
        du, dcore, dv = self.split(after - before)
        parts = (du @ core, dcore, dv @ core.T)
        return math.sqrt(sum(np.vdot(p, p) for p in parts)), float(np.linalg.norm(core))

    def linearisation(self, state: Array) -> tuple[LinearOperator, Array, Array]:
        """Return A^(1/2) Hess A^(1/2) of the embedded metric, A^(1/2) G, and the weights A^(1/2).

        At a critical point these are the rates of the flow. On Z = (Up, M, Vp) the Hessian is the
        projection of D^2 f [Z], here by central differences of the gradient, and what the
        curvature of M_k adds: G_n Vp S^{-1} and G_n^T Up S^{-1} with the normal part G_n of G.
        """
        u, s, vt = self.point(state)
        v, (m, n), k = vt.T, self.shape, s.size
        cuts = np.cumsum([0, m * k, k * k, n * k])
        roots = (
            np.tile(np.sqrt(normal_weights(s, self.depth)), (m, 1)),
            np.sqrt(tangential_weights(s, self.depth)),
            np.tile(np.sqrt(normal_weights(s, self.depth)), (n, 1)),
        )
        weights = np.concatenate([root.ravel() for root in roots])

        def projected(gv: Array, gtu: Array) -> Array:
            middle = u.T @ gv
            parts = (gv - u @ middle, middle, gtu - v @ middle.T)
            return np.concatenate([part.ravel() for part in parts])

        def rates(flat: Array) -> Array:
            weighted = weights * np.ravel(flat)
            up, core, vp = (
                weighted[a:b].reshape(shape)
                for a, b, shape in zip(cuts, cuts[1:], ((m, k), (k, k), (n, k)), strict=False)
            )
            up, vp = up - u @ (u.T @ up), vp - v @ (vt @ vp)
            left, r_left = np.linalg.qr(np.hstack((u, up)))
            right, r_right = np.linalg.qr(np.hstack((v, vp)))
            size = math.sqrt(np.vdot(up, up) + np.vdot(core, core) + np.vdot(vp, vp))
            step = 1e-5 * s[0] / max(size, np.finfo(float).tiny)

            def products(h: float) -> tuple[Array, Array]:
                middle = np.zeros((2 * k, 2 * k))
                middle[:k, :k] = np.diag(s) + h * core
                middle[:k, k:] = middle[k:, :k] = h * np.eye(k)
                gr, gtl = self.products(left, r_left @ middle @ r_right.T, right)
                return gr @ r_right, gtl @ r_left

            (gv_a, gtu_a), (gv_b, gtu_b) = products(step), products(-step)
            gv, gtu = (gv_a - gv_b) / (2 * step), (gtu_a - gtu_b) / (2 * step)
            here, here_t = (gv_a + gv_b) / 2, (gtu_a + gtu_b) / 2
            bent, bent_t = here[:, k:] / s, here_t[:, k:] / s
            bent, bent_t = bent - u @ (u.T @ bent), bent_t - v @ (vt @ bent_t)
            return weights * projected(gv[:, :k] + bent, gtu[:, :k] + bent_t)

        operator = LinearOperator((weights.size,) * 2, matvec=rates, dtype=np.float64)
        gv, gtu = self.products(u, np.diag(s), v)
        return operator, weights * projected(gv, gtu), weights

    def record(self, state: Array) -> FixedRankPoint:
        return self.point(state)

    def loss(self, state: Array) -> float:
        return float(self.problem.loss(self.point(state)))

    def gradient_norm(self, point: FixedRankPoint) -> float:
        """Return the length of the Riemannian gradient, sqrt(<A(G), G>)."""
        u, s, vt = point
        gv, gtu = self.products(u, np.diag(s), vt.T)
        middle = u.T @ gv
        normal = np.square(gv - u @ middle).sum(0) + np.square(gtu - vt.T @ middle.T).sum(0)
        square = (tangential_weights(s, self.depth) * middle**2).sum()
        return math.sqrt(square + (normal_weights(s, self.depth) * normal).sum())


def _drift(frame: Array) -> float:
    gram = frame.T @ frame
    gram.flat[:: gram.shape[0] + 1] -= 1
    return float(np.abs(gram).max())


def graded_svd(core: Array) -> tuple[Array, Array, Array]:
    """Return the SVD of a k x k core, small singular values to relative accuracy.

    2026-11: divide and conquer finds singular values to round-off of the largest. Where they
    are spread widely, one-sided Jacobi rotations (Drmac and Veselic, SIAM J. Matrix Anal. Appl.
    29, 2008) find those of a graded matrix each to its own round-off, at some three times the cost.
    """
    u, s, vt, info = lapack.dgesdd(core)
    if info != 0:
        raise np.linalg.LinAlgError(f"LAPACK found no SVD of a {core.shape} core, info {info}")
    if s[-1] < _GRADED * s[0]:
        values, left, right, work, _, info = lapack.dgejsv(core, joba=2, jobu=0, jobv=0)
        if info == 0:
            return left, values * (work[0] / work[1]), right.T
    return u, s, vt


def riemannian_flow(
    problem: Any,
    point: Any,
    depth: float,
    t: Any,
    *,
    method: Any = "DOP853",
    rtol: float = 1e-8,
    atol: float = 1e-10,
    progress: bool = False,
    **options: Any,
) -> RiemannianTrajectory:
    r"""Integrate the Riemannian gradient flow (9), :math:`\dot W = -\nabla^g L^1(W)` on M_k.

    Parameters
    ----------
    problem : LinearRegression or any object with ``loss(W)`` and ``gradient(W)``
        The problem. ``W`` comes as a tuple (u, s, vt); the gradient may be an array, a SciPy sparse
        array, a low-rank pair or a LinearOperator, of which only thin products are formed.
    point : FixedRankPoint or tuple (u, s, vt)
        The initial W, with arrays of shapes (m, k), (k,), (k, n).
    depth : float
        The depth N of the metric, any real number >= 1.
    t : array_like, shape (times,)
        The output times, increasing; W starts at the first one.
    method : str or OdeSolver class
        "DOP853", "RK45", "RK23", "Radau", "BDF", "LSODA" of SciPy, or "RK4" (:class:`RK4`),
        which takes ``step=h``.
    rtol, atol : float
        Tolerances of the local error, relative and absolute. Small singular values are kept to
        `rtol` relative, as the layers of a network keep them.
    progress : bool
        Whether to show a bar over t with the loss (needs tqdm).
    **options
        Further options of the method, such as ``first_step``, ``max_step`` or ``step``.

    Returns
    -------
    RiemannianTrajectory
        The points at the asked times; memory does not grow with the number of steps. Where a
        singular value decays to round-off of the largest the flow goes on at the lower rank, and
        ``rank_changes`` says when and why. After Ctrl-C, what was computed. To resume, start
        from its last point and time.

    Raises
    ------
    TypeError, ValueError
        If the point is not one or does not fit to the problem, the depth is below 1, times do
        not increase, or the method is unknown.

    References
    ----------
    Equation (9), Theorems 4 and 6 of the paper.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> start = fixedrank.FixedRank(2, 2, 1, depth=3).point(np.ones((2, 2)))
    >>> flow = fixedrank.riemannian_flow(problem, start, 3, np.linspace(0, 5, 11))
    >>> round(float(flow.loss[-1]), 9)
    0.5
    """
    times = output_times(t)
    start = checked_point(point)
    number = real_depth(depth)
    shape = (start.u.shape[0], start.vt.shape[1])
    require_metric(*shape, start.s.size, number)
    expected = getattr(problem, "shape", None)
    if expected is not None and tuple(expected) != shape:
        raise ValueError(f"the point is a {shape} matrix, the problem is about {expected} matrices")
    system = _Core(problem, shape, number, rtol)
    order = np.argsort(-start.s, kind="stable")
    state = system.state(start.u[:, order], np.diag(start.s[order]), start.vt[order].T)
    run = integrate(
        system,
        state,
        times,
        method=method,
        rtol=rtol,
        atol=atol,
        progress=progress,
        options=options,
    )
    changes = "".join(f"; at t = {c.t:.6g} {c.reason}" for c in system.changes)
    return RiemannianTrajectory(
        t=times[: len(run.records)],
        loss=np.array([problem.loss(p) for p in run.records]),
        gradient_norm=np.array([system.gradient_norm(p) for p in run.records]),
        status=run.status + changes,
        complete=run.complete,
        evaluations=run.evaluations,
        steps=run.steps,
        points=run.records,
        depth=number,
        rank_changes=tuple(system.changes),
    )
