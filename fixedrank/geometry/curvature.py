r"""Sectional curvature of the depth-N metric.

Near W the matrices of rank k are a graph: those whose block in the frame of W is C, with P and Q
beside it, are L C R^T with L = [I; P C^{-1}] and R = [I; Q C^{-T}], and (C, P, Q) are coordinates.
Their straight lines through W are geodesics of the embedded metric up to second order, so that the
Christoffel symbols of g in these coordinates at W are the term Gamma of the connection. With
T(v; w) the second derivative of g(w, w) along the line of v,

    g(R(x, y) y, x) = -T(y; x)/2 - T(x; y)/2 + T(x, y; x, y) + |Gamma(x, y)|^2
                      - g(Gamma(x, x), Gamma(y, y)).

In orthonormal frames the metric of a core C~ is <M, f[X, Y](M)> + <P^T P, F(Y)> + <Q^T Q, F(X)>,
where X = C~ C~^T, Y = C~^T C~, f[., .] is the first divided difference of f(x) = x^(1/N) and
F(x) = f(x)/x: T holds their divided differences of up to third order.
"""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.connection import chain, christoffel
from fixedrank.geometry.differences import first_differences, second_differences, weights
from fixedrank.geometry.points import FixedRankPoint, FixedRankTangentVector

# The trapezoidal rule in ln t is off by exp(-2 pi^2 / step) = 1e-21 here, and each tail by e^-40.
_STEP, _DIGITS = 0.4, 40.0


def curvature_form(
    point: FixedRankPoint, x: FixedRankTangentVector, y: FixedRankTangentVector, depth: float
) -> float:
    """Return g(R(x, y) y, x): the sectional curvature where x and y are orthonormal."""
    second = _SecondDerivative(point.s, depth)
    plus, minus = x + y, x - y
    mixed = second(plus, plus) - second(plus, minus) - second(minus, plus) + second(minus, minus)
    value = mixed / 16 - (second(y, x) + second(x, y)) / 2
    if depth > 1:
        xy, xx, yy = (christoffel(point, a, b, depth) for a, b in ((x, y), (x, x), (y, y)))
        value += second.inner_product(xy, xy) - second.inner_product(xx, yy)
    return value


class _SecondDerivative:
    """The second derivative of g(w, w) along the line of v in the coordinates (C, P, Q)."""

    def __init__(self, s: Array, depth: float) -> None:
        self.s, self.depth = s, depth
        w = weights(s, depth)
        self.f_first, self.f_second = 1 / w.tangential, w.second
        if depth == 1 or math.isinf(depth):
            # The embedded metric has F = 1; at infinite depth there are no normal directions.
            self.F = np.full(s.shape, float(depth == 1))
            self.F_first, self.F_second = np.zeros(w.first.shape), np.zeros(w.second.shape)
        else:
            self.F = 1 / w.normal
            self.F_first = first_differences(s, 1 / depth - 1)
            self.F_second = second_differences(s, 1 / depth - 1)
        logs = 2 * np.log(s)
        nodes = np.arange(logs.min() - _DIGITS, logs.max() + _DIGITS, _STEP)
        power = 1.0 if math.isinf(depth) else 1 + 1 / depth
        scale = 1.0 if math.isinf(depth) else math.sin(math.pi / depth) / math.pi
        # A fourth root of the factor exp(power x) for each of the four resolvents.
        self._roots = np.exp(power / 8 * nodes[:, None] - np.logaddexp(nodes[:, None], logs) / 2)
        self._scale = 0.0 if depth == 1 else _STEP * scale

    def inner_product(self, a: FixedRankTangentVector, b: FixedRankTangentVector) -> float:
        """Return g(a, b)."""
        normal = np.einsum("ij,ij->j", a.Up, b.Up) + np.einsum("ij,ij->j", a.Vp, b.Vp)
        return float(np.vdot(a.M * self.f_first, b.M) + normal @ self.F)

    def __call__(self, v: FixedRankTangentVector, w: FixedRankTangentVector) -> float:
        """Return T(v; w), by expansion to second order in the coordinate along v."""
        s, column, vm, wm = self.s, self.s[:, None], v.M, w.M
        # P C^{-1} and Q C^{-T}, in first order A and B, enter by their Gram matrices only.
        aa, ap = (v.Up.T @ v.Up) / np.outer(s, s), (v.Up.T @ w.Up) / column
        bb, bq = (v.Vp.T @ v.Vp) / np.outer(s, s), (v.Vp.T @ w.Vp) / column
        pp, qq = w.Up.T @ w.Up, w.Vp.T @ w.Vp
        core = (aa * s + column * bb) / 2
        x_first, y_first = vm * s + column * vm.T, column * vm + vm.T * s
        x_second = vm @ vm.T + core * s + (core * s).T
        y_second = vm.T @ vm + column * core + (column * core).T
        # Second order of P C^{-1} and Q C^{-T}, against P and Q of w.
        turned_p, turned_q = -(vm.T @ ap) / column, -(vm @ bq) / column

        w_first = ap + bq.T
        w_second = turned_p + turned_q.T - (aa @ wm + wm @ bb) / 2
        f1, f2 = self.f_first, self.f_second
        result = 2 * np.vdot(w_second, f1 * wm) + np.vdot(w_first, f1 * w_first)
        result += 2 * np.vdot(w_first, chain(f2, x_first, wm) + chain(f2, wm, y_first))
        result += np.vdot(wm, chain(f2, x_second, wm) + chain(f2, wm, y_second))
        result += self._third(wm, x_first, y_first)
        p_first, q_first = ap.T @ wm, bq.T @ wm.T
        p_second = wm.T @ aa @ wm - turned_p.T @ wm - wm.T @ turned_p - ap.T @ ap
        q_second = wm @ bb @ wm.T - turned_q.T @ wm.T - wm @ turned_q - bq.T @ bq
        p_second += (bb @ pp + pp @ bb) / 2
        q_second += (aa @ qq + qq @ aa) / 2
        result += self._normal(pp, -p_first - p_first.T, p_second, y_first, y_second)
        result += self._normal(qq, -q_first - q_first.T, q_second, x_first, x_second)
        return float(2 * result)

    def _normal(
        self, gram: Array, gram_first: Array, gram_second: Array, first: Array, second: Array
    ) -> float:
        """Return the second-order term of <gram, F(X)>, X = S^2 + first + second."""
        change = self.F_first * second + chain(self.F_second, first, first)
        return float(
            np.diagonal(gram_second) @ self.F
            + np.vdot(gram_first, self.F_first * first)
            + np.vdot(gram, change)
        )

    def _third(self, m: Array, x: Array, y: Array) -> float:
        """Return the sum of f[i, a, b, j] m_ij (x_ia x_ab m_bj + x_ia m_ab y_bj + m_ia y_ab y_bj).

        The differences are c times the integral of t^(1/N) over the product of the t + s^2, with
        c = sin(pi/N)/pi, so that for each node of the quadrature the sums are matrix products.
        """
        roots = self._roots
        frame = roots[:, :, None] * roots[:, None, :]
        m, x, y = frame * m, frame * x, frame * y
        xm, my = x @ m, m @ y
        return self._scale * float(np.vdot(xm, xm) + np.vdot(xm, my) + np.vdot(my, my))
