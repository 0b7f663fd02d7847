r"""Penalties :math:`\sum_j \varphi(s_j)` of singular values, smooth on matrices of a fixed rank.

With :math:`W = U \operatorname{diag}(s) V^T` and :math:`\varphi' = g` the gradient is
:math:`U \operatorname{diag}(g(s)) V^T`. Along a tangent vector Z = U M V^T + Up V^T + U Vp^T it
moves by U C V^T + Up D V^T + U D Vp^T with D = diag(g(s) / s) and

.. math:: C_{ij} = \frac{g(s_i) - g(s_j)}{s_i - s_j} \frac{M_{ij} + M_{ji}}{2}
    + \frac{g(s_i) + g(s_j)}{s_i + s_j} \frac{M_{ij} - M_{ji}}{2},

where the first quotient is :math:`\varphi''(s_i)` at a tie. Along what is normal to the manifold of
this rank it does not move: the k largest singular values of W + tZ stay up to order t^2. Of other
symmetric functions of singular values g(s_i) is their derivative with respect to s_i, and on the
diagonal of C there is the derivative of g(s_i) along the diagonal of M.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from fixedrank._checks import Array, round_off
from fixedrank._shared_docs import describe
from fixedrank.geometry.factored.ambient import (
    LowRank,
    LowRankPair,
    as_direction,
    times,
    transposed_times,
)
from fixedrank.geometry.factored.orthonormal import point_of, svd_point
from fixedrank.geometry.factored.points import FixedRankPoint, is_triple
from fixedrank.losses.loss import MATRICES, THIN, Loss

SPECTRA = """
Parameters
----------
s : ndarray, shape (k,)
    Singular values, positive.
"""


class SpectralFunction(Loss):
    """A symmetric function of the singular values that are not zero.

    W may be a point, a LowRank or an array. Singular values that are zero, of an array those below
    round-off, count for nothing: then all derivatives are those on the matrices of this rank.
    """

    @abstractmethod
    def value(self, s: Array) -> float:
        """Return the function of singular values."""

    @abstractmethod
    def slopes(self, s: Array) -> Array:
        """Return its derivatives with respect to them, for positive s."""

    @abstractmethod
    def _moved(self, s: Array, core: Array) -> Array:
        """Return the part C of the derivative of the gradient along a direction with this core."""

    def loss(self, W: Any) -> float:
        """Return the function of the singular values of W."""
        return self.value(self._positive_part(W).s)

    def gradient(self, W: Any) -> LowRankPair:
        """Return U diag(slopes) V^T."""
        u, s, vt = self._positive_part(W)
        return LowRankPair(u * self.slopes(s), vt.T)

    def gradient_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        """Return the products of the gradient with right, and of its transpose with left."""
        u, s, vt = self._positive_part(point_of(left, core, right))
        slopes = self.slopes(s)[:, None]
        return u @ (slopes * (vt @ right)), vt.T @ (slopes * (u.T @ left))

    def hessian_product(self, W: Any, Z: Any) -> LowRankPair:
        """Return the derivative of the gradient along Z, on the matrices of the rank of W."""
        u, s, vt = self._positive_part(W)
        v = vt.T
        direction = as_direction(W, Z, (len(u), len(v)))
        up, vp = times(direction, v), transposed_times(direction, u)
        core = u.T @ up
        up, vp = up - u @ core, vp - v @ core.T
        ratios = self.slopes(s) / s
        left = np.hstack((u @ self._moved(s, core) + up * ratios, u))
        return LowRankPair(left, np.hstack((v, vp * ratios)))

    def slope_along(self, W: Any, Z: Any) -> float:
        """Return the derivative along W + t Z at t = 0, from above.

        Z is a tangent vector at a point, or a pair (L, R), whose normal part adds to the rank.
        """
        u, s, vt = self._positive_part(W)
        slopes = self.slopes(s)
        if len(Z) == 3:
            return float(slopes @ Z[1].diagonal())
        left, right = Z
        inner_left, inner_right = u.T @ left, vt @ right
        added = point_of(left - u @ inner_left, None, right - vt.T @ inner_right)
        slope = float(slopes @ np.einsum("ij,ij->i", inner_left, inner_right))
        return slope + self._price_of_rank * float(added.s.sum())

    def _positive_part(self, W: Any) -> FixedRankPoint:
        """Return (u, s, vt) without singular values that are zero."""
        if isinstance(W, LowRank):
            W = point_of(*W)
        if is_triple(W):
            return positive_part(W, 0.0)
        u, s, vt = svd_point(W)
        return positive_part((u, s, vt), round_off(max(W.shape), float(s[0])))


describe(SpectralFunction, MATRICES, THIN, SPECTRA)


def moved_core(s: Array, slopes: Array, divided: Array, core: Array) -> Array:
    """Return the part C of the derivative of U diag(slopes) V^T along a direction with this core.

    Where slopes are no function of their own singular value, the diagonal is another.
    """
    skew = (slopes[:, None] + slopes) / (s[:, None] + s)
    return np.asarray((divided * (core + core.T) + skew * (core - core.T)) / 2)


class SpectralPenalty(SpectralFunction):
    r"""The sum of :math:`\varphi(s_j)`, where :math:`\varphi(0) = 0`."""

    @abstractmethod
    def values(self, s: Array) -> Array:
        """Return phi(s)."""

    @abstractmethod
    def divided_slopes(self, s: Array) -> Array:
        """Return (phi'(s_i) - phi'(s_j)) / (s_i - s_j), a k x k array with phi'' where they tie."""

    def value(self, s: Array) -> float:
        """Return the sum over the singular values."""
        return float(self.values(s).sum())

    def _moved(self, s: Array, core: Array) -> Array:
        return moved_core(s, self.slopes(s), self.divided_slopes(s), core)


describe(SpectralPenalty, SPECTRA)


class NuclearNorm(SpectralPenalty):
    """A weight times the sum of the singular values."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    @property
    def _price_of_rank(self) -> float:  # type: ignore[override]
        return self.weight

    def values(self, s: Array) -> Array:
        """Return the weighted singular values."""
        return self.weight * s

    def slopes(self, s: Array) -> Array:
        """Return the weight, for each."""
        return np.full(s.size, self.weight)

    def divided_slopes(self, s: Array) -> Array:
        """Return zeros."""
        return np.zeros((s.size, s.size))


def positive_part(W: tuple[Array, Array, Array], tolerance: float) -> FixedRankPoint:
    """Return (u, s, vt) without singular values up to a tolerance."""
    u, s, vt = W
    positive = s > tolerance
    if positive.all():
        return FixedRankPoint(u, s, vt)
    return FixedRankPoint(u[:, positive], s[positive], vt[positive])
