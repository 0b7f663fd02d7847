"""The factored flow (5) and the Riemannian flow (9) from one start, side by side (Theorem 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fixedrank._aliases import LayersLike, LossLike
from fixedrank._checks import Array
from fixedrank._progress import Shown
from fixedrank._shared_docs import describe
from fixedrank._shown import Displayed, Table, from_to, number, some
from fixedrank.flows.arguments import FLOWS, MethodLike, refuse
from fixedrank.flows.factored import factored_flow
from fixedrank.flows.integration import output_times
from fixedrank.flows.riemannian import riemannian_flow
from fixedrank.flows.saving import Saved
from fixedrank.flows.tables import data_frame, layers_shown
from fixedrank.flows.trajectory import FactoredTrajectory, RiemannianTrajectory
from fixedrank.flows.watching import Callback
from fixedrank.geometry.factored.points import FixedRankPoint, distance
from fixedrank.geometry.metric.imbalanced import ImbalancedMetric
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.adapted import as_loss
from fixedrank.networks.initial import imbalanced_product_point, product_point
from fixedrank.networks.layers import BALANCED, balancedness, largest_norm, relative_imbalance
from fixedrank.networks.unbalanced import imbalance
from fixedrank.plotting import plot_comparison

# What a gap may have beside the relative tolerance, in norms of the largest W so far.
_ABSOLUTE = 0.01
# Where the points have so few entries the gap is there at once.
_SMALL = 100_000

# What the flows take and their comparison does not, and why.
_OF_ONE = {
    "clock": "is at the same times",
    "infimum": "is at the same times",
    "store": "is kept by save() when it is done",
    "executor": "has one start",
    "imbalance": "finds the imbalance in the layers",
}


@dataclass(frozen=True, kw_only=True, repr=False)
class FlowComparison(Displayed, Saved):
    r"""Both flows from the same start, and how far apart they are.

    Attributes
    ----------
    factored : FactoredTrajectory
        The flow (5) of the layers.
    riemannian : RiemannianTrajectory
        The flow (9) of their product, in the metric of balanced layers or that of their imbalance.
    depth : int
        The number N of layers.
    imbalance : float
        How far the initial layers are from balanced, as :func:`balancedness` measures it, relative
        to the square of the largest spectral norm among them.
    metric : SpectralMetric
        The metric of (9) at the start: of depth N, or an :class:`ImbalancedMetric`.
    tolerance : float
        The relative gap up to which the flows count as one: 100 rtol.
    absolute_tolerance : float, optional
        What a gap may have beside that, for small W: 100 atol, or if none was given a hundredth of
        the relative one, of the largest W up to then.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> X = np.random.default_rng(0).standard_normal((4, 12))
    >>> factors = fixedrank.random_balanced_factors([4, 2, 4], rng=0)
    >>> comparison = fixedrank.compare_flows(fixedrank.LinearRegression(X, X), factors, [0, 0.5, 1])
    >>> bool(comparison.relative_gap.max() < 1e-7)
    True
    """

    factored: FactoredTrajectory
    riemannian: RiemannianTrajectory
    depth: int
    imbalance: float
    tolerance: float
    absolute_tolerance: float | None

    def _shown_title(self) -> str:
        return f"{type(self).__name__}: {layers_shown(self.factored.last)}"

    def _shown_facts(self) -> dict[str, str]:
        (m, n), k = self.factored.shape, self.riemannian.singular_values.shape[1]
        decay = {}
        if self.factored.weight_decay:
            decay = {"weight decay": number(self.factored.weight_decay)}
        multiples = ""
        if isinstance(self.metric, ImbalancedMetric):
            values = some([number(value) for value in self.metric.imbalance])
            multiples = f", D_j = lambda_j I with lambda_j = {values}"
        at_hand = "gap" in vars(self) or self.t.size * (m + n) * k <= _SMALL
        return {
            "verdict": self.verdict if at_hand else "ask .verdict: the gap was not computed yet",
            "times": f"{self.t.size}, t = {from_to(self.t)}",
            "loss": from_to(self.factored.loss[: self.t.size]),
            **decay,
            "factored": self.factored.status,
            "riemannian": self.riemannian.status,
            "imbalance": f"{number(self.imbalance)} at the start{multiples}",
        }

    def _shown_table(self) -> Table:
        return self.factored._shown_table()

    @property
    def metric(self) -> SpectralMetric:
        """The metric of (9) at the start."""
        return self.riemannian.metric

    @property
    def t(self) -> Array:
        """The times that both trajectories reached."""
        both = min(len(self.factored), len(self.riemannian))
        # Where a callback stopped the second one, the first one has nothing to compare.
        same = self.factored.t[:both] == self.riemannian.t[:both]
        return self.factored.t[:both][same]

    @cached_property
    def gap(self) -> Array:
        r"""The distance \|W_N ... W_1 - W\|_F at each of the times."""
        pairs = zip(self.factored.points, self.riemannian.points, strict=False)
        return np.array([distance(a, b) for a, b in islice(pairs, self.t.size)])

    @property
    def norm(self) -> Array:
        r"""The norm \|W\|_F of the Riemannian flow at each of the times."""
        return np.asarray(np.linalg.norm(self.riemannian.singular_values[: self.t.size], axis=1))

    @property
    def relative_gap(self) -> Array:
        r"""The gap divided by \|W\|_F; where W is small, by a hundredth of the largest so far."""
        norm = self.norm
        least = np.maximum(_ABSOLUTE * np.maximum.accumulate(norm), np.finfo(float).tiny)
        return self.gap / np.maximum(norm, least)

    @property
    def agree(self) -> bool:
        """Whether the gap is within the tolerances at all times."""
        norm = self.norm
        if self.absolute_tolerance is None:
            norm = norm + _ABSOLUTE * np.maximum.accumulate(norm)
        allowed = self.tolerance * norm + (self.absolute_tolerance or 0.0)
        return bool((self.gap <= allowed).all())

    @property
    def balancedness(self) -> Array:
        """How far the layers are from balanced at each of the times."""
        return self.factored.balancedness[: self.t.size]

    def _content(self) -> dict[str, Any]:
        flows = {"factored": self.factored._content(), "riemannian": self.riemannian._content()}
        return {**super()._content(), **flows}

    @classmethod
    def _restored(cls, content: Mapping[str, Any], path: Any) -> Self:
        cls._require_fields(content, path)
        flows = {
            "factored": FactoredTrajectory._restored(content["factored"], path),
            "riemannian": RiemannianTrajectory._restored(content["riemannian"], path),
        }
        return cls(**{**content, **flows})

    def to_dataframe(self) -> Any:
        """Return a table with a row for each time that both flows reached.

        Returns
        -------
        pandas.DataFrame
            With the columns t, gap and relative_gap, and those of each of both flows after its
            name, such as factored_loss and riemannian_sigma_1.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed; it comes with the extra `data`.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        >>> layers = fixedrank.random_balanced_factors([2, 1, 2], rng=0)
        >>> table = fixedrank.compare_flows(problem, layers, [0, 1, 2]).to_dataframe()
        >>> table["t"].tolist(), list(table)[:4]
        ([0.0, 1.0, 2.0], ['t', 'gap', 'relative_gap', 'factored_loss'])
        """
        own = data_frame(t=self.t, gap=self.gap, relative_gap=self.relative_gap)
        for name in ("factored", "riemannian"):
            table = getattr(self, name).to_dataframe().drop(columns="t")
            own = own.join(table.add_prefix(f"{name}_"))
        return own

    @property
    def verdict(self) -> str:
        """One sentence on what was found."""
        largest = float(self.relative_gap.max())
        when = self.t[self.relative_gap.argmax()]
        where = f"largest gap {largest:.1e} relative, at t = {when:.6g}"
        imbalanced = isinstance(self.metric, ImbalancedMetric)
        if self.imbalance > BALANCED and not imbalanced:
            start = f"The layers start unbalanced by {self.imbalance:.1e}"
            return f"{start}, so the flows differ: {where}."
        cut = "" if self.factored.complete and self.riemannian.complete else " as far as they went"
        if self.agree:
            metric = " in the metric of their imbalance" if imbalanced else ""
            return f"The two flows are one{metric}{cut}: {where}, asked for {self.tolerance:.0e}."
        changes = [c for c in self.riemannian.rank_changes if c.t <= self.t[-1]]
        if changes:
            before = self.relative_gap[self.t <= changes[0].t].max()
            what, then = "round-off", "errors decide where the layers go"
            if imbalanced and changes[0].reason.startswith("a singular value reached zero"):
                what, then = "zero", "the layers went on through it"
            return (
                f"The two flows are one up to t = {changes[0].t:.6g} (gap {before:.1e}), where a "
                f"singular value reached {what} and the Riemannian flow went on at rank "
                f"{changes[0].rank}; from there on {then}: {where}."
            )
        return (
            f"The two flows differ by more than {self.tolerance:.0e}: {where}; "
            "smaller tolerances, or a smaller fixed step, tell integration error from more."
        )

    def plot(self, figure: Any = None) -> Any:
        """Draw losses, singular values, gap and balancedness.

        Parameters
        ----------
        figure : matplotlib.figure.Figure, optional
            An empty figure to draw on. The new one that is made if it is left out does not belong
            to pyplot, which would keep it: for ``pyplot.show()`` give ``pyplot.figure()``.

        Returns
        -------
        matplotlib.figure.Figure
            A figure of three panels; ``savefig`` writes it.

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        """
        return plot_comparison(self, figure)


def compare_flows(
    problem: LossLike,
    factors: LayersLike,
    t: ArrayLike,
    *,
    weight_decay: float = 0.0,
    method: MethodLike = "auto",
    rtol: float = 1e-8,
    atol: float | None = None,
    keep: str = "layers",
    progress: Shown = False,
    callback: Callback | None = None,
    allow_unbalanced: bool = False,
    **options: Any,
) -> FlowComparison:
    """Integrate both flows from the same layers, by the same method, and compare them.

    By Theorem 4 the product of balanced layers that follow (5) solves (9), on the manifold M_k of
    its rank k with the metric of depth N, the number of layers. That of layers whose hidden widths
    all are k, with D_j = W_{j+1}^T W_{j+1} - W_j W_j^T = lambda_j I, does so in the metric of this
    imbalance, :class:`ImbalancedMetric`, which with weight decay moves.

    Parameters
    ----------
    factors : sequence of array_like
        The initial layers [W_1, ..., W_N], balanced, or with D_j = lambda_j I and hidden widths k;
        W_j has shape (d_j, d_{j-1}).
    rtol : float
        Relative tolerance of the local error.
    atol : float, optional
        Absolute tolerance; if left out, each flow takes one in the units of its state.
    keep : {"layers", "points"}
        What is kept of the layers at each time: themselves, or their product in factors, which
        takes less memory where they are large or many.
    callback : callable, optional
        As for each of the flows, (5) and then (9): it sees the layers of the first, in a list, and
        the points of the second. Where it stops (5), (9) goes no further.
    allow_unbalanced : bool
        Whether to compare layers that do not start balanced, whatever their D_j are, with the flow
        of balanced ones, to see how far the flows drift apart.

    Returns
    -------
    FlowComparison
        Both trajectories, the gap between them, the balancedness of the layers, and a plot.

    Raises
    ------
    TypeError, ValueError
        If some D_j is no multiple of the identity (the message says which and by how much) or
        layers with an imbalance are wider than k, `keep` is neither "layers" nor "points", a clock
        or another argument of single flows is given, or as :func:`factored_flow` does.
    RankLostError
        If the product of the layers is zero.

    References
    ----------
    Theorem 4 of the paper.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> X = np.random.default_rng(0).standard_normal((4, 12))
    >>> factors = fixedrank.random_balanced_factors([4, 2, 3, 4], rng=0)
    >>> comparison = fixedrank.compare_flows(fixedrank.LinearRegression(X, X), factors, [0, 0.5, 1])
    >>> comparison.verdict
    'The two flows are one: largest gap ... relative, at t = ..., asked for 1e-06.'
    """
    refuse(options, _OF_ONE, "their comparison")
    problem, times = as_loss(problem), output_times(t)
    layers = problem.checked_layers(factors)
    if keep not in ("layers", "points"):
        raise ValueError(f"the comparison keeps 'layers' or 'points' of the layers, got {keep!r}")
    unbalanced = relative_imbalance(layers)
    balanced, lambdas = unbalanced <= BALANCED, None
    if not balanced and not allow_unbalanced:
        start, lambdas = _start_of_imbalance(layers)
    else:
        start = product_point(layers, balanced=balanced)
    chosen: dict[str, Any] = {"method": method, "rtol": rtol, "atol": atol, **options}
    chosen |= {"progress": progress, "callback": callback, "weight_decay": weight_decay}
    factored = factored_flow(problem, layers, times, keep=keep, **chosen)
    reached = factored.t
    if reached.size < 2:
        # Cut short before the first output: nothing but the start is left to compare.
        reached = times[0] + np.array([0.0, 1e-9]) * (times[1] - times[0])
    riemannian = riemannian_flow(problem, start, len(layers), reached, imbalance=lambdas, **chosen)
    return FlowComparison(
        factored=factored,
        riemannian=riemannian,
        depth=len(layers),
        imbalance=unbalanced,
        tolerance=100 * rtol,
        absolute_tolerance=None if atol is None else 100 * atol,
    )


def _start_of_imbalance(layers: Sequence[Array]) -> tuple[FixedRankPoint, tuple[float, ...]]:
    """Return the product of layers with D_j = lambda_j I and widths k, and the lambda_j.

    Raises
    ------
    ValueError
        If they are no such layers.
    """
    found, drift = imbalance(layers), "or pass allow_unbalanced=True to see how far the two drift"
    if found.homogeneous is None:
        defects = np.array(found.defects)
        j = int(defects.argmax())
        relative = defects[j] / largest_norm(layers) ** 2
        raise ValueError(
            "the layers are not balanced: of D_j = W_(j+1)^T W_(j+1) - W_j W_j^T the largest has "
            f"the norm {balancedness(layers):.3e}, and D_{j + 1} is off a multiple of the identity "
            f"by {defects[j]:.3e}, {relative:.3e} relative to the largest layer (tolerance "
            f"{BALANCED:.0e}); then the product does not follow a flow (9). Start from "
            "balanced_factors, random_balanced_factors or imbalanced_factors, " + drift
        )
    start, hidden = imbalanced_product_point(layers, found.homogeneous), [*map(len, layers[:-1])]
    if any(width != start.s.size for width in hidden):
        values = ", ".join(f"{value:.3g}" for value in found.homogeneous)
        raise ValueError(
            f"the layers are not balanced: D_j = lambda_j I with lambda_j = {values}, and hidden "
            f"widths {hidden} above the rank {start.s.size} of their product: such layers raise "
            "the rank at once, so that no flow (9) is theirs. Start from imbalanced_factors, whose "
            "hidden widths are the rank, " + drift
        )
    return start, found.homogeneous


describe(compare_flows, FLOWS)
