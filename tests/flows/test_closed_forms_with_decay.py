"""Closed forms with weight decay and imbalance, against integration, quadrature and the layers."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

from fixedrank import (
    LinearRegression,
    aligned_singular_value,
    aligned_solution,
    balanced_factors,
    factored_flow,
    random_balanced_factors,
    riemannian_flow,
    two_layer_solution,
)
from tests.geometry.dense import matrix, orthonormal


def integrated(velocity, start, t):
    """The solution at times t, each of them the end of an integration."""
    states = [start]
    for interval in pairwise(t):
        flow = solve_ivp(velocity, interval, states[-1], "DOP853", rtol=1e-13, atol=1e-14)
        states.append(flow.y[:, -1])
    return np.array(states)


def decaying_curve(s0, b, c, depth, decay, t):
    """The solution of (ln s)' = N s^(1-2/N) (b - c s) - N lambda, to relative accuracy."""

    def velocity(_, log):
        s = np.exp(np.minimum(log, 99.0))  # where a trial step overshoots
        return depth * (s ** (1 - 2 / depth) * (b - c * s) - decay)

    return np.exp(integrated(velocity, [np.log(s0)], t)[:, 0])


def spinodal(decay, depth):
    """The s and b where for c = 1 both rest points become one, from the derivative of b(s)."""
    s = (decay * (1 - 2 / depth)) ** (depth / (2 * depth - 2))
    return s, s + decay * s ** (2 / depth - 1)


@pytest.mark.parametrize("depth", [1, 1.5, 2, 2.5, 3, 20])
@pytest.mark.parametrize("decay", [1e-3, 0.3, 4.0])
@pytest.mark.parametrize(
    ("start", "b", "c"),
    [
        (0.1, 3.0, 1.0),
        (1e-3, 2.0, 0.5),
        (5.0, 1.0, 2.0),
        (2.0, -0.5, 1.0),
        (2.0, 0.0, 0.7),
        (1.0, 1.0, 1.0),
    ],
)
def test_one_singular_value(start, b, c, depth, decay):
    rate = depth * (start ** (1 - 2 / depth) * (abs(b) + c * start) + decay)
    t = np.linspace(0, (0.15 if depth < 2 and b <= 0 else 4) / rate, 5)
    expected = decaying_curve(start, b, c, depth, decay, t)
    found = aligned_singular_value(start, b, c, depth, t, weight_decay=decay)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


@pytest.mark.parametrize("depth", [2.5, 3, 12])
@pytest.mark.parametrize("above", [1.001, 1.5, 30.0])
def test_on_both_sides_of_a_rest_point(depth, above):
    """Below the lower root s dies out, above it comes to the upper one; roots by brentq."""
    decay, c = 0.4, 1.0
    s_turn, b_turn = spinodal(decay, depth)
    b = above * b_turn

    def misfit(s):
        return c * s + decay * s ** (2 / depth - 1) - b

    upper = brentq(misfit, s_turn, b / c, xtol=1e-15, rtol=1e-14)
    # There decay * s^(2/N - 1) = 2 b at most.
    lower = brentq(misfit, s_turn * 1e-12 / (2 * above) ** 4, s_turn, xtol=1e-300, rtol=1e-14)
    late = 3000.0
    for start in (1.02 * lower, s_turn, 0.98 * upper, 5 * upper):
        end = aligned_singular_value(start, b, c, depth, late, weight_decay=decay)[0]
        assert end == pytest.approx(upper, rel=1e-9)
    assert aligned_singular_value(0.98 * lower, b, c, depth, late, weight_decay=decay)[0] < 1e-100
    for start in (0.98 * lower, 1.02 * lower, s_turn, 0.98 * upper, 2 * upper):
        # At depth 12 and 30 b* s grows a thousandfold within a tenth: errors of time grow too.
        t = np.linspace(0, 0.3, 4)
        np.testing.assert_allclose(
            aligned_singular_value(start, b, c, depth, t, weight_decay=decay),
            decaying_curve(start, b, c, depth, decay, t),
            rtol=3e-10,
        )


