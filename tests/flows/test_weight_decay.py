"""Weight decay in the flows: layers, their product, what falls, and where it ends."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp

from fixedrank import (
    LinearRegression,
    SchattenDecay,
    aligned_singular_value,
    balanced_factors,
    compare_flows,
    factored_flow,
    gaussian_factors,
    random_balanced_factors,
    riemannian_flow,
)
from fixedrank.flows.core import RiemannianSystem
from fixedrank.geometry.metric.depth import DepthMetric
from tests.flows.exact import scalar_curve
from tests.geometry import dense
from tests.geometry.dense import matrix, orthonormal

TIGHT = {"rtol": 1e-11, "atol": 1e-13}


def regression(m=4, n=3, seed=0):
    """Data with condition numbers of about one."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4 * n)) / np.sqrt(4 * n)
    return X, rng.standard_normal((m, n)) @ X


def whitened(targets, m=4, n=3):
    B = np.zeros((m, n))
    B[range(len(targets)), range(len(targets))] = targets
    return LinearRegression(np.eye(n), B)


def upper_root(b, decay, depth):
    """The larger s with s + lambda s^(2/N - 1) = b, for b that are large enough."""
    s = b
    for _ in range(300):
        s = b - decay * s ** (2 / depth - 1)
    return s


def imbalances(layers):
    return [b.T @ b - a @ a.T for a, b in pairwise(layers)]


def layers_by_themselves(X, Y, layers, decay, t):
    """The products of layers that follow W_j' = -grad_j L - lambda W_j, by SciPy."""
    shapes = [layer.shape for layer in layers]
    ends = np.cumsum([layer.size for layer in layers])

    def parts(flat):
        return [p.reshape(s) for p, s in zip(np.split(flat, ends[:-1]), shapes, strict=True)]

    def chain(factors, size):
        total = np.eye(size)
        for factor in factors:
            total = factor @ total
        return total

    def velocity(_, flat):
        now, result = parts(flat), []
        G = (chain(now, len(X)) @ X - Y) @ X.T
        for j, layer in enumerate(now):
            after, before = chain(now[j + 1 :], len(layer)), chain(now[:j], len(X))
            result.append(-after.T @ G @ before.T - decay * layer)
        return np.concatenate([part.ravel() for part in result])

    flat = np.concatenate([layer.ravel() for layer in layers])
    solution = solve_ivp(velocity, (t[0], t[-1]), flat, "DOP853", t, rtol=1e-12, atol=1e-14)
    return [chain(parts(y), len(X)) for y in solution.y.T]


# Laws of layers from any start


@given(
    widths=st.lists(st.integers(1, 4), min_size=2, max_size=5),
    decay=st.floats(0.01, 3.0),
    seed=st.integers(0, 99),
)
def test_imbalances_decay_exponentially(widths, decay, seed):
    X, Y = regression(widths[-1], widths[0], seed)
    layers, t = gaussian_factors(widths, scale=0.6, rng=seed), np.array([0.0, 0.3, 1.0])
    flow = factored_flow(LinearRegression(X, Y), layers, t, weight_decay=decay, rtol=1e-13)
    size = max(np.linalg.norm(layer) ** 2 for layer in layers)
    for time, now in zip(flow.t, flow.factors, strict=True):
        for found, first in zip(imbalances(now), imbalances(layers), strict=True):
            expected = np.exp(-2 * decay * time) * first
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * max(size, 1))


@pytest.mark.parametrize("widths", [[3, 2, 5, 4], [3, 4], [3, 1, 4], [3, 3, 3, 3, 4]])
@pytest.mark.parametrize("balanced", [True, False])
def test_both_flows_are_those_of_layers_by_themselves(widths, balanced):
    X, Y = regression()
    layers = random_balanced_factors(widths, rng=1) if balanced else gaussian_factors(widths, rng=1)
    t, problem = np.array([0.0, 0.2, 1.0, 3.0]), LinearRegression(X, Y)
    expected = layers_by_themselves(X, Y, layers, 0.3, t)
    flow = factored_flow(problem, layers, t, weight_decay=0.3, **TIGHT)
    np.testing.assert_allclose(flow.product, expected, rtol=0, atol=1e-9)
    if balanced:
        comparison = compare_flows(problem, layers, t, weight_decay=0.3, **TIGHT)
        np.testing.assert_allclose(comparison.riemannian.product, expected, rtol=0, atol=1e-9)
        assert comparison.agree


