"""Solvers of one method, one after another, each with a time of its own that begins at zero.

The flows are autonomous, so a solver may count the time from where it was started. A flow that
leaves its start at t = 1e15 then takes steps of 0.1 as well as one that leaves it at once: before
steps become small beside the time of the solver the next one takes over, and the clock adds up.
Where rates are so large or so small that a solver could not square them, it has a unit of time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank.flows.clock import Clock
from fixedrank.flows.first_step import first_step
from fixedrank.flows.methods import check_options, order_of, properties_of, takes
from fixedrank.flows.scales import pace
from fixedrank.flows.solvers import solver_class
from fixedrank.flows.system import System

_EPS = float(np.finfo(float).eps)
# A solver has taken at most so many steps of the length of the next one: a start of some
# evaluations is nothing beside them, and where one step has to be cut by another 1e11 it can be.
_LONG = 1e4
# A step that meets so many values that are not finite has collapsed: steps of 12 evaluations have
# been cut by more than 1e20 then.
_UNDEFINED = 400
# So many steps in a row of fewer than _TINY units in the last digit of the time lead nowhere; one
# that met values that are not finite counts as many.
_STUCK, _AT_A_WALL, _TINY = 50_000, 10_000, 1000.0
# So many failed steps at times that are not further apart than this, relative, are enough.
_FAILURES, _APART = 5, 1e-9
# How many numbers of states inside a step are made at once, but so many states at least, as methods
# reach many at the price of a few.
_PORTION, _LEAST_PORTION = 1 << 22, 16
_NOT_FINITE = "the gradient has NaN or infinite values, or the step leads to some"


class _CollapsedError(Exception):
    """Raised out of a solver that would go on to cut its step."""


class Stepper:
    """Takes a system from state to state.

    Parameters
    ----------
    system : System
        The flow.
    method : str or OdeSolver class
        The method.
    rtol : float
        The relative tolerance.
    atol : float, optional
        The absolute tolerance; without, the system's own.
    options : dict
        Options of the method.
    start, end : float
        The first and the last time.
    """

    def __init__(
        self,
        system: System,
        method: Any,
        rtol: float,
        atol: float | None,
        options: dict[str, Any],
        start: float,
        end: float,
    ) -> None:
        if not 1e-13 <= rtol < 1:
            raise ValueError(f"rtol must lie in [1e-13, 1), got {rtol}")
        if atol is not None and not 0 < atol < math.inf:
            raise ValueError(f"atol must be positive and finite, got {atol}")
        self.system, self.method = system, solver_class(method)
        check_options(self.method, options)
        self.properties = properties_of(self.method)
        self.rtol, self.atol, self.options = rtol, atol, options
        self.clock, self.end = Clock(start), end
        self.shortest = _EPS * max(abs(start), abs(end))
        self.solver: Any = None
        self.before, self.unit = np.zeros(0), 1.0
        self.tolerances: tuple[float, Any] = (rtol, atol)
        self.first = 0.0
        self.undefined = self.spent = self.already = self.stuck = self.failures = 0
        self.failed_at = -math.inf

    @property
    def reached(self) -> float:
        """The time that is reached."""
        return self.clock.after(self.unit * float(self.solver.t))

    @property
    def left(self) -> float:
        """The time that is left."""
        return self.unit * float(self.solver.t_bound - self.solver.t)

    @property
    def ahead(self) -> float:
        """The evaluations to the end of the time, if all steps cost what the last one did."""
        step = self.unit * self.next_step()
        return (self.spent - self.already) * self.left / step if step > 0 else math.inf

    def begin(self, state: Array, slope: Array) -> None:
        """Start at a state where the velocity is known and is not zero."""
        options, left = dict(self.options), self.end - self.clock.high
        if takes(self.method, "first_step"):
            step = options.get("first_step")
            if step is None:
                tolerances = self.system.tolerances(state, self.rtol, self.atol)
                order = order_of(self.method)
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    step = first_step(self.velocity, state, slope, tolerances, order, left)
            options["first_step"] = min(step, left)
        self._open(state, left, options)

    def restart(
        self, state: Array, duration: float, step: float, longest: float = math.inf
    ) -> None:
        """Go on at another state from some time after the start of the solver, as it did.

        The duration and the next step are in the solver's time, the longest step is in the flow's.
        """
        duration, step = self.unit * duration, min(self.unit * step, longest)
        options = {name: x for name, x in self.options.items() if name != "first_step"}
        self.clock.advance(duration)
        # One in the last digit too far is nothing to an autonomous flow, but a solver needs a way.
        left = max(float(self.clock.until(np.asarray(self.end))), self.shortest)
        if takes(self.method, "first_step"):
            options["first_step"] = min(step, left)
        options.update((name, getattr(self.solver, name)) for name in self.properties.carried)
        self._open(state, left, options)

    def _open(self, state: Array, left: float, options: dict[str, Any]) -> None:
        self.tolerances = self.system.tolerances(state, self.rtol, self.atol)
        self.unit = pace(options["first_step"]) if "first_step" in options else 1.0
        self._make(0.0, state, left, options)

    def reopen(self, t: float, state: Array, step: float, options: dict[str, Any]) -> None:
        """Go on at a state at a time of a solver that is no more, in its unit, as it did.

        The clock, the unit and the tolerances are those that it had.
        """
        options = {**self.options, **options}
        left = max(float(self.clock.until(np.asarray(self.end))), self.shortest)
        if takes(self.method, "first_step"):
            options["first_step"] = min(self.unit * step, left - self.unit * t)
        self._make(t, state, left, options)

    def _make(self, t: float, state: Array, left: float, options: dict[str, Any]) -> None:
        if self.unit != 1:
            for name in ("first_step", "max_step"):
                options.update({name: options[name] / self.unit} if name in options else {})
        self.first, (rtol, atol) = options.get("first_step", 0.0), self.tolerances
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self.solver = self.method(
                self.velocity, t, state, left / self.unit, rtol=rtol, atol=atol, **options
            )

    def velocity(self, t: float, state: Array) -> Array:
        """Return the right-hand side, and notice where it is not finite."""
        self.spent += 1
        result = self.system.right_hand_side(t, state)
        if self.unit != 1:
            result *= self.unit
        if not math.isfinite(result.sum()):
            self.undefined += 1
            if self.undefined > _UNDEFINED:
                raise _CollapsedError
        return result

    def advance(self) -> str | None:
        """Take a step; return why it failed, if it did."""
        self.undefined, self.already = 0, self.spent
        self.before, began = self.solver.y, float(self.solver.t)
        message, time = self._step(), self.clock.after(self.unit * began)
        if message is not None and began > 0 and self._may_try_again(time):
            # Too long for the digits of its own time, which another solver begins at zero.
            self.undefined = 0
            self.restart(self.before, began, _EPS * began)
            message = self._step()
        if message is not None:
            return message
        self.stuck += _AT_A_WALL if self.undefined else 1
        if self.solver.t - self.solver.t_old > _TINY * _EPS * abs(self.reached):
            self.stuck = 0
        if self.stuck > _STUCK:
            message = "the steps are too short to change the time"
            message += f": {_NOT_FINITE}" if self.undefined else ""
        return message

    def _may_try_again(self, t: float) -> bool:
        """Whether a failed step may be taken up by a new solver: not for ever at one time."""
        if abs(t - self.failed_at) > _APART * abs(t):
            self.failures, self.failed_at = 0, t
        self.failures += 1
        return self.failures <= _FAILURES and takes(self.method, "first_step")

    def _step(self) -> str | None:
        solver, message = self.solver, None
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                message = solver.step()
        except _CollapsedError:
            solver.status = "failed"
        except (ValueError, np.linalg.LinAlgError):
            # The linear algebra of implicit methods does not stand NaN.
            if not self.undefined:
                raise
            solver.status = "failed"
        if solver.status != "failed" and np.isfinite(solver.y.sum()):
            return None
        return "; ".join(str(part) for part in (message, self.undefined and _NOT_FINITE) if part)

    def due(self, times: Array) -> Iterator[list[Array]]:
        """Yield lists of the states at those of the times that the last step has reached.

        They are made in portions, so that what nobody keeps takes little memory.
        """
        solver, ahead = self.solver, self.clock.until(times) / self.unit
        if solver.status != "finished":
            ahead = ahead[: int(np.searchsorted(ahead, solver.t, side="right"))]
        reached = np.clip(ahead, solver.t_old, solver.t)
        portion = max(_LEAST_PORTION, _PORTION // solver.y.size)
        for start in range(0, reached.size, portion):
            some = reached[start : start + portion]
            yield self.properties.states_inside(solver, some, self.rtol)

    def next_step(self) -> float:
        """Return the length of the next step, as far as the method tells."""
        step = getattr(self.solver, "h_abs", self.solver.step_size)
        return float(self.first if step is None else step)

    def grown_old(self) -> bool:
        """Whether the next step is small beside the time of the solver."""
        return bool(self.solver.t > _LONG * self.next_step())
