"""Gradient descent on the layers, beside the flow that it follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np

from fixedrank._aliases import FileLike, LayersLike, LossLike
from fixedrank._checks import Array, Seed, nonnegative_number, positive_integer
from fixedrank._shared_docs import describe
from fixedrank.flows.arguments import FLOWS
from fixedrank.flows.batches import Batches
from fixedrank.flows.descent_trajectory import DescentTrajectory
from fixedrank.flows.imbalance_law import ImbalanceLaw
from fixedrank.flows.iterating import Iteration
from fixedrank.flows.safe_steps import safe_step_size
from fixedrank.flows.store import RunStore
from fixedrank.flows.watching import Callback, checked_callback
from fixedrank.losses.adapted import as_loss
from fixedrank.losses.loss import Loss
from fixedrank.losses.regression import LinearRegression, require_data
from fixedrank.losses.schatten import split_decay


def gradient_descent(
    problem: LossLike,
    factors: LayersLike,
    steps: int | Sequence[int],
    *,
    step_size: float | str = "safe",
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    batch_size: int | None = None,
    rng: Seed = None,
    imbalance_law: bool = False,
    callback: Callback | None = None,
    store: FileLike | None = None,
) -> DescentTrajectory:
    r"""Iterate gradient descent on the layers: the flow (5) by Euler's method.

    With weight decay lambda and momentum mu a step is that of `torch.optim.SGD`,
    :math:`v_j \leftarrow \mu v_j - \eta (\nabla_{W_j} L^N + \lambda W_j)` and
    :math:`W_j \leftarrow W_j + v_j`, from :math:`v_j = 0`.

    Parameters
    ----------
    factors : sequence of array_like
        The start [W_1, ..., W_N]; W_j has shape (d_j, d_{j-1}).
    steps : int or sequence of int
        The number of steps, all of which are kept, or the increasing numbers of those to keep.
    step_size : float or "safe"
        The step size eta, or :func:`safe_step_size` of the start, which a LinearRegression has.
        It is proved for steps on all samples without momentum.
    weight_decay : float
        The rate lambda >= 0 of weight decay, which is added to the gradient: descent of the loss
        plus lambda / 2 times the sum of all ``|W_j|^2``.
    momentum : float
        What a step keeps of the one before, 0 <= mu < 1: Polyak's heavy ball.
    batch_size : int, optional
        The number of samples of a step, of a loss that has `samples` and :meth:`Loss.batch`; all
        if left out. Each epoch takes all samples once in a fresh random order, the last batch of it
        what is left. The loss of a batch is scaled to that of all, so that eta has one meaning.
    rng : numpy.random.Generator, int or None
        What draws these orders: the generator, a seed, or None for fresh entropy. Without batches
        it has no effect.
    imbalance_law : bool
        Whether to add up, step by step, what the law says of the imbalances; see
        ``DescentTrajectory.imbalance_law``.
    callback : callable, optional
        Called after each step as ``callback(t, layers, loss)``, with copies of the layers and
        t = eta i / (1 - mu). If it returns True the iteration ends there, and that iterate is the
        last one kept. Its errors are raised as they are. Each call costs an evaluation of the loss.
    store : path-like, optional
        A file that the run is written to, whole or not at all: now and then, and where it ends,
        also by Ctrl-C, a callback or an error. The same call goes on from there, to the same
        iterates, or returns at once what is finished; with more steps after the last one, it goes
        on to these. Without a seed it goes on with the orders that it has begun.

    Returns
    -------
    DescentTrajectory
        The iterates that were asked for; fewer where the iteration diverges, is stopped by the
        callback or interrupted, with a status that says so.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit together or with the data, entries are not finite, an option is out of
        range, there are no batches of the loss, or the store holds another run.

    Notes
    -----
    *Imbalance.* Flows keep :math:`D_j = W_{j+1}^T W_{j+1} - W_j W_j^T`, steps do not. Without
    momentum, with the gradients :math:`g_j` of the loss that was used,
    :math:`D_j \leftarrow (1 - \eta\lambda)^2 D_j
    + \eta^2 (g_{j+1}^T g_{j+1} - g_j g_j^T)` exactly.

    *Momentum.* The product of balanced layers with momentum does not follow the heavy ball of the
    manifold, :math:`\nabla_{\dot W} \dot W + \gamma \dot W = -\nabla^g L^1`, although without
    momentum both flows are one: layers with momentum lose balance. The two agree if the start is
    aligned with the data, and not else: see the
    :ref:`example <sphx_glr_gallery_training_momentum.py>`.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> start = fixedrank.random_balanced_factors([2, 2, 2, 2], rng=0)
    >>> descent = fixedrank.gradient_descent(problem, start, [0, 10_000])
    >>> np.round(descent.product[-1], 6) + 0.0
    array([[3., 0.],
           [0., 1.]])
    """
    loss, kept = as_loss(problem), kept_steps(steps)
    layers = loss.checked_layers(factors)
    decay, mu = nonnegative_number("weight_decay", weight_decay), checked_momentum(momentum)
    inside = split_decay(loss, len(layers))[1]
    if inside:
        raise ValueError(
            f"a SchattenDecay of depth {len(layers)} is weight decay of balanced layers, and "
            f"steps of descent leave balance: give weight_decay={inside:g} in place of it"
        )
    step = _step_size(step_size, problem, layers, decay, mu, batch_size)
    checked_callback(callback)
    batches = None
    if batch_size is not None:
        batches = _batches(loss, batch_size, np.random.default_rng(rng))
    law = ImbalanceLaw(layers, step, mu, decay) if imbalance_law else None
    stored = None
    if store is not None:
        parts = ("gradient_descent", loss, layers, step, decay, mu, batch_size, imbalance_law)
        drawn = None
        if batches is not None and rng is not None:
            drawn = batches.generator.bit_generator.state
        stored = RunStore(store, (*parts, drawn), np.array(kept, dtype=np.intp))
    options: dict[str, Any] = {"step": step, "decay": decay, "momentum": mu}
    run = Iteration(loss, layers, kept, **options, batches=batches, law=law)
    run.run(callback, stored)
    records = run.records
    return DescentTrajectory(
        iterations=np.array([one.iteration for one in records], dtype=np.intp),
        step_size=step,
        loss=np.array([one.loss for one in records]),
        gradient_norm=np.array([one.gradient_norm for one in records]),
        factors=[one.layers for one in records],
        status=run.status,
        complete=run.complete,
        weight_decay=decay,
        momentum=mu,
        batch_size=None if batches is None else batches.size,
        penalty=np.array([one.penalty for one in records]) if decay else None,
        imbalance_law=[one.law or [] for one in records] if imbalance_law else None,
    )


describe(gradient_descent, FLOWS)


def checked_momentum(momentum: Any) -> float:
    """Return the momentum, a number from 0 to below 1."""
    mu = nonnegative_number("momentum", momentum)
    if mu >= 1:
        raise ValueError(f"momentum must be below 1, got {momentum!r}: no step would be forgotten")
    return mu


def checked_step(step_size: Any) -> float:
    """Return the step size, a positive number."""
    if isinstance(step_size, bool) or not isinstance(step_size, (int, float, np.number)):
        raise TypeError(f"step_size must be a number, got {step_size!r}")
    if not 0 < step_size < math.inf:
        raise ValueError(f"step_size must be positive and finite, got {step_size!r}")
    return float(step_size)


def _step_size(
    step_size: Any,
    problem: Any,
    layers: list[Array],
    decay: float,
    momentum: float,
    batch_size: int | None,
) -> float:
    if not isinstance(step_size, str):
        return checked_step(step_size)
    if step_size != "safe":
        raise ValueError(f"step_size must be a number or 'safe', got {step_size!r}")
    if momentum or batch_size is not None:
        raise ValueError(
            "step_size='safe' is proved for steps on all samples without momentum; with momentum "
            "or batches give a number"
        )
    require_data(problem, "step_size='safe', which stands for a number,")
    return safe_step_size(cast(LinearRegression, problem), layers, weight_decay=decay)


def _batches(loss: Loss, batch_size: Any, generator: np.random.Generator) -> Batches:
    size = positive_integer("batch_size", batch_size)
    if loss.samples is None:
        # It says itself why it has none.
        loss.batch([0])
        raise TypeError(f"{loss!r} has batches, but does not say how many `samples` it has")
    if size > loss.samples:
        raise ValueError(f"batch_size is {size}, but there are {loss.samples} samples")
    return Batches(loss.samples, size, generator)


def kept_steps(steps: Any) -> list[int]:
    """Return the numbers of the iterates that are asked for."""
    if np.ndim(steps) == 0:
        return list(range(positive_integer("steps", steps) + 1))
    wanted = (
        f"steps must be a number or increasing whole numbers of iterates from 0 on, got {steps!r}"
    )
    if any(isinstance(one, bool) or not isinstance(one, (int, np.integer)) for one in steps):
        raise TypeError(wanted)
    kept = [int(step) for step in steps]
    if not kept or kept[0] < 0 or any(a >= b for a, b in pairwise(kept)):
        raise ValueError(wanted)
    return kept
