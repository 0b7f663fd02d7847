"""Flows of layers with D_j = lambda_j I, against layers that are integrated by themselves."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from fixedrank import (
    DepthMetric,
    FixedRank,
    FlowComparison,
    ImbalancedMetric,
    LinearRegression,
    RiemannianTrajectory,
    SchattenDecay,
    balancedness,
    compare_flows,
    factored_flow,
    gaussian_factors,
    imbalanced_factors,
    random_balanced_factors,
    riemannian_flow,
)
from fixedrank.flows.core import RiemannianSystem
from fixedrank.flows.kinks import least_part
from fixedrank.flows.moving_metric import MovingMetricSystem
from fixedrank.flows.trajectory import product_factors
from tests.flows.test_saving import again, identical
from tests.flows.test_weight_decay import layers_by_themselves, regression, upper_root, whitened
from tests.geometry.dense import matrix, orthonormal

TIGHT = {"rtol": 1e-11, "atol": 1e-13}
# The least singular values in the first, the last, a middle layer, and in several.
CASES = [[1.0], [-2.0], [-1.0, 2.0], [1.0, -2.0], [0.7, 0.0], [0.0, 0.5], [0.5, -0.5, 0.3, -0.3]]


def start_of(m, n, k, imbalance, seed=0):
    """A point of rank k and layers of this imbalance with that product."""
    point = FixedRank(m, n, k, depth=len(imbalance) + 1).random_point(rng=seed)
    return point, imbalanced_factors(point, imbalance, rng=seed)


@pytest.mark.parametrize(
    ("imbalance", "sizes", "decay"),
    [
        (CASES[0], (4, 3, 2), 0.0),
        (CASES[1], (3, 4, 1), 0.3),
        (CASES[2], (4, 3, 3), 0.0),
        (CASES[3], (3, 3, 3), 0.3),
        (CASES[4], (4, 3, 2), 0.3),
        (CASES[5], (3, 4, 3), 0.0),
        (CASES[6], (3, 3, 2), 0.3),
    ],
)
def test_both_flows_are_those_of_layers_by_themselves(imbalance, sizes, decay):
    m, n, _ = sizes
    X, Y = regression(m, n)
    point, layers = start_of(*sizes, imbalance)
    t, problem = np.array([0.0, 0.2, 1.0, 3.0]), LinearRegression(X, Y)
    expected = layers_by_themselves(X, Y, layers, decay, t)
    flow = riemannian_flow(
        problem, point, len(layers), t, imbalance=imbalance, weight_decay=decay, **TIGHT
    )
    np.testing.assert_allclose(flow.product, expected, rtol=0, atol=1e-9)
    assert flow.rank_changes == ()
    comparison = compare_flows(problem, layers, t, weight_decay=decay, **TIGHT)
    assert comparison.metric.imbalance == pytest.approx(imbalance, abs=1e-9)
    np.testing.assert_allclose(comparison.riemannian.product, expected, rtol=0, atol=1e-9)
    assert comparison.agree


@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    imbalance=st.lists(st.floats(-2, 2), min_size=1, max_size=4),
    decay=st.sampled_from([0.0, 0.5]),
    seed=st.integers(0, 99),
)
@example(sizes=(2, 2), imbalance=[2.0] * 4, decay=0.0, seed=3)
def test_the_flows_agree(sizes, imbalance, decay, seed):
    m, n = sizes
    point, layers = start_of(m, n, 1 + seed % min(m, n), imbalance, seed)
    problem, t = LinearRegression(*regression(m, n, seed)), np.linspace(0, 1, 4)
    flow = factored_flow(problem, layers, t, weight_decay=decay, **TIGHT)
    how = {"imbalance": imbalance, "weight_decay": decay, **TIGHT}
    other = riemannian_flow(problem, point, len(layers), t, **how)
    # Where a singular value has to turn round near zero its frames turn fast.
    loose = 1e-9 if min(other.singular_values[:, -1]) > 1e-3 else 1e-6
    for found, W in zip(other.points, flow.product, strict=True):
        np.testing.assert_allclose(matrix(found), W, rtol=0, atol=loose * max(1, found.s[0]))
    # Near a perfect fit losses are squares of what the tolerances leave over.
    small = loose * flow.objective[0]
    np.testing.assert_allclose(other.objective, flow.objective, rtol=1e-8, atol=small)
    np.testing.assert_allclose(other.balancedness, flow.balancedness, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("imbalance", CASES)
@pytest.mark.parametrize("decay", [0.0, 0.4])
def test_the_objective_falls_as_fast_as_the_gradient_says(imbalance, decay):
    X, Y = regression()
    nodes, weights = np.polynomial.legendre.leggauss(12)
    t = np.concatenate(([0, 0.1], 0.1 + 0.4 * (nodes + 1) / 2, [0.5]))
    point, layers = start_of(4, 3, 2, imbalance)
    how = {"weight_decay": decay, **TIGHT}
    flow = riemannian_flow(
        LinearRegression(X, Y), point, len(layers), t, imbalance=imbalance, **how
    )
    fall = 0.2 * weights @ flow.gradient_norm[2:-1] ** 2
    assert flow.objective[1] - flow.objective[-1] == pytest.approx(fall, rel=1e-8)
    other = factored_flow(LinearRegression(X, Y), layers, t, **how)
    np.testing.assert_allclose(flow.gradient_norm, other.gradient_norm, rtol=1e-8)
    if decay:
        squares = [sum(np.linalg.norm(layer) ** 2 for layer in now) for now in other.factors]
        np.testing.assert_allclose(flow.penalty, decay / 2 * np.array(squares), rtol=1e-8)


@pytest.mark.parametrize("imbalance", [[1.0], [-1.0], [-1.0, 2.0], [1.0, -0.5]])
@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_singular_values_pass_zero_where_layers_do(imbalance, decay):
    """Square, of full rank, with the wrong sign of the determinant: balanced layers keep it."""
    targets = np.array([3.0, 2.0, 1.0])
    problem = whitened(targets, 3, 3)
    point, _ = start_of(3, 3, 3, imbalance)
    u = point.u.copy()
    u[:, 2] *= -np.sign(np.linalg.det(u) * np.linalg.det(point.vt))
    layers = imbalanced_factors((u, point.s, point.vt), imbalance, rng=0)
    comparison = compare_flows(problem, layers, np.linspace(0, 200, 41), weight_decay=decay)
    flow, depth = comparison.riemannian, len(layers)
    assert np.linalg.det(flow.product[0]) < 0 < np.linalg.det(flow.product[-1])
    assert flow.rank_changes == ()
    assert flow.status.startswith("stationary")
    assert comparison.agree
    assert "determinant" not in comparison.factored.status
    expected = upper_root(targets, decay, depth)
    np.testing.assert_allclose(flow.singular_values[-1], expected, rtol=1e-6)


def test_a_singular_value_that_is_met_at_zero_where_nothing_turns():
    """Aligned at k < n and lambda > 0: x' = -2 x ..., and s reaches zero in finite time."""
    problem = whitened([3, -1, 0.5])
    start = (np.eye(4)[:, :2], np.array([1.0, 0.7]), np.eye(3)[:2])

    def velocity(_, s):
        # c = rho of N = 2 and lambda = 1.
        return -np.sqrt(1 + 4 * s**2) * (s + 1)

    def zero(_, s):
        return s[0]

    zero.terminal = True
    solution = solve_ivp(velocity, (0, 9), [0.7], "DOP853", events=zero, rtol=1e-12, atol=1e-14)
    flow = riemannian_flow(problem, start, 2, [0, 0.1, 2], imbalance=[1.0])
    (change,) = flow.rank_changes
    assert change.t == pytest.approx(solution.t[-1], rel=1e-6)
    assert "layers would pass it: factored_flow follows them" in change.reason
    layers = imbalanced_factors(start, [1.0], rng=0)
    verdict = compare_flows(problem, layers, [0, 0.1, 2]).verdict
    assert "a singular value reached zero and the Riemannian flow went on at rank 1" in verdict
    assert "from there on the layers went on through it" in verdict


