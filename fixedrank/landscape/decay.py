r"""The landscape with weight decay on white data, C = c I, from the singular values of B.

With B = sum b_i u_i v_i^T the critical points of L^1 + R on M_k,
R = (lambda N / 2) sum s^(2/N), are the sums of s_i u_i v_i^T over k of the indices, where s_i is a
root of c s + lambda s^(2/N-1) = b_i: there is at most one for N <= 2, and for N > 2 an upper and a
lower one if b_i >= b*. Each index adds its own energy c s^2/2 - b s + R(s), and the Hessian is
diagonal but for pairs: with g = R',

    M_aa: c + g'(s_a);  M_ab +- M_ba: c + (g_a -+ g_b) / (s_a -+ s_b);
    Up_j and Vp_j along u_l and v_l, l not in J: (b_j +- b_l) / s_j,

each times the weights of the metric.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from fixedrank._checks import Array, nonnegative_number
from fixedrank.geometry.metric.depth import known_depth
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.landscape.subsets import best_subsets
from fixedrank.losses.moments import nearest_white
from fixedrank.losses.regression import LinearRegression, require_data
from fixedrank.losses.schatten import SchattenDecay
from fixedrank.losses.schatten_roots import schatten_threshold

# Of smaller roots beside b the quotient b / s is no number.
_LEAST = 1e-290


class Choice(NamedTuple):
    """A critical point: indices, ascending, and for each whether its root is the upper one."""

    indices: tuple[int, ...]
    upper: tuple[bool, ...]


@dataclass(frozen=True)
class WhiteDecay:
    """White data with weight decay.

    Parameters
    ----------
    problem : LinearRegression
        The problem.
    penalty : SchattenDecay
        The decay, positive.
    c : float
        X X^T = c I.
    """

    problem: LinearRegression
    penalty: SchattenDecay
    c: float

    @cached_property
    def targets(self) -> Array:
        """The b_i / c, descending: singular values of the minimiser without decay."""
        return np.asarray(self.problem.svd[1] / math.sqrt(self.c))

    @property
    def tolerance(self) -> float:
        """Round-off of the b_i / c: those that differ by less are the same."""
        return self.problem.tolerance / math.sqrt(self.c)

    @cached_property
    def spinodal(self) -> float:
        """The least b / c with a root."""
        return SchattenDecay(self.penalty.weight_decay / self.c, self.penalty.depth).spinodal[1]

    @cached_property
    def upper(self) -> Array:
        """The upper roots of those indices that have roots, which are the first ones."""
        roots = self._roots("upper")
        # At N = 2 a root of the size of round-off is none: the index belongs to zero.
        least = self.tolerance if self.penalty.depth <= 2 else 0.0
        return roots[: int(((roots > least) & (self.targets > self.tolerance)).sum())]

    @cached_property
    def lower(self) -> Array:
        """The lower roots of those indices that have two that differ; NaN where they underflow."""
        if self.penalty.depth <= 2:
            return np.zeros(0)
        count = int((self.targets > self.spinodal + self.tolerance).sum())
        roots = self._roots("lower")[:count]
        # Close to N = 2 they are powers of b / lambda with a large exponent.
        return np.where(roots > _LEAST * self.targets[:count], roots, np.nan)

    def _roots(self, branch: Literal["upper", "lower"]) -> Array:
        decay = self.penalty.weight_decay / self.c
        return schatten_threshold(self.targets, decay, self.penalty.depth, branch)

    def energies(self, s: Array) -> Array:
        """Return what the first indices add to the objective of W = 0, with these roots."""
        b = self.targets[: s.size]
        return np.asarray(self.c * s * (s / 2 - b) + self.penalty.values(s))

    def sizes(self, choice: Choice) -> Array:
        """Return the singular values of a critical point, in the order of its indices."""
        pairs = zip(choice.indices, choice.upper, strict=True)
        return np.array([self.upper[i] if up else self.lower[i] for i, up in pairs])

    def choices(self, k: int) -> Iterator[Choice]:
        """Yield the critical points of rank k by ascending objective."""
        energies = self.energies(self.upper)
        # To take the lower root in place of the upper one costs more the larger b is.
        flips = (self.energies(self.lower) - energies[: self.lower.size]).tolist()
        subsets = best_subsets((-energies).tolist(), k)
        # Of each subset seen what comes next; the number settles ties.
        heap: list[tuple[float, int, Choice, Iterator[tuple[float, Choice]]]] = []
        number, following = itertools.count(), next(subsets, None)
        while heap or following is not None:
            base = math.inf if following is None else float(energies[list(following)].sum())
            if following is not None and (not heap or base <= heap[0][0]):
                variants = _flipped(following, flips, base)
                following = next(subsets, None)
            else:
                _, _, choice, variants = heapq.heappop(heap)
                yield choice
            for value, variant in itertools.islice(variants, 1):
                heapq.heappush(heap, (value, next(number), variant, variants))

    def index_and_nullity(self, choice: Choice) -> tuple[int, int]:
        """Return the numbers of negative and of zero eigenvalues of the Hessian."""
        chosen, upper = list(choice.indices), np.array(choice.upper, dtype=bool)
        b = self.targets[chosen]
        others = np.delete(self.targets, chosen)
        outside = np.subtract.outer(others, b)
        # Of a lower root and another one, which of both is larger; two lower ones always fall.
        inside = np.subtract.outer(b[~upper], b[upper])
        lower = int((~upper).sum())
        negative = (outside > self.tolerance).sum() + (inside > self.tolerance).sum()
        null = (abs(outside) <= self.tolerance).sum() + (abs(inside) <= self.tolerance).sum()
        return int(negative) + lower * (lower + 1) // 2, int(null) + self.meeting(choice)

    def meeting(self, choice: Choice) -> int:
        """Return how many roots are at the spinodal, where the upper and the lower one meet."""
        if self.penalty.depth <= 2:
            return 0
        return sum(i >= self.lower.size for i in choice.indices)

    def misfit(self, choice: Choice) -> float:
        """Return L^1 at a critical point, less what no matrix can fit."""
        chosen, q = list(choice.indices), self.problem.svd[1]
        missed = math.sqrt(self.c) * (self.sizes(choice) - self.targets[chosen])
        left = np.delete(q, chosen)
        return float(missed @ missed + left @ left) / 2

    def penalty_of(self, choice: Choice) -> float:
        """Return R at a critical point."""
        return float(self.penalty.values(self.sizes(choice)).sum())

    def least(self, rank: int) -> Choice:
        """Return the minimum of all matrices of at most some rank: at b_t the lower rank."""
        # For N <= 2 every root gains, however little.
        jump = self.penalty.depth > 2
        gains = -self.energies(self.upper) > (self._round_off(self.upper) if jump else 0.0)
        count = min(int(gains.sum()), rank)
        return Choice(tuple(range(count)), (True,) * count)

    def is_least(self, choice: Choice) -> bool:
        """Say whether no matrix of this rank or less has a lower objective, beyond round-off."""
        return self.excess(choice, self.least(len(choice.indices))) == 0

    def excess(self, choice: Choice, best: Choice) -> float:
        """Return the objective of a critical point less that of a better one, 0 for round-off.

        Of what both have nothing is added up: it may be much larger.
        """
        own, other = (set(zip(*one, strict=True)) for one in (choice, best))
        value = allowed = 0.0
        for sign, parts in ((1, own - other), (-1, other - own)):
            for index, up in parts:
                roots = (self.upper if up else self.lower)[: index + 1]
                value += sign * float(self.energies(roots)[-1])
                allowed += float(self._round_off(roots)[-1])
        return value if value > allowed else 0.0

    def _round_off(self, s: Array) -> Array:
        """Return that of energies: a change of b moves them by s times as much."""
        return np.asarray(2 * self.c * self.tolerance * s)

    @property
    def energy_tolerance(self) -> float:
        """Round-off of energies: a change of b moves them by s <= b / c times as much."""
        return float(2 * self.problem.tolerance * self.problem.svd[1].max(initial=0.0))

    def spectrum(self, choice: Choice, metric: SpectralMetric) -> Array:
        """Return the eigenvalues of the Hessian of the objective, ascending."""
        (m, n), s = self.problem.shape, self.sizes(choice)
        k, least = s.size, min(m, n)
        metric.check_sizes(m, n, k)
        if k == 0:
            return np.zeros(0)
        slopes = self.penalty.slopes(s)
        tangential, (left, right) = metric.tangential(s), metric.normal(s)
        symmetric = tangential * (self.c + self.penalty.divided_slopes(s))
        skew = tangential * (self.c + (slopes[:, None] + slopes) / (s[:, None] + s))
        own = self.c + slopes / s
        others = self.c * np.delete(self.targets, list(choice.indices))
        pairs = np.zeros((k, least - k, 2, 2))
        pairs[..., 0, 0], pairs[..., 1, 1] = (left * own)[:, None], (right * own)[:, None]
        pairs[..., 0, 1] = pairs[..., 1, 0] = np.outer(np.sqrt(left) * np.sqrt(right) / s, others)
        rows, columns = np.triu_indices(k), np.triu_indices(k, 1)
        parts = (
            symmetric[rows],
            skew[columns],
            np.linalg.eigvalsh(pairs).ravel(),
            np.repeat(left * own, m - least),
            np.repeat(right * own, n - least),
        )
        return np.sort(np.concatenate(parts))


def white_decay(
    problem: LinearRegression,
    weight_decay: float,
    depth: float | SpectralMetric | None,
    what: str,
) -> WhiteDecay | None:
    """Return the data with decay, None without decay.

    Raises
    ------
    TypeError, ValueError
        If the decay is negative, there is no depth with it, or the data are not white.
    """
    decay = nonnegative_number("weight_decay", weight_decay)
    if decay == 0:
        return None
    if depth is None:
        raise TypeError(
            f"{what} with weight decay depends on the number of layers: say depth=N beside "
            f"weight_decay={decay:g}"
        )
    require_data(problem, what)
    penalty = SchattenDecay(decay, known_depth(depth, f"{what} with weight decay"))
    c, white, spread = nearest_white(problem.C)
    if not white:
        advice = (
            "; at depth 2 dual_certificate(problem, point, weight_decay) says of a point whether "
            "it is the minimum"
            if penalty.depth == 2
            else ""
        )
        raise ValueError(
            f"{what} with weight decay is known for white data only, and X X^T differs from "
            f"{c:.6g} I by {spread:.3e}{advice}"
        )
    return WhiteDecay(problem, penalty, c)


def _flipped(
    indices: tuple[int, ...], costs: Sequence[float], base: float
) -> Iterator[tuple[float, Choice]]:
    """Yield all choices of roots of these indices by ascending objective, upper ones first."""
    yield base, Choice(indices, (True,) * len(indices))
    # Those that have a lower root, the cheapest first: the costs fall with the index.
    able = [i for i in reversed(indices) if i < len(costs) and not math.isnan(costs[i])]
    heap: list[tuple[float, tuple[int, ...]]] = []
    if able:
        heap.append((base + costs[able[0]], (0,)))
    while heap:
        value, places = heapq.heappop(heap)
        flipped = {able[place] for place in places}
        yield value, Choice(indices, tuple(i not in flipped for i in indices))
        last = places[-1]
        if last + 1 < len(able):
            further = costs[able[last + 1]]
            heapq.heappush(heap, (value + further, (*places, last + 1)))
            moved = value + further - costs[able[last]]
            heapq.heappush(heap, (moved, (*places[:-1], last + 1)))
