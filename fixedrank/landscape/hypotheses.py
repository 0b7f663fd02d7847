"""Which theorem of the paper applies to a start, and what it promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fixedrank._aliases import LayersLike, PointLike
from fixedrank._checks import RankLostError
from fixedrank._shown import Displayed, Table, number
from fixedrank.geometry.factored.points import checked_point, is_triple
from fixedrank.geometry.metric.depth import as_metric, known_depth
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.landscape.certificates import RateCertificate, certify
from fixedrank.landscape.kept_ranks import partial_answer
from fixedrank.losses.regression import LinearRegression, require_data
from fixedrank.networks.gradients import widths_of
from fixedrank.networks.initial import product_point
from fixedrank.networks.layers import BALANCED, relative_imbalance


class Theorem(NamedTuple):
    """A theorem of the paper at a start, or another promise of its own kind.

    Parameters
    ----------
    name : str
        Its name in the paper.
    applies : bool
        Whether its hypotheses hold.
    statement : str
        What it promises, or which hypothesis fails.
    kind : str
        "theorem" of the paper; "certificate", proven on the library's pages from numbers of this
        start; "partial answer", which is not refereed; or "conjecture".
    """

    name: str
    applies: bool
    statement: str
    kind: str = "theorem"

    @property
    def label(self) -> str:
        """The name, with the kind of what is no theorem of the paper."""
        return self.name if self.kind == "theorem" else f"{self.name} ({self.kind})"


@dataclass(frozen=True, repr=False)
class Hypotheses(Displayed):
    """What :func:`check_hypotheses` found about a problem and a start.

    Attributes
    ----------
    depth : float
        The depth N.
    condition : float
        The condition number of X X^T, which has full rank, d_x.
    q, r, k : int
        The rank of Q, the smallest width (or the smaller dimension of a point), and the rank of
        the start.
    imbalance : float
        The largest norm of W_{j+1}^T W_{j+1} - W_j W_j^T, relative to the square of that of the
        largest layer.
    balanced : bool
        Whether this is at most 1e-10.
    theorems : tuple of Theorem
        For each theorem of the paper whether it applies, and what it promises or what fails; then
        what else is promised, with its kind.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    >>> start = fixedrank.random_balanced_factors([2, 1, 2], rng=0)
    >>> report = fixedrank.check_hypotheses(problem, start)
    >>> report.q, report.r, report.k, report.balanced
    (2, 1, 1, True)
    """

    depth: float
    condition: float
    q: int
    r: int
    k: int
    imbalance: float
    balanced: bool
    theorems: tuple[Theorem, ...]

    def _shown_title(self) -> str:
        return (
            f"{type(self).__name__}: N = {self.depth:g}, q = {self.q}, r = {self.r}, k = {self.k}"
        )

    def _shown_facts(self) -> dict[str, str]:
        names = ([t.label for t in self.theorems if t.applies is held] for held in (True, False))
        applies, fails = map("; ".join, names)
        state = "balanced" if self.balanced else "not balanced"
        return {
            "X X^T": f"full rank, condition {number(self.condition)}",
            "start": f"{state}, imbalance {number(self.imbalance)}",
            "applies": applies,
            "does not apply": fails,
        }

    def _shown_table(self) -> Table:
        rows = [[t.label, "yes" if t.applies else "no", t.statement] for t in self.theorems]
        return Table(["theorem", "applies", "statement"], rows)

    def __str__(self) -> str:
        state = "balanced" if self.balanced else "not balanced"
        setting = (
            f"N = {self.depth:g}; X X^T has full rank, condition {self.condition:.1e}; "
            f"q = rank Q = {self.q}, r = {self.r}, k = rank W(0) = {self.k}; "
            f"the start is {state} ({self.imbalance:.1e})"
        )
        theorems = (
            f"{theorem.label}: {'' if theorem.applies else 'does not apply: '}{theorem.statement}"
            for theorem in self.theorems
        )
        return "\n".join((setting, *theorems))


def check_hypotheses(
    problem: LinearRegression,
    start: PointLike | LayersLike,
    depth: float | SpectralMetric | None = None,
) -> Hypotheses:
    """Check the hypotheses of the paper's theorems at a start, and what is certain of it.

    That X X^T has full rank is known, as :class:`LinearRegression` asks for it; how nearly it
    fails is told by its condition number. Theorems for almost all starts say nothing about a
    particular one: the report says so where it matters. What :func:`certify` proves of this
    one start comes after them.

    Parameters
    ----------
    problem : LinearRegression
        The problem.
    start : sequence of array_like, FixedRankPoint or tuple (u, s, vt)
        The layers [W_1, ..., W_N] of a network, or a point of M_k for flow (9).
    depth : float, optional
        The depth N of the metric; for a point only.

    Returns
    -------
    Hypotheses
        A report; its text has a line for each theorem.

    Raises
    ------
    TypeError, ValueError
        If the start does not fit to the problem, or a depth is missing or given needlessly.

    References
    ----------
    Theorems 1, 4, 5 and 6 of the paper.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.0, 0.0]))
    >>> point = fixedrank.FixedRank(3, 3, 3, depth=3).random_point(rng=0)
    >>> print(fixedrank.check_hypotheses(problem, point, 3))
    N = 3; X X^T has full rank, condition 1.0e+00; q = rank Q = 2, r = 3, k = rank W(0) = 3; ...
    Theorem 4, 2: flow (9) is defined for all times, on M_3
    Theorem 6: as k = 3 > q = 2, for almost all starts on M_3 flow (9) tends to a critical ...
    Next critical value (certificate): does not apply: the loss is ... above the minimum, ...
    Rate (certificate): does not apply: k = 3 > q = rank Q = 2, and the minimum has a lower rank
    """
    require_data(problem, "check_hypotheses")
    condition = float(np.linalg.cond(problem.root) ** 2)
    q = problem.rank
    if is_triple(start):
        if depth is None:
            raise TypeError("check_hypotheses needs the depth N of the metric for a point")
        metric = as_metric(depth)
        number = known_depth(metric, "what theorems say")
        point = checked_point(start)
        shape, k = (point.u.shape[0], point.vt.shape[1]), point.s.size
        if shape != problem.shape:
            raise ValueError(f"the point is a {shape} matrix, the problem has {problem.shape}")
        metric.check_sizes(*shape, k)
        theorems = (*_of_points(number, q, k), *_of_certificate(certify(problem, point, metric)))
        return Hypotheses(number, condition, q, min(shape), k, 0.0, True, theorems)
    if depth is not None:
        raise TypeError("the depth of a network is its number of layers: leave depth out")
    layers = problem.checked_layers(start)
    imbalance = relative_imbalance(layers)
    balanced = imbalance <= BALANCED
    try:
        k = product_point(layers, balanced=balanced).s.size
    except RankLostError:
        k = 0
    r = min(widths_of(layers))
    theorems = _of_layers(len(layers), q, r, k, balanced)
    theorems += _of_certificate(certify(problem, layers))
    if len(layers) > 2:
        held, statement = partial_answer(problem, layers)
        theorems += (Theorem("Conjecture", held, statement, "partial answer"),)
    return Hypotheses(float(len(layers)), condition, q, r, k, imbalance, balanced, theorems)


def _of_layers(depth: int, q: int, r: int, k: int, balanced: bool) -> tuple[Theorem, ...]:
    best = min(q, r)
    theorems = [
        Theorem("Theorem 1", True, "the layers converge to a critical point of L^N"),
        Theorem(
            "Theorem 4, 1",
            balanced and k > 0 and depth > 1,
            f"the product stays on M_{k} and solves flow (9)"
            if balanced and k and depth > 1
            else "it needs N >= 2, not 1: one layer may lose rank"
            if depth == 1
            else "the layers are not balanced"
            if k
            else "the product is zero, and there is no M_0",
        ),
        Theorem(
            "Theorem 5 (a)",
            True,
            "for almost all starts the limit of the product is a global minimizer of L^1 on the "
            f"matrices of its rank, which lies between 0 and min(q, r) = {best}",
        ),
        Theorem(
            "Theorem 5 (b)",
            depth == 2,
            "for almost all starts the layers converge to a global minimum of L^N"
            if depth == 2
            else f"it needs N = 2, not {depth}; for N >= 3 the paper conjectures it",
        ),
    ]
    if balanced and depth > 1:
        note = "balanced layers are a set of measure zero, so Theorem 5 says nothing of this one"
        theorems[2:] = [
            t._replace(statement=f"{t.statement} ({note})") if t.applies else t
            for t in theorems[2:]
        ]
        if k:
            theorems += _of_points(depth, q, k)[1:]
    return tuple(theorems)


def _of_certificate(found: RateCertificate) -> tuple[Theorem, ...]:
    gap = (
        f"the loss is {found.excess:.4g} above the minimum, the next critical value {found.gap:.4g}"
    )
    limit = f"the limit is a minimum of all matrices of the rank: {gap}" if found.basin else gap
    rate = (
        f"the loss falls at a rate of at least {found.rate:.4g}, {found.final_rate:.4g} in the end"
    )
    return (
        Theorem("Next critical value", found.basin, limit, "certificate"),
        Theorem("Rate", found.applies, rate if found.applies else found.reason, "certificate"),
    )


def _of_points(depth: float, q: int, k: int) -> tuple[Theorem, ...]:
    if depth < 2:
        fails = f"it needs N >= 2, not {depth:g}"
        return Theorem("Theorem 4, 2", False, fails), Theorem("Theorem 6", False, fails)
    lower = f"a critical point on some M_l with l < {k}"
    end = (
        f"as k = {k} > q = {q}, for almost all starts on M_{k} flow (9) tends to {lower}"
        if k > q
        else f"for almost all starts on M_{k} flow (9) tends to the global minimum of L^1 there, "
        f"or to {lower}"
    )
    return (
        Theorem("Theorem 4, 2", True, f"flow (9) is defined for all times, on M_{k}"),
        Theorem("Theorem 6", True, end),
    )
