"""Regressions on weighted samples, few samples and data of low rank, against plain sums."""

import numpy as np
import pytest
import scipy.sparse
from scipy.integrate import solve_ivp

from fixedrank import (
    FixedRank,
    LinearRegression,
    MatrixCompletion,
    MomentRegression,
    RankLostError,
    SchattenDecay,
    balancedness,
    classify,
    compare_flows,
    factored_flow,
    gradient_descent,
    random_balanced_factors,
    riemannian_flow,
    two_layer_solution,
)
from fixedrank.losses import require_data
from tests.networks.data import dense_loss

RNG = np.random.default_rng(0)
X, Y, W = (RNG.standard_normal(shape) for shape in ((4, 12), (3, 12), (3, 4)))
WEIGHTS = np.where(np.arange(12) == 5, 0.0, RNG.random(12))
KINDS = pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])


def few(samples=3, features=6):
    rng = np.random.default_rng(1)
    return rng.standard_normal((features, samples)), rng.standard_normal((3, samples))


@KINDS
def test_weights_count_samples(kind):
    problem = LinearRegression(kind(X), Y, sample_weight=WEIGHTS)
    expected = 0.5 * sum(
        w * np.sum((y - W @ x) ** 2) for w, x, y in zip(WEIGHTS, X.T, Y.T, strict=True)
    )
    assert problem.loss(W) == pytest.approx(expected, rel=1e-12)
    gradient = sum(w * np.outer(W @ x - y, x) for w, x, y in zip(WEIGHTS, X.T, Y.T, strict=True))
    point = FixedRank(3, 4, 3, depth=1).point(W)
    np.testing.assert_allclose(np.asarray(problem.gradient(point)), gradient, rtol=0, atol=1e-11)
    repeated = LinearRegression(
        kind(np.repeat(X, np.arange(12), axis=1)), np.repeat(Y, np.arange(12), axis=1)
    )
    counted = LinearRegression(kind(X), Y, sample_weight=np.arange(12))
    assert counted.loss(W) == pytest.approx(repeated.loss(W), rel=1e-12)
    assert counted.digest != LinearRegression(kind(X), Y).digest


def test_the_best_weighted_fit():
    problem = LinearRegression(X, Y, sample_weight=WEIGHTS)
    best = np.linalg.lstsq((X * np.sqrt(WEIGHTS)).T, (Y * np.sqrt(WEIGHTS)).T, rcond=None)[0].T
    assert problem.infimum == pytest.approx(problem.loss(best), rel=1e-12)
    np.testing.assert_allclose(
        (problem.svd[0] * problem.svd[1]) @ problem.svd[2] @ np.linalg.inv(problem.root),
        best,
        rtol=0,
        atol=1e-11,
    )


@pytest.mark.parametrize("build", [LinearRegression, LinearRegression.on_range])
@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (WEIGHTS[:-1], ValueError, "each of the 12 samples, got 11"),
        (-WEIGHTS, ValueError, "at least 0.*index"),
        (0 * WEIGHTS, ValueError, "not 0 everywhere"),
        (WEIGHTS * np.nan, ValueError, "NaN"),
        (WEIGHTS[None], ValueError, "1 axes"),
        ("heavy", TypeError, "sample_weight must be an array of real numbers"),
    ],
)
def test_bad_weights(build, weights, error, message):
    with pytest.raises(error, match=message):
        build(X, Y, sample_weight=weights)


@pytest.mark.parametrize("samples", [1, 2, 5])
def test_losses_of_few_samples(samples):
    """Also of so few that X X^T is kept as a product of the data."""
    X, Y = few(samples)
    problem, W = LinearRegression(X, Y), np.random.default_rng(2).standard_normal((3, 6))
    assert isinstance(problem.C, np.ndarray) == (samples > 2)
    assert problem.loss(W) == pytest.approx(dense_loss(X, Y, W), rel=1e-13)
    gradient = (W @ X - Y) @ X.T
    np.testing.assert_allclose(np.asarray(problem.gradient(W)), gradient, rtol=0, atol=1e-12)
    # No cancellation where the residual is small.
    fitted = Y @ np.linalg.pinv(X) + 1e-12 * W
    assert problem.loss(fitted) == pytest.approx(dense_loss(X, Y, fitted), rel=1e-2)
    assert problem.infimum == pytest.approx(0, abs=1e-28)


