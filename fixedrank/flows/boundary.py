"""The boundary of M_k, which flows of depth N < 2 may reach in finite time.

The smallest singular value follows s' = -N s^(2-2/N) a, a = u^T G v, up to what is smaller. So
x = s^(2/N-1) falls at the rate (2 - N) a: where a is positive in the limit, x comes to zero as a
smooth curve does. Where s decays, as at a limit of lower rank, a tends to zero with s, and the
time at which x would be zero recedes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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

    def __init__(self, depth: float) -> None:
        self.power, self.depth = 2 / depth - 1, depth
        # The part of the time that is left, after which s is reduced so far.
        self.part = 1 - _REDUCTION**self.power
        self.forget()

    def forget(self) -> None:
        """Begin anew: the singular value is another one, or it grows."""
        self.seen: tuple[float, float, float] | None = None
        self.expected = math.inf

    def meeting(self, t: float, s: float, a: float) -> Meeting | None:
        """Return when s will be zero, if two predictions in a row agree about it."""
        x, rate = s**self.power, (2 - self.depth) * a
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


def _zero(t0: float, x0: float, rate0: float, t1: float, x1: float, rate1: float) -> float:
    """Return t where x is zero, by the cubic t(x) through both places with slopes -1 / rate."""
    span, z = x0 - x1, x0 / (x0 - x1)
    bend = span * ((z**2 - 2 * z + 1) * z / rate0 + (z - 1) * z**2 / rate1)
    return t1 + (2 * z - 3) * z**2 * (t0 - t1) + (t0 - t1) + bend


def lower_rank(depth: float, k: int, kept: int) -> str:
    """Say why a flow goes on at a lower rank."""
    if depth >= 2:
        return (
            f"errors would carry the flow across the boundary of M_{k}, which it never crosses, "
            f"so it goes on in M_{kept}"
        )
    reaches = f"at depth N < 2 the flow reaches the boundary of M_{k}; it goes on in M_{kept}"
    # s = 0 solves s' = -N s^(2-2/N) a, and so does what leaves it later: s^(2/N-1) ~ |a| t.
    several = ", one of several ways to go on, as s' = s^(2-2/N) has at s = 0"
    return reaches + (several if depth > 1 else "")
