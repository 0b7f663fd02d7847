"""What the flows of many starts leave behind: their trajectories, and arrays over all of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from fixedrank._aliases import FileLike
from fixedrank._archive import read_archive
from fixedrank._checks import Array
from fixedrank._shown import Displayed, Table, counted, from_to, number, some
from fixedrank.flows.saving import RECORDS, Saved
from fixedrank.flows.tables import data_frame, effective_ranks
from fixedrank.flows.trajectory import FactoredTrajectory, RiemannianTrajectory, Trajectory
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.plotting import plot_many

One = TypeVar("One", bound=Trajectory)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Trajectories(Displayed, Saved, Generic[One]):
    """What both kinds of trajectories of many starts know.

    Attributes
    ----------
    t : ndarray, shape (times,)
        The asked times; with ``clock="loss"`` those of the clock, and the times are in `runs`.
    clock : ndarray, shape (times,), or None
        The asked values of the clock of the loss, which are `t` then; None of flows in time.
    runs : tuple
        The trajectory of each start, a copy, in their order; an index gives them, too, and slices,
        lists of indices and masks such as `complete` several.
    loss, gradient_norm, effective_rank, balancedness : ndarray, shape (times, copies)
        What the single trajectories hold; NaN at times that a copy has not reached.
    singular_values : ndarray, shape (times, copies, k)
        The singular values, likewise.
    penalty, objective : ndarray, shape (times, copies)
        What weight decay adds to the loss (None without), and their sum.
    product : ndarray, shape (times, copies, m, n)
        The matrices W(t), where they can be told from what was kept.
    status : tuple of str
        Why each run ended.
    complete : ndarray of bool, shape (copies,)
        Whether all asked times are there.
    evaluations, steps : ndarray of int, shape (copies,)
        Numbers of evaluations of the right-hand side and of accepted steps.
    """

    t: Array
    runs: tuple[One, ...]

    _one: ClassVar[type[Trajectory]]

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, index: Any) -> Any:
        chosen = np.arange(len(self))[index]
        if np.ndim(chosen) == 0:
            return self.runs[chosen]
        if not chosen.size:
            raise IndexError(f"of the {counted(len(self), 'start')} none is left")
        return dataclasses.replace(self, runs=tuple(self.runs[copy] for copy in chosen))

    def __iter__(self) -> Iterator[One]:
        return iter(self.runs)

    def _shown_title(self) -> str:
        first = self.runs[0]._shown_title().partition(": ")[2]
        return f"{type(self).__name__}: {counted(len(self), 'start')}, {first}"

    def _shown_facts(self) -> dict[str, str]:
        kinds: dict[str, int] = {}
        for status in self.status:
            kind = re.split("; | (?:at|from) (?:t|clock) = ", status)[0]
            kinds[kind] = kinds.get(kind, 0) + 1
        ends = [f"{count} {kind}" for kind, count in kinds.items()]
        # Of the ends only: arrays over all are made when they are asked for.
        ends_of_loss = [np.median([run.loss[place] for run in self.runs]) for place in (0, -1)]
        last = np.array([run.singular_values[-1] for run in self.runs])
        values = [number(value) for value in np.median(last, axis=0)]
        return {
            "status": some(ends),
            "times": f"{len(self.t)}, {'t' if self.clock is None else 'clock'} = {from_to(self.t)}",
            "loss": f"{from_to(ends_of_loss)}, medians",
            "singular values": f"{some(values)}, medians at the end",
            "kept": self.runs[0].keep,
            "work": f"{counted(int(self.steps.sum()), 'step')}, "
            f"{counted(int(self.evaluations.sum()), 'evaluation')}",
        }

    def _shown_table(self) -> Table:
        rows = [
            [str(i), number(run.loss[-1]), number(run.singular_values[-1, 0]), run.status]
            for i, run in enumerate(self.runs[:6])
        ]
        return Table(["copy", "loss at the end", "s_1", "status"], rows)

    @property
    def clock(self) -> Array | None:
        """The values of the clock of the loss that were asked for, None of flows in time."""
        return None if self.runs[0].clock is None else self.t

    # Arrays over all

    def _over_all(self, name: str) -> Array:
        """Return a quantity of all runs, shape (times, copies, ...)."""
        several = [
            np.asarray(getattr(run, name), dtype=float)[: self._reached(run)] for run in self.runs
        ]
        widest = max((part.shape[1:] for part in several), default=())
        result = np.full((len(self.t), len(several), *widest), np.nan)
        for copy, part in enumerate(several):
            result[: len(part), copy] = _widened(part, widest)
        return result

    def _reached(self, run: Trajectory) -> int:
        """Return how many of the asked times a run has; one that stops may end between two."""
        reached = run.t if run.clock is None else run.clock
        return int((reached == self.t[: len(reached)]).sum())

    @cached_property
    def loss(self) -> Array:
        """The losses."""
        return self._over_all("loss")

    @cached_property
    def gradient_norm(self) -> Array:
        """The lengths of the gradients."""
        return self._over_all("gradient_norm")

    @cached_property
    def singular_values(self) -> Array:
        """The singular values."""
        return self._over_all("singular_values")

    @cached_property
    def effective_rank(self) -> Array:
        """The effective ranks."""
        known = ~np.isnan(self.loss)
        return np.where(known, effective_ranks(np.nan_to_num(self.singular_values)), np.nan)

    @cached_property
    def balancedness(self) -> Array:
        """How far the layers are from balanced."""
        return self._over_all("balancedness")

    @cached_property
    def penalty(self) -> Array | None:
        """What weight decay adds to the losses, None without."""
        if any(run.penalty is None for run in self.runs):
            return None
        return self._over_all("penalty")

    @property
    def objective(self) -> Array:
        """What falls along the flows: the loss, and the penalty if there is weight decay."""
        return self.loss if self.penalty is None else self.loss + self.penalty

    @cached_property
    def product(self) -> Array:
        """The matrices W(t)."""
        return self._over_all("product")

    @property
    def status(self) -> tuple[str, ...]:
        """Why each of the runs ended, in words."""
        return tuple(run.status for run in self.runs)

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Whether all asked times are there."""
        return np.array([run.complete for run in self.runs], dtype=bool)

    @property
    def evaluations(self) -> NDArray[np.int64]:
        """Numbers of evaluations."""
        return np.array([run.evaluations for run in self.runs], dtype=np.int64)

    @property
    def steps(self) -> NDArray[np.int64]:
        """The numbers of accepted steps."""
        return np.array([run.steps for run in self.runs], dtype=np.int64)

    def to_dataframe(self) -> Any:
        """Return one long table, with a row for each copy and time.

        Returns
        -------
        pandas.DataFrame
            With the column copy, and those of a single trajectory, such as the clock after t, if
            it is that of the loss. Times that a copy has not reached are left out.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed; it comes with the extra `data`.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        >>> starts = [np.ones((5, 1, 2)), np.ones((5, 2, 1))]
        >>> table = fixedrank.factored_flow(problem, starts, [0, 10]).to_dataframe()
        >>> len(table), list(table)[:3]
        (10, ['copy', 't', 'loss'])
        """
        names = ["t", "clock", "loss", "penalty", "objective", "gradient_norm"]
        names += ["singular_values", "effective_rank", "balancedness"]
        if self.penalty is None:
            names = [name for name in names if name not in ("penalty", "objective")]
        if self.clock is None:
            names.remove("clock")
        which = np.repeat(np.arange(len(self)), [len(run) for run in self.runs])
        columns = {"copy": which}
        for name in names:
            several = [np.asarray(getattr(run, name)) for run in self.runs]
            widest = max(part.shape[1:] for part in several)
            column = np.concatenate([_widened(part, widest) for part in several])
            columns["sigma" if name == "singular_values" else name] = column
        return data_frame(**columns)

    def plot(
        self,
        axes: Any = None,
        *,
        quantities: Sequence[str] | str | None = None,
        label: str | None = None,
        band: float | None = 0.8,
        lines: bool | None = None,
        **style: Any,
    ) -> Any:
        """Draw the loss, the singular values and the effective rank of all starts over time.

        Parameters
        ----------
        axes : matplotlib Axes or sequence of such, optional
            One for each quantity, so that stacks of starts overlay: give the next one
            ``figure.axes`` of the first. A new figure is made if they are left out.
        quantities : sequence of str, optional
            Some of "loss", "singular_values", "effective_rank", "balancedness", "gradient_norm" and
            "objective"; by default as those of a single trajectory.
        label : str, optional
            What a legend says of the starts.
        band : float or None
            The share of the starts in the band around their median, 0.8 from the tenth to the
            ninetieth percentile; None draws no band.
        lines : bool, optional
            Whether to draw a line for each start; by default for up to ten of them, in place of
            median and band.
        **style
            Properties of the lines and the band, such as ``color``, in place of those that
            :func:`fixedrank.plotting.depth_style` gives to the depth.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        ValueError
            If a quantity is not known, axes are not as many as quantities, or the share is not
            between 0 and 1.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        >>> rng = np.random.default_rng(0)
        >>> starts = [rng.standard_normal((20, 1, 2)), rng.standard_normal((20, 2, 1))]
        >>> runs = fixedrank.factored_flow(problem, starts, np.linspace(0, 5, 21))
        >>> figure = runs.plot(quantities=["loss", "effective_rank"])
        >>> [axes.get_title() for axes in figure.axes]
        ['Loss', 'Effective rank']
        """
        return plot_many(self, axes, quantities, label, band, lines, style)

    # Files

    def _content(self) -> dict[str, Any]:
        return {"t": self.t, "runs": [run._content() for run in self.runs]}

    @classmethod
    def _restored(cls, content: Mapping[str, Any], path: Any, *known: Any) -> Self:
        cls._require_fields(content, path)
        runs: Any = tuple(cls._one._restored(one, path, *known) for one in content["runs"])
        return cls(t=content["t"], runs=runs)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FactoredTrajectories(Trajectories[FactoredTrajectory]):
    """Solutions of the gradient flow (5) from many starts, at the asked times.

    A sequence of :class:`FactoredTrajectory`, with arrays over all of them: t, clock, loss,
    gradient_norm, singular_values, effective_rank, balancedness, penalty, objective, product,
    status, complete, evaluations, steps, as :class:`RiemannianTrajectories` has them.

    Attributes
    ----------
    factors : list of ndarray, shapes (times, copies, d_j, d_{j-1})
        The layers.
    last : list of ndarray, shapes (copies, d_j, d_{j-1})
        The layers where each run ended, from which the flows can go on.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> rng = np.random.default_rng(0)
    >>> starts = [rng.standard_normal((100, 1, 2)), rng.standard_normal((100, 2, 1))]
    >>> runs = fixedrank.factored_flow(problem, starts, [0.0, 1.0, 20.0])
    >>> runs.loss.shape, runs.singular_values.shape
    ((3, 100), (3, 100, 1))
    >>> round(float(np.median(runs.loss, axis=1)[-1]), 6), runs[7].complete
    (0.5, True)
    """

    _one = FactoredTrajectory

    @cached_property
    def factors(self) -> list[Array]:
        """The layers."""
        kept = [run.factors[: self._reached(run)] for run in self.runs]
        result = []
        for j, layer in enumerate(self.runs[0].last):
            whole = np.full((len(self.t), len(self), *layer.shape), np.nan)
            for copy, several in enumerate(kept):
                whole[: len(several), copy] = [factors[j] for factors in several]
            result.append(whole)
        return result

    @property
    def last(self) -> list[Array]:
        """The layers where each run ended."""
        return [np.array(several) for several in zip(*(run.last for run in self.runs), strict=True)]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class RiemannianTrajectories(Trajectories[RiemannianTrajectory]):
    """Solutions of the Riemannian gradient flow (9) from many starts, at the asked times.

    A sequence of :class:`RiemannianTrajectory`, with arrays over all of them: t, clock, loss,
    gradient_norm, singular_values, effective_rank, balancedness, penalty, objective, product,
    status, complete, evaluations, steps. The first axis is that of the times, the second that of
    the starts; singular values of a rank that has fallen are zero.

    Attributes
    ----------
    metric : SpectralMetric
        The metric.
    depth : float or None
        The depth N, or None where the metric has none.
    last : FixedRankPoint
        The points where each run ended, with an axis of the starts in front, from which the flows
        can go on.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=3)
    >>> points = [manifold.random_point(rng=seed) for seed in range(50)]
    >>> starts = fixedrank.FixedRankPoint(*map(np.stack, zip(*points)))
    >>> runs = fixedrank.riemannian_flow(problem, starts, 3, [0.0, 1.0, 20.0])
    >>> runs.singular_values.shape
    (3, 50, 1)
    """

    _one = RiemannianTrajectory

    @property
    def metric(self) -> SpectralMetric:
        """The metric of all the flows."""
        return self.runs[0].metric

    @property
    def depth(self) -> float | None:
        """The depth N, or None where the metric has none."""
        return self.metric.depth

    @property
    def last(self) -> FixedRankPoint:
        """The points where each run ended."""
        ranks = sorted({run.last.s.size for run in self.runs})
        if len(ranks) > 1:
            raise AttributeError(
                f"the runs end at the ranks {', '.join(map(str, ranks))}, which make no array: "
                "runs[i].last is where run i ended"
            )
        return FixedRankPoint(*map(np.stack, zip(*(run.last for run in self.runs), strict=True)))

    @classmethod
    def load(cls, path: FileLike, *, metric: SpectralMetric | None = None) -> Self:
        """Return the trajectories that `save` wrote to a file.

        Parameters
        ----------
        path : path-like
            The file.
        metric : SpectralMetric, optional
            The metric, where it is one of your own, which a file does not hold.

        Returns
        -------
        RiemannianTrajectories
            The same trajectories.

        Raises
        ------
        TypeError
            If the metric is one of your own, and not given.
        ValueError
            If another metric is given, or the file is none of these.
        OSError
            If it cannot be read.
        """
        content = read_archive(path, cls.__name__, records=RECORDS)
        return cls._restored(content, path, metric)


def _widened(part: Array, widest: tuple[int, ...]) -> Array:
    """Return an array over times, in which ranks that have fallen have zeros up to the widest."""
    result = np.zeros((len(part), *widest))
    result[(slice(None), *map(slice, part.shape[1:]))] = part
    return result
