"""What holds along every solution: decrease of the loss, conserved quantities, symmetries."""

import numpy as np
import pytest

from fixedrank import (
    FixedRank,
    LinearRegression,
    balanced_factors,
    factored_flow,
    gaussian_factors,
    riemannian_flow,
)
from tests.geometry import dense
from tests.geometry.dense import matrix, orthonormal

TIGHT = {"rtol": 1e-11, "atol": 1e-13}
WIDTHS = [4, 3, 6, 5]
# Around each of some times, five at a distance of h for differences.
H, CENTRES = 2e-4, np.array([0.05, 0.1, 0.3, 0.7, 1.5])
TIMES = np.unique(np.append(CENTRES[:, None] + H * np.arange(-2, 3), [0.0, 2.0]))


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((4, 10)) / 2, rng.standard_normal((5, 10)) / 2


@pytest.fixture(scope="module")
def start():
    rng = np.random.default_rng(1)
    return orthonormal(rng, 5, 3), np.array([1.0, 1.0, 0.2]), orthonormal(rng, 4, 3).T


@pytest.fixture(scope="module", params=["riemannian", "balanced", "unbalanced"])
def trajectory(request, data, start):
    problem, t = LinearRegression(*data), TIMES
    if request.param == "riemannian":
        return riemannian_flow(problem, start, 3, t, **TIGHT)
    factors = (
        balanced_factors(start, WIDTHS, rng=2)
        if request.param == "balanced"
        else gaussian_factors(WIDTHS, rng=3)
    )
    return factored_flow(problem, factors, t, **TIGHT)


def test_the_loss_falls_as_fast_as_the_gradient_says(trajectory):
    # Rates are below 40 from t = 0.05 on: the differences are right to (40 h)^4 / 30, and to the
    # tolerance over h.
    assert (np.diff(trajectory.loss) < 0).all()
    loss, length = (
        curve[1:-1].reshape(-1, 5).T for curve in (trajectory.loss, trajectory.gradient_norm)
    )
    slope = (loss[0] - 8 * loss[1] + 8 * loss[3] - loss[4]) / (12 * H)
    np.testing.assert_allclose(slope, -(length[2] ** 2), rtol=1e-6)


def test_losses_are_those_of_the_matrices(trajectory, data):
    X, Y = data
    losses = [0.5 * np.linalg.norm(matrix(p) @ X - Y) ** 2 for p in trajectory.points]
    np.testing.assert_allclose(trajectory.loss, losses, rtol=1e-12)


def test_points_are_singular_value_decompositions(trajectory):
    for point, s in zip(trajectory.points, trajectory.singular_values, strict=True):
        for gram in (point.u.T @ point.u, point.vt @ point.vt.T):
            np.testing.assert_allclose(gram, np.eye(3), rtol=0, atol=1e-13)
        assert (np.diff(point.s) <= 0).all()
        np.testing.assert_allclose(point.s, s, rtol=1e-13)
        np.testing.assert_allclose(np.linalg.svd(matrix(point))[1][:3], s, rtol=1e-13)


def test_all_that_a_trajectory_knows_has_one_entry_a_time(trajectory):
    count = trajectory.t.size
    assert len(trajectory) == count == 27
    for curve in (trajectory.loss, trajectory.gradient_norm, trajectory.balancedness):
        assert curve.shape == (count,)
    assert trajectory.singular_values.shape == (count, 3)
    assert len(trajectory.points) == count
    assert trajectory.evaluations >= trajectory.steps > 0


def test_products_of_the_layers(data):
    factors = gaussian_factors(WIDTHS, rng=4)
    flow = factored_flow(LinearRegression(*data), factors, [0, 0.5, 1])
    for layer, found in zip(factors, flow.factors[0], strict=True):
        np.testing.assert_array_equal(found, layer)
    for layers, W, point in zip(flow.factors, flow.product, flow.points, strict=True):
        expected = layers[2] @ layers[1] @ layers[0]
        np.testing.assert_allclose(W, expected, rtol=0, atol=1e-13)
        np.testing.assert_allclose(matrix(point), expected, rtol=0, atol=1e-13)


def test_layers_conserve_their_imbalances(data):
    factors = gaussian_factors(WIDTHS, rng=5)
    flow = factored_flow(LinearRegression(*data), factors, [0, 0.3, 3], **TIGHT)

    def imbalances(layers):
        return [
            layers[j + 1].T @ layers[j + 1] - layers[j] @ layers[j].T
            for j in range(len(layers) - 1)
        ]

    for layers in flow.factors[1:]:
        for now, before in zip(imbalances(layers), imbalances(factors), strict=True):
            np.testing.assert_allclose(now, before, rtol=0, atol=1e-9)
    expected = [max(np.linalg.norm(d) for d in imbalances(layers)) for layers in flow.factors]
    np.testing.assert_allclose(flow.balancedness, expected, rtol=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3, 10])
def test_gradient_norms_of_both_flows(data, start, depth):
    X, Y = data
    problem, W = LinearRegression(X, Y), matrix(start)
    G = (W @ X - Y) @ X.T
    riemannian = riemannian_flow(problem, start, depth, [0, 0.01], rtol=1e-5).gradient_norm[0]
    assert riemannian**2 == pytest.approx(np.vdot(dense.operator(W, 3, G, depth), G), rel=1e-10)
    if depth > 1:
        factors = balanced_factors(start, [4, *[3] * (depth - 1), 5], rng=6)
        factored = factored_flow(problem, factors, [0, 0.01], rtol=1e-5).gradient_norm[0]
        assert factored == pytest.approx(riemannian, rel=1e-12)


def test_the_gradient_norm_is_that_of_the_metric(data, start):
    problem, manifold = LinearRegression(*data), FixedRank(5, 4, 3, depth=4)
    flow = riemannian_flow(problem, start, 4, [0, 0.5, 1])
    for point, length in zip(flow.points, flow.gradient_norm, strict=True):
        gradient = manifold.euclidean_to_riemannian_gradient(point, problem.gradient(point))
        assert manifold.norm(point, gradient) == pytest.approx(length, rel=1e-10)


def test_orthogonal_changes_of_coordinates(data, start):
    rng = np.random.default_rng(7)
    left, right = orthonormal(rng, 5, 5), orthonormal(rng, 4, 4)
    (X, Y), (u, s, vt) = data, start
    one = riemannian_flow(LinearRegression(X, Y), start, 3, [0, 1], **TIGHT)
    turned = riemannian_flow(
        LinearRegression(right @ X, left @ Y), (left @ u, s, vt @ right.T), 3, [0, 1], **TIGHT
    )
    expected = left @ matrix(one.points[-1]) @ right.T
    np.testing.assert_allclose(matrix(turned.points[-1]), expected, rtol=0, atol=1e-9)


def test_scaling(data, start):
    # W -> c W with Y -> c Y turns time t into t / c^(2-2/N).
    (X, Y), (u, s, vt), c, depth = data, start, 3.0, 3
    end = 1 / c ** (2 - 2 / depth)
    one = riemannian_flow(LinearRegression(X, Y), start, depth, [0, 1], **TIGHT)
    scaled = riemannian_flow(LinearRegression(X, c * Y), (u, c * s, vt), depth, [0, end], **TIGHT)
    expected = c * matrix(one.points[-1])
    np.testing.assert_allclose(matrix(scaled.points[-1]), expected, rtol=0, atol=1e-9)
