"""One loop for both flows: step a solver, keep the asked times, watch, stop with a reason."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from scipy.integrate import DOP853, RK23, RK45
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array, finite_array
from fixedrank._optional import import_extra
from fixedrank.flows.chebyshev import RKC
from fixedrank.flows.solvers import METHODS, RK4, solver_class
from fixedrank.flows.stationarity import CLOSE, CLOSE_DAMPED, RestTest
from fixedrank.flows.switching import AutoSwitching


@dataclass(frozen=True)
class Restart:
    """Go on from another state (another frame, another rank), with a step of at most so much."""

    state: Array
    step: float | None = None


@dataclass(frozen=True)
class Stop:
    """Stop here, for a reason in words; with `rest`, the state stays as it is from now on."""

    reason: str
    rest: bool


class System(Protocol):
    """A flow as the loop sees it: a vector that moves, and what is to be known of it."""

    def right_hand_side(self, t: float, state: Array) -> Array:
        """Return the velocity."""
        ...

    def tolerances(self, state: Array, rtol: float, atol: float | None) -> tuple[float, Any]:
        """Return the tolerances of the state: relative, and absolute for all or each entry."""
        ...

    def inspect(self, t: float, state: Array) -> Restart | Stop | None:
        """Look at the state after an accepted step."""
        ...

    def record(self, state: Array) -> Any:
        """Return what is kept of a state at an output time."""
        ...

    def loss(self, state: Array) -> float:
        """Return the loss, for the progress bar."""
        ...

    def moved(self, before: Array, after: Array) -> tuple[float, float]:
        """Return how far the matrix, or the layers, moved, and their norm."""
        ...

    def smallest(self, state: Array) -> float:
        """Return what is kept to relative accuracy and may tend to zero."""
        ...

    def linearisation(self, state: Array) -> tuple[LinearOperator, Array, Array]:
        """Return the rates, the gradient and the lengths that a test for rest needs."""
        ...


@dataclass
class Run:
    """What came out: the records at the times that were reached, and why it ended."""

    records: list[Any] = field(default_factory=list)
    status: str = ""
    complete: bool = False
    evaluations: int = 0
    steps: int = 0


def output_times(t: Any) -> Array:
    """Return the output times, checked: finite and strictly increasing, at least two."""
    times = finite_array("t", t, 1)
    if times.size < 2 or not (np.diff(times) > 0).all():
        raise ValueError(
            "t must hold at least two strictly increasing times, the first that of the "
            f"initial value, got {np.array2string(times, threshold=8)}"
        )
    return times


class _Stepper:
    """Solvers of one method for one system."""

    def __init__(
        self, system: System, method: Any, rtol: float, atol: float | None, options: dict[str, Any]
    ) -> None:
        if not 1e-13 <= rtol < 1:
            raise ValueError(f"rtol must lie in [1e-13, 1), got {rtol}")
        if atol is not None and not 0 < atol < math.inf:
            raise ValueError(f"atol must be positive and finite, got {atol}")
        self.system, self.method = system, solver_class(method)
        self.rtol, self.atol, self.options = rtol, atol, options
        self.undefined = False
        self.spent = 0

    def start(
        self,
        t: float,
        state: Array,
        end: float,
        step: float | None = None,
        method: Any = None,
        **more: Any,
    ) -> Any:
        """Return a solver at a state, with a first step if the method takes one."""
        options, method = self.options | more, method or self.method
        if method is not self.method:
            options.pop("stiff", None)  # an option of AutoSwitching, not of the methods inside
        if step is not None and method is not RK4 and method in METHODS.values():
            options["first_step"] = min(step, end - t)
        rtol, atol = self.system.tolerances(state, self.rtol, self.atol)
        try:
            with (
                np.errstate(over="ignore", invalid="ignore", divide="ignore"),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("error", UserWarning)
                return method(self.velocity, t, state, end, rtol=rtol, atol=atol, **options)
        except UserWarning as warning:
            # SciPy warns of options that a method does not know.
            text = " ".join(str(warning).split())
            raise ValueError(f"method {method.__name__}: {text}") from warning

    def restart(self, solver: Any, state: Array, end: float, most: float | None) -> Any:
        """Return a solver at another state that goes on as the last one did."""
        step = float(getattr(solver, "h_abs", solver.step_size))
        step = step if most is None else min(step, most)
        options = {"stiff": solver.stiff} if isinstance(solver, AutoSwitching) else {}
        return self.start(float(solver.t), state, end, step=step, **options)

    def velocity(self, t: float, state: Array) -> Array:
        """Return the right-hand side, and notice where it is not finite."""
        self.spent += 1
        result = self.system.right_hand_side(t, state)
        if not math.isfinite(result.sum()):
            self.undefined = True
        return result

    def advance(self, solver: Any) -> str | None:
        """Take a step; return why it failed, if it did."""
        self.undefined = False
        message = None
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                message = solver.step()
        except (ValueError, np.linalg.LinAlgError):
            # The linear algebra of implicit methods does not stand NaN.
            if not self.undefined:
                raise
            solver.status = "failed"
        if solver.status != "failed" and np.isfinite(solver.y.sum()):
            return None
        nan = "the gradient has NaN or infinite values, or the step leads to some"
        return "; ".join(str(part) for part in (message, self.undefined and nan) if part)

    def at(self, times: Array, solver: Any, before: Array) -> list[Array]:
        """Return the states at output times within the last step.

        2026-11: at steps limited by stability the interpolant of DOP853 was off by 5e-7 at rtol
        1e-10; a step of the method itself to the output time is as good as any other step.
        """
        stepped = getattr(solver, "stepped", solver)
        if isinstance(stepped, (RK23, RK45, DOP853, RK4)):
            return [self._side_step(t, solver, type(stepped), before) for t in times.tolist()]
        if times.size == 1 and times[0] == solver.t:
            return [np.asarray(solver.y)]
        return list(solver.dense_output()(times).T)

    def _side_step(self, t: float, solver: Any, method: Any, before: Array) -> Array:
        if t == solver.t:
            return np.asarray(solver.y)
        side = self.start(solver.t_old, before, t, step=t - solver.t_old, method=method)
        while side.status == "running" and self.advance(side) is None:
            pass
        return np.asarray(side.y if side.status == "finished" else solver.dense_output()(t))


def integrate(
    system: System,
    state: Array,
    times: Array,
    *,
    method: Any,
    rtol: float,
    atol: float | None,
    progress: bool,
    options: dict[str, Any],
) -> Run:
    """Integrate a system from times[0] on, keeping what is asked for and nothing else."""
    stepper = _Stepper(system, method, rtol, atol, options)
    if not np.isfinite(stepper.velocity(float(times[0]), state)).all():
        raise ValueError("the gradient has NaN or infinite values at the start, or it overflows")
    rest = RestTest(rtol, atol or 0.0, CLOSE_DAMPED if stepper.method is RKC else CLOSE)
    run = Run(records=[system.record(state)])
    reached, end = float(times[0]), float(times[-1])
    bar = _Bar(times) if progress else None
    try:
        solver = stepper.start(reached, state, end)
        while not run.status:
            before = solver.y
            failure = stepper.advance(solver)
            if failure is not None:
                run.status = f"step size collapsed at t = {reached:.6g}: {failure}"
                break
            reached = float(solver.t)
            run.steps += 1
            due = times[len(run.records) : int(np.searchsorted(times, reached, side="right"))]
            if due.size:
                run.records.extend(system.record(y) for y in stepper.at(due, solver, before))
            if bar is not None:
                bar.show(reached, system, solver.y)
            if solver.status == "finished":
                run.status = f"reached the last time t = {end:.6g}"
                break
            verdict = system.inspect(reached, solver.y)
            if isinstance(verdict, Restart):
                solver = stepper.restart(solver, verdict.state, end, verdict.step)
                continue
            if verdict is None and np.array_equal(before, solver.y):
                verdict = Stop(f"stationary from t = {reached:.6g} on: nothing moves", rest=True)
            if verdict is None:
                reason = rest.at_rest(system, before, solver.y, end - reached, stepper.spent)
                if reason is not None:
                    verdict = Stop(f"stationary from t = {reached:.6g} on: {reason}", rest=True)
            if verdict is not None:
                run.status = verdict.reason
                if verdict.rest:
                    last = system.record(solver.y)
                    run.records.extend([last] * (times.size - len(run.records)))
    except KeyboardInterrupt:
        run.status = (
            f"interrupted at t = {reached:.6g}: {len(run.records)} of {times.size} output times "
            "are kept"
        )
    finally:
        if bar is not None:
            bar.close()
    run.complete = len(run.records) == times.size
    run.evaluations = stepper.spent
    return run


class _Bar:
    """A progress bar over t that shows the loss, a few times a second."""

    def __init__(self, times: Array) -> None:
        tqdm = import_extra("tqdm", "progress", "progress=True")
        self.start = float(times[0])
        self.bar = tqdm.tqdm(
            total=float(times[-1] - times[0]),
            bar_format="{l_bar}{bar}| t = {n:.4g}/{total:.4g} [{elapsed}<{remaining}{postfix}]",
        )
        self.shown = -math.inf

    def show(self, t: float, system: System, state: Array) -> None:
        if time.monotonic() - self.shown > 0.2:
            self.bar.set_postfix_str(f"loss {system.loss(state):.4e}", refresh=False)
            self.bar.update(t - self.start - self.bar.n)
            self.shown = time.monotonic()

    def close(self) -> None:
        self.bar.close()