@pytest.mark.parametrize("depth", [1, 2.5, 4])
def test_the_dense_equation(depth):
    """W' = -A_W(G) - N lambda W with dense powers; at depth 1 that of all matrices."""
    X, Y = regression(3, 3)
    rng = np.random.default_rng(2)
    start, t = (orthonormal(rng, 3, 3), np.array([1.0, 0.8, 0.5]), orthonormal(rng, 3, 3)), [0, 0.4]

    def velocity(_, flat):
        W = flat.reshape(3, 3)
        return -(dense.operator(W, 3, (W @ X - Y) @ X.T, depth) + depth * 0.3 * W).ravel()

    # For real N the powers of (7) are those of an integral; a whole number of terms is not meant.
    if depth == 2.5:

        def velocity(_, flat):
            W = flat.reshape(3, 3)
            u, s, vt = np.linalg.svd(W)
            f = s ** (2 / depth)
            with np.errstate(divide="ignore", invalid="ignore"):
                c = np.subtract.outer(s**2, s**2) / np.subtract.outer(f, f)
            np.fill_diagonal(c, depth * s ** (2 - 2 / depth))
            moved = u @ (c * (u.T @ (W @ X - Y) @ X.T @ vt.T)) @ vt
            return -(moved + depth * 0.3 * W).ravel()

    solution = solve_ivp(velocity, t, matrix(start).ravel(), "DOP853", rtol=1e-11, atol=1e-13)
    flow = riemannian_flow(
        LinearRegression(X, Y), start, depth, t, weight_decay=0.3, rtol=1e-11, atol=1e-13
    )
    np.testing.assert_allclose(flow.product[-1].ravel(), solution.y[:, -1], rtol=0, atol=1e-9)


# What falls, and how fast


@pytest.mark.parametrize("kind", ["balanced", "unbalanced", 1, 1.5, 2, 2.5, 20])
@pytest.mark.parametrize("in_loss", [False, True])
def test_the_objective_falls_as_fast_as_the_gradient_says(kind, in_loss):
    X, Y = regression()
    nodes, weights = np.polynomial.legendre.leggauss(12)
    t = np.concatenate(([0, 0.1], 0.1 + 0.4 * (nodes + 1) / 2, [0.5]))
    decay, problem = 0.4, LinearRegression(X, Y)
    layers = gaussian_factors([3, 2, 4], rng=4)
    if kind == "balanced":
        layers = random_balanced_factors([3, 2, 4], rng=4)
    depth = kind if isinstance(kind, (int, float)) else 2
    if in_loss and kind != "unbalanced":
        problem, decay = problem + 0.5 * SchattenDecay(0.6, depth), 0.1
    if isinstance(kind, str):
        flow = factored_flow(problem, layers, t, weight_decay=decay, **TIGHT)
        squares = [sum(np.linalg.norm(layer) ** 2 for layer in now) for now in flow.factors]
    else:
        rng = np.random.default_rng(5)
        start = (orthonormal(rng, 4, 2), np.array([1.5, 0.7]), orthonormal(rng, 3, 2).T)
        flow = riemannian_flow(problem, start, depth, t, weight_decay=decay, **TIGHT)
        squares = depth * (flow.singular_values ** (2 / depth)).sum(1)
    fall = 0.2 * weights @ flow.gradient_norm[2:-1] ** 2
    assert flow.objective[1] - flow.objective[-1] == pytest.approx(fall, rel=1e-8)
    np.testing.assert_allclose(flow.penalty, decay / 2 * np.array(squares), rtol=1e-12)
    inside = 0.3 / 2 * np.array(squares) if in_loss and kind != "unbalanced" else 0
    losses = np.array([0.5 * np.linalg.norm(matrix(p) @ X - Y) ** 2 for p in flow.points])
    np.testing.assert_allclose(flow.loss, losses + inside, rtol=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3, 20])
