r"""A metric in the coordinates of curvature.py: its second derivatives along lines.

Along a line with velocity v the point is L D R^T in the frame of W, with L = [I + t A; t P],
R = [I + t B; t Q] and D = S + t diag(M). Power series in t are triples of terms; those that begin
with the identity or a diagonal spare a product there. Of P and Q only inner products enter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankTangentVector
from fixedrank.geometry.metric.chains import Chain
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import weights

_Series = tuple[Array, Array, Array]
# The coefficients of a vector in the basis of a plane.
_Coefficients = tuple[float, float]


class NormalWeights(NamedTuple):
    """The weights of the normal directions of one side, F, its differences, and sums over them."""

    weights: Array
    F: Array
    first: Array
    chain: Chain


class AtPoint:
    """What a metric is made of at one point, with descending singular values."""

    def __init__(self, s: Array, metric: SpectralMetric) -> None:
        w = weights(s, metric)
        self.s, self.f_first, self.chain = s, 1 / w.tangential, w.chain
        self.raised_chain, self.third = metric.raised_chain(s), metric.third(s)
        left, right = metric.normal_chains(s)
        inverse = np.reciprocal if metric.normal_directions else np.zeros_like
        self.left = NormalWeights(w.left, inverse(w.left), w.first_left, left)
        self.right = NormalWeights(w.right, inverse(w.right), w.first_right, right)

    def inner_product(self, a: FixedRankTangentVector, b: FixedRankTangentVector) -> float:
        """Return g(a, b)."""
        normal = _columns(a.Up, b.Up) @ self.left.F + _columns(a.Vp, b.Vp) @ self.right.F
        return float(np.vdot(a.M * self.f_first, b.M) + normal)


class Plane:
    """Two tangent vectors: their cores, and inner products of P = Up / s and of Q = Vp / s."""

    def __init__(self, s: Array, x: FixedRankTangentVector, y: FixedRankTangentVector) -> None:
        self._cores = np.stack((x.M, y.M))
        self._left, self._right = _grams(x.Up / s, y.Up / s), _grams(x.Vp / s, y.Vp / s)

    def core(self, v: _Coefficients) -> Array:
        """Return the core of a vector."""
        return v[0] * self._cores[0] + v[1] * self._cores[1]

    def left(self, v: _Coefficients, w: _Coefficients) -> Array:
        """Return P_v^T P_w."""
        return np.asarray(np.einsum("a,b,abij->ij", v, w, self._left))

    def right(self, v: _Coefficients, w: _Coefficients) -> Array:
        """Return Q_v^T Q_w."""
        return np.asarray(np.einsum("a,b,abij->ij", v, w, self._right))


class Line:
    """The point along the line of v."""

    def __init__(self, at: AtPoint, plane: Plane, v: _Coefficients) -> None:
        self._at, self._plane, self._v = at, plane, v
        s, core = at.s, plane.core(v)
        self._left = _Side.of(core / s, plane.left(v, v))
        self._right = _Side.of(core.T / s, plane.right(v, v))
        step = np.diagonal(core)
        # T_l D and T_r D, with the triangles T of both sides.
        self._by_left, self._by_right = self._left.times(s, step), self._right.times(s, step)
        _, first, second = (part.T for part in self._by_right)
        second = second + self._left.a.T @ first + self._left.corner * s
        first = first + self._left.a.T * s
        self._x, self._y = _squared(s, first, second), _squared(s, first.T, second.T)

    def second(self, w: _Coefficients) -> float:
        """Return T(v; w), the second derivative of g(w, w) along the line."""
        at, plane, v = self._at, self._plane, self._v
        s, core = at.s, plane.core(w)
        step = np.diagonal(core)
        left = self._left.moved(core / s, plane.left(v, w), plane.left(w, w))
        right = self._right.moved(core.T / s, plane.right(v, w), plane.right(w, w))
        terms = zip(
            _times(left.within, self._by_right),
            _times(right.within, self._by_left),
            self._scaled(step),
            strict=True,
        )
        m = [on_left + on_right.T + between for on_left, on_right, between in terms]
        (x, xx), (y, yy) = self._x, self._y
        f, chain = at.f_first, at.chain
        result = 2 * np.vdot(m[2], f * m[0]) + np.vdot(m[1], f * m[1])
        result += 2 * np.vdot(m[1], chain(x, m[0]) + chain(m[0], y))
        result += np.vdot(m[0], chain(xx, m[0]) + chain(m[0], yy))
        result += at.third(m[0], x, y)
        # The normal directions of the left are weighed by F(Y), those of the right by F(X).
        result += left.normal(at.left, s, self._by_right, self._y)
        result += right.normal(at.right, s, self._by_left, self._x)
        return float(2 * result)

    def _scaled(self, step: Array) -> _Series:
        """Return T_l diag(step) T_r^T."""
        left, right = self._left, self._right
        by_step = left.a.T * step
        second = left.corner * step + by_step @ right.a + step[:, None] * right.corner.T
        return np.diag(step), by_step + step[:, None] * right.a, second


class _Side(NamedTuple):
    """One of the factors L = [I + t A; t P], with A strictly lower triangular, and P^T P.

    With L^T L = T^T T, T upper triangular, T is I + t A^T + t^2 `corner`, and its transposed
    inverse is I - t A + t^2 `inverse`.
    """

    a: Array
    gram: Array
    corner: Array
    inverse: Array

    @classmethod
    def of(cls, a: Array, gram: Array) -> _Side:
        a = np.tril(a, -1)
        # T^T T = I + t (A + A^T) + t^2 (A^T A + P^T P).
        rest = a.T @ a + gram - a @ a.T
        corner = np.triu(rest, 1) + np.diag(np.diagonal(rest) / 2)
        return cls(a, gram, corner, a @ a - corner.T)

    def times(self, s: Array, step: Array) -> _Series:
        """Return T (S + t diag(step))."""
        return np.diag(s), self.a.T * s + np.diag(step), self.corner * s + self.a.T * step

    def moved(self, a: Array, mixed: Array, gram: Array) -> _Moved:
        """Return the derivative along w, with P^T P_w and P_w^T P_w."""
        a = np.tril(a, -1)
        turned = self.a @ a
        first = self.a.T @ a + mixed
        within = a, first - turned, self.inverse @ a - self.a @ first
        # Outside of the range of L is P_w - P (I + A)^{-1} A_w, up to the cosines of the angles.
        across = mixed.T @ a
        diagonal = 2 * _columns(mixed, turned) - _columns(mixed, mixed)
        diagonal += _columns(a, self.gram @ a)
        return _Moved(within, gram, -across - across.T, diagonal)


class _Moved(NamedTuple):
    """The derivative of a side along w: in the range of L, and outside by its Gram matrix.

    Of that the terms are `gram`, `change`, and one of which the `diagonal` is enough.
    """

    within: _Series
    gram: Array
    change: Array
    diagonal: Array

    def normal(
        self, of: NormalWeights, s: Array, by: _Series, argument: tuple[Array, Array]
    ) -> float:
        """Return the second-order term of <B^T G B, F(X)>, with G the Gram matrix.

        The series B is `by`, and `argument` holds the terms of X but the diagonal one.
        """
        if not (self.gram.any() or self.diagonal.any()):
            return 0.0
        (first, second), one = argument, by[1].T
        turned = self.gram @ one
        mixed = s[:, None] * turned
        diagonal = s * (s * self.diagonal + 2 * _columns(self.change, one))
        diagonal += 2 * s * _columns(self.gram, by[2].T) + _columns(turned, one)
        change = s[:, None] * self.change * s + mixed + mixed.T
        of_second = of.first * second + of.chain(first, first)
        result = diagonal @ of.F + np.vdot(change, of.first * first)
        return float(result + np.vdot(s[:, None] * self.gram * s, of_second))


def _times(moved: _Series, by: _Series) -> _Series:
    """Return moved by^T, where `by` begins with a diagonal."""
    s = np.diagonal(by[0])
    first = moved[1] * s + moved[0] @ by[1].T
    return moved[0] * s, first, moved[2] * s + moved[1] @ by[1].T + moved[0] @ by[2].T


def _squared(s: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """Return the terms of C C^T after the first one, where C begins with S."""
    once, twice = first * s, second * s
    return once + once.T, twice + twice.T + first @ first.T


def _columns(a: Array, b: Array) -> Array:
    """Return the inner products of columns."""
    return np.asarray(np.einsum("ij,ij->j", a, b))


def _grams(x: Array, y: Array) -> Array:
    mixed = x.T @ y
    return np.array([[x.T @ x, mixed], [mixed.T, y.T @ y]])
