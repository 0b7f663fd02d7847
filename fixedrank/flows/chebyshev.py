"""A stabilised explicit method for the stiff, real negative spectra of gradient flows."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.integrate import DenseOutput, OdeSolver
from scipy.linalg.blas import daxpy, dscal

from fixedrank._checks import Array

# Damping of the stability polynomial, and what it leaves of the interval: rho h <= 0.65 s^2.
_DAMPING = 2 / 13
_STAGES = 1.54
# With more stages their round-off, which grows with the square, would reach 1e-8.
_MOST_STAGES = 5000
# The estimate of the largest rate is enlarged by this, and renewed after so many steps.
_MARGIN, _RENEW = 1.1, 20


@lru_cache(maxsize=32)
def _coefficients(stages: int) -> tuple[float, tuple[tuple[float, ...], ...]]:
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


class RKC(OdeSolver):
    """The Runge-Kutta-Chebyshev method of second order, with error control.

    It spends s evaluations on a step of length up to 0.65 s^2 / rho, where rho is the largest rate
    of an equation whose Jacobian has real negative eigenvalues; a classical explicit method gets
    s times less far. Gradient flows are of this kind near a limit and on plateaus, where stability,
    not accuracy, bounds the step. The rate rho is estimated by a power iteration. An output time
    inside a step is reached by a shorter step of the method from its beginning.

    A SciPy ``OdeSolver``: pass it, or its name, as ``method`` to the flows of this library, or to
    :func:`scipy.integrate.solve_ivp`. It is the method to take for long times where errors of 1e-3
    to 1e-5 are small enough; the error falls with rtol^(2/3), so that DOP853 is better at 1e-8.

    Parameters
    ----------
    fun : callable
        The right-hand side f(t, y).
    t0 : float
        Initial time.
    y0 : array_like, shape (size,)
        Initial state.
    t_bound : float
        Final time.
    rtol : float
        Relative tolerance of the local error.
    atol : float or array_like, shape (size,)
        Absolute tolerance of the local error.
    first_step : float, optional
        The first step that is tried; chosen by the method if left out.
    max_step : float
        The longest step.
    vectorized : bool
        Whether `fun` takes several states as columns.

    Raises
    ------
    ValueError
        If a step or a tolerance is not positive.

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

    def __init__(
        self,
        fun: Any,
        t0: float,
        y0: Any,
        t_bound: float,
        rtol: float = 1e-3,
        atol: Any = 1e-6,
        first_step: float | None = None,
        max_step: float = math.inf,
        vectorized: bool = False,
    ) -> None:
        super().__init__(fun, t0, y0, t_bound, vectorized)
        for name, value in (("rtol", rtol), ("max_step", max_step), ("first_step", first_step)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        if not (np.asarray(atol) > 0).all():
            raise ValueError(f"atol must be positive, got {atol}")
        self.t: float
        self.y: Array
        self.rtol, self.atol, self.max_step = rtol, atol, max_step
        self.f: Array = self.fun(self.t, self.y)
        self.direction_of_rate: Array = self.f
        self.age = 0
        self.rate = self._largest_rate()
        self.last: tuple[float, float] | None = None
        self.h_abs: float = self._first_step() if first_step is None else first_step

    def _largest_rate(self) -> float:
        """Return an upper estimate of the largest rate at the state, by a power iteration."""
        self.age = 0
        vector = self.direction_of_rate
        length = math.sqrt(np.finfo(float).eps) * max(float(np.linalg.norm(self.y)), 1e-8)
        estimate = 0.0
        for _ in range(30):
            norm = float(np.linalg.norm(vector))
            if not 0 < norm < math.inf:
                # Nothing moves here: any direction is as good.
                vector, norm = np.ones_like(self.y), math.sqrt(self.y.size)
            vector = self.fun(self.t, self.y + (length / norm) * vector) - self.f
            before, estimate = estimate, float(np.linalg.norm(vector)) / length
            if abs(estimate - before) <= 0.02 * estimate:
                break
        self.direction_of_rate = vector
        return _MARGIN * estimate

    def _error(self, difference: Array, y: Array) -> float:
        scale = self.atol + self.rtol * np.maximum(np.abs(self.y), np.abs(y))
        return float(np.linalg.norm(difference / scale)) / math.sqrt(y.size)

    def _first_step(self) -> float:
        whole = abs(self.t_bound - self.t)
        h = min(whole, self.max_step, 1 / self.rate if self.rate > 0 else whole)
        if h == 0:
            return 0.0
        y = self.y + self.direction * h * self.f
        change = self._error(h * (self.fun(self.t + self.direction * h, y) - self.f), y)
        return min(whole, 0.1 * h / math.sqrt(change)) if math.sqrt(change) > 0 else h

    def _taken(self, h: float, start: float, y: Array, f: Array, rate: float) -> Array:
        """Return the state one step of the method later, h with its sign."""
        stages = max(2, 1 + int(math.sqrt(1 + _STAGES * abs(h) * rate)))
        first, rows = _coefficients(stages)
        older, state = y.copy(), y + (first * h) * f
        for mu, nu, weight, correction, time in rows:
            value = self.fun(start + time * h, state)
            # In place by BLAS: three times faster than array arithmetic on a long vector.
            dscal(nu, older)
            for factor, vector in (
                (1 - mu - nu, y),
                (mu, state),
                (weight * h, value),
                (correction * h, f),
            ):
                daxpy(vector, older, a=factor)
            older, state = state, older
        return state

    def _step_impl(self) -> tuple[bool, str | None]:
        if self.age >= _RENEW:
            self.rate = self._largest_rate()
        smallest = 10 * abs(np.nextafter(self.t, self.direction * math.inf) - self.t)
        while True:
            left = abs(self.t_bound - self.t)
            longest = _MOST_STAGES**2 / (_STAGES * self.rate) if self.rate > 0 else math.inf
            h_abs = min(max(self.h_abs, smallest), self.max_step, longest, left)
            h = self.direction * h_abs
            y = self._taken(h, self.t, self.y, self.f, self.rate)
            target = self.t_bound if h_abs == left else self.t + h
            f = self.fun(target, y)
            error = self._error(0.8 * (self.y - y) + 0.4 * h * (self.f + f), y)
            if error <= 1:
                break
            if h_abs <= smallest:
                return False, self.TOO_SMALL_STEP
            self.h_abs = h_abs * (max(0.1, 0.8 * error ** (-1 / 3)) if error < math.inf else 0.1)
            if self.age > 0:
                self.rate = self._largest_rate()
        self.h_abs = h_abs * self._growth(h_abs, max(error, 1e-12))
        self.previous = (self.y, self.f, self.rate)
        self.t, self.y, self.f = target, y, f
        self.age += 1
        return True, None

    def _growth(self, h: float, error: float) -> float:
        """Return the factor of the next step, from the errors of the last two."""
        factor = 0.8 * error ** (-1 / 3)
        if self.last is not None:
            h_before, error_before = self.last
            factor = min(factor, factor * (h / h_before) * (error_before / error) ** (1 / 3))
        self.last = (h, error)
        return min(10.0, max(0.1, factor))

    def _dense_output_impl(self) -> DenseOutput:
        return _Substeps(self)


class _Substeps(DenseOutput):
    """Reaches a time inside a step by a step of the method.

    2026-11: a cubic through the ends of a step takes the slopes there, in which the errors of the
    fast directions are enlarged by their rates.
    """

    def __init__(self, solver: RKC) -> None:
        super().__init__(solver.t_old, solver.t)
        self.solver, self.previous, self.last = solver, solver.previous, solver.y

    def _call_impl(self, t: Array) -> Array:
        return np.array([self._at(float(time)) for time in np.atleast_1d(t)]).T.reshape(
            self.last.shape + t.shape
        )

    def _at(self, t: float) -> Array:
        if t in (self.t_old, self.t):
            return self.previous[0] if t == self.t_old else self.last
        y, f, rate = self.previous
        return self.solver._taken(t - self.t_old, self.t_old, y, f, rate)