@pytest.mark.parametrize("imbalance", [[0.8], [1.0, -1.0], [-1.0, 2.0]])
@pytest.mark.parametrize("size", [2, 3])
def test_with_decay_it_ends_as_balanced_layers_do(imbalance, size):
    """A target below lambda: the rank falls; one that is kept by all depths: the flow rests."""
    decay, targets = 0.3, np.array([3.0, 0.1])
    point, layers = start_of(4, 3, size, imbalance, 2)
    comparison = compare_flows(whitened(targets), layers, [0, 50, 200], weight_decay=decay)
    flow, depth = comparison.riemannian, len(layers)
    assert "stationary" in flow.status
    assert comparison.agree
    expected = upper_root(targets[:1], decay, depth)[0] if depth > 2 else targets[0] - decay
    np.testing.assert_allclose(flow.singular_values[-1], [expected] + [0] * (size - 1), atol=1e-6)
    assert flow.rank_changes[-1].rank == 1
    np.testing.assert_allclose(flow.penalty, comparison.factored.penalty, rtol=1e-6)
    assert point.s.size == size


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(
    ("unit", "rate"), [(1e-150, 1.0), (1e150, 1.0), (1.0, 1e-150), (1.0, 1e150)]
)
def test_units(unit, rate, decay):
    X, Y = regression()
    imbalance, depth = np.array([1.0, -0.4]), 3

    def flow(unit, rate):
        (u, s, vt), _ = start_of(4, 3, 2, imbalance)
        factor = np.sqrt(rate) * unit ** (1 / depth - 1)
        return riemannian_flow(
            LinearRegression(factor * X, factor * unit * Y),
            (u, unit * s, vt),
            depth,
            np.array([0, 0.3, 1.0, 4.0]) / rate,
            imbalance=imbalance * unit ** (2 / depth),
            weight_decay=decay * rate,
        )

    found, expected = flow(unit, rate), flow(1.0, 1.0)
    np.testing.assert_allclose(found.singular_values / unit, expected.singular_values, rtol=1e-6)
    length = rate * unit ** (1 / depth)
    np.testing.assert_allclose(found.gradient_norm / length, expected.gradient_norm, rtol=1e-5)


