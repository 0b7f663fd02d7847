"""Flows from many starts in one call: what is checked, and how the starts are shared out."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np

from fixedrank._checks import Array, finite_array, number_of_axes, real_array
from fixedrank._jobs import Lost, run_jobs
from fixedrank._memory import free_memory, held
from fixedrank._packing import joined
from fixedrank._progress import Progress, Shown
from fixedrank.flows.core import RiemannianSystem
from fixedrank.flows.fate import fate, keep_rank
from fixedrank.flows.keeping import columns
from fixedrank.flows.many.lanes import Kind
from fixedrank.flows.many.layers import ManyLayers
from fixedrank.flows.many.loop import Course, Plan, Record, follow
from fixedrank.flows.many.points import ManyPoints
from fixedrank.flows.many.records import Kept, LayerRecords, PointRecords
from fixedrank.flows.many.results import FactoredTrajectories, RiemannianTrajectories
from fixedrank.flows.solvers import solver_class
from fixedrank.flows.stationarity import RestTest
from fixedrank.flows.stepping import Stepper
from fixedrank.flows.switching import AutoSwitching
from fixedrank.flows.trajectory import FactoredTrajectory, RiemannianTrajectory, Trajectory
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point
from fixedrank.geometry.metric.depth import EmbeddedMetric, LimitMetric
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.loss import Loss
from fixedrank.losses.schatten import split_decay

# Starts that go together: few calls for many, and stages that the cache holds.
_NUMBERS, _LEAST, _MOST = 1 << 15, 16, 256


@dataclass
class Starts(ABC):
    """Many starts of a flow, which can be sent to another process.

    Parameters
    ----------
    problem : Loss
        The loss.
    times : ndarray
        The output times.
    rtol, atol : float
        The tolerances.
    weight_decay : float
        The rate at which layers decay.
    kept : Kept
        What is kept.
    single : callable, optional
        The flow of one start, where they go one by one.
    """

    problem: Loss
    times: Array
    rtol: float
    atol: float | None
    weight_decay: float
    kept: Kept
    single: Callable[[Any], Trajectory] | None = field(default=None, kw_only=True)

    kind: ClassVar[type[Kind]]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def start(self, index: int) -> Any:
        """Return a start as single flows take it."""

    @abstractmethod
    def course(self, index: int) -> Course:
        """Return the course of a start at its beginning."""

    @property
    @abstractmethod
    def record(self) -> Record:
        """What makes records of states."""

    @abstractmethod
    def trajectory(self, course: Course) -> Trajectory:
        """Return the trajectory of a course."""

    @cached_property
    def moving(self) -> tuple[Loss, Array | None]:
        """The loss in the coordinates in which the flows move, and these."""
        return self.problem._in_principal_axes()

    def begun(self, indices: Sequence[int]) -> list[Course]:
        """Return courses with records of their starts."""
        courses = [self.course(index) for index in indices]
        states = np.concatenate(
            [self.kind.whole(course.system, course.state[None]) for course in courses]
        )
        Plan(self.times, self.rtol, self.atol, self.record).keep(courses, states)
        return courses

    def _common(self, course: Course) -> dict[str, Any]:
        """Return what all trajectories hold."""
        return {
            "t": self.times[: len(course.records)],
            **columns(course.records),
            "complete": len(course.records) == self.times.size,
            "evaluations": course.evaluations,
            "steps": course.steps,
            "keep": self.kept.name,
            "last": course.last,
            "weight_decay": self.weight_decay,
        }


@dataclass
class LayerStarts(Starts):
    """Layers of many networks, stacked; `system` is the class of the flow of one."""

    layers: list[Array]
    system: Callable[..., Any]
    kind = ManyLayers

    def __len__(self) -> int:
        return len(self.layers[0])

    def start(self, index: int) -> list[Array]:
        """Return a start as single flows take it."""
        return [layer[index] for layer in self.layers]

    def course(self, index: int) -> Course:
        """Return the course of a start at its beginning."""
        (moving, axes), layers = self.moving, self.start(index)
        turned = layers if axes is None else [layers[0] @ axes, *layers[1:]]
        system = self.system(moving, turned, self.weight_decay)
        first = [layer.copy() for layer in layers]
        return Course(system, joined(turned), RestTest(self.rtol, self.atol), first=first)

    @property
    def record(self) -> Record:
        """What makes records of states."""
        return LayerRecords(*self.moving, self.kept)

    def trajectory(self, course: Course) -> FactoredTrajectory:
        """Return the trajectory of a course."""
        known, records = self._common(course), course.records
        signs = [one.sign for one in records if one.sign is not None]
        shape = course.last[-1].shape[0], course.last[0].shape[1]
        ending = ""
        if keep_rank(course.first):
            ending = fate(known["t"], known["singular_values"], shape, signs)
        unbalanced = None
        if self.kept.name != "layers":
            unbalanced = np.array([one.imbalance for one in records])
        return FactoredTrajectory(**known, status=course.status + ending, imbalance=unbalanced)


@dataclass
class PointStarts(Starts):
    """Points of M_k, stacked."""

    points: FixedRankPoint
    metric: SpectralMetric
    kind = ManyPoints

    def __len__(self) -> int:
        return len(self.points.s)

    def start(self, index: int) -> FixedRankPoint:
        """Return a start as single flows take it."""
        return FixedRankPoint(*(part[index] for part in self.points))

    def course(self, index: int) -> Course:
        """Return the course of a start at its beginning."""
        (moving, axes), (u, s, vt) = self.moving, self.start(index)
        system = RiemannianSystem(
            moving,
            (u.shape[0], vt.shape[1]),
            self.metric,
            self.rtol,
            start=float(self.times[0]),
            end=float(self.times[-1]),
            weight_decay=self.weight_decay,
        )
        order = np.argsort(-s, kind="stable")
        right = vt[order] if axes is None else vt[order] @ axes
        state = system.state(u[:, order], np.diag(s[order]), right.T)
        return Course(system, state, RestTest(self.rtol, self.atol))

    @property
    def record(self) -> Record:
        """What makes records of states."""
        return PointRecords(*self.moving, self.kept)

    def trajectory(self, course: Course) -> RiemannianTrajectory:
        """Return the trajectory of a course."""
        changes = course.system.changes
        reasons = "".join(f"; at t = {change.t:.6g} {change.reason}" for change in changes)
        return RiemannianTrajectory(
            **self._common(course),
            status=course.status + reasons,
            metric=self.metric,
            rank_changes=tuple(changes),
        )


# What comes of some starts, and whether Ctrl-C came in between.
_Found = tuple[list[Trajectory], bool]


def trajectories_of(
    starts: Starts, *, progress: Shown, executor: Executor | None
) -> tuple[Trajectory, ...]:
    """Return the trajectories of all starts; after Ctrl-C, what was computed."""
    _require_memory(starts)
    count, first = len(starts), starts.course(0)
    size, (begin, end) = first.state.size, starts.times[[0, -1]].tolist()
    # It checks the tolerances.
    Stepper(first.system, AutoSwitching, starts.rtol, starts.atol, {}, begin, end)
    together = 1 if starts.single else max(_LEAST, min(_MOST, _NUMBERS // size))
    indices = list(range(count))
    found: dict[int, Trajectory] = {}
    if executor is None:
        shown = "{l_bar}{bar}| {n:.1f}/{total} starts [{elapsed}<{remaining}{postfix}]"
        with Progress(count, progress, unit="start", bar_format=shown) as bar:
            for before in range(0, count, together):
                some = indices[before : before + together]
                several, interrupted = _followed(starts, some, bar, before)
                found.update(zip(some, several, strict=True))
                if interrupted:
                    break
    else:
        store = _Finished(found)
        work = partial(_work, starts)
        how: dict[str, Any] = {"batch": together, "progress": progress, "unit": "start"}
        with contextlib.suppress(KeyboardInterrupt):
            run_jobs(work, indices, store, _raise, executor=executor, **how)
    return tuple(found[index] if index in found else _not_begun(starts, index) for index in indices)


class _Finished:
    """Keeps what executors return, whatever happens to the rest."""

    def __init__(self, found: dict[int, Trajectory]) -> None:
        self.found = found

    def load(self, keys: Sequence[int]) -> dict[int, Trajectory]:
        return {}

    def save(self, results: Mapping[int, Trajectory]) -> None:
        self.found.update(results)


def _work(starts: Starts, indices: list[int]) -> list[Trajectory]:
    found, interrupted = _followed(starts, indices)
    if interrupted:
        raise KeyboardInterrupt
    return found


def _raise(index: int, lost: Lost) -> Trajectory:
    raise lost.error


def _followed(
    starts: Starts, indices: Sequence[int], bar: Progress | None = None, before: int = 0
) -> _Found:
    if starts.single is not None:
        found = [starts.single(starts.start(index)) for index in indices]
        if bar is not None:
            bar.reach(before + len(found))
        return found, any(one.status.startswith("interrupted") for one in found)
    courses, end = starts.begun(indices), float(starts.times[-1] - starts.times[0])
    interrupted = False

    def report() -> None:
        assert bar is not None
        done = sum(1.0 if course.status else course.t / end for course in courses)
        bar.reach(before + done, lambda: _median(courses))

    plan = Plan(starts.times, starts.rtol, starts.atol, starts.record)
    try:
        follow(starts.kind, courses, plan, report if bar is not None and bar.shown else None)
    except KeyboardInterrupt:
        interrupted = True
    for course in courses:
        if not course.status:
            course.status = (
                f"interrupted at t = {starts.times[0] + course.t:.6g}: {len(course.records)} of "
                f"{starts.times.size} output times are kept"
            )
    return [starts.trajectory(course) for course in courses], interrupted


def _not_begun(starts: Starts, index: int) -> Trajectory:
    (course,) = starts.begun([index])
    course.status = f"interrupted before it began: 1 of {starts.times.size} output times is kept"
    return starts.trajectory(course)


def _median(courses: Sequence[Course]) -> str:
    return f"median loss {np.median([course.records[-1].loss for course in courses]):.4e}"


def _require_memory(starts: Starts) -> None:
    (course,) = starts.begun([0])
    each, free = held(course.records[0]), free_memory()
    times, count = starts.times.size, len(starts)
    if each * times * count > free:
        raise MemoryError(
            f"the flows from {count} starts at {times} output times may take "
            f"{each * times * count / 1e9:.3g} GB, {each / 1e6:.3g} MB each, but "
            f"{free / 1e9:.3g} GB are free: ask for fewer times, or keep less of each, such as "
            "keep='last' or a function of what you need"
        )


# What comes in


def are_stacked_layers(factors: Any) -> bool:
    """Say whether layers are those of many networks, with an axis of these in front."""
    return isinstance(factors, (Sequence, np.ndarray)) and any(
        number_of_axes(factor) == 3 for factor in factors
    )


def is_stacked_point(point: Any) -> bool:
    """Say whether a point (u, s, vt) is many, with an axis of these in front."""
    return isinstance(point, (tuple, list)) and len(point) == 3 and number_of_axes(point[0]) == 3


def checked_stack(factors: Any, problem: Loss) -> list[Array]:
    """Return the layers of many networks as arrays, checked to fit together and to the problem.

    Raises
    ------
    TypeError, ValueError
        What is wrong, with the sizes.
    """
    axes = [number_of_axes(factor) for factor in factors]
    if set(axes) != {3}:
        raise ValueError(
            "the layers of many networks are arrays (copies, d_j, d_{j-1}), but "
            + ", ".join(f"W_{j} has {count} axes" for j, count in enumerate(axes, start=1))
        )
    layers = [finite_array(f"W_{j}", factor, 3) for j, factor in enumerate(factors, start=1)]
    counts = [len(layer) for layer in layers]
    if len(set(counts)) > 1 or not counts[0]:
        raise ValueError(
            "the layers of many networks hold a copy of each, but W_1, ..., W_N hold "
            f"{', '.join(map(str, counts))} copies"
        )
    problem.checked_layers([layer[0] for layer in layers])
    return layers


def checked_points(points: Any) -> FixedRankPoint:
    """Return many points of M_k, each checked.

    Raises
    ------
    TypeError, ValueError
        What is wrong, with the sizes, and with which.
    """
    u, s, vt = (
        finite_array(name, part, axes)
        for name, part, axes in zip(("u", "s", "vt"), points, (3, 2, 3), strict=True)
    )
    if not len(u) == len(s) == len(vt) or not len(u):
        raise ValueError(
            "many points have the shapes (copies, m, k), (copies, k), (copies, k, n), but u, s, vt "
            f"hold {len(u)}, {len(s)}, {len(vt)} copies"
        )
    for index in _to_check(u, s, vt):
        try:
            checked_point((u[index], s[index], vt[index]))
        except ValueError as error:
            raise ValueError(
                f"point {index} of {len(u)}: {error}; all points have the same rank, those of "
                "another one go into a call of their own"
            ) from error
    return FixedRankPoint(u, s, vt)


def _to_check(u: Array, s: Array, vt: Array) -> Iterator[int]:
    """Yield the first of many points, whose shapes are those of all, and those that look wrong."""
    yield 0
    one = np.eye(s.shape[1])
    off = [
        np.abs(frame @ frame.swapaxes(1, 2) - one).max(axis=(1, 2))
        for frame in (u.swapaxes(1, 2), vt)
    ]
    yield from map(int, np.flatnonzero((np.maximum(*off) > 1e-12) | (s <= 0).any(axis=1)))


def flattened_points(points: Any) -> tuple[FixedRankPoint, tuple[int, ...]]:
    """Return points with any axes in front as many along one, each checked, and these axes."""
    triple = isinstance(points, (tuple, list)) and len(points) == 3
    if not triple or number_of_axes(points[0]) < 3:
        return FixedRankPoint(*(part[None] for part in checked_point(points))), ()
    u, s, vt = (real_array(name, part) for name, part in zip(("u", "s", "vt"), points, strict=True))
    axes = s.shape[:-1]
    if not (u.shape[:-2] == axes == vt.shape[:-2]) or not s.size:
        raise ValueError(
            "points have the shapes (..., m, k), (..., k), (..., k, n), with the same axes in "
            f"front, but u, s, vt have the shapes {u.shape}, {s.shape}, {vt.shape}"
        )
    many = (part.reshape(-1, *part.shape[len(axes) :]) for part in (u, s, vt))
    return checked_points(tuple(many)), axes


def require_many(executor: Any) -> None:
    """Raise a TypeError if an executor was given for the flow of one start."""
    if executor is not None:
        raise TypeError(
            "executor is for the flows of many starts: layers (copies, d_j, d_{j-1}), or points "
            "(copies, m, k), (copies, k), (copies, k, n); that of one goes on in this process"
        )


def require_plain(**given: Any) -> None:
    """Raise a TypeError if something was given that is for a single flow only."""
    for name, value in given.items():
        if value is not None:
            raise TypeError(
                f"{name} is for the flow of one start; of many give it in a loop over the starts"
            )


def flows_of_layers(
    problem: Loss,
    factors: Any,
    times: Array,
    *,
    plain: bool,
    rtol: float,
    atol: float | None,
    weight_decay: float,
    kept: Kept,
    system: Callable[..., Any],
    single: Callable[[Any], Trajectory],
    progress: Shown,
    executor: Executor | None,
) -> FactoredTrajectories:
    """Return the flows of many networks, whose single ones are of the class `system`."""
    layers = checked_stack(factors, problem)
    together = plain and _together(problem, len(layers))
    starts = LayerStarts(
        problem,
        times,
        rtol,
        atol,
        weight_decay,
        kept,
        layers,
        system,
        single=None if together else single,
    )
    runs: Any = trajectories_of(starts, progress=progress, executor=executor)
    return FactoredTrajectories(t=times, runs=runs)


def flows_of_points(
    problem: Loss,
    points: Any,
    metric: SpectralMetric,
    times: Array,
    *,
    plain: bool,
    rtol: float,
    atol: float | None,
    weight_decay: float,
    kept: Kept,
    single: Callable[[Any], Trajectory],
    progress: Shown,
    executor: Executor | None,
) -> RiemannianTrajectories:
    """Return the flows of many points."""
    checked = checked_points(points)
    (_, m, k), n = checked.u.shape, checked.vt.shape[2]
    # At infinite depth the flow is of no metric, and single ones are for every rank.
    if not isinstance(metric, LimitMetric):
        metric.check_sizes(m, n, k)
    if problem.shape is not None and tuple(problem.shape) != (m, n):
        raise ValueError(
            f"the points are {(m, n)} matrices, the problem is about {tuple(problem.shape)} ones"
        )
    starts = PointStarts(problem, times, rtol, atol, weight_decay, kept, checked, metric)
    # Single flows have another state at depth 1 and full rank, and more to do where layers are out
    # of balance or singular values pass zero.
    whole = isinstance(metric, EmbeddedMetric) and k == min(m, n)
    if whole or not (plain and _together(problem, metric.layers)):
        starts.single = single
    else:
        system = starts.course(0).system
        if system.passes or system.current.imbalanced:
            starts.single = single
    runs: Any = trajectories_of(starts, progress=progress, executor=executor)
    return RiemannianTrajectories(t=times, runs=runs)


def is_plain(own: Mapping[str, Any]) -> bool:
    """Say whether what the flows of starts take of their own is all as the library chooses it."""
    chosen = {**own, "method": solver_class(own["method"])}
    return chosen == {"method": AutoSwitching, "clock": "time", "infimum": None}


def _together(problem: Loss, layers: float | None) -> bool:
    """Say whether starts go together by their loss: where it is smooth, and no decay is in it."""
    smooth = problem._price_of_rank == 0
    return smooth and (layers is None or split_decay(problem, layers)[1] == 0)
