r"""Divided differences of one order more than a metric gives, from those that it gives.

With g(x) = f[x_i, x_a, x] the difference f[x_i, x_a, x_b, x_j] is g[x_b, x_j]: a plain quotient
where x_b and x_j are apart, and where all are close the mean of g' between them, by the polynomial
through the values of g at Chebyshev nodes around them. The two farthest apart of the points take
the places of x_b and x_j.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev, legendre

from fixedrank._checks import Array

# A window reaches from s (1 - width) to s (1 + width), and points up to half of it away are close.
# With f analytic for x > 0 the polynomial is off by about 4.8^-nodes, 1e-14.
_WIDTH, _NODES, _GAUSS = 0.4, 20, 12


def next_differences(table: Callable[[Array], Array], s: Array) -> Array:
    """Return the divided differences with one index more than `table(s)` has, at x = s^2.

    The table is symmetric in its indices. It is asked at s, and at s together with nodes near it.
    """
    known = table(s)
    windows = [_window(table, s, center) for center in s]
    nodes, gauss = legendre.leggauss(_GAUSS)
    result = np.empty((s.size,) * (known.ndim + 1))
    for index in itertools.combinations_with_replacement(range(s.size), known.ndim + 1):
        low, *middle, high = sorted(index, key=lambda i: float(s[i]))
        a, b = float(s[low]), float(s[high])
        gap = (b - a) * (b + a)
        if b - a > 0.5 * _WIDTH * a:
            value = float(known[(*middle, high)] - known[(*middle, low)]) / gap
        else:
            between = np.sqrt(a * a + gap * (nodes + 1) / 2)
            slopes = _slopes(windows[low][tuple(middle)], a, between) / (2 * between)
            value = float(gauss @ slopes) / 2
        for places in set(itertools.permutations(index)):
            result[places] = value
    return result


def _window(table: Callable[[Array], Array], s: Array, center: float) -> Array:
    """Return Chebyshev coefficients, on the last axis, of the table in its last argument."""
    t = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    values = table(np.concatenate((s, center * (1 + _WIDTH * t))))
    near = values[(*[slice(s.size)] * (values.ndim - 1), slice(s.size, None))]
    return np.asarray(near @ np.linalg.inv(chebyshev.chebvander(t, _NODES - 1)).T)


def _slopes(coefficients: Array, center: float, s: Array) -> Array:
    """Return the derivative with respect to s."""
    derivative = chebyshev.chebder(coefficients) / (_WIDTH * center)
    return np.asarray(chebyshev.chebval((s / center - 1) / _WIDTH, derivative), dtype=np.float64)
