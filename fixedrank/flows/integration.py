"""One loop for both flows: step a solver, keep the asked times, watch, stop with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from fixedrank._checks import Array, real_array, require_finite
from fixedrank._progress import Progress, Shown
from fixedrank.flows.keeping import require_memory
from fixedrank.flows.resuming import FlowStore
from fixedrank.flows.stationarity import CLOSE, CLOSE_DAMPED, RestTest, leaving, worth_asking
from fixedrank.flows.stepping import Stepper
from fixedrank.flows.system import Restart, Stop, System
from fixedrank.flows.watching import Watch

__all__ = ["Restart", "Run", "Stop", "System", "integrate", "output_times"]

# So many numbers in states are made records of at once.
_TOGETHER = 1 << 17


@dataclass
class Run:
    """What came out: the records at the times that were reached, and why it ended where."""

    record: Callable[[Array], Iterator[Any]]
    most: int
    records: list[Any]
    reached: float
    status: str = ""
    complete: bool = False
    at_rest: bool = False
    evaluations: int = 0
    steps: int = 0
    for_good: bool = False
    stopped_at: list[float] = field(default_factory=list)

    def keep(self, states: Sequence[Array]) -> None:
        """Keep records of states, which are made of some at once, and one after another."""
        together = max(1, min(self.most, _TOGETHER // max(1, states[0].size))) if states else 1
        for start in range(0, len(states), together):
            self.records.extend(self.record(np.array(states[start : start + together])))

    def times(self, asked: Array) -> Array:
        """Return the times of the records: asked ones, and where a callback stopped the run."""
        reached = asked[: len(self.records) - len(self.stopped_at)]
        return np.append(reached, self.stopped_at)


def output_times(t: Any) -> Array:
    """Return the output times, checked: finite and strictly increasing, at least two."""
    times = real_array("t", t)
    if times.ndim != 1:
        raise ValueError(
            "t must have 1 axes: it holds the times at which the flow is wanted, the first that of "
            f"the initial value, such as np.linspace(0, 1, 11); got {t!r}"
        )
    require_finite("t", times)
    if times.size < 2 or not (times[1:] > times[:-1]).all():
        raise ValueError(
            "t must hold at least two strictly increasing times, the first that of the "
            f"initial value, got {np.array2string(times, threshold=8)}"
        )
    if not np.isfinite(times[-1] - times[0]):
        raise ValueError(f"t spans more than floating point holds: {times[0]} to {times[-1]}")
    return times


def integrate(
    system: System,
    state: Array,
    times: Array,
    *,
    method: Any,
    rtol: float,
    atol: float | None,
    progress: Shown,
    options: dict[str, Any],
    record: Callable[[Array], Iterator[Any]],
    most: int,
    watch: Watch | None = None,
    store: FlowStore | None = None,
) -> Run:
    """Integrate a system from times[0] on, keeping what is asked for and nothing else.

    That is what `record` yields of the states at the output times, which come in stacks of so many
    at `most`. After each accepted step `watch` sees the state, and may stop the run. What a store
    has of the run is not done again.
    """
    start, end = float(times[0]), float(times[-1])
    stepper = Stepper(system, method, rtol, atol, options, start, end)
    rest = RestTest(rtol, atol, CLOSE_DAMPED if stepper.properties.damps else CLOSE)
    run = Run(record, most, [], start)
    slope = None
    if store is not None and store.found is not None:
        store.resume(run, stepper, rest)
    else:
        slope = _slope(stepper, state)
        run.keep([state])
    require_memory(run.records[0], times.size)
    bar_format = "{l_bar}{bar}| t = {n:.4g}/{total:.4g} [{elapsed}<{remaining}{postfix}]"
    try:
        with Progress(
            end - start, progress, done=run.reached - start, bar_format=bar_format
        ) as bar:
            if slope is not None and slope.any():
                stepper.begin(state, slope)
            elif slope is not None:
                _finish(run, _unmoved(system, state, start), state, times.size)
            if store is not None and (slope is not None or store.extended):
                store.step(run, stepper, rest)
            while not run.status:
                accepted = _advance(run, stepper, times, rest, bar)
                if store is not None:
                    store.step(run, stepper, rest)
                if watch is not None and accepted and watch(run.reached, stepper.solver.y):
                    _stop(run, stepper.solver.y, times)
    except KeyboardInterrupt:
        run.status = (
            f"interrupted at t = {run.reached:.6g}: {len(run.records)} of {times.size} output "
            "times are kept"
        )
    finally:
        if store is not None:
            store.write()
    run.complete = len(run.records) == times.size and not run.stopped_at
    run.evaluations = stepper.spent
    return run


def _slope(stepper: Stepper, state: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        slope = stepper.velocity(0.0, state)
    if not np.isfinite(slope).all():
        raise ValueError("the gradient has NaN or infinite values at the start, or it overflows")
    return slope


def _advance(run: Run, stepper: Stepper, times: Array, rest: RestTest, bar: Progress) -> bool:
    """Take a step, keep the asked times in it, and say why the run ends there if it does.

    Return whether the step was accepted.
    """
    failure = stepper.advance()
    if failure is not None:
        run.status = f"step size collapsed at t = {run.reached:.6g}: {failure}"
        run.for_good = True
        return False
    system, solver = stepper.system, stepper.solver
    run.steps += 1
    for states in stepper.due(times[len(run.records) :]):
        run.keep(states)
    run.reached = stepper.reached
    bar.reach(run.reached - times[0], partial(_loss, system, solver.y))
    if solver.status == "finished":
        run.status = f"reached the last time t = {times[-1]:.6g}"
        return True
    verdict = system.inspect(run.reached, solver.y)
    if isinstance(verdict, Restart):
        stepper.restart(verdict.state, float(solver.t), stepper.next_step(), verdict.step)
        return True
    ending = _at_rest(rest, stepper) if verdict is None else (verdict, solver.y)
    if ending is not None:
        _finish(run, ending[0], ending[1], times.size)
    elif stepper.grown_old():
        stepper.restart(solver.y, float(solver.t), stepper.next_step())
    return True


def _stop(run: Run, state: Array, times: Array) -> None:
    """End a run that has not ended at a state between two output times, which is kept too."""
    if run.status:
        return
    kept = len(run.records)
    run.status = (
        f"stopped by the callback at t = {run.reached:.6g}, after {kept} of {times.size} "
        "output times"
    )
    if run.reached > times[kept - 1]:
        run.keep([state])
        run.stopped_at.append(run.reached)


def _loss(system: System, state: Array) -> str:
    return f"loss {system.loss(state):.4e}"


def _at_rest(rest: RestTest, stepper: Stepper) -> tuple[Stop, Array] | None:
    """Return why the flow is at rest, and where, if it is.

    A step that changes nothing in floating point is no proof, but a reason to ask at once.
    """
    system, state = stepper.system, stepper.solver.y
    unmoved = np.array_equal(stepper.before, state)
    if unmoved and not stepper.velocity(0.0, state).any():
        return _unmoved(system, state, stepper.reached), state
    found = None
    if worth_asking(state.size, stepper.ahead):
        found = rest.at_rest(system, stepper.before, state, stepper.left, stepper.spent, unmoved)
    if found is None:
        return None
    return replace(_stationary(stepper.reached, found[0]), for_good=False), found[1]


def _unmoved(system: System, state: Array, t: float) -> Stop:
    return _stationary(t, "nothing moves, the velocity is zero" + leaving(system, state))


def _stationary(t: float, reason: str) -> Stop:
    return Stop(f"stationary from t = {t:.6g} on: {reason}", rest=True)


def _finish(run: Run, verdict: Stop, state: Array, count: int) -> None:
    """End a run, with the same state at all times to come if it is at rest."""
    run.status, run.at_rest, run.for_good = verdict.reason, verdict.rest, verdict.for_good
    if verdict.rest:
        run.records.extend([*run.record(state[None])] * (count - len(run.records)))
    elif verdict.kept:
        run.keep([state])
        run.stopped_at.append(run.reached)
