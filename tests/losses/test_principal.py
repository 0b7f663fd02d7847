"""What flows do to make products cheap, against the dense gradient in the given coordinates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import (
    FixedRank,
    LinearRegression,
    balanced_factors,
    factored_flow,
    riemannian_flow,
)
from fixedrank.losses.moments import MatrixProduct, in_factors
from tests.geometry.dense import matrix
from tests.strategies import seeds


def teacher_and_data(d_y, d_x, rank, noise, rng, smallest=0.1):
    X = rng.standard_normal((d_x, 2 * d_x)) * np.linspace(smallest, 1, d_x)[:, None]
    W = rng.standard_normal((d_y, rank)) @ rng.standard_normal((rank, d_x))
    return X, W @ X + noise * rng.standard_normal((d_y, 2 * d_x))


@pytest.mark.parametrize(("d_y", "d_x"), [(7, 5), (5, 7), (6, 6), (80, 70), (70, 90)])
@pytest.mark.parametrize("noise", [0.0, 0.1])
@given(seed=seeds, with_core=st.booleans())
def test_thin_products_in_principal_axes(d_y, d_x, noise, seed, with_core):
    rng = np.random.default_rng(seed)
    X, Y = teacher_and_data(d_y, d_x, 3, noise, rng)
    problem = LinearRegression(X, Y)
    turned, axes = problem._in_principal_axes()
    left, right = rng.standard_normal((d_y, 4)), rng.standard_normal((d_x, 4))
    core = rng.standard_normal((4, 4)) if with_core else None
    W = left @ right.T if core is None else left @ core @ right.T
    gradient = (W @ X - Y) @ X.T
    size = np.linalg.norm(W @ X @ X.T) + np.linalg.norm(Y @ X.T)
    gv, gtu = problem.gradient_products(left, core, right)
    np.testing.assert_allclose(gv, gradient @ right, rtol=0, atol=1e-13 * size * 4)
    np.testing.assert_allclose(gtu, gradient.T @ left, rtol=0, atol=1e-13 * size * 4)
    turned_gv, turned_gtu = turned.gradient_products(left, core, axes.T @ right)
    np.testing.assert_allclose(turned_gv, gradient @ right, rtol=0, atol=1e-13 * size * 4)
    np.testing.assert_allclose(axes @ turned_gtu, gradient.T @ left, rtol=0, atol=1e-13 * size * 4)


@pytest.mark.parametrize(("d", "noise"), [(6, 0.1), (80, 0.0), (80, 0.1)])
def test_flows_are_the_same_in_any_coordinates(d, noise):
    """Given by moments, C is not diagonalised."""
    rng = np.random.default_rng(3)
    X, Y = teacher_and_data(d, d, 2, noise, rng, smallest=0.3)
    X, Y = X / np.linalg.norm(X, 2), Y / np.linalg.norm(Y, 2)
    problem = LinearRegression(X, Y)
    moments = LinearRegression.from_moments(X @ X.T, Y @ X.T, float((Y**2).sum()))
    assert moments._in_principal_axes() == (moments, None)
    start = FixedRank(d, d, 2, depth=3).random_point(rng=rng)
    layers = balanced_factors(start, [d, 2, 2, d], rng=rng)
    times = [0.0, 0.5, 3.0, 1e4, 2e4, 3e4]  # at rest for the last ones
    accuracy = {"rtol": 1e-10, "atol": 1e-12}
    with_axes, without = (
        riemannian_flow(p, start, 3, times, **accuracy) for p in (problem, moments)
    )
    for a, b in zip(with_axes.points, without.points, strict=True):
        np.testing.assert_allclose(matrix(a), matrix(b), rtol=0, atol=1e-8)
    np.testing.assert_allclose(with_axes.loss, without.loss, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(with_axes.gradient_norm, without.gradient_norm, rtol=1e-5, atol=1e-6)
    layered = factored_flow(problem, layers, times, **accuracy)
    reference = factored_flow(moments, layers, times, **accuracy)
    for a, b in zip(layered.factors, reference.factors, strict=True):
        for one, other in zip(a, b, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-8)
    np.testing.assert_allclose(layered.gradient_norm, reference.gradient_norm, rtol=1e-5, atol=1e-6)


def test_a_class_with_products_of_its_own_is_asked_for_them():
    class Penalised(LinearRegression):
        def gradient_products(self, left, core, right):
            gv, gtu = super().gradient_products(left, core, right)
            middle = np.eye(right.shape[1]) if core is None else core
            return gv + left @ middle @ (right.T @ right), gtu + right @ middle.T @ (left.T @ left)

    problem = Penalised(np.eye(2), np.diag([4.0, 0.0]))
    start = FixedRank(2, 2, 1, depth=1).point(np.diag([1.0, 0.0]))
    flow = riemannian_flow(problem, start, 1, [0, 20])
    # (w - 4) + w = 0
    assert flow.singular_values[-1] == pytest.approx(2, rel=1e-8)


@pytest.mark.parametrize("shape", [(64, 100), (300, 70)])
@pytest.mark.parametrize("rank", [0, 1, 7])
@pytest.mark.parametrize("spread", [1.0, 1e-6])
def test_matrices_of_low_rank_come_in_factors(shape, rank, spread):
    rng = np.random.default_rng(0)
    scales = np.geomspace(1, spread, rank) if rank else np.zeros(0)
    low = (rng.standard_normal((shape[0], rank)) * scales) @ rng.standard_normal((rank, shape[1]))
    found = in_factors(low)
    assert isinstance(found, MatrixProduct)
    assert found.left.shape[1] == rank
    atol = 3e-15 * np.linalg.norm(low)
    np.testing.assert_allclose(found @ np.eye(shape[1]), low, rtol=0, atol=atol)
    np.testing.assert_allclose(found.T @ np.eye(shape[0]), low.T, rtol=0, atol=atol)


@pytest.mark.parametrize("noise", [1.0, 1e-6, 1e-12, 3e-14])
def test_what_is_not_round_off_is_kept(noise):
    rng = np.random.default_rng(0)
    low = rng.standard_normal((80, 2)) @ rng.standard_normal((2, 80))
    noisy = low + noise * rng.standard_normal((80, 80))
    assert in_factors(noisy) is noisy


def test_small_matrices_and_those_of_high_rank_stay():
    rng = np.random.default_rng(0)
    small = np.ones((20, 500))
    high = rng.standard_normal((80, 11)) @ rng.standard_normal((11, 80))
    assert in_factors(small) is small
    assert in_factors(high) is high
