"""Where a flow on matrices has ended: the nearest critical point of L^1, and how near it is."""

from __future__ import annotations

from dataclasses import dataclass
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
from fixedrank.landscape.critical_points import CriticalPoint, critical_point, least_loss
from fixedrank.losses.regression import LinearRegression, require_data

NOT_CRITICAL = "not a critical point"


@dataclass(frozen=True, eq=False, repr=False)
class PointClassification(Displayed):
    """What :func:`classify` found about a matrix W.

    Attributes
    ----------
    kind : str
        "global minimum" (on M_l), "strict saddle", or "not a critical point".
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
        The loss above the minimum over all matrices of the rank of W or less.
    verdict : str
        All this in words.

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
        }


def classify(
    problem: LinearRegression,
    point: PointLike | ArrayLike,
    *,
    depth: float | SpectralMetric = 1,
    rtol: float = 1e-6,
) -> PointClassification:
    r"""Say which critical point of L^1 a matrix is, if it is one.

    Singular values of W up to the tolerance count as zero: then W is looked at as a point of M_l,
    l < k, where a trajectory on M_k may end (Theorem 6).

    Parameters
    ----------
    problem : LinearRegression
        The problem.
    point : FixedRankPoint, tuple (u, s, vt) or ndarray of shape (d_y, d_x)
        The matrix W, for example the last point of a trajectory.
    depth : float
        The depth N of the metric in which the length of the gradient is given; 1 for the
        embedded metric.
    rtol : float
        The tolerance, relative to the largest singular value of W or of the unconstrained
        minimiser B C^{-1}, whichever is larger.

    Returns
    -------
    PointClassification
        The nearest critical point, its J, its index, the distance and a verdict in words.

    Raises
    ------
    TypeError, ValueError
        If W has the wrong shape or is not finite, or `depth` or `rtol` are out of range.

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
    """
    require_data(problem, "classify")
    metric = as_metric(depth)
    if not 0 < rtol < 1:
        raise ValueError(f"rtol must lie between 0 and 1, got {rtol!r}")
    u, s, vt = _factored(problem, point)
    tolerance = rtol * max(float(s.max(initial=0.0)), solution_norm(problem))
    # Not the numerical rank: a flow at rest is as near to its limit as it was asked to be.
    rank = int((s > tolerance).sum())
    metric.check_sizes(*problem.shape, max(rank, 1))
    kept = FixedRankPoint(u[:, :rank], s[:rank], vt[:rank])
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
        verdict=_verdict(kind, rank, s.size, nearest, away, tolerance),
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
    gains, turn = _turned(problem, left, vt)
    indices = sorted(np.argsort(-gains, kind="stable")[:k].tolist())
    return _turned_point(problem, tuple(indices), turn)


def _turned(problem: LinearRegression, left: Array, vt: Array) -> tuple[Array, Array]:
    """Return what each singular value of Q gains for W = left vt, and the frame where it does.

    With A = U^T W C^{1/2} V the square of the distance |(W - W_J) C^{1/2}| is, up to a constant,
    the sum over J of s_j^2 - 2 s_j A_jj. Among tied singular values the singular vectors may be
    turned: then the eigenvalues, descending, of the symmetric part of their block of A take the
    place of its diagonal.
    """
    u, s, rows = problem.svd
    q = problem.rank
    image = (u[:, :q].T @ left) @ (vt @ problem.root @ rows[:q].T)
    bounds = np.flatnonzero(-np.diff(s[:q]) > problem.tolerance) + 1
    turn, gains = np.eye(q), np.zeros(q)
    for group in np.split(np.arange(q), bounds):
        block = image[np.ix_(group, group)]
        values, frame = np.linalg.eigh((block + block.T) / 2)
        turn[np.ix_(group, group)] = frame[:, ::-1]
        gains[group] = s[group] * (2 * values[::-1] - s[group])
    return gains, turn


def _turned_point(
    problem: LinearRegression, indices: tuple[int, ...], turn: Array
) -> CriticalPoint:
    """Return W_J for the singular vectors of Q, turned among tied singular values."""
    u, _, rows = problem.svd
    q, chosen = problem.rank, turn[:, list(indices)]
    return critical_point(problem, indices, (u[:, :q] @ chosen, chosen.T @ rows[:q]))


def _verdict(
    kind: str, rank: int, k: int, nearest: CriticalPoint, distance: float, tolerance: float
) -> str:
    q = nearest.problem.rank
    where = f"on the matrices of rank {rank}" if rank else "of rank 0: W = 0"
    named = f"W_J with J = {nearest.indices}" if rank else "the zero matrix"
    lost = f"; {k - rank} of {k} singular values have vanished" if rank < k else ""
    near = f"at distance {distance:.1e} (tolerance {tolerance:.1e})"
    if kind == NOT_CRITICAL:
        if rank > q:
            return (
                f"{NOT_CRITICAL}: W has rank {rank}, and there are none of rank above q = {q}; the "
                f"nearest one, {named} of rank {q}, is {near}"
            )
        return f"{NOT_CRITICAL}: {named}, the nearest one of rank {rank}, is {near}{lost}"
    index = f", of index {nearest.morse_index}" if nearest.morse_index else ""
    return f"{kind} {where}{index}: {named} {near}{lost}"