def test_a_decay_of_the_own_depth_in_the_loss_is_weight_decay(depth):
    X, Y = regression()
    problem, t = LinearRegression(X, Y), np.array([0.0, 0.5, 2.0])
    layers = random_balanced_factors([3, *[3 if depth < 2 else 2] * (depth - 1), 4], rng=6)
    whole = compare_flows(problem, layers, t, weight_decay=0.3)
    added = compare_flows(problem + SchattenDecay(0.3, depth), layers, t)
    for kind in ("factored", "riemannian"):
        one, other = getattr(whole, kind), getattr(added, kind)
        np.testing.assert_array_equal(one.singular_values, other.singular_values)
        np.testing.assert_array_equal(one.gradient_norm, other.gradient_norm)
        np.testing.assert_allclose(other.loss, one.objective, rtol=1e-14)
        assert other.penalty is None
        assert other.evaluations == one.evaluations


def test_a_decay_in_the_loss_asks_for_balance():
    problem = LinearRegression(*regression()) + SchattenDecay(0.3, 2)
    with pytest.raises(ValueError, match=r"these are not: their imbalance is .* weight_decay=0\.3"):
        factored_flow(problem, gaussian_factors([3, 2, 4], rng=0), [0, 1])


def test_the_loss_that_a_callback_sees_has_what_the_user_put_there():
    problem = LinearRegression(*regression()) + SchattenDecay(0.3, 2)
    layers, seen = random_balanced_factors([3, 2, 4], rng=0), []
    for flow in (factored_flow, riemannian_flow):
        start = (
            [layers]
            if flow is factored_flow
            else [compare_flows(problem, layers, [0, 1]).riemannian.points[0], 2]
        )
        found = flow(problem, *start, [0, 1], callback=lambda t, at, loss: seen.append(loss))
        assert seen[-1] == pytest.approx(found.loss[-1], rel=1e-13)


# Closed forms, methods, units


@pytest.mark.parametrize(
    "method", ["auto", "ROCK4", "RKC", "RK4", "RK45", "DOP853", "Radau", "BDF", "LSODA"]
)
@pytest.mark.parametrize("stiff", [False, True])
def test_methods(method, stiff):
    """Aligned at N = 2: b becomes b - lambda; a decay of 400 is stiff for a long time."""
    decay, t = (400.0, [0, 0.01, 3.0]) if stiff else (0.5, [0, 0.3, 3.0])
    if stiff and method == "RK4":
        t = [0, 0.01, 0.1]
    target, exact = 2.0 + decay, aligned_singular_value(0.4, 2.0, 1.0, 2, np.array(t))
    problem = whitened([target, 1.0])
    start = (np.eye(4)[:, :1], np.array([0.4]), np.eye(3)[:1])
    options = {"step": t[-1] / 300} if method == "RK4" else {}
    rtol = 1e-4 if method == "RKC" else 1e-7
    how = {"method": method, "rtol": rtol, "weight_decay": decay, **options}
    flow = riemannian_flow(problem, start, 2, t, **how)
    np.testing.assert_allclose(flow.singular_values[:, 0], exact, rtol=300 * rtol)
    layers = factored_flow(problem, balanced_factors(start, [3, 1, 4], rng=0), t, **how)
    np.testing.assert_allclose(layers.singular_values[:, 0], exact, rtol=300 * rtol)


@cache
def flow_in_units(depth, unit, rate):
    """The same flow where W has one unit and times another."""
    X, Y = regression()
    rng = np.random.default_rng(3)
    start = (orthonormal(rng, 4, 2), unit * np.array([0.9, 0.4]), orthonormal(rng, 3, 2).T)
    # The rates of (9) are C W^(2 - 2/N).
    factor = np.sqrt(rate) * unit ** (1 / depth - 1)
    problem = LinearRegression(factor * X, factor * unit * Y)
    t = np.array([0, 0.3, 1.0, 4.0]) / rate
    flow = riemannian_flow(problem, start, depth, t, weight_decay=0.2 * rate)
    layers = balanced_factors(start, [3, *[2] * (depth - 1), 4], rng=0)
    return flow, factored_flow(problem, layers, t, weight_decay=0.2 * rate)


@pytest.mark.parametrize("depth", [2, 3, 20])
@pytest.mark.parametrize(
    ("unit", "rate"), [(1e-150, 1.0), (1e150, 1.0), (1.0, 1e-150), (1.0, 1e150), (1e9, 1e-9)]
)
def test_units(depth, unit, rate):
    for found, expected in zip(
        flow_in_units(depth, unit, rate), flow_in_units(depth, 1.0, 1.0), strict=True
    ):
        assert found.complete
        values = expected.singular_values
        np.testing.assert_allclose(found.singular_values / unit, values, rtol=1e-6)
        # Half the squared length of the layers has units of W^(2/N).
        size = rate * unit ** (2 / depth)
        np.testing.assert_allclose(found.penalty / size, expected.penalty, rtol=1e-6)
        length = rate * unit ** (1 / depth)
        np.testing.assert_allclose(found.gradient_norm / length, expected.gradient_norm, rtol=1e-5)


