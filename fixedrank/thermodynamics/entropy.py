r"""The entropy S(W): ln of the volume of all balanced layers of given widths with the product W.

Of N layers they are :math:`O_j \operatorname{diag}(s^{1/N}) O_{j-1}^T` with frames O_j of the
Stiefel manifold St(d_j, k), and with p = s^(2/N) and the weights c_ab of the metric

    S = sum_j ln Vol St(d_j, k) + (N-1) k (k-1) / 4 ln 2 + 1/2 sum_(a<b) ln c_ab
        + e/2 sum_a ln(2 p_a),     e = sum_j (d_j - k) over the hidden widths.

In x = ln s a pair has ln c_ab = (1 - 1/N)(x_a + x_b) + L(x_a - x_b), where
L(t) = ln(sinh(t) / sinh(t/N)): so slopes and second derivatives with respect to x are bounded,
whatever the unit of W, and none of what follows divides by a difference of singular values. All
functions take singular values on the last axis.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.measure.stiefel import log_stiefel_volume
from fixedrank.geometry.metric.powers import first_differences, log_ratios

# Up to this t series in t^2 converge in a dozen terms, and beyond closed forms do not cancel.
_SERIES = 1.0
_TERMS = 12
# Closer than this in ln s, differences of slopes come from quadrature of the second derivative: it
# is analytic up to a distance of pi, so that few nodes reach round-off.
_CLOSE, _NODES = 0.1, 4
# Numbers in one array of that quadrature.
_BLOCK = 1 << 18


def log_volume(s: Array, widths: Sequence[int]) -> Array:
    """Return S at singular values."""
    depth, k = len(widths) - 1, s.shape[-1]
    d, larger, _ = log_ratios(s)
    d[d == 0] = 1e-100  # a tie: the quotient below is its limit N there
    ratios = np.expm1(-d) / np.expm1(-d / depth)
    pairs = 2 * (1 - 1 / depth) * np.log(larger) + np.log(ratios)
    above = pairs[..., *np.triu_indices(k, 1)].sum(axis=-1)
    radial = (math.log(2) + 2 / depth * np.log(s)).sum(axis=-1)
    return np.asarray(_of_frames(tuple(widths), k) + above / 2 + _extra(widths, k) / 2 * radial)


def log_slopes(s: Array, widths: Sequence[int]) -> Array:
    """Return the derivatives of S with respect to ln s, in full relative accuracy."""
    depth, k = len(widths) - 1, s.shape[-1]
    d, _, _ = log_ratios(s)
    of_smaller = _slope_of_smaller(d / 2, depth)
    smaller = s[..., :, None] < s[..., None, :]
    of_pairs = np.where(smaller, of_smaller, 2 * (1 - 1 / depth) - of_smaller)
    of_pairs[..., range(k), range(k)] = 0
    return np.asarray(of_pairs.sum(axis=-1) / 2 + _extra(widths, k) / depth)


def entropy_drift(s: Array, widths: Sequence[int]) -> Array:
    """Return 2 s dS/dp, so that grad S = U diag(.) V^T in the metric of depth N.

    It is N s^(1-2/N) times the slope in ln s.
    """
    depth = len(widths) - 1
    return np.asarray(depth * s ** (1 - 2 / depth) * log_slopes(s, widths))


@functools.lru_cache(maxsize=2)
def kept_slopes(values: bytes, widths: tuple[int, ...], power: float) -> EntropySlopes:
    """Return the slopes at one point, of which optimisers ask for many products."""
    return EntropySlopes(np.frombuffer(values), widths, power)


class EntropySlopes:
    """The numbers w = s^power dS/d(ln s) at one point, and how U diag(w) V^T moves.

    The Euclidean gradient of S has the power -1, that of depth N the power 1 - 2/N, times N.
    """

    def __init__(self, s: Array, widths: Sequence[int], power: float) -> None:
        self.s, self.power, self._depth = s, power, len(widths) - 1
        self._slopes = log_slopes(s, widths)
        self.values = s**power * self._slopes

    @functools.cached_property
    def divided(self) -> Array:
        """Return the first divided differences of w at s, at ties their limits."""
        s = self.s
        gaps = log_ratios(s)[0] / 2
        larger, smaller = np.maximum(s[:, None], s), np.minimum(s[:, None], s)
        distance = larger - smaller
        rates = np.divide(gaps, distance, out=1 / larger, where=distance > 0)
        of_smaller = np.where(s[:, None] < s, self._slopes[:, None], self._slopes)
        differences = self._differences(gaps) * rates * larger**self.power
        # The differences of s^power, as those of squares of s^(1/2).
        return np.asarray(differences + of_smaller * first_differences(np.sqrt(s), self.power))

    def along(self, moved: Array) -> Array:
        """Return the derivative of w as the singular values move."""
        moved = moved / self.s
        second = _second(log_ratios(self.s)[0] / 2, self._depth)
        changes = (second * np.subtract.outer(moved, moved)).sum(axis=1) / 2
        return np.asarray(self.s**self.power * (changes + self.power * self._slopes * moved))

    def _differences(self, gaps: Array) -> Array:
        """Return the first divided differences of the slopes as functions of ln s."""
        steps = np.abs(np.subtract.outer(self._slopes, self._slopes))
        close = gaps < _CLOSE
        result = np.divide(steps, gaps, out=np.zeros_like(steps), where=~close)
        x = np.log(self.s / self.s.max())
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        pairs = np.argwhere(np.triu(close))
        at_once = max(1, _BLOCK // (_NODES * x.size))
        for start in range(0, len(pairs), at_once):
            first, second = pairs[start : start + at_once].T
            middle, half = (x[first] + x[second]) / 2, (x[first] - x[second]) / 2
            places = middle[:, None] + half[:, None] * nodes
            seconds = _second(np.abs(np.subtract.outer(places, x)), self._depth).sum(axis=-1)
            result[first, second] = result[second, first] = seconds @ weights / 4
        return result


def _extra(widths: Sequence[int], k: int) -> int:
    """Return the sum of d_j - k over the hidden widths."""
    return sum(widths[1:-1]) - k * (len(widths) - 2)


@functools.lru_cache(maxsize=64)
def _of_frames(widths: tuple[int, ...], k: int) -> float:
    volumes = sum(log_stiefel_volume(d, k) for d in widths[1:-1])
    return volumes + (len(widths) - 2) * k * (k - 1) / 4 * math.log(2)


def _slope_of_smaller(t: Array, depth: int) -> Array:
    """Return 1 - 1/N - L'(t) for t >= 0: twice the slope of ln c_ab / 2 in the smaller ln s."""
    near = np.minimum(t, _SERIES)
    close = 1 - 1 / depth - (_langevin(near) - _langevin(near / depth) / depth)
    far = np.maximum(t, _SERIES)
    return np.where(t < _SERIES, close, _tail(far / depth) / depth - _tail(far))


