r"""The critical points that starts of size tending to zero visit, and how long they stay there.

A singular value sigma of the layers that leaves a critical point grows as sigma' = gamma
sigma^(N-1), with the rate gamma of the escape: with phi(sigma) = ln sigma at N = 2 and
-sigma^(2-N) / (N-2) beyond, phi grows by gamma t.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import exprel

from fixedrank._checks import Array
from fixedrank._shown import Displayed, Table, from_to, number, some
from fixedrank.flows.tables import data_frame
from fixedrank.flows.trajectory import RiemannianTrajectory
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.plotting import plot_greedy_path


def growth(start: float, end: float, depth: float) -> float:
    """Return phi(end) - phi(start), by which sigma grows in the time that is this over the rate.

    One formula for all N >= 2, which does not cancel near N = 2; infinite where it overflows.
    """
    ratio = math.log(end / start)
    if ratio == 0:
        return 0.0
    with np.errstate(over="ignore"):
        return float(np.exp((2 - depth) * math.log(start)) * ratio * exprel((2 - depth) * ratio))


@dataclass(frozen=True, kw_only=True, repr=False)
class GreedyStage(Displayed):
    """A critical point that a start of size tending to zero visits, and how it is left.

    Attributes
    ----------
    point : FixedRankPoint
        W. The first one, W = 0, has one singular value that is zero.
    loss : float
        The loss there.
    rank : int
        The rank of W.
    depth : float
        The depth N.
    escape_rates : ndarray, shape (rates,)
        The leading singular values of minus the gradient, descending: the rates gamma of
        sigma' = gamma sigma^(N-1) for small singular values sigma of the layers that are added.
        Less the price of a singular value, where the loss has one; zero where they are noise.
    direction : tuple of ndarray, shapes (m,) and (n,), or None
        The singular vectors (u, v) of the largest; None where no direction leaves W.
    orbit : RiemannianTrajectory or None
        The flow from W + theta^N u v^T to the next critical point, at times that are dense where it
        moves; None at the last stage. ``riemannian_flow(problem, stage.orbit.points[0], depth, t)``
        has it at other times.
    theta : float or None
        The singular value of the layers with which the orbit begins.
    half_time : float or None
        The time in the orbit at which the loss has fallen by half of what it falls; None where the
        orbit leads to no next stage.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> first, second, last = fixedrank.greedy_path(problem, 2, 2).stages
    >>> second.point.s.round(6), round(second.escape_rate, 6)
    (array([3.]), 1.0)
    """

    point: FixedRankPoint
    loss: float
    rank: int
    depth: float
    escape_rates: Array = field(default_factory=lambda: np.array([math.nan]))
    direction: tuple[Array, Array] | None = None
    orbit: RiemannianTrajectory | None = None
    theta: float | None = None
    half_time: float | None = None

    def _shown_title(self) -> str:
        m, n = self.point.u.shape[0], self.point.vt.shape[1]
        return f"{type(self).__name__}: {m}x{n} matrix of rank {self.rank}, depth {self.depth:g}"

    def _shown_facts(self) -> dict[str, str]:
        return {
            "loss": number(self.loss),
            "singular values": some([number(s) for s in self.point.s[: self.rank]]),
            "escape rates": some([number(rate) for rate in self.escape_rates]),
            "orbit": "" if self.orbit is None else self.orbit.status,
        }

    @property
    def escape_rate(self) -> float:
        """The largest of the escape rates, at most zero where no direction leaves W.

        NaN where the path was interrupted before it was known.
        """
        return float(self.escape_rates[0]) if self.escape_rates.size else 0.0

    @property
    def gap(self) -> float:
        """By what part of the largest escape rate the second one is smaller; 1 if there is none.

        At N = 2 the second direction has faded to the power `gap` of the size of the start once
        the first one is large: only starts below exp(-1 / gap) follow this path closely.
        """
        rates = self.escape_rates
        if rates.size < 2 or not rates[0] > 0:
            return 1.0
        return float(1 - max(rates[1], 0.0) / rates[0])

    def plateau(self, scale: float) -> float:
        r"""Return how long a start near W stays there.

        Parameters
        ----------
        scale : float
            The singular value eps of the layers in the escape direction, in the beginning; that of
            the product is eps^N.

        Returns
        -------
        float
            The time until the loss has fallen by half of what it falls on the orbit: until the
            singular value is theta, at the start of the orbit,

            .. math:: \frac{\ln(\theta / \epsilon)}{\gamma} \quad (N = 2), \qquad
               \frac{\epsilon^{2-N} - \theta^{2-N}}{(N-2)\, \gamma} \quad (N > 2),

            and `half_time` from there. Exact to the part of the gradient that has changed at the
            start of the orbit. Infinite where no direction leaves W.

        Raises
        ------
        TypeError, ValueError
            If the scale is not a positive number, or so large that the loss has fallen by half
            before, or the path was not followed from here.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        >>> first = fixedrank.greedy_path(problem, 2, 1).stages[0]
        >>> round(first.plateau(1e-4) - first.plateau(1e-3), 6), round(float(np.log(10) / 3), 6)
        (0.767528, 0.767528)
        """
        size = positive_scale(scale)
        if self.escape_rate <= 0:
            return math.inf
        if self.half_time is None or self.theta is None:
            raise ValueError(
                f"the path ends at rank {self.rank}, so that the time from there to the next "
                "critical point is not known: ask greedy_path for a larger max_rank"
            )
        return _not_before(
            growth(size, self.theta, self.depth) / self.escape_rate + self.half_time, size, self
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class GreedyPath(Displayed):
    """What :func:`greedy_path` returns: the critical points, from W = 0 on.

    Attributes
    ----------
    stages : tuple of GreedyStage
        The critical points with their rates, directions and orbits.
    depth : float
        The depth N.
    status : str
        Why the path ends, in words, and whether escape rates are tied.
    """

    stages: tuple[GreedyStage, ...]
    depth: float
    status: str

    def __len__(self) -> int:
        return len(self.stages)

    def _shown_title(self) -> str:
        point = self.stages[0].point
        sizes = f"{point.u.shape[0]}x{point.vt.shape[1]}"
        return f"{type(self).__name__}: {len(self)} stages, {sizes} matrices, depth {self.depth:g}"

    def _shown_facts(self) -> dict[str, str]:
        return {
            "status": self.status,
            "ranks": some([str(stage.rank) for stage in self.stages], 8),
            "loss": from_to(self.loss),
            "escape rates": some([number(rate) for rate in self.escape_rate]),
        }

    def _shown_table(self) -> Table:
        rows = [
            [str(stage.rank), number(stage.loss), number(stage.escape_rate), number(stage.gap)]
            for stage in self.stages[:8]
        ]
        return Table(["rank", "loss", "escape rate", "gap"], rows)

    @property
    def loss(self) -> Array:
        """The losses at the stages: the heights of the plateaus."""
        return np.array([stage.loss for stage in self.stages])

    @property
    def escape_rate(self) -> Array:
        """The escape rates of the stages."""
        return np.array([stage.escape_rate for stage in self.stages])

    def arrival_times(self, scale: float) -> Array:
        r"""Return when a start of a given size arrives at each stage but the first.

        It arrives where the loss has fallen halfway to that of the stage. While it is at the
        stage of rank j, the singular value number l > j of the layers grows at the rate
        :math:`\gamma_{j, l-j}`, the singular value number l - j of minus the gradient there:
        it grows during all plateaus before its own, and arrives at the :math:`t_l` with

        .. math:: \sum_{j < l} \gamma_{j, l-j}\, (t_{j+1} - t_j) = \phi(\theta) - \phi(\epsilon),

        :math:`\phi(\sigma) = \ln \sigma` at N = 2 and :math:`-\sigma^{2-N} / (N-2)` beyond, in
        place of :math:`\gamma_{l-1, 1}` times the last plateau alone.

        Parameters
        ----------
        scale : float
            The singular values eps of the layers in the beginning.

        Returns
        -------
        ndarray, shape (stages - 1,)
            The times; NaN from where on an orbit has not come to rest, or not at the next rank.

        Raises
        ------
        TypeError, ValueError
            If the scale is not a positive number, or so large that the loss has fallen halfway to
            the first stage before.

        Notes
        -----
        Exact, to the part of the gradient that changes at the start of the orbits, where singular
        vectors do not turn: for white data and starts aligned with them. Otherwise at N = 2 it is
        the leading order: the times of other starts of size eps differ by what has a limit as
        eps tends to zero, as transitions take a time, and as only a part of a start points in the
        escape direction. For N > 2 that part counts by a factor: the first time is then a lower
        bound, to leading order, and the others are those of aligned starts.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        >>> path = fixedrank.greedy_path(problem, 2, 2)
        >>> (path.arrival_times(1e-4) - path.arrival_times(1e-3)).round(4)
        array([0.7675, 2.3026])
        """
        size = positive_scale(scale)
        times = np.full(len(self) - 1, math.nan)
        stays: list[float] = []
        for index, (stage, after) in enumerate(zip(self.stages, self.stages[1:], strict=False)):
            in_turn = stage.rank == index == after.rank - 1
            if stage.half_time is None or stage.theta is None or not in_turn:
                break
            missing = growth(size, stage.theta, self.depth) - sum(
                float(before.escape_rates[index - j]) * stay
                for j, (before, stay) in enumerate(zip(self.stages, stays, strict=False))
            )
            stay = missing / stage.escape_rate + stage.half_time
            stays.append(stay if index else _not_before(stay, size, stage))
            times[index] = sum(stays)
        return times

    def to_dataframe(self) -> Any:
        """Return a table with a row for each stage.

        Returns
        -------
        pandas.DataFrame
            With the columns rank, loss, escape_rate, gap, sigma_1, ..., where singular values
            beyond the rank are zero.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed; it comes with the extra `data`.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        >>> list(fixedrank.greedy_path(problem, 2, 2).to_dataframe())
        ['rank', 'loss', 'escape_rate', 'gap', 'sigma_1', 'sigma_2']
        """
        values = np.zeros((len(self), max(stage.point.s.size for stage in self.stages)))
        for row, stage in zip(values, self.stages, strict=True):
            row[: stage.rank] = stage.point.s[: stage.rank]
        return data_frame(
            rank=np.array([stage.rank for stage in self.stages]),
            loss=self.loss,
            escape_rate=self.escape_rate,
            gap=np.array([stage.gap for stage in self.stages]),
            sigma=values,
        )

    def plot(self, axes: Any = None, *, scale: float | None = None, **style: Any) -> Any:
        """Draw the loss along the orbits, and the heights of the plateaus.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            Where to draw, such as beside a trajectory; a new figure if left out.
        scale : float, optional
            The singular values of the layers of a start: each orbit is drawn where such a start
            arrives, by :meth:`arrival_times`. By default the least theta, the size of the starts of
            the orbits.
        **style
            Properties of the line, in place of those that the depth has.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        >>> figure = fixedrank.greedy_path(problem, 2, 2).plot(scale=1e-3)
        >>> figure.axes[0].get_ylabel()
        'loss $L^1(W(t))$'
        """
        return plot_greedy_path(self, axes, scale, style)


def positive_scale(scale: Any) -> float:
    """Return the size of a start, a positive number.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    if isinstance(scale, bool) or not isinstance(scale, (int, float, np.integer, np.floating)):
        raise TypeError(
            f"scale must be a positive number, the singular value of the layers, got {scale!r}"
        )
    if not 0 < scale < math.inf:
        raise ValueError(
            f"scale must be positive and finite, the singular value of the layers, got {scale!r}"
        )
    return float(scale)