# Where it ends


@pytest.mark.parametrize("depth", [2, 3, 2.5])
@pytest.mark.parametrize("chosen", [(0, 1), (0, 2), (1, 2)])
def test_rates_at_a_critical_point(depth, chosen):
    """Those of the velocity -A_W(G) - N lambda W on M_k, by differences of a dense one."""
    decay, targets = 0.3, np.array([3.0, 2.0, 1.2])
    problem, k = whitened(targets, 3, 3), 2
    s = upper_root(targets[list(chosen)], decay, depth)
    u, v = np.eye(3)[:, list(chosen)], np.eye(3)[:, list(chosen)]
    system = RiemannianSystem(problem, (3, 3), DepthMetric(depth), 1e-8, weight_decay=decay)
    rates, gradient, _ = system.linearisation(system.state(u, np.diag(s), v))
    assert np.linalg.norm(gradient) < 1e-12
    full = rates @ np.eye(rates.shape[0])
    np.testing.assert_allclose(full, full.T, atol=1e-6)
    found = np.sort(np.linalg.eigvalsh((full + full.T) / 2))

    def velocity(W):
        left, s, right = np.linalg.svd(W)
        f = np.append(s[:k] ** (2 / depth), 0)
        s = np.append(s[:k], 0)
        c = np.zeros((3, 3))
        for i, j in np.ndindex(3, 3):
            if i == j and i < k:
                c[i, j] = depth * s[i] ** (2 - 2 / depth)
            elif min(i, j) < k:
                c[i, j] = (s[i] ** 2 - s[j] ** 2) / (f[i] - f[j])
        return -left @ (c * (left.T @ (W - problem.B) @ right.T)) @ right - depth * decay * W

    W, h = (u * s) @ v.T, 1e-5
    tangent = [np.outer(a, b) for a in np.eye(3) for b in np.eye(3)]
    values, vectors = np.linalg.eigh(np.array([dense.projection(W, k, Z).ravel() for Z in tangent]))
    basis = vectors[:, values > 0.5]

    def moved(Z):
        return velocity(dense.truncated(W + Z.reshape(3, 3), k)).ravel()

    jacobian = np.array([(moved(-h * z) - moved(h * z)) / (2 * h) for z in basis.T]) @ basis
    expected = np.append(np.linalg.eigvals(jacobian).real, np.zeros(found.size - basis.shape[1]))
    np.testing.assert_allclose(found, np.sort(expected), atol=1e-6)
    # Along W itself.
    radial = depth * (s ** (2 - 2 / depth) - decay * (1 - 2 / depth))
    for value in radial:
        assert np.abs(found - value).min() < 1e-6


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_rest_is_recognised(depth):
    decay, targets = 0.3, np.array([3.0, 2.0, 0.4])
    problem = whitened(targets)
    layers = random_balanced_factors([3, *[3] * (depth - 1), 4], rng=0)
    comparison = compare_flows(problem, layers, [0, 1000], weight_decay=decay)
    s = targets / (1 + decay) if depth == 1 else np.maximum(targets - decay, 0)
    if depth == 3:
        s = np.append(upper_root(targets[:2], decay, depth), 0.0)
    for flow in (comparison.factored, comparison.riemannian):
        assert flow.status.startswith("stationary from t = ")
        assert float(flow.status.split()[4]) < 999
        np.testing.assert_allclose(flow.singular_values[-1], s, atol=1e-6)
    assert comparison.agree


@pytest.mark.parametrize("depth", [2, 3])
def test_a_saddle_is_named(depth):
    decay, targets = 0.3, np.array([3.0, 2.0, 1.0])
    problem, s = whitened(targets), upper_root(targets[1:2], decay, depth)
    start = (np.eye(4)[:, 1:2], s, np.eye(3)[1:2])
    flow = riemannian_flow(
        problem, start, depth, [0, 1e-3, 2e-3], weight_decay=decay, max_step=1e-5
    )
    assert "it is a saddle, and one direction leaves it" in flow.status
    layers = balanced_factors(start, [3, *[1] * (depth - 1), 4], rng=0)
    flow = factored_flow(problem, layers, [0, 1e-3, 2e-3], weight_decay=decay, max_step=1e-5)
    assert "it is a saddle, and one direction leaves it" in flow.status


