"""Integrators by name: SciPy's, and those of this library."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import BDF, DOP853, LSODA, RK23, RK45, DenseOutput, OdeSolver, Radau
from scipy.interpolate import CubicHermiteSpline

from fixedrank._checks import Array
from fixedrank._shared_docs import describe
from fixedrank.flows.chebyshev import RKC
from fixedrank.flows.contract import (
    INTEGRATORS,
    NOT_FINITE,
    BetweenSteps,
    solver_shown,
    velocity_within,
    warn_of_unused,
)
from fixedrank.flows.inside import by_parts
from fixedrank.flows.methods import MethodProperties
from fixedrank.flows.rock import ROCK4
from fixedrank.flows.switching import AutoSwitching


class RK4(OdeSolver):
    """The classical fourth-order Runge-Kutta method with a fixed step, as the paper uses it.

    A SciPy ``OdeSolver``: pass it, or its name, as ``method`` to the flows of this library, with
    the option ``step``; or to :func:`scipy.integrate.solve_ivp`. Between steps it interpolates
    by cubic Hermite polynomials. The flow with largest rate lambda is integrated stably for steps
    up to 2.785 / lambda, and a rotation at the rate lambda up to 2.828 / lambda.

    Parameters
    ----------
    y0 : array_like, shape (size,)
        Initial state, real or complex.
    step : float
        The step size h > 0; the last step is shortened to end at `t_bound`.
    rtol, atol : float
        Accepted and not used: there is no error control.

    Raises
    ------
    ValueError
        If `step` is missing or not positive and finite.

    Warns
    -----
    UserWarning
        Of options that have no effect, such as `first_step`.

    Examples
    --------
    >>> from scipy.integrate import solve_ivp
    >>> import fixedrank
    >>> solution = solve_ivp(lambda t, y: -y, (0, 1), [1.0], method=fixedrank.RK4, step=0.01)
    >>> round(float(solution.y[0, -1]), 9)
    0.367879441
    """

    # The tableau, by which a step can be taken again in parts.
    A = np.array([[0, 0, 0], [1 / 2, 0, 0], [0, 1 / 2, 0], [0, 0, 1]])
    B = np.array([1, 2, 2, 1]) / 6
    C = np.array([0, 1 / 2, 1 / 2, 1])
    n_stages = 4
    properties = MethodProperties(stored=("start", "count", "f"), states_inside=by_parts)

    __repr__ = solver_shown

    def __init__(
        self,
        fun: Callable[[float, Array], ArrayLike],
        t0: float,
        y0: ArrayLike,
        t_bound: float,
        step: float | None = None,
        vectorized: bool = False,
        rtol: float | None = None,
        atol: float | None = None,
        **unused: Any,
    ) -> None:
        warn_of_unused(unused)
        if step is None or not (math.isfinite(step) and step > 0):
            raise ValueError(f"RK4 needs a fixed step size: step=h with h > 0, got step={step!r}")
        velocity = velocity_within(fun, t0, t_bound)
        super().__init__(velocity, t0, y0, t_bound, vectorized, support_complex=True)
        self.t: float
        self.y: Array
        self.step_length = float(step)
        self.start = t0
        self.count = 0
        # What f returns may be written over at its next call: what is kept is a copy.
        self.f: Array = self.fun(self.t, self.y).copy()

    def _step_impl(self) -> tuple[bool, str | None]:
        # Multiples of the step from the start: no drift of the grid over many steps.
        self.count += 1
        target = self.start + self.direction * self.count * self.step_length
        if self.direction * (target - self.t_bound) > -1e-9 * self.step_length:
            target = self.t_bound
        if target == self.t:
            return False, self.TOO_SMALL_STEP
        h = target - self.t
        y, f, slopes = self.y, self.f, np.empty((5, self.n), self.y.dtype)
        if not np.isfinite(f).all():
            return False, NOT_FINITE.format(self.t)
        slopes[0] = f
        slopes[1] = self.fun(self.t + h / 2, y + h / 2 * f)
        slopes[2] = self.fun(self.t + h / 2, y + h / 2 * slopes[1])
        slopes[3] = self.fun(target, y + h * slopes[2])
        with np.errstate(over="ignore", invalid="ignore"):
            y_new = y + h / 6 * (f + 2 * (slopes[1] + slopes[2]) + slopes[3])
        slopes[4] = f_new = self.fun(target, y_new).copy()
        if not (np.isfinite(y_new).all() and np.isfinite(f_new).all()):
            return False, f"the fixed step {self.step_length:.3g} is too long for this flow"
        self.y_old, self.K = y, slopes
        self.t, self.y, self.f = target, y_new, f_new
        return True, None

    def _dense_output_impl(self) -> DenseOutput:
        return _Hermite(self.t_old, self.t, self.y_old, self.K[0], self.y, self.f)


describe(RK4, INTEGRATORS)


class _Hermite(BetweenSteps):
    def __init__(self, t_old: float, t: float, *values: Array) -> None:
        y_old, f_old, y, f = values
        super().__init__(t_old, t, y_old, y)
        forward = t > t_old
        nodes = [t_old, t] if forward else [t, t_old]
        pairs = [(y_old, y), (f_old, f)] if forward else [(y, y_old), (f, f_old)]
        self.spline = CubicHermiteSpline(nodes, pairs[0], pairs[1])

    def _inside(self, times: Array) -> Array:
        return np.asarray(self.spline(times).T)


METHODS: dict[str, type[OdeSolver]] = {
    "auto": AutoSwitching,
    "RK23": RK23,
    "RK45": RK45,
    "DOP853": DOP853,
    "Radau": Radau,
    "BDF": BDF,
    "LSODA": LSODA,
    "RK4": RK4,
    "RKC": RKC,
    "ROCK4": ROCK4,
}


def solver_class(method: Any) -> type[OdeSolver]:
    """Return the OdeSolver class that `method` names or is."""
    if isinstance(method, type) and issubclass(method, OdeSolver):
        return method
    if isinstance(method, str) and method in METHODS:
        return METHODS[method]
    raise ValueError(
        f"unknown method {method!r}: choose one of {', '.join(METHODS)}, "
        "or pass a subclass of scipy.integrate.OdeSolver"
    )