def _second(t: Array, depth: int) -> Array:
    """Return L''(t) for t >= 0; at 0 it is (1 - 1/N^2) / 3."""
    near, far = np.minimum(t, _SERIES), np.maximum(t, _SERIES)
    close = _langevin_slope(near) - _langevin_slope(near / depth) / depth**2
    apart = _inverse_square(far / depth) / depth**2 - _inverse_square(far)
    return np.where(t < _SERIES, close, apart)


def _tail(t: Array) -> Array:
    """Return coth t - 1."""
    return np.asarray(2 * np.exp(-2 * t) / -np.expm1(-2 * t))


def _inverse_square(t: Array) -> Array:
    """Return 1 / sinh^2 t."""
    return np.asarray(4 * np.exp(-2 * t) / np.expm1(-2 * t) ** 2)


def _langevin(t: Array) -> Array:
    """Return coth t - 1/t for t in [0, 1], (t cosh t - sinh t) / (t sinh t) by its series."""
    squares = t * t
    series = np.polynomial.polynomial.polyval(squares, _langevin_coefficients())
    return np.asarray(t * series / _sinhc(squares))


def _langevin_slope(t: Array) -> Array:
    """Return 1/t^2 - 1/sinh^2 t for t in [0, 1], likewise."""
    squares = t * t
    series = np.polynomial.polynomial.polyval(squares, _slope_coefficients())
    return np.asarray(series / _sinhc(squares) ** 2)


def _sinhc(squares: Array) -> Array:
    return np.asarray(np.polynomial.polynomial.polyval(squares, _sinhc_coefficients()))


@functools.cache
def _sinhc_coefficients() -> Array:
    return np.array([1 / math.factorial(2 * n + 1) for n in range(_TERMS)])


@functools.cache
def _langevin_coefficients() -> Array:
    return np.array([2 * n / math.factorial(2 * n + 1) for n in range(1, _TERMS)])


@functools.cache
def _slope_coefficients() -> Array:
    return np.array([2 ** (2 * n - 1) / math.factorial(2 * n) for n in range(2, _TERMS + 2)])
