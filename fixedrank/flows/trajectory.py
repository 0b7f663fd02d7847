"""What a flow leaves behind: values at the asked times, and a status in words."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from fixedrank._aliases import FileLike
from fixedrank._archive import read_archive
from fixedrank._checks import Array
from fixedrank._shown import Displayed, Table, counted, from_to, number, some
from fixedrank.flows.drawn import Drawn
from fixedrank.flows.keeping import not_kept
from fixedrank.flows.rank_change import RankChange
from fixedrank.flows.saving import RECORDS, Saved, metric_content, restored_metric
from fixedrank.flows.tables import data_frame, effective_ranks, layers_shown, over_time
from fixedrank.geometry.factored.orthonormal import point_of
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.metric.imbalanced import ImbalancedMetric
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.networks.gradients import narrow_partial_products
from fixedrank.networks.layers import balancedness, product


@dataclass(frozen=True, kw_only=True, repr=False)
class Trajectory(Displayed, Drawn, Saved):
    """What both kinds of trajectories know.

    Attributes
    ----------
    t : ndarray, shape (times,)
        The asked times that were reached; all of them unless the run was cut short. Where a
        callback stopped it, that time is the last one.
    loss : ndarray, shape (times,)
        The loss L^1(W(t)), which is L^N of the layers.
    gradient_norm : ndarray, shape (times,)
        The length of the gradient: of the Riemannian gradient in the metric g, or of the gradient
        of L^N in the space of layers. For balanced layers the two are equal, and
        d(loss)/dt = -gradient_norm**2; with weight decay, of the gradient of the objective, and
        d(objective)/dt.
    status : str
        Why the run ended, in words: reached the last time; stationary; step size collapsed;
        stopped by the callback; interrupted.
    complete : bool
        Whether all asked times are there.
    evaluations, steps : int
        Numbers of evaluations of the right-hand side and of accepted steps.
    singular_values : ndarray, shape (times, k)
        Singular values of W(t); zero where the rank has fallen.
    effective_rank : ndarray, shape (times,)
        The effective rank of W(t).
    kept : list
        What was kept at each time, as `keep` asked for.
    keep : str
        What that is: "layers", "points", "products", "last" or "function".
    last : FixedRankPoint or list of ndarray
        W, or the layers, at the last time in `t`, from which the flow can go on.
    weight_decay : float
        The rate lambda at which each layer decays.
    penalty : ndarray, shape (times,), or None
        What weight decay adds to the loss, lambda / 2 times the sum of all ``|W_j|^2``, which is
        lambda N / 2 times the sum of ``s^(2/N)`` for balanced layers; None without.
    objective : ndarray, shape (times,)
        The sum of loss and penalty, which falls along the flow.
    clock : ndarray, shape (times,), or None
        The clock tau of the loss that was asked for and reached; then `t` is the time since the
        start, infinite where it overflows, and ranks change at times of the clock. None of a run
        in time.
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
    weight_decay: float = 0.0
    penalty: Array | None = None
    clock: Array | None = None

    def __len__(self) -> int:
        return len(self.t)

    def _shown_facts(self) -> dict[str, str]:
        values = [number(value) for value in self.singular_values[-1:].ravel()]
        decay = {}
        if self.penalty is not None:
            decay = {
                "weight decay": number(self.weight_decay),
                "objective": from_to(self.objective),
            }
        return {
            "status": self.status,
            "times": f"{len(self)}, t = {from_to(self.t)}",
            **({} if self.clock is None else {"clock": from_to(self.clock)}),
            "loss": from_to(self.loss),
            **decay,
            "gradient norm": from_to(self.gradient_norm),
            "singular values": f"{some(values)}, at the end",
            "kept": self.keep,
            "work": f"{counted(self.steps, 'step')}, {counted(self.evaluations, 'evaluation')}",
        }

    def _shown_table(self) -> Table:
        times, name = (self.t, "t") if self.clock is None else (self.clock, "clock")
        return over_time(times, self.loss, self.gradient_norm, self.singular_values, name)

    @property
    def objective(self) -> Array:
        """What falls along the flow: the loss, and the penalty if there is weight decay."""
        return self.loss if self.penalty is None else self.loss + self.penalty

    @property
    def effective_rank(self) -> Array:
        r"""The effective rank of W(t), exp of the entropy of s / sum(s); zero where W(t) = 0.

        It is r where r singular values are equal and the others zero, and counts small ones little
        (O. Roy and M. Vetterli, "The effective rank", EUSIPCO 2007).
        """
        return effective_ranks(self.singular_values)

    @property
    @abstractmethod
    def balancedness(self) -> Array:
        """How far the layers are from balanced at each time."""

    def to_dataframe(self) -> Any:
        """Return a table with a row for each time.

        Returns
        -------
        pandas.DataFrame
            With the columns t, loss, gradient_norm, sigma_1, ..., sigma_k, effective_rank and
            balancedness; after t the clock, if it is that of the loss, and after the loss penalty
            and objective, if there is weight decay.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed; it comes with the extra `data`.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        >>> flow = fixedrank.factored_flow(problem, [np.ones((1, 2)), np.ones((2, 1))], [0, 10])
        >>> list(flow.to_dataframe())
        ['t', 'loss', 'gradient_norm', 'sigma_1', 'effective_rank', 'balancedness']
        """
        decay = {}
        if self.penalty is not None:
            decay = {"penalty": self.penalty, "objective": self.objective}
        return data_frame(
            t=self.t,
            **({} if self.clock is None else {"clock": self.clock}),
            loss=self.loss,
            **decay,
            gradient_norm=self.gradient_norm,
            sigma=self.singular_values,
            effective_rank=self.effective_rank,
            balancedness=self.balancedness,
        )