def _not_before(time: float, size: float, stage: GreedyStage) -> float:
    """Return how long a start stays, which is not below zero."""
    if time < 0:
        raise ValueError(
            f"scale = {size:g} is no small start at rank {stage.rank}: it is beyond where the loss "
            f"has fallen by half, and the orbit from there begins at {stage.theta:.3g}"
        )
    return time


def half_time(orbit: RiemannianTrajectory, before: float) -> float | None:
    """Return when the loss is halfway, by the cubic through two outputs and their slopes."""
    fallen, drop = before - orbit.loss, before - float(orbit.loss[-1])
    if not drop > 0 or fallen[0] >= drop / 2:
        return None
    after = int(np.argmax(fallen >= drop / 2))
    span = float(orbit.t[after] - orbit.t[after - 1])
    a, b = (float(fallen[i]) / drop - 0.5 for i in (after - 1, after))
    # Of a flow dL/dt = -|grad|^2, which may leave floating point by itself.
    c, d = (float(g) * span / drop * float(g) for g in orbit.gradient_norm[after - 1 : after + 1])

    def miss(x: float) -> float:
        y = 1 - x
        return y * y * ((1 + 2 * x) * a + x * c) + x * x * ((1 + 2 * y) * b - y * d)

    part = float(brentq(miss, 0.0, 1.0)) if b > 0 else 1.0
    return float(orbit.t[after - 1]) + part * span
