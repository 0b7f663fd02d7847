"""The chain of steps of Langevin dynamics, from output time to output time."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array
from fixedrank._progress import Progress, Shown
from fixedrank.flows.store import RunStore
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.thermodynamics.law import Law
from fixedrank.thermodynamics.roots import Roots, as_points

# The share of the steps of a copy that may be shortened.
_CUT = 0.003


class Stepper(Protocol):
    """What takes steps, by one of the methods."""

    shortened: NDArray[np.int64]

    def step(self, roots: Roots, h: float, generator: np.random.Generator) -> Roots:
        """Return the roots after a step of size h."""
        ...


class Chain:
    """Copies of the dynamics of a law, which take their steps together.

    Parameters
    ----------
    law : Law
        The law.
    stepper : Stepper
        What takes the steps.
    start : FixedRankPoint
        The points at the start, with copies along a first axis.
    roots : Roots
        Their roots.
    times : ndarray
        The output times.
    longest : float
        The longest step; between two outputs all are of one size.
    generator : numpy.random.Generator
        Where the noise comes from.

    Attributes
    ----------
    records : list of (FixedRankPoint, ndarray)
        The points at the output times so far, and their losses.
    status : str
        Why it ended; empty as long as it goes on.
    complete : bool
        Whether all outputs are there.
    """

    def __init__(
        self,
        law: Law,
        stepper: Stepper,
        start: FixedRankPoint,
        roots: Roots,
        times: Array,
        longest: float,
        generator: np.random.Generator,
    ) -> None:
        self.law, self.stepper, self.roots = law, stepper, roots
        self.times, self.longest, self.generator = times, longest, generator
        self.records: list[tuple[FixedRankPoint, Array]] = []
        # Steps since the last output, and in all.
        self.since, self.steps = 0, 0
        self.status, self.complete = "", False
        self._keep(start)

    @property
    def t(self) -> float:
        """The time that is reached."""
        reached = len(self.records)
        t = float(self.times[reached - 1])
        return t + self.since * self._size()[1] if self.since else t

    def _size(self) -> tuple[int, float]:
        """Return how many steps there are to the next output, and their size."""
        reached = len(self.records)
        span = float(self.times[reached]) - float(self.times[reached - 1])
        # So that an interval of so many steps is not one more by round-off.
        count = max(1, math.ceil(span / self.longest * (1 - 1e-12)))
        return count, span / count

    def run(self, progress: Shown, store: RunStore | None) -> None:
        """Go on to the last output, or to where Ctrl-C ends it."""
        if store is not None and store.found is not None:
            self._resume(store.found, store.extended)
        first, last = float(self.times[0]), float(self.times[-1])
        shown = "{l_bar}{bar}| t = {n:.4g}/{total:.4g} [{elapsed}<{remaining}{postfix}]"
        try:
            with Progress(last - first, progress, done=self.t - first, bar_format=shown) as bar:
                while not self.status:
                    self._advance()
                    if store is not None:
                        self._note(store)
                    bar.reach(self.t - first, self._about)
        except KeyboardInterrupt:
            self.status = (
                f"interrupted at t = {self.t:.6g}: {len(self.records)} of {self.times.size} output "
                "times are kept"
            )
        finally:
            if store is not None:
                store.write()

    def _about(self) -> str:
        return f"mean loss {self.records[-1][1].mean():.4e}"

    def _advance(self) -> None:
        """Take a step, and keep where it ends if that is an output time."""
        count, h = self._size()
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                roots = self.stepper.step(self.roots, h, self.generator)
        except np.linalg.LinAlgError:
            roots = None
        if roots is None or not roots.finite:
            self.status = f"diverged at t = {self.t:.6g}: the step {h:.3g} is too long"
            return
        self.roots, self.since, self.steps = roots, self.since + 1, self.steps + 1
        if self.since == count:
            self.since = 0
            self._keep(as_points(roots, self.law.depth))
            if len(self.records) == self.times.size:
                self.status, self.complete = f"took {self.steps} steps", True

    def _keep(self, points: FixedRankPoint) -> None:
        self.records.append((points, self.law.problem._losses(points)))

    @property
    def too_coarse(self) -> str:
        """What is wrong with the steps, in words, if too many of those of a copy were shortened."""
        cut = self.stepper.shortened
        worst, steps = int(cut.max()), max(1, self.steps)
        # The first one or two, from a start near zero, are no harm.
        if worst < 3 or worst < _CUT * steps:
            return ""
        return (
            f"the step {self.longest:.3g} is too long: {cut.sum() / (steps * cut.size):.2%} of the "
            f"steps down the gradient were cut, of one copy {worst / steps:.2%}"
        )

    # The store

    def _note(self, store: RunStore) -> None:
        count, records = len(self.records), self.records
        place = {"since": self.since, "steps": self.steps, "status": self.status}
        store.note(
            {
                "records": lambda: records[:count],
                "roots": tuple(self.roots),
                "run": place | {"complete": self.complete},
                "shortened": self.stepper.shortened,
                "generator": self.generator.bit_generator.state,
            }
        )

    def _resume(self, found: dict[str, Any], extended: bool) -> None:
        self.records = list(found["records"])
        self.roots = Roots(*found["roots"])
        vars(self).update(found["run"])
        self.stepper.shortened = found["shortened"]
        self.generator.bit_generator.state = found["generator"]
        if self.complete and extended:
            self.status, self.complete = "", False
