"""The iteration of gradient descent on the layers, an iterate at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fixedrank._checks import Array
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


class Iteration:
    """Gradient descent from some layers, up to the last of the iterates that are kept."""

    def __init__(self, loss: Loss, step: float, layers: list[Array], kept: Sequence[int]) -> None:
        self.loss, self.step, self.layers, self.kept = loss, step, layers, kept
        self.wanted = set(kept)
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
        place = {"layers": self.layers, "iteration": self.iteration}
        state = {"status": self.status, "complete": self.complete}
        store.note({"records": lambda: packed(records[:count]), "run": place | state})

    def _resume(self, found: dict[str, Any], extended: bool) -> None:
        records = (found["records"][name] for name in Record._fields)
        self.records = [Record(*parts) for parts in zip(*records, strict=True)]
        vars(self).update(found["run"])
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
        t, copies = self.step * self.iteration, [layer.copy() for layer in self.layers]
        if callback(t, copies, loss) and self.iteration < self.kept[-1]:
            with np.errstate(over="ignore", invalid="ignore"):
                self._keep(self.loss.network_gradient(self.layers))
            self.status = f"stopped by the callback at t = {t:.6g}, after {self.iteration} steps"

    def _go_on(self) -> None:
        gradient = self.loss.network_gradient(self.layers)
        if self.iteration in self.wanted:
            self._keep(gradient)
        if self.iteration == self.kept[-1]:
            self.status, self.complete = f"took {self.iteration} steps", True
            return
        step, self.iteration = self.step, self.iteration + 1
        self.layers = [w - step * part for w, part in zip(self.layers, gradient, strict=True)]
        if not all(math.isfinite(layer.sum()) for layer in self.layers):
            self._diverge()

    def _keep(self, gradient: list[Array]) -> None:
        loss = self.loss.network_loss(self.layers)
        self.records.append(Record(self.iteration, loss, norm_of(gradient), self.layers))

    def _diverge(self) -> None:
        where = f"diverged at step {self.iteration}"
        self.status = f"{where}: the step size {self.step:.3g} is too long"


def packed(records: Sequence[Record]) -> dict[str, list[Any]]:
    """Return the parts of records in lists, as files hold them."""
    return {name: [getattr(one, name) for one in records] for name in Record._fields}
