"""How fast the error of a model falls along a curve: the slope of log error over log step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fixedrank._checks import Array

# A straight part has so many points, each half the step of the last, and strays from its line by
# so many powers of ten at most.
_FEWEST, _STRAY = 7, 0.1
# So many times the noise, errors say nothing.
_FLOOR = 8.0
# At so many times the round-off at most, even over the longest step, a model is exact. A retraction
# through two decompositions leaves up to 15 on 3 x 3 matrices.
_EXACT = 32.0


@dataclass(frozen=True)
class StraightPart:
    """A straight part of log error over log step.

    Parameters
    ----------
    slope : float
        Its slope.
    shortest, longest : float
        The steps between which it extends.
    at_start : bool
        Whether it goes on to the shortest steps where the error is more than noise.
    """

    slope: float
    shortest: float
    longest: float
    at_start: bool


@dataclass(frozen=True)
class ModelError:
    """How far a model is from the values along a curve, at steps that halve.

    Parameters
    ----------
    steps : ndarray, shape (q,)
        The steps, descending.
    values : ndarray, shape (q,)
        The errors.
    noise : ndarray, shape (q,)
        What the errors have of noise, at most.
    round_off : ndarray, shape (q,)
        What they have at least, because of the size of what was subtracted.
    """

    steps: Array
    values: Array
    noise: Array
    round_off: Array

    @property
    def is_round_off(self) -> bool:
        """Whether the model is exact."""
        return bool((self.values <= _EXACT * self.round_off).all())

    def straight_parts(self) -> list[StraightPart]:
        """Return all straight parts above the noise, the longest and straightest first."""
        above = self.values > _FLOOR * np.maximum(self.noise, self.round_off)
        size = self.steps.size
        end = size - int(np.argmax(above[::-1]))
        x = np.log10(self.steps)
        y = np.log10(np.where(above, self.values, 1.0))
        found: list[tuple[int, float, StraightPart]] = []
        for first in range(size - _FEWEST + 1):
            for last in range(first + _FEWEST, size + 1):
                if not above[first:last].all():
                    break
                centred = x[first:last] - x[first:last].mean()
                slope = float((centred @ y[first:last]) / (centred @ centred))
                line = y[first:last].mean() + slope * centred
                stray = float(np.abs(y[first:last] - line).max())
                if stray <= _STRAY:
                    shortest, longest = float(self.steps[last - 1]), float(self.steps[first])
                    part = StraightPart(slope, shortest, longest, last >= end - 2)
                    found.append((first - last, stray, part))
        return [part for _, _, part in sorted(found, key=lambda entry: entry[:2])]
