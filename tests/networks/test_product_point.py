"""The product of layers as a point: all singular values to relative accuracy if balanced."""

import numpy as np
import pytest

from fixedrank import RankLostError, balanced_factors, random_balanced_factors
from fixedrank.networks.initial import product_point
from tests.networks.data import gaussian_layers, multiplied

EPS = np.finfo(float).eps


@pytest.mark.parametrize("widths", [[6, *[4] * 19, 5], [4, *[6] * 19, 7], [9, 4, *[5] * 18, 8]])
def test_singular_values_down_to_1e_minus_20(widths):
    rng = np.random.default_rng(0)
    s = np.array([1.0, 1e-5, 1e-12, 1e-20])
    u, v = (np.linalg.qr(rng.standard_normal((d, 4)))[0] for d in (widths[-1], widths[0]))
    layers = balanced_factors((u, s, v.T), widths, rng=1)
    point = product_point(layers, balanced=True)
    # The roots lie in [0.1, 1]: they come out to some eps / 0.1, their 20th powers to 20 times
    # that, with a factor of a few units for the decomposition.
    np.testing.assert_allclose(point.s, s, rtol=20 * 10 * 20 * EPS)
    for gram in (point.u.T @ point.u, point.vt @ point.vt.T):
        np.testing.assert_allclose(gram, np.eye(4), rtol=0, atol=20 * EPS)
    # The singular vectors belong together: the same pairs, up to a common sign. Those of W_1
    # are apart by at least 0.1, so they come out to a few hundred eps.
    left, right = u.T @ point.u, v.T @ point.vt.T
    np.testing.assert_allclose(np.abs(left), np.eye(4), rtol=0, atol=1e-11)
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-11)


def test_the_product_itself_would_lose_them():
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((d, 2)))[0] for d in (4, 5))
    layers = balanced_factors((u, np.array([1.0, 1e-20]), v.T), [5, *[2] * 19, 4], rng=1)
    assert np.linalg.svd(multiplied(layers))[1][1] > 1e-18


@pytest.mark.parametrize("depth", [1, 2, 20])
def test_ties(depth):
    layers = random_balanced_factors([5, *[3] * (depth - 1), 4], rng=2)
    point = product_point(layers, balanced=True)
    assert point.s.size == (3 if depth > 1 else 4)
    W = (point.u * point.s) @ point.vt
    np.testing.assert_allclose(W, multiplied(layers), rtol=0, atol=200 * depth * EPS)


@pytest.mark.parametrize("balanced", [False, True])
def test_the_numerical_rank(balanced):
    rng = np.random.default_rng(3)
    u, v = (np.linalg.qr(rng.standard_normal((d, 2)))[0] for d in (4, 5))
    layers = balanced_factors((u, np.array([2.0, 0.5]), v.T), [5, 3, 4], rng=4)
    point = product_point(layers, balanced=balanced)
    np.testing.assert_allclose(point.s, [2, 0.5], rtol=1e-14)


def test_unbalanced_layers():
    layers = gaussian_layers(5, [5, 3, 6, 4])
    u, s, vt = product_point(layers, balanced=False)
    assert s.size == 3
    np.testing.assert_allclose((u * s) @ vt, multiplied(layers), rtol=0, atol=1e-14)


@pytest.mark.parametrize("balanced", [False, True])
def test_a_zero_product(balanced):
    with pytest.raises(RankLostError, match="zero"):
        product_point([np.zeros((2, 3)), np.zeros((3, 2))], balanced=balanced)
