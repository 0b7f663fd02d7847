"""Sums over the middle index of divided differences, which a metric forms without their table."""

import itertools
import math
import tracemalloc

import mpmath
import numpy as np
import pytest

from fixedrank import DepthMetric, FixedRank, SpectralMetric
from tests.geometry.dense import EPS
from tests.geometry.metric.chain_tables import table_of
from tests.geometry.metric.members import METRICS
from tests.geometry.metric.test_differences import divided_difference, power

PATTERNS = {
    "distinct": [1, 0.7, 0.2],
    "tied": [1, 1, 1],
    "1e-12 apart": [1, 1 + 1e-12, 1 - 1e-12],
    "spread": [1e6, 1e-3, 1e-12],
    "spread and tied": [1e6, 1e-12, 1e-12],
    "unordered": [1e-3, 1, 0.5],
}
DEPTHS = [1 + 1e-9, 1.0001, 1.5, 2, 2.5, 3, 7, 32, 33, 1000, 1e6, math.inf]


@pytest.fixture
def by_products(monkeypatch):
    """Products at small ranks too, where some depths would take a table."""
    monkeypatch.setattr(DepthMetric, "_by_table", lambda self, k: False)


def worst_error(table, function, s, wanted=lambda i, l, j: True):
    """The largest error of the table relative to its own numbers, in many digits."""
    worst = 0.0
    for index in itertools.combinations_with_replacement(range(len(s)), 3):
        expected = divided_difference(function, s[list(index)])
        for place in set(itertools.permutations(index)):
            if wanted(*place):
                worst = max(worst, abs(float(mpmath.mpf(float(table[place])) / expected - 1)))
    return worst


@pytest.mark.parametrize("name", METRICS)
def test_sums_are_those_of_the_table(name, by_products):
    metric, rng = METRICS[name], np.random.default_rng(0)
    for s in (np.array([3.0, 1.2, 0.5, 0.5, 0.1]), np.array([[2.0, 0.8, 0.8], [1.0, 1e-4, 1e-9]])):
        a, b = rng.standard_normal((2, *s.shape, s.shape[-1]))
        sums, sizes = metric.chain(s)(a, b), metric.chain(s)(abs(a), abs(b))
        table = np.asarray(metric.second(s))
        expected = np.einsum("...ilj,...il,...lj->...ij", table, a, b)
        # Each sum to the round-off of its own terms, which are all of one sign for the sizes.
        assert (abs(sums - expected) <= 300 * EPS * abs(sizes)).all()


@pytest.mark.parametrize("depth", DEPTHS)
def test_differences_in_many_digits(depth, by_products):
    """Also those of x f(x), and of f(x) / x, that the curvature needs."""
    metric, f = DepthMetric(depth), power(depth)
    with mpmath.workdps(140):
        for s in map(np.array, PATTERNS.values()):
            assert worst_error(table_of(metric.chain(s), 3), f, s) <= 300 * EPS
            raised = table_of(metric.raised_chain(s), 3)
            asked = lambda i, l, j, s=s: s[l] >= max(s[i], s[j])  # noqa: E731
            assert worst_error(raised, lambda x: x * f(x), s, asked) <= 300 * EPS
            if depth < math.inf:
                normal = table_of(metric.normal_chains(s)[0], 3)
                assert worst_error(normal, power(depth, 1), s) <= 300 * EPS


@pytest.mark.parametrize("name", METRICS)
def test_sums_for_the_curvature_are_those_of_the_tables(name, by_products):
    metric, s = METRICS[name], np.array([2.0, 1.9, 0.6, 0.6, 0.05])
    sides = zip(metric.normal_chains(s), metric.normal_second(s), strict=True)
    for chain, table in sides:
        np.testing.assert_allclose(table_of(chain, s.size), table, rtol=1e-8, atol=1e-12)
    asked = np.tri(s.size)[:, :, None] * np.tri(s.size).T  # l <= i and l <= j
    expected = table_of(SpectralMetric.raised_chain(metric, s), s.size)
    found = table_of(metric.raised_chain(s), s.size)
    np.testing.assert_allclose(found * asked, expected * asked, rtol=1e-12)


@pytest.mark.parametrize("depth", [1.0001, 2, 2.5, 3, 4, 7, 32, 50, math.inf])
@pytest.mark.parametrize("products", [False, True])
def test_third_differences_in_many_digits(depth, products, monkeypatch):
    if products:
        monkeypatch.setattr(DepthMetric, "_by_table", lambda self, k: False)
    rng = np.random.default_rng(1)
    metric = DepthMetric(depth)
    for name in ("distinct", "tied", "spread and tied"):
        s = np.array(PATTERNS[name][:2] if name == "tied" else PATTERNS[name]) / max(PATTERNS[name])
        k = s.size
        # Of the sizes with which they come, so that all terms count.
        size = np.sqrt(np.outer(s, s))
        m, x, y = rng.standard_normal((3, k, k)) * size
        x, y = (x + x.T) * size, (y + y.T) * size
        with mpmath.workdps(140):
            f = {
                index: divided_difference(power(depth), s[list(index)])
                for index in itertools.combinations_with_replacement(range(k), 4)
            }
            total = scale = mpmath.mpf(0)
            for i, a, b, j in itertools.product(range(k), repeat=4):
                terms = (
                    m[i, j] * x[i, a] * x[a, b] * m[b, j],
                    m[i, j] * x[i, a] * m[a, b] * y[b, j],
                    m[i, j] * m[i, a] * y[a, b] * y[b, j],
                )
                difference = f[tuple(sorted((i, a, b, j)))]
                total += difference * mpmath.fsum(map(float, terms))
                scale += abs(difference) * mpmath.fsum(map(float, map(abs, terms)))
        assert abs(metric.third(s)(m, x, y) - float(total)) <= 400 * EPS * float(scale)


def peak(operation, depth, k):
    """Return the largest number of bytes that an operation holds."""
    manifold, rng = FixedRank(k, k, k, depth=depth), np.random.default_rng(0)
    point = manifold.random_point(rng=rng)
    x, y = (manifold.random_tangent_vector(point, rng=rng) for _ in range(2))
    pair = [(rng.standard_normal((k, 1)), rng.standard_normal((k, 1))) for _ in range(2)]
    call = {
        "christoffel": lambda: manifold.christoffel(point, x, y),
        "hessian": lambda: manifold.euclidean_to_riemannian_hessian(point, *pair, x),
        "curvature": lambda: manifold.sectional_curvature(point, x, y),
    }[operation]
    tracemalloc.start()
    call()
    result = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result


@pytest.mark.parametrize(
    ("operation", "depth", "k"),
    [
        ("christoffel", 1, 60),
        ("christoffel", 2, 60),
        ("christoffel", 2.5, 101),
        ("hessian", 3, 60),
        ("curvature", 2, 60),
        ("curvature", 3, 60),
    ],
)
def test_memory_grows_with_the_square_of_the_rank(operation, depth, k):
    """Twice the rank takes four times the memory; eight times would be a table of all triples."""
    assert peak(operation, depth, 2 * k) < 5 * peak(operation, depth, k)
