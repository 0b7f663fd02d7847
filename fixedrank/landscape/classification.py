"""Where a flow on matrices has ended: the nearest critical point of L^1, and how near it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from fixedrank._aliases import PointLike
from fixedrank._checks import Array, real_array
from fixedrank._shown import Displayed, number, some
from fixedrank.geometry.factored.ambient import dense_matrix
from fixedrank.geometry.factored.orthonormal import svd_point
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point, distance, is_triple
from fixedrank.geometry.metric.depth import as_metric
from fixedrank.geometry.metric.gradients import gradient_norm
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.landscape.certificates import RateCertificate, certify
from fixedrank.landscape.critical_points import (
    CriticalPoint,
    critical_point,
    decayed_point,
    least_loss,
)
from fixedrank.landscape.decay import Choice, WhiteDecay, white_decay
from fixedrank.losses.regression import LinearRegression, require_data

NOT_CRITICAL = "not a critical point"


@dataclass(frozen=True, eq=False, repr=False)
class PointClassification(Displayed):
    """What :func:`classify` found about a matrix W.

    Attributes
    ----------
    kind : str
        "global minimum" (on M_l), "strict saddle", or "not a critical point"; with weight decay
        also "local minimum" and "degenerate saddle", as of a :class:`CriticalPoint`.
    rank : int
        The rank l of W: the number of singular values above the tolerance.
    nearest : CriticalPoint
        The critical point of rank min(l, q) that is nearest to W, in the norm of (W - W_J) X.
    distance : float
        The Frobenius distance from W to it.
    tolerance : float
        The distance up to which W counts as critical, and the size up to which a singular value
        counts as zero.
    gradient_norm : float
        The length of the Riemannian gradient on M_l in the depth-N metric, at W cut to rank l.
    loss : float
        L^1(W).
    loss_gap : float
        The loss above the minimum over all matrices of the rank of W or less; with weight decay
        the loss with the penalty above the minimum of both.
    verdict : str
        All this in words; with weight decay also which rank is the best one.
    weight_decay : float
        lambda; 0 without decay.
    penalty : float or None
        R = (lambda N / 2) sum s^(2/N) of W cut to rank l; None without decay.
    dual_norm : float or None
        With weight decay at N = 2 the spectral norm of the gradient of L^1: W is the minimum of
        all matrices if it is critical and this is at most lambda. None otherwise.
    certificate : RateCertificate or None
        What :func:`certify` proves of flow (9) on M_l from W cut to rank l; None where l = 0, or
        no depth was given.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    >>> found = fixedrank.classify(problem, np.diag([0.0, 2.0]))
    >>> found.kind, found.indices, found.rank, found.morse_index
    ('strict saddle', (1,), 1, 1)
    """

    kind: str
    rank: int
    nearest: CriticalPoint
    distance: float
    tolerance: float
    gradient_norm: float
    loss: float
    loss_gap: float
    verdict: str
    weight_decay: float = 0.0
    penalty: float | None = None
    dual_norm: float | None = None
    certificate: RateCertificate | None = None

    @property
    def indices(self) -> tuple[int, ...]:
        """J of the nearest critical point, counted from 0."""
        return self.nearest.indices

    @property
    def morse_index(self) -> int:
        """The number of negative eigenvalues of the Hessian at the nearest critical point."""
        return self.nearest.morse_index

    def __str__(self) -> str:
        return self.verdict

    def _shown_title(self) -> str:
        m, n = self.nearest.problem.shape
        return f"{type(self).__name__}: {self.kind}, a {m}x{n} matrix of rank {self.rank}"

    def _shown_facts(self) -> dict[str, str]:
        return {
            "verdict": self.verdict,
            "loss": f"{number(self.loss)}, {number(self.loss_gap)} above the minimum of its rank",
            "gradient norm": number(self.gradient_norm),
            "nearest": f"J = {some([str(index) for index in self.indices], 12)}",
            "distance": f"{number(self.distance)}, critical up to {number(self.tolerance)}",
            "Morse index": str(self.morse_index),
            "penalty": "" if self.penalty is None else number(self.penalty),
            "dual norm": "" if self.dual_norm is None else number(self.dual_norm),
            "certificate": "" if self.certificate is None else str(self.certificate),
        }


def classify(
    problem: LinearRegression,
    point: PointLike | ArrayLike,
    *,
    depth: float | SpectralMetric | None = None,
    rtol: float = 1e-6,
    weight_decay: float = 0.0,
) -> PointClassification:
    r"""Say which critical point of L^1 a matrix is, if it is one.

    Singular values of W up to the tolerance count as zero: then W is looked at as a point of M_l,
    l < k, where a trajectory on M_k may end (Theorem 6).

    With weight decay it is the critical point of L^1 + R, as of :func:`critical_points`, on white
    data; :func:`dual_certificate` is for other data at N = 2.

    Parameters
    ----------
    problem : LinearRegression
        The problem; with weight decay of white data.
    point : FixedRankPoint, tuple (u, s, vt) or ndarray of shape (d_y, d_x)
        The matrix W, for example the last point of a trajectory.
    depth : float, optional
        The depth N of the metric in which the length of the gradient is given, and of the flow that
        the certificate is for; by default the length is that in the embedded metric, and there is
        no certificate. With weight decay it is that of the network, and is asked for.
    rtol : float
        The tolerance, relative to the largest singular value of W or of the unconstrained
        minimiser B C^{-1}, whichever is larger.
    weight_decay : float
        lambda >= 0.

    Returns
    -------
    PointClassification
        The nearest critical point, its J, its index, the distance and a verdict in words.

    Raises
    ------
    TypeError, ValueError
        If W has the wrong shape or is not finite, or `depth`, `rtol` or the decay are out of range;
        with decay, if there is no depth or the data are not white.

    References
    ----------
    Theorems 5 and 6 of the paper.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    >>> start = fixedrank.FixedRank(2, 2, 1, depth=2).point(np.ones((2, 2)))
    >>> flow = fixedrank.riemannian_flow(problem, start, 2, [0, 20])
    >>> print(fixedrank.classify(problem, flow.points[-1]))
    global minimum on the matrices of rank 1: W_J with J = (0,) at distance ... (tolerance 3.0e-06)
    >>> print(fixedrank.classify(problem, np.diag([2.0, 0.0]), depth=2, weight_decay=1.0))
    global minimum on the matrices of rank 1: W_J with J = (0,) at distance ...; the minimum of all
    ranks has rank 2 and an objective lower by 0.5
    """
    require_data(problem, "classify")
    metric = as_metric(1 if depth is None else depth)
    data = white_decay(problem, weight_decay, depth, "classify")
    if not 0 < rtol < 1:
        raise ValueError(f"rtol must lie between 0 and 1, got {rtol!r}")
    u, s, vt = _factored(problem, point)
    tolerance = rtol * max(float(s.max(initial=0.0)), solution_norm(problem))
    # Not the numerical rank: a flow at rest is as near to its limit as it was asked to be.
    rank = int((s > tolerance).sum())
    metric.check_sizes(*problem.shape, max(rank, 1))
    kept = FixedRankPoint(u[:, :rank], s[:rank], vt[:rank])
    certificate = None
    if rank and depth is not None and metric.depth is not None:
        certificate = certify(problem, kept, metric, weight_decay=weight_decay)
    if data is not None:
        found = _with_decay(data, metric, FixedRankPoint(u, s, vt), kept, tolerance)
        return replace(found, certificate=certificate)
    products = problem.gradient_products(kept.u, np.diag(kept.s), kept.vt.T)
    nearest = _nearest(problem, u * s, vt, min(rank, problem.rank))
    away = distance((u, s, vt), nearest.point)
    loss = problem.loss((u, s, vt))
    best = least_loss(problem, rank)
    critical = rank <= problem.rank and away <= tolerance
    kind = nearest.kind if critical else NOT_CRITICAL
    return PointClassification(
        kind=kind,
        rank=rank,
        nearest=nearest,
        distance=away,
        tolerance=tolerance,
        gradient_norm=gradient_norm(kept, *products, metric),
        loss=loss,
        loss_gap=loss - best,
        verdict=_verdict(kind, rank, s.size, nearest, problem.rank, away, tolerance),
        certificate=certificate,
    )


def _with_decay(
    data: WhiteDecay,
    metric: SpectralMetric,
    point: FixedRankPoint,
    kept: FixedRankPoint,
    tolerance: float,
) -> PointClassification:
    """Return what W is for the objective L^1 + R; `kept` is W cut to its rank."""
    problem, penalty, rank = data.problem, data.penalty, kept.s.size
    nearest = _nearest_with_decay(data, point, min(rank, data.upper.size))
    away, loss = distance(point, nearest.point), problem.loss(point)
    critical = rank <= data.upper.size and away <= tolerance
    kind = nearest.kind if critical else NOT_CRITICAL
    gv, gtu = problem.gradient_products(kept.u, np.diag(kept.s), kept.vt.T)
    slopes, added = penalty.slopes(kept.s), float(penalty.values(kept.s).sum())
    least, best = decayed_point(data, data.least(rank)), data.least(min(problem.shape))
    verdict = _verdict(kind, rank, point.s.size, nearest, data.upper.size, away, tolerance)
    if critical:
        branches = nearest.branches or ()
        own = Choice(nearest.indices, tuple(branch == "upper" for branch in branches))
        lower = data.excess(own, best)
        verdict += (
            "; no matrix of any rank has a lower objective"
            if lower == 0
            else f"; the minimum of all ranks has rank {len(best.indices)} and an objective lower "
            f"by {lower:.3g}"
        )
    dual_norm = None
    if penalty.depth == 2:
        gradient = (point.u * point.s) @ point.vt @ problem.C - problem.B
        dual_norm = float(np.linalg.norm(gradient, 2))
    return PointClassification(
        kind=kind,
        rank=rank,
        nearest=nearest,
        distance=away,
        tolerance=tolerance,
        gradient_norm=gradient_norm(kept, gv + kept.u * slopes, gtu + kept.vt.T * slopes, metric),
        loss=loss,
        loss_gap=loss + added - least.objective,
        verdict=verdict,
        weight_decay=penalty.weight_decay,
        penalty=added,
        dual_norm=dual_norm,
    )


def _factored(problem: LinearRegression, point: Any) -> FixedRankPoint:
    """Return W as (u, s, vt) with descending singular values, which may vanish."""
    if is_triple(point):
        problem.loss(point)  # checks shapes and values
        u, s, vt = (real_array("a factor", part) for part in point)
        if (s < 0).any():
            raise ValueError(f"singular values must be >= 0, but the smallest is {s.min():.3e}")
        if (s > 0).any():
            checked_point((u[:, s > 0], s[s > 0], vt[s > 0]))
        order = np.argsort(-s, kind="stable")
        return FixedRankPoint(u[:, order], s[order], vt[order])
    return svd_point(dense_matrix("the matrix", point, problem.shape, "(d_y, d_x)"))


def nearest_minimum(problem: LinearRegression, matrix: Array, k: int) -> CriticalPoint:
    """Return the minimum of rank k <= q that is nearest to a matrix W in |(W - W_J) C^{1/2}|.

    There are several where the k-th and the next singular value of Q tie.
    """
    u, s, vt = svd_point(matrix)
    return _turned_point(problem, tuple(range(k)), _turned(problem, u * s, vt)[1])


def solution_norm(problem: LinearRegression) -> float:
    """Return the largest singular value of B C^{-1}, the minimiser over all matrices."""
    _, s, vt = problem.svd
    rows = scipy.linalg.solve(problem.root, vt.T, assume_a="pos").T
    return float(np.linalg.norm(s[:, None] * rows, 2))


def _nearest(problem: LinearRegression, left: Array, vt: Array, k: int) -> CriticalPoint:
    """Return the critical point of rank k that is nearest to W = left vt in |(W - W_J) C^{1/2}|."""
    parts, turn = _turned(problem, left, vt)
    s = problem.svd[1][: parts.size]
    indices = sorted(np.argsort(-s * (2 * parts - s), kind="stable")[:k].tolist())
    return _turned_point(problem, tuple(indices), turn)


def _nearest_with_decay(data: WhiteDecay, point: FixedRankPoint, k: int) -> CriticalPoint:
    """Return the critical point with decay of rank k that is nearest to W."""
    parts, turn = _turned(data.problem, point.u * point.s, point.vt)
    parts = parts / math.sqrt(data.c)
    gains = np.full((2, data.upper.size), -np.inf)
    for of_root, roots in zip(gains, (data.lower, data.upper), strict=True):
        of_root[: roots.size] = roots * (2 * parts[: roots.size] - roots)
    # Roots that have underflowed are not there.
    gains[np.isnan(gains)] = -np.inf
    indices = sorted(np.argsort(-gains.max(axis=0), kind="stable")[:k].tolist())
    choice = Choice(tuple(indices), tuple(bool(gains[1, i] >= gains[0, i]) for i in indices))
    u, _, rows = data.problem.svd
    chosen = turn[:, indices]
    return decayed_point(data, choice, (u[:, : len(turn)] @ chosen, chosen.T @ rows[: len(turn)]))


def _turned(problem: LinearRegression, left: Array, vt: Array) -> tuple[Array, Array]:
    """Return the part of W = left vt along each singular value of Q, and the frame that has it.

    With A = U^T W C^{1/2} V the square of the distance |(W - W_J) C^{1/2}| is, up to a constant,
    the sum over J of s_j^2 - 2 s_j A_jj. Among tied singular values the singular vectors may be
    turned: then the eigenvalues, descending, of the symmetric part of their block of A take the
    place of its diagonal.
    """
    u, s, rows = problem.svd
    q = problem.rank
    image = (u[:, :q].T @ left) @ (vt @ problem.root @ rows[:q].T)
    bounds = np.flatnonzero(-np.diff(s[:q]) > problem.tolerance) + 1
    turn, parts = np.eye(q), np.zeros(q)
    for group in np.split(np.arange(q), bounds):
        block = image[np.ix_(group, group)]
        values, frame = np.linalg.eigh((block + block.T) / 2)
        turn[np.ix_(group, group)] = frame[:, ::-1]
        parts[group] = values[::-1]
    return parts, turn


def _turned_point(
    problem: LinearRegression, indices: tuple[int, ...], turn: Array
) -> CriticalPoint:
    """Return W_J for the singular vectors of Q, turned among tied singular values."""
    u, _, rows = problem.svd
    q, chosen = problem.rank, turn[:, list(indices)]
    return critical_point(problem, indices, (u[:, :q] @ chosen, chosen.T @ rows[:q]))


def _verdict(
    kind: str,
    rank: int,
    k: int,
    nearest: CriticalPoint,
    most: int,
    distance: float,
    tolerance: float,
) -> str:
    where = f"on the matrices of rank {rank}" if rank else "of rank 0: W = 0"
    named = f"W_J with J = {nearest.indices}" if rank else "the zero matrix"
    lost = f"; {k - rank} of {k} singular values have vanished" if rank < k else ""
    near = f"at distance {distance:.1e} (tolerance {tolerance:.1e})"
    if kind == NOT_CRITICAL:
        if rank > most:
            highest = f"q = {most}" if nearest.weight_decay == 0 else f"{most}"
            return (
                f"{NOT_CRITICAL}: W has rank {rank}, and there are none of rank above {highest}; "
                f"the nearest one, {named} of rank {most}, is {near}"
            )
        return f"{NOT_CRITICAL}: {named}, the nearest one of rank {rank}, is {near}{lost}"
    index = f", of index {nearest.morse_index}" if nearest.morse_index else ""
    return f"{kind} {where}{index}: {named} {near}{lost}"
