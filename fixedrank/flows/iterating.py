"""The iteration of gradient descent on the layers, an iterate at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.flows.batches import Batches
from fixedrank.flows.descent_trajectory import flow_time
from fixedrank.flows.imbalance_law import ImbalanceLaw
from fixedrank.flows.store import RunStore
from fixedrank.flows.watching import Callback
from fixedrank.losses.loss import Loss
from fixedrank.networks.gradients import norm_of


class Record(NamedTuple):
    """An iterate that is kept."""

    iteration: int
    loss: float
    gradient_norm: float
    layers: list[Array]
    penalty: float | None
    law: list[Array] | None


class Iteration:
    """Gradient descent from some layers, up to the last of the iterates that are kept.

    Parameters
    ----------
    loss : Loss
        The loss of all samples.
    layers : list of ndarray
        The start.
    kept : sequence of int
        The numbers of the iterates to keep, increasing.
    step, decay, momentum : float
        The step size, the rate of weight decay and what a step keeps of the one before.
    batches : Batches, optional
        Where the samples of a step come from, if it does not take all.
    law : ImbalanceLaw, optional
        What adds up the law of the imbalances, if it is asked for.
    """

    def __init__(
        self,
        loss: Loss,
        layers: list[Array],
        kept: Sequence[int],
        *,
        step: float,
        decay: float = 0.0,
        momentum: float = 0.0,
        batches: Batches | None = None,
        law: ImbalanceLaw | None = None,
    ) -> None:
        self.loss, self.layers, self.kept = loss, layers, kept
        self.step, self.decay, self.momentum = step, decay, momentum
        self.batches, self.law = batches, law
        self.wanted = set(kept)
        self.moves = [np.zeros_like(layer) for layer in layers] if momentum else []
        self.iteration, self.status, self.complete = 0, "", False
        self.records: list[Record] = []

    def run(self, callback: Callback | None, store: RunStore | None) -> None:
        """Go on to the end, or to where a callback or Ctrl-C ends it."""
        if store is not None and store.found is not None:
            self._resume(store.found, store.extended)
        try:
            while not self.status:
                self.advance(callback, store)
        except KeyboardInterrupt:
            kept = len(self.records)
            self.status = f"interrupted after {kept} of {len(self.kept)} iterates"
        finally:
            if store is not None:
                store.write()

    def _note(self, store: RunStore) -> None:
        count, records = len(self.records), self.records
        place = {"layers": self.layers, "iteration": self.iteration, "moves": self.moves}
        state = {"status": self.status, "complete": self.complete}
        rest = {
            "batches": self.batches and self.batches.place,
            "law": self.law and self.law.state,
        }
        store.note({"records": lambda: packed(records[:count]), "run": place | state, **rest})

    def _resume(self, found: dict[str, Any], extended: bool) -> None:
        records = (found["records"][name] for name in Record._fields)
        self.records = [Record(*parts) for parts in zip(*records, strict=True)]
        vars(self).update(found["run"])
        if self.batches is not None:
            self.batches.place = found["batches"]
        if self.law is not None:
            self.law.state = found["law"]
        if self.complete and extended:
            # The last iterate is kept already.
            self.status, self.complete = "", False
            self.wanted.discard(self.iteration)

    def advance(self, callback: Callback | None, store: RunStore | None) -> None:
        """Keep the iterate if it is asked for, and go to the next one, which a callback sees."""
        loss = math.nan
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                self._go_on()
                if callback is not None and not self.status:
                    loss = self.loss.network_loss(self.layers)
        except np.linalg.LinAlgError:
            # No singular value decomposition of a product that has overflowed.
            self._diverge()
        if store is not None:
            self._note(store)
        if callback is None or self.status:
            return
        t = flow_time(self.step, self.momentum) * self.iteration
        copies = [layer.copy() for layer in self.layers]
        if callback(t, copies, loss) and self.iteration < self.kept[-1]:
            with np.errstate(over="ignore", invalid="ignore"):
                self._keep(self._gradient(self.loss))
            self.status = f"stopped by the callback at t = {t:.6g}, after {self.iteration} steps"

    def _gradient(self, loss: Loss) -> list[Array]:
        """Return the gradient of a loss, and of what decays."""
        gradient = loss.network_gradient(self.layers)
        if not self.decay:
            return gradient
        return [g + self.decay * w for g, w in zip(gradient, self.layers, strict=True)]

    def _go_on(self) -> None:
        wanted = self.iteration in self.wanted
        if wanted or self.batches is None:
            gradient = self._gradient(self.loss)
        if wanted:
            self._keep(gradient)
        if self.iteration == self.kept[-1]:
            self.status, self.complete = f"took {self.iteration} steps", True
            return
        if self.batches is not None:
            gradient = self._gradient(self.loss.batch(self.batches.next()))
        moves = [-self.step * part for part in gradient]
        if self.momentum:
            moves = [new + self.momentum * v for new, v in zip(moves, self.moves, strict=True)]
            self.moves = moves
        self.iteration += 1
        self.layers = [w + v for w, v in zip(self.layers, moves, strict=True)]
        if self.law is not None:
            self.law.advance(moves)
        if not all(math.isfinite(layer.sum()) for layer in self.layers):
            self._diverge()

    def _keep(self, gradient: list[Array]) -> None:
        loss = self.loss.network_loss(self.layers)
        penalty = None
        if self.decay:
            penalty = self.decay / 2 * norm_of(self.layers) ** 2
        law = None if self.law is None else self.law.state[0]
        norm = norm_of(gradient)
        self.records.append(Record(self.iteration, loss, norm, self.layers, penalty, law))

    def _diverge(self) -> None:
        where = f"diverged at step {self.iteration}"
        self.status = f"{where}: the step size {self.step:.3g} is too long"


def packed(records: Sequence[Record]) -> dict[str, list[Any]]:
    """Return the parts of records in lists, as files hold them."""
    return {name: [getattr(one, name) for one in records] for name in Record._fields}
