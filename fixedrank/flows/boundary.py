"""The boundary of M_k, which flows may reach in finite time, as those of depth N < 2 do.

The smallest singular value follows s' = -c(s) a, a = u^T G v, up to what is smaller, with the
weight c = c_jj like s^(1-p) for small s; at depth N, c = N s^(2-2/N). So x = s^p falls at the rate
p s^(p-1) c a, at depth N (2 - N) a: where a is positive in the limit, x comes to zero as a
smooth curve does. Where s decays, as at a limit of lower rank, a tends to zero with s, and the
time at which x would be zero recedes. Weight decay, of s' = -c(s) a - N lambda s, adds
p N lambda x to the rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fixedrank.geometry.metric.spectral import SpectralMetric

# The predicted time is trusted where the last step changed the time that is left by less than this.
_STEADY = 0.1
# A step towards the boundary may reduce a singular value by this factor.
_REDUCTION = 1e-2


@dataclass(frozen=True)
class Meeting:
    """When a singular value will be zero, and how far that is from what was said a step before."""

    t: float
    change: float


class Approach:
    """Predicts when the smallest singular value will be zero, from where it was and its rates."""

    def __init__(self, metric: SpectralMetric, decay: float = 0.0, smooth: bool = True) -> None:
        self.metric, self.power, self._decay = metric, metric.boundary_power, decay
        self._smooth = smooth
        # Whether zero may be reached in finite time.
        self.possible = self.power > 0
        # The part of the time that is left, after which s is reduced so far.
        self.part = 1 - _REDUCTION**self.power
        self.forget()

    def forget(self) -> None:
        """Begin anew: the singular value is another one, or it grows."""
        self.seen: tuple[float, float, float] | None = None
        self.expected = math.inf

    def meeting(self, t: float, s: float, a: float) -> Meeting | None:
        """Return when s will be zero, if two predictions in a row agree about it."""
        weight = float(self.metric.tangential(np.array([s]))[0, 0])
        x = s**self.power
        rate = self.power * (weight * s ** (self.power - 1) * a + self._decay * x)
        before, self.seen = self.seen, (t, x, rate)
        last, self.expected = self.expected, math.inf
        if not rate > 0:
            return None
        left = x / rate
        if before is not None and before[2] > 0 and x < 0.9 * before[1]:
            left = _zero(*before, *self.seen) - t
        self.expected = t + left
        change = abs(self.expected - last)
        return Meeting(self.expected, change) if change < _STEADY * left else None

    def lower_rank(self, k: int, kept: int) -> str:
        """Say why a flow goes on at a lower rank."""
        if not self.possible:
            return (
                f"errors would carry the flow across the boundary of M_{k}, which it never "
                f"crosses, so it goes on in M_{kept}"
            )
        where = "in this metric" if self.metric.depth is None else "at depth N < 2"
        reaches = f"{where} the flow reaches the boundary of M_{k}; it goes on in M_{kept}"
        if self.metric.depth is None and self.metric.layers is not None and self._smooth:
            return reaches + ", while layers would pass it: factored_flow follows them"
        # s = 0 solves s' = -c a, and so does what leaves it later: s^p ~ |a| t.
        several = ", one of several ways to go on, as s' = s^(2-2/N) has at s = 0"
        if self.metric.depth is None:
            several = several.replace("2-2/N", f"{1 - self.power:g}")
        return reaches + (several if self.power < 1 else "")


def _zero(t0: float, x0: float, rate0: float, t1: float, x1: float, rate1: float) -> float:
    """Return t where x is zero, by the cubic t(x) through both places with slopes -1 / rate."""
    span, z = x0 - x1, x0 / (x0 - x1)
    bend = span * ((z**2 - 2 * z + 1) * z / rate0 + (z - 1) * z**2 / rate1)
    return t1 + (2 * z - 3) * z**2 * (t0 - t1) + (t0 - t1) + bend
