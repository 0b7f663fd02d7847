"""A stabilised explicit method of fourth order."""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import Array
from fixedrank.flows.rock_coefficients import coefficients
from fixedrank.flows.stabilised import Stabilised, combine

# The interval of stability of s stages, up to 3e-3: rho h <= 0.3531 s^2 - 2.9.
_LENGTH, _OFFSET = 0.3531, 2.9
_MOST_STAGES = 500


class ROCK4(Stabilised):
    error_order = 4

    def _longest(self, rate: float) -> float:
        return (_LENGTH * _MOST_STAGES**2 - _OFFSET) / rate

    def _attempt(self, h: float) -> tuple[Array, None, Array]:
        y, error = self._step(h, self.t, self.y, self.f, self.rate)
        return y, None, error

    def _taken(self, h: float, start: float, y: Array, f: Array, rate: float) -> Array:
        return self._step(h, start, y, f, rate)[0]

    def _step(self, h: float, start: float, y: Array, f: Array, rate: float) -> tuple[Array, Array]:
        """Return the state one step later, and an estimate of its error."""
        stages = max(5, math.ceil(math.sqrt((abs(h) * rate + _OFFSET) / _LENGTH)))
        method = coefficients(stages)
        older, state = y.copy(), y.copy()
        value = f
        for index, (mu, nu, time) in enumerate(method.steps):
            if index:
                value = self.fun(start + time * h, state)
            combine(older, 1 - nu, (nu, state), (mu * h, value))
            older, state = state, older
        values = [value, self.fun(start + method.abscissae[0] * h, state)]
        for time, row in zip(method.abscissae[1:], method.inner, strict=True):
            stage = state.copy()
            combine(stage, 1.0, *((a * h, k) for a, k in zip(row, values[1:], strict=True)))
            values.append(self.fun(start + time * h, stage))
        combine(state, 1.0, *((b * h, k) for b, k in zip(method.outer, values[1:], strict=True)))
        error = np.zeros_like(y)
        combine(error, 0.0, *((d * h, k) for d, k in zip(method.estimate, values, strict=True)))
        return state, error
