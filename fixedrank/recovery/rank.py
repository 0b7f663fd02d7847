"""Changes of the rank, for warm starts between manifolds of different k."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from fixedrank._aliases import LossLike, PointLike
from fixedrank._checks import Array, numerical_rank, positive_integer, require_finite
from fixedrank._shared_docs import POINTS, describe
from fixedrank.geometry.factored.ambient import BlockOperator, as_ambient, times, transposed_times
from fixedrank.geometry.factored.leading import leading_svd
from fixedrank.geometry.factored.orthonormal import orthonormal_columns
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point
from fixedrank.losses.adapted import as_loss
from fixedrank.losses.loss import Loss

# The share of its slope by which the loss has to fall, and how often a step is doubled or halved.
_SUFFICIENT_DECREASE, _TRIALS = 1e-4, 100


def rank_increase(
    problem: LossLike, point: PointLike, by: int = 1, *, step: float | None = None
) -> FixedRankPoint:
    r"""Return a point of higher rank with a lower loss, to start from on its manifold.

    No tangent vector at W = U diag(s) V^T points along the normal part
    :math:`(I - UU^T) G (I - VV^T)` of the Euclidean gradient G. With the best approximation Z of
    rank ``by`` of minus this part, W + t Z has the rank k + by. It keeps U, s and V, since the
    singular vectors of Z are orthogonal to them. Where singular values have a price, the
    :math:`\rho` of a completion with a ridge, those of Z are less by it: along no other matrix of
    this norm and rank the loss falls faster.

    Parameters
    ----------
    problem : Loss or object with ``loss(W)`` and ``gradient(W)``
        The problem. Of the gradient only products with thin blocks are formed, unless k + by is at
        least half of min(m, n).
    by : int
        How many singular values are added; k + by is at most min(m, n).
    step : float, optional
        The step t, any positive number. By default ``problem.line_minimum(point, Z)``, at which
        the loss of W + t Z is least, if the problem knows it. Otherwise t = 1 is doubled as
        long as the loss falls, or halved until it falls by a ten-thousandth of what its slope
        promises.

    Returns
    -------
    FixedRankPoint
        The point of rank k + by, singular values descending.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or size; if the rank of the normal part is below
        ``by``, as at a global minimum, or fewer of its singular values exceed their price; or if
        no step was given and the loss does not fall.

    References
    ----------
    A. Uschmajew and B. Vandereycken, "Greedy rank updates combined with Riemannian descent methods
    for low-rank optimization", SampTA 2015. B. Gao and P.-A. Absil, "A Riemannian rank-adaptive
    method for low-rank matrix completion", Comput. Optim. Appl. 81, 2022.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(3), np.diag([5.0, 2.0, 1.0]))
    >>> best = fixedrank.global_minimizer(problem, 1).point
    >>> best.s.round(12), fixedrank.rank_increase(problem, best).s.round(12)
    (array([5.]), array([5., 2.]))
    """
    u, s, vt = start = checked_point(point)
    (m, k), n, by = u.shape, vt.shape[1], positive_integer("by", by)
    if k + by > min(m, n):
        raise ValueError(
            f"a {m}x{n} matrix has at most the rank {min(m, n)}: from k = {k} the rank can "
            f"increase by {min(m, n) - k}, not by {by}"
        )
    loss = as_loss(problem)
    descent = NormalDescent(as_ambient(loss.gradient(start), (m, n), start), start)
    left, gains, right = descent.leading_triples(by)
    sizes = _above(gains, loss._price_of_rank)

    def moved(t: float) -> FixedRankPoint:
        return _descending(np.hstack((u, left)), np.append(s, t * sizes), np.vstack((vt, right.T)))

    if step is not None:
        return moved(_positive("step", step))
    before = _finite_loss(loss, start)
    found = loss._trial_step(start, (left * sizes, right))
    if found is None:
        slope = float(np.vdot(sizes, sizes))
        t = _backtracking_step(lambda t: float(loss.loss(moved(t))), before, slope)
    else:
        t = _positive("what line_minimum returns along a direction of descent", found)
    end = moved(t)
    after = _finite_loss(loss, end)
    if not after < before:
        raise ValueError(
            f"no descent is left: the step {t:.3e} along the normal part, of singular values up to "
            f"{sizes[0]:.3e}, changes the loss from {before!r} to {after!r}"
        )
    return end


describe(rank_increase, POINTS)


def truncate(point: PointLike, k: int) -> FixedRankPoint:
    """Return the best approximation of rank k of a point of at least this rank.

    The k largest singular values with their vectors. It is unique where the next one is smaller;
    at a tie the first in the order of the point are taken.

    Parameters
    ----------
    point : FixedRankPoint or tuple (u, s, vt)
        The point, arrays of shapes (m, r), (r,), (r, n), singular values in any order.
    k : int
        The new rank, from 1 to r.

    Returns
    -------
    FixedRankPoint
        The point of rank k, singular values descending; its arrays are copies.

    Raises
    ------
    TypeError, ValueError
        If the point is not one, or k is not an integer from 1 to its rank.

    References
    ----------
    C. Eckart and G. Young, "The approximation of one matrix by another of lower rank",
    Psychometrika 1, 1936.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> point = fixedrank.FixedRank(3, 3, 3, depth=2).point(np.diag([5.0, 1.0, 2.0]))
    >>> fixedrank.truncate(point, 2).s
    array([5., 2.])
    """
    u, s, vt = checked_point(point)
    k = positive_integer("k", k)
    if k > s.size:
        raise ValueError(
            f"the rank k = {k} exceeds that of the point, {s.size}; "
            "rank_increase(problem, point, by) adds singular values"
        )
    return _descending(u, s, vt, k)


class NormalDescent(BlockOperator):
    """Minus the normal part, -(I - UU^T) G (I - VV^T)."""

    def __init__(self, gradient: Any, point: FixedRankPoint) -> None:
        super().__init__(gradient.shape)
        self.gradient, self.u, self.v = gradient, point.u, point.vt.T

    def _matmat(self, block: Array) -> Array:
        return -_without(self.u, times(self.gradient, _without(self.v, block)))

    def _rmatmat(self, block: Array) -> Array:
        return -_without(self.v, transposed_times(self.gradient, _without(self.u, block)))

    def leading_triples(self, count: int) -> tuple[Array, Array, Array]:
        """Return left vectors, singular values and right vectors, the largest first.

        Raises
        ------
        ValueError
            If fewer than `count` singular values differ from round-off, or G is not finite.
        """
        tangential = times(self.gradient, self.v), transposed_times(self.gradient, self.u)
        for part in tangential:
            require_finite("a product with the gradient", part)
        left, sizes, rows = self.best_approximation(count)
        largest = max(float(sizes[0]), *(float(np.linalg.norm(part)) for part in tangential))
        found, tolerance = numerical_rank(sizes, max(self.shape), largest)
        if found < count:
            advice = f"take by={found}" if found else "no direction of descent leaves the manifold"
            raise ValueError(
                f"the rank cannot increase by {count}: the normal part of the gradient has rank "
                f"{found} (singular values {sizes}, tolerance {tolerance:.2e}); {advice}"
            )
        # Where the normal part is a small part of G they are not orthogonal to u and v before this.
        left, right = _without(self.u, left), _without(self.v, rows.T)
        return orthonormal_columns(left), sizes, orthonormal_columns(right)

    def best_approximation(self, k: int) -> FixedRankPoint:
        """Return the k largest singular values with their vectors."""
        m, n = self.shape
        if 2 * (self.u.shape[1] + k) >= min(m, n):
            dense = np.asarray(self @ np.eye(n))
            require_finite("the gradient", dense)
            u, s, vt = scipy.linalg.svd(dense, full_matrices=False)
            return _descending(u, s, vt, k)
        return FixedRankPoint(*leading_svd(self, k, "the gradient"))


def _above(gains: Array, price: float) -> Array:
    """Return what singular values gain beyond what each of them costs."""
    worth = int((gains > price).sum())
    if worth < gains.size:
        advice = f"take by={worth}" if worth else "no matrix of higher rank nearby has a lower loss"
        raise ValueError(
            f"the rank cannot increase by {gains.size}: singular values of the normal part of the "
            f"gradient are {gains}, and what exceeds the price of one, {price}, lowers the loss "
            f"only; {advice}"
        )
    return gains - price


def _without(basis: Array, block: Array) -> Array:
    return block - basis @ (basis.T @ block)


def _descending(u: Array, s: Array, vt: Array, k: int | None = None) -> FixedRankPoint:
    """Return the first k singular values, or all of them, in descending order."""
    order = np.argsort(-s, kind="stable")[:k]
    return FixedRankPoint(u[:, order], s[order], vt[order])


def _backtracking_step(loss: Callable[[float], float], before: float, slope: float) -> float:
    """Return a power of two at which the loss has fallen by a share of the slope -`slope`.

    A loss that is not finite has not fallen.
    """
    t, value = 1.0, loss(1.0)
    if value <= before - _SUFFICIENT_DECREASE * slope:
        for _ in range(_TRIALS):
            further = loss(2 * t)
            if not further < value:
                break
            t, value = 2 * t, further
        return t
    for _ in range(_TRIALS):
        if value <= before - _SUFFICIENT_DECREASE * t * slope:
            break
        t /= 2
        value = loss(t)
    return t


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a positive number, got {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be a positive number, got {value!r}")
    return float(value)


def _finite_loss(problem: Loss, point: FixedRankPoint) -> float:
    loss = float(problem.loss(point))
    if not math.isfinite(loss):
        raise ValueError(f"the loss of a matrix of rank {point.s.size} is {loss}")
    return loss
