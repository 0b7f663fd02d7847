"""The loop over many flows: all take a step at once, each of its own size, until they end.

What a single flow does besides its steps (new frames and tolerances, falls of rank, the test for
rest) its own system does here too, where a look at all says that it is due. A flow for which many
short steps are ahead, or whose steps collapse, goes on alone from where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank._progress import Progress
from fixedrank.flows.first_step import first_step
from fixedrank.flows.integration import integrate
from fixedrank.flows.keeping import Outcome
from fixedrank.flows.many.lanes import Kind, Mask
from fixedrank.flows.many.steps import (
    ORDER,
    STEP,
    Bounds,
    Lanes,
    Steps,
    inside,
    next_sizes,
    step,
)
from fixedrank.flows.stationarity import RestTest, worth_asking
from fixedrank.flows.system import Restart, Stop, System

# The test for rest asks at a step that moves less than so many tolerances, as a single flow does,
# and if the flow has at most so many of them to go, as its slowing down tells.
_SLOW, _TO_GO = 100.0, 100.0
# The evaluations before the first look.
_PATIENCE = 500
# A flow goes on alone if so many steps are ahead of it, stability limiting them in so many of the
# last: ROCK4 then gets further. And if a step was cut so often in a row.
_AHEAD, _LIMITED, _OFTEN, _CUTS = 5000, 3.5, 20, 60
# Lanes are moved together when no more of them than this part are live.
_EMPTY = 0.8
# States that are made records of at once, in numbers.
_TOGETHER = 1 << 17


@dataclass
class Course:
    """One of many flows: where it is, and what is kept of it.

    Attributes
    ----------
    system : System
        The flow.
    state : ndarray
        The state, with which its system stands.
    t : float
        The time since the start.
    size : float
        The size of the next step; 0 where none has been chosen.
    records : list of Outcome
        What is kept at the output times so far.
    """

    system: Any
    state: Array
    rest: RestTest
    t: float = 0.0
    size: float = 0.0
    records: list[Outcome] = field(default_factory=list)
    due: int = 0
    status: str = ""
    evaluations: int = 0
    steps: int = 0
    alone: bool = False


# Records of some states of some courses, one after another.
Record = Callable[[Sequence[Course], Array], Iterable[Outcome]]


@dataclass(frozen=True)
class Plan:
    """How flows are followed: the output times, the tolerances, and what is kept."""

    times: Array
    rtol: float
    atol: float | None
    record: Record

    @property
    def ahead(self) -> Array:
        """The output times since the start."""
        return self.times - self.times[0]

    def keep(self, courses: Sequence[Course], states: Array) -> None:
        """Keep records of states of one size, in order of time for each course."""
        for course, outcome in zip(courses, self.record(courses, states), strict=True):
            course.records.append(outcome)


def follow(kind: type[Kind], courses: Sequence[Course], plan: Plan, bar: Progress) -> None:
    """Follow flows to where they end; Ctrl-C leaves them where they are and is raised again."""
    for course in courses:
        plan.keep([course], course.state[None])
        course.due = 1
    left = [course for course in courses if not course.status]
    while left:
        # Those of a lower rank wait for others that come down to it.
        size = max(course.state.size for course in left)
        together = [course for course in left if course.state.size == size]
        with np.errstate(all="ignore"):
            _Pool(kind, together, plan, bar).run()
        for course in together:
            if course.alone and not course.status:
                _go_on_alone(course, plan)
        left = [course for course in left if not course.status]


class _Pool:
    """Flows whose states are of one size, each in a lane as long as it goes on."""

    def __init__(
        self, kind: type[Kind], courses: Sequence[Course], plan: Plan, bar: Progress
    ) -> None:
        self.courses, self.plan, self.bar = list(courses), plan, bar
        self.end = float(plan.ahead[-1])
        self.kept: list[tuple[list[Course], Array]] = []
        self.kept_size = 0
        self.kind = kind([course.system for course in courses])
        count = len(courses)
        self.y = np.array([course.state for course in courses])
        self.t, self.h = np.array([(course.t, course.size) for course in courses]).T.copy()
        self.relative, self.absolute = np.empty((count, 1)), np.empty_like(self.y)
        self.tried_again, self.live = np.zeros(count, bool), np.ones(count, bool)
        self.cuts, self.limited = np.zeros((2, count), int)
        self.spent = np.array([course.evaluations for course in courses])
        self.steps = np.array([course.steps for course in courses])
        self.asked = np.array([course.rest.spent for course in courses])
        self.f = self.kind.velocity(self.y, np.arange(count))
        self.spent += 1
        for lane in range(count):
            self._take_tolerances(lane)
            if self.h[lane] == 0:
                self.h[lane] = self._first_step(lane)
        self.h = np.minimum(self.h, self.end - self.t)

    def run(self) -> None:
        """Take steps until no lane is live."""
        try:
            while self.live.any():
                self._advance()
                self.bar.reach(self._done())
                kept = np.flatnonzero(self.live)
                if 0 < kept.size <= _EMPTY * self.live.size:
                    self._move_together(kept)
        finally:
            self._flush()
            for lane in np.flatnonzero(self.live):
                self._leave(lane)
"""
"""
