"""The flow of an experiment: that of the layers, of many networks at once or of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fixedrank._checks import Array
from fixedrank._fingerprint import LATER
from fixedrank._packing import joined
from fixedrank.ensembles.batched import Ends, finish_alone, integrate_stack
from fixedrank.ensembles.stacked import StackedNetworks
from fixedrank.ensembles.stepping import Task
from fixedrank.flows.factored import followed
from fixedrank.flows.integration import Run
from fixedrank.flows.stationarity import RestTest
from fixedrank.losses.loss import Loss


@dataclass(frozen=True)
class LayerFlow:
    """Flow (5) up to a last time, with the tolerances of the integration and weight decay."""

    end: float
    rtol: float
    atol: float | None
    weight_decay: float = field(default=0.0, metadata=LATER)

    def together(
        self, networks: StackedNetworks, state: Array, unreached: float, close: float
    ) -> Ends:
        """Return where the networks of a regression come.

        They stop where their loss is at most so close above the one that is not reached.
        """
        task = Task(self.end, self.rtol, self.atol, unreached, close)
        ends = integrate_stack(networks, state, task)
        stiff = ~ends.failed & ~task.finished(networks, ends.state) & (ends.t < self.end)
        for column in np.flatnonzero(stiff):
            finish_alone(networks, ends, int(column), task)
        return ends

    def alone(self, loss: Loss, layers: Sequence[Array]) -> Run:
        """Return the run of one network of any loss, at most to where it is at rest."""
        run, system = followed(
            loss,
            layers,
            np.array([0.0, self.end]),
            method="auto",
            rtol=self.rtol,
            atol=self.atol,
            progress=False,
            options={},
            weight_decay=self.weight_decay,
        )
        if "interrupted" in run.status:
            raise KeyboardInterrupt
        if run.complete and not run.at_rest:
            # Close to the end the loop does not ask: would anything grow in as long a time again?
            state = joined(run.records[-1])
            rest = RestTest(self.rtol, self.atol)
            found = rest.at_rest(system, state, state, self.end, run.evaluations, at_once=True)
            if found is not None:
                run.at_rest, run.status = True, f"{run.status}; at rest: {found[0]}"
        return run
