"""No unit is special: the flows in other units of data, of W and of time are the same flows."""

from functools import cache

import numpy as np
import pytest
from scipy.integrate import quad

from fixedrank import (
    LinearRegression,
    balanced_factors,
    compare_flows,
    factored_flow,
    riemannian_flow,
)
from fixedrank.flows.first_step import first_step
from tests.geometry.dense import matrix, orthonormal

TIMES = np.array([0.0, 1e-3, 0.1, 1.0, 5.0, 20.0])


def case(seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((3, 8)) / 2, rng.standard_normal((4, 8)) / 2
    point = (orthonormal(rng, 4, 2), np.array([0.5, 0.2]), orthonormal(rng, 3, 2).T)
    return X, Y, point


def layers(point, depth):
    return balanced_factors(point, [3, *[2] * (depth - 1), 4], rng=1)


@cache
def flow_of_layers(depth):
    """What the flows in other units are compared with."""
    X, Y, point = case()
    return factored_flow(LinearRegression(X, Y), layers(point, depth), TIMES)


@cache
def flow_of_matrix(depth):
    X, Y, point = case()
    return riemannian_flow(LinearRegression(X, Y), point, depth, TIMES)


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
@pytest.mark.parametrize("unit", [1e-15, 1e-7, 3e4, 1e15])
def test_units_of_the_data_in_the_layers(depth, unit):
    X, Y, point = case()
    start = layers(point, depth)
    flow = flow_of_layers(depth)
    other = factored_flow(LinearRegression(unit * X, unit * Y), start, TIMES / unit**2)
    assert other.complete
    for found, expected in zip(other.product, flow.product, strict=True):
        assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("unit", [1e-15, 1e-7, 3e4, 1e15])
def test_units_of_the_data_in_the_matrix(depth, unit):
    X, Y, point = case()
    flow = flow_of_matrix(depth)
    other = riemannian_flow(LinearRegression(unit * X, unit * Y), point, depth, TIMES / unit**2)
    assert other.complete
    for found, expected in zip(other.points, flow.points, strict=True):
        assert np.linalg.norm(matrix(found) - matrix(expected)) <= 1e-6 * np.linalg.norm(expected.s)


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
@pytest.mark.parametrize("unit", [1e-40, 1e-9, 1e6, 1e40])
def test_units_of_the_matrix_in_the_layers(depth, unit):
    # W -> unit W: layers times unit^(1/N), and a gradient times unit against layers' unit^(1/N).
    X, Y, point = case()
    start = layers(point, depth)
    root = unit ** (1 / depth)
    scaled = [root * layer for layer in start]
    flow = flow_of_layers(depth)
    slower = TIMES * root**2 / unit**2
    other = factored_flow(LinearRegression(X, unit * Y), scaled, slower)
    assert other.complete
    for found, expected in zip(other.product, flow.product, strict=True):
        assert np.linalg.norm(found / unit - expected) <= 1e-6 * np.linalg.norm(expected)


def test_data_of_tiny_units():
    # It was taken for stationary at its start.
    problem = LinearRegression(1e-8 * np.eye(2), 1e-8 * np.diag([3.0, 1.0]))
    flow = factored_flow(problem, [np.eye(2) / 2, np.eye(2) / 2], [0, 1e17, 1e18])
    assert flow.complete
    np.testing.assert_allclose(flow.product[-1], np.diag([3.0, 1.0]), rtol=0, atol=1e-9)
    # Two layers: a logistic curve for each entry, from 1/4.
    s = np.array([3.0, 1.0])
    expected = s / (1 + (s / 0.25 - 1) * np.exp(-2 * s * 1e17 * 1e-16))
    np.testing.assert_allclose(np.diag(flow.product[1]), expected, rtol=1e-6)


def test_a_comparison_in_tiny_units():
    X, Y, point = case()
    problem = LinearRegression(1e-13 * X, 1e-13 * Y)
    both = compare_flows(problem, layers(point, 3), TIMES * 1e26)
    assert both.agree
    assert both.relative_gap.max() < 1e-6
    assert both.verdict.startswith("The two flows are one")


def escape(start, level, depth):
    """The time from start to level on s' = N s^(2 - 2/N) (1 - s), with s = exp(x)."""
    return quad(
        lambda x: np.exp((2 / depth - 1) * x) / (depth * (1 - np.exp(x))),
        np.log(start),
        np.log(level),
        epsabs=0,
        epsrel=1e-12,
        limit=500,
    )[0]


@pytest.mark.parametrize(("depth", "layer"), [(3, 1e-9), (4, 1e-6), (5, 1e-5), (6, 1e-4)])
@pytest.mark.parametrize("flow", ["layers", "matrix"])
def test_tiny_starts_leave_in_time(flow, depth, layer):
    leaves = escape(layer**depth, 0.5, depth)
    times = leaves * np.array([0.0, 0.5, 0.9999, 1.0001, 2.0])
    problem = LinearRegression([[1.0]], [[1.0]])
    if flow == "layers":
        run = factored_flow(problem, [[[layer]]] * depth, times)
        found = np.ravel(run.product)
    else:
        run = riemannian_flow(problem, ([[1.0]], [layer**depth], [[1.0]]), depth, times)
        found = run.singular_values[:, 0]
    assert run.complete
    assert run.status.startswith("stationary from t = ")
    # Half of the target is reached within 1e-4 of the time; before, s grows as the integral says.
    assert found[2] < 0.5 < found[3]
    assert found[-1] == pytest.approx(1, abs=1e-12)
    assert escape(layer**depth, found[1], depth) == pytest.approx(times[1], rel=1e-5)


@pytest.mark.parametrize("unit", [1e-150, 1e-6, 1.0, 1e9, 1e150])
@pytest.mark.parametrize("slower", [1e-100, 1.0, 1e12, 1e100])
def test_the_first_step_has_the_unit_of_time(unit, slower):
    def velocity(_, y):
        return -np.array([1.0, 3.0, 0.1]) * (y - unit * np.array([2.0, 1.0, 0.0])) / slower

    def step(unit, slower):
        state = unit * np.array([1.0, -1.0, 0.5])
        tolerances = (1e-8, 1e-10 * unit)
        return first_step(velocity, state, velocity(0, state), tolerances, 7, 1e300)

    found = step(unit, slower)
    # The rates are up to 3: a step of order 8 is some hundredths of 1 / rate.
    assert 1e-3 < found / slower < 0.5
    assert found == pytest.approx(slower * first_step_of_one(), rel=1e-6)


def first_step_of_one():
    def velocity(_, y):
        return -np.array([1.0, 3.0, 0.1]) * (y - np.array([2.0, 1.0, 0.0]))

    state = np.array([1.0, -1.0, 0.5])
    return first_step(velocity, state, velocity(0, state), (1e-8, 1e-10), 7, 1e300)


@pytest.mark.parametrize("unit", [1e-26, 1.0, 1e20])
def test_one_layer_from_zero(unit):
    # W' = B - W C from W = 0; nothing but the problem says what is small.
    X, Y, _ = case()
    problem = LinearRegression(np.sqrt(unit) * X, np.sqrt(unit) * Y)
    t = np.array([0.0, 0.1, 1.0, 10.0]) / unit
    flow = factored_flow(problem, [np.zeros((4, 3))], t)
    values, axes = np.linalg.eigh(X @ X.T)
    for W, time in zip(flow.product, t * unit, strict=True):
        weights = -np.expm1(-values * time) / values
        expected = Y @ X.T @ (axes * weights) @ axes.T
        np.testing.assert_allclose(W, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("scale", [1e-60, 1e-3, 1e60])
def test_a_layer_of_zeros(scale):
    # The layer that is exactly zero takes its tolerance from the other.
    X, Y, point = case()
    u, s, _ = point
    start = [np.zeros((2, 3)), np.asarray(u) * s]
    other = [start[0], scale * start[1]]
    flow = factored_flow(LinearRegression(X, Y), start, [0.0, 0.5, 2.0])
    scaled = factored_flow(
        LinearRegression(X, scale**2 * Y), other, np.array([0.0, 0.5, 2.0]) / scale**2
    )
    for found, expected in zip(scaled.product[1:], flow.product[1:], strict=True):
        assert np.linalg.norm(found / scale**2 - expected) <= 1e-6 * np.linalg.norm(expected)
