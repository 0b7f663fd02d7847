"""What Langevin dynamics leave behind: points of all copies at the output times, and averages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fixedrank._checks import Array, finite_array, number_of_axes, real_array
from fixedrank._shown import Displayed, from_to, number
from fixedrank.flows.saving import Saved
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.plotting import plot_langevin
from fixedrank.thermodynamics.correlation import effective_samples


@dataclass(frozen=True, kw_only=True, repr=False)
class LangevinTrajectory(Displayed, Saved):
    r"""Points of Langevin dynamics at the output times, of one copy or of many.

    Arrays have the axes (times, copies, ...), without that of the copies where there is one point
    at the start and no more copies are asked for.

    Attributes
    ----------
    t : ndarray, shape (times,)
        The output times that were reached.
    points : FixedRankPoint
        The points, arrays of shapes (times, copies, m, k), (times, copies, k) and
        (times, copies, k, n).
    loss : ndarray, shape (times, copies)
        The loss, without what decay and entropy add.
    depth, temperature, weight_decay : float
        N, T and lambda, with the decay that was a term of the loss.
    widths : tuple of int or None
        The widths of the layers whose entropy counts.
    method : str
        "splitting" or "euler".
    step : float
        The longest step that was allowed.
    shortened : float
        The share of the steps down the gradient that were cut, since they would have gone further
        than W^(1/N) is long. Where a copy had more than a few in a thousand cut, the status says
        that the step is too long.
    status : str
        Why the run ended, in words.
    complete : bool
        Whether all output times were reached.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> start = fixedrank.FixedRank(2, 2, 1, depth=2).point([[3.0, 0.0], [0.0, 0.0]])
    >>> times = np.linspace(0, 1, 21)
    >>> run = fixedrank.langevin(problem, start, 2, times, temperature=0.1, copies=500, rng=0)
    >>> mean, error = run.observable(lambda point: point.s[0])
    >>> bool(abs(mean[-1] - 3) < 0.1 and error[-1] < 0.02)
    True
    """

    t: Array
    points: FixedRankPoint
    loss: Array
    depth: float
    temperature: float
    weight_decay: float
    widths: tuple[int, ...] | None
    method: str
    step: float
    shortened: float
    status: str
    complete: bool

    def __len__(self) -> int:
        return len(self.t)

    @property
    def copies(self) -> int:
        """The number of copies."""
        return self.loss.shape[1] if self.loss.ndim == 2 else 1

    @property
    def singular_values(self) -> Array:
        """The singular values, shape (times, copies, k), descending."""
        return self.points.s

    @property
    def last(self) -> FixedRankPoint:
        """The points at the last time, from which a run can go on."""
        return FixedRankPoint(*(part[-1] for part in self.points))

    def observable(
        self, function: Callable[[FixedRankPoint], Any] | ArrayLike
    ) -> tuple[Array, Array]:
        """Return the mean of a quantity over the copies, and its standard error, at each time.

        Parameters
        ----------
        function : callable or array_like, shape (times, copies, ...)
            A function of a point, whose values are numbers or arrays; or the values themselves,
            such as ``run.loss``. What takes arrays is faster of all points at once:
            ``fixedrank.log_fibre_volume(run.points, widths)``.

        Returns
        -------
        tuple of ndarray, shape (times, ...)
            The means, and the standard errors: the copies are independent. Of one copy these are
            NaN; :meth:`effective_sample_size` tells the error of an average over time.

        Raises
        ------
        TypeError, ValueError
            If the values are no real numbers, or not of these axes.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> decay = fixedrank.SchattenDecay(1.0, 2)
        >>> start = fixedrank.FixedRank(3, 2, 1, depth=2).random_gibbs(1.0, size=2000, rng=0)
        >>> run = fixedrank.langevin(decay, start, 2, [0, 1], temperature=1.0, step=0.5, rng=1)
        >>> mean, error = run.observable(2 * run.singular_values[..., 0])  # r^2 = N s^(2/N)
        >>> bool((np.abs(mean - 4) < 4 * error).all())  # k (m + n - k) = 4
        True
        """
        values = self._values(function)
        if self.loss.ndim == 1:
            return values, np.full_like(values, math.nan)
        count = values.shape[1]
        if count == 1:
            return values[:, 0], np.full_like(values[:, 0], math.nan)
        return values.mean(axis=1), values.std(axis=1, ddof=1) / math.sqrt(count)

    def _values(self, function: Any) -> Array:
        axes = self.loss.shape
        if not callable(function):
            values = real_array("the values", function)
            if values.shape[: len(axes)] != axes:
                raise ValueError(
                    f"the values have shape {values.shape}, but there are {axes} times and copies: "
                    "give them along these axes, or a function of a point"
                )
            return values
        u, s, vt = (part.reshape(-1, *part.shape[len(axes) :]) for part in self.points)
        values = real_array(
            "the values of the function",
            [function(FixedRankPoint(*W)) for W in zip(u, s, vt, strict=True)],
        )
        return values.reshape(*axes, *values.shape[1:])

    def effective_sample_size(self, values: ArrayLike) -> float:
        """Return how many independent samples a stationary series is worth.

        The mean of all its values is as exact as that of so many independent ones: its standard
        error is ``values.std() / sqrt(size)``.

        Parameters
        ----------
        values : array_like, shape (times,) or (times, copies)
            Values at times of equal distance, after the start has been forgotten; all or some of
            those of the trajectory.

        Returns
        -------
        float
            The number of values over 1 + 2 times the sum of their autocorrelations, which ends
            where the sum of two neighbours is no longer positive (Geyer's initial monotone
            sequence). Autocorrelations are averaged over the copies.

        Raises
        ------
        TypeError, ValueError
            If the values are not of one or two axes, are not finite, or do not vary.

        References
        ----------
        C. J. Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7, 1992.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> decay = fixedrank.SchattenDecay(1.0, 2)
        >>> start = fixedrank.FixedRank(3, 2, 1, depth=2).random_gibbs(1.0, rng=0)
        >>> times = np.arange(2000.0)
        >>> run = fixedrank.langevin(decay, start, 2, times, temperature=1.0, step=1, rng=1)
        >>> 1000 < run.effective_sample_size(run.singular_values[:, 0]) < 2000
        True
        """
        axes = number_of_axes(values)
        if axes not in (1, 2):
            raise ValueError(
                "values have the axes (times,) or (times, copies), got an array of shape "
                f"{np.shape(values)}"
            )
        return effective_samples(finite_array("values", values, axes))

    def plot(self, axes: Any = None, *, label: str | None = None, **style: Any) -> Any:
        """Draw the loss and the singular values: means over the copies, in bands.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
            For the loss and for the singular values, so that runs overlay: give the next run
            ``figure.axes`` of the first. A new figure is made if they are left out; it does not
            belong to pyplot.
        label : str, optional
            What a legend says of the run.
        **style
            Properties of the lines, such as ``color``, in place of those that
            :func:`fixedrank.plotting.depth_style` gives to the depth.

        Returns
        -------
        matplotlib.figure.Figure
            The figure. Bands hold the middle 80 % of the copies.

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        ValueError
            If there are not two axes.
        """
        return plot_langevin(self, axes, label, style)

    def _shown_title(self) -> str:
        m, k = self.points.u.shape[-2:]
        return (
            f"{type(self).__name__}: {m}x{self.points.vt.shape[-1]} matrices of rank {k}, "
            f"depth {self.depth:g}"
        )

    def _shown_facts(self) -> dict[str, str]:
        mean = self.loss if self.loss.ndim == 1 else self.loss.mean(axis=1)
        return {
            "status": self.status,
            "outputs": f"{len(self)}, t = {from_to(self.t)}",
            "copies": f"{self.copies}",
            "temperature": number(self.temperature),
            "weight decay": number(self.weight_decay) if self.weight_decay else "",
            "entropy": "" if self.widths is None else f"of the widths {list(self.widths)}",
            "steps": f"{self.method}, up to {number(self.step)}"
            + (f", {self.shortened:.2%} shortened" if self.shortened else ""),
            "mean loss": from_to(mean),
        }
