"""The flow of an experiment: that of the layers, of many networks at once or of one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fixedrank._checks import Array
from fixedrank._fingerprint import LATER
from fixedrank._packing import joined
from fixedrank.ensembles.batched import integrate_stack
from fixedrank.ensembles.ends import Ends
from fixedrank.ensembles.stabilised import finish
from fixedrank.ensembles.stacked import StackedNetworks
from fixedrank.ensembles.stepping import Task
from fixedrank.flows.factored import followed
from fixedrank.flows.integration import Run
from fixedrank.flows.stationarity import RestTest
from fixedrank.losses.loss import Loss

# So many evaluations in stabilised steps are spent on a run.
MOST_EVALUATIONS = 10_000_000


@dataclass(frozen=True)
class LayerFlow:
    """Flow (5) up to a last time, with the tolerances of the integration and weight decay.

    Runs of a regression that are not decided then go on to a later time, if there is one.
    """

    end: float
    rtol: float
    atol: float | None
    weight_decay: float = field(default=0.0, metadata=LATER)
    continue_to: float | None = field(default=None, metadata=LATER)

    def together(
        self,
        networks: StackedNetworks,
        state: Array,
        unreached: float,
        close: float,
        undecided: float = math.inf,
    ) -> Ends:
        """Return where the networks of a regression come.

        They stop where their loss is at most so close above the one that is not reached; where it
        is so much above it that the limit is not decided they may be continued.
        """
        task = Task(self.end, self.rtol, self.atol, unreached, close)
        ends = integrate_stack(networks, state, task)
        stiff = ~ends.failed & ~task.finished(networks, ends.state) & (ends.t < self.end)
        finish(networks, ends, np.flatnonzero(stiff), task, MOST_EVALUATIONS)
        if self.continue_to is not None:
            gaps = networks.gaps(ends.state, unreached)
            left = ~ends.failed & (ends.t == self.end) & (gaps >= undecided)
            later = replace(task, end=self.continue_to)
            finish(networks, ends, np.flatnonzero(left), later, MOST_EVALUATIONS)
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
