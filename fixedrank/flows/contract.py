"""What SciPy asks of every OdeSolver: options, tolerances, what f returns, values between steps."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import DenseOutput

from fixedrank._checks import Array

NOT_FINITE = (
    "the right-hand side has NaN or infinite values at t = {:.6g} or next to the state there"
)
INTEGRATORS = """
Parameters
----------
fun : callable
    The right-hand side f(t, y).
t0 : float
    Initial time.
y0 : array_like, shape (size,)
    Initial state, real.
t_bound : float
    Final time.
rtol : float or array_like, shape (size,)
    Relative tolerance of the local error.
atol : float or array_like, shape (size,)
    Absolute tolerance of the local error.
first_step : float, optional
    The first step that is tried, no longer than the interval; chosen by the method if left out.
max_step : float
    The longest step.
vectorized : bool
    Whether `fun` takes several states as columns.

Raises
------
ValueError
    If a step or a tolerance is not positive or does not fit, or `y0` is complex.
"""

# Below this a relative tolerance is round-off: SciPy's bound.
_LEAST_RTOL = 100 * np.finfo(float).eps


def warn_of_unused(options: dict[str, Any]) -> None:
    """Warn of options that a method does not have, as SciPy's methods do."""
    if options:
        names = ", ".join(f"`{name}`" for name in options)
        warnings.warn(
            f"The following arguments have no effect for a chosen solver: {names}.", stacklevel=3
        )


def checked_tolerances(rtol: Any, atol: Any, size: int) -> tuple[Any, Any]:
    """Return both tolerances, one for all entries of the state or one for each."""
    checked = []
    for name, value in (("rtol", rtol), ("atol", atol)):
        array = np.asarray(value, dtype=float)
        if not (array > 0).all():
            raise ValueError(f"{name} must be positive, got {value}")
        if array.shape not in ((), (size,)):
            raise ValueError(
                f"{name} must be one number or one for each of the {size} entries of the state, "
                f"got shape {array.shape}"
            )
        checked.append(array if array.ndim else float(array))
    if np.any(checked[0] < _LEAST_RTOL):
        warnings.warn(f"rtol is too small and raised to {_LEAST_RTOL:.3g}", stacklevel=3)
        checked[0] = np.maximum(checked[0], _LEAST_RTOL)
    return checked[0], checked[1]


def checked_steps(first_step: float | None, max_step: float, whole: float) -> None:
    """Raise a ValueError if a step is not positive, or the first one leaves the interval."""
    for name, value in (("max_step", max_step), ("first_step", first_step)):
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
    if first_step is not None and first_step > whole:
        raise ValueError(
            f"first_step must not exceed the interval of length {whole:.6g}, got {first_step}"
        )


def velocity_within(fun: Any, t0: float, t_bound: float) -> Callable[[float, Array], Array]:
    """Return f as the methods call it: between t0 and t_bound, and of the shape of the state.

    The times of stages may leave the interval by rounding only. A single number stands for all
    entries of the velocity, as with SciPy's methods.
    """
    low, high = min(t0, t_bound), max(t0, t_bound)

    def velocity(t: float, y: Array) -> Array:
        value = np.asarray(fun(min(max(t, low), high), y))
        if value.shape == y.shape:
            return value
        if value.size == y.size:
            return value.reshape(y.shape)
        if value.size == 1:
            return np.full(y.shape, value.item())
        raise ValueError(
            f"the right-hand side must return {y.size} values, as many as the state has, "
            f"got shape {value.shape}"
        )

    return velocity


def solver_shown(solver: Any) -> str:
    """Return an OdeSolver in words."""
    return (
        f"<{type(solver).__name__}: {solver.n} unknowns, {solver.status} at t = {solver.t:.6g} "
        f"on the way to {solver.t_bound:.6g}>"
    )


class BetweenSteps(DenseOutput):
    """Values within a step that are at both its ends exactly the states there."""

    def __init__(self, t_old: float, t: float, y_old: Array, y: Array) -> None:
        super().__init__(t_old, t)
        self.y_old, self.y = y_old, y

    @abstractmethod
    def _inside(self, times: Array) -> Array:
        """Return the values at times, a column each."""

    def _call_impl(self, t: Array) -> Array:
        times = np.atleast_1d(t)
        values = self._inside(times)
        for end, state in ((self.t_old, self.y_old), (self.t, self.y)):
            values[:, times == end] = state[:, None]
        return values.reshape(values.shape[:1] + t.shape)
