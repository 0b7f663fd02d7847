"""Time as a sum of two floats: a flow may leave its start at 1e15 and then take steps of 0.1."""

from __future__ import annotations

from fixedrank._checks import Array


class Clock:
    """A time that durations are added to without loss (Knuth's sum of two floats).

    Parameters
    ----------
    start : float
        The time to begin with.
    """

    def __init__(self, start: float) -> None:
        self.high, self.low = start, 0.0

    def after(self, duration: float) -> float:
        """Return the time after a duration, rounded."""
        return self.high + (self.low + duration)

    def advance(self, duration: float) -> bool:
        """Add a duration; return whether the time has changed at all."""
        before = (self.high, self.low)
        total = self.high + duration
        part = total - self.high
        low = self.low + ((self.high - (total - part)) + (duration - part))
        self.high = total + low
        self.low = low - (self.high - total)
        return before != (self.high, self.low)

    def until(self, times: Array) -> Array:
        """Return how long it is from now to the given times."""
        return (times - self.high) - self.low