@pytest.mark.parametrize("method", ["ROCK4", "RKC", "RK45", "Radau", "LSODA"])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_methods(method, decay):
    _, layers = start_of(4, 3, 2, [1.0, 0.5])
    problem, t = LinearRegression(*regression()), [0, 0.5, 2.0]
    rtol = 1e-4 if method == "RKC" else 1e-6
    how = {"method": method, "rtol": rtol, "weight_decay": decay}
    comparison = compare_flows(problem, layers, t, **how)
    assert comparison.agree


# Where the metric comes from


def test_transposition_reverses_and_negates():
    X, Y = regression(3, 3)
    (u, s, vt), _ = start_of(3, 3, 2, [1.0, 0.5])
    # White data, so that the problem can be transposed.
    B = Y @ X.T
    one = riemannian_flow(LinearRegression(np.eye(3), B), (u, s, vt), 3, [0, 1], imbalance=[1, 0.5])
    other = riemannian_flow(
        LinearRegression(np.eye(3), B.T), (vt.T, s, u.T), 3, [0, 1], imbalance=[-0.5, -1]
    )
    np.testing.assert_allclose(other.product[-1].T, one.product[-1], rtol=0, atol=1e-7)


def test_no_imbalance_is_the_flow_of_balanced_layers():
    point, _ = start_of(4, 3, 2, [0.0, 0.0])
    problem = LinearRegression(*regression())
    one = riemannian_flow(problem, point, 3, [0, 1], imbalance=[0.0, 0.0], weight_decay=0.1)
    other = riemannian_flow(problem, point, 3, [0, 1], weight_decay=0.1)
    assert one.metric is other.metric
    np.testing.assert_array_equal(one.singular_values, other.singular_values)