def test_without_a_target_all_decays():
    """W' = -N lambda W - ..., at N = 3 into zero, which is a minimum."""
    problem = whitened([0.1])
    start, t = (np.eye(4)[:, :1], np.array([0.01]), np.eye(3)[:1]), [0, 0.5, 1e4]
    flow = riemannian_flow(problem, start, 3, t, weight_decay=1.0, rtol=1e-11)
    assert "weight decay takes W to zero" in flow.status
    # Not until t = 1e4.
    assert flow.evaluations < 10000
    factors = balanced_factors(start, [3, 1, 1, 4], rng=0)
    layers = factored_flow(problem, factors, t, weight_decay=1.0, rtol=1e-11)
    assert layers.status.startswith("stationary")
    logarithm = solve_ivp(
        lambda _, x: 3 * np.exp(x / 3) * (0.1 - np.exp(x)) - 3,
        (0, 0.5),
        [np.log(0.01)],
        "DOP853",
        rtol=1e-12,
    ).y[0, -1]
    for run in (flow, layers):
        assert run.singular_values[1, 0] == pytest.approx(np.exp(logarithm), rel=1e-8)


@pytest.mark.parametrize("depth", [2, 5])
def test_layers_are_there_when_their_product_is_not(depth):
    """Where W is 1e-13 of what it was each of N = 5 layers is 1e-3 of it, and so is the penalty."""
    problem, decay, t = whitened([0.1]), 3.0, np.linspace(0, 4, 9)
    start = (np.eye(4)[:, :1], np.array([1.0]), np.eye(3)[:1])
    layer = solve_ivp(
        lambda _, x: np.exp(x * (depth - 2)) * (0.1 - np.exp(depth * x)) - decay,
        (0, 4),
        [0.0],
        "DOP853",
        t,
        rtol=1e-12,
        atol=1e-12,
    ).y[0]
    layers = [part[None] for part in balanced_factors(start, [3, *[1] * (depth - 1), 4], rng=0)]
    stacked = tuple(np.asarray(part)[None] for part in start)
    runs = (
        riemannian_flow(problem, start, depth, t, weight_decay=decay),
        riemannian_flow(problem, stacked, depth, t, weight_decay=decay)[0],
        factored_flow(problem, layers, t, weight_decay=decay)[0],
    )
    slope = np.exp(layer * (depth - 1)) * (0.1 - np.exp(depth * layer)) - decay * np.exp(layer)
    for run in runs:
        np.testing.assert_allclose(run.penalty, decay / 2 * depth * np.exp(2 * layer), rtol=1e-6)
        np.testing.assert_allclose(run.gradient_norm, np.sqrt(depth) * np.abs(slope), rtol=1e-6)


def test_flows_that_decay_to_zero_are_one():
    """At the end W is zero in one flow, and far below round-off in the other."""
    start = (np.eye(4)[:, :1], np.array([1.0]), np.eye(3)[:1])
    layers = balanced_factors(start, [3, 1, 1, 4], rng=0)
    both = compare_flows(whitened([0.1]), layers, [0, 1, 30], weight_decay=1.0)
    assert both.norm[-1] == 0
    assert both.agree
    assert both.relative_gap.max() < both.tolerance
    assert f"largest gap {both.relative_gap.max():.1e} relative" in both.verdict


def test_rank_falls_exponentially():
    """N = 2, b_2 = 0.2 < lambda: s_2 follows 2 s (b_2 - lambda - s), and is cut at round-off."""
    problem, decay = whitened([3.0, 0.2]), 1.2
    start = (np.eye(4)[:, :2], np.array([1.0, 0.7]), np.eye(3)[:2])
    layers = balanced_factors(start, [3, 2, 4], rng=0)
    t = np.linspace(0, 40, 41)
    comparison = compare_flows(problem, layers, t, weight_decay=decay)
    (change,) = comparison.riemannian.rank_changes
    at = aligned_singular_value(0.7, 0.2 - decay, 1.0, 2, np.array([0.0, change.t]))[-1]
    assert 2.3e-16 < at / 1.8 < 1e-14
    before = t < change.t
    expected = aligned_singular_value(0.7, 0.2 - decay, 1.0, 2, t[before])
    for flow in (comparison.factored, comparison.riemannian):
        small = flow.singular_values[: before.sum(), 1]
        np.testing.assert_allclose(small[:10], expected[:10], rtol=1e-6)
    np.testing.assert_allclose(
        comparison.riemannian.singular_values[before, 1], expected, rtol=1e-6
    )
    assert comparison.relative_gap.max() < 1e-7


