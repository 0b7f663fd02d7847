"""What stabilised explicit methods share: the largest rate, the step size, the output times."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import DenseOutput, OdeSolver

from fixedrank import _linear_algebra
from fixedrank._checks import Array

# The estimate of the largest rate is enlarged by this, and renewed after so many steps.
_MARGIN, _RENEW = 1.1, 20


# Parts of a step. Within _DAMPED of the next one much of what it left in the fast directions dies
# out; a longer way than _SHORT to an output time is gone in two steps, the first of them _FIRST.
_DAMPED, _FIRST, _SHORT = 0.3, 0.6, 0.7


class _State(NamedTuple):
    """A state, f there if it is known, the largest rate, and the length of an ordinary step."""

    t: float
    y: Array
    f: Array | None
    rate: float
    step: float


class Stabilised(OdeSolver):
    """An explicit one-step method whose number of stages s grows with the stiffness.

    A method has an interval of stability of length growing like s^2, so that a step of length h
    costs about sqrt(h rho) evaluations, rho the largest rate. A method of this kind says how many
    stages a step needs, how it takes one, and what it estimates for the error.
    """

    # The estimated error is of this order in the step size; how few stages make a step, how many.
    error_order: int
    fewest_stages: int
    most_stages: int

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
        self.rate = 0.0
        self.rate = self._largest_rate()
        self.last: tuple[float, float] | None = None
        self.h_abs: float = self._first_step() if first_step is None else first_step
        self.states: list[_State] = []  # where the last two steps began

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
        vector = self.direction_of_rate
        length = math.sqrt(np.finfo(float).eps) * max(float(np.linalg.norm(self.y)), 1e-8)
        estimate = self.rate / _MARGIN
        for _ in range(30):
            norm = float(np.linalg.norm(vector))
            if not 0 < norm < math.inf:
                # Nothing moves here: any direction is as good.
                vector, norm = np.ones_like(self.y), math.sqrt(self.y.size)
            vector = self.fun(self.t, self.y + (length / norm) * vector) - self.f
            before, estimate = estimate, float(np.linalg.norm(vector)) / length
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
        if h == 0:
            return 0.0
        y = self.y + self.direction * h * self.f
        change = self._error(h * (self.fun(self.t + self.direction * h, y) - self.f), y)
        return min(whole, 0.1 * h / math.sqrt(change)) if math.sqrt(change) > 0 else h

    def _step_impl(self) -> tuple[bool, str | None]:
        if self.age >= _RENEW:
            self.rate = self._largest_rate()
        smallest = 10 * abs(np.nextafter(self.t, self.direction * math.inf) - self.t)
        while True:
            left = abs(self.t_bound - self.t)
            h_abs = self._next(min(max(self.h_abs, smallest), self.max_step), left)
            y, f, difference = self._attempt(self.direction * h_abs)
            error = self._error(difference, y)
            if error <= 1:
                break
            if h_abs <= smallest:
                return False, self.TOO_SMALL_STEP
            shrink = 0.8 * error ** (-1 / self.error_order) if error < math.inf else 0.1
            self.h_abs = h_abs * max(0.1, shrink)
            if self.age > 0:
                self.rate = self._largest_rate()
        target = self.t_bound if h_abs == left else self.t + self.direction * h_abs
        self.h_abs = h_abs * self._growth(h_abs, max(error, 1e-12))
        self.states = [*self.states[-1:], _State(self.t, self.y, self.f, self.rate, h_abs)]
        self.t, self.y = target, y
        self.f = self.fun(target, y) if f is None else f
        self.age += 1
        return True, None

    def _stages_for(self, h: float, rate: float) -> int:
        return max(self.fewest_stages, math.ceil(self._stages(h * rate)))

    def _next(self, h: float, left: float) -> float:
        """Return the next step, from the allowed one, such that the last one is short."""
        before = self.states[-1].step if self.states else h
        if max(h, _SHORT * before) < left < (1 + _DAMPED) * h or _SHORT * before < left <= h:
            h = _FIRST * left
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

    def _dense_output_impl(self) -> DenseOutput:
        return _Substeps(self)


class _Substeps(DenseOutput):
    """Reaches times inside a step by shorter steps of the method, from a state that is damped.

    The error of a stabilised method is mostly in the fast directions, and dies out during the next
    step. 2026-11, at d = 200, N = 10, t = 1.5: a fourth of it is left after a fourth of the step, a
    60th after all of it. A cubic through the ends of a step takes the slopes there, in which the
    errors of the fast directions are enlarged by their rates.
    """

    def __init__(self, solver: Stabilised) -> None:
        super().__init__(solver.t_old, solver.t)
        self.solver, self.states = solver, solver.states
        self.known = {self.t_old: self.states[-1].y}
        if self.t == solver.t_bound:
            self.known[self.t] = solver.y

    def _call_impl(self, t: Array) -> Array:
        times = np.atleast_1d(t)
        values = np.empty((times.size, self.states[-1].y.size))
        before, state = self.states[0], self.states[-1]
        for index in np.argsort(np.abs(times - self.t_old), kind="stable"):
            target = float(times[index])
            known = self.known.get(target)
            if known is None:
                if state is self.states[-1] and abs(target - state.t) < _DAMPED * before.step:
                    state = before
                state = self._advanced(state, target)
                known = state.y
            values[index] = known
        return values.T.reshape(values.shape[1:] + t.shape)

    def _advanced(self, state: _State, target: float) -> _State:
        """Return the state at a time, after one short step or two."""
        way = target - state.t
        ends = [state.t + _FIRST * way, target] if abs(way) > _SHORT * state.step else [target]
        for end in ends:
            f = self.solver.fun(state.t, state.y) if state.f is None else state.f
            y = self.solver._taken(end - state.t, state.t, state.y, f, state.rate)
            state = _State(end, y, None, state.rate, state.step)
        return state


def combine(target: Array, scale: float, *terms: tuple[float, Array]) -> None:
    """Set target to scale * target + the sum of factor * vector, in place."""
    _linear_algebra.combine(target, scale, *terms)
