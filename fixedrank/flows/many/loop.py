"""The loop over many flows: all take a step at once, each of its own size, until they end.

What a single flow does besides its steps (new frames and tolerances, falls of rank, the test for
rest) its own system does here too, where a look at all says that it is due. A flow for which many
short steps are ahead, or whose steps collapse, goes on alone from where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fixedrank._checks import Array
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
from fixedrank.flows.stationarity import ABSOLUTE, PATIENCE, SLOW, RestTest
from fixedrank.flows.system import Restart, Stop

# A flow may be at rest that has at most so many tolerances to go, as its slowing down tells.
_TO_GO = 20.0
# The evaluations of many at once that take as long as one look.
_LOOK = 600
# A flow goes on alone if so many steps are ahead of it, and stability limited more than so many in
# a row, by a step times a rate above this: ROCK4 then gets further.
_AHEAD, _OFTEN, _LIMITED = 5000, 20, 3.5
# And if a step was cut so often in a row.
_CUTS = 60
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
    rest : RestTest
        The test for rest.
    t : float
        The time since the start.
    size : float
        The size of the next step; 0 where none has been chosen.
    records : list of Outcome
        What is kept at the output times so far.
    due : int
        The index of the next output time.
    status : str
        Why it ended; empty as long as it goes on.
    evaluations, steps : int
        Numbers of evaluations and of accepted steps.
    alone : bool
        Whether a single flow does the rest.
    first : sequence of ndarray
        The layers at the start, as they were handed in; empty of points.
    last : list of ndarray or FixedRankPoint
        The layers, or the point, of the last record.
    """

    system: Any
    state: Array
    rest: RestTest
    t: float = 0.0
    size: float = 0.0
    records: list[Outcome] = field(default_factory=list)
    due: int = 1
    status: str = ""
    evaluations: int = 0
    steps: int = 0
    alone: bool = False
    first: Sequence[Array] = ()
    last: Any = None


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


def follow(
    kind: type[Kind], courses: Sequence[Course], plan: Plan, report: Callable[[], None] | None
) -> None:
    """Follow flows to where they end; Ctrl-C leaves them where they are and is raised again."""
    left = [course for course in courses if not course.status]
    while left:
        # Those of a lower rank wait for others that come down to it.
        size = max(course.state.size for course in left)
        together = [course for course in left if course.state.size == size]
        with np.errstate(all="ignore"):
            _Pool(kind, together, plan, report).run()
        for course in together:
            if course.alone and not course.status:
                _go_on_alone(kind, course, plan)
            if report is not None:
                report()
        left = [course for course in left if not course.status]


