"""Gradient descent: its steps, safe step sizes, and the flow in the limit of small steps."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

import fixedrank
from fixedrank import (
    LinearRegression,
    MatrixCompletion,
    factored_flow,
    gaussian_factors,
    gradient_descent,
    hessian_bound,
    random_balanced_factors,
    safe_step_size,
)
from tests.networks.data import (
    autograd_hessian,
    data_pairs,
    gaussian_layers,
    inner_widths,
    multiplied,
    regression_data,
)
from tests.strategies import seeds


def norms(layers):
    return [np.linalg.norm(layer, 2) for layer in layers]


@given(
    data=data_pairs(largest=4),
    between=inner_widths(largest=4, deepest=4),
    seed=seeds,
    size=st.sampled_from([0.01, 0.5, 3.0]),
)
def test_the_bound_on_the_hessian(data, between, seed, size):
    X, Y = data
    layers = [size * layer for layer in gaussian_layers(seed, [len(X), *between, len(Y)])]
    bound = hessian_bound(LinearRegression(X, Y), max(norms(layers)) ** 2, len(layers))
    exact = np.linalg.norm(autograd_hessian(X, Y, layers), 2)
    assert exact <= bound * (1 + 1e-12)


def test_the_bound_is_not_far_off():
    """Within a factor of 3 for layers of equal norms and random directions of data."""
    X, Y = regression_data(0, 3, 3, 9)
    for depth in (1, 2, 3):
        layers = random_balanced_factors([3] * (depth + 1), rng=0)
        bound = hessian_bound(LinearRegression(X, Y), 1.0, depth)
        assert bound <= 3 * np.linalg.norm(autograd_hessian(X, Y, layers), 2)


@given(
    data=data_pairs(largest=4),
    between=inner_widths(largest=4, deepest=4),
    seed=seeds,
    size=st.sampled_from([0.01, 0.5, 1.5]),
)
def test_a_safe_step_lowers_the_loss_each_time_and_keeps_the_layers_bounded(
    data, between, seed, size
):
    X, Y = data
    problem = LinearRegression(X, Y)
    layers = [size * layer for layer in gaussian_layers(seed, [len(X), *between, len(Y)])]
    depth, step = len(layers), safe_step_size(problem, layers)
    descent = gradient_descent(problem, layers, 200)
    assert descent.step_size == step
    losses = np.array(descent.loss)
    falls = losses[:-1] - losses[1:]
    # The descent lemma, for steps of at most one over the bound.
    assert (falls >= step / 2 * descent.gradient_norm[:-1] ** 2 - 1e-12 * losses[0]).all()
    for factors in descent.factors[::50]:
        # The step is one over the bound for a K that holds along the whole iteration.
        bound = hessian_bound(problem, max(norms(factors)) ** 2, depth)
        assert bound <= (1 + 1e-9) / step


@pytest.mark.parametrize(
    ("x", "y", "layers"),
    [(1e7, -5e5, [80.0, 80.0]), (1e7, 2.4e6, [16.6, 15.9]), (1e-4, 1.0, [1.0, 2.0, 3.0])],
)
def test_safe_steps_of_all_sizes_solve_their_equation(x, y, layers):
    problem = LinearRegression([[x]], [[y]])
    step = safe_step_size(problem, [np.array([[w]]) for w in layers])
    depth, W = len(layers), np.prod(layers)
    gap = (y - W * x) ** 2 / 2
    width = (np.sqrt(2 * gap) + abs(y)) / x
    defect = np.abs(np.diff(np.square(layers))).sum()
    square = width ** (2 / depth) + 2 * (defect + 4 * step * gap)
    assert step * hessian_bound(problem, square, depth) == pytest.approx(1, rel=1e-9)
    assert step * hessian_bound(problem, square, depth) <= 1


def test_a_safe_step_does_not_depend_on_what_cannot_be_fitted():
    """Labels orthogonal to the data, even very large ones, change no gradient."""
    layers = random_balanced_factors([2, 2, 2], rng=0)
    plain = LinearRegression(np.eye(2, 3), np.eye(2, 3))
    noisy = LinearRegression(np.eye(2, 3), np.array([[1, 0, 1e9], [0, 1, -1e9]]))
    expected = safe_step_size(plain, layers)
    assert safe_step_size(noisy, layers) == pytest.approx(expected, rel=1e-9)


def test_a_safe_step_where_nothing_moves():
    problem = LinearRegression(np.eye(2), np.zeros((2, 2)))
    assert 0 < safe_step_size(problem, [np.zeros((2, 2))] * 3) < np.inf


def test_steps_are_those_of_the_definition():
    X, Y = regression_data(0, 3, 2, 9)
    layers = gaussian_layers(1, [3, 2, 2])
    descent = gradient_descent(LinearRegression(X, Y), layers, 5, step_size=0.01)
    for i in range(6):
        for found, expected in zip(descent.factors[i], layers, strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
        residual = (multiplied(layers) @ X - Y) @ X.T
        first, second = layers
        layers = [first - 0.01 * second.T @ residual, second - 0.01 * residual @ first.T]
    np.testing.assert_allclose(descent.t, 0.01 * np.arange(6))


@pytest.mark.parametrize("depth", [2, 3])
def test_the_distance_to_the_flow_is_of_the_order_of_the_step(depth):
    X, Y = regression_data(0, 3, 3, 9)
    problem = LinearRegression(X / 3, Y / 3)
    layers = gaussian_factors([3] * (depth + 1), rng=0)
    flow = factored_flow(problem, layers, [0, 1.0], rtol=1e-11, atol=1e-13)
    gaps = []
    for count in (100, 200, 400):
        descent = gradient_descent(problem, layers, [count], step_size=1 / count)
        gaps.append(np.linalg.norm(descent.product[-1] - flow.product[-1]))
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.05)
    assert gaps[1] / gaps[2] == pytest.approx(2, rel=0.03)


def test_only_what_is_asked_for_is_kept():
    problem = LinearRegression(np.eye(2), np.eye(2))
    descent = gradient_descent(problem, [np.ones((2, 2))] * 2, [0, 3, 10], step_size=0.1)
    assert descent.iterations.tolist() == [0, 3, 10]
    assert len(descent.factors) == len(descent.loss) == 3
    assert descent.complete


def test_divergence_is_told():
    problem = LinearRegression(np.eye(2), np.eye(2))
    descent = gradient_descent(problem, [3 * np.eye(2)] * 3, 1000, step_size=1.0)
    assert not descent.complete
    assert "step size 1 is too long" in descent.status
    assert len(descent.loss) < 20


def test_an_interruption_keeps_what_was_done(monkeypatch):
    problem = LinearRegression(np.eye(2), np.eye(2))
    calls = []
    gradient = problem.network_gradient

    def interrupted(layers):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return gradient(layers)

    monkeypatch.setattr(problem, "network_gradient", interrupted)
    descent = gradient_descent(problem, [np.eye(2)] * 2, 10, step_size=0.1)
    assert (len(descent.loss), descent.complete) == (3, False)
    assert descent.status == "interrupted after 3 of 11 iterates"


def test_bad_input():
    problem = LinearRegression(np.eye(2), np.eye(2))
    layers = [np.eye(2), np.eye(2)]
    with pytest.raises(ValueError, match="a number or 'safe', got 'auto'"):
        gradient_descent(problem, layers, 3, step_size="auto")
    with pytest.raises(ValueError, match="positive and finite, got -1"):
        gradient_descent(problem, layers, 3, step_size=-1.0)
    for wrong in ([-1, 3], [3, 2], [2, 2], []):
        with pytest.raises(
            ValueError, match=r"increasing whole numbers of iterates from 0 on, got"
        ):
            gradient_descent(problem, layers, wrong, step_size=0.1)
    for kind in ([1.0, 2.0], ["a"], [True]):
        with pytest.raises(TypeError, match=r"increasing whole numbers of iterates from 0 on"):
            gradient_descent(problem, layers, kind, step_size=0.1)
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        gradient_descent(problem, layers, 0)
    with pytest.raises(ValueError, match=r"layers map R\^3 to R\^2"):
        gradient_descent(problem, [np.ones((2, 3))], 3)
    with pytest.raises(ValueError, match="K must be finite and >= 0"):
        hessian_bound(problem, -1.0, 2)


class LogCosh:
    """The sum of log cosh(W - A): a loss of the user's own."""

    def __init__(self, target):
        self.target = target

    def loss(self, W):
        return float(np.log(np.cosh((W[0] * W[1]) @ W[2] - self.target)).sum())

    def gradient(self, W):
        return np.tanh((W[0] * W[1]) @ W[2] - self.target)


