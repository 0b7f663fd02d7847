"""How steps change the imbalances: what the law adds up, against the layers themselves."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from fixedrank import LinearRegression, balanced_factors, gradient_descent
from tests.networks.data import data_pairs, gaussian_layers, inner_widths, regression_data
from tests.strategies import seeds


def measured(layers):
    return [b.T @ b - a @ a.T for a, b in pairwise(layers)]


@given(
    data=data_pairs(largest=4),
    between=inner_widths(largest=4, deepest=4),
    seed=seeds,
    decay=st.sampled_from([0.0, 1e-3, 5.0]),
    momentum=st.sampled_from([0.0, 0.5, 0.95]),
    batches=st.booleans(),
    unit=st.sampled_from([1e-20, 1.0, 1e20]),
)
def test_what_the_law_adds_up(data, between, seed, decay, momentum, batches, unit):
    """D_j of all iterates, to round-off of the largest squares of the layers, in all units."""
    X, Y = data
    layers = [unit * layer for layer in gaussian_layers(seed, [len(X), *between, len(Y)])]
    # With layers in this unit and X of 1 / unit^(N - 1) every gradient is in this unit.
    problem = LinearRegression(X / unit ** (len(layers) - 1), Y * unit)
    size = max(np.linalg.norm(w, 2) for w in layers) / unit
    step = 0.02 / (1 + np.linalg.norm(X, 2) ** 2 * size ** (2 * len(layers) - 2) + decay)
    descent = gradient_descent(
        problem,
        layers,
        30,
        step_size=step,
        weight_decay=decay,
        momentum=momentum,
        batch_size=min(2, X.shape[1]) if batches else None,
        rng=seed,
        imbalance_law=True,
    )
    largest = 0.0
    for factors, law in zip(descent.factors, descent.imbalance_law, strict=True):
        largest = max(largest, *(float(np.vdot(w / unit, w / unit)) for w in factors))
        for one, other in zip(law, measured(factors), strict=True):
            assert np.abs(one - other).max() <= 1e-13 * largest * unit**2
    for factors, found in zip(descent.factors, descent.imbalances, strict=True):
        for one, other in zip(found, measured(factors), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_law_of_a_plain_step():
    """With the gradients of the loss: D (1 - eta lambda)^2 + eta^2 (g^T g - g g^T)."""
    X, Y = regression_data(0, 3, 4, 9)
    layers = gaussian_layers(1, [3, 2, 4])
    descent = gradient_descent(
        LinearRegression(X, Y), layers, 5, step_size=5e-3, weight_decay=2.0, imbalance_law=True
    )
    D = measured(layers)[0]
    for i in range(5):
        first, second = descent.factors[i]
        residual = (second @ first @ X - Y) @ X.T
        one, two = second.T @ residual, residual @ first.T
        D = (1 - 5e-3 * 2.0) ** 2 * D + 5e-3**2 * (two.T @ two - one @ one.T)
        size = np.linalg.norm(D)
        np.testing.assert_allclose(descent.imbalance_law[i + 1][0], D, rtol=0, atol=1e-13 * size)
        np.testing.assert_allclose(descent.imbalances[i + 1][0], D, rtol=0, atol=1e-13 * size)


def test_it_is_not_added_up_unless_asked_for():
    problem = LinearRegression(np.eye(2), np.eye(2))
    assert gradient_descent(problem, [np.eye(2)] * 2, 3).imbalance_law is None
    one = gradient_descent(problem, [np.eye(2)], 3, step_size=0.1, imbalance_law=True)
    assert one.imbalance_law == [[]] * 4


def test_the_imbalance_of_a_heavy_ball():
    """D'' + gamma D' is twice the difference of the squares of the velocities, in the limit.

    The heavy ball W'' + gamma W' = -grad by the layers, and D by its own equation along it; steps
    of sqrt(eta) with mu = 1 - gamma sqrt(eta) come close to both.
    """
    X, Y = regression_data(2, 3, 3, 9)
    X, Y, gamma, end = X / 3, Y / 3, 1.5, 2.0
    u, s, vt = np.linalg.svd(np.random.default_rng(0).standard_normal((3, 3)))
    layers = balanced_factors((u, s, vt), [3, 3, 3], rng=0)

    def velocity(t, state):
        first, second, one, two, _, E = state.reshape(6, 3, 3)
        residual = (second @ first @ X - Y) @ X.T
        forces = -gamma * one - second.T @ residual, -gamma * two - residual @ first.T
        pull = 2 * (two.T @ two - one @ one.T) - gamma * E
        return np.concatenate([x.ravel() for x in (one, two, *forces, E, pull)])

    start = np.concatenate([x.ravel() for x in (*layers, *np.zeros((4, 3, 3)))])
    flow = solve_ivp(velocity, (0, end), start, "DOP853", rtol=1e-11, atol=1e-12)
    first, second, _, _, D, _ = flow.y[:, -1].reshape(6, 3, 3)
    np.testing.assert_allclose(second.T @ second - first @ first.T, D, rtol=0, atol=1e-9)
    assert np.linalg.norm(D) > 0.1

    gaps = []
    for count in (1000, 2000):
        step = end / count
        descent = gradient_descent(
            LinearRegression(X, Y),
            layers,
            [count],
            step_size=step**2,
            momentum=1 - gamma * step,
            imbalance_law=True,
        )
        gaps.append(np.linalg.norm(descent.imbalance_law[-1][0] - D))
    assert gaps[0] < 0.02 * np.linalg.norm(D)
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.1)
