"""What is proven of a gradient flow from its start: how fast the loss falls, and to which value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fixedrank._aliases import LayersLike, PointLike
from fixedrank._checks import (
    Array,
    RankLostError,
    positive_number,
    real_array,
    require_finite,
)
from fixedrank._shown import Displayed, number, some
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point, is_triple
from fixedrank.geometry.metric.depth import as_metric, known_depth
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.landscape.critical_values import critical_values, gap_above_minimum
from fixedrank.landscape.rates import (
    Chain,
    MatrixRate,
    chains,
    excess_round_off,
    imbalance_rate,
    matrix_rate,
)
from fixedrank.losses.regression import LinearRegression, require_data
from fixedrank.losses.schatten import SchattenDecay
from fixedrank.networks.gradients import narrow_partial_products, widths_of
from fixedrank.networks.initial import product_point
from fixedrank.networks.layers import BALANCED, relative_imbalance

# The logarithms of how far the loss has fallen at which a rate is asked for anew: from rounding to
# where the rate has come to the last digit of that of the limit, each 2 % above the one before.
_FALLS = np.concatenate(([0.0], np.geomspace(1e-16, 80.0, 2048)))
# Beyond them, the part of the final rate that rounding of the table may not take away.
_LESS = 1 - 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class RateCertificate(Displayed):
    r"""What :func:`certify` found: a proven rate of convergence, or why none is.

    Attributes
    ----------
    rate : float
        A rate with :math:`L(t) - L_k \le (L(0) - L_k) e^{-\text{rate}\, t}` for all t >= 0, in
        units of 1/t; zero if none is proven. The loss is half a squared norm, so W comes nearer at
        half the rate.
    final_rate : float
        The rate that is proven once the loss is close to its minimum; never below `rate`.
    reason : str
        Why there is a rate, or why there is none, with the numbers.
    basin : bool
        Whether the loss is known to be below the next critical value, and so the limit to be a
        minimum, rate or not.
    excess : float
        The loss at the start above that minimum; with weight decay that of the objective.
    minimum : float
        The minimum L_k.
    gap : float
        How far the next critical value is above it; infinite if there is none.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    >>> start = fixedrank.balanced_factors((np.eye(2), np.array([2.0, 1.5]), np.eye(2)), [2, 2, 2])
    >>> certificate = fixedrank.certify(problem, start)
    >>> certificate.applies, round(certificate.rate, 4), round(certificate.final_rate, 4)
    (True, 3.5279, 8.0)
    """

    rate: float
    final_rate: float
    reason: str
    basin: bool
    excess: float
    minimum: float
    gap: float
    _upper: float
    _rates: MatrixRate | float

    @property
    def applies(self) -> bool:
        """Whether a rate is proven."""
        return self.rate > 0

    def __str__(self) -> str:
        if not self.applies:
            known = "" if self.basin else "not known to be "
            return f"no rate is proven: {self.reason}; the limit is {known}a minimum"
        end = f", and of {self.final_rate:.4g} in the end" if self.final_rate > self.rate else ""
        return (
            f"the loss falls to {self.minimum:.4g} at a rate of at least {self.rate:.4g}{end}: "
            f"{self.reason}"
        )

    def _shown_title(self) -> str:
        found = f"a rate of {number(self.rate)}" if self.applies else "no rate is proven"
        return f"{type(self).__name__}: {found}"

    def _shown_facts(self) -> dict[str, str]:
        return {
            "reason": self.reason,
            "rate in the end": number(self.final_rate) if self.applies else "",
            "loss": f"{number(self.excess)} above the minimum {number(self.minimum)}",
            "next critical value": f"{number(self.gap)} above it",
            "limit": "a minimum" if self.basin or self.applies else "not known to be a minimum",
        }

    @cached_property
    def _times(self) -> Array:
        """When the loss has fallen that far, at the latest: at each fall a new rate is proven."""
        rates = np.full(_FALLS.size - 1, self._rates)
        if isinstance(self._rates, MatrixRate):
            rates = self._rates(self._upper * np.exp(-_FALLS[:-1]))
        return np.concatenate(([0.0], np.cumsum(np.diff(_FALLS) / rates)))

    def bound(self, t: ArrayLike) -> Array:
        r"""Return a bound of the loss above the minimum at times of the flow.

        It is proven anew at each value that the loss falls to, so that it is below
        :math:`(L(0) - L_k) e^{-\text{rate}\, t}`. Without a rate it is the loss at the start.

        Parameters
        ----------
        t : array_like
            Times t >= 0 from the start.

        Returns
        -------
        ndarray
            L(t) - L_k is at most this; an array of the shape of t.

        Raises
        ------
        TypeError, ValueError
            If times are not real and finite, or one is negative.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
        >>> point = fixedrank.FixedRank(2, 2, 2, depth=2).point([[2.0, 0.0], [0.0, 1.5]])
        >>> fixedrank.certify(problem, point, 2).bound([0, 1, 2]).round(5)
        array([0.625  , 0.00104, 0.     ])
        """
        times = real_array("t", t)
        require_finite("t", times)
        if (times < 0).any():
            raise ValueError(f"times must be at least 0, got {times.min():g}")
        if not self.applies:
            return np.full(times.shape, self._upper)
        last = self._times[-1]
        falls = np.interp(times, self._times, _FALLS)
        falls = falls + np.maximum(times - last, 0.0) * self.final_rate * _LESS
        return np.asarray(self._upper * np.exp(-falls))

    def time_to(self, excess: float) -> float:
        """Return a time from which on the loss is at most so much above the minimum.

        Parameters
        ----------
        excess : float
            How much, positive.

        Returns
        -------
        float
            The time; infinite if no rate is proven.

        Raises
        ------
        TypeError, ValueError
            If it is no positive and finite number.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
        >>> point = fixedrank.FixedRank(2, 2, 2, depth=2).point([[2.0, 0.0], [0.0, 1.5]])
        >>> round(fixedrank.certify(problem, point, 2).time_to(1e-6), 3)
        1.875
        """
        excess = positive_number("excess", excess)
        if self._upper <= excess:
            return 0.0
        if not self.applies:
            return math.inf
        fall = math.log(self._upper / excess)
        time = float(np.interp(fall, _FALLS, self._times))
        return time + max(fall - float(_FALLS[-1]), 0.0) / (self.final_rate * _LESS)


def certify(
    problem: LinearRegression,
    start: PointLike | LayersLike,
    depth: float | SpectralMetric | None = None,
    *,
    weight_decay: float = 0.0,
) -> RateCertificate:
    r"""Return a proven rate of convergence of the gradient flow from a start, or why there is none.

    Two theorems give rates. On M_k, k <= q, flow (9) from a start below the next critical value,
    :math:`L(0) - L_k < (\sigma_k^2 - \sigma_{k+1}^2)/2`, converges at a rate that comes from the
    singular values of Q and X; so does flow (5) of balanced layers, whose product it is. And layers
    that are not balanced have one, from any loss, where their widths grow up to some layer and
    shrink after it, and their imbalances before it are so negative and after it so positive that
    no other layer can lose rank. Both are for gradient flow, not for steps of descent.

    Parameters
    ----------
    problem : LinearRegression
        The problem, with X X^T invertible.
    start : sequence of array_like, FixedRankPoint or tuple (u, s, vt)
        The layers [W_1, ..., W_N] of a network, or a point of M_k for flow (9).
    depth : float, optional
        The depth N of the metric; for a point only.
    weight_decay : float
        lambda >= 0. With decay no rate is proven, and the next critical value is known of white
        data only.

    Returns
    -------
    RateCertificate
        The rate, a bound of the loss at all times, and the reason.

    Raises
    ------
    TypeError, ValueError
        If the start does not fit to the problem, a depth is missing or given needlessly, the metric
        has no depth, or the problem is not a regression by its data with X X^T invertible.

    Notes
    -----
    Rounding proves nothing: sizes that raise the rate are taken less their round-off. Layers whose
    relative imbalance is at most 1e-10 count as balanced, and the rate is then that of flow (9)
    from their product.

    References
    ----------
    Of unbalanced layers: H. Min, R. Vidal and E. Mallada, On the convergence of gradient flow on
    multi-layer linear models, ICML 2023.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.0, 1.0]))
    >>> print(fixedrank.certify(problem, fixedrank.gaussian_factors([3, 8, 3], rng=0)))
    the loss falls to 0 at a rate of at least ...
    >>> far = (np.eye(3, 2), np.ones(2), np.eye(2, 3))
    >>> print(fixedrank.certify(problem, far, 2))
    no rate is proven: the loss is 2.5 above the minimum on M_2, and only below 1.5 ...
    """
    require_data(problem, "certify")
    if is_triple(start):
        if depth is None:
            raise TypeError("certify needs the depth N of the metric for a point")
        metric = as_metric(depth)
        depth_number = known_depth(metric, "a certified rate")
        point = checked_point(start)
        shape = (point.u.shape[0], point.vt.shape[1])
        if shape != problem.shape:
            raise ValueError(f"the point is a {shape} matrix, the problem has {problem.shape}")
        metric.check_sizes(*shape, point.s.size)
        return _of_point(problem, point, depth_number, weight_decay)
    if depth is not None:
        raise TypeError("the depth of a network is its number of layers: leave depth out")
    return _of_layers(problem, problem.checked_layers(start), weight_decay)


class _Level(NamedTuple):
    """Where the loss of a start is: above its minimum, with round-off on top, and the next one."""

    excess: float
    upper: float
    minimum: float
    gap: float

    @property
    def basin(self) -> bool:
        return self.upper < self.gap - (self.upper - self.excess)


def _level(problem: LinearRegression, left: Array, right: Array, most: int) -> _Level:
    """Return the level of W = left right^T among the critical values of rank up to `most`."""
    dense = problem._regular("a certified rate")._replace(residual=0.0)
    rank = min(most, problem.rank)
    unreached = float((problem.svd[1][rank:] ** 2).sum()) / 2
    fit = dense.loss(left, right)
    excess = max(fit - unreached, 0.0)
    upper = excess + float(excess_round_off(problem, np.asarray(fit)))
    minimum = unreached + problem.residual**2 / 2
    return _Level(excess, upper, minimum, gap_above_minimum(problem, rank))


def _of_point(
    problem: LinearRegression, point: FixedRankPoint, depth: float, weight_decay: float
) -> RateCertificate:
    k = point.s.size
    if weight_decay:
        penalty = SchattenDecay(weight_decay, depth)
        objective = problem.loss(point) + penalty.loss(point)
        found = _with_decay(problem, objective, k, depth, weight_decay)
        return replace(found, basin=found.basin and _is_of_layers(depth))
    level = _level(problem, point.u * point.s, point.vt.T, k)
    return _on_matrices(problem, level, k, depth)


def _is_of_layers(depth: float) -> bool:
    """Say whether flow (9) is that of layers, whose limit is critical by Theorem 1."""
    return depth >= 2 and depth.is_integer()


def _on_matrices(problem: LinearRegression, level: _Level, k: int, depth: float) -> RateCertificate:
    """Return the certificate of flow (9) on M_k."""
    q, rates = problem.rank, matrix_rate(problem, k, depth)
    if k > q:
        found = _none(level, f"k = {k} > q = rank Q = {q}, and the minimum has a lower rank")
        return replace(found, basin=found.basin and _is_of_layers(depth))
    if rates is None:
        values = problem.svd[1]
        return _none(
            level,
            f"singular values {k} and {k + 1} of Q, {values[k - 1]:.6g} and {values[k]:.6g}, are "
            "the same up to round-off, and the minimum is one of many"
            if k < values.size
            else f"singular value {k} of Q, {values[k - 1]:.6g}, is zero up to round-off",
        )
    allowed = (rates.last - rates.following) * (rates.last + rates.following) / 2
    rate, final = (float(r) for r in rates(np.array([level.upper, level.upper * 1e-35])))
    where = f"the loss is {level.excess:.4g} above the minimum on M_{k}, and"
    if rate > 0:
        reason = f"{where} below {allowed:.4g} flow (9) has one"
        return RateCertificate(rate, final, reason, level.basin, *_told(level), rates)
    near = f" less the round-off {level.upper - level.excess:.1e}" if level.excess < allowed else ""
    return _none(level, f"{where} only below {allowed:.4g}{near} flow (9) has a proven one")


def _of_layers(
    problem: LinearRegression, layers: Sequence[Array], weight_decay: float
) -> RateCertificate:
    depth, widths = len(layers), widths_of(layers)
    balanced = relative_imbalance(layers) <= BALANCED
    try:
        k = product_point(layers, balanced=balanced).s.size
    except RankLostError:
        k = 0
    most = k if balanced and depth > 1 else min(widths)
    if weight_decay:
        squares = sum(float(np.vdot(layer, layer)) for layer in layers)
        objective = problem.network_loss(layers) + weight_decay / 2 * squares
        return _with_decay(problem, objective, most, float(depth), weight_decay)
    _, left, right = narrow_partial_products(layers)
    level = _level(problem, left[-1], right[-1].T, most)
    rate = imbalance_rate(problem, layers)
    if rate > 0:
        bounds = [_bounds_of(chain) for chain in chains(layers) if chain.product > 0]
        reason = f"squared singular values stay above {'; and '.join(bounds)}"
        if depth == 1:
            reason = "the loss of one layer is strongly convex"
        return RateCertificate(rate, rate, reason, level.basin, *_told(level), rate)
    if balanced and k:
        return _on_matrices(problem, level, k, float(depth))
    if balanced:
        # Zero is a minimum among the matrices of rank 0 only.
        found = _none(level, "the product is zero, and there is no flow (9) on M_0")
        return replace(found, basin=False)
    return _none(level, f"the layers are not balanced, and {_no_chain(layers)}")


def _no_chain(layers: Sequence[Array]) -> str:
    found = list(chains(layers))
    if not found:
        widths = some([str(width) for width in widths_of(layers)], 8)
        return f"the widths {widths} do not grow up to one layer and shrink after it"
    best = max(found, key=lambda chain: min(chain.bounds.values()))
    return (
        "their imbalances do not keep the rank of all layers but one; the best lower bounds of "
        f"squared singular values are {_bounds_of(best)}"
    )


def _bounds_of(chain: Chain) -> str:
    return some([f"{number(bound)} of W_{j}" for j, bound in sorted(chain.bounds.items())], 6)


def _told(level: _Level) -> tuple[float, float, float, float]:
    return level.excess, level.minimum, level.gap, level.upper


def _none(level: _Level, reason: str) -> RateCertificate:
    return RateCertificate(0.0, 0.0, reason, level.basin, *_told(level), 0.0)


def _with_decay(
    problem: LinearRegression, objective: float, most: int, depth: float, weight_decay: float
) -> RateCertificate:
    """Return what is known with decay: on white data whether the limit is a minimum."""
    reason = "with weight decay no theorem gives one"
    try:
        values = critical_values(problem, most, weight_decay=weight_decay, depth=depth)
    except ValueError as error:
        reason, nan = f"{reason}; {error}", math.nan
        return RateCertificate(0.0, 0.0, reason, False, nan, nan, nan, math.inf, 0.0)
    assert values is not None
    excess = max(objective - values.least, 0.0)
    rounding = float(excess_round_off(problem, np.asarray(objective)))
    level = _Level(excess, excess + rounding, values.least, values.gap)
    return _none(level, reason)
