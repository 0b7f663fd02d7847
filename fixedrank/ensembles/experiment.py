"""The description of an ensemble: what is run from which starts, and how precisely."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fixedrank._checks import Array, integer_sequence, positive_integer
from fixedrank._fingerprint import fingerprint
from fixedrank.losses.regression import LinearRegression
from fixedrank.networks.initial import balanced_factors, gaussian_factors

Initialisation = Callable[[list[int], np.random.Generator], Sequence[Any]]


@dataclass(frozen=True, eq=False)
class Experiment:
    r"""A picklable description of an ensemble: gradient flow (5) from random initial layers.

    Parameters
    ----------
    problem : LinearRegression
        The problem.
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
        The time at which a run ends that has not come close to the minimum before.
    tolerance : float
        A run stops when its loss is this close to the minimum, relative to the gap between the
        minimum and the next higher critical value.
    rtol : float
        Relative tolerance of the integration.
    atol : float, optional
        Absolute tolerance; if left out, a thousandth of `rtol`, of the size of each network.

    Raises
    ------
    TypeError, ValueError
        If a value is out of range or does not fit to the others.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.0, 1.0]))
    >>> experiment = fixedrank.Experiment(problem, [3, 2, 3], scale=0.1)
    >>> [factor.shape for factor in experiment.start(seed=0)]
    [(2, 3), (3, 2)]
    """

    problem: LinearRegression
    widths: Sequence[int]
    initialisation: str | Initialisation = "gaussian"
    scale: float | None = None
    rank: int | None = None
    end: float = 1000.0
    tolerance: float = 1e-6
    rtol: float = 1e-6
    atol: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.problem, LinearRegression):
            raise TypeError(f"problem must be a LinearRegression, got {self.problem!r}")
        widths = integer_sequence("widths", self.widths)
        if len(widths) < 2 or (widths[-1], widths[0]) != self.problem.shape:
            raise ValueError(
                f"widths must run from d_x = {self.problem.shape[1]} to d_y = "
                f"{self.problem.shape[0]}, got {widths}"
            )
        object.__setattr__(self, "widths", tuple(widths))
        if not callable(self.initialisation) and self.initialisation not in _KINDS:
            raise ValueError(
                f"unknown initialisation {self.initialisation!r}: choose {' or '.join(_KINDS)}, "
                "or pass a function of widths and a generator"
            )
        for name in ("scale", "end", "tolerance", "rtol", "atol"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value!r}")
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

    @property
    def depth(self) -> int:
        """The number of layers N."""
        return len(self.widths) - 1

    @property
    def limit_rank(self) -> int:
        """The rank of the minimum that a run can reach: min(q, r), or min(q, rank) if balanced."""
        return min(self.problem.rank, *self.run_widths)

    @property
    def minimum(self) -> float:
        """The least loss that a run can reach."""
        return self.unreached + self.problem.residual**2 / 2

    @property
    def unreached(self) -> float:
        """The least loss that a run can reach, without what no matrix can fit."""
        return float((self.problem.svd[1][self.limit_rank :] ** 2).sum()) / 2

    @property
    def run_widths(self) -> tuple[int, ...]:
        """The widths of the layers that are integrated.

        The product of balanced layers depends on its start and on the depth only (Theorem 4), and
        its rank stays: so all layers between are as wide as the rank, and errors cannot raise it.
        """
        if self.initialisation != "balanced" or self.depth == 1:
            return tuple(self.widths)
        inner = (self.rank or min(self.widths),) * (self.depth - 1)
        return (self.widths[0], *inner, self.widths[-1])

    @property
    def next_critical_gap(self) -> float:
        """The next higher critical value of the loss, above the minimum.

        A run whose loss is below it converges to the minimum: the loss of a gradient flow falls,
        and by Theorem 1 the limit is a critical point. Infinite if the minimum is the only
        critical value.
        """
        squares, k = self.problem.svd[1][: self.problem.rank] ** 2, self.limit_rank
        if k == 0:
            return math.inf
        # Drop the last singular value, or exchange one for a smaller one.
        exchanges = np.subtract.outer(squares[:k], squares[k:])
        exchanges = exchanges[exchanges > 2 * self.problem.tolerance * self.problem.svd[1][0]]
        return float(min(squares[k - 1], exchanges.min(initial=math.inf))) / 2

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
            If a function of your own returns layers of other shapes.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.eye(2))
        >>> experiment = fixedrank.Experiment(problem, [2, 2, 2], "balanced", rank=1)
        >>> int(np.linalg.matrix_rank(fixedrank.product(experiment.start(0))))
        1
        """
        rng, widths = np.random.default_rng(seed), list(self.widths)
        if self.initialisation == "gaussian":
            return gaussian_factors(widths, scale=self.scale, rng=rng)
        if self.initialisation == "balanced":
            k = self.rank or min(widths)
            u, v = (np.linalg.qr(rng.standard_normal((d, k)))[0] for d in self.problem.shape)
            s = np.sort((self.scale or 1.0) * rng.uniform(0.5, 1.5, k))[::-1]
            return balanced_factors((u, s, v.T), self.run_widths if reduced else widths, rng=rng)
        assert callable(self.initialisation)
        layers = self.problem.checked_layers(self.initialisation(widths, rng))
        found = [layers[0].shape[1], *(layer.shape[0] for layer in layers)]
        if found != list(self.widths):
            raise ValueError(f"the initialisation returned widths {found}, not {list(self.widths)}")
        return layers

    def fingerprint(self) -> str:
        """Return a hash of all that decides the results, to recognise the experiment on disk."""
        return fingerprint(self)


_KINDS = ("gaussian", "balanced")