@dataclass(frozen=True, kw_only=True, repr=False)
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
    last_metric : SpectralMetric
        The metric at the last time; another one only where weight decay moves it.
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

    def _shown_title(self) -> str:
        m, n, k = self.last.u.shape[0], self.last.vt.shape[1], self.singular_values.shape[1]
        falls = f", {self.last.s.size} at the end" if self.rank_changes else ""
        which = f"metric {self.metric}" if self.depth is None else f"depth {self.depth:g}"
        return f"{type(self).__name__}: {m}x{n} matrices of rank {k}{falls}, {which}"

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

    @classmethod
    def load(cls, path: FileLike, *, metric: SpectralMetric | None = None) -> Self:
        """Return the trajectory that `save` wrote to a file.

        Parameters
        ----------
        path : path-like
            The file.
        metric : SpectralMetric, optional
            The metric, where it is one of your own, which a file does not hold.

        Returns
        -------
        RiemannianTrajectory
            The same trajectory.

        Raises
        ------
        TypeError
            If the metric is one of your own, and not given.
        ValueError
            If another metric is given, which the source of its class and its attributes tell; if
            the file is none of these, was cut off or damaged, holds a result of another kind, or
            was written in the format of a later version.
        OSError
            If it cannot be read.
        """
        content = read_archive(path, cls.__name__, records=RECORDS)
        return cls._restored(content, path, metric)

    def _content(self) -> dict[str, Any]:
        return {**super()._content(), "metric": metric_content(self.metric)}

    @classmethod
    def _restored(
        cls, content: Mapping[str, Any], path: Any, metric: SpectralMetric | None = None
    ) -> Self:
        cls._require_fields(content, path)
        known = restored_metric(content["metric"], metric, path)
        return cls(**{**content, "metric": known})

    @property
    def last_metric(self) -> SpectralMetric:
        """The metric at the last time, with which the flow can go on.

        It is another one only where weight decay has moved the metric of imbalanced layers.
        """
        if not isinstance(self.metric, ImbalancedMetric):
            return self.metric
        return self.metric.decayed(float(self._shares[-1]))

    @property
    def _shares(self) -> Array:
        """What is left of an imbalance at each time."""
        return np.asarray(np.exp(-2 * self.weight_decay * (self.t - self.t[0])))

    @property
    def balancedness(self) -> Array:
        """How far layers of this flow are from balanced at each time: zero without imbalance."""
        largest = 0.0
        if isinstance(self.metric, ImbalancedMetric):
            largest = max(map(abs, self.metric.imbalance)) * self.singular_values.shape[1] ** 0.5
        return largest * self._shares


@dataclass(frozen=True, kw_only=True, repr=False)
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

    def _shown_title(self) -> str:
        return f"{type(self).__name__}: {layers_shown(self.last)}"

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
