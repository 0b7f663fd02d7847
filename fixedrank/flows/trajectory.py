"""What a flow leaves behind: values at the asked times, and a status in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.flows.keeping import not_kept
from fixedrank.geometry.factored.orthonormal import point_of
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.networks.gradients import narrow_partial_products
from fixedrank.networks.layers import balancedness, product
from fixedrank.plotting import plot_trajectory


class RankChange(NamedTuple):
    """A singular value that reached zero or round-off, where the flow went on at a lower rank.

    Parameters
    ----------
    t : float
        When. Zero is reached at depths N < 2 only; the time is right to the tolerance, and the
        singular value is given up a little before, where it is below tolerance or round-off.
    rank : int
        The rank from there on.
    singular_value : float
        The largest of those given up.
    reason : str
        Why, in words.
    """

    t: float
    rank: int
    singular_value: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """What both kinds of trajectories know.

    Attributes
    ----------
    t : ndarray, shape (times,)
        The asked times that were reached; all of them unless the run was cut short.
    loss : ndarray, shape (times,)
        The loss L^1(W(t)), which is L^N of the layers.
    gradient_norm : ndarray, shape (times,)
        The length of the gradient: of the Riemannian gradient in the metric g, or of the gradient
        of L^N in the space of layers. For balanced layers the two are equal, and
        d(loss)/dt = -gradient_norm**2.
    status : str
        Why the run ended, in words: reached the last time; stationary; step size collapsed;
        interrupted.
    complete : bool
        Whether all asked times are there.
    evaluations, steps : int
        Numbers of evaluations of the right-hand side and of accepted steps.
    singular_values : ndarray, shape (times, k)
        Singular values of W(t); zero where the rank has fallen.
    kept : list
        What was kept at each time, as `keep` asked for.
    keep : str
        What that is: "layers", "points", "products", "last" or "function".
    last : FixedRankPoint or list of ndarray
        W, or the layers, at the last time in `t`, from which the flow can go on.
    """

    t: Array
    loss: Array
    gradient_norm: Array
    status: str
    complete: bool
    evaluations: int
    steps: int
    singular_values: Array
    kept: list[Any]
    keep: str
    last: Any

    def __len__(self) -> int:
        return len(self.t)

    def plot(
        self,
        axes: Any = None,
        *,
        quantities: Sequence[str] | str | None = None,
        label: str | None = None,
        **style: Any,
    ) -> Any:
        """Draw the loss, the singular values, the effective rank and the balancedness over time.

        Parameters
        ----------
        axes : matplotlib Axes or sequence of such, optional
            One for each quantity, so that runs overlay: give the next one ``figure.axes`` of the
            first. A new figure is made if they are left out; it does not belong to pyplot.
        quantities : sequence of str, optional
            Some of "loss", "singular_values", "effective_rank", "balancedness" and "gradient_norm".
            By default as many of the first four as there are axes; on a new figure all four,
            without a balancedness that is not known or zero by definition.
        label : str, optional
            What a legend says of the run.
        **style
            Properties of the lines, such as ``color``, in place of those that
            :func:`fixedrank.plotting.depth_style` gives to the depth.

        Returns
        -------
        matplotlib.figure.Figure
            The figure; ``savefig`` writes it.

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        ValueError
            If a quantity is not known, or axes are not as many as quantities.

        See Also
        --------
        fixedrank.plot_trajectories : Several runs with a legend.
        """
        return plot_trajectory(self, axes, quantities, label, "time", style)


@dataclass(frozen=True, kw_only=True)
class RiemannianTrajectory(Trajectory):
    """A solution of the Riemannian gradient flow (9), at the asked times.

    Besides what :class:`FactoredTrajectory` has in common with it (t, loss, gradient_norm,
    status, complete, evaluations, steps, singular_values, kept, keep, last):

    Attributes
    ----------
    metric : SpectralMetric
        The metric.
    depth : float or None
        The depth N, or None where the metric has none.
    rank_changes : tuple of RankChange
        Where a singular value reached zero or round-off and the flow went on at a lower rank, and
        why.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> start = fixedrank.FixedRank(2, 2, 1, depth=2).point(np.ones((2, 2)))
    >>> flow = fixedrank.riemannian_flow(problem, start, 2, [0.0, 10.0])
    >>> np.round(flow.singular_values, 6)
    array([[2.],
           [3.]])
    """

    metric: SpectralMetric
    rank_changes: tuple[RankChange, ...] = field(default=())

    @property
    def points(self) -> list[FixedRankPoint]:
        """The points W(t); their rank falls where `rank_changes` says so.

        At depth 1 and k = min(m, n) it stays, and singular values may be zero; a W that is zero
        has one that is.
        """
        if self.keep != "points":
            raise not_kept("the points W(t)", "points", self.keep)
        return self.kept

    @cached_property
    def product(self) -> list[Array]:
        """The matrices W(t), as dense d_y x d_x arrays."""
        if self.keep == "products":
            return self.kept
        return [dense(point) for point in self.points]

    @property
    def depth(self) -> float | None:
        """The depth N, or None where the metric has none."""
        return self.metric.depth

    @property
    def balancedness(self) -> Array:
        """Zero at all times: (9) is the flow of balanced layers."""
        return np.zeros(len(self))


@dataclass(frozen=True, kw_only=True)
class FactoredTrajectory(Trajectory):
    """A solution of the gradient flow (5) of the layers, at the asked times.

    Besides what :class:`RiemannianTrajectory` has in common with it (t, loss, gradient_norm,
    status, complete, evaluations, steps, singular_values, kept, keep, last):

    Attributes
    ----------
    imbalance : ndarray, shape (times,), or None
        What `balancedness` returns where the layers are not kept.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> start = [np.ones((1, 2)), np.ones((2, 1))]
    >>> flow = fixedrank.factored_flow(problem, start, [0.0, 10.0])
    >>> np.round(flow.product[-1], 4)
    array([[3., 0.],
           [0., 0.]])
    """

    imbalance: Array | None = None

    @property
    def factors(self) -> list[list[Array]]:
        """The layers [W_1(t), ..., W_N(t)] at each time."""
        if self.keep != "layers":
            raise not_kept("the layers", "layers", self.keep)
        return self.kept

    @property
    def shape(self) -> tuple[int, int]:
        """The shape (d_y, d_x) of the product."""
        return self.last[-1].shape[0], self.last[0].shape[1]

    @cached_property
    def product(self) -> list[Array]:
        """The products W(t) = W_N(t) ... W_1(t), as dense d_y x d_x arrays."""
        if self.keep == "products":
            return self.kept
        if self.keep == "points":
            return [dense(point) for point in self.kept]
        return [product(factors) for factors in self.factors]

    @cached_property
    def points(self) -> list[FixedRankPoint]:
        """The products W(t) in factors (u, s, vt), as wide as the narrowest layer.

        Where W(t) has a lower rank, trailing singular values are zero to round-off.
        """
        if self.keep == "points":
            return self.kept
        return [product_factors(factors) for factors in self.factors]

    @cached_property
    def balancedness(self) -> Array:
        """Largest norm of W_{j+1}^T W_{j+1} - W_j W_j^T, at each time."""
        if self.imbalance is not None:
            return self.imbalance
        return np.array([balancedness(factors) for factors in self.factors])


def dense(point: FixedRankPoint) -> Array:
    """Return a point as a dense array."""
    return np.asarray((point.u * point.s) @ point.vt)


def product_factors(factors: Sequence[Array]) -> FixedRankPoint:
    """Return the product of layers as a tuple (u, s, vt), without a dense product."""
    _, left, right = narrow_partial_products(factors)
    return point_of(left[-1], None, right[-1].T)
