r"""Divided differences of P(y) = prod_j (y + mu_j) by its factors q_j(y) = y + mu_j > 0.

With the products pre_j of the factors before the j-th and suf_j of those behind it,

    P[x, y]       = sum_a suf_a(x) pre_a(y),
    P[x, y, z]    = sum_(a<b) suf_b(x) mid_ab(y) pre_a(z),       mid_ab = prod_(a<l<b) q_l,

and so on: each difference is a sum of positive terms, whatever order its arguments are put in.
Where x_l stands between i and j, P[x_i, x_l] P[x_l, x_j] - P(x_l) P[x_i, x_l, x_j] is one too,
sum_(a>=b) pre_a(x_i) suf_a(x_l) pre_b(x_l) suf_b(x_j).
"""

from __future__ import annotations

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.metric.chains import Chain


class LinearFactors:
    """The factors q_j(x_i), with the axis of j first, and their products from both ends."""

    def __init__(self, q: Array) -> None:
        self.q = q
        before, behind = np.ones_like(q), np.ones_like(q)
        np.cumprod(q[:-1], axis=0, out=before[1:])
        np.cumprod(q[:0:-1], axis=0, out=behind[-2::-1])
        self.before, self.behind = before, behind

    def first(self) -> Array:
        """Return P[x_i, x_j]."""
        differences = np.moveaxis(self.behind, 0, -1) @ np.moveaxis(self.before, 0, -2)
        # Its two halves are sums of the same terms in another order.
        return np.asarray((differences + differences.swapaxes(-1, -2)) / 2)

    def partial_firsts(self) -> Array:
        """Return the differences of the products of the first j factors, j = 0, ..., N - 1."""
        k = self.q.shape[-1]
        result = np.zeros((*self.q.shape, k))
        for j in range(1, len(self.q)):
            np.multiply(result[j - 1], self.q[j - 1, ..., :, None], out=result[j])
            result[j] += self.before[j - 1, ..., None, :]
        return result

    def second(self) -> Array:
        """Return P[x_i, x_l, x_j] for all i, l, j."""
        return np.asarray(
            np.einsum("b...i,b...lj->...ilj", self.behind, self.partial_firsts(), optimize=True)
        )

    def crossed_firsts(self) -> Array:
        """Return sum over b <= a of pre_b(x_l) suf_b(x_j), for all a, l, j."""
        terms = self.before[..., :, None] * self.behind[..., None, :]
        return np.asarray(np.cumsum(terms, axis=0, out=terms))


def product_chain(middle: Array, outer: Array, inverse: Array) -> Chain:
    """Return the sums for t_ilj = sum_q outer_qij middle_ql / (c_il c_lj)."""

    def chain(a: Array, b: Array) -> Array:
        left, right = a * inverse, b * inverse
        total = np.zeros(np.broadcast_shapes(a.shape, b.shape))
        for among, around in zip(middle, outer, strict=True):
            total += around * ((left * among[..., None, :]) @ right)
        return total

    return chain


def reciprocal_chain(others: Array, apart: Array, inverse: Array) -> Chain:
    """Return the sums for the second differences of 1 / Q where P(x) = Q(x) (x + mu).

    They are those of positive terms over Q(x_i) Q(x_l) Q(x_j) c_il c_lj c_ij,

        Q_i (Q_li Q_ij - Q_i Q_lij) + Q_j Q_il Q_ij + (x_l + mu) Q_il Q_lj Q_ij.
    """
    factors = LinearFactors(others)
    slopes, whole = factors.first(), others.prod(axis=0)
    around = factors.behind[..., :, None] * factors.crossed_firsts()
    scale = inverse / (whole[:, None] * whole)

    def chain(a: Array, b: Array) -> Array:
        left, right = a * inverse / whole, b * inverse
        weighted = left * slopes
        result = whole * slopes * (weighted @ right)
        result += slopes * ((weighted * apart) @ (right * slopes))
        crossed = (left * factors.before[:, None, :]) @ right
        result += whole[:, None] * (around * crossed).sum(axis=0)
        return np.asarray(result * scale)

    return chain
