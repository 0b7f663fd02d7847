"""No unit is special: W from 1e-300 to 1e100, and starts that are tiny beside their targets."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.integrate import quad

from fixedrank import DepthMetric, LinearRegression, aligned_singular_value, riemannian_flow
from fixedrank.flows.linearisation import linearise
from fixedrank.flows.scales import binary_scale, length, pace
from fixedrank.geometry.factored.points import FixedRankPoint
from tests.geometry.dense import matrix, orthonormal

DEPTHS = [1, 1.3, 2, 3, 5]


def case(k, scale=1.0):
    rng = np.random.default_rng(0)
    X, target = rng.standard_normal((3, 9)) / 3, rng.standard_normal((4, 3))
    start = (orthonormal(rng, 4, k), np.linspace(0.3, 0.1, k) * scale, orthonormal(rng, 3, k).T)
    return LinearRegression(X, (scale * target) @ X), start


@given(exponent=st.integers(-300, 100), depth=st.sampled_from(DEPTHS), k=st.sampled_from([1, 2, 3]))
def test_another_unit_of_Y(exponent, depth, k):
    """(X, a Y) from a W(0) is a times the flow, at times t a^(2/N - 2)."""
    assume(exponent * (2 / depth - 2) < 300)
    a = 10.0**exponent
    t = np.array([0, 0.1, 1.0, 3.0])
    problem, start = case(k)
    one = riemannian_flow(problem, start, depth, t, rtol=1e-7)
    problem, start = case(k, a)
    other = riemannian_flow(problem, start, depth, t * a ** (2 / depth - 2), rtol=1e-7)
    assert other.complete
    for found, expected in zip(other.points, one.points, strict=True):
        difference = np.linalg.norm(matrix(found) / a - matrix(expected))
        # 1e-6 was asked for at rtol 1e-8.
        assert difference <= 1e-5 * np.linalg.norm(matrix(expected))


def one_number(s, depth, t, target=3.0, **options):
    """s' = N s^(2-2/N) (target - s), in a corner of a 2 x 3 matrix."""
    problem = LinearRegression(np.eye(3), target * np.eye(2, 3))
    start = (np.eye(2)[:, :1], np.array([s]), np.eye(3)[:1])
    return riemannian_flow(problem, start, depth, t, **options).singular_values[:, 0]


def test_a_start_that_is_not_nothing():
    problem = LinearRegression([[1.0]], [[3.0]])
    flow = riemannian_flow(problem, (np.eye(1), np.array([1e-151]), np.eye(1)), 1, [0, 1, 10])
    np.testing.assert_allclose(flow.singular_values[1:, 0], 3 - 3 * np.exp([-1.0, -10]), rtol=1e-7)
    assert flow.singular_values[-1, 0] == pytest.approx(2.99986, abs=1e-5)


@pytest.mark.parametrize(
    ("depth", "s"), [(1, 1e-20), (1, 1e-200), (1.5, 1e-20), (1.5, 1e-60), (2, 1e-20), (2, 1e-200)]
)
def test_tiny_beside_the_target(s, depth):
    # Of k = 1, so that it is a flow on M_1 at depth 1, too.
    escape = -math.log(s) / 6 if depth == 2 else 0.5
    t = escape * np.array([0, 1e-3, 0.5, 1.0, 2.0])
    values = one_number(s, depth, t, rtol=1e-6)
    expected = aligned_singular_value(s, 3.0, 1.0, depth, t)
    # Relative; at depth 2 an error of 1e-6 a step adds up in the logarithm, over 460.
    np.testing.assert_allclose(values, expected, rtol=1e-3 if depth == 2 else 1e-5)


@pytest.mark.parametrize("depth", [3, 5])
def test_escape_times(depth):
    """From a small s it takes the integral of 1 / s' to grow, which is nearly all at the start."""
    s, to = 1e-9, 1.5
    when = quad(
        lambda y: math.exp(y * (2 / depth - 1)) / (depth * (3 - math.exp(y))),
        math.log(s),
        math.log(to),
        epsabs=0,
        epsrel=1e-10,
        limit=200,
    )[0]
    values = one_number(s, depth, when * np.array([0, 1 - 1e-4, 1, 1 + 1e-4]), rtol=1e-7)
    assert values[1] < to < values[3]
    if depth == 3:
        assert values[2] == pytest.approx(to, rel=0.05)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize("s", [1e20, 1e100])
def test_huge_beside_the_target(s, depth):
    t = s ** (2 / depth - 2) * np.array([0, 0.1, 1.0, 10.0])
    expected = aligned_singular_value(s, 3.0, 1.0, depth, t)
    np.testing.assert_allclose(one_number(s, depth, t), expected, rtol=1e-6)


@pytest.mark.parametrize("depth", [2, 3])
def test_decay_is_measured_by_the_start(depth):
    # s' = -N s^(2-2/N) (s + b) from 1e-200: it is not zero from the start.
    t = 1e-200 ** (2 / depth - 1) * np.array([0, 0.1, 1.0])
    values = one_number(1e-200, depth, t, target=-3.0)
    power = 1 - 2 / depth
    expected = (
        1e-200 * np.exp(-6 * t)
        if depth == 2
        else (1e-200**-power + power * 3 * depth * t) ** (-1 / power)
    )
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_what_leaves_floating_point_ends_in_words():
    with pytest.raises(ValueError, match="it overflows"):
        one_number(1e300, 3, [0, 1])
    assert one_number(1e300, 1, [0, 1])[1] == pytest.approx(1e300 / math.e)
    with pytest.raises(ValueError, match="it overflows"):
        one_number(1e-310, 1, [0, 1])


def test_lengths_of_gradients():
    for depth in (1, 3, 20):
        problem, start = case(2)
        small = riemannian_flow(problem, start, depth, [0, 1e-9]).gradient_norm[0]
        problem, start = case(2, 2.0**400)
        h = 2.0 ** (400 * (2 / depth - 2)) * 1e-9
        large = riemannian_flow(problem, start, depth, [0, h]).gradient_norm[0]
        assert math.log2(large / small) == pytest.approx(400 * (2 - 1 / depth), rel=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("exponent", [-400, 300])
def test_the_linearised_flow(depth, exponent):
    """Rates scale like s^(2-2/N), and A^(1/2) times A^(1/2) G, the velocity, by one power more."""
    scaled = []
    for scale in (1.0, 2.0**exponent):
        problem, start = case(2, scale)
        products = problem.gradient_products
        found = linearise(products, FixedRankPoint(*start), DepthMetric(depth))
        rates, gradient, lengths = found
        assert 1e-140 < np.linalg.norm(gradient) < 1e140
        power = scale ** (2 - 2 / depth)
        scaled.append((rates @ np.ones(rates.shape[0]) / power, lengths / power * gradient / scale))
    for one, other in zip(*scaled, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-6 * np.abs(one).max())


@given(st.floats(1e-300, 1e300))
def test_scales(size):
    unit = binary_scale(size)
    assert 1 <= size / unit < 2
    assert math.frexp(unit)[0] == 0.5
    assert length(np.array([3 * size / 8, -size / 2])) == pytest.approx(5 * size / 8, rel=1e-15)
    step = size / pace(size)
    assert 2.0**-301 <= step <= 2.0**301
    assert pace(size) == 1 or not 1e-85 < size < 1e85


def test_length_of_nothing_and_of_what_is_not_finite():
    assert length(np.zeros(3)) == 0
    assert length(np.array([1.0, np.inf])) == np.inf
    assert pace(0.0) == pace(np.inf) == 1
