"""Values along a curve through a point, on both sides of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fixedrank._checks import Array

_EPS = float(np.finfo(float).eps)
# The squares of values have to be finite.
_HUGE = 1e150
# A step of any length halved so often is as short as round-off.
_HALVINGS = 50
# Fewer steps than this are too few to judge by.
_NEEDED = 12


@dataclass(frozen=True)
class Samples:
    """Values of a function of t at 0 and on both sides, steps halving from the longest one.

    Parameters
    ----------
    steps : ndarray, shape (q,)
        The steps t > 0, descending.
    start : ndarray, shape (d,)
        The value at 0.
    forward, backward : ndarray, shape (q, d)
        The values at t and at -t.
    size : float
        The size of what the values were computed from, where they are differences of it.
    blur : float
        What the round-off of the points on the curve amounts to in t.
    """

    steps: Array
    start: Array
    forward: Array
    backward: Array
    size: float = 0.0
    blur: float = 0.0

    @property
    def round_off(self) -> Array:
        """The round-off to expect of the values, shape (q,)."""
        size = self.size + np.linalg.norm(self.start) + np.linalg.norm(self.forward, axis=1)
        differences = np.linalg.norm(self.forward - self.backward, axis=1)
        rate = (differences / (2 * self.steps))[-5:].max()
        return np.asarray(_EPS * size + self.blur * rate)

    @property
    def noise(self) -> Array:
        """The noise of the values, shape (q,): their round-off, or what can be seen of more.

        It is seen in what is left of second differences over the shortest steps where those over
        half the step, four times, are subtracted; or, where values do not change at all over the
        shortest steps, as in lower precision, in the first change.
        """
        second = (self.forward + self.backward - 2 * self.start)[-5:]
        left = np.linalg.norm(second[:-1] - 4 * second[1:], axis=1)
        change = np.linalg.norm(
            np.hstack((self.forward - self.start, self.backward - self.start)), axis=1
        )
        moved = np.flatnonzero(change)
        quantum = change[moved[-1]] if moved.size and moved[-1] < change.size - 1 else 0.0
        return np.asarray(np.maximum(self.round_off, max(left.max() / 8, quantum)))


def reach(curve: Callable[[float], object], longest: float) -> tuple[float, str]:
    """Return the longest step, halved until the curve exists on both sides, and why if it was."""
    remark = ""
    for step in longest * 0.5 ** np.arange(_HALVINGS):
        try:
            curve(step)
            curve(-step)
        except NotImplementedError:
            raise
        except (ArithmeticError, ValueError, RuntimeError, RuntimeWarning) as error:
            remark = f"no steps longer than {step / 2:.1e} were used: {error}"
        else:
            return float(step), remark
    raise ValueError(f"the curve exists nowhere near the point: {remark}")


def sample(
    function: Callable[[float], Array],
    start: Array,
    longest: float,
    count: int,
    size: float = 0.0,
    blur: float = 0.0,
) -> tuple[Samples, str]:
    """Sample a function, shortest steps first; leave out steps too long for it, and say so.

    Raises
    ------
    ValueError
        If the function has no finite values near 0, or what the function raises there.
    """
    steps = longest * 0.5 ** np.arange(count)[::-1]
    forward: list[Array] = []
    backward: list[Array] = []
    remark = ""
    for t in steps:
        try:
            values = [np.asarray(function(sign * t)) for sign in (1.0, -1.0)]
            if not all((np.abs(value) < _HUGE).all() for value in values):
                raise ValueError(f"values at the step {t:.1e} are NaN, infinite or huge")
        except (ArithmeticError, ValueError, RuntimeWarning) as error:
            if len(forward) < _NEEDED:
                raise
            remark = f"no steps longer than {t / 2:.1e} were used: {error}"
            break
        forward.append(values[0])
        backward.append(values[1])
    # Descending from here on.
    samples = Samples(
        np.array(steps[: len(forward)][::-1], dtype=float),
        start,
        np.array(forward[::-1]),
        np.array(backward[::-1]),
        size,
        blur,
    )
    return samples, remark
