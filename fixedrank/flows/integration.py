"""One loop for both flows: step a solver, keep the asked times, watch, stop with a reason."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from scipy.integrate import DOP853, RK23, RK45
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array, finite_array
from fixedrank._optional import import_extra
from fixedrank.flows.solvers import METHODS, RK4, solver_class
from fixedrank.flows.stationarity import RestTest


@dataclass(frozen=True)
class Restart:
    """Go on from another state (another frame, another rank)."""

    state: Array


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

    def tolerances(self, state: Array, atol: float) -> Any:
        """Return the absolute tolerance, one number or one for each entry."""
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


def integrate(
    system: System,
    state: Array,
    times: Array,
    *,
    method: Any,
    rtol: float,
    atol: float,
    progress: bool,
    options: dict[str, Any],
) -> Run:
    """Integrate a system from times[0] on, keeping what is asked for and nothing else."""
    solver_type = solver_class(method)
    if not (0 < rtol < 1 and math.isfinite(rtol)):
        raise ValueError(f"rtol must lie in (0, 1), got {rtol}")
    if not (atol > 0 and math.isfinite(atol)):
        raise ValueError(f"atol must be positive and finite, got {atol}")

    one_step = issubclass(solver_type, (RK23, RK45, DOP853, RK4))

    def start(t: float, y: Array, step: float | None, end: float = float(times[-1])) -> Any:
        chosen = dict(options)
        if step is not None and solver_type is not RK4 and solver_type in METHODS.values():
            chosen["first_step"] = min(step, end - t)
        with np.errstate(over="ignore", invalid="ignore"):
            return solver_type(
                system.right_hand_side,
                t,
                y,
                end,
                rtol=rtol,
                atol=system.tolerances(y, atol),
                **chosen,
            )

    run = Run(records=[system.record(state)])
    solver = start(float(times[0]), state, None)
    earlier = 0
    rest = RestTest(rtol, atol)
    bar = _Bar(times) if progress else None
    try:
        while True:
            before = solver.y
            with np.errstate(over="ignore", invalid="ignore"):
                message = solver.step()
            if solver.status == "failed":
                run.status = f"step size collapsed at t = {solver.t:.6g}: {message}"
                break
            run.steps += 1
            due = times[len(run.records) : int(np.searchsorted(times, solver.t, side="right"))]
            for t in due:
                if t == solver.t:
                    output = solver.y
                elif one_step:
                    # 2026-11: at steps limited by stability the interpolant of DOP853 was off by
                    # 5e-7 at rtol 1e-10; a step of the method itself to the output time is not.
                    side = start(solver.t_old, before, t - solver.t_old, end=t)
                    while side.status == "running":
                        side.step()
                    output = side.y
                    earlier += side.nfev
                else:
                    output = solver.dense_output()(t)
                run.records.append(system.record(output))
            if bar is not None:
                bar.show(solver.t, system, solver.y)
            if solver.status == "finished":
                run.status, run.complete = f"reached the last time t = {times[-1]:.6g}", True
                break
            verdict = system.inspect(solver.t, solver.y)
            if verdict is None and np.array_equal(before, solver.y):
                verdict = Stop(f"stationary from t = {solver.t:.6g} on: nothing moves", rest=True)
            if verdict is None:
                reason = rest.at_rest(
                    system, before, solver.y, times[-1] - solver.t, earlier + solver.nfev
                )
                if reason is not None:
                    verdict = Stop(f"stationary from t = {solver.t:.6g} on: {reason}", rest=True)
            if isinstance(verdict, Stop):
                run.status = verdict.reason
                if verdict.rest:
                    last = system.record(solver.y)
                    run.records.extend([last] * (times.size - len(run.records)))
                    run.complete = True
                break
            if isinstance(verdict, Restart):
                earlier += solver.nfev
                step = float(getattr(solver, "h_abs", solver.step_size))
                solver = start(solver.t, verdict.state, step)
    except KeyboardInterrupt:
        run.status = (
            f"interrupted at t = {solver.t:.6g}: {len(run.records)} of {times.size} output times "
            "are kept"
        )
    finally:
        if bar is not None:
            bar.close()
    run.evaluations = earlier + solver.nfev
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
