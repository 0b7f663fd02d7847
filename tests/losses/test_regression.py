"""The losses (2) and (4) and their gradients, against sums over samples and differences."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given

from fixedrank import FixedRank, LinearRegression
from tests.networks.data import (
    data_pairs,
    dense_loss,
    gaussian_layers,
    inner_widths,
    multiplied,
    regression_data,
)
from tests.strategies import seeds

# All the data here have entries of order one and fewer than 200 of them: sums of products of a
# few such factors are right to far better than this, relative to their terms.
ROUND_OFF = 1e-12


@given(data=data_pairs())
def test_second_moments(data):
    X, Y = data
    problem = LinearRegression(X, Y)
    assert problem.shape == (len(Y), len(X))
    C = sum(np.outer(x, x) for x in X.T)
    B = sum(np.outer(y, x) for x, y in zip(X.T, Y.T, strict=True))
    np.testing.assert_allclose(problem.C, C, rtol=0, atol=ROUND_OFF * np.linalg.norm(C))
    bound = ROUND_OFF * np.linalg.norm(X) * np.linalg.norm(Y)
    np.testing.assert_allclose(problem.B, B, rtol=0, atol=bound)


@given(data=data_pairs())
def test_root_and_q(data):
    X, Y = data
    problem = LinearRegression(X, Y)
    np.testing.assert_array_less(0, np.linalg.eigvalsh(problem.root))
    bound = ROUND_OFF * np.linalg.norm(X)
    np.testing.assert_allclose(problem.root, problem.root.T, rtol=0, atol=bound)
    np.testing.assert_allclose(
        problem.root @ problem.root, X @ X.T, rtol=0, atol=bound * np.linalg.norm(X)
    )
    np.testing.assert_allclose(
        problem.Q @ problem.root, Y @ X.T, rtol=0, atol=bound * np.linalg.norm(Y)
    )


def test_q_of_ill_conditioned_data():
    # Q = B C^(-1/2) has norm at most |Y|, and its definition is Y times an orthogonal projection.
    X, Y = regression_data(0, 4, 3, 12)
    X = np.diag([1.0, 1e-2, 1e-4, 1e-6]) @ X
    problem = LinearRegression(X, Y)
    polar = scipy.linalg.polar(X)[0]
    # The polar factor of data of condition 1e6 is determined to 1e6 times round-off.
    np.testing.assert_allclose(problem.Q, Y @ polar.T, rtol=0, atol=1e-9 * np.linalg.norm(Y))


@given(data=data_pairs())
def test_residual_is_the_distance_to_the_best_fit(data):
    X, Y = data
    best = np.linalg.lstsq(X.T, Y.T, rcond=None)[0].T
    expected = np.linalg.norm(Y - best @ X)
    assert abs(LinearRegression(X, Y).residual - expected) <= ROUND_OFF * np.linalg.norm(Y)


@given(data=data_pairs(), seed=seeds)
def test_loss_and_gradient_of_an_array(data, seed):
    X, Y = data
    problem = LinearRegression(X, Y)
    W = np.random.default_rng(seed).standard_normal(problem.shape)
    assert problem.loss(W) == pytest.approx(dense_loss(X, Y, W), rel=ROUND_OFF)
    gradient = sum(np.outer(W @ x - y, x) for x, y in zip(X.T, Y.T, strict=True))
    bound = ROUND_OFF * np.linalg.norm(X) * (np.linalg.norm(W @ X) + np.linalg.norm(Y))
    assert isinstance(problem.gradient(W), np.ndarray)
    np.testing.assert_allclose(problem.gradient(W), gradient, rtol=0, atol=bound)


@given(data=data_pairs(), seed=seeds)
def test_a_point_is_its_matrix(data, seed):
    X, Y = data
    problem = LinearRegression(X, Y)
    m, n = problem.shape
    for k in {1, min(m, n)}:
        point = FixedRank(m, n, k, depth=2).random_point(rng=seed)
        W = (point.u * point.s) @ point.vt
        assert problem.loss(point) == pytest.approx(dense_loss(X, Y, W), rel=ROUND_OFF)
        assert problem.loss(tuple(point)) == problem.loss(point)
        expected = (W @ X - Y) @ X.T
        bound = ROUND_OFF * np.linalg.norm(X) * (np.linalg.norm(W @ X) + np.linalg.norm(Y))
        operator = problem.gradient(point)
        for dense in (np.asarray(operator), operator.toarray()):
            np.testing.assert_allclose(dense, expected, rtol=0, atol=bound)
        np.testing.assert_allclose(operator @ point.vt.T, expected @ point.vt.T, rtol=0, atol=bound)
        np.testing.assert_allclose(operator.T @ point.u, expected.T @ point.u, rtol=0, atol=bound)


@given(data=data_pairs(), inner=inner_widths(), seed=seeds)
def test_loss_and_gradient_of_layers(data, inner, seed):
    X, Y = data
    problem = LinearRegression(X, Y)
    layers = gaussian_layers(seed, [len(X), *inner, len(Y)])
    W = multiplied(layers)
    assert problem.network_loss(layers) == pytest.approx(dense_loss(X, Y, W), rel=ROUND_OFF)
    gradients = problem.network_gradient(layers)
    assert [g.shape for g in gradients] == [w.shape for w in layers]
    for j, gradient in enumerate(gradients):
        after = multiplied([np.eye(layers[j].shape[0]), *layers[j + 1 :]])
        before = multiplied([*layers[:j], np.eye(layers[j].shape[1])])
        expected = after.T @ (W @ X - Y) @ (before @ X).T
        scale = np.prod([np.linalg.norm(w) for w in [*layers[:j], *layers[j + 1 :]]])
        scale *= np.linalg.norm(X) * (np.linalg.norm(Y) + np.linalg.norm(X) * np.linalg.norm(W))
        bound = ROUND_OFF * max(scale, np.linalg.norm(expected))
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("widths", [[4, 3], [4, 2, 3], [4, 5, 1, 6, 3], [4, 6, 6, 3]])
def test_gradients_are_derivatives_of_the_losses(widths):
    X, Y = regression_data(1, 4, 3, 9)
    problem = LinearRegression(X, Y)
    rng = np.random.default_rng(2)
    layers = gaussian_layers(3, widths)
    directions = [rng.standard_normal(w.shape) for w in layers]

    def loss(h):
        return problem.network_loss([w + h * d for w, d in zip(layers, directions, strict=True)])

    # The error of central differences is of order h^2 times the third derivative.
    h = 1e-5
    slope = sum(
        np.vdot(g, d) for g, d in zip(problem.network_gradient(layers), directions, strict=True)
    )
    assert (loss(h) - loss(-h)) / (2 * h) == pytest.approx(slope, rel=1e-7)

    W, direction = multiplied(layers), rng.standard_normal((3, 4))
    # L^1 is quadratic: central differences of any step are exact.
    difference = (problem.loss(W + direction) - problem.loss(W - direction)) / 2
    assert difference == pytest.approx(np.vdot(problem.gradient(W), direction), rel=1e-10)
