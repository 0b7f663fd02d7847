"""A stabilised explicit method for the stiff, real negative spectra of gradient flows."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

from fixedrank._checks import Array
from fixedrank._shared_docs import describe
from fixedrank.flows.contract import INTEGRATORS
from fixedrank.flows.stabilised import Stabilised, combine

# Damping of the stability polynomial, and what it leaves of the interval: rho h <= 0.65 s^2.
_DAMPING = 2 / 13
_STAGES = 1.54
# With more stages their round-off, which grows with the square, would reach 1e-8.
_MOST_STAGES = 5000


@lru_cache(maxsize=32)
def coefficients(stages: int) -> tuple[float, tuple[tuple[float, ...], ...]]:
    """Return the first weight, and (mu, nu, mu~, gamma~, c_(j-1)) of stages j = 2, ..., s.

    These are the names of the reference in :class:`RKC`.
    """
    w0 = 1 + _DAMPING / stages**2
    value, first, second = [1.0, w0], [0.0, 1.0], [0.0, 0.0]
    for j in range(2, stages + 1):
        value.append(2 * w0 * value[-1] - value[-2])
        first.append(2 * value[j - 1] + 2 * w0 * first[-1] - first[-2])
        second.append(4 * first[j - 1] + 2 * w0 * second[-1] - second[-2])
    w1 = first[stages] / second[stages]
    b = [second[max(j, 2)] / first[max(j, 2)] ** 2 for j in range(stages + 1)]
    times = [0.0, w1 * second[2] / first[2] ** 2]
    times += [w1 * second[j] / first[j] for j in range(2, stages)]
    rows = []
    for j in range(2, stages + 1):
        weight = 2 * b[j] * w1 / b[j - 1]
        rows.append(
            (
                2 * b[j] * w0 / b[j - 1],
                -b[j] / b[j - 2],
                weight,
                -(1 - b[j - 1] * value[j - 1]) * weight,
                times[j - 1],
            )
        )
    return b[1] * w1, tuple(rows)


class RKC(Stabilised):
    """The Runge-Kutta-Chebyshev method of second order, with error control.

    It spends s evaluations on a step of length up to 0.65 s^2 / rho, where rho is the largest rate
    of an equation whose Jacobian has real negative eigenvalues; a classical explicit method gets
    s times less far. Gradient flows are of this kind near a limit and on plateaus, where stability,
    not accuracy, bounds the step. The rate rho is estimated by a power iteration. Values
    between the steps come from shorter steps, which damp what a long one leaves in fast directions;
    they are exactly the states at both ends of a step, and continuous.

    It is meant for spectra on or near the negative real axis. On the imaginary axis it is stable at
    no step: rotations need small steps, six times the evaluations of DOP853, and their phase drifts
    even so (by 2 % in 16 turns at rtol = 1e-5).

    A SciPy ``OdeSolver``: pass it, or its name, as ``method`` to the flows of this library, or to
    :func:`scipy.integrate.solve_ivp`. It is the method to take for long times where errors of 1e-3
    to 1e-5 are small enough; the error falls with rtol^(2/3), so that DOP853 is better at 1e-8.

    Warns
    -----
    UserWarning
        Of options that have no effect, such as `jac`.

    References
    ----------
    B. P. Sommeijer, L. F. Shampine, J. G. Verwer, RKC: an explicit solver for parabolic PDEs,
    Journal of Computational and Applied Mathematics 88, 1998.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> from scipy.integrate import solve_ivp
    >>> rates = np.array([1.0, 1e5])
    >>> solution = solve_ivp(
    ...     lambda t, y: -rates * (y - 1), (0, 1), [0.0, 0.0], method=fixedrank.RKC, rtol=1e-6
    ... )
    >>> round(float(solution.y[0, -1]), 4)  # 1 - 1/e
    0.6321
    >>> solution.nfev < 10_000  # the fixed step of RK4 would need 140,000
    True
    """

    error_order = parts_between = 3
    properties = replace(Stabilised.properties, error_order=error_order, damps=True)
    fewest_stages, most_stages = 2, _MOST_STAGES

    @staticmethod
    def _interval(stages: float) -> float:
        return (stages**2 - 1) / _STAGES

    @staticmethod
    def _stages(length: float) -> float:
        return math.sqrt(1 + _STAGES * length)

    def _attempt(self, h: float) -> tuple[Array, Array, Array]:
        y = self._taken(h, self.t, self.y, self.f, self.rate)
        f = self.fun(self.t + h, y).copy()
        return y, f, 0.8 * (self.y - y) + 0.4 * h * (self.f + f)

    def _taken(self, h: float, start: float, y: Array, f: Array, rate: float) -> Array:
        """Return the state one step of the method later, h with its sign."""
        stages = self._stages_for(abs(h), rate)
        first, rows = coefficients(stages)
        older, state = y.copy(), y + (first * h) * f
        for mu, nu, weight, correction, time in rows:
            value = self.fun(start + time * h, state)
            combine(
                older,
                nu,
                (1 - mu - nu, y),
                (mu, state),
                (weight * h, value),
                (correction * h, f),
            )
            older, state = state, older
        return state


describe(RKC, INTEGRATORS)
