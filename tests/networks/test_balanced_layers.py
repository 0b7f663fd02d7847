"""Balanced layers: lifts of a given matrix, and the random ones of appendix B.1."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import FixedRank, balanced_factors, layer_widths, random_balanced_factors
from tests.networks.data import inner_widths, multiplied
from tests.strategies import frames, points, seeds, shapes

EPS = np.finfo(float).eps


def imbalances(layers):
    return [
        np.linalg.norm(layers[j].T @ layers[j] - layers[j - 1] @ layers[j - 1].T)
        for j in range(1, len(layers))
    ]


@given(data=st.data(), shape=shapes())
def test_a_lift_is_balanced_and_multiplies_to_the_matrix(data, shape):
    m, n, k = shape
    point = data.draw(points(shape))
    widths = [n, *data.draw(inner_widths(smallest=k, largest=k + 3, deepest=6)), m]
    layers = balanced_factors(point, widths, rng=data.draw(seeds))
    assert [w.shape for w in layers] == list(zip(widths[1:], widths, strict=False))
    depth, largest = len(layers), point.s.max()
    # Frames are orthonormal to some k eps, and each of the N layers adds its round-off.
    assert max(imbalances(layers), default=0) <= 100 * k * EPS * largest ** (2 / depth)
    W = (point.u * point.s) @ point.vt
    bound = 50 * depth * k * EPS * largest
    np.testing.assert_allclose(multiplied(layers), W, rtol=0, atol=bound)


@pytest.mark.parametrize("depth", [2, 3, 20])
def test_tied_and_tiny_singular_values(depth):
    rng = np.random.default_rng(0)
    s = np.array([1.0, 1.0, 1e-100, 1e-200])
    u, v = (np.linalg.qr(rng.standard_normal((d, 4)))[0] for d in (6, 5))
    layers = balanced_factors((u, s, v.T), [5, *[4] * (depth - 1), 6], rng=1)
    np.testing.assert_allclose(multiplied(layers), (u * s) @ v.T, rtol=0, atol=100 * depth * EPS)
    assert max(imbalances(layers)) <= 100 * EPS
    # Along the first right singular vectors the layers act as s^(1/N) each.
    columns = v
    for layer in layers:
        columns = layer @ columns
        lengths = np.linalg.norm(columns[:, :2], axis=0)
        np.testing.assert_allclose(lengths, 1, rtol=0, atol=100 * depth * EPS)


def test_one_layer_is_the_matrix():
    point = FixedRank(3, 4, 2, depth=1).random_point(rng=0)
    (layer,) = balanced_factors(point, [4, 3])
    np.testing.assert_allclose(layer, (point.u * point.s) @ point.vt, rtol=0, atol=1e-15)


def test_seeds():
    point = FixedRank(3, 4, 2, depth=3).random_point(rng=0)
    widths = [4, 5, 2, 3]
    first, again, other = (balanced_factors(point, widths, rng=seed) for seed in (7, 7, 8))
    generated = balanced_factors(point, widths, rng=np.random.default_rng(7))
    for a, b, c in zip(first, again, generated, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    # Another gauge, the same product.
    assert np.linalg.norm(first[1] - other[1]) > 0.1 * np.linalg.norm(first[1])
    np.testing.assert_allclose(multiplied(first), multiplied(other), rtol=0, atol=1e-13)


POINT = FixedRank(3, 4, 2, depth=2).random_point(rng=0)


@pytest.mark.parametrize(
    ("point", "widths", "error", "text"),
    [
        (POINT, [4, 1, 3], ValueError, "rank 2.*1"),
        (POINT, [3, 2, 4], ValueError, r"d_0 = 4 to d_N = 3.*\[3, 2, 4\]"),
        (POINT, [4, 2, 4], ValueError, "d_N = 3"),
        (POINT, [4], ValueError, r"\[d_0, ..., d_N\]"),
        (POINT, [4, 2.5, 3], TypeError, r"widths\[1\] must be an integer"),
        (POINT, [4, 0, 3], ValueError, r"widths\[1\] must be at least 1"),
        (POINT._replace(s=np.array([1.0, 0.0])), [4, 2, 3], ValueError, "positive"),
        (POINT._replace(u=2 * POINT.u), [4, 2, 3], ValueError, "orthonormal"),
        (np.ones((3, 4)), [4, 2, 3], TypeError, "point"),
    ],
)
def test_bad_input(point, widths, error, text):
    with pytest.raises(error, match=text):
        balanced_factors(point, widths)


@given(widths=st.lists(st.integers(1, 6), min_size=2, max_size=6), seed=seeds)
def test_random_layers_have_the_structure_of_b_1(widths, seed):
    layers = random_balanced_factors(widths, rng=seed)
    rank = min(widths)
    assert [w.shape for w in layers] == list(zip(widths[1:], widths, strict=False))
    for layer in layers:
        expected = np.r_[np.ones(rank), np.zeros(min(layer.shape) - rank)]
        np.testing.assert_allclose(np.linalg.svd(layer)[1], expected, rtol=0, atol=100 * EPS)
    assert max(imbalances(layers), default=0) <= 100 * EPS
    W = multiplied(layers)
    expected = np.r_[np.ones(rank), np.zeros(min(W.shape) - rank)]
    np.testing.assert_allclose(np.linalg.svd(W)[1], expected, rtol=0, atol=1000 * EPS)


def test_the_grid_of_b_1():
    # d_1 = r: there V_1 is square, so that W_2 W_1 = V_2 I U_1^T V_1 I U_0^T is V_2 I U_0^T.
    widths = layer_widths(10, 5, 4, rounding="nearest")
    first, second, *_ = random_balanced_factors(widths, rng=0)
    np.testing.assert_allclose(first @ first.T, np.eye(5), rtol=0, atol=50 * EPS)
    np.testing.assert_allclose(second.T @ second, np.eye(5), rtol=0, atol=50 * EPS)


def test_random_layers_favour_no_direction():
    # For orthogonal V_j from the Haar measure W = U_N U_0^T is distributed as -W, and the mean
    # of the squared entries is r / (d_0 d_N).
    draws = np.array([multiplied(random_balanced_factors([3, 2, 4], rng=s)) for s in range(2000)])
    deviation = np.sqrt(2 / 12 / 2000)
    np.testing.assert_allclose(draws.mean(0), 0, rtol=0, atol=5 * deviation)
    np.testing.assert_allclose((draws**2).mean(0), 2 / 12, rtol=0.15)
    signs = np.ravel([random_balanced_factors([1, 1], rng=s)[0] for s in range(400)])
    np.testing.assert_allclose(np.abs(signs), 1)
    assert abs(signs.mean()) < 5 / np.sqrt(400)


def test_random_layers_repeat_with_the_seed():
    first, again, other = (random_balanced_factors([4, 2, 4], rng=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    assert np.linalg.norm(first[0] - other[0]) > 0.1


@given(data=st.data(), shape=shapes(square=True))
def test_a_lift_of_an_orthogonal_matrix_has_orthogonal_layers(data, shape):
    n = shape[0]
    W = data.draw(frames(n, n))
    for layer in balanced_factors((W, np.ones(n), np.eye(n)), [n, n, n, n], rng=0):
        np.testing.assert_allclose(layer @ layer.T, np.eye(n), rtol=0, atol=100 * EPS)


@pytest.mark.parametrize("widths", [[3], [], [3, -1], [3, True, 3], [3, 2.0]])
def test_bad_widths(widths):
    with pytest.raises((TypeError, ValueError), match="widths"):
        random_balanced_factors(widths)