def test_it_goes_on_from_the_last_point_and_metric():
    point, _ = start_of(4, 3, 2, [1.0, -0.5])
    problem, how = LinearRegression(*regression()), {"weight_decay": 0.4, **TIGHT}
    whole = riemannian_flow(problem, point, 3, [0, 0.5, 1], imbalance=[1.0, -0.5], **how)
    half = riemannian_flow(problem, point, 3, [0, 0.5], imbalance=[1.0, -0.5], **how)
    assert half.metric == ImbalancedMetric([1.0, -0.5])
    rest = riemannian_flow(problem, half.last, half.last_metric, [0.5, 1], **how)
    np.testing.assert_allclose(rest.product[-1], whole.product[-1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(rest.penalty[-1], whole.penalty[-1], rtol=1e-10)
    assert riemannian_flow(problem, point, 3, [0, 1]).last_metric is DepthMetric(3)


def test_files_and_stores(tmp_path):
    point, layers = start_of(4, 3, 2, [1.0, -0.5])
    problem, t = LinearRegression(*regression()), np.linspace(0, 3, 7)
    for decay in (0.0, 0.4):
        how = {"imbalance": [1.0, -0.5], "weight_decay": decay}
        flow = riemannian_flow(problem, point, 3, t, **how)
        flow.save(tmp_path / "flow")
        loaded = RiemannianTrajectory.load(tmp_path / "flow")
        assert loaded.metric == flow.metric
        np.testing.assert_array_equal(loaded.loss, flow.loss)
        store = tmp_path / f"store{decay}"
        riemannian_flow(
            problem, point, 3, t, store=store, callback=lambda t, at, loss: t > 1, **how
        )
        resumed = riemannian_flow(problem, point, 3, t, store=store, **how)
        assert resumed.complete
        np.testing.assert_array_equal(resumed.singular_values, flow.singular_values)
        np.testing.assert_array_equal(resumed.gradient_norm, flow.gradient_norm)
        assert resumed.evaluations == flow.evaluations
    comparison = compare_flows(problem, layers, t, weight_decay=0.4)
    comparison.save(tmp_path / "comparison")
    loaded = FlowComparison.load(tmp_path / "comparison")
    assert loaded.verdict == comparison.verdict
    assert loaded.metric == comparison.metric


# What a comparison says


def test_what_a_comparison_says():
    _, layers = start_of(4, 3, 2, [1.0, -0.5])
    comparison = compare_flows(LinearRegression(*regression()), layers, [0, 1])
    assert comparison.verdict.startswith("The two flows are one in the metric of their imbalance: ")
    assert "D_j = lambda_j I with lambda_j = 1, -0.5" in repr(comparison)
    assert "ImbalancedMetric([" in repr(comparison.riemannian)
    # |lambda_1 I|_F = sqrt 2.
    assert comparison.riemannian.balancedness[0] == pytest.approx(balancedness(layers))
    assert balancedness(layers) == pytest.approx(2**0.5)


def test_unbalanced_layers_may_be_compared_with_balanced_ones():
    _, layers = start_of(4, 3, 2, [1.0, -0.5])
    comparison = compare_flows(
        LinearRegression(*regression()), layers, [0, 1], allow_unbalanced=True
    )
    assert comparison.metric is DepthMetric(3)
    assert "start unbalanced" in comparison.verdict
    assert not comparison.agree


def test_within_round_off_layers_are_balanced():
    layers = random_balanced_factors([3, 2, 4], rng=0)
    layers[0] = layers[0] * (1 + 1e-13)
    assert compare_flows(LinearRegression(*regression()), layers, [0, 1]).metric is DepthMetric(2)


def test_which_difference_is_no_multiple_of_the_identity():
    problem = LinearRegression(*regression())
    _, layers = start_of(4, 3, 2, [1.0, -0.5])
    layers[2] = layers[2] @ np.diag([1.0, 1.1])
    D = layers[2].T @ layers[2] - layers[1] @ layers[1].T
    defect = np.linalg.norm(D - np.trace(D) / 2 * np.eye(2))
    with pytest.raises(ValueError, match=rf"D_2 is off a multiple .* by {defect:.3e}"):
        compare_flows(problem, layers, [0, 1])
    with pytest.raises(ValueError, match=r"D_1 is off a multiple of the identity"):
        compare_flows(problem, gaussian_factors([3, 2, 4], rng=0), [0, 1])


def test_layers_that_are_too_wide():
    # W_2^T W_2 - W_1 W_1^T = I at width 4, of a product of rank 3.
    W_1 = np.vstack((np.eye(3), np.zeros((1, 3))))
    W_2 = np.diag(np.sqrt([2.0, 2.0, 2.0, 1.0]))
    problem = LinearRegression(np.eye(3), np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"lambda_j = 1, and hidden widths \[4\] above the rank 3"):
        compare_flows(problem, [W_1, W_2], [0, 1])


@pytest.mark.parametrize(
    ("depth", "imbalance", "said"),
    [
        (3, [1.0], "2 at depth 3, got 1"),
        (2.5, [1.0], "a whole number, got depth 2.5"),
        (2, [np.nan], "finite"),
        (float("inf"), [1.0], "whole number"),
    ],
)
def test_imbalances_that_are_none(depth, imbalance, said):
    point, _ = start_of(3, 3, 3, [0.0])
    with pytest.raises(ValueError, match=said):
        riemannian_flow(
            LinearRegression(np.eye(3), np.eye(3)), point, depth, [0, 1], imbalance=imbalance
        )


def test_files_of_comparisons_of_balanced_layers(tmp_path):
    comparison = compare_flows(
        LinearRegression(*regression()), random_balanced_factors([3, 2, 4], rng=0), [0, 1]
    )
    identical(again(comparison, tmp_path / "flow"), comparison)


def test_a_state_in_other_axes():
    """As a store that was written on another machine asks for."""
    point, _ = start_of(4, 3, 2, [1.0])
    problem = LinearRegression(*regression())
    inner = RiemannianSystem(problem, (4, 3), ImbalancedMetric([1.0]), 1e-8, weight_decay=0.3)
    system, E = MovingMetricSystem(inner), orthonormal(np.random.default_rng(0), 3, 3)
    state = system.state(point.u, np.diag(point.s), point.vt.T)
    (turned,) = zip(*system.points(system.turned(state, E)[None]), strict=True)
    np.testing.assert_allclose(matrix(turned), matrix(point) @ E, rtol=0, atol=1e-13)
    assert system.turned(state, E)[-1] == 1.0
    assert system.smallest(state) == pytest.approx(point.s[-1])


@pytest.mark.parametrize("imbalance", [[0.5], [-0.5, 1.0]])
def test_a_number_that_passes_zero(imbalance):
    """One number in each layer: W = w_N ... w_1 from -0.3 to the target 1."""
    start = (np.array([[-1.0]]), np.array([0.3]), np.array([[1.0]]))
    layers = imbalanced_factors(start, imbalance, rng=0)
    t = np.linspace(0, 3, 61)
    expected = np.ravel(layers_by_themselves(np.eye(1), np.eye(1), layers, 0.0, t))
    assert expected[0] == pytest.approx(-0.3)
    assert expected[-1] > 0.5
    flow = riemannian_flow(
        LinearRegression(np.eye(1), np.eye(1)), start, len(layers), t, imbalance=imbalance, **TIGHT
    )
    np.testing.assert_allclose(np.ravel(flow.product), expected, rtol=0, atol=1e-9)
    assert flow.evaluations < 3000


@pytest.mark.parametrize("place", range(4))
def test_the_least_part_is_found_in_any_layer(place):
    """Where the others have parts of one, no power of the product tells it."""
    rng, parts = np.random.default_rng(place), np.ones((4, 2))
    parts[place, 1] = 1e-8
    frames = [np.linalg.qr(rng.standard_normal((2, 2)))[0] for _ in range(5)]
    layers = [(a * part) @ b.T for a, part, b in zip(frames[1:], parts, frames, strict=False)]
    assert least_part(layers, product_factors(layers)) == pytest.approx(1e-8, rel=1e-4)


def test_where_singular_values_have_a_price_nothing_passes_zero():
    """The middle layer has the least; the penalty of the other depth has a kink at zero."""
    problem = LinearRegression(*regression()) + SchattenDecay(0.5, 2)
    point, layers = start_of(4, 3, 3, [-1.0, 2.0])
    flow = riemannian_flow(problem, point, 3, [0, 20], imbalance=[-1.0, 2.0])
    (change,) = flow.rank_changes
    assert change.reason.endswith("it goes on in M_2")
    of_layers = factored_flow(problem, layers, [0, 20])
    assert of_layers.status.startswith(f"stopped at t = {change.t:.3g}")
    assert "the penalty on singular values has a kink there" in of_layers.status
    assert not of_layers.complete