class _Pool:
    """Flows whose states are of one size, each in a lane as long as it goes on."""

    def __init__(
        self,
        kind: type[Kind],
        courses: Sequence[Course],
        plan: Plan,
        report: Callable[[], None] | None,
    ) -> None:
        self.courses, self.plan, self.report = list(courses), plan, report
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
        self.spent = np.array([course.evaluations for course in courses]) + 1
        self.steps = np.array([course.steps for course in courses])
        self.asked = np.zeros(count, int)
        self.peak = np.array([course.rest.largest for course in courses])
        self.f = self.kind.velocity(self.y, np.arange(count))
        for lane in range(count):
            self._take_tolerances(lane)
            if self.h[lane] == 0:
                self.h[lane] = self._first_step(lane)
        self.h = np.minimum(self.h, self.end - self.t)
        # What a single flow does where nothing moves, or nothing is a number, it does itself.
        for lane in np.flatnonzero(~np.isfinite(self.f).all(1) | ~self.f.any(1)).tolist():
            self.courses[lane].alone = True
            self._leave(lane)

    def run(self) -> None:
        """Take steps until no lane is live."""
        try:
            while self.live.any():
                self._advance()
                if self.report is not None:
                    for lane in np.flatnonzero(self.live).tolist():
                        self.courses[lane].t = float(self.t[lane])
                    self.report()
                kept = np.flatnonzero(self.live)
                if 0 < kept.size <= _EMPTY * self.live.size:
                    self._move_together(kept)
        finally:
            self._flush()
            for lane in np.flatnonzero(self.live).tolist():
                self._leave(lane)

    # The steps

    def _advance(self) -> None:
        """Take a step in each lane, and do what is due after it."""
        live = self.live
        done = step(
            self.kind.velocity, self.y, self.f, self.h, Bounds(self.relative, self.absolute)
        )
        self.spent[live] += STEP
        accepted = (done.error < 1) & live
        ended = accepted & (self.h >= self.end - self.t)
        before, self.t = self.t, np.where(accepted, self.t + self.h, self.t)
        self.t[ended] = self.end
        self._keep(done, before, accepted)
        sizes = next_sizes(done, self.tried_again)
        self.cuts = np.where(accepted, 0, self.cuts + 1)
        stiff = accepted & (done.stiffness > _LIMITED)
        self.limited = np.where(stiff, self.limited + 1, np.where(accepted, 0, self.limited))
        slow = self._slow(done, accepted & ~ended)
        moved = accepted[:, None]
        self.y = np.where(moved, done.end, self.y)
        self.f = np.where(moved, done.slopes[STEP], self.f)
        self.steps[accepted] += 1
        self.h = np.minimum(sizes, self.end - self.t)
        self.tried_again = ~accepted
        for lane in np.flatnonzero(ended).tolist():
            self._end(lane, f"reached the last time t = {self.plan.times[-1]:.6g}")
        self._look(np.flatnonzero(accepted & self.live), before)
        for lane in np.flatnonzero(slow & self.live).tolist():
            self._ask(lane, done.start[lane])
        ahead = (self.end - self.t) / np.maximum(self.h, np.finfo(float).tiny)
        lost = (self.cuts > _CUTS) | (self.t + self.h == self.t)
        alone = lost | ((self.limited > _OFTEN) & (ahead > _AHEAD))
        for lane in np.flatnonzero(self.live & alone).tolist():
            self.courses[lane].alone = True
            self._leave(lane)

    def _keep(self, done: Steps, before: Array, accepted: Mask) -> None:
        """Keep the states at the output times that the steps have passed."""
        lanes, parts = [], []
        ahead = self.plan.ahead
        for lane in np.flatnonzero(accepted).tolist():
            course = self.courses[lane]
            reached = int(np.searchsorted(ahead, self.t[lane], side="right"))
            if reached > course.due:
                lanes.append(lane)
                inner = ahead[course.due : reached] - before[lane]
                parts.append(np.minimum(inner / done.h[lane], 1.0))
                course.due = reached
        if not lanes:
            return
        which = np.array(lanes)
        states, cost = inside(self.kind.velocity, done, which, parts)
        self.spent[which] += cost
        for lane, some in zip(lanes, states, strict=True):
            self._put_aside(lane, some)

    def _put_aside(self, lane: int, states: Array) -> None:
        """Keep states of a lane, of which records are made when they are some."""
        course = self.courses[lane]
        self.kept.append(([course] * len(states), self.kind.whole(course.system, states)))
        self.kept_size += states.size
        if self.kept_size > _TOGETHER:
            self._flush()

    def _flush(self) -> None:
        # Not twice, if Ctrl-C comes in between.
        kept, self.kept, self.kept_size = self.kept, [], 0
        if kept:
            courses = [course for several, _ in kept for course in several]
            self.plan.keep(courses, np.concatenate([states for _, states in kept]))

    # What is due after a step

    def _look(self, lanes: Lanes, before: Array) -> None:
        """Let the systems look at states of which a look at all says that they should."""
        if not lanes.size:
            return
        restarted = []
        for lane in lanes[self.kind.look(self.y[lanes], lanes)].tolist():
            start = self.plan.times[0]
            self.kind.prepare(lane, start + before[lane])
            system = self.courses[lane].system
            verdict = system.inspect(start + self.t[lane], self.y[lane].copy())
            if isinstance(verdict, Stop):
                self._stop(lane, verdict)
            elif isinstance(verdict, Restart):
                self.h[lane] = min(self.h[lane], verdict.step)
                if verdict.state.size == self.y.shape[1]:
                    self.y[lane] = verdict.state
                    self._take_tolerances(lane)
                    restarted.append(lane)
                else:
                    self._leave(lane, verdict.state)
            if self.live[lane]:
                self.kind.put(lane)
        if restarted:
            some = np.array(restarted)
            self.f[some] = self.kind.velocity(self.y[some], some)
            self.spent[some] += 1

    def _slow(self, done: Steps, lanes: Mask) -> Mask:
        """Say which flows may be at rest, and have gone on for long enough to be asked."""
        plan = self.plan
        lanes = lanes & (self.spent >= 2 * self.asked + PATIENCE)
        if not lanes.any():
            return lanes
        distance, norm = self.kind.moved(done.start, done.end)
        # Where all decays it is a tolerance of what was there.
        self.peak = np.where(lanes, np.maximum(self.peak, norm), self.peak)
        absolute = ABSOLUTE * plan.rtol * self.peak if plan.atol is None else plan.atol
        tolerance = plan.rtol * norm + absolute
        lanes &= distance <= SLOW * tolerance
        # A flow that slows down at a rate goes on for its velocity divided by the rate.
        speeds = [np.linalg.norm(done.slopes[i] / done.scale, axis=1) for i in (0, STEP)]
        rate = np.log(speeds[0] / speeds[1]) / done.h
        to_go = np.where(rate > 0, distance / done.h / rate, 0.0)
        lanes &= ~(to_go > _TO_GO * tolerance)
        return lanes & (STEP * (self.end - self.t) > _LOOK * self.h)

    def _ask(self, lane: int, before: Array) -> None:
        """End a flow that is at rest."""
        course, left = self.courses[lane], self.end - self.t[lane]
        probe, state = self.kind.probe(lane), self.y[lane].copy()
        course.rest.largest = float(self.peak[lane])
        found = course.rest.at_rest(probe, before, state, left, int(self.spent[lane]))
        self.asked[lane] += _LOOK
        if found is not None:
            self.y[lane] = found[1]
            reason = f"stationary from t = {self.plan.times[0] + self.t[lane]:.6g} on: {found[0]}"
            self._stop(lane, Stop(reason, rest=True))

    # Ends

    def _stop(self, lane: int, verdict: Stop) -> None:
        course = self.courses[lane]
        left = self.plan.times.size - course.due
        if verdict.rest and left:
            self._put_aside(lane, self.y[lane][None])
            self._flush()
            course.records.extend(course.records[-1:] * (left - 1))
        self._end(lane, verdict.reason)

    def _end(self, lane: int, status: str) -> None:
        self.courses[lane].status = status
        self._leave(lane)

    def _leave(self, lane: int, state: Array | None = None) -> None:
        """Take a flow out of its lane."""
        course = self.courses[lane]
        if state is None:
            state = self.y[lane].copy()
            self.kind.prepare(lane, self.plan.times[0] + self.t[lane])
        course.state, course.t, course.size = state, float(self.t[lane]), float(self.h[lane])
        course.evaluations, course.steps = int(self.spent[lane]), int(self.steps[lane])
        course.rest.largest = float(self.peak[lane])
        self.live[lane] = False

    def _move_together(self, lanes: Lanes) -> None:
        self._flush()
        self.kind = self.kind.of(lanes)
        self.courses = [self.courses[lane] for lane in lanes]
        for name in (
            *("y", "f", "t", "h", "relative", "absolute", "tried_again", "live", "cuts"),
            *("limited", "spent", "steps", "asked", "peak"),
        ):
            setattr(self, name, getattr(self, name)[lanes])

    # Beginnings

    def _take_tolerances(self, lane: int) -> None:
        system = self.courses[lane].system
        relative, absolute = system.tolerances(self.y[lane], self.plan.rtol, self.plan.atol)
        self.relative[lane], self.absolute[lane] = relative, absolute
        self.kind.put(lane)

    def _first_step(self, lane: int) -> float:
        left, tolerances = self.end - self.t[lane], (self.relative[lane], self.absolute[lane])
        self.spent[lane] += 1
        velocity = self.courses[lane].system.right_hand_side
        return first_step(velocity, self.y[lane], self.f[lane], tolerances, ORDER, left)


def _go_on_alone(kind: type[Kind], course: Course, plan: Plan) -> None:
    """Let a single flow do the rest."""

    def record(states: Array) -> Iterator[Outcome]:
        return iter(plan.record([course] * len(states), kind.whole(course.system, states)))

    times = np.concatenate(([plan.times[0] + course.t], plan.times[len(course.records) :]))
    how: dict[str, Any] = {"method": "auto", "progress": False, "options": {}, "most": 1}
    run = integrate(
        course.system,
        course.state,
        times,
        rtol=plan.rtol,
        atol=plan.atol,
        record=record,
        **how,
    )
    course.records += run.records[1:]
    course.t, course.status = run.reached - float(plan.times[0]), run.status
    course.evaluations += run.evaluations
    course.steps += run.steps
    if run.status.startswith("interrupted"):
        course.status = ""
        raise KeyboardInterrupt
