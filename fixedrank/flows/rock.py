"""A stabilised explicit method of fourth order."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fixedrank._checks import Array
from fixedrank._shared_docs import describe
from fixedrank.flows.contract import INTEGRATORS
from fixedrank.flows.rock_coefficients import coefficients
from fixedrank.flows.stabilised import Stabilised, combine

# The interval of stability of s stages: rho h <= 0.3531 s^2 - 2.9.
_LENGTH, _OFFSET = 0.3531, 2.9


class ROCK4(Stabilised):
    """A stabilised Runge-Kutta method of fourth order, with error control.

    It spends s >= 5 evaluations on a step of length up to 0.353 s^2 / rho, where rho is the largest
    rate of an equation whose Jacobian has real negative eigenvalues; a classical explicit method
    gets s times less far. Gradient flows are of this kind near a limit and on plateaus, where
    stability, not accuracy, bounds the step. The rate rho is estimated by a power iteration. What a
    step leaves in the fast directions dies out in the next one, so that values between the steps
    come from shorter steps: they are exactly the states at both ends of a step, and continuous.

    It is meant for spectra on or near the negative real axis. On the imaginary axis it is stable at
    no step: rotations come out right by small steps only, of which DOP853 takes fewer.

    A SciPy ``OdeSolver``: pass it, or its name, as ``method`` to the flows of this library, or to
    :func:`scipy.integrate.solve_ivp`. Where nothing is stiff DOP853 is better: see
    :class:`AutoSwitching`.

    Warns
    -----
    UserWarning
        Of options that have no effect, such as `jac`.

    Notes
    -----
    The method is of the kind of the reference: its stability polynomial, the recurrence of the
    first s - 4 stages, and last four stages that make it of fourth order. The coefficients are
    this library's own, computed for each s when it is first needed, and so is the estimate of the
    error, which takes no evaluation. As with all methods of this kind the order is lower where
    fast directions are driven by slow ones; above some 100 stages :class:`RKC` then gets further.

    References
    ----------
    A. Abdulle, Fourth order Chebyshev methods with recurrence relation, SIAM Journal on Scientific
    Computing 23, 2002.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> from scipy.integrate import solve_ivp
    >>> rates = np.array([1.0, 1e5])
    >>> solution = solve_ivp(
    ...     lambda t, y: -rates * (y - 1), (0, 1), [0.0, 0.0], method=fixedrank.ROCK4, rtol=1e-6
    ... )
    >>> round(float(solution.y[0, -1]), 5)  # 1 - 1/e
    0.63212
    >>> solution.nfev < 10_000  # the fixed step of RK4 would need 140,000
    True
    """

    error_order = parts_between = 4
    properties = replace(Stabilised.properties, error_order=error_order)
    fewest_stages, most_stages = 5, 500

    @staticmethod
    def _interval(stages: float) -> float:
        return _LENGTH * stages**2 - _OFFSET

    @staticmethod
    def _stages(length: float) -> float:
        return math.sqrt((length + _OFFSET) / _LENGTH)

    def _attempt(self, h: float) -> tuple[Array, None, Array]:
        y, error = self._step(h, self.t, self.y, self.f, self.rate)
        return y, None, error

    def _taken(self, h: float, start: float, y: Array, f: Array, rate: float) -> Array:
        return self._step(h, start, y, f, rate)[0]

    def _step(self, h: float, start: float, y: Array, f: Array, rate: float) -> tuple[Array, Array]:
        """Return the state one step later, and an estimate of its error."""
        stages = self._stages_for(abs(h), rate)
        method = coefficients(stages)
        if self.direction * (start + method.abscissae[-1] * h - self.t_bound) > 0:
            method = coefficients(stages, within=True)
        older, state = y.copy(), y.copy()
        value = f
        for index, (mu, nu, time) in enumerate(method.steps):
            if index:
                value = self.fun(start + time * h, state)
            combine(older, 1 - nu, (nu, state), (mu * h, value))
            older, state = state, older
        values = [value.copy(), self.fun(start + method.abscissae[0] * h, state).copy()]
        for time, row in zip(method.abscissae[1:], method.inner, strict=True):
            stage = state.copy()
            combine(stage, 1.0, *((a * h, k) for a, k in zip(row, values[1:], strict=True)))
            values.append(self.fun(start + time * h, stage).copy())
        combine(state, 1.0, *((b * h, k) for b, k in zip(method.outer, values[1:], strict=True)))
        error = np.zeros_like(y)
        combine(error, 1.0, *((d * h, k) for d, k in zip(method.estimate, values, strict=True)))
        return state, error


describe(ROCK4, INTEGRATORS)
