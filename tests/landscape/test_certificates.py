"""Certified rates are never violated: by the definition of the velocity, and by layers in time."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from fixedrank import (
    FixedRank,
    LinearRegression,
    MomentRegression,
    RankLostError,
    balanced_factors,
    certify,
    critical_points,
    gaussian_factors,
    global_minimizer,
    imbalanced_factors,
)
from tests.geometry.dense import matrix, orthonormal, truncated
from tests.landscape.data import problem_with
from tests.strategies import seeds

UNITS = (1e-150, 1.0, 1e150)
SHAPES = [(4, 6, 1), (4, 6, 2), (4, 6, 4), (6, 4, 2), (6, 4, 4), (4, 4, 1), (4, 4, 3), (4, 4, 4)]
VALUES = np.array([3.0, 2.2, 1.4, 0.5])


def start_near(rng, problem, k, share):
    """A matrix of rank k whose loss is a given part of the way from the minimum to the next value.

    On the line from the minimiser, in the coordinates where the loss is a distance.
    """
    best = matrix(global_minimizer(problem, k).point)
    values = problem.svd[1]
    following = values[k] if k < values.size else 0.0
    gap = (values[k - 1] ** 2 - following**2) / 2
    direction = np.linalg.norm(best) * rng.standard_normal(problem.shape)
    if rng.random() < 0.3:  # towards zero, where it is slowest
        direction = -best + 0.1 * direction
    least = problem.loss(best)

    def excess(step):
        return problem.loss(truncated(best + step * direction, k)) - least

    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) < share * gap else (low, middle)
    W = truncated(best + low * direction, k)
    return FixedRank(*problem.shape, k, depth=1).point(W), W, least


def velocity_of(W, G, depth, k):
    """A_W(G) for any depth, by quotients of differences, in full singular frames."""
    u, s, vt = np.linalg.svd(W)
    x, y = np.zeros(W.shape[0]), np.zeros(W.shape[1])
    x[:k] = y[:k] = s[:k] ** 2
    f = np.log if math.isinf(depth) else lambda x: x ** (1 / depth)
    with np.errstate(all="ignore"):
        weights = np.subtract.outer(x, y) / np.subtract.outer(f(x), f(y))
    of_ties = x[:k] ** (1 - 1 / depth) * (1 if math.isinf(depth) else depth)
    weights[range(k), range(k)] = of_ties
    weights[k:, k:] = 0
    return u @ (weights * (u.T @ G @ vt.T)) @ vt


def layer_flow(problem, layers, t):
    """The losses along the flow (5), integrated by SciPy without the library."""
    C, B = problem.C, problem.B
    sizes = np.cumsum([layer.size for layer in layers])[:-1]

    def unpacked(state):
        parts = np.split(state, sizes)
        return [part.reshape(layer.shape) for part, layer in zip(parts, layers, strict=True)]

    def velocity(_, state):
        found = unpacked(state)
        inner = [np.eye(found[0].shape[1])]
        for layer in found:
            inner.append(layer @ inner[-1])
        G, parts = inner[-1] @ C - B, []
        for layer, before in zip(found[::-1], inner[-2::-1], strict=True):
            parts.append(-(G @ before.T).ravel())
            G = layer.T @ G
        return np.concatenate(parts[::-1])

    state = np.concatenate([layer.ravel() for layer in layers])
    run = solve_ivp(velocity, (0, t[-1]), state, "DOP853", t, rtol=1e-10, atol=1e-12)
    assert run.success
    products = []
    for column in run.y.T:
        W = np.eye(layers[0].shape[1])
        for layer in unpacked(column):
            W = layer @ W
        products.append(W)
    return np.array([np.linalg.norm((W @ problem.root) - problem.Q) ** 2 / 2 for W in products])


def below(losses, floor, bound):
    """Whether losses above a floor keep a bound, up to what the integration may be off."""
    return bool((losses - floor <= bound * (1 + 1e-7) + 1e-10 * losses[0]).all())


# On M_k


@pytest.mark.parametrize("depth", [1, 1.3, 2, 3, 3.5, 20])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_loss_falls_as_fast_by_the_definition(shape, depth):
    m, n, k = shape
    rng = np.random.default_rng(0)
    problem, *_ = problem_with(VALUES, m, n)
    for share in (1e-6, 0.1, 0.5, 0.9, 0.999):
        point, W, least = start_near(rng, problem, k, share)
        found = certify(problem, point, depth)
        G = W @ problem.C - problem.B
        speed = np.vdot(G, velocity_of(W, G, depth, k))
        assert found.applies
        assert found.basin
        assert found.excess == pytest.approx(problem.loss(W) - least, abs=1e-12)
        assert found.rate * found.excess <= speed
        assert found.rate <= found.final_rate


@pytest.mark.parametrize("depth", [1, 2, 3, 7.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_final_rate_is_that_of_the_linearised_flow_on_white_data(shape, depth):
    m, n, k = shape
    rng = np.random.default_rng(1)
    U, V = orthonormal(rng, m, 4), orthonormal(rng, n, 4)
    problem = LinearRegression(2 * np.eye(n), (U * VALUES) @ V.T)
    best = global_minimizer(problem, k)
    found = certify(problem, best.point, depth)
    # The loss falls twice as fast as the distance.
    assert found.final_rate == pytest.approx(2 * best.convergence_rate(depth), rel=1e-10)
    assert found.rate == pytest.approx(found.final_rate, rel=1e-4)


@given(
    shape=st.sampled_from(SHAPES),
    depth=st.sampled_from([2, 3, 5]),
    share=st.floats(0.01, 0.9),
    seed=seeds,
)
def test_layers_that_are_balanced_keep_the_bound(shape, depth, share, seed):
    m, n, k = shape
    rng = np.random.default_rng(seed)
    problem, *_ = problem_with(VALUES, m, n, seed=seed % 1000)
    point, _, least = start_near(rng, problem, k, share)
    layers = balanced_factors(point, [n, *rng.integers(k, k + 3, depth - 1), m], rng=rng)
    found = certify(problem, layers)
    assert found.rate == pytest.approx(certify(problem, point, depth).rate, rel=1e-6)
    t = np.linspace(0, min(found.time_to(0.05 * found.excess), 20 / found.final_rate), 30)
    losses = layer_flow(problem, layers, t)
    floor = least - problem.residual**2 / 2
    bound = found.bound(t)
    assert below(losses, floor, bound)
    assert (bound <= found.excess * np.exp(-found.rate * t) * (1 + 1e-6)).all()
    assert losses[-1] - floor < 0.9 * found.excess  # it does fall


@pytest.mark.parametrize("depth", [1, 2, 3, 20])
def test_one_number_from_below_is_as_fast_as_the_bound(depth):
    # w' = -N w^(2-2/N) (w - b): from below the least singular value is b less the distance.
    problem = LinearRegression([[1.0]], [[2.0]])
    point = np.eye(1), np.array([0.1]), np.eye(1)
    found = certify(problem, point, depth)
    t = np.linspace(0, found.time_to(1e-8), 30)
    run = solve_ivp(
        lambda _, w: -depth * w ** (2 - 2 / depth) * (w - 2),
        (0, t[-1]),
        [0.1],
        "DOP853",
        t,
        rtol=1e-12,
        atol=1e-14,
    )
    exact = (run.y[0] - 2) ** 2 / 2
    assert (exact <= found.bound(t) * (1 + 1e-8)).all()
    # The rate is renewed each time that the logarithm of the fall has grown by 2 %.
    for time, level in zip(t, exact, strict=True):
        assert time * (1 - 1e-9) <= found.time_to(level) <= 1.03 * time + 1e-9


def test_infinite_depth():
    rng = np.random.default_rng(2)
    problem, *_ = problem_with(VALUES, 4, 4)
    for share in (0.1, 0.9):
        point, W, _ = start_near(rng, problem, 4, share)
        found = certify(problem, point, math.inf)
        G = W @ problem.C - problem.B
        assert 0 < found.rate * found.excess <= np.vdot(G, velocity_of(W, G, math.inf, 4))


def test_times_and_bounds_are_inverse():
    problem, *_ = problem_with(VALUES, 4, 6)
    point, *_ = start_near(np.random.default_rng(3), problem, 2, 0.8)
    found = certify(problem, point, 3)
    t = np.array([0.0, 0.1, 1.0, 5.0, 20.0]) / found.final_rate
    for time, bound in zip(t, found.bound(t), strict=True):
        assert found.time_to(bound) == pytest.approx(time, rel=1e-6, abs=1e-9)
    assert found.time_to(2 * found.excess) == 0


# Where none applies


def aligned(values, targets, units=1.0):
    """A problem whose minimiser is diag(targets), and the point diag(values)."""
    d, k = len(targets), len(values)
    problem = LinearRegression(np.eye(d), units * np.diag(targets))
    return problem, (np.eye(d, k), units * np.array(values), np.eye(k, d))


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_at_the_next_critical_value_there_is_no_rate(units, k):
    problem, _ = aligned([1.0], [3.0, 2.0, 1.0], units)
    best, following = 0, 1
    losses = sorted({round(c.loss / units**2, 9) for c in critical_points(problem, k)})
    values = np.array([3.0, 2.0, 1.0])[:k]
    # Straight from the minimum to where the last singular value is as small as allowed.
    gap = (values[-1] ** 2 - (k < 3) * (values[-1] - 1) ** 2) / 2
    assert len(losses) == 1 or losses[following] - losses[best] == pytest.approx(gap)
    for share, applies in ((1 - 1e-6, True), (1.0, False), (1 + 1e-15, False), (1.1, False)):
        moved = values.copy()
        moved[-1] = values[-1] - math.sqrt(2 * gap * share)
        if moved[-1] <= 0:
            moved[-1] = values[-1] + math.sqrt(2 * gap * share)
        point = np.eye(3, k), units * moved, np.eye(k, 3)
        found = certify(problem, point, 2)
        assert found.applies == applies
        assert found.basin == applies
        assert applies or found.reason.startswith(f"the loss is {gap * units**2 * share:.4g} above")
        assert found.bound(1.0) <= found.bound(0.0)


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("apart", [0.0, 1e-15])
def test_equal_singular_values_have_no_rate(units, apart):
    problem, point = aligned([2.9, 1.9], [3.0, 2.0, 2.0 * (1 - apart)], units)
    found = certify(problem, point, 2)
    assert not found.applies
    assert found.basin
    assert "the same up to round-off" in found.reason


def test_close_singular_values_have_a_small_rate():
    problem, point = aligned([3.0, 2.0], [3.0, 2.0, 2.0 - 1e-9])
    found = certify(problem, point, 2)
    assert 0 < found.rate < 1e-8


def test_a_rank_above_that_of_q():
    problem, point = aligned([1.0, 1.0], [3.0, 0.0])
    found = certify(problem, point, 2)
    assert (found.rate, found.reason) == (
        0.0,
        "k = 2 > q = rank Q = 1, and the minimum has a lower rank",
    )
    assert np.array_equal(found.bound([0.0, 9.0]), [found.bound(0.0)] * 2)
    assert math.isinf(found.time_to(1e-9))
    # That its limit is critical comes from layers, of which there is a whole number.
    near = (point[0], np.array([2.9, 1e-3]), point[2])
    depths = {1: False, 1.5: False, 2: True, 2.5: False, 3: True, math.inf: False}
    for depth, known in depths.items():
        assert certify(problem, near, depth).basin == known
    assert certify(problem, balanced_factors(near, [2, 2, 2], rng=0)).basin


def test_zero_layers():
    found = certify(LinearRegression(np.eye(2), np.eye(2)), [np.zeros((2, 2))] * 2)
    assert not found.applies
    assert "the product is zero" in found.reason


# Units


@pytest.mark.parametrize("depth", [1, 2, 3.5, 20])
@pytest.mark.parametrize("units", UNITS)
def test_rates_have_the_units_of_the_metric(units, depth):
    problem, *_ = problem_with(VALUES, 4, 6, noise=0.0)
    point, *_ = start_near(np.random.default_rng(4), problem, 2, 0.5)
    X = problem.root
    one = certify(LinearRegression(X, problem.Q), point, depth)
    scaled = point._replace(s=units * point.s)
    found = certify(LinearRegression(X, units * problem.Q), scaled, depth)
    assert found.rate == pytest.approx(one.rate * units ** (2 - 2 / depth), rel=1e-6)
    assert found.excess == pytest.approx(one.excess * units**2, rel=1e-6)
    # And in units of X, with the same W.
    found = certify(LinearRegression(units * X, units * problem.Q), point, depth)
    assert found.rate == pytest.approx(one.rate * units**2, rel=1e-6)


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("widths", [[3, 4, 4], [3, 4, 4, 4]])
def test_rates_by_imbalance_have_the_units_of_layers(units, widths):
    rng, depth = np.random.default_rng(0), len(widths) - 1
    problem, *_ = problem_with(VALUES[:3], 4, 3, noise=0.0)
    # Least singular values that grow from layer to layer.
    layers = [2.0**j * orthonormal(rng, b, a) for j, (a, b) in enumerate(pairwise(widths))]
    one = certify(problem, layers).rate
    assert one > 0
    root = units ** (1 / depth)
    scaled = LinearRegression(problem.root, units * problem.Q)
    found = certify(scaled, [root * layer for layer in layers])
    assert found.rate == pytest.approx(one * root ** (2 * depth - 2), rel=1e-10)


# By imbalances


def definite(rng, widths, free, share):
    """Layers whose imbalances are definite around a free one."""
    layers = [rng.standard_normal((b, a)) for a, b in pairwise(widths)]
    for j in range(len(layers)):
        layers[j] = layers[j] * 2.0 ** (abs(j + 1 - free)) * (1 if j + 1 != free else share)
    return layers


WIDE = [
    ([3, 3, 3], 1),
    ([3, 3, 3], 2),
    ([5, 3, 3], 1),
    ([3, 3, 5], 2),
    ([2, 2, 3, 3], 2),
    ([3, 3, 2, 2], 2),
    ([3, 4, 3, 3], 1),
    ([3, 5, 4, 3], 1),
    ([3, 3, 4, 3], 3),
    ([3, 8, 3], None),
    ([2, 6, 3], None),
    ([3, 3, 3, 3, 3], 3),
    ([4, 3], 1),
]


@given(case=st.sampled_from(WIDE), share=st.floats(0.1, 1.0), seed=seeds)
def test_layers_keep_the_bound_of_their_imbalances(case, share, seed):
    widths, free = case
    rng = np.random.default_rng(seed)
    targets = rng.uniform(0, 2, 2) * (rng.random(2) < 0.7)  # of any rank, zero included
    problem, *_ = problem_with(targets, widths[-1], widths[0], seed=seed % 1000)
    layers = (
        gaussian_factors(widths, scale=1.0, rng=rng)
        if free is None
        else definite(rng, widths, free, share)
    )
    found = certify(problem, layers)
    if not found.applies:
        assert "their imbalances do not keep the rank" in found.reason
        return
    t = np.linspace(0, 3 / found.rate, 15)
    losses = layer_flow(problem, layers, t)
    assert below(losses, 0.0, found.bound(t))
    np.testing.assert_allclose(found.bound(t), losses[0] * np.exp(-found.rate * t), rtol=1e-6)
    assert found.minimum == pytest.approx(problem.residual**2 / 2)


def test_certificates_by_imbalance_do_occur():
    rng = np.random.default_rng(0)
    counts = []
    for widths, free in WIDE:
        problem, *_ = problem_with(np.array([1.0]), widths[-1], widths[0])
        draws = [
            gaussian_factors(widths, scale=1.0, rng=rng)
            if free is None
            else definite(rng, widths, free, 0.1)
            for _ in range(20)
        ]
        counts.append(sum(certify(problem, layers).applies for layers in draws))
    assert min(counts) > 0


@pytest.mark.parametrize("imbalance", [(2.0, 0.5), (2.0, -0.5), (-2.0, 0.5), (-2.0, 3.0), (-1, -1)])
def test_the_rate_of_homogeneous_imbalances(imbalance):
    # D_j = lambda_j I of square layers: products of partial sums around one layer.
    problem, *_ = problem_with(VALUES[:3], 3, 3)
    point = FixedRank(3, 3, 3, depth=3).random_point(rng=0)
    first, second = imbalance
    least = np.linalg.svd(problem.root, compute_uv=False)[-1] ** 2
    around = [(first, first + second), (-first, second), (-second, -first - second)]
    expected = sum(2 * least * a * b for a, b in around if min(a, b) > 0)
    found = certify(problem, imbalanced_factors(point, imbalance, rng=1))
    assert found.rate == pytest.approx(expected, rel=1e-10)
    assert found.applies == (expected > 0)


def test_one_layer_is_convex():
    problem, *_ = problem_with(VALUES, 4, 6)
    found = certify(problem, gaussian_factors([6, 4], scale=30.0, rng=0))
    assert found.rate == pytest.approx(2 * np.linalg.eigvalsh(problem.C)[0])
    assert not found.basin
    assert "convex" in str(found)


@pytest.mark.parametrize("units", UNITS)
def test_balanced_layers_have_no_imbalance_by_rounding(units):
    d = 4
    problem = LinearRegression(np.eye(d), np.zeros((d, d)))
    for seed in range(20):
        root = units ** (1 / 3)
        layers = [root * orthonormal(np.random.default_rng(seed + j), d, d) for j in range(3)]
        assert not certify(problem, layers).applies


def test_widths_that_shrink_first():
    problem, *_ = problem_with(VALUES, 4, 6)
    found = certify(problem, gaussian_factors([6, 3, 5, 4], rng=0))
    assert "the widths 6, 3, 5, 4 do not grow up to one layer and shrink after it" in found.reason
    found = certify(problem, gaussian_factors([6, 6, 5, 4], rng=0))
    assert "the best lower bounds of squared singular values are" in found.reason


# Weight decay


def test_with_decay_there_is_only_the_next_critical_value():
    problem, point = aligned([2.5, 1.5], [3.0, 2.0])
    found = certify(problem, point, 2, weight_decay=0.1)
    assert (found.applies, found.basin) == (False, True)
    assert found.reason == "with weight decay no theorem gives one"
    assert not certify(problem, point, 1.5, weight_decay=0.1).basin
    layers = balanced_factors(point, [2, 2, 2], rng=0)
    same = certify(problem, layers, weight_decay=0.1)
    assert (same.basin, same.excess) == (True, pytest.approx(found.excess))
    problem, *_ = problem_with(VALUES, 4, 6)
    other = certify(problem, gaussian_factors([6, 3, 4], rng=0), weight_decay=0.1)
    assert not other.basin
    assert math.isinf(other.bound(1.0))
    assert "X X^T" in other.reason


# What is said


def test_texts():
    problem, point = aligned([2.5, 1.5], [3.0, 2.0])
    found = certify(problem, point, 2)
    text = str(found)
    assert text.startswith(f"the loss falls to 0 at a rate of at least {found.rate:.4g}, and of ")
    assert text.endswith("below 2 flow (9) has one")
    wide = certify(problem, gaussian_factors([2, 9, 2], rng=0))
    assert "in the end" not in str(wide)
    assert "stay above" in wide.reason
    assert wide.reason.count(" of W_") == 2
    text = str(certify(problem, (point[0], point[1] / 9, point[2]), 2))
    assert text.startswith("no rate is proven: the loss is ")
    assert text.endswith("; the limit is not known to be a minimum")


def test_bad_input():
    problem, point = aligned([2.5, 1.5], [3.0, 2.0])
    with pytest.raises(TypeError, match="needs the depth N"):
        certify(problem, point)
    with pytest.raises(TypeError, match="leave depth out"):
        certify(problem, [np.eye(2)], 1)
    with pytest.raises(ValueError, match=r"\(3, 2\) matrix, the problem has \(2, 2\)"):
        certify(problem, FixedRank(3, 2, 1, depth=2).random_point(rng=0), 2)
    with pytest.raises(ValueError, match="problem asks for"):
        certify(problem, [np.ones((2, 3))])
    with pytest.raises(ValueError, match="weight_decay"):
        certify(problem, point, 2, weight_decay=-1.0)
    with pytest.raises(ValueError, match="infinite depth"):
        certify(problem, (np.eye(2, 1), np.ones(1), np.eye(1, 2)), math.inf)
    with pytest.raises(TypeError, match="certify needs a LinearRegression"):
        certify(MomentRegression(np.eye(2), np.eye(2), 2.0), point, 2)
    with pytest.raises(RankLostError, match="X X"):
        certify(LinearRegression(np.eye(2, 1), np.eye(2, 1)), point, 2)
    found = certify(problem, point, 2)
    with pytest.raises(ValueError, match="times must be at least 0, got -1"):
        found.bound([0.0, -1.0])
    with pytest.raises(ValueError, match=r"NaN|finite"):
        found.bound(math.nan)
    for excess in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="excess must be positive"):
            found.time_to(excess)
    for excess in ("a", [0.1, 0.2], None):
        with pytest.raises(TypeError, match="excess must be a number"):
            found.time_to(excess)
