"""The factored flow (5): gradient flow of the layers of a linear network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from fixedrank._aliases import FileLike, LayersLike, LossLike
from fixedrank._checks import Array, nonnegative_number
from fixedrank._packing import bounds_of, joined, split
from fixedrank._progress import Shown
from fixedrank._shared_docs import describe
from fixedrank.flows.arguments import FLOWS, MethodLike
from fixedrank.flows.changes import CHANGE
from fixedrank.flows.fate import fate, keep_rank, sign_of
from fixedrank.flows.first_step import reach_of_zero
from fixedrank.flows.integration import Run, integrate, output_times
from fixedrank.flows.keeping import (
    Keep,
    Outcome,
    chosen,
    columns,
    itself,
    nothing,
    with_penalties,
)
from fixedrank.flows.kinks import kink, least_part
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
    are_stacked_layers,
    flows_of_layers,
    is_plain,
    require_many,
    require_plain,
)
from fixedrank.flows.resuming import stored_flow
from fixedrank.flows.scales import length
from fixedrank.flows.solvers import solver_class
from fixedrank.flows.system import Restart, Stop
from fixedrank.flows.trajectory import FactoredTrajectory, product_factors
from fixedrank.flows.watching import Callback, watching
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.factored.stacks import stacked_points, times_matrix, transposed
from fixedrank.losses.adapted import as_loss
from fixedrank.losses.loss import Loss
from fixedrank.losses.schatten import split_decay
from fixedrank.networks.gradients import StackedProducts, network_gradient
from fixedrank.networks.layers import BALANCED, imbalances, product, relative_imbalance

# The absolute tolerance beside the relative one, in sizes of each layer.
_ABSOLUTE = 0.01
# A layer that is zero is held to a tolerance of so small a part of the others.
_LITTLE = 1e-8


class _Layers:
    """The layers, one after another in one vector."""

    remembered: tuple[str, ...] = ("scale", "rtol", "least", "peak")

    def __init__(
        self,
        problem: Loss,
        layers: Sequence[Array],
        weight_decay: float = 0.0,
        in_loss: float = 0.0,
    ) -> None:
        self.problem, self.products = problem, problem.gradient_products
        # The whole weight decay, and what of it is a part of the loss.
        self.weight_decay, self.in_loss = weight_decay, in_loss
        self.shapes = [layer.shape for layer in layers]
        self.bounds = bounds_of(self.shapes)
        self.scale: Array | None = None
        self.rtol, self.least, self.peak = 0.0, math.inf, 0.0

    def layers(self, state: Array) -> list[Array]:
        return split(state, self.shapes, self.bounds)

    def right_hand_side(self, t: float, state: Array) -> Array:
        if not math.isfinite(state.sum()):
            return np.full_like(state, np.nan)
        velocity = joined(network_gradient(self.products, self.layers(state)))
        np.negative(velocity, out=velocity)
        if self.weight_decay:
            velocity -= self.weight_decay * state
        return velocity

    def tolerances(self, state: Array, rtol: float, atol: float | None) -> tuple[float, Any]:
        # The product collects the errors of N layers, each enlarged by the norms of the others.
        # 2026-11: with rtol and atol / N the gap to flow (9) was up to 2e-8 at 1e-10.
        self.rtol, depth = rtol, len(self.shapes)
        relative, share = max(rtol / depth, 1e-13), 1 / (10 * depth)
        if atol is not None:
            return relative, share * atol
        self.scale = self.norms(state)
        sizes = np.repeat(self._sizes(state), np.diff(self.bounds))
        # Layers may have decayed out of floating point.
        return relative, np.maximum(share * _ABSOLUTE * rtol * sizes, np.finfo(float).tiny)

    def norms(self, state: Array) -> Array:
        return np.array([length(layer) for layer in self.layers(state)])

    def _sizes(self, state: Array) -> Array:
        """Return the sizes to which the layers are kept: their norms, where they are not zero."""
        norms = self.norms(state)
        if not norms.any():
            norms = norms + reach_of_zero(self.right_hand_side, state)
        return np.where(norms > 0, norms, _LITTLE * norms.max())

    def inspect(self, t: float, state: Array) -> Restart | Stop | None:
        if self.problem._price_of_rank > 0:
            layers, before = self.layers(state), self.least
            point = product_factors(layers)
            self.least, self.peak = float(point.s[-1]), max(self.peak, float(point.s[0]))
            reason = kink(layers, point, self.peak, self.rtol) if self.least < before else None
            if reason is not None:
                return Stop(f"stopped at t = {t:.6g}: {reason}", rest=False)
        if self.scale is None:
            return None
        # What is small beside a layer that has grown need not be kept as it was.
        norms = self.norms(state)
        changed = (norms > CHANGE * self.scale) | (self.scale > CHANGE * norms)
        return Restart(state) if changed.any() else None

    def moved(self, before: Array, after: Array) -> tuple[float, float]:
        return length(after - before), length(after)

    def smallest(self, state: Array) -> float:
        if self.problem._price_of_rank == 0:
            return np.inf
        layers = self.layers(state)
        return least_part(layers, product_factors(layers))

    def linearisation(self, state: Array) -> tuple[LinearOperator, Array, Array]:
        """Return the Hessian by central differences of the gradient, and the gradient."""
        # Where all layers are zero what matters is linear: nothing cancels, however small.
        scale = 1e-6 * length(state) or 1e-100

        def hessian(direction: Array) -> Array:
            step = scale / max(length(direction), np.finfo(float).tiny)
            ahead = self.right_hand_side(0.0, state + step * direction)
            behind = self.right_hand_side(0.0, state - step * direction)
            return (behind - ahead) / (2 * step)

        operator = LinearOperator((state.size, state.size), matvec=hessian, dtype=np.float64)
        return operator, -self.right_hand_side(0.0, state), np.ones(state.size)

    def corrected(self, state: Array, displacement: Array) -> Array:
        return state - displacement

    def turned(self, state: Array, rotation: Array) -> Array:
        first, *others = self.layers(state)
        return joined([first @ rotation, *others])

    def records(self, states: Array) -> Iterator[list[Array]]:
        for state in states:
            yield [layer.copy() for layer in self.layers(state)]

    def stacked(self, states: Array) -> list[Array]:
        parts = (states[:, start:end] for start, end in pairwise(self.bounds))
        return [
            part.copy().reshape(-1, *shape) for part, shape in zip(parts, self.shapes, strict=True)
        ]

    def loss(self, state: Array) -> float:
        loss = float(self.problem.loss(product_factors(self.layers(state))))
        return loss + self.in_loss * float(half_squares(state)) if self.in_loss else loss


def half_squares(states: Array) -> Array:
    """Return half the squared length of stacked layers."""
    return np.asarray(np.square(states).sum(-1) / 2)


def _split_decay(problem: Loss, layers: Sequence[Array]) -> tuple[Loss, float]:
    """Return the loss without what is weight decay of so many balanced layers, and that decay."""
    rest, decay = split_decay(problem, len(layers))
    imbalance = relative_imbalance(layers) if decay else 0.0
    if imbalance > BALANCED:
        raise ValueError(
            f"a SchattenDecay of depth {len(layers)} is the weight decay of balanced layers, and "
            f"these are not: their imbalance is {imbalance:.1e} relative to the largest layer; "
            f"leave it out of the loss and give weight_decay={decay:g}, which needs no balance"
        )
    return rest, decay


def followed(
    problem: Loss, layers: Sequence[Array], times: Array, *, weight_decay: float = 0.0, **how: Any
) -> tuple[Run, _Layers]:
    """Return the run of layers, with the layers as its records, and the system that moved."""
    system = _Layers(problem, layers, weight_decay)
    run = integrate(system, joined(layers), times, record=system.records, most=1, **how)
    return run, system


def factored_flow(
    problem: LossLike,
    factors: LayersLike,
    t: ArrayLike,
    *,
    weight_decay: float = 0.0,
    clock: ClockName = "time",
    infimum: float | None = None,
    method: MethodLike = "auto",
    rtol: float = 1e-8,
    atol: float | None = None,
    keep: Keep = "layers",
    progress: Shown = False,
    callback: Callback | None = None,
    store: FileLike | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> FactoredTrajectory:
    r"""Integrate the gradient flow (5) of the layers, :math:`\dot W_j = -\nabla_{W_j} L^N`.

    Parameters
    ----------
    factors : sequence of array_like
        The initial layers [W_1, ..., W_N], balanced or not; W_j has shape (d_j, d_{j-1}).
    rtol : float
        Relative tolerance of the local error, as in scipy.integrate.solve_ivp; it is meant for the
        product, each of the N layers is held to rtol / N.
    atol : float, optional
        Absolute tolerance, for the entries of the layers atol / (10 N); if left out, rtol / 100
        times the norm of each layer, so that it has the units of the layers.
    keep : {"layers", "points", "products", "last"} or callable
        What is kept at each output time besides the loss, the length of the gradient, the singular
        values of the product and the balancedness: the layers; the product in factors, as a point;
        as a dense array; nothing; or what a function of the layers returns, in ``kept``. The last
        layers are there in any case, as ``last``.

    Returns
    -------
    FactoredTrajectory
        The layers at the asked times; memory does not grow with the number of steps. Where the
        flow comes to rest early (within ten tolerances of a point from which nothing grows in the
        time that is left), the remaining outputs repeat that point. After Ctrl-C, what was
        computed. To resume, start from its last layers and time, or keep the run in a `store`.

        Of many starts, layers (copies, d_j, d_{j-1}): :class:`FactoredTrajectories`, with a
        trajectory for each, which is that of its single flow to the tolerance. With the
        method "auto" all take their steps together; with another method or options of it,
        where singular values have a price, and where layers are out of balance, each goes
        on its own. There is no `callback` and no `store` then.

    Raises
    ------
    TypeError, ValueError
        If layers do not fit together or to the problem, values are not finite, times do not
        increase, the method or what to keep is unknown, or the store holds another run.
    MemoryError
        If what is kept of all output times is more than the free memory holds.

    References
    ----------
    Equation (5) and Theorem 1 of the paper.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
    >>> flow = fixedrank.factored_flow(problem, [[[1.0]], [[1.0]]], [0, 1, 5])
    >>> flow.status
    'reached the last time t = 5'
    >>> np.round(np.ravel(flow.product), 6)  # 3 / (1 + 2 exp(-6 t))
    array([1.      , 2.985201, 3.      ])
    """
    problem, times = as_loss(problem), output_times(t)
    weight_decay = nonnegative_number("weight_decay", weight_decay)
    choices = {"layers": itself, "points": product_factors, "products": product, "last": nothing}
    name, kept_of = chosen(keep, choices)
    if are_stacked_layers(factors):
        require_plain(callback=callback, store=store)
        how: dict[str, Any] = {"rtol": rtol, "atol": atol, "weight_decay": weight_decay}
        own: dict[str, Any] = {"method": method, "clock": clock, "infimum": infimum, **options}
        single = partial(factored_flow, problem, t=times, keep=keep, **own, **how)
        how |= {"plain": is_plain(own), "kept": Kept(name, kept_of), "progress": progress}
        how |= {"executor": executor}
        many = flows_of_layers(problem, factors, times, system=_Layers, single=single, **how)
        return cast(FactoredTrajectory, many)
    require_many(executor)
    layers = problem.checked_layers(factors)
    rest, in_loss = _split_decay(problem, layers)
    moving, axes = rest._in_principal_axes()
    turned = layers if axes is None else [layers[0] @ axes, *layers[1:]]
    whole_decay = weight_decay + in_loss
    lowest = checked_clock(clock, infimum, whole_decay, problem)
    followed = moving if lowest is None else LogExcess(moving, lowest)
    system = _Layers(followed, turned, whole_decay, in_loss)
    state = joined(turned)
    clocked = None if lowest is None else LossClock(system, state, float(times[0]))
    shape = layers[-1].shape[0], layers[0].shape[1]
    last: list[Array] = []
    # Where the product is square and no layer is narrower it has a determinant.
    signed = len(layers) > 1 and min(map(len, layers)) == shape[0] == shape[1]
    chosen_method = solver_class(method)
    parts = ("factored_flow", problem, layers, chosen_method, rtol, atol, options, keep)
    stored = stored_flow(store, (*parts, weight_decay, lowest), times, axes, lambda: last)
    if stored is not None and stored.found is not None:
        last = [layer.copy() for layer in stored.found["last"]]

    def outcomes(states: Array) -> Iterator[Outcome]:
        nonlocal last
        reached = [None] * len(states) if clocked is None else clocked.times(states).tolist()
        found = system.stacked(states)
        products = StackedProducts(found)
        left, right = products.left, transposed(products.right)
        sides = moving._stacked_products(left, None, right)
        norms = products.gradient_norms(*sides, whole_decay).tolist()
        points = stacked_points(left, None, right)
        halves = half_squares(states) if whole_decay else None
        losses, penalties = with_penalties(moving._losses(points), halves, weight_decay, in_loss)
        if axes is not None:
            found[0] = times_matrix(found[0], axes.T)
        if axes is not None and name == "points":
            points = points._replace(vt=times_matrix(points.vt, axes.T))
        if not last:
            # The first layers are those that were handed in, to the last digit.
            found[0] = layers[0][None].copy()
        each, layered = (zip(*parts, strict=True) for parts in (points, found))
        unbalanced = [None] * len(states) if name == "layers" else imbalances(found).tolist()
        for index, (parts, several) in enumerate(zip(each, layered, strict=True)):
            point = FixedRankPoint(*parts)
            # What a function keeps of one shall not hold the others.
            last = list(map(np.copy, several) if callable(keep) else several)
            kept = point if name == "points" else kept_of(last)
            # In axes that are the same for all.
            sign = sign_of(point) if signed else None
            measured = losses[index], norms[index], point.s, unbalanced[index]
            yield Outcome(*measured, kept, sign, penalties[index], reached[index])

    def seen(state: Array) -> tuple[list[Array], float]:
        copies = [layer.copy() for layer in system.layers(state)]
        loss = system.loss(state)
        if axes is not None:
            copies[0] = copies[0] @ axes.T
        return copies, loss

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
    found, over = columns(run.records), over_times(run, times, clock)
    signs = [one.sign for one in run.records if one.sign is not None]
    ending = fate(run.times(times), found["singular_values"], shape, signs)
    if ending and not keep_rank(layers):
        ending = ""
    return FactoredTrajectory(
        **over,
        **found,
        status=told(run.status + ending, clock),
        complete=run.complete,
        evaluations=run.evaluations,
        steps=run.steps,
        keep=name,
        last=last,
        weight_decay=weight_decay,
        imbalance=None if name == "layers" else np.array([one.imbalance for one in run.records]),
    )


describe(factored_flow, FLOWS)