@pytest.mark.parametrize("depth", [3, 5.5])
@pytest.mark.parametrize("missing", [1e-2, 1e-4])
def test_the_ghost_of_a_rest_point(depth, missing):
    """Just below the spinodal s hesitates; the time it takes is a quadrature in u = s^(2/N - 1)."""
    decay = 0.7
    s_turn, b_turn = spinodal(decay, depth)
    b, power = b_turn * (1 - missing), 1 - 2 / depth
    start, end = 2 * s_turn, s_turn / 3

    def slowness(u):
        return 1 / (depth * power * (decay * u + u ** (-1 / power) - b))

    first, middle, last = start**-power, s_turn**-power, end**-power
    options = {"epsabs": 0, "epsrel": 1e-12, "limit": 500}
    time = sum(quad(slowness, *part, **options)[0] for part in ((first, middle), (middle, last)))
    found = aligned_singular_value(start, b, 1.0, depth, time, weight_decay=decay)[0]
    assert found == pytest.approx(end, rel=1e-9)


@given(
    unit=st.sampled_from([1e-100, 1e-20, 1e20, 1e100]),
    start=st.sampled_from([0.05, 0.6, 3.0]),
    b=st.sampled_from([-1.0, 0.0, 0.5, 3.0]),
    depth=st.sampled_from([1, 1.5, 2, 3, 20]),
)
def test_units_of_the_matrix_and_of_time(unit, start, b, depth):
    """With s in a unit, b s^(1-2/N) and c s^(2-2/N) and lambda are rates."""
    t = np.array([0.0, 0.02, 0.1])
    here = aligned_singular_value(start, b, 1.0, depth, t, weight_decay=0.5)
    power = 1 - 2 / depth
    there = aligned_singular_value(
        start * unit,
        b * unit**-power * 1e10,
        unit ** (-1 - power) * 1e10,
        depth,
        t / 1e10,
        weight_decay=0.5e10,
    )
    np.testing.assert_allclose(there / unit, here, rtol=1e-10)


def test_no_decay_is_the_limit_of_decay():
    t = np.linspace(0, 1, 4)
    for depth in (1, 1.5, 2, 3, 20):
        for b in (2.0, -0.2):
            np.testing.assert_allclose(
                aligned_singular_value(0.5, b, 1.0, depth, t / 4, weight_decay=1e-15),
                aligned_singular_value(0.5, b, 1.0, depth, t / 4),
                rtol=1e-11,
            )


def test_times_that_are_long_or_lead_below_floating_point():
    for depth in (1.5, 3, 20):
        for b in (-1.0, 0.0, 0.1):
            end = aligned_singular_value(1.0, b, 1.0, depth, [0, 1e6], weight_decay=1.0)
            if b > 0 and depth < 2:
                rest = end[1] + end[1] ** (2 / depth - 1)
                assert rest == pytest.approx(b, rel=1e-12)
            else:
                assert end.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_both_flows_from_aligned_starts(depth):
    rng = np.random.default_rng(depth)
    U, V = orthonormal(rng, 5, 3), orthonormal(rng, 4, 4)
    X = (V * np.sqrt([1, 2, 0.5, 1])) @ V.T
    problem = LinearRegression(X, (U * [3.0, 2.0, 1.0]) @ V[:, :3].T @ np.linalg.inv(X))
    start = (U[:, :2], np.array([0.7, 0.5]), V[:, :2].T)
    t, options = np.linspace(0, 1.5, 4), {"weight_decay": 0.3, "rtol": 1e-11, "atol": 1e-13}
    expected = [
        matrix(point) for point in aligned_solution(problem, start, depth, t, weight_decay=0.3)
    ]
    flow = riemannian_flow(problem, start, depth, t, **options)
    layers = balanced_factors(start, [4, *[3] * (depth - 1), 5], rng=0)
    factored = factored_flow(problem, layers, t, **options)
    for i in range(4):
        np.testing.assert_allclose(matrix(flow.points[i]), expected[i], rtol=0, atol=1e-9)
        np.testing.assert_allclose(factored.product[i], expected[i], rtol=0, atol=1e-9)


def layer_products(B, c, layers, t, decay=0.0):
    """The products of two layers that follow their own equations, by solve_ivp."""
    sizes = [layer.size for layer in layers]

    def velocity(_, flat):
        first, second = (
            part.reshape(layer.shape)
            for part, layer in zip(np.split(flat, sizes[:1]), layers, strict=True)
        )
        G = c * second @ first - B
        moves = second.T @ G + decay * first, G @ first.T + decay * second
        return -np.concatenate([move.ravel() for move in moves])

    start = np.concatenate([layer.ravel() for layer in layers])
    return [
        flat[sizes[0] :].reshape(layers[1].shape) @ flat[: sizes[0]].reshape(layers[0].shape)
        for flat in integrated(velocity, start, t)
    ]


