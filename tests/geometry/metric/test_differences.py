"""Divided differences of powers of s^2 against their definition in 140 digits."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import DepthMetric
from fixedrank.geometry.metric.powers import first_differences, second_differences
from fixedrank.geometry.metric.tables import weights
from tests.geometry.dense import EPS
from tests.geometry.metric.chain_tables import table_of
from tests.strategies import seeds, singular_values

# Up to a factor.
PATTERNS = {
    "distinct": [1, 0.7, 0.2],
    "tied": [1, 1, 1],
    "two tied": [1, 1, 0.3],
    "1e-15 apart": [1, 1 + 1e-15, 1 - 1e-15],
    "1e-12 apart": [1, 1 + 1e-12, 1 - 1e-12],
    "1e-6 apart": [1, 1 + 1e-6, 1 - 1e-6],
    "apart by 1/8": [1, 0.875, 0.75],
    "where methods change": [1, 0.708, 0.707],
    "spread": [1, 1e-9, 1e-18],
    "spread and tied": [1, 1e-18, 1e-18],
    "spread and nearly tied": [1, 1 + 1e-12, 1e-18],
    "unordered": [1e-3, 1, 0.5],
}
DEPTHS = [1.0001, 1.3, 2, 2.5, 3, 7, 20, 32, 33, 50.5, 1000, 1e6]


@pytest.fixture(autouse=True)
def many_digits():
    with mpmath.workdps(140):
        yield


def divided_difference(function, s):
    """The definition at the squares of s; where they are equal, at points 1e-25 apart."""
    x = [mpmath.mpf(float(value)) ** 2 * (1 + mpmath.mpf(i) / 10**25) for i, value in enumerate(s)]
    table = [function(value) for value in x]
    for order in range(1, len(x)):
        table = [
            (b - a) / (x[i + order] - x[i]) for i, (a, b) in enumerate(itertools.pairwise(table))
        ]
    return table[0]


def power(depth, shift=0):
    """x^(1/N - shift) in many digits, at infinite depth the logarithm."""
    if math.isinf(depth):
        return mpmath.log
    return lambda x: x ** (1 / mpmath.mpf(depth) - shift)


def bound(depth):
    """Round-off: 200 ulp, and what a double of 1/N = 1 - d has lost of d, all that counts."""
    return 200 * EPS / (1 - 1 / depth)


def worst_error(computed, function, s):
    """The largest relative error of all divided differences at two or three of the s^2."""
    errors = [
        abs(mpmath.mpf(float(computed[index])) / divided_difference(function, s[list(index)]) - 1)
        for index in itertools.combinations_with_replacement(range(len(s)), computed.ndim)
    ]
    return float(max(errors))


def second_of(s, depth):
    """The second differences at s, read off the sums that are formed with them."""
    return table_of(weights(s, DepthMetric(depth)).chain, s.size)


def check(s, depth):
    w = weights(s, DepthMetric(depth))
    assert worst_error(second_of(s, depth), power(depth), s) <= bound(depth)
    if depth < math.inf:
        assert worst_error(w.first_left, power(depth, 1), s) <= bound(depth)
        second = second_differences(s, 1 / depth - 1)
        assert worst_error(second, power(depth, 1), s) <= bound(depth)


@pytest.mark.parametrize("depth", [*DEPTHS, math.inf])
@pytest.mark.parametrize("name", PATTERNS)
def test_patterns(name, depth):
    check((1e6 if "spread" in name else 1.3) * np.array(PATTERNS[name]), depth)


@given(
    s=singular_values(3) | singular_values(3, 0.5, 2),
    depth=st.sampled_from([*DEPTHS, math.inf]) | st.floats(1.0001, 100),
)
def test_any_three_points(s, depth):
    check(s, depth)


@given(s=singular_values(4), depth=st.sampled_from([2, 3, 7, 20]))
def test_homogeneous_polynomials(s, depth):
    # The second differences of x^(1/N) at p^N: -h_{N-2}(p_i, p_l, p_j) / (c_il c_lj c_ij).
    p = [mpmath.mpf(float(value)) ** (mpmath.mpf(2) / depth) for value in s]
    computed = second_of(s, depth)
    i, l, j = index = (0, 1, 3)
    terms = itertools.combinations_with_replacement([p[i], p[l], p[j]], depth - 2)
    polynomial = mpmath.fsum(mpmath.fprod(term) for term in terms)
    for a, b in itertools.combinations(index, 2):
        polynomial /= mpmath.fsum(p[a] ** (depth - 1 - e) * p[b] ** e for e in range(depth))
    assert abs(mpmath.mpf(float(computed[index])) / -polynomial - 1) <= 200 * EPS


@given(
    s=singular_values(3, 1e-6, 1e6),
    depth=st.sampled_from([*DEPTHS, math.inf]),
    exponent=st.integers(-20, 20),
)
def test_scaling(s, depth, exponent):
    c = 2.0**exponent
    factor = c ** (2 / depth - 4)
    scaled, expected = (second_of(x, depth) for x in (c * s, s))
    np.testing.assert_allclose(scaled, factor * expected, rtol=bound(depth))
    scaled, expected = (weights(x, DepthMetric(depth)).first_left for x in (c * s, s))
    np.testing.assert_allclose(scaled, factor * expected, rtol=bound(depth))


@given(s=singular_values(4), depth=st.sampled_from([*DEPTHS, math.inf]), seed=seeds)
def test_order_of_the_indices_and_of_the_values(s, depth, seed):
    second = second_of(s, depth)
    for axes in itertools.permutations(range(3)):
        np.testing.assert_allclose(second.transpose(axes), second, rtol=20 * EPS)
    order = np.random.default_rng(seed).permutation(s.size)
    permuted = second_of(s[order], depth)
    np.testing.assert_allclose(permuted, second[np.ix_(order, order, order)], rtol=bound(depth))


@pytest.mark.parametrize("depth", [*DEPTHS, math.inf])
def test_signs(depth):
    # x^(1/N) is increasing and concave, x^(1/N) / x decreasing and convex.
    s = np.geomspace(1e-12, 1e6, 12)
    w = weights(s, DepthMetric(depth))
    assert (second_of(s, depth) < 0).all()
    if depth < math.inf:
        assert (w.first_left < 0).all()
        assert (second_differences(s, 1 / depth - 1) > 0).all()


def test_the_embedded_metric_has_no_derivative():
    s = np.array([3.0, 2.0, 2.0])
    assert not second_of(s, 1).any()
    assert not weights(s, DepthMetric(1)).first_left.any()


def test_integer_exponents():
    # The first differences of x^2 are sums, those of 1/x are -1/(x y).
    s = np.array([3.0, 2.0, 2.0, 1e-5])
    x = s**2
    np.testing.assert_allclose(first_differences(s, 2), np.add.outer(x, x), rtol=20 * EPS)
    np.testing.assert_allclose(first_differences(s, -1), -1 / np.outer(x, x), rtol=20 * EPS)


def test_weights_are_kept_apart_and_cannot_be_changed():
    s = np.array([3.0, 2.0, 1.0])
    kept = weights(s, DepthMetric(3))
    assert weights(s.copy(), DepthMetric(3)) is kept
    assert not np.array_equal(weights(s, DepthMetric(4)).tangential, kept.tangential)
    assert not np.array_equal(weights(s[::-1], DepthMetric(3)).tangential, kept.tangential)
    for array in (part for part in kept if isinstance(part, np.ndarray)):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
