r"""Divided differences of f(x) = x^p at x_i = s_i^2, without a difference of nearby numbers.

The derivative of the depth-N metric is made of the second ones of x^(1/N), and where an index is
normal (x = 0) of the first ones of f(x)/x. At infinite depth f is the logarithm.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array

# Nodes and largest ratio x_i / x_j for which the quadrature below is exact to round-off: its
# integrand is analytic in the ellipse with sum of half-axes 3 + sqrt(8), and 5.8^(-24) = 4e-19.
_NODES, _NARROW = 12, 2.0


def log_ratios(s: Array) -> tuple[Array, Array, Array]:
    """Return ln(s_>^2 / s_<^2) for all pairs, without cancellation, and s_>, s_< themselves."""
    column, row = s[..., :, None], s[..., None, :]
    larger, smaller = np.maximum(column, row), np.minimum(column, row)
    return 2 * np.log1p((larger - smaller) / smaller), larger, smaller


def sums_of_two(p: Array, degree: int) -> Array:
    """Return h_d(p_i, p_j), the sums of monomials of degree d, for d = degree, ..., 0."""
    k = p.shape[-1]
    result = np.empty((*p.shape[:-1], degree + 1, k, k))
    result[..., degree, :, :] = 1
    if degree:
        powers, row = p[..., None] ** np.arange(degree + 1), p[..., None, :]
        for d in range(1, degree + 1):
            place = result[..., degree - d, :, :]
            np.multiply(result[..., degree - d + 1, :, :], row, out=place)
            place += powers[..., d, None]
    return result


def sums_of_monomials(p: Array, degree: int) -> Array:
    """Return the sums of all monomials of one degree in p_i, p_l, p_j, for all i, l, j."""
    k = p.shape[-1]
    of_two = sums_of_two(p, degree).reshape(*p.shape[:-1], degree + 1, k * k)
    result: Array = p[..., None] ** np.arange(degree + 1) @ of_two
    return result.reshape(*p.shape, k, k)


def first_differences(s: Array, exponent: float) -> Array:
    """Return the first divided differences of x^exponent at x_i = s_i^2."""
    d, _, smaller = log_ratios(s)
    return np.asarray(smaller ** (2 * exponent - 2) * _quotient(d, exponent))


def second_differences(s: Array, exponent: float, one_minus: float | None = None) -> Array:
    """Return the second divided differences of x^exponent at x_i = s_i^2; of ln x for exponent 0.

    They vanish at exponent 1: near it, 1 - exponent is wanted as `one_minus`, to full accuracy.
    Where the three points are close, by Gauss quadrature of the first differences of f' along
    the segments from the largest to the others; elsewhere by their definition.
    """
    if one_minus is None:
        one_minus = 1 - exponent
    order = np.argsort(s, axis=-1)[..., ::-1]
    descending = np.take_along_axis(s, order, axis=-1)
    i, j, l, places = triples(s.shape[-1])
    x, y, z = descending[..., i], descending[..., j], descending[..., l]
    scale, y, z = x ** (2 * exponent - 4), y / x, z / x
    values = np.empty_like(z)
    narrow = z * z * _NARROW >= 1
    values[narrow] = _narrow_difference(y[narrow], z[narrow], exponent, one_minus)
    wide = ~narrow
    values[wide] = _wide_difference(y[wide], z[wide], exponent, one_minus)
    values *= scale
    inverse = np.argsort(order, axis=-1)
    where = places[
        inverse[..., :, None, None], inverse[..., None, :, None], inverse[..., None, None, :]
    ]
    flat = where.reshape(*where.shape[:-3], -1)
    return np.take_along_axis(values, flat, axis=-1).reshape(where.shape)


@functools.lru_cache(maxsize=4)
def triples(k: int) -> tuple[NDArray[np.intp], ...]:
    """Return all i <= j <= l below k, and the place of each (i, j, l) in any order among them."""
    ordered = np.sort(np.indices((k, k, k)).reshape(3, -1), axis=0)
    codes = (ordered[0] * k + ordered[1]) * k + ordered[2]
    _, first, places = np.unique(codes, return_index=True, return_inverse=True)
    i, j, l = ordered[:, first]
    return i, j, l, places.reshape(k, k, k)


def _log_ratio(larger: Array, smaller: Array) -> Array:
    return np.asarray(np.log1p((larger - smaller) / smaller))


def _quotient(d: Array, exponent: float) -> Array:
    """Return (e^(exponent d) - 1) / (e^d - 1) for d >= 0; at d = 0 the limit."""
    d = np.where(d == 0, 1e-100, d)
    return np.asarray(np.expm1(exponent * d) / np.expm1(d))


def _wide_difference(y: Array, z: Array, exponent: float, one_minus: float) -> Array:
    """Return f[1, y^2, z^2] for 1 >= y >= z, z well below 1."""

    def first(larger: Array, smaller: Array) -> Array:
        d = 2 * _log_ratio(larger, smaller)
        if abs(one_minus) <= 0.5:
            # Of x^exponent - x, which has the same second differences: those of x^exponent are
            # near 1, and would cancel.
            rest = smaller ** (-2 * one_minus) * _quotient(d, -one_minus)
            return np.asarray(np.expm1(-2 * one_minus * np.log(larger)) + rest)
        if exponent == 0:
            d = np.where(d == 0, 1e-100, d)
            return np.asarray(d / np.expm1(d) / smaller**2)
        return np.asarray(smaller ** (2 * exponent - 2) * _quotient(d, exponent))

    return np.asarray((first(np.ones_like(y), y) - first(y, z)) / (1 - z * z))


def _narrow_difference(y: Array, z: Array, exponent: float, one_minus: float) -> Array:
    """Return f[1, y^2, z^2] as the integral over [0, 1] of t f'[1 - t(1-y^2), 1 - t(1-z^2)]."""
    nodes, gauss = _gauss()
    t = nodes[:, None]
    far = 1 - t * ((1 - z) * (1 + z))
    d = np.log1p(t * ((y - z) * (y + z)) / far)
    slopes = far ** (exponent - 2) * _quotient(d, -one_minus)
    return np.asarray((1.0 if exponent == 0 else exponent) * ((gauss * nodes) @ slopes))


@functools.cache
def _gauss() -> tuple[Array, Array]:
    nodes, gauss = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, gauss / 2