T = np.array([0.0, 0.3, 1.0, 4.0])
WIDTHS = [[4, 3, 5], [5, 2, 4], [3, 6, 3], [4, 1, 4], [2, 9, 3]]


def white(seed, widths, factor):
    """White data with C = factor^2 I, and B."""
    rng = np.random.default_rng(seed)
    X = factor * orthonormal(rng, 12, widths[0]).T
    Y = rng.standard_normal((widths[2], 12))
    return LinearRegression(X, Y), Y @ X.T


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("factor", [1.0, 0.3])
@pytest.mark.parametrize("decay", [0.1, 3.0])
def test_two_layers_with_decay(widths, factor, decay):
    problem, B = white(0, widths, factor)
    layers = [0.6 * w for w in random_balanced_factors(widths, rng=1)]
    expected = layer_products(B, factor**2, layers, T, decay)
    found = two_layer_solution(problem, layers, T, weight_decay=decay)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


def with_imbalance(seed, widths, imbalance):
    """Two layers with W_2^T W_2 - W_1 W_1^T = imbalance I, with k <= d_2 or, if < 0, k <= d_0."""
    if imbalance < 0:
        return [layer.T for layer in with_imbalance(seed, widths[::-1], -imbalance)[::-1]]
    rng = np.random.default_rng(seed)
    d_x, k, d_y = widths
    Q, gram = orthonormal(rng, k, k), rng.uniform(0.1, 1.0, k) * (np.arange(k) < d_x)
    first, second = np.zeros((k, d_x)), np.zeros((d_y, k))
    np.fill_diagonal(first, np.sqrt(gram[:d_x]))
    np.fill_diagonal(second, np.sqrt(gram + imbalance))
    return [Q @ first @ orthonormal(rng, d_x, d_x).T, orthonormal(rng, d_y, d_y) @ second @ Q.T]


IMBALANCES = [
    (widths, imbalance)
    for widths in [*WIDTHS, [3, 4, 6], [6, 4, 3]]
    for imbalance in (-3.0, -0.01, 1e-6, 0.5, 10.0)
    if widths[1] <= (widths[0] if imbalance < 0 else widths[2])
]


@pytest.mark.parametrize(("widths", "imbalance"), IMBALANCES)
@pytest.mark.parametrize("factor", [1.0, 0.3])
def test_two_layers_with_an_imbalance(widths, factor, imbalance):
    problem, B = white(2, widths, factor)
    layers = with_imbalance(3, widths, imbalance)
    difference = layers[1].T @ layers[1] - layers[0] @ layers[0].T
    np.testing.assert_allclose(difference, imbalance * np.eye(widths[1]), rtol=0, atol=1e-13)
    expected = layer_products(B, factor**2, layers, T)
    for one, other in zip(two_layer_solution(problem, layers, T), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("unit", [1e-60, 1e60])
def test_units_of_two_layers(unit):
    problem, _ = white(4, [3, 4, 6], 0.5)
    layers = with_imbalance(5, [3, 4, 6], 2.0)
    there = LinearRegression.from_moments(
        problem.C / unit**2, problem.B, problem.squared_norm * unit**2
    )
    expected = two_layer_solution(problem, layers, T)
    found = two_layer_solution(there, [unit * layer for layer in layers], T)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one / unit**2, other, rtol=0, atol=1e-11)


def test_an_imbalance_that_decays_is_refused():
    problem, _ = white(6, [3, 4, 6], 0.5)
    layers = with_imbalance(7, [3, 4, 6], 2.0)
    with pytest.raises(ValueError, match=r"= 2 I decays with weight_decay = 0\.1.*factored_flow"):
        two_layer_solution(problem, layers, T, weight_decay=0.1)
    with pytest.raises(ValueError, match="weight_decay must be finite and at least 0"):
        two_layer_solution(problem, layers, T, weight_decay=math.inf)
    with pytest.raises(ValueError, match="weight_decay must be finite and at least 0, got -1"):
        aligned_singular_value(1.0, 1.0, 1.0, 3, [0, 1], weight_decay=-1)
