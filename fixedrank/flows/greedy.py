"""From saddle to saddle without the waiting: the path of starts of size tending to zero.

From a critical point W of rank rho, U^T G = 0 and G V = 0, a small singular value of balanced
layers leaves along the top singular pair (u, v) of -G, as sigma' = gamma sigma^(N-1) with its
singular value gamma. All orbits that leave so are one, up to a shift of time, and the flow on
M_(rho+1) from W + delta u v^T is off it by what the gradient changes over delta: in directions in
which the flow comes together again. So delta is chosen by that change.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from fixedrank._aliases import LossLike
from fixedrank._checks import Array, numerical_rank, positive_integer
from fixedrank._progress import Progress, Shown
from fixedrank._shared_docs import describe
from fixedrank.flows.arguments import FLOWS, MethodLike, refuse
from fixedrank.flows.escape import escape, raised, reach, zero_point
from fixedrank.flows.keeping import Keep
from fixedrank.flows.riemannian import riemannian_flow
from fixedrank.flows.stages import GreedyPath, GreedyStage, growth, half_time, positive_scale
from fixedrank.flows.trajectory import RiemannianTrajectory
from fixedrank.geometry.metric.depth import known_depth
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.adapted import as_loss
from fixedrank.losses.loss import Loss

# The gradient may change by this part of the rate over the start of an orbit; times are off by as
# much, and the limit by far less.
_PART = 2.0**-10
# Escape rates within this part of each other are said to be near each other: starts would have to
# be as small as exp(-100) for a few digits of the direction.
_NEAR = 0.01
# Outputs while the added singular value grows; from there on they are apart by this ratio.
_GROWING, _RATIO = 60, 1.1
# The flow may take so many times as long to come to rest as to leave.
_PATIENCE = 1e6
# What the flows take and their path does not, and why.
_OF_ONE = {
    "weight_decay": "takes it as a part of the loss, problem + SchattenDecay(weight_decay, 2), at "
    "N = 2 only",
    "imbalance": "is that of balanced layers",
    "clock": "is one in time",
    "infimum": "is one in time",
    "store": "is a chain of several of them",
    "executor": "is a chain of several of them",
}
# What an orbit holds at each time.
_OVER_TIME = ("t", "loss", "gradient_norm", "penalty", "singular_values", "kept")


def greedy_path(
    problem: LossLike,
    depth: float | SpectralMetric,
    max_rank: int,
    *,
    scale: float | None = None,
    method: MethodLike = "auto",
    rtol: float = 1e-8,
    keep: Keep = "points",
    progress: Shown = False,
    **options: Any,
) -> GreedyPath:
    r"""Return the critical points that starts of size tending to zero visit one after the other.

    Balanced layers that start small stay at W = 0, then at a critical point of rank 1, of rank 2,
    and so on, ever longer the smaller they start. Here nothing is waited for: from each critical
    point the flow (9) starts anew, with a small singular value in the direction in which small ones
    grow fastest, that of the largest singular value of minus the gradient.

    Parameters
    ----------
    problem : Loss or any object with ``loss(W)``, ``gradient(W)`` and ``shape``
        The problem. Of the gradient thin products are formed only, unless half of all singular
        values are asked for.
    depth : float
        The depth N, a real number >= 2.
    max_rank : int
        The rank at which the path ends at the latest.
    scale : float, optional
        The singular value theta of the layers with which each orbit begins; that of W is theta^N.
        By default the one over which the gradient along the way changes by at most a thousandth of
        itself: then halving it changes nothing but the time at which an orbit begins.
    rtol : float
        The relative tolerance of the flows.
    keep : {"points", "products", "last"} or callable
        What is kept of each orbit, as in :func:`riemannian_flow`.
    progress : bool or "lines"
        Whether to show a bar over the ranks with the loss (needs tqdm); "lines" writes a line to
        standard error every ten seconds.

    Returns
    -------
    GreedyPath
        The critical points with their losses, escape rates, directions and orbits, and the lengths
        of plateaus. It ends where no direction leaves W, at `max_rank`, or where an orbit does not
        come to rest, as those of a loss without a minimiser; its status says which, and names
        escape rates that are tied, where other paths are as good. After Ctrl-C, the stages so far.

    Raises
    ------
    TypeError, ValueError
        If the problem tells no shape, the depth is below 2 or infinite, the rank more than
        min(m, n), a size no positive number, or larger than that over which the gradient changes,
        or weight decay or another argument of single flows is given.

    Notes
    -----
    A problem with a :class:`SchattenDecay` of depth 2 has weight decay: at N = 2 singular values of
    layers grow at the rates gamma - lambda. For N > 2 zero is a minimum then, and the path ends
    there.

    References
    ----------
    Z. Li, Y. Luo, K. Lyu, "Towards resolving the implicit bias of gradient descent for matrix
    factorization: greedy low-rank learning", ICLR 2021; A. Jacot, F. Ged, B. Simsek, C. Hongler,
    F. Gabriel, "Saddle-to-saddle dynamics in deep linear networks", 2021.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.0, 1.0]))
    >>> path = fixedrank.greedy_path(problem, 3, 3)
    >>> path.loss.round(6), path.escape_rate.round(6)
    (array([7. , 2.5, 0.5, 0. ]), array([3., 2., 1., 0.]))
    """
    refuse(options, _OF_ONE, "the greedy path")
    loss, number = as_loss(problem), _checked_depth(depth)
    shape, most = _checked_sizes(loss, max_rank)
    size = None if scale is None else positive_scale(scale)
    follow = {"method": method, "rtol": rtol, "keep": keep, **options}
    zero = zero_point(*shape)
    here = GreedyStage(point=zero, loss=float(loss.loss(zero)), rank=0, depth=number)
    stages: list[GreedyStage] = []
    status = ""
    try:
        with Progress(most, progress, unit="rank") as bar:
            while not status:
                stages.append(here)
                bar.reach(here.rank, partial(str, f"loss {here.loss:.4e}"))
                count = min(max(most - here.rank, 1) + 1, min(shape) - here.rank)
                way = escape(loss, here.point, count, stages[0].escape_rate + loss._price_of_rank)
                direction = (way.left, way.right) if (way.rates[:1] > 0).any() else None
                stages[-1] = here = replace(here, escape_rates=way.rates, direction=direction)
                status = _end(loss, here, most)
                if status:
                    break
                far = reach(loss, here.point, way)
                status = _endless(far, here.rank)
                if status:
                    break
                theta = _theta(far, number, size)
                begin = raised(here.point, way, theta**number)
                asked = _outputs(here.escape_rate, theta, far ** (1 / number), number)
                orbit = riemannian_flow(loss, begin, number, asked, **follow)
                status = _unfinished(orbit, here)
                half = None if status else half_time(orbit, here.loss)
                stages[-1] = replace(here, orbit=_up_to_rest(orbit), theta=theta, half_time=half)
                rank, _ = numerical_rank(orbit.last.s, max(shape))
                value = float(orbit.loss[-1])
                here = GreedyStage(point=orbit.last, loss=value, rank=rank, depth=number)
    except KeyboardInterrupt:
        status = f"interrupted at rank {stages[-1].rank}"
    return GreedyPath(stages=tuple(stages), depth=number, status=status + _ties(stages))


describe(greedy_path, FLOWS)


def _outputs(rate: float, theta: float, far: float, depth: float) -> Array:
    """Return the times at which an orbit is kept.

    While the added singular value of the layers grows from theta to where the gradient changes,
    they are those of equal ratios; from there on they lie at equal ratios themselves.
    """
    sizes = np.geomspace(theta, far, _GROWING + 1)
    growing = np.array([growth(theta, float(sigma), depth) / rate for sigma in sizes])
    pace = growth(far, 2 * far, depth) / rate
    last = _PATIENCE * (float(growing[-1]) + pace)
    first = pace * (_RATIO - 1)
    after = np.geomspace(first, last, math.ceil(math.log(last / first, _RATIO)))
    return np.unique([*growing, *(growing[-1] + after)])


def _repeated(orbit: RiemannianTrajectory) -> int:
    """Return how many of the last outputs are one point: of a flow at rest more than one."""
    table = np.column_stack((orbit.loss, orbit.gradient_norm, orbit.singular_values))
    return int(np.argmin(np.append((table == table[-1]).all(1)[::-1], False)))


def _up_to_rest(orbit: RiemannianTrajectory) -> RiemannianTrajectory:
    """Return an orbit with the first only of outputs that are one point."""
    count = len(orbit) - _repeated(orbit) + 1
    parts = {name: getattr(orbit, name) for name in _OVER_TIME}
    kept = {name: part[:count] for name, part in parts.items() if part is not None}
    return replace(orbit, **kept)


def _theta(far: float, depth: float, size: float | None) -> float:
    """Return the singular value of the layers with which an orbit begins."""
    usual = float((_PART * far) ** (1 / depth))
    if size is None:
        return usual
    if size >= far ** (1 / depth):
        raise ValueError(
            f"an orbit from scale = {size:g} does not begin near its critical point: from there to "
            f"singular values of layers of {far ** (1 / depth):.3g} the gradient changes by half; "
            f"leave scale out for {usual:.3g}"
        )
    if size**depth == 0:
        raise ValueError(
            f"scale = {size:g} to the power of N = {depth:g} is zero in floating point: leave it "
            f"out for {usual:.3g}"
        )
    return size


def _end(loss: Loss, here: GreedyStage, most: int) -> str:
    """Return why the path ends at a critical point, or nothing."""
    there, rate = f"at rank {here.rank}", here.escape_rate
    if loss.infimum is not None:
        there += f", the loss {here.loss:.4g} (its infimum is {loss.infimum:.4g})"
    if here.escape_rates.size == 0:
        return f"ended {there}: W has full rank"
    if rate == 0:
        return (
            f"ended {there}: the gradient vanishes, and no direction leaves W, the global minimum "
            "if the loss is convex"
        )
    if rate < 0:
        return (
            f"ended {there}: no direction leaves W, as a singular value costs more than it gains, "
            f"by {-rate:.3g}"
        )
    if here.rank >= most:
        return f"reached max_rank = {most} {there}: a larger one goes on, with the rate {rate:.4g}"
    return ""


def _endless(far: float, rank: int) -> str:
    """Return what is wrong with how far the gradient is nearly the same, or nothing."""
    if far == 0:
        return f"ended at rank {rank}: the gradient jumps there, and no rate is known"
    if math.isinf(far):
        return f"ended at rank {rank}: along the escape direction the loss falls without end"
    return ""


def _unfinished(orbit: RiemannianTrajectory, here: GreedyStage) -> str:
    """Return why an orbit leads to no critical point, or nothing."""
    rank = here.rank
    if not orbit.complete:
        return f"interrupted on the way from rank {rank}: {orbit.status}"
    if _repeated(orbit) < 2:
        return (
            f"ended on the way from rank {rank}: until t = {orbit.t[-1]:.4g}, a million times what "
            "it takes to leave, the flow did not come to rest, as where a loss has no minimiser"
        )
    if orbit.loss[-1] >= here.loss:
        return f"ended at rank {rank}: on the way from there the loss did not fall"
    return ""


def _ties(stages: list[GreedyStage]) -> str:
    """Say where two directions leave a point as fast."""
    near = [stage for stage in stages if stage.orbit is not None and stage.gap < _NEAR]
    return "".join(
        f"; at rank {stage.rank} the escape rates {stage.escape_rates[0]:.6g} and "
        f"{stage.escape_rates[1]:.6g} are near each other: other starts may leave elsewhere"
        for stage in near
    )


def _checked_depth(depth: Any) -> float:
    number = known_depth(depth, "the path of small starts")
    if number < 2:
        raise ValueError(
            f"greedy_path needs a depth N >= 2, got {number:g}: below, a singular value leaves "
            "zero in a time that does not grow as its start gets smaller, so that there are no "
            "plateaus"
        )
    if math.isinf(number):
        raise ValueError(
            "greedy_path needs a finite depth N >= 2: at infinite depth singular vectors stand "
            "still, so that small starts do not turn to the directions of escape"
        )
    return number


def _checked_sizes(loss: Loss, max_rank: Any) -> tuple[tuple[int, int], int]:
    most = positive_integer("max_rank", max_rank)
    if loss.shape is None:
        raise ValueError(
            "greedy_path starts at W = 0 and needs its shape: give the problem an attribute "
            "shape = (m, n)"
        )
    m, n = loss.shape
    if most > min(m, n):
        raise ValueError(f"max_rank = {most} exceeds min(m, n) = min({m}, {n}) = {min(m, n)}")
    return (m, n), most
