"""From where a flow goes on: what is written of its solver, its system and its records.

The next steps of a method that says on which attributes of its solver they hang are the same to the
last bit as if the flow had not been interrupted. Of another method a new solver begins at the
state, with the step that would have been next: what it finds is the same to the tolerance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fixedrank._aliases import FileLike
from fixedrank._checks import Array
from fixedrank.flows.keeping import packed, unpacked
from fixedrank.flows.methods import put_back, remembered
from fixedrank.flows.store import RunStore

if TYPE_CHECKING:
    from fixedrank.flows.integration import Run
    from fixedrank.flows.stationarity import RestTest
    from fixedrank.flows.stepping import Stepper

_REST = ("spent", "largest")
_COUNTS = ("spent", "stuck", "failures", "failed_at")


class FlowStore(RunStore):
    """The file of a flow.

    Parameters
    ----------
    path, parts, asked
        As for a RunStore.
    axes : ndarray or None
        The axes in which the state is, which another machine may find otherwise.
    last : callable
        Returns what was recorded last, in the coordinates of the user.
    """

    def __init__(
        self,
        path: FileLike,
        parts: tuple[Any, ...],
        asked: Array,
        axes: Array | None,
        last: Callable[[], Any],
    ) -> None:
        super().__init__(path, parts, asked)
        self.axes, self.last = axes, last

    def step(self, run: Run, stepper: Stepper, rest: RestTest) -> None:
        """Note what the flow goes on from, after a step or where it has ended."""
        count, records = len(run.records), run.records
        self.note(
            {
                "records": lambda: packed(records[:count]),
                "last": self.last(),
                "run": {
                    "status": run.status,
                    "reached": run.reached,
                    "at_rest": run.at_rest,
                    "for_good": run.for_good,
                    "steps": run.steps,
                    "stopped_at": list(run.stopped_at),
                },
                "system": remembered(stepper.system, stepper.system.remembered),
                "rest": remembered(rest, _REST),
                "stepper": _of_stepper(stepper),
                "axes": self.axes,
            }
        )

    def resume(self, run: Run, stepper: Stepper, rest: RestTest) -> None:
        """Put back what the file holds."""
        found: dict[str, Any] = self.found or {}
        run.records.extend(unpacked(found["records"]))
        put_back(run, found["run"])
        put_back(stepper.system, found["system"])
        put_back(rest, found["rest"])
        put_back(stepper, {name: found["stepper"][name] for name in _COUNTS})
        ended = bool(run.status)
        if ended and (run.for_good or not self.extended):
            if run.at_rest:
                missing = self.asked.size - len(run.records)
                run.records.extend(run.records[-1:] * missing)
            return
        run.status, run.at_rest = "", False
        rotation = self._rotation(found["axes"])
        if rotation is not None:
            turn = float(np.linalg.slogdet(rotation)[0])
            run.records[:] = [r._replace(sign=r.sign and turn * r.sign) for r in run.records]
        _resume(stepper, found["stepper"], rotation)
        if ended and not found["run"]["at_rest"]:
            # The last step was as long as the time that was left.
            stepper.restart(stepper.solver.y, float(stepper.solver.t), stepper.next_step())

    def _rotation(self, before: Array | None) -> Array | None:
        """Return what takes a state from the axes of the file to those of today, if they differ."""
        if self.axes is None or before is None or np.array_equal(before, self.axes):
            return None
        return before.T @ self.axes


def stored_flow(path: FileLike | None, *description: Any) -> FlowStore | None:
    """Return the store of a flow, if there is one."""
    return None if path is None else FlowStore(path, *description)


def _of_stepper(stepper: Stepper) -> dict[str, Any]:
    content, solver = remembered(stepper, _COUNTS), stepper.solver
    if solver is not None:
        properties = stepper.properties
        names = properties.carried if properties.stored is None else properties.stored
        content |= {
            "clock": (stepper.clock.high, stepper.clock.low),
            "unit": stepper.unit,
            "tolerances": stepper.tolerances,
            "next_step": stepper.next_step(),
            "t": float(solver.t),
            "y": solver.y,
            "nfev": int(solver.nfev),
            "attributes": remembered(solver, names),
        }
    return content


def _resume(stepper: Stepper, content: dict[str, Any], rotation: Array | None) -> None:
    """Open a solver where another one was, and give it what tells its next steps."""
    state, attributes = content["y"], content["attributes"]
    if rotation is not None:
        state = stepper.system.turned(state, rotation)
    exact = stepper.properties.stored is not None
    stepper.clock.high, stepper.clock.low = content["clock"]
    stepper.unit, stepper.tolerances = content["unit"], content["tolerances"]
    stepper.reopen(content["t"], state, content["next_step"], {} if exact else attributes)
    if exact and rotation is None:
        put_back(stepper.solver, attributes)
        stepper.solver.nfev = content["nfev"]
    stepper.spent = content["spent"]