def test_flows_of_few_samples():
    X, Y = few()
    problem, layers = LinearRegression(X, Y), random_balanced_factors([6, 2, 3], rng=0)
    times = [0.0, 0.5, 1.0]

    def velocity(t, y):
        first, second = y[:12].reshape(2, 6), y[12:].reshape(3, 2)
        G = (second @ first @ X - Y) @ X.T
        return -np.concatenate(((second.T @ G).ravel(), (G @ first.T).ravel()))

    start = np.concatenate([layer.ravel() for layer in layers])
    expected = solve_ivp(velocity, (0, 1), start, t_eval=times, rtol=1e-10, atol=1e-12).y.T
    flow = factored_flow(problem, layers, times)
    for found, y in zip(flow.factors, expected, strict=True):
        found_state = np.concatenate([layer.ravel() for layer in found])
        np.testing.assert_allclose(found_state, y, rtol=0, atol=1e-6)
    assert "are one" in compare_flows(problem, layers, times).verdict
    riemannian_flow(problem, FixedRank(3, 6, 3, depth=1).random_point(rng=0), 1, times)
    assert np.diff(gradient_descent(problem, layers, 20, step_size=0.01).loss).max() < 0


def test_only_what_needs_the_inverse_refuses():
    problem = LinearRegression(*few())
    point, layers = (
        FixedRank(3, 6, 1, depth=1).random_point(rng=0),
        random_balanced_factors([6, 1, 3], rng=0),
    )
    for ask in (
        lambda: problem.Q,
        lambda: classify(problem, point),
        lambda: gradient_descent(problem, layers, 2),
        lambda: require_data(problem, "this"),
    ):
        with pytest.raises(RankLostError, match=r"rank 3.*6.*on_range.*restrict_layers"):
            ask()
    assert problem.residual < 1e-12


@pytest.mark.parametrize(
    "problem",
    [MomentRegression(X @ X.T, Y @ X.T, np.vdot(Y, Y)), MatrixCompletion(np.eye(3)), object()],
)
def test_the_door_to_what_needs_data(problem):
    name = type(problem).__name__
    with pytest.raises(TypeError, match=rf"this needs a LinearRegression.*arrays.*{name} has none"):
        require_data(problem, "this")


def test_a_sum_with_decay_is_told_of_weight_decay():
    total = LinearRegression(np.eye(2), np.eye(2)) + SchattenDecay(0.1, 2)
    words = "LossSum has none: take the regression alone, and .* the argument weight_decay"
    with pytest.raises(TypeError, match=words):
        classify(total, np.eye(2))
    with pytest.raises(TypeError, match=words):
        two_layer_solution(total, [np.eye(2)] * 2, [0, 1])


def test_layers_on_the_range():
    """Flows and losses stay; balance where W_1 vanishes across the range, and else by its part."""
    X, Y = few()
    problem, full = LinearRegression.on_range(X, Y), LinearRegression(X, Y)
    layers = random_balanced_factors([6, 2, 3], rng=0)
    reduced = problem.restrict_layers(layers)
    E = problem.basis
    assert reduced[0].shape == (2, 3)
    assert problem.network_loss(reduced) == pytest.approx(full.network_loss(layers), rel=1e-12)
    across = layers[0] @ (np.eye(6) - E @ E.T)
    assert balancedness(layers) < 1e-14
    assert balancedness(reduced) == pytest.approx(np.linalg.norm(across @ across.T), rel=1e-12)
    before = factored_flow(full, layers, [0, 1.0], rtol=1e-10).factors[-1]
    after = factored_flow(problem, reduced, [0, 1.0], rtol=1e-10).factors[-1]
    np.testing.assert_allclose(before[0] @ E, after[0], rtol=0, atol=1e-8)
    np.testing.assert_allclose(before[1], after[1], rtol=0, atol=1e-8)
    np.testing.assert_allclose(before[0] @ (np.eye(6) - E @ E.T), across, rtol=0, atol=1e-8)
    # Layers that vanish across the range are balanced here if and only if they are there.
    balanced = problem.extend_layers(random_balanced_factors([3, 2, 3], rng=1))
    assert balancedness(balanced) < 1e-14
    assert balancedness(problem.restrict_layers(balanced)) < 1e-14
    with pytest.raises(ValueError, match=r"R\^3 to R\^3.*R\^6 to R\^3"):
        problem.restrict_layers(reduced)


def test_layers_of_a_problem_that_was_not_restricted():
    problem, layers = LinearRegression(X, Y), random_balanced_factors([4, 2, 3], rng=0)
    for carried in (problem.restrict_layers(layers), problem.extend_layers(layers)):
        for found, layer in zip(carried, layers, strict=True):
            np.testing.assert_array_equal(found, layer)
