r"""Sums over the middle index of a table of divided differences, sum_l t_ilj a_il b_lj.

By the table itself they take k^3 numbers, which at k = 400 is 0.5 GB and seconds to make. Where the
table is a sum of products, t_ilj = sum_q v_ijq w_lq, as many products of k x k matrices do, and
k^2 numbers: polynomials in p_i, p_l, p_j for whole N, and nodes of an integral for others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fixedrank._checks import Array

# (a, b) -> sum of t[i, l, j] a_il b_lj over l, for k x k arrays; for stacks where s is one.
Chain = Callable[[Array, Array], Array]

# Integrands decay like exp(-rate |y|) beyond the logarithms of all s^2, and are cut off at e^-38;
# the trapezoidal rule is off by exp(-2 pi^2 / step) = 1e-19, times 100 where three are tied.
_STEP, _DIGITS = 0.45, 38.0


def table_chain(table: Array) -> Chain:
    """Return the sums by a table."""

    def chain(a: Array, b: Array) -> Array:
        return np.asarray(np.einsum("...ilj,...il,...lj->...ij", table, a, b))

    return chain


def zero_chain(a: Array, b: Array) -> Array:
    """Return zeros."""
    return np.zeros(np.broadcast_shapes(a.shape, b.shape))


def separated_chain(inverse: Array, outer: Array, middle: Array) -> Chain:
    """Return the sums for t_ilj = sum_q outer_qij middle_ql / (c_il c_lj), with `inverse` 1/c."""
    middle = middle[..., :, None, :]
    single = outer[..., 0, :, :] if outer.shape[-3] == 1 and (middle == 1).all() else None

    def chain(a: Array, b: Array) -> Array:
        left, right = a * inverse, b * inverse
        if single is not None:
            return np.asarray(left @ right * single)
        products = (left[..., None, :, :] * middle) @ right[..., None, :, :]
        products *= outer
        return np.asarray(products.sum(axis=-3))

    return chain


def nodes(logs: Array, power: float, count: int) -> tuple[Array, float]:
    """Return y_q and the step for integrals of e^(power y) over `count` factors e^y + e^log."""
    low = float(logs.min()) - _DIGITS / power
    high = float(logs.max()) + _DIGITS / (count - power)
    return np.arange(low, high + _STEP, _STEP), _STEP


def integral_chain(s: Array, power: float, factor: float) -> Chain:
    """Return the sums for t_ilj = factor * integral of t^(power - 1) over the product of t + s^2.

    It is one over t > 0, of three factors, so that 0 < power < 3.
    """
    logs = 2 * np.log(s)
    y, step = nodes(logs, power, 3)
    y = y.reshape(-1, *[1] * logs.ndim)
    # A third root of t^power for each of the three resolvents.
    roots = np.exp(power / 3 * y - np.logaddexp(y, logs))

    def chain(a: Array, b: Array) -> Array:
        result = zero_chain(a, b)
        for root in roots:
            row, column = root[..., None, :], root[..., :, None]
            product = (a * row) @ b
            product *= column
            product *= row
            result += product
        result *= factor * step
        return result

    return chain
