"""How a critical point of lower rank is left: rates, the direction, and how far they reach."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array, round_off
from fixedrank.flows.scales import length
from fixedrank.geometry.factored.ambient import as_ambient, times, transposed_times
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.losses.loss import Loss
from fixedrank.recovery.rank import NormalDescent

# Below so many times what is left of the gradient where it should vanish, rates are noise.
_NOISE = 10.0
# The gradient along the way may change by this part of the rate.
_CHANGE = 0.5
# Powers of two of sizes that floating point has, with room for products.
_SMALLEST, _LARGEST = -1000, 1000


class Escape(NamedTuple):
    """The leading singular triples of minus the normal part of the gradient.

    Attributes
    ----------
    rates : ndarray, shape (count,)
        The singular values less the price of one, descending; zero where they are noise.
    left, right : ndarray, shape (m,) and (n,)
        The singular vectors of the largest.
    """

    rates: Array
    left: Array
    right: Array


def escape(loss: Loss, point: FixedRankPoint, count: int, largest: float) -> Escape:
    """Return how a critical point, of any rank below the full one, is left.

    Of the gradient only thin products are formed, unless half of all triples are asked for.

    Parameters
    ----------
    loss : Loss
        The loss.
    point : FixedRankPoint
        The critical point; W = 0 has one singular value that is zero.
    count : int
        How many rates, at most as many as there are: none at full rank.
    largest : float
        The largest singular value of the gradient at W = 0, or NaN if this is it.
    """
    shape = (point.u.shape[0], point.vt.shape[1])
    if count == 0:
        return Escape(np.zeros(0), np.zeros(0), np.zeros(0))
    gradient = as_ambient(loss.gradient(point), shape, point)
    taken = point if point.s[0] > 0 else without_rank(point)
    left, gains, right = NormalDescent(gradient, taken).best_approximation(count)
    # At a critical point of its rank both products vanish: what they are is the noise of all.
    off = (times(gradient, taken.vt.T), transposed_times(gradient, taken.u))
    noise = _NOISE * max(length(part) for part in off)
    noise = max(noise, round_off(max(shape), float(np.fmax(largest, gains[0]))))
    rates = np.where(gains > noise, gains, 0.0) - loss._price_of_rank
    return Escape(rates, _unit(left[:, 0], taken.u), _unit(right[0], taken.vt.T))


def reach(loss: Loss, point: FixedRankPoint, way: Escape) -> float:
    """Return up to which t the gradient at W + t u v^T is, along the way, nearly that at W.

    A power of two, so that in other units it is the same: the largest t at which it differs by at
    most half of the rate. It is zero where the gradient jumps at W, and infinite where it never
    changes.
    """

    def changes(exponent: int) -> bool:
        u, s, vt = raised(point, way, math.ldexp(1.0, exponent))
        with np.errstate(all="ignore"):
            gv, gtu = loss.gradient_products(u, np.diag(s), vt.T)
            last = int(np.argmax(np.abs(vt @ way.right)))
            off = (gv[:, last] + rate * u[:, last], gtu[:, last] + rate * vt[last])
            return not max(length(part) for part in off) <= _CHANGE * rate

    rate = float(way.rates[0])
    low = high = math.frexp(float(point.s[0]))[1] if point.s[0] > 0 else 0
    step = 1
    if changes(low):
        while changes(low):
            if low == _SMALLEST:
                return 0.0
            low, high, step = max(low - step, _SMALLEST), low, 2 * step
    else:
        while not changes(high):
            if high == _LARGEST:
                return math.inf
            low, high, step = high, min(high + step, _LARGEST), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if changes(middle) else (middle, high)
    return math.ldexp(1.0, low)


def raised(point: FixedRankPoint, way: Escape, size: float) -> FixedRankPoint:
    """Return W + size u v^T, singular values descending."""
    u, s, vt = point if point.s[0] > 0 else without_rank(point)
    u, s = np.column_stack((u, way.left)), np.append(s, size)
    vt = np.vstack((vt, way.right))
    order = np.argsort(-s, kind="stable")
    return FixedRankPoint(u[:, order], s[order], vt[order])


def zero_point(m: int, n: int) -> FixedRankPoint:
    """Return W = 0, with one singular value that is zero."""
    return FixedRankPoint(np.eye(m, 1), np.zeros(1), np.eye(1, n))


def without_rank(point: FixedRankPoint) -> FixedRankPoint:
    """Return a point without its singular values."""
    return FixedRankPoint(point.u[:, :0], point.s[:0], point.vt[:0])


def _unit(vector: Array, basis: Array) -> Array:
    """Return a vector of length one, orthogonal to a basis to round-off."""
    for _ in range(2):
        vector = vector - basis @ (basis.T @ vector)
        vector = vector / (float(np.linalg.norm(vector)) or 1.0)
    return vector
