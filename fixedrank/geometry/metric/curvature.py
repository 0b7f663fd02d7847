r"""Sectional curvature of a metric.

Near W, with singular values in descending order, the matrices of rank k are L D R^T in the frame
of W, where L = [I + A; P] and R = [I + B; Q] with A and B strictly lower triangular, and D is
diagonal: A, P, B, Q and D are coordinates. With T(v; w) the second derivative of g(w, w) along the
line of v in them, and their Christoffel symbols at W,

    g(R(x, y) y, x) = -T(y; x)/2 - T(x; y)/2 + T(x, y; x, y) + |Gamma(x, y)|^2
                      - g(Gamma(x, x), Gamma(y, y)).

In orthonormal frames the metric at a core C is <M, f[X, Y](M)> + <P^T P, F(Y)> + <Q^T Q, F(X)>,
where X = C C^T, Y = C^T C, f[., .] is the first divided difference of f and F(x) = (f(x) - f_0)/x,
with f_0 of the left in the first F and of the right in the second: T holds their divided
differences of up to third order.

Straight lines of the embedding would serve as well, and be simpler. But singular values of very
different sizes s_max and s_min bend in them, by powers of s_max / s_min that the curvature does
not hold; here they do not, as in Gaussian elimination with the large pivots first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.units import power, restored_number, unit_vector
from fixedrank.geometry.metric.chains import Chain
from fixedrank.geometry.metric.products import inner_product, norm
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import point_in_unit, weights

# Tangent vectors of length 1 that differ by less span no plane.
_DEPENDENT = 1e-12


def sectional_curvature(
    point: FixedRankPoint,
    a: FixedRankTangentVector,
    b: FixedRankTangentVector,
    metric: SpectralMetric,
) -> float:
    """Return the curvature of the plane of two vectors, at any scale of W and of them.

    Raises
    ------
    ValueError
        If they span no plane.
    OverflowError
        If the result is beyond the range of floating point.
    """
    # In units of their own: only the curvature itself must fit into floating point.
    unit, of_point = point_in_unit(point, metric)
    (a, _), (b, _) = unit_vector(a), unit_vector(b)
    for name, vector in (("first", a), ("second", b)):
        if not any(part.any() for part in vector):
            raise ValueError(f"the {name} tangent vector is zero, so the two span no plane")
    # Orthonormalised first: the curvature of the plane does not change, round-off does.
    a = a / norm(unit, a, metric)
    b = b / norm(unit, b, metric)
    rest = b - a * inner_product(unit, a, b, metric)
    length = norm(unit, rest, metric)
    if not length > _DEPENDENT:
        raise ValueError(
            "the two tangent vectors span no plane: after both are brought to length 1, the "
            f"part of the second that is orthogonal to the first has length {length:.2e}"
        )
    value = curvature_form(unit, a, rest / length, metric)
    factor, exponent = power(of_point, 0, -2, metric.homogeneity)
    return restored_number("the curvature", value * factor, exponent)


def curvature_form(
    point: FixedRankPoint,
    x: FixedRankTangentVector,
    y: FixedRankTangentVector,
    metric: SpectralMetric,
) -> float:
    """Return g(R(x, y) y, x): the sectional curvature where x and y are orthonormal."""
    order = np.argsort(-point.s)
    x, y = (_sorted(vector, order) for vector in (x, y))
    at = _AtPoint(point.s[order], metric)
    plus, minus = x + y, x - y
    value = at.second(plus, plus) - at.second(plus, minus)
    value += at.second(minus, minus) - at.second(minus, plus)
    value = value / 16 - (at.second(y, x) + at.second(x, y)) / 2
    xy, xx, yy = (at.christoffel(a, b) for a, b in ((x, y), (x, x), (y, y)))
    return value + at.inner_product(xy, xy) - at.inner_product(xx, yy)


def _sorted(vector: FixedRankTangentVector, order: NDArray[np.intp]) -> FixedRankTangentVector:
    """Return the vector in the order of the singular values, without round-off in Up and Vp."""
    up, vp = (
        part[:, order] if len(part) > len(order) else np.zeros(part.shape)
        for part in (vector.Up, vector.Vp)
    )
    return FixedRankTangentVector(up, vector.M[np.ix_(order, order)], vp)


class _Side(NamedTuple):
    """One of the factors [I + A; P] along a line, in power series.

    Its `triangle` T with L^T L = T^T T, T upper triangular; the derivative of L along another
    vector, in the range of L as `moved` and outside of it by its Gram matrix `normal`.
    """

    triangle: Array
    moved: Array
    normal: Array


class _Normal(NamedTuple):
    """The weights of the normal directions of one side, F and its differences."""

    weights: Array
    F: Array
    first: Array
    chain: Chain

    def second_order(self, gram: Array, x: Array) -> float:
        """Return the second-order term of <gram, F(x)>."""
        change = self.first * x[2] + self.chain(x[1], x[1])
        return float(
            np.diagonal(gram[2]) @ self.F
            + np.vdot(gram[1], self.first * x[1])
            + np.vdot(gram[0], change)
        )


class _AtPoint:
    """The metric at one point and its derivatives in the coordinates (A, P, B, Q, D)."""

    def __init__(self, s: Array, metric: SpectralMetric) -> None:
        w = weights(s, metric)
        self.s, self.f_first, self.chain = s, 1 / w.tangential, w.chain
        self.raised_chain = metric.raised_chain(s)
        chains = metric.normal_chains(s)
        sides = (w.left, w.first_left, chains[0]), (w.right, w.first_right, chains[1])
        self.left, self.right = (
            _Normal(side, 1 / side if metric.normal_directions else 0 * side, *differences)
            for side, *differences in sides
        )
        self._third = metric.third(s)

    def inner_product(self, a: FixedRankTangentVector, b: FixedRankTangentVector) -> float:
        """Return g(a, b)."""
        normal = np.einsum("ij,ij->j", a.Up, b.Up) @ self.left.F
        normal += np.einsum("ij,ij->j", a.Vp, b.Vp) @ self.right.F
        return float(np.vdot(a.M * self.f_first, b.M) + normal)

    def christoffel(
        self, a: FixedRankTangentVector, b: FixedRankTangentVector
    ) -> FixedRankTangentVector:
        """Return Gamma(a, b) in these coordinates, from sums over l of a_il b_lj and b_il a_lj.

        That of the embedding has the weight h_ilj s_l / f_ij. The lines of these coordinates add
        1 / s_l where l <= i, j, other than i = l = j. Together these are e_ilj / (f_ij s_l), where
        e is the second divided difference of x f(x).
        """
        s, f = self.s, self.f_first
        core = self._core(a.M, b.M)
        core = 2 * core if a is b else core + self._core(b.M, a.M)
        left, right = (
            np.where(np.tri(s.size).T, f / s[:, None], side.first * s[:, None]) * side.weights
            for side in (self.left, self.right)
        )
        return FixedRankTangentVector(
            a.Up @ (left * b.M) + b.Up @ (left * a.M),
            core,
            a.Vp @ (right * b.M.T) + b.Vp @ (right * a.M.T),
        )

    def _core(self, a: Array, b: Array) -> Array:
        """Return the sums over l of a_il b_lj, of e where l <= i, j without i = l = j, else of h."""
        s = self.s
        lower, diagonal = np.tril(a, -1), np.diag(np.diagonal(a))
        result = self.raised_chain(lower / s, np.triu(b))
        result += self.raised_chain(diagonal / s, np.triu(b, 1))
        result += self.chain(np.triu(a, 1) * s, b)
        result += self.chain(lower * s, np.tril(b, -1))
        result += self.chain(diagonal * s, np.tril(b))
        result /= self.f_first
        return result

    def second(self, v: FixedRankTangentVector, w: FixedRankTangentVector) -> float:
        """Return T(v; w), by expansion to second order in the coordinate along v."""
        s = self.s
        left = _side(v.M / s, v.Up / s, w.M / s, w.Up / s)
        right = _side(v.M.T / s, v.Vp / s, w.M.T / s, w.Vp / s)
        zero = np.zeros((s.size, s.size))
        d = np.stack((np.diag(s), np.diag(np.diagonal(v.M)), zero))
        w_d = np.stack((np.diag(np.diagonal(w.M)), zero, zero))
        by_left, by_right = _product(left.triangle, d), _product(d, _transposed(right.triangle))
        core = _product(left.triangle, by_right)
        m = _product(left.moved, by_right) + _product(by_left, _transposed(right.moved))
        m += _product(left.triangle, w_d, _transposed(right.triangle))
        x, y = _product(core, _transposed(core)), _product(_transposed(core), core)
        p = _product(_transposed(by_right), left.normal, by_right)
        q = _product(by_left, right.normal, _transposed(by_left))

        f1 = self.f_first
        result = 2 * np.vdot(m[2], f1 * m[0]) + np.vdot(m[1], f1 * m[1])
        result += 2 * np.vdot(m[1], self.chain(x[1], m[0]) + self.chain(m[0], y[1]))
        result += np.vdot(m[0], self.chain(x[2], m[0]) + self.chain(m[0], y[2]))
        result += self._third(m[0], x[1], y[1])
        result += self.left.second_order(p, y) + self.right.second_order(q, x)
        return float(2 * result)


def _side(a: Array, p: Array, w_a: Array, w_p: Array) -> _Side:
    """Return the side of [I + t A; t P], moved by [A_w; P_w]; A are the strictly lower parts."""
    a, w_a = np.tril(a, -1), np.tril(w_a, -1)
    one, zero = np.eye(len(a)), np.zeros(a.shape)
    gram, mixed = p.T @ p, p.T @ w_p
    # T^T T = I + t (A + A^T) + t^2 (A^T A + P^T P).
    rest = a.T @ a + gram - a @ a.T
    corner = np.triu(rest, 1) + np.diag(np.diagonal(rest) / 2)
    inverse = np.stack((one, -a, a @ a - corner.T))
    # Outside of the range of L is P_w - P (I + A)^{-1} A_w, up to the cosines of the angles.
    first, second = mixed.T @ w_a, mixed.T @ a @ w_a
    square = w_a.T @ gram @ w_a - mixed.T @ mixed
    return _Side(
        np.stack((one, a.T, corner)),
        _product(inverse, np.stack((w_a, a.T @ w_a + mixed, zero))),
        np.stack((w_p.T @ w_p, -first - first.T, second + second.T + square)),
    )


def _product(*factors: Array) -> Array:
    """Return the product of power series, each of which is an array of three terms."""
    result, *rest = factors
    for b in rest:
        a = result
        result = np.stack((a[0] @ b[0], a[0] @ b[1] + a[1] @ b[0], a[0] @ b[2] + a[1] @ b[1]))
        result[2] += a[2] @ b[0]
    return result


def _transposed(series: Array) -> Array:
    return series.swapaxes(1, 2)
