"""The Riemannian gradient flow (9) on (M_k, g)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from fixedrank._aliases import FileLike, LossLike, PointLike
from fixedrank._checks import Array, nonnegative_number
from fixedrank._progress import Shown
from fixedrank._shared_docs import describe
from fixedrank.flows.arguments import FLOWS, MethodLike
from fixedrank.flows.core import RiemannianSystem
from fixedrank.flows.embedded import EmbeddedSystem
from fixedrank.flows.integration import integrate, output_times
from fixedrank.flows.keeping import (
    Keep,
    Outcome,
    chosen,
    columns,
    itself,
    nothing,
    with_penalties,
)
from fixedrank.flows.log_excess import LogExcess
from fixedrank.flows.loss_clock import (
    ClockName,
    LossClock,
    checked_clock,
    over_times,
    told,
)
from fixedrank.flows.many.records import Kept
from fixedrank.flows.many.starts import (
    flows_of_points,
    is_plain,
    is_stacked_point,
    require_many,
    require_plain,
)
from fixedrank.flows.methods import properties_of
from fixedrank.flows.moving_metric import MovingMetricSystem
from fixedrank.flows.resuming import stored_flow
from fixedrank.flows.solvers import solver_class
from fixedrank.flows.trajectory import RiemannianTrajectory, dense
from fixedrank.flows.watching import Callback, watching
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point
from fixedrank.geometry.factored.stacks import times_matrix
from fixedrank.geometry.metric.choice import metric_of
from fixedrank.geometry.metric.depth import EmbeddedMetric, LimitMetric
from fixedrank.geometry.metric.imbalanced import ImbalancedMetric
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.adapted import as_loss
from fixedrank.losses.schatten import split_decay


def riemannian_flow(
    problem: LossLike,
    point: PointLike,
    depth: float | SpectralMetric,
    t: ArrayLike,
    *,
    imbalance: Sequence[float] | None = None,
    weight_decay: float = 0.0,
    clock: ClockName = "time",
    infimum: float | None = None,
    method: MethodLike = "auto",
    rtol: float = 1e-8,
    atol: float | None = None,
    keep: Keep = "points",
    progress: Shown = False,
    callback: Callback | None = None,
    store: FileLike | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> RiemannianTrajectory:
    r"""Integrate the Riemannian gradient flow (9), :math:`\dot W = -\nabla^g L^1(W)` on M_k.

    Parameters
    ----------
    point : FixedRankPoint or tuple (u, s, vt)
        The initial W, with arrays of shapes (m, k), (k,), (k, n).
    depth : float or SpectralMetric
        The depth N of the metric, any real number >= 1; or another metric; or ``math.inf``, the
        limit of deep networks, for which t is N times the time of the layers.
    imbalance : sequence of float, optional
        The N - 1 numbers lambda_j of N layers whose hidden widths all are k, with
        W_{j+1}^T W_{j+1} - W_j W_j^T = lambda_j I: the flow in the metric of
        :class:`ImbalancedMetric`. With weight decay they shrink as exp(-2 lambda t), and the
        metric moves. By default the layers are balanced.
    rtol : float
        The relative tolerance of the local error. Small singular values are kept to it, too, as
        the layers of a network keep them; at N < 2 as far as round-off allows.
    atol : float, optional
        The absolute tolerance of U and V, or of W at depth 1 and k = min(m, n). By default 0.01
        `rtol` beside their norms: the flow of (c X, c Y) or of (X, c Y) is the same in other units.
    keep : {"points", "products", "last"} or callable
        What is kept at each output time besides the loss, the length of the gradient and the
        singular values: the points; dense arrays W; nothing; or what a function of the point
        returns, in ``kept``. The last point is there in any case, as ``last``.

    Returns
    -------
    RiemannianTrajectory
        The points at the asked times; memory does not grow with the number of steps. Where a
        singular value decays to round-off of the largest, or at N < 2 reaches zero in finite time,
        the flow goes on at the lower rank, and ``rank_changes`` says when and why. Where the flow
        comes to rest early (within ten tolerances of a point from which nothing grows in the time
        that is left), the remaining outputs repeat that point. After Ctrl-C, what was computed. To
        resume, start from its last point and time.

        Of many starts, points (copies, m, k), (copies, k), (copies, k, n) of one rank:
        :class:`RiemannianTrajectories`, with a trajectory for each, which is that of its
        single flow to the tolerance. With the method "auto" all take their steps together;
        with another method or options of it, where singular values have a price, and where
        layers are out of balance, each goes on its own. There is no `callback` and no
        `store` then.

    Raises
    ------
    TypeError, ValueError
        If the point is not one or does not fit to the problem, the depth is below 1, times do
        not increase, the method or what to keep is unknown, or the store holds another run.
    MemoryError
        If what is kept of all output times is more than the free memory holds.

    Notes
    -----
    At N >= 2 the flow stays in M_k for all time. At N < 2 a singular value may reach zero in
    finite time, as s' = -N s^(2-2/N) a with a > 0 does at the boundary. For 1 < N < 2 there are
    several ways to go on from there; the one that is taken keeps the lower rank. At N = 1 and
    k = min(m, n) the flow is that of all matrices, W' = -grad L^1(W), through singular ones too:
    the rank is as given, and singular values may pass zero.

    At infinite depth, and in the time N t, U and V stand still up to O(1/N): the flow moves the
    core S of W = U S V^T among the invertible k x k matrices, S' = -A(U^T G V) with the limit A of
    the operator over N. It comes to rest at the least squares of S, or where det S has the other
    sign tends to lower rank, as 1/t. For k < min(m, n) it is the gradient flow of no metric on M_k:
    ``gradient_norm`` is the length of what moves S.

    With an imbalance singular values pass zero, and the rank is as given, where one layer alone has
    the smallest ones and is square, k x k, as layers then pass through singular matrices. Where
    that layer is not square a singular value meets zero only if nothing turns its vectors; there
    layers go on at the same rank, and this flow at a lower one.

    References
    ----------
    Equation (9), Theorems 4 and 6 of the paper.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> start = fixedrank.FixedRank(2, 2, 1, depth=3).point(np.ones((2, 2)))
    >>> flow = fixedrank.riemannian_flow(problem, start, 3, np.linspace(0, 5, 11))
    >>> round(float(flow.loss[-1]), 9)
    0.5
    """
    problem, times = as_loss(problem), output_times(t)
    chosen_method = solver_class(method)
    choices = {"points": itself, "products": dense, "last": nothing}
    name, kept_of = chosen(keep, choices)
    metric = metric_of(depth, imbalance)
    weight_decay = _checked_decay(weight_decay, metric)
    if is_stacked_point(point):
        require_plain(callback=callback, store=store)
        how: dict[str, Any] = {"rtol": rtol, "atol": atol, "weight_decay": weight_decay}
        own: dict[str, Any] = {"method": method, "clock": clock, "infimum": infimum, **options}
        single = partial(riemannian_flow, problem, depth=metric, t=times, keep=keep, **own, **how)
        how |= {"plain": is_plain(own), "kept": Kept(name, kept_of), "progress": progress}
        how |= {"executor": executor}
        many = flows_of_points(problem, point, metric, times, single=single, **how)
        return cast(RiemannianTrajectory, many)
    require_many(executor)
    given = checked_point(point)
    start = given
    shape = (start.u.shape[0], start.vt.shape[1])
    # At infinite depth U and V stand still, and where there are normal directions it is no metric.
    if not isinstance(metric, LimitMetric):
        metric.check_sizes(*shape, start.s.size)
    expected = problem.shape
    if expected is not None and tuple(expected) != shape:
        raise ValueError(f"the point is a {shape} matrix, the problem is about {expected} matrices")
    rest, in_loss = problem, 0.0
    if metric.depth is not None:
        rest, in_loss = split_decay(problem, metric.depth)
    decay = {"weight_decay": weight_decay + in_loss, "in_loss": in_loss}
    moving, axes = rest._in_principal_axes()
    lowest = checked_clock(clock, infimum, weight_decay + in_loss, problem)
    followed = moving if lowest is None else LogExcess(moving, lowest)
    order = np.argsort(-start.s, kind="stable")
    right = start.vt[order] if axes is None else start.vt[order] @ axes
    start = FixedRankPoint(start.u[:, order], start.s[order], right)
    system: RiemannianSystem | EmbeddedSystem | MovingMetricSystem
    # There the flow is that of all matrices, which the other equations leave at lower rank; but
    # where singular values have a price, that is where it has a kink.
    smooth = rest._price_of_rank == 0
    if isinstance(metric, EmbeddedMetric) and start.s.size == min(shape) and smooth:
        system = EmbeddedSystem(followed, start, float(times[0]), **decay)
        state = system.start
    else:
        system = RiemannianSystem(
            followed,
            shape,
            metric,
            rtol,
            start=float(times[0]),
            end=float(times[-1]),
            guarded=properties_of(chosen_method).tries_again,
            **decay,
        )
        if weight_decay and isinstance(metric, ImbalancedMetric):
            system = MovingMetricSystem(system)
        state = system.state(start.u, np.diag(start.s), start.vt.T)
    clocked = None if lowest is None else LossClock(system, state, float(times[0]))

    last = start
    parts = ("riemannian_flow", problem, given, metric, chosen_method, rtol, atol, options, keep)
    stored = stored_flow(store, (*parts, weight_decay, lowest), times, axes, lambda: last)
    if stored is not None and stored.found is not None:
        last = FixedRankPoint(*(part.copy() for part in stored.found["last"]))

    def outcomes(states: Array) -> Iterator[Outcome]:
        nonlocal last
        reached = [None] * len(states) if clocked is None else clocked.times(states).tolist()
        points, norms, halves = system.measured(states if clocked is None else states[:, :-1])
        losses, penalties = with_penalties(moving._losses(points), halves, weight_decay, in_loss)
        if axes is not None:
            points = points._replace(vt=times_matrix(points.vt, axes.T))
        norms = norms.tolist()
        for loss, norm, penalty, time, *parts in zip(
            losses, norms, penalties, reached, *points, strict=True
        ):
            # What a function keeps of one shall not hold the others.
            last = FixedRankPoint(*(map(np.copy, parts) if callable(keep) else parts))
            yield Outcome(loss, norm, last.s, None, kept_of(last), None, penalty, time)

    def seen(state: Array) -> tuple[FixedRankPoint, float]:
        points, loss = system.points(state[None]), system.loss(state)
        if axes is not None:
            points = points._replace(vt=times_matrix(points.vt, axes.T))
        return FixedRankPoint(*(part[0].copy() for part in points)), loss

    watch = watching(callback, seen)
    run = integrate(
        clocked or system,
        state if clocked is None else clocked.state,
        times,
        method=method,
        rtol=rtol,
        atol=atol,
        progress=progress,
        options=options,
        record=outcomes,
        most=moving._at_once,
        watch=watch if clocked is None else clocked.seen(watch),
        store=stored,
    )
    changes = "".join(f"; at t = {c.t:.6g} {c.reason}" for c in system.changes)
    return RiemannianTrajectory(
        **over_times(run, times, clock),
        **columns(run.records),
        status=told(run.status + changes, clock),
        complete=run.complete,
        evaluations=run.evaluations,
        steps=run.steps,
        keep=name,
        last=last,
        weight_decay=weight_decay,
        metric=metric,
        rank_changes=tuple(system.changes),
    )


def _checked_decay(weight_decay: Any, metric: SpectralMetric) -> float:
    """Return the weight decay, which asks the metric for a number of layers."""
    rate = nonnegative_number("weight_decay", weight_decay)
    if rate and not math.isfinite(metric.layers or math.inf):
        raise ValueError(
            f"weight_decay = {rate:g} acts on each of N layers, and {metric} is the metric of no "
            "finite number of them: leave it out, or give the depth N; a metric of your own says "
            "by its attribute `layers` how many there are"
        )
    return rate


describe(riemannian_flow, FLOWS)
