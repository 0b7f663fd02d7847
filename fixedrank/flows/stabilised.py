"""What stabilised explicit methods share: the largest rate, the step size, the output times."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import DenseOutput, OdeSolver

from fixedrank import _linear_algebra
from fixedrank._checks import Array
from fixedrank.flows.between import DAMPED, FIRST, SHORT, Damped, State, reached
from fixedrank.flows.contract import (
    NOT_FINITE,
    checked_steps,
    checked_tolerances,
    solver_shown,
    velocity_within,
    warn_of_unused,
)
from fixedrank.flows.inside import by_shorter_steps
from fixedrank.flows.methods import MethodProperties
from fixedrank.flows.scales import length

# The estimate of the largest rate is enlarged by this, and renewed after so many steps.
_MARGIN, _RENEW = 1.1, 20
# Where many times in a step are asked for the next one is held to so many times less, but not below
# round-off, so that what it leaves in the fast directions is little in a polynomial through the
# ends of so many steps.
_CARE, _FINEST, _ENDS = 10.0, 1e-13, 6
# Errors are in units of the tolerances: far below the 1e-4 from which on a step grows tenfold.
_NO_ERROR = 1e-12


class Stabilised(OdeSolver):
    """An explicit one-step method whose number of stages s grows with the stiffness.

    A method has an interval of stability of length growing like s^2, so that a step of length h
    costs about sqrt(h rho) evaluations, rho the largest rate. A method of this kind says how many
    stages a step needs, how it takes one, and what it estimates for the error.
    """

    properties = MethodProperties(
        tries_again=True,
        stored=(
            *("h_abs", "f", "rate", "direction_of_rate", "age"),
            *("last", "states", "crowded_at", "ends"),
        ),
        states_inside=by_shorter_steps,
    )
    # The estimated error is of this order in the step size, and a polynomial between the ends of a
    # step of this degree; how few stages make a step, how many.
    error_order: int
    parts_between: int
    fewest_stages: int
    most_stages: int

    __repr__ = solver_shown

    def __init__(
        self,
        fun: Callable[[float, Array], ArrayLike],
        t0: float,
        y0: ArrayLike,
        t_bound: float,
        rtol: float | Array = 1e-3,
        atol: float | Array = 1e-6,
        first_step: float | None = None,
        max_step: float = math.inf,
        vectorized: bool = False,
        **unused: Any,
    ) -> None:
        warn_of_unused(unused)
        super().__init__(velocity_within(fun, t0, t_bound), t0, y0, t_bound, vectorized)
        self.t: float
        self.y: Array
        self.rtol, self.atol = checked_tolerances(rtol, atol, self.n)
        self.max_step = max_step
        checked_steps(first_step, max_step, abs(t_bound - t0))
        # What f returns may be written over at its next call: what is kept is a copy.
        self.f: Array = self.fun(self.t, self.y).copy()
        self.direction_of_rate: Array = self.f
        self.age = 0
        self.rate = 0.0
        self.rate = self._largest_rate()
        self.last: tuple[float, float] | None = None
        self.h_abs: float = self._first_step() if first_step is None else first_step
        self.states: list[State] = []  # where the last two steps began
        # The end of the last step if many times in it were asked for, and those of the last steps.
        self.crowded_at = math.nan
        self.ends: list[tuple[float, Array]] = []

    @staticmethod
    @abstractmethod
    def _interval(stages: float) -> float:
        """Return the length of the interval of stability of so many stages."""

    @staticmethod
    @abstractmethod
    def _stages(length: float) -> float:
        """Return the number of stages, not rounded, with an interval of stability of a length."""

    @abstractmethod
    def _taken(self, h: float, start: float, y: Array, f: Array, rate: float) -> Array:
        """Return the state one step of the method later, h with its sign."""

    @abstractmethod
    def _attempt(self, h: float) -> tuple[Array, Array | None, Array]:
        """Return the state a step later, f there if it was needed, and an estimate of the error."""

    def _largest_rate(self) -> float:
        """Return an upper estimate of the largest rate at the state, by a power iteration."""
        self.age = 0
        if not self.n:
            return 0.0
        vector = self.direction_of_rate
        # A state is known to the tolerance: near zero that is its scale.
        size = max(length(self.y), length(np.broadcast_to(self.atol, self.n)))
        distance = math.sqrt(np.finfo(float).eps) * size
        estimate = self.rate / _MARGIN
        for _ in range(30):
            norm = length(vector)
            if not 0 < norm < math.inf:
                # Nothing moves here: any direction is as good.
                vector, norm = np.ones_like(self.y), math.sqrt(self.n)
            vector = self.fun(self.t, self.y + (distance / norm) * vector) - self.f
            before, estimate = estimate, length(vector) / distance
            if abs(estimate - before) <= 0.01 * estimate:
                break
        self.direction_of_rate = vector
        return _MARGIN * estimate

    def _error(self, difference: Array, y: Array) -> float:
        scale = self.atol + self.rtol * np.maximum(np.abs(self.y), np.abs(y))
        return float(np.linalg.norm(difference / scale)) / math.sqrt(y.size)

    def _first_step(self) -> float:
        whole = abs(self.t_bound - self.t)
        h = min(whole, self.max_step, 1 / self.rate if self.rate > 0 else whole)
        if h == 0 or not self.n:
            return h
        y = self.y + self.direction * h * self.f
        change = self._error(h * (self.fun(self.t + self.direction * h, y) - self.f), y)
        return min(whole, 0.1 * h / math.sqrt(change)) if 0 < change < math.inf else h

    def _step_impl(self) -> tuple[bool, str | None]:
        if self.age >= _RENEW:
            self.rate = self._largest_rate()
        crowded = self.crowded_at == self.t
        care = min(_CARE, max(1.0, float(np.min(self.rtol)) / _FINEST)) if crowded else 1.0
        smallest = 10 * abs(np.nextafter(self.t, self.direction * math.inf) - self.t)
        left = abs(self.t_bound - self.t)
        while True:
            if not math.isfinite(self.rate):
                return False, NOT_FINITE.format(self.t)
            h_abs = self._next(min(max(self.h_abs, smallest), self.max_step), left)
            target = self.t_bound if h_abs == left else self.t + self.direction * h_abs
            if target == self.t:
                return False, self.TOO_SMALL_STEP
            y, f, difference = self._attempt(self.direction * h_abs)
            error = self._error(difference, y) * care
            if error <= 1:
                f = self.fun(target, y).copy() if f is None else f
                if np.isfinite(f).all():
                    break
                error = math.inf
            if h_abs <= smallest:
                return False, self.TOO_SMALL_STEP
            shrink = 0.8 * error ** (-1 / self.error_order) if error < math.inf else 0.1
            self.h_abs = h_abs * max(0.1, shrink)
            if self.age > 0:
                self.rate = self._largest_rate()
        self.h_abs = h_abs * self._growth(h_abs, max(error, _NO_ERROR))
        self.states = [*self.states[-1:], State(self.t, self.y, self.f, self.rate, h_abs)]
        ends = self.ends[1 - _ENDS :] or [(self.t, self.y)]
        self.ends = [*ends, (target, y)] if crowded else []
        self.t, self.y, self.f = target, y, f
        self.age += 1
        return True, None

    def _stages_for(self, h: float, rate: float) -> int:
        return max(self.fewest_stages, math.ceil(self._stages(h * rate)))

    def _next(self, h: float, left: float) -> float:
        """Return the next step, from the allowed one, such that the last one is short."""
        before = self.states[-1].step if self.states else h
        if max(h, SHORT * before) < left < (1 + DAMPED) * h or SHORT * before < left <= h:
            h = FIRST * left
        return self._fitted(min(h, left))

    def _fitted(self, h: float) -> float:
        """Return a step up to h that makes the most of its stages."""
        if self.rate == 0:
            return h
        stages = self._stages_for(h, self.rate)
        if stages > self.most_stages:
            return self._interval(self.most_stages) / self.rate
        shorter = self._interval(stages - 1) / self.rate
        better = stages > self.fewest_stages and shorter * stages > h * (stages - 1)
        return shorter if better else h

    def _growth(self, h: float, error: float) -> float:
        """Return the factor of the next step, from the errors of the last two."""
        power = 1 / self.error_order
        factor = 0.8 * error**-power
        if self.last is not None:
            h_before, error_before = self.last
            factor = min(factor, factor * (h / h_before) * (error_before / error) ** power)
        self.last = (h, error)
        return min(10.0, max(0.1, factor))

    def reach(self, times: Array) -> Array:
        """Return the states at times within the last step, a column each.

        Cheaper than `dense_output` for a time or two, and dearer for many. Each is as good as the
        end of a step; where they lie depends on the other times asked for.

        Parameters
        ----------
        times : ndarray, shape (count,)
            Times within the last step.

        Returns
        -------
        ndarray, shape (size, count)
            The states.
        """
        return reached(self, self.states, times)

    def _dense_output_impl(self) -> DenseOutput:
        return Damped(self, self.states)


def combine(target: Array, scale: float, *terms: tuple[float, Array]) -> None:
    """Set target to scale * target + the sum of factor * vector, in place."""
    _linear_algebra.combine(target, scale, *terms)
