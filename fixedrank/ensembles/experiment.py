"""The description of an ensemble: what is run from which starts, and how precisely."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from fixedrank._aliases import LayersLike, LossLike
from fixedrank._checks import (
    Array,
    integer_sequence,
    nonnegative_number,
    positive_integer,
    positive_number,
)
from fixedrank._fingerprint import LATER, fingerprint
from fixedrank._shown import Displayed, name_of, number, some
from fixedrank.ensembles.certificate import Certificate, DecayCertificate
from fixedrank.ensembles.flow import LayerFlow
from fixedrank.ensembles.outcomes import CriticalValues, Outcome, RestAndRank
from fixedrank.ensembles.starts import BalancedStart, GaussianStart
from fixedrank.losses.adapted import as_loss
from fixedrank.losses.moment_loss import MomentLoss
from fixedrank.losses.regression import LinearRegression, require_data
from fixedrank.networks.gradients import widths_of
from fixedrank.networks.layers import checked_layers

Initialisation = Callable[[list[int], np.random.Generator], LayersLike]


@dataclass(frozen=True, eq=False, repr=False)
class Experiment(Displayed):
    r"""A picklable description of an ensemble: gradient flow (5) from random initial layers.

    Parameters
    ----------
    problem : LinearRegression or any object with ``loss(W)`` and ``gradient(W)``
        The loss. Of a regression by its data, as arrays, the critical values make limits certain.
        Runs of any other loss go one by one, at most to where they rest, and nothing is certified.
    widths : sequence of int
        The widths [d_0, ..., d_N]; the depth N is their number less one.
    initialisation : str or callable
        "gaussian": independent entries of standard deviation `scale`, for None 1/sqrt(d_j);
        "balanced": balanced layers over a random W(0) of rank `rank`, whose singular values are
        uniform in [scale / 2, 3 scale / 2], for None scale 1, so that the product follows flow (9);
        or a function of the widths and a generator that returns layers (of a module, so that it
        can be pickled).
    scale : float, optional
        See `initialisation`.
    rank : int, optional
        The rank of balanced starts, the smallest width if left out.
    end : float
        The time at which a run ends that has not come close to the minimum, or to rest, before.
    tolerance : float
        A run of a regression stops when its loss is this close to the minimum, relative to the gap
        between the minimum and the next higher critical value.
    rtol : float
        Relative tolerance of the integration; where runs are stiff, rtol^(2/3) of a stabilised one.
    atol : float, optional
        Absolute tolerance; if left out, a thousandth of `rtol`, of the size of each network, and
        for other losses than regressions as in :func:`factored_flow`.
    weight_decay : float
        The rate lambda >= 0 of weight decay, -lambda W_j in the velocity of each layer. Minimum,
        tolerance and all recorded losses are then those of the objective, with lambda / 2 times the
        sum of all ``|W_j|^2``. Critical values are known if X X^T is a multiple of the identity;
        other runs go one by one to where they rest, and of two layers a dual certificate tells
        whether that is the minimum.
    continue_to : float, optional
        A later time, to which runs of a regression go on that are not decided at `end`.

    Raises
    ------
    TypeError, ValueError
        If a value is out of range or does not fit to the others, or a regression has no Q.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.0, 1.0]))
    >>> experiment = fixedrank.Experiment(problem, [3, 2, 3], scale=0.1)
    >>> [factor.shape for factor in experiment.start(seed=0)]
    [(2, 3), (3, 2)]
    """

    problem: LossLike
    widths: Sequence[int]
    initialisation: str | Initialisation = "gaussian"
    scale: float | None = None
    rank: int | None = None
    end: float = 1000.0
    tolerance: float = 1e-6
    rtol: float = 1e-6
    atol: float | None = None
    weight_decay: float = field(default=0.0, metadata=LATER)
    continue_to: float | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        if isinstance(self.problem, type):
            raise TypeError(
                f"problem must be a LinearRegression or another loss, got the class {self.problem}"
            )
        shape = as_loss(self.problem).shape
        if isinstance(self.problem, MomentLoss):
            require_data(self.problem, "an experiment with a regression")
        widths = integer_sequence("widths", self.widths)
        if len(widths) < 2 or (shape and (widths[-1], widths[0]) != tuple(shape)):
            given = f"d_x = {shape[1]} to d_y = {shape[0]}" if shape else "d_x to d_y"
            raise ValueError(f"widths must run from {given}, got {widths}")
        object.__setattr__(self, "widths", tuple(widths))
        if not callable(self.initialisation) and self.initialisation not in _KINDS:
            raise ValueError(
                f"unknown initialisation {self.initialisation!r}: choose {' or '.join(_KINDS)}, "
                "or pass a function of widths and a generator"
            )
        for name in ("scale", "end", "continue_to", "tolerance", "rtol", "atol"):
            value = getattr(self, name)
            if value is not None:
                positive_number(name, value)
        nonnegative_number("weight_decay", self.weight_decay)
        if self.continue_to is not None and self.continue_to < self.end:
            raise ValueError(
                f"continue_to must not be before the end {self.end:g}, got {self.continue_to:g}"
            )
        if self.tolerance >= 1:
            raise ValueError(
                f"tolerance must be below 1, got {self.tolerance}: up to the next critical value "
                "the limit is not decided"
            )
        if self.rank is not None:
            if self.initialisation != "balanced":
                raise ValueError("rank is for balanced starts: initialisation='balanced'")
            if positive_integer("rank", self.rank) > min(widths):
                raise ValueError(
                    f"rank {self.rank} is above the smallest width {min(widths)} of {widths}"
                )

    def _shown_title(self) -> str:
        widths = some([str(width) for width in self.widths], 8)
        return f"{type(self).__name__}: gradient flow of {self.depth} layers of widths {widths}"

    def _shown_facts(self) -> dict[str, str]:
        start = self.initialisation if isinstance(self.initialisation, str) else ""
        start = start or name_of(self.initialisation)
        of_start = [("scale", self.scale), ("rank", self.rank)]
        details = [f"{name} {number(value)}" for name, value in of_start if value is not None]
        tolerances = [("rtol", self.rtol), ("atol", self.atol), ("of the loss", self.tolerance)]
        return {
            "problem": name_of(self.problem).partition("\n")[0].strip("<>"),
            "start": ", ".join([start, *details]),
            "weight decay": number(self.weight_decay) if self.weight_decay else "",
            "end": f"t = {number(self.end)}"
            + (f", undecided {number(self.continue_to)}" if self.continue_to else ""),
            "tolerances": ", ".join(
                f"{name} {number(value)}" for name, value in tolerances if value is not None
            ),
        }

    @property
    def depth(self) -> int:
        """The number of layers N."""
        return len(self.widths) - 1

    @cached_property
    def certificate(self) -> Certificate | DecayCertificate | None:
        """What makes a limit certain: the critical values of a regression.

        None of other losses, and with weight decay of data that are not white.
        """
        if not isinstance(self.problem, LinearRegression) or not self._of_data:
            return None
        most = min(self.run_widths)
        if not self.weight_decay:
            return Certificate(self.problem, most)
        found = DecayCertificate(self.problem, most, self.weight_decay, self.depth)
        try:
            _ = found.values
        except ValueError:
            return None
        return found

    @property
    def _of_data(self) -> bool:
        """Whether the loss is a regression by its data; a class of its own may have another."""
        return type(self.problem) is LinearRegression

    def _certain(self) -> Certificate | DecayCertificate:
        if self.certificate is None and self.weight_decay and self._of_data:
            raise TypeError(
                "with weight decay critical values are known of white data only, X X^T = c I: "
                "limits of this experiment are told from rest and rank"
            )
        if self.certificate is None:
            raise TypeError(
                f"no critical values of a {type(self.problem).__name__} are known, as they are of "
                "a LinearRegression: limits of this experiment are told from rest and rank"
            )
        return self.certificate

    @property
    def limit_rank(self) -> int:
        """The rank of the minimum that a run can reach: min(q, r), or min(q, rank) if balanced."""
        return self._certain().rank

    @property
    def minimum(self) -> float:
        """The least loss that a run can reach."""
        return self._certain().minimum

    @property
    def unreached(self) -> float:
        """The least loss that a run can reach, without what no matrix can fit."""
        return self._certain().unreached

    @property
    def next_critical_gap(self) -> float:
        """The next higher critical value of the loss, above the minimum; infinite if there is none.

        A run whose loss is below it converges to the minimum.
        """
        return self._certain().gap

    @property
    def outcome(self) -> Outcome:
        """What is told of its runs."""
        if self.certificate is None:
            return RestAndRank()
        return CriticalValues(self.certificate, self.tolerance)

    @property
    def flow(self) -> LayerFlow:
        """The flow that its runs follow."""
        decay = float(self.weight_decay)
        return LayerFlow(self.end, self.rtol, self.atol, decay, self.continue_to)

    @property
    def beginning(self) -> Initialisation:
        """The start: the initialisation, or what its name stands for."""
        if self.initialisation == "gaussian":
            return GaussianStart(self.scale)
        if self.initialisation == "balanced":
            return BalancedStart(self.scale, self.rank)
        assert callable(self.initialisation)
        return self.initialisation

    @property
    def run_widths(self) -> tuple[int, ...]:
        """The widths of the layers that are integrated: the least ones for the same products."""
        start = self.beginning
        widths = tuple(self.widths)
        return start.narrowest(widths) if isinstance(start, BalancedStart) else widths

    def start(self, seed: int, *, reduced: bool = False) -> list[Array]:
        """Return the initial layers of a seed.

        Parameters
        ----------
        seed : int
            The seed.
        reduced : bool
            Whether balanced layers have the widths `run_widths`, for the same product.

        Returns
        -------
        list of ndarray
            The layers [W_1, ..., W_N].

        Raises
        ------
        ValueError
            If a function of your own returns layers of other shapes, or entries are not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.eye(2))
        >>> experiment = fixedrank.Experiment(problem, [2, 2, 2], "balanced", rank=1)
        >>> int(np.linalg.matrix_rank(fixedrank.product(experiment.start(0))))
        1
        """
        widths = self.run_widths if reduced else self.widths
        start = self.beginning
        # What one of the library returns is right, unless it overflows.
        own = type(start) in (GaussianStart, BalancedStart)
        with np.errstate(over="ignore", invalid="ignore"):
            layers: Any = start(list(widths), np.random.default_rng(seed))
            if own and math.isfinite(sum(float(layer.sum()) for layer in layers)):
                return layers
        layers = checked_layers(layers, (widths[-1], widths[0]))
        found = widths_of(layers)
        if found != list(widths):
            raise ValueError(f"the initialisation returned widths {found}, not {list(widths)}")
        return layers

    def fingerprint(self) -> str:
        """Return a hash of all that decides the results, to recognise the experiment on disk."""
        return fingerprint(self, self.beginning, self.flow, self.outcome)


_KINDS = ("gaussian", "balanced")
