r"""The critical points of L^1 on M_k, from the singular value decomposition of Q.

With Q = U S V^T of rank q they are W_J = U_J S_J V_J^T C^{-1/2} for the sets J of k of the indices
1, ..., q, and there are none for k > q. With weight decay, on white data: see `decay`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from fixedrank._checks import Array, positive_integer
from fixedrank._shown import Displayed, number, some
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.metric.depth import as_metric
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.landscape.decay import Choice, WhiteDecay, white_decay
from fixedrank.landscape.spectrum import hessian_spectrum
from fixedrank.landscape.subsets import best_subsets
from fixedrank.losses.regression import LinearRegression, require_data

GLOBAL_MINIMUM, STRICT_SADDLE = "global minimum", "strict saddle"
# Of the objective with decay for N > 2 only.
LOCAL_MINIMUM, DEGENERATE_SADDLE = "local minimum", "degenerate saddle"


@dataclass(frozen=True, eq=False, repr=False)
class CriticalPoint(Displayed):
    r"""A critical point :math:`W_J = U_J S_J V_J^T C^{-1/2}` of L^1 on M_k.

    With weight decay it is one of the objective L^1 + R, on white data: the sum of
    :math:`s_i u_i v_i^T` over J with a root of :math:`c s + \lambda s^{2/N-1} = b_i` for each i.

    Attributes
    ----------
    point : FixedRankPoint
        W_J in factors (u, s, vt).
    indices : tuple of int
        J, counted from 0: the positions of the k singular values of Q.
    loss : float
        L^1(W_J), half of the residual squared plus the squares of the singular values not in J.
    kind : str
        "global minimum" (on M_k) or "strict saddle"; there are no others without decay. With it and
        N > 2 also "local minimum": nearby all is higher, but lower ranks reach lower objectives;
        and, exactly at the spinodal, "degenerate saddle".
    morse_index : int
        The number of negative eigenvalues of the Riemannian Hessian, the same in every metric:
        the pairs of i in J and j not in J with s_j > s_i.
    nullity : int
        The number of zero eigenvalues: the pairs with s_j = s_i. If it is not 0, W_J belongs to a
        connected family of critical points of this dimension with the same loss.
    problem : LinearRegression
        The problem.
    weight_decay : float
        lambda; 0 without decay, and then these are None:
    depth : float or None
        The depth N of the decay.
    penalty : float or None
        R(W_J) = (lambda N / 2) sum s^(2/N).
    branches : tuple of str, or None
        "upper" or "lower" for each index of J: which root it has. For N <= 2 there is one.

    References
    ----------
    Section 4 of the paper; B. Bah, H. Rauhut, U. Terstiege, M. Westdickenberg, Information and
    Inference 11 (2022), section 6.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.0, 1.0]))
    >>> for critical in fixedrank.critical_points(problem, 1):
    ...     print(critical.indices, critical.loss, critical.kind, critical.morse_index)
    (0,) 2.5 global minimum 0
    (1,) 5.0 strict saddle 1
    (2,) 6.5 strict saddle 2
    """

    point: FixedRankPoint
    indices: tuple[int, ...]
    loss: float
    kind: str
    morse_index: int
    nullity: int
    problem: LinearRegression
    weight_decay: float = 0.0
    depth: float | None = None
    penalty: float | None = None
    branches: tuple[str, ...] | None = None

    @property
    def objective(self) -> float:
        """The loss, and the penalty of weight decay beside it."""
        return self.loss + (self.penalty or 0.0)

    def _shown_title(self) -> str:
        (m, n), k = self.problem.shape, len(self.indices)
        return f"{type(self).__name__}: {self.kind} on the {m}x{n} matrices of rank {k}"

    def _shown_facts(self) -> dict[str, str]:
        return {
            "J": some([str(index) for index in self.indices], 12),
            "loss": number(self.loss),
            "Morse index": str(self.morse_index),
            "nullity": str(self.nullity),
            "penalty": "" if self.penalty is None else number(self.penalty),
            "roots": some(list(self.branches or ()), 12),
        }

    def hessian_spectrum(self, depth: float | SpectralMetric) -> Array:
        """Return the eigenvalues of the Riemannian Hessian of L^1 in the depth-N metric.

        With weight decay those of the objective. In the metric of its own depth the decay adds
        lambda to each beside what comes from the loss there.

        Parameters
        ----------
        depth : float or SpectralMetric
            The depth N >= 1, or infinity where the metric exists; or another metric.

        Returns
        -------
        ndarray, shape (k (d_x + d_y - k),)
            The eigenvalues, ascending; in units of one over the time of the flow (9), whose
            linearisation at W_J decays or grows by them.

        Raises
        ------
        TypeError, ValueError
            If there is no metric of this depth.

        Notes
        -----
        A dense symmetric matrix of k d_x + k (q - k) rows is diagonalised.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
        >>> best, saddle = fixedrank.critical_points(problem, 1)
        >>> [c.hessian_spectrum(2).round(6).tolist() for c in (best, saddle)]
        [[1.0, 5.0, 6.0], [-1.0, 4.0, 5.0]]
        """
        if self.weight_decay == 0:
            return hessian_spectrum(self.problem, self.point, depth)
        data = white_decay(self.problem, self.weight_decay, self.depth, "the spectrum")
        assert data is not None
        assert self.branches is not None
        upper = tuple(branch == "upper" for branch in self.branches)
        return data.spectrum(Choice(self.indices, upper), as_metric(depth))

    def convergence_rate(self, depth: float | SpectralMetric) -> float:
        r"""Return the rate at which the flow (9) ends at this minimum, as predicted locally.

        It is the smallest positive eigenvalue lambda of the Hessian: :math:`\|W(t) - W_J\|`
        decays like :math:`e^{-\lambda t}`, and the loss to its minimum like
        :math:`e^{-2 \lambda t}`.

        Parameters
        ----------
        depth : float or SpectralMetric
            The depth N >= 1, or infinity where the metric exists; or another metric.

        Returns
        -------
        float
            The rate.

        Raises
        ------
        ValueError
            If this is a saddle or the zero matrix, or there is no metric of this depth.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
        >>> round(fixedrank.global_minimizer(problem, 1).convergence_rate(2), 6)
        1.0
        """
        if self.morse_index:
            raise ValueError(
                f"W_J with J = {self.indices} is a strict saddle of index {self.morse_index}: "
                "almost no trajectory ends there; hessian_spectrum(depth) has the rates at which "
                "they leave"
            )
        if not self.indices:
            raise ValueError("W = 0 is the only matrix of rank 0: there is nothing to converge")
        return float(self.hessian_spectrum(depth)[self.nullity])


def critical_points(
    problem: LinearRegression,
    k: int,
    *,
    weight_decay: float = 0.0,
    depth: float | SpectralMetric | None = None,
) -> Iterator[CriticalPoint]:
    r"""Iterate over the critical points of L^1 on M_k, best first.

    They are computed one by one as they are asked for, so that the first of very many cost little.
    Where singular values of Q tie, the critical points come in connected families
    (``nullity`` is their dimension); of these every W_J is yielded, for the singular vectors that
    the decomposition happens to have. For k > q, the rank of Q, there are none: the infimum of L^1
    on M_k is only reached at lower rank, where the flow (9) then ends (Theorem 6).

    With weight decay they are those of L^1 + R, :math:`R = \tfrac{\lambda N}{2} \sum s^{2/N}`,
    which are known on white data, :math:`X X^T = c I`: indices with :math:`b_i > \lambda` at
    N = 2, and for N > 2 those with :math:`b_i \ge b^*` (:attr:`SchattenDecay.spinodal`), each at
    one of its two roots.

    Parameters
    ----------
    problem : LinearRegression
        The problem; with weight decay of white data.
    k : int
        The rank, 1 <= k <= min(d_x, d_y).
    weight_decay : float
        lambda >= 0.
    depth : float, optional
        The depth N of the network that decays; with weight decay only.

    Yields
    ------
    CriticalPoint
        By ascending objective: the global minimum, then strict saddles. With decay and N > 2 the
        first may be a local minimum: no better one has this rank.

    Raises
    ------
    TypeError, ValueError
        If k is not an integer between 1 and min(d_x, d_y), the decay is negative or has no depth,
        or the data with it are not white.

    References
    ----------
    Section 4 of the paper.

    Examples
    --------
    >>> import itertools, numpy as np, fixedrank
    >>> X = np.random.default_rng(0).standard_normal((50, 200))
    >>> problem = fixedrank.LinearRegression(X, X)
    >>> points = fixedrank.critical_points(problem, 25)  # there are 1.3e14
    >>> [c.morse_index for c in itertools.islice(points, 4)]
    [0, 1, 2, 2]
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([1.9, 1.8]))
    >>> for c in fixedrank.critical_points(problem, 1, weight_decay=1.0, depth=3):
    ...     print(c.indices, c.branches, c.point.s.round(3), c.kind, c.morse_index)
    (0,) ('upper',) [0.84] local minimum 0
    (0,) ('lower',) [0.206] strict saddle 1
    (1,) ('upper',) [0.639] strict saddle 1
    (1,) ('lower',) [0.291] strict saddle 2
    """
    rank = _checked_rank(problem, k)
    data = white_decay(problem, weight_decay, depth, "critical_points")
    if data is not None:
        return (decayed_point(data, choice) for choice in data.choices(rank))
    return _enumerated(problem, rank)


def global_minimizer(
    problem: LinearRegression,
    k: int,
    *,
    weight_decay: float = 0.0,
    depth: float | SpectralMetric | None = None,
) -> CriticalPoint:
    r"""Return the global minimum of L^1 on M_k, with weight decay that of all ranks up to k.

    :math:`W = U_k S_k V_k^T C^{-1/2}` with the k largest singular values of Q (the paper prints
    U_k S_k V_k without the transposition).

    Weight decay chooses a rank itself: on white data the minimum of L^1 + R on the matrices of
    rank at most k keeps those of the k largest singular values b_i of B with
    :math:`b_i > b_t` (:attr:`SchattenDecay.maxwell`; lambda at N = 2), at the upper root. With
    k = min(d_x, d_y) it is the minimum of all matrices, which may be 0.

    Parameters
    ----------
    problem : LinearRegression
        The problem; with weight decay of white data.
    k : int
        The rank, 1 <= k <= q = rank of Q; with weight decay the highest rank, up to min(d_x, d_y).
    weight_decay : float
        lambda >= 0.
    depth : float, optional
        The depth N of the network that decays; with weight decay only.

    Returns
    -------
    CriticalPoint
        The minimum; where the k-th and the next singular value of Q tie, one of a family. At
        b_i = b_t without i.

    Raises
    ------
    TypeError, ValueError
        If k is not an integer between 1 and min(d_x, d_y), or without decay larger than q: then
        there is no minimum on M_k; or the decay is negative or has no depth, or the data with it
        are not white.

    References
    ----------
    Theorem 5 of the paper and the remark after Theorem 6.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    >>> best = fixedrank.global_minimizer(problem, 1)
    >>> best.loss, best.point.s
    (2.0, array([3.]))
    >>> fixedrank.global_minimizer(problem, 2, weight_decay=1.2, depth=3).point.s.round(3)
    array([2.056])
    """
    rank = _checked_rank(problem, k)
    data = white_decay(problem, weight_decay, depth, "global_minimizer")
    if data is not None:
        return decayed_point(data, data.least(rank))
    if rank > problem.rank:
        raise ValueError(
            f"L^1 has no minimum on the matrices of rank k = {rank}: Q has rank q = {problem.rank} "
            f"< k, and the infimum is reached at rank {problem.rank} only; take k <= q"
        )
    return next(_enumerated(problem, rank))


def critical_point(
    problem: LinearRegression,
    indices: tuple[int, ...],
    frames: tuple[Array, Array] | None = None,
) -> CriticalPoint:
    """Return W_J, possibly for other singular vectors U_J and rows V_J^T of tied values."""
    u, s, vt = problem.svd
    chosen = list(indices)
    left, right = frames or (u[:, chosen], vt[chosen])
    rows = scipy.linalg.solve(problem.root, right.T, assume_a="pos").T
    turn, values, rows = scipy.linalg.svd(s[chosen][:, None] * rows, full_matrices=False)
    others = np.setdiff1d(np.arange(s.size), chosen)
    above = np.subtract.outer(s[others], s[chosen])
    tolerance = problem.tolerance
    index = int((above > tolerance).sum())
    return CriticalPoint(
        point=FixedRankPoint(left @ turn, values, rows),
        indices=indices,
        loss=_loss_without(problem, s[others]),
        kind=STRICT_SADDLE if index else GLOBAL_MINIMUM,
        morse_index=index,
        nullity=int((np.abs(above) <= tolerance).sum()),
        problem=problem,
    )


def decayed_point(
    data: WhiteDecay, choice: Choice, frames: tuple[Array, Array] | None = None
) -> CriticalPoint:
    """Return a critical point with decay, possibly for other singular vectors of tied values."""
    u, _, vt = data.problem.svd
    chosen, sizes = list(choice.indices), data.sizes(choice)
    left, right = frames or (u[:, chosen], vt[chosen])
    order = np.argsort(-sizes, kind="stable")
    index, nullity = data.index_and_nullity(choice)
    if index:
        kind = STRICT_SADDLE
    elif data.meeting(choice):
        kind = DEGENERATE_SADDLE
    else:
        kind = GLOBAL_MINIMUM if data.is_least(choice) else LOCAL_MINIMUM
    return CriticalPoint(
        point=FixedRankPoint(left[:, order], sizes[order], right[order]),
        indices=choice.indices,
        loss=data.problem.residual**2 / 2 + data.misfit(choice),
        kind=kind,
        morse_index=index,
        nullity=nullity,
        problem=data.problem,
        weight_decay=data.penalty.weight_decay,
        depth=data.penalty.depth,
        penalty=data.penalty_of(choice),
        branches=tuple("upper" if up else "lower" for up in choice.upper),
    )


def least_loss(problem: LinearRegression, rank: int) -> float:
    """Return the least loss of all matrices of at most some rank."""
    return _loss_without(problem, problem.svd[1][rank:])


def _loss_without(problem: LinearRegression, missing: Array) -> float:
    """Return the loss where some singular values of Q are missing."""
    return (problem.residual**2 + float((missing**2).sum())) / 2


def _checked_rank(problem: LinearRegression, k: int) -> int:
    require_data(problem, "the theory of critical points")
    rank = positive_integer("k", k)
    if rank > min(problem.shape):
        raise ValueError(
            f"k = {rank} is larger than min(d_y, d_x) = {min(problem.shape)}: there are no such "
            "matrices"
        )
    return rank


def _enumerated(problem: LinearRegression, k: int) -> Iterator[CriticalPoint]:
    squares = (problem.svd[1][: problem.rank] ** 2).tolist()
    for subset in best_subsets(squares, k):
        yield critical_point(problem, subset)
