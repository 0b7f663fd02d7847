"""Every integrator by its name, in both flows, and the dense flow (6) as the judge."""

import numpy as np
import pytest
from scipy.integrate import RK45

from fixedrank import LinearRegression, balanced_factors, factored_flow, riemannian_flow
from tests.flows.exact import dense_flow
from tests.geometry.dense import matrix, orthonormal

METHODS = ["auto", "ROCK4", "DOP853", "RK45", "RK23", "Radau", "BDF", "LSODA", "RK4", "RKC", RK45]
DEPTH, T = 3, np.array([0.0, 0.1, 0.37, 1.0])


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((3, 8)) / 3, rng.standard_normal((4, 8)) / 3
    point = (orthonormal(rng, 4, 2), np.array([1.0, 0.4]), orthonormal(rng, 3, 2).T)
    return X, Y, point, dense_flow(X, Y, matrix(point), DEPTH, T)


def options(method):
    return {"method": method, "rtol": 1e-7, "atol": 1e-9} | (
        {"step": 0.02} if method == "RK4" else {}
    )


# Errors of many steps of tolerance 1e-7 add up, and t <= 1 damps them little. RKC is of second
# order: an error of 1e-7 in each step adds up to (1e-7)^(2/3).
BOUND = 1e-5
BOUNDS = {"RKC": 1e-7 ** (2 / 3)}


@pytest.mark.parametrize("method", METHODS)
def test_riemannian_flow(case, method):
    X, Y, point, expected = case
    flow = riemannian_flow(LinearRegression(X, Y), point, DEPTH, T, **options(method))
    assert flow.complete
    assert flow.status == "reached the last time t = 1"
    for found, W in zip(flow.points, expected, strict=True):
        assert np.linalg.norm(matrix(found) - W) <= BOUNDS.get(method, BOUND)


@pytest.mark.parametrize("method", METHODS)
def test_factored_flow(case, method):
    X, Y, point, expected = case
    factors = balanced_factors(point, [3, 2, 5, 4], rng=1)
    flow = factored_flow(LinearRegression(X, Y), factors, T, **options(method))
    assert flow.complete
    assert flow.status == "reached the last time t = 1"
    for found, W in zip(flow.product, expected, strict=True):
        assert np.linalg.norm(found - W) <= BOUNDS.get(method, BOUND)


@pytest.mark.parametrize("rtol", [1e-4, 1e-7, 1e-10])
def test_the_error_follows_the_tolerance(case, rtol):
    X, Y, point, expected = case
    flow = riemannian_flow(LinearRegression(X, Y), point, DEPTH, T, rtol=rtol, atol=rtol / 100)
    assert np.linalg.norm(matrix(flow.points[-1]) - expected[-1]) <= 100 * rtol


@pytest.mark.parametrize("extra", [{"max_step": 0.01}, {"first_step": 1e-3, "max_step": 0.01}])
def test_options_reach_the_method(case, extra):
    X, Y, point, expected = case
    flow = riemannian_flow(LinearRegression(X, Y), point, DEPTH, T, **extra)
    assert flow.steps >= 100
    assert np.linalg.norm(matrix(flow.points[-1]) - expected[-1]) <= BOUND