def test_descent_of_a_users_loss():
    """Step by step the gradients of W_2 W_1, and the loss of the product."""
    rng = np.random.default_rng(0)
    target, first, second = (rng.standard_normal(size) for size in ((4, 3), (2, 3), (4, 2)))
    descent = gradient_descent(LogCosh(target), [first, second], 20, step_size=0.05)
    for i in range(21):
        np.testing.assert_allclose(descent.product[i], second @ first, rtol=0, atol=1e-13)
        loss = np.log(np.cosh(second @ first - target)).sum()
        np.testing.assert_allclose(descent.loss[i], loss, rtol=1e-12)
        G = np.tanh(second @ first - target)
        first, second = first - 0.05 * second.T @ G, second - 0.05 * G @ first.T


def test_descent_of_a_users_loss_needs_a_step_size():
    problem, layers = LogCosh(np.eye(2)), [np.eye(2), np.eye(2)]
    with pytest.raises(TypeError, match=r"step_size='safe'.*needs a LinearRegression.*LogCosh"):
        gradient_descent(problem, layers, 5)
    with pytest.raises(TypeError, match="loss"):
        gradient_descent(object(), layers, 5, step_size=0.1)

    class Quartic(LogCosh):
        def loss(self, W):
            return float(W[1] @ W[1]) ** 2

        def gradient(self, W):
            return W._replace(s=4 * W[1] ** 3)

    descent = gradient_descent(Quartic(None), [3 * np.eye(2)] * 2, 50, step_size=1.0)
    assert not descent.complete
    assert "diverged at step" in descent.status


