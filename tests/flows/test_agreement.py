"""Theorem 4: the product of balanced layers follows the Riemannian flow of their depth."""

from itertools import pairwise

import numpy as np
import pytest

from fixedrank import (
    FixedRank,
    LinearRegression,
    balanced_factors,
    compare_flows,
    gaussian_factors,
    layer_widths,
    random_balanced_factors,
)
from fixedrank.flows import factored_flow, riemannian_flow
from tests.geometry.dense import matrix

T = np.linspace(0, 5, 11)


def multiplied(layers):
    W = layers[0]
    for layer in layers[1:]:
        W = layer @ W
    return W


def appendix_a(seed, widths):
    """X with columns from N(0, I/d), 3 d samples; Y = W X with W a product of Gaussian layers."""
    rng = np.random.default_rng(seed)
    d_x = widths[0]
    X = rng.standard_normal((d_x, 3 * d_x)) / np.sqrt(d_x)
    true = [
        rng.standard_normal((outer, inner)) / np.sqrt(outer) for inner, outer in pairwise(widths)
    ]
    return LinearRegression(X, multiplied(true) @ X)


def check(comparison):
    """Compare dense products, relative to the norm of W at each time."""
    assert comparison.factored.complete
    assert comparison.riemannian.complete
    np.testing.assert_array_equal(comparison.t, T)
    for layers, point in zip(
        comparison.factored.factors, comparison.riemannian.points, strict=True
    ):
        W = multiplied(layers)
        assert np.linalg.norm(W - matrix(point)) <= 1e-8 * np.linalg.norm(W)
    # Layers of norm about one, held to 1e-10 a step.
    assert comparison.balancedness.max() <= 1e-8
    assert "one" in comparison.verdict


@pytest.mark.parametrize(
    ("depth", "seed"),
    [*((depth, seed) for depth in (2, 5, 10) for seed in (0, 1)), (20, 0)],
)
def test_the_general_supervised_setting(depth, seed):
    # The start of B.1 is tied: all singular values are 1.
    widths = layer_widths(20, 2, depth)
    factors = random_balanced_factors(widths, rng=seed + 100)
    check(compare_flows(appendix_a(seed, widths), factors, T, rtol=1e-10))


@pytest.mark.parametrize(("d_x", "d_y", "rank"), [(9, 5, 3), (4, 8, 4), (6, 6, 6)])
@pytest.mark.parametrize("depth", [2, 4])
def test_rectangular_and_full_rank(d_x, d_y, rank, depth):
    widths = layer_widths((d_x, d_y), rank, depth)
    problem = appendix_a(3, widths)
    point = FixedRank(d_y, d_x, rank, depth=depth).random_point(rng=4)
    if d_x == d_y == rank:
        # Both determinants positive, so that the flow stays in the inside of M_k.
        point = FixedRank(6, 6, 6, depth=2).point(np.eye(6))
        problem = LinearRegression(np.eye(6), np.diag(np.arange(1.0, 7)) + 0.05)
    check(compare_flows(problem, balanced_factors(point, widths, rng=5), T, rtol=1e-10))


def test_layers_wider_than_the_rank():
    # W of rank 2 through layers that would admit rank 4: the rank of W never grows.
    point = FixedRank(6, 7, 2, depth=3).random_point(rng=6)
    comparison = compare_flows(
        appendix_a(7, [7, 4, 5, 6]), balanced_factors(point, [7, 4, 5, 6], rng=8), T, rtol=1e-10
    )
    check(comparison)
    assert comparison.factored.singular_values.shape == (T.size, 4)
    assert comparison.riemannian.singular_values.shape == (T.size, 2)
    assert comparison.factored.singular_values[:, 2:].max() <= 1e-10


@pytest.mark.parametrize("depth", [2, 5, 10])
def test_small_singular_values_agree_too(depth):
    # Saddle to saddle: growth by factors of 1e4 and more, relative to each value itself.
    rng = np.random.default_rng(9)
    problem = LinearRegression(np.eye(5), rng.standard_normal((5, 5)))
    point = FixedRank(5, 5, 2, depth=depth).random_point(rng=10)
    point = point._replace(s=np.array([1e-1, 1e-5]))
    factors = balanced_factors(point, [5, *[2] * (depth - 1), 5], rng=11)
    layers = factored_flow(problem, factors, T, rtol=1e-10, atol=1e-14)
    flow = riemannian_flow(problem, point, depth, T, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(layers.singular_values, flow.singular_values, rtol=1e-6)


def test_different_gauges_have_the_same_product():
    widths = [6, 3, 4, 6]
    problem = appendix_a(12, widths)
    point = FixedRank(6, 6, 3, depth=3).random_point(rng=13)
    one, other = (
        factored_flow(problem, balanced_factors(point, widths, rng=seed), T, rtol=1e-10)
        for seed in (14, 15)
    )
    for a, b in zip(one.product, other.product, strict=True):
        assert np.linalg.norm(a - b) <= 1e-8 * np.linalg.norm(a)


def test_unbalanced_layers_go_elsewhere():
    # The theorem needs its assumption.
    problem = appendix_a(16, [6, 2, 6])
    factors = gaussian_factors([6, 2, 6], rng=17)
    comparison = compare_flows(problem, factors, T, allow_unbalanced=True)
    assert comparison.relative_gap.max() > 1e-2
