r"""Certificates for weight decay at depth 2, where the objective is convex: L + lambda |W|_*.

With the gradient G of a convex L at W every X has

    L(X) + lambda |X|_* >= L(W) - <G, W> + (lambda - |G|_2) |X|_*,

so that where :math:`\|G\|_2 \le \lambda` no objective is below L(W) - <G, W>, which is that of W
less lambda |W|_* + <G, W>. Where |G|_2 exceeds lambda by little, |X|_* of a minimiser is bounded by
the objective of W.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from fixedrank._aliases import LossLike, PointLike
from fixedrank._checks import Array, finite_array, nonnegative_number, require_finite
from fixedrank._shown import Displayed, number
from fixedrank.geometry.factored.ambient import as_ambient, times, to_array, transposed_times
from fixedrank.geometry.factored.leading import leading_svd
from fixedrank.geometry.factored.orthonormal import svd_point
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point, is_triple
from fixedrank.geometry.metric.depth import as_metric
from fixedrank.geometry.metric.gradients import gradient_norm
from fixedrank.landscape.critical_points import GLOBAL_MINIMUM, STRICT_SADDLE
from fixedrank.losses.adapted import as_loss
from fixedrank.losses.schatten import split_decay

NOT_CRITICAL = "not a critical point"
# Of a smaller gradient all singular values are computed, which takes a moment.
_DENSE = 300


@dataclass(frozen=True, eq=False, repr=False)
class DualCertificate(Displayed):
    """What :func:`dual_certificate` found about a matrix W with weight decay at depth 2.

    Attributes
    ----------
    kind : str
        "global minimum" (of all matrices), "strict saddle" (critical on the matrices of its rank,
        and matrices of higher rank nearby are better), or "not a critical point".
    rank : int
        The number of singular values that count.
    dual_norm : float
        ``|G|_2``, the largest singular value of the gradient of the loss at W.
    weight_decay : float
        lambda.
    gap : float
        The objective of W is at most so much above the minimum of all matrices; infinite where
        ``|G|_2`` exceeds lambda and no lower bound of the loss is known.
    objective : float
        The loss and ``lambda |W|_*``.
    gradient_norm : float
        The length of the Riemannian gradient of the objective at depth 2, on the matrices of the
        rank.
    direction : tuple of ndarray, shapes (m,) and (n,)
        Unit vectors u and v: along -u v^T, or with layers along u and -v, the loss falls fastest.
    verdict : str
        All this in words.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    >>> found = fixedrank.dual_certificate(problem, np.diag([2.5, 0.0]), 0.5)
    >>> found.kind, found.dual_norm, found.escape_rate
    ('strict saddle', 2.0, 1.5)
    """

    kind: str
    rank: int
    dual_norm: float
    weight_decay: float
    gap: float
    objective: float
    gradient_norm: float
    direction: tuple[Array, Array]
    verdict: str

    @property
    def escape_rate(self) -> float:
        """``|G|_2`` - lambda: wider layers than the rank leave a critical W at it, if positive."""
        return self.dual_norm - self.weight_decay

    def __str__(self) -> str:
        return self.verdict

    def _shown_title(self) -> str:
        return f"{type(self).__name__}: {self.kind}, a matrix of rank {self.rank}"

    def _shown_facts(self) -> dict[str, str]:
        return {
            "verdict": self.verdict,
            "dual norm": f"{number(self.dual_norm)}, weight decay {number(self.weight_decay)}",
            "objective": f"{number(self.objective)}, at most {number(self.gap)} above the minimum",
            "gradient norm": number(self.gradient_norm),
        }


def dual_certificate(
    problem: LossLike,
    point: PointLike | ArrayLike,
    weight_decay: float = 0.0,
    *,
    rtol: float = 1e-6,
) -> DualCertificate:
    r"""Say of a matrix whether it is the minimum with weight decay at depth 2, of all ranks.

    At N = 2 the objective of balanced layers is :math:`L(W) + \lambda \|W\|_*`, convex where L is.
    A critical point on the matrices of a rank is its global minimum if and only if
    :math:`\|G\|_2 \le \lambda`, G the gradient of L. Otherwise layers with a hidden width above the
    rank of W leave along the leading singular vectors of G, at the rate :math:`\|G\|_2 - \lambda`.

    Parameters
    ----------
    problem : Loss or object with ``loss(W)`` and ``gradient(W)``
        A loss that is convex in W, which is not checked: any data, completion, classification.
        Terms ``SchattenDecay(weight_decay, 2)`` of a sum count as weight decay.
    point : FixedRankPoint, tuple (u, s, vt) or ndarray of shape (m, n)
        The matrix W.
    weight_decay : float
        lambda, in all positive.
    rtol : float
        The tolerance: of ``|G|_2`` relative to lambda; of the gap relative to the objective above
        the infimum of the loss or a lower bound (above 0 where none is known). Singular values
        below it, relative to the most that ``|W|_*`` of a minimum can be, count as zero.

    Returns
    -------
    DualCertificate
        The dual norm, a bound of how far the objective is from its minimum, and a verdict.

    Raises
    ------
    TypeError, ValueError
        If W has the wrong shape or is not finite, there is no decay, the loss has another penalty
        on singular values, or `rtol` is out of range.

    Notes
    -----
    The bound needs no tolerance: no matrix has an objective below that of W less
    :math:`\lambda \|W\|_* + \langle G, W \rangle`, and where :math:`\|G\|_2 > \lambda` less
    :math:`(\|G\|_2 - \lambda)` times the objective over lambda besides.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> rng = np.random.default_rng(0)
    >>> problem = fixedrank.LinearRegression(rng.standard_normal((3, 9)), np.ones((2, 9)))
    >>> start = fixedrank.FixedRank(2, 3, 2, depth=2).random_point(rng=0)
    >>> flow = fixedrank.riemannian_flow(problem, start, 2, [0, 100], weight_decay=0.5)
    >>> print(fixedrank.dual_certificate(problem, flow.points[-1], 0.5))
    global minimum of all matrices, ...
    """
    loss, own = split_decay(as_loss(problem), 2.0)
    decay = nonnegative_number("weight_decay", weight_decay) + own
    if not decay > 0:
        raise ValueError(
            f"the certificate is one of weight decay, which must be positive, got {decay:g} in all"
        )
    if loss._price_of_rank != 0:
        raise ValueError(
            "the loss has another penalty on singular values, such as a ridge or decay of another "
            "depth, which is not smooth at lower rank: a ridge is weight decay at depth 2, give it "
            "as weight_decay"
        )
    if not 0 < rtol < 1:
        raise ValueError(f"rtol must lie between 0 and 1, got {rtol!r}")
    whole = _factored(point)
    shape = len(whole.u), whole.vt.shape[1]
    if loss.shape is not None and tuple(loss.shape) != shape:
        raise ValueError(
            f"W is a {shape} matrix, the problem is about {tuple(loss.shape)} matrices"
        )
    gradient = as_ambient(loss.gradient(whole), shape, whole)
    left, dual_norm, right = _leading(gradient)
    value = float(loss.loss(whole))
    objective = value + decay * float(whole.s.sum())
    bound = loss._lower_bound
    above = abs(objective) if bound is None else objective - bound
    slope = float(whole.s @ np.einsum("ij,ij->j", whole.u, times(gradient, whole.vt.T)))
    gap = own_gap = max(decay * float(whole.s.sum()) + slope, 0.0)
    if dual_norm > decay:
        gap += math.inf if bound is None else (dual_norm - decay) / decay * above

    # No minimiser has a larger nuclear norm.
    size = max(above / decay, float(whole.s.sum()))
    rank = int((whole.s > rtol * size).sum())
    kept = FixedRankPoint(whole.u[:, :rank], whole.s[:rank], whole.vt[:rank])
    gv, gtu = times(gradient, kept.vt.T), transposed_times(gradient, kept.u)
    length = gradient_norm(kept, gv + decay * kept.u, gtu + decay * kept.vt.T, as_metric(2))
    optimal = dual_norm <= decay * (1 + rtol)
    if optimal and own_gap <= rtol * above:
        kind = GLOBAL_MINIMUM
    elif not optimal and length <= rtol * decay * math.sqrt(size):
        kind = STRICT_SADDLE
    else:
        kind = NOT_CRITICAL
    return DualCertificate(
        kind=kind,
        rank=rank,
        dual_norm=dual_norm,
        weight_decay=decay,
        gap=gap,
        objective=objective,
        gradient_norm=length,
        direction=(left, right),
        verdict=_verdict(kind, rank, dual_norm, decay, gap),
    )


def _factored(point: Any) -> FixedRankPoint:
    """Return W as (u, s, vt) with descending singular values, which may vanish."""
    if not is_triple(point):
        return svd_point(finite_array("W", point, 2))
    u, s, vt = (finite_array("a factor", part, np.ndim(part)) for part in point)
    positive = s > 0
    if (s < 0).any():
        raise ValueError(f"singular values must be >= 0, but the smallest is {s.min():.3e}")
    if positive.any():
        checked_point((u[:, positive], s[positive], vt[positive]))
    order = np.argsort(-s, kind="stable")
    return FixedRankPoint(u[:, order], s[order], vt[order])


def _leading(gradient: Any) -> tuple[Array, float, Array]:
    """Return the leading singular vectors of G, and its spectral norm."""
    if min(gradient.shape) <= _DENSE:
        dense = to_array(gradient)
        require_finite("the gradient", dense)
        u, s, vt = scipy.linalg.svd(dense, full_matrices=False)
    else:
        u, s, vt = leading_svd(gradient, 1, "the gradient")
    return u[:, 0], float(s[0]), vt[0]


def _verdict(kind: str, rank: int, dual_norm: float, decay: float, gap: float) -> str:
    norms = f"|G|_2 = {dual_norm:.6g}, lambda = {decay:.6g}"
    if kind == GLOBAL_MINIMUM:
        near = f", objective within {gap:.1e} of it" if gap < math.inf else ""
        return f"{kind} of all matrices, of rank {rank}: {norms}{near}"
    if kind == STRICT_SADDLE:
        return (
            f"{kind}: critical on the matrices of rank {rank}, and with more width layers leave it "
            f"at the rate {dual_norm - decay:.3g} ({norms})"
        )
    near = f", objective within {gap:.1e} of the minimum" if gap < math.inf else ""
    return f"{kind}, of rank {rank}: {norms}{near}"