@pytest.mark.parametrize("scale", [1e-90, 1.0, 1e60])
def test_the_bound_in_any_form_of_the_moments(scale):
    """In factors, sparse or as operators: the norms of C and B are those of the arrays."""
    rng = np.random.default_rng(0)
    X = scale * rng.standard_normal((90, 12))
    Y = scale * rng.standard_normal((70, 12))
    dense = LinearRegression.from_moments(X @ X.T, Y @ X.T, np.vdot(Y, Y))
    holes = scipy.sparse.random_array((120, 90), density=0.02, rng=rng) * scale
    for problem, expected in (
        (LinearRegression.from_moments((X, X), (Y, X), np.vdot(Y, Y)), dense),
        (
            LinearRegression.from_moments(
                aslinearoperator(X @ X.T), aslinearoperator(Y @ X.T), np.vdot(Y, Y)
            ),
            dense,
        ),
        (
            LinearRegression(holes, holes),
            LinearRegression.from_moments(
                (holes @ holes.T).toarray(), (holes @ holes.T).toarray(), holes.power(2).sum()
            ),
        ),
    ):
        assert not isinstance(problem.C, np.ndarray)
        np.testing.assert_allclose(
            hessian_bound(problem, 1.5, 3), hessian_bound(expected, 1.5, 3), rtol=1e-10
        )


def test_what_needs_a_regression_says_so():
    problem, layers = MatrixCompletion(np.eye(3)), [np.eye(3), np.eye(3)]
    for call in (
        lambda: hessian_bound(problem, 1.0, 2),
        lambda: safe_step_size(problem, layers),
        lambda: fixedrank.classify(problem, np.eye(3)),
        lambda: fixedrank.classify_factors(problem, layers),
        lambda: fixedrank.critical_points(problem, 1),
        lambda: fixedrank.global_minimizer(problem, 1),
        lambda: fixedrank.check_hypotheses(problem, layers),
        lambda: fixedrank.aligned_solution(problem, np.eye(3), 2, [0, 1]),
        lambda: fixedrank.two_layer_solution(problem, layers, [0, 1]),
    ):
        with pytest.raises(TypeError, match=r"LinearRegression.*MatrixCompletion"):
            call()
