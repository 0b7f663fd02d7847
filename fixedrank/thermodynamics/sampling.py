"""Langevin dynamics on (M_k, g_N): what comes in, and what comes out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fixedrank._aliases import FileLike, LossLike, PointLike
from fixedrank._checks import Seed, nonnegative_number, positive_integer, positive_number
from fixedrank._memory import free_memory, held
from fixedrank._progress import Shown
from fixedrank._shared_docs import RANDOM, describe
from fixedrank.flows.arguments import FLOWS
from fixedrank.flows.integration import output_times
from fixedrank.flows.many.starts import checked_points, is_stacked_point
from fixedrank.flows.store import RunStore
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point
from fixedrank.geometry.metric.depth import known_depth
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses import as_loss, split_decay
from fixedrank.networks.initial import checked_widths, require_fitting
from fixedrank.thermodynamics.chain import Chain, Stepper
from fixedrank.thermodynamics.euler import Euler
from fixedrank.thermodynamics.free_energies import split_entropy
from fixedrank.thermodynamics.growth import grows
from fixedrank.thermodynamics.law import Law
from fixedrank.thermodynamics.roots import Roots, as_roots
from fixedrank.thermodynamics.splitting import Splitting
from fixedrank.thermodynamics.step_sizes import default_step
from fixedrank.thermodynamics.trajectory import LangevinTrajectory

_METHODS: dict[str, Callable[[Law, Roots], Stepper]] = {"splitting": Splitting, "euler": Euler}


def langevin(
    problem: LossLike,
    point: PointLike,
    depth: float | SpectralMetric,
    t: ArrayLike,
    *,
    temperature: float,
    weight_decay: float = 0.0,
    widths: Sequence[int] | None = None,
    copies: int = 1,
    rng: Seed = None,
    method: Literal["splitting", "euler"] = "splitting",
    step: float | None = None,
    store: FileLike | None = None,
    progress: Shown = False,
) -> LangevinTrajectory:
    r"""Sample Langevin dynamics on M_k: the flow (9) with the noise of a temperature.

    .. math:: dW = -\mathcal{A}_{W,N}(\nabla L)\, dt - N \lambda W dt
        + T (N-1)\, U \operatorname{diag}(s^{1-2/N}) V^T dt + \sqrt{2T}\, \mathcal{A}_{W,N}^{1/2} dB

    has the stationary law :math:`\exp(-(L + \lambda r^2 / 2) / T)\, d\mathrm{vol}_g` with
    :math:`r^2 = N \sum_j s_j^{2/N}`: the noise moves balanced layers at right angles to the layers
    of one product. Noise that moves them in all directions also drives W to where there are many:
    with `widths`, the loss is the free energy :math:`L - T S`, S the :func:`log_fibre_volume`.

    Parameters
    ----------
    point : FixedRankPoint or tuple (u, s, vt)
        The start, from which all copies go; or one for each copy, arrays of shapes (copies, m, k),
        (copies, k), (copies, k, n), as :meth:`FixedRank.random_gibbs` returns them.
    depth : float or SpectralMetric
        The depth N, a finite real number >= 1.
    t : array_like, shape (times,)
        The output times, increasing; the dynamics start at the first one.
    temperature : float
        T > 0, in the unit of the loss. The entropy of a :class:`FreeEnergy` of depth N and of this
        temperature is that of `widths`.
    weight_decay : float
        The rate lambda >= 0 of weight decay. A :class:`SchattenDecay` of depth N in the loss is
        added to it.
    widths : sequence of int, optional
        The widths [d_0, ..., d_N] of N layers, each at least k, whose entropy counts.
    copies : int
        The number of independent copies from one point. They go together, as one array.
    method : {"splitting", "euler"}
        The splitting, see below; or Euler's method in W, for comparison: it is biased where a
        singular value is near zero and N > 2, diverges where gradients grow faster than W, and
        passes singular matrices.
    step : float, optional
        The longest step; between two output times all are of one size. By default a twentieth of
        the shortest time scale, ``1 / (N h s^(2-2/N) + (m + n) T / s^(2/N) + lambda)`` with the
        largest curvature h of the loss along M_k at the start, and
        ``s = s_1 + |P_T grad L| / h + sqrt(T / h)`` there, of many starts at that with the median
        s_1. Errors of averages are proportional to it: halve it to see how large they are.
    store : path-like, optional
        A file that the run is written to, whole or not at all: now and then, and where it ends,
        also by Ctrl-C or an error. The same call goes on from there with exactly the numbers of an
        uninterrupted run, or returns at once what is finished; with more times after the last one,
        it goes on to these. Without a seed it goes on with the numbers that it has begun.

    Returns
    -------
    LangevinTrajectory
        The points and losses at the output times. Arrays have the axes (times, copies, ...), or
        (times, ...) of one copy from one point. After Ctrl-C, or where a step is so long that
        numbers overflow, what was computed, with a status that says so.

    Raises
    ------
    TypeError, ValueError
        If the point is not one or does not fit to the problem, the depth is not a finite number
        >= 1, times do not increase, an option is out of range, the law cannot be known to be
        finite, or the store holds another run.
    MemoryError
        If the points of all output times are more than the free memory holds.

    Warns
    -----
    RuntimeWarning
        If the step is so long that some copies had to shorten more than a few of their steps: then
        averages may be far off. The status says so, too.

    Notes
    -----
    *The law.* Without decay L has to grow with W, or the law may have no finite integral. It does
    for a :class:`LinearRegression` with nonsingular X X^T and wherever there is a ridge; a
    completion, fewer measurements than entries, cross-entropy of several classes and singular
    X X^T are refused unless ``weight_decay > 0``. Of a loss of your own it is not known: let it go
    to infinity, at least as a power of W, in all directions.

    *A step* goes down the gradient by h in the root W^(1/N); then r, the sqrt(N) s^(1/N), take an
    exact step of the singular values of a k x (m+n-k) matrix of Ornstein-Uhlenbeck processes, of
    more columns with widths above k; and U and V turn. Without a loss the law of r is exact at
    every step, and that of W is kept. With one the bias of averages is O(h).

    *The boundary.* Singular values do not reach zero, unless k = m = n and no width is above k.
    There they are reflected: det W keeps its sign, and the law is that on the matrices with this
    sign.

    A step costs O((m + n) k^2 + k^3) for each copy besides the gradient; no m x n array is formed.

    References
    ----------
    G. Menon, T. Yu, arXiv:2509.09088, and T. Yu et al., arXiv:2309.04299, for layers and for two
    of them.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(3, 9), np.eye(3, 9))
    >>> start = fixedrank.FixedRank(3, 3, 2, depth=3).random_point(rng=0)
    >>> run = fixedrank.langevin(
    ...     problem, start, 3, np.linspace(0, 2, 11), temperature=0.2, copies=50, rng=1
    ... )
    >>> run.singular_values.shape
    (11, 50, 2)
    >>> mean, error = run.observable(run.loss)
    """
    loss, times = as_loss(problem), output_times(t)
    number = known_depth(depth, "Langevin dynamics")
    if math.isinf(number):
        raise ValueError(
            "Langevin dynamics need a finite depth: at infinite depth there is no metric on M_k"
        )
    if method not in _METHODS:
        raise ValueError(f"method must be 'splitting' or 'euler', got {method!r}")
    count, stacked = positive_integer("copies", copies), is_stacked_point(point)
    start = _starts(point, count, stacked)
    law = _law(loss, start, number, temperature, weight_decay, widths)
    size = held(start) * times.size
    if size > free_memory():
        raise MemoryError(
            f"the points of {len(start.s)} copies at {times.size} output times take "
            f"{size / 1e9:.3g} GB, but {free_memory() / 1e9:.3g} GB are free: ask for fewer times, "
            "or go on from `last` in parts"
        )
    roots = as_roots(start, number)
    longest = default_step(law, roots) if step is None else positive_number("step", step)
    generator = np.random.default_rng(rng)
    stored = None
    if store is not None:
        drawn = None if rng is None else generator.bit_generator.state
        parts = (law.problem, number, law.temperature, law.weight_decay, law.widths)
        stored = RunStore(store, ("langevin", *parts, tuple(start), method, longest, drawn), times)
    chain = Chain(law, _METHODS[method](law, roots), start, roots, times, longest, generator)
    chain.run(progress, stored)
    kept, of_kept = zip(*chain.records, strict=True)
    points, losses = FixedRankPoint(*map(np.array, zip(*kept, strict=True))), np.array(of_kept)
    if not stacked and count == 1:
        points, losses = FixedRankPoint(*(part[:, 0] for part in points)), losses[:, 0]
    too_coarse = chain.too_coarse
    if too_coarse:
        advice = "averages may be far off: give a shorter step"
        warnings.warn(f"{too_coarse}; {advice}", RuntimeWarning, stacklevel=2)
    return LangevinTrajectory(
        t=times[: len(losses)],
        points=points,
        loss=losses,
        depth=number,
        temperature=law.temperature,
        weight_decay=law.weight_decay,
        widths=law.widths,
        method=method,
        step=longest,
        shortened=float(chain.stepper.shortened.mean()) / max(1, chain.steps),
        status=f"{chain.status}; {too_coarse}" if too_coarse else chain.status,
        complete=chain.complete,
    )


describe(langevin, FLOWS, RANDOM)


def _starts(point: Any, copies: int, stacked: bool) -> FixedRankPoint:
    """Return the points at the start, with copies along a first axis."""
    if not stacked:
        one = checked_point(point)
        return FixedRankPoint(*(np.repeat(part[None], copies, axis=0) for part in one))
    many = checked_points(point)
    if copies not in (1, len(many.s)):
        raise ValueError(
            f"copies is {copies}, but the start is {len(many.s)} points: leave copies out"
        )
    return many


def _law(
    loss: Any, start: FixedRankPoint, depth: float, temperature: Any, decay: Any, widths: Any
) -> Law:
    """Return the law, checked to fit the points and not known to have no finite integral."""
    (_, m, k), n = start.u.shape, start.vt.shape[2]
    if loss.shape is not None and tuple(loss.shape) != (m, n):
        raise ValueError(
            f"the point is a {(m, n)} matrix, the problem is about {tuple(loss.shape)} matrices"
        )
    rest, inside = split_decay(loss, depth)
    warmth = positive_number("temperature", temperature)
    rest, of_layers = split_entropy(rest, depth, warmth)
    if of_layers is not None:
        if widths is not None:
            raise ValueError(
                "the loss is a free energy, whose entropy counts already: leave widths out"
            )
        widths = of_layers
    total = nonnegative_number("weight_decay", decay) + inside
    if total < 0:
        raise ValueError(
            f"the decay of the loss and weight_decay are {total:g} together: nothing keeps W finite"
        )
    if total == 0 and grows(rest) is False:
        raise ValueError(
            f"{rest._name} does not grow in all directions, so that without decay exp(-L/T) may "
            "have no finite integral, and no stationary law: give weight_decay > 0"
        )
    sizes = None
    if widths is not None:
        sizes = tuple(checked_widths(widths))
        require_fitting(sizes, (m, n), k)
        if len(sizes) - 1 != depth:
            raise ValueError(
                f"widths {list(sizes)} are those of {len(sizes) - 1} layers, the depth is {depth:g}"
            )
    return Law(rest, m, n, k, depth, warmth, total, sizes)
