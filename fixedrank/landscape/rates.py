r"""Proven rates of gradient flow: by the loss on M_k, and by the imbalances of layers.

With the excess D of the loss above its minimum the flow has D' = -<G, A_W(G)>, and each of the two
bounds <G, A_W(G)> from below by a multiple of D which only grows along the flow. The proofs are in
docs/mathematics/certificates.md.

What comes out is a lower bound of the rate: sizes that raise it are taken less their round-off, and
others with theirs on top, so that rounding gives no rate where there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.metric.depth import complement
from fixedrank.losses.regression import LinearRegression
from fixedrank.networks.gradients import widths_of
from fixedrank.networks.layers import differences

# Round-off of a sum of so many terms and a few more operations, relative to the largest term.
_ULPS = 16 * float(np.finfo(float).eps)


@dataclass(frozen=True)
class MatrixRate:
    """The rate on M_k as a function of how far the loss is above its minimum there.

    Parameters
    ----------
    depth : float
        The depth N, infinite or not.
    factor : float
        What all weights have in common: N where there are no normal directions, else 1.
    last, following : float
        A lower bound of singular value k of Q, and an upper one of the next.
    least, largest : float
        A lower bound of the smallest singular value of X, and an upper one of the largest.
    solution : float or None
        Where k = min(m, n), a lower bound of the smallest singular value of the minimiser.
    """

    depth: float
    factor: float
    last: float
    following: float
    least: float
    largest: float
    solution: float | None

    def __call__(self, excess: Array) -> Array:
        """Return the rate at which an excess falls, at least; zero where none is proven."""
        far, ratio = np.sqrt(2 * np.asarray(excess)), self.following / self.last
        gap = (1 - ratio) * (1 + ratio)
        below = (far / self.last) ** 2 < gap
        far = np.where(below, far, 0.0)
        away = (far / self.last) ** 2
        singular, slope = (self.last - far) / self.largest, 1.0
        if self.solution is None:
            inside = 1 - away / gap
            nearness = gap * inside / (inside + ratio**2 * (1 - inside))
            mixing = np.sqrt((ratio**2 + away) / (1 - away))
            slope = 2 * nearness / (nearness + (1 + mixing) ** 2)
        else:
            singular = np.maximum(singular, self.solution - far / self.least)
        weight = singular ** (2 * complement(self.depth))
        rate = 2 * self.factor * self.least**2 * weight * slope * (1 - _ULPS)
        return np.where(below, rate, 0.0)


def matrix_rate(problem: LinearRegression, k: int, depth: float) -> MatrixRate | None:
    """Return the rate on M_k; None where singular values k and k + 1 of Q tie, or k > q."""
    dense, (m, n) = problem._regular("a certified rate"), problem.shape
    least, largest = _singular_values_of_data(problem)
    values, off = problem.svd[1], _round_off_of_q(problem)
    last = float(values[k - 1]) - off
    full = k == min(m, n)
    following = 0.0 if full else float(values[k]) + off
    if k > problem.rank or last <= following:
        return None
    solution = None
    if full:
        # The singular values of W* = Q C^{-1/2}, in the coordinates of the singular vectors of X.
        s = np.linalg.svd(dense.labels / dense.scales, compute_uv=False)
        solution = float(s[-1]) - (2 * off + dense.cutoff * float(s[0])) / least
    factor = depth if m == n == k and math.isfinite(depth) else 1.0
    return MatrixRate(depth, factor, last, following, least, largest, solution)


def excess_round_off(problem: LinearRegression, fit: Array) -> Array:
    """Return the round-off of a loss above a critical value, for losses without the residual."""
    norm = float(np.linalg.norm(problem.svd[1]))
    count = math.sqrt(min(problem.shape))
    # |W C^{1/2}| is at most |Q| + |W C^{1/2} - Q|.
    size = 2 * norm + np.sqrt(2 * fit)
    error = count * _round_off_of_q(problem) + _ULPS * sum(problem.shape) * size
    return np.asarray(2 * size * error)


def _singular_values_of_data(problem: LinearRegression) -> tuple[float, float]:
    """Return a lower bound of the smallest singular value of X, and an upper one of the largest."""
    dense = problem._regular("a certified rate")
    s = dense.singular_values
    return max(float(s[-1]) - dense.cutoff, 0.0), float(s[0]) + dense.cutoff


def _round_off_of_q(problem: LinearRegression) -> float:
    """Return how far singular values of Q may be off: rows of X are known to its condition."""
    least, largest = _singular_values_of_data(problem)
    return problem.tolerance * (largest / least) if least else math.inf


class Chain(NamedTuple):
    """What the imbalances say of all layers but one, the free one.

    Parameters
    ----------
    free : int
        The number a of the free layer W_a.
    bounds : dict
        Lower bounds of the square of the least singular value of each other layer, by its number:
        e_a, ..., e_(N-1) after the free layer and f_(a-1), ..., f_1 before it.
    """

    free: int
    bounds: dict[int, float]

    @property
    def product(self) -> float:
        """The product of all bounds, zero where one is not positive."""
        return math.prod(max(bound, 0.0) for bound in self.bounds.values())


def chains(layers: Sequence[Array]) -> Iterator[Chain]:
    """Yield the chain of each layer that may be free: widths grow up to it and shrink after it."""
    widths, depth = widths_of(layers), len(layers)
    values = [np.linalg.eigvalsh(matrix) for matrix in differences(layers)]
    squares = [float(np.linalg.norm(layer)) ** 2 for layer in layers]
    off = [_ULPS * sum(widths) * (a + b) for a, b in pairwise(squares)]
    for free in range(1, depth + 1):
        before, after = widths[:free], widths[free:]
        if before != sorted(before) or after != sorted(after, reverse=True):
            continue
        bounds: dict[int, float] = {}
        kept = 0.0
        for j in range(free, depth):
            # The eigenvalue number d_(j+1), from above, of D_j.
            kept += float(values[j - 1][widths[j] - widths[j + 1]]) - off[j - 1]
            bounds[j + 1] = kept
        kept = 0.0
        for j in range(free - 1, 0, -1):
            # That of -D_j, number d_(j-1).
            kept += float(-values[j - 1][widths[j - 1] - 1]) - off[j - 1]
            bounds[j] = kept
        yield Chain(free, bounds)


def imbalance_rate(problem: LinearRegression, layers: Sequence[Array]) -> float:
    """Return the rate that the imbalances of layers prove, zero for none."""
    least, _ = _singular_values_of_data(problem)
    total = sum(chain.product for chain in chains(layers))
    return 2 * least**2 * total * (1 - _ULPS * len(layers))