@pytest.mark.parametrize("depth", [1.2, 1.5, 1.9])
def test_the_boundary_of_depths_below_two(depth):
    """s' = N s^(2-2/N) (b - s) - N lambda s reaches zero at a time that is an integral."""
    decay, power = 0.8, 2 / depth - 1
    problem = whitened([3, -1, 0.5])
    start = (np.eye(4)[:, :2], np.array([1.0, 0.7]), np.eye(3)[:2])
    when = quad(
        lambda y: 1 / (power * depth * (y ** (1 / power) + 1 + decay * y)),
        *(0, 0.7**power),
        epsabs=0,
        epsrel=1e-12,
    )[0]
    flow = riemannian_flow(
        problem, start, depth, when * np.array([0, 0.5, 1.5]), weight_decay=decay
    )
    (change,) = flow.rank_changes
    assert change.t == pytest.approx(when, rel=1e-6)
    assert "reached zero" in change.reason
    undecayed = scalar_curve(0.7, -1.0, [0, when / 2], depth)[-1]
    assert flow.singular_values[1, 1] < 0.95 * undecayed


@pytest.mark.parametrize("depth", [1.2, 1.5])
def test_exponential_decay_is_not_taken_for_the_boundary(depth):
    """Without a target s' = -N lambda s - ..., whose zero recedes."""
    problem, decay = whitened([3.0]), 1.0
    start = (np.eye(4)[:, :2], np.array([1.0, 0.7]), np.eye(3)[:2])
    t = np.array([0.0, 1.0, 3.0, 20.0])
    flow = riemannian_flow(problem, start, depth, t, weight_decay=decay)
    solution = solve_ivp(
        lambda _, x: -depth * np.exp((1 - 2 / depth) * x) * np.exp(x) - depth * decay,
        (0, 3),
        [np.log(0.7)],
        "DOP853",
        t[:3],
        rtol=1e-12,
        atol=1e-12,
    )
    np.testing.assert_allclose(flow.singular_values[:3, 1], np.exp(solution.y[0]), rtol=1e-6)
    assert all("round-off" in change.reason for change in flow.rank_changes)
    assert flow.evaluations < 2000


@pytest.mark.parametrize("depth", [2, 3])
def test_what_decays_for_long_may_grow_again(depth):
    """Beside the direction of the target, at N = 2 W turns round however small it is by then."""
    problem, tilt = whitened([2.0]), 1e-9
    start = (np.eye(4)[:, 1:2] + tilt * np.eye(4)[:, :1], [0.5], np.eye(3)[1:2])
    start = (start[0] / np.linalg.norm(start[0]), np.array([0.5]), start[2])
    flow = riemannian_flow(problem, start, depth, [0, 20, 200], weight_decay=1.0)
    layers = balanced_factors(start, [3, *[1] * (depth - 1), 4], rng=0)
    other = factored_flow(problem, layers, [0, 20, 200], weight_decay=1.0)
    # At N = 3 zero is a minimum, at N = 2 a saddle.
    expected = 1.0 if depth == 2 else 0.0
    assert flow.singular_values[-1, 0] == pytest.approx(expected, abs=1e-6)
    assert other.singular_values[-1, 0] == pytest.approx(expected, abs=1e-6)


def test_rest_at_zero_at_depth_two():
    """It is where the largest singular value of the gradient is below the decay."""
    start = (np.eye(4)[:, 1:2], np.array([0.5]), np.eye(3)[1:2])
    for target, told in ((0.4, True), (0.9, False), (3.0, False)):
        flow = riemannian_flow(whitened([target]), start, 2, [0, 24], weight_decay=1.0)
        assert ("weight decay takes W to zero" in flow.status) == told
        assert (flow.singular_values[-1, 0] == 0) == told
