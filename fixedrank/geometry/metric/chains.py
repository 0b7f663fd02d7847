r"""Sums over the middle index of a table of divided differences, sum_l t_ilj a_il b_lj.

By the table itself they take k^3 numbers, which at k = 400 is 0.5 GB and seconds to make. Where the
table is a sum of products, t_ilj = sum_q v_ijq w_lq, as many products of k x k matrices do, and
k^2 numbers: polynomials in p_i, p_l, p_j for whole N, and nodes of an integral for others.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.metric.powers import sums_of_two

# (a, b) -> sum of t[i, l, j] a_il b_lj over l, for k x k arrays; for stacks where s is one.
Chain = Callable[[Array, Array], Array]
# (m, x, y) -> sum of f[i, a, b, j] m_ij (x_ia x_ab m_bj + x_ia m_ab y_bj + m_ia y_ab y_bj).
ThirdForm = Callable[[Array, Array, Array], float]

# Integrands decay like exp(-rate |y|) beyond the logarithms of all s^2, and are cut off at e^-40.
# With these numbers the trapezoidal rule in u is off by 1e-16 at powers of all sizes, where all s
# are tied as well, and takes 40 nodes and 3 for each factor e in s; with y = u it would be 130.
_STEP, _CUT, _AWAY, _GROWTH = 0.36, 40.0, 2.0, 1.5
# Numbers in a temporary array of the quadrature of third differences.
_TOGETHER = 1 << 18


def table_chain(table: Array) -> Chain:
    """Return the sums by a table."""

    def chain(a: Array, b: Array) -> Array:
        return np.asarray(np.einsum("...ilj,...il,...lj->...ij", table, a, b))

    return chain


def zero_chain(a: Array, b: Array) -> Array:
    """Return zeros."""
    return np.zeros(np.broadcast_shapes(a.shape, b.shape))


def polynomial_chain(p: Array, slopes: Array, first: int, second: int, shift: int = 0) -> Chain:
    r"""Return the sums for t_ilj = S(p_i, p_l, p_j) / (c_il c_lj c_ij (p_i p_l p_j)^shift).

    S is the Schur polynomial of the partition (first, second, 0), by its branching rule

        S(p_i, p_l, p_j) = sum over first >= a >= second >= b >= 0 of
                           p_l^(first + second - a - b) (p_i p_j)^b h_(a-b)(p_i, p_j)

    a sum of positive terms (I. G. Macdonald, Symmetric Functions and Hall Polynomials, I.5). With
    x = p^N and the differences c of x, t holds the second differences of x^(M/N): those of p^M at
    the points p^N are quotients of alternants.
    """
    inverse = 1 / slopes
    column = p[..., None, :]
    of_two = sums_of_two(p, first)
    outer = of_two
    if second or shift:
        outer = np.zeros(of_two.shape)
        both = p[..., :, None] * column
        factor = both**-shift
        for b in range(second + 1):
            for a in range(second, first + 1):
                outer[..., first + second - a - b, :, :] += (
                    factor * of_two[..., first - a + b, :, :]
                )
            factor *= both
    outer *= inverse[..., None, :, :]
    if first == 0:
        only = outer[..., 0, :, :]
        return lambda a, b: np.asarray((a * inverse) @ (b * inverse) * only)
    middle = (column ** np.arange(-shift, first + 1 - shift)[:, None])[..., :, None, :]

    def chain(a: Array, b: Array) -> Array:
        left, right = a * inverse, b * inverse
        products = (left[..., None, :, :] * middle) @ right[..., None, :, :]
        products *= outer
        return np.asarray(products.sum(axis=-3))

    return chain


def quadrature(logs: Array, power: float, gap: float) -> tuple[Array, Array]:
    """Return y and weights for integrals of e^(power y) / product of power + gap e^y + e^log.

    They are those of the trapezoidal rule in u, where y is u between the logarithms and moves away
    exponentially beyond them.
    """
    low, high = float(logs.min()) - _AWAY, float(logs.max()) + _AWAY
    # Where the exponential is as large as it need be.
    first = low - _GROWTH * math.log(_CUT / power)
    last = high + _GROWTH * math.log(_CUT / gap)
    u = _STEP * np.arange(math.floor(first / _STEP), math.ceil(last / _STEP) + 1)
    left: Array = np.exp((low - u) / _GROWTH)
    right: Array = np.exp((u - high) / _GROWTH)
    return u + right - left, _STEP * (1 + (left + right) / _GROWTH)


def resolvents(y: Array, logs: Array, power: float, gap: float) -> Array:
    """Return e^(share y) / (e^y + e^log) with share = power / (power + gap), for all y and logs.

    In a form in which large |y| do not cancel.
    """
    y = y.reshape(-1, *[1] * logs.ndim)
    total, rest = power + gap, logs - y
    exponents = np.where(
        y > 0,
        -gap / total * y - np.logaddexp(0, rest),
        power / total * y - logs - np.logaddexp(0, -rest),
    )
    return np.exp(exponents)


def integral_chain(s: Array, power: float, gap: float, factor: float) -> Chain:
    """Return the sums for t_ilj = factor * integral of t^(power - 1) over the product of t + s^2.

    It is one over t > 0, of three factors, and gap = 3 - power.
    """
    logs = 2 * np.log(s)
    y, weights = quadrature(logs, power, gap)
    roots = resolvents(y, logs, power, gap)
    weights *= factor

    def chain(a: Array, b: Array) -> Array:
        result = zero_chain(a, b)
        for root, weight in zip(roots, weights, strict=True):
            row, column = root[..., None, :], root[..., :, None]
            product = (a * row) @ b
            product *= column
            product *= weight * row
            result += product
        return result

    return chain


def inverse_third_form(p: Array, degree: int, slopes: Array, chain: Chain) -> ThirdForm:
    """Return the sums over third divided differences of the inverse f of g(p) = p^degree.

    With the first ones c of g, the second ones h of f and the third ones of g, which are sums of
    monomials of degree N - 3,

        f_iabj = (c_ib h_iab h_ibj + c_aj h_iaj h_abj) - g_iabj / (c_ia c_ab c_bj c_ij),

    where g_iabj takes off less than half of the rest.
    """
    inverse = 1 / slopes
    of_two = sums_of_two(p, degree - 3)[::-1] if degree > 2 else np.empty((0, p.size, p.size))

    def form(m: Array, x: Array, y: Array) -> float:
        mixed = chain(x, m) + chain(m, y)
        twice = chain(slopes * chain(x, x), m) + chain(m, slopes * chain(y, y))
        total = np.vdot(slopes * mixed, mixed) + np.vdot(m, twice)
        if degree < 3:
            return float(total)
        m, x, y = m * inverse, x * inverse, y * inverse
        # By powers of p_a or p_b and, in turn, of p_i, that are carried on from term to term.
        by_m, by_y, by_row = (np.zeros(m.shape) for _ in range(3))
        column = p[:, None]
        for sums in of_two:
            by_m = column * by_m + x @ (sums * m) + m @ (sums * y)
            by_y = column * by_y + y @ (sums * y)
            by_row = column * by_row + x @ by_m + m @ by_y
        return float(total - np.vdot(m, by_row))

    return form


def integral_third_form(s: Array, power: float, factor: float) -> ThirdForm:
    """Return the sums for factor * integral of t^(power - 1) over the product of four t + s^2."""
    logs = 2 * np.log(s)
    y, weights = quadrature(logs, power, 4 - power)
    # In each product of two matrices below stand two of the four resolvents.
    roots = np.sqrt(resolvents(y, logs, power, 4 - power))
    roots *= (weights * factor)[:, None] ** 0.125
    together = 1 + _TOGETHER // s.size**2

    def form(m: Array, x: Array, y: Array) -> float:
        total = 0.0
        for start in range(0, len(roots), together):
            block = roots[start : start + together]
            frame = block[:, :, None] * block[:, None, :]
            xm, my = (frame * x) @ (frame * m), (frame * m) @ (frame * y)
            total += float(np.vdot(xm, xm) + np.vdot(xm, my) + np.vdot(my, my))
        return total

    return form
