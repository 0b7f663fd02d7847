"""The certificate of weight decay at depth 2, against a proximal-gradient solver."""

import math

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import fixedrank
from fixedrank import (
    Classification,
    FixedRank,
    LinearRegression,
    Loss,
    MatrixCompletion,
    SchattenDecay,
    balanced_factors,
    dual_certificate,
    factored_flow,
    riemannian_flow,
)
from tests.landscape.data import problem_with

DECAY = 1.0


def regression(d_y=5, d_x=6):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((d_x, 30)) * rng.uniform(0.3, 1, (d_x, 1))
    return LinearRegression(X, rng.standard_normal((d_y, 30)) + (0.5 * rng.random((d_y, d_x))) @ X)


def proximal_gradient(gradient, decay, shape, step, iterations=2000):
    """Accelerated: the least of L + lambda |W|_*, by soft thresholds of singular values."""
    W, before = np.zeros(shape), np.zeros(shape)
    for i in range(iterations):
        Z = W + i / (i + 3) * (W - before)
        u, s, vt = np.linalg.svd(Z - step * gradient(Z), full_matrices=False)
        W, before = (u * np.maximum(s - step * decay, 0)) @ vt, W
    return W


def minimum(problem, decay):
    return proximal_gradient(
        lambda W: W @ problem.C - problem.B,
        decay,
        problem.shape,
        1 / np.linalg.norm(problem.C, 2),
    )


def objective(problem, W, decay):
    return problem.loss(W) + decay * np.linalg.svd(W, compute_uv=False).sum()


@pytest.mark.parametrize("shape", [(5, 6), (6, 5), (4, 4)])
@pytest.mark.parametrize("decay", [0.5, 8.0, 12.0])
def test_the_minimum_is_certified(shape, decay):
    problem = regression(*shape)
    W = minimum(problem, decay)
    found = dual_certificate(problem, W, decay)
    assert found.kind == "global minimum"
    assert found.rank == np.linalg.matrix_rank(W, tol=1e-6)
    assert 0 < found.rank < min(shape) or decay < 1
    assert found.dual_norm == pytest.approx(decay, rel=1e-8)
    assert found.gap <= 1e-7 * found.objective
    assert found.objective == pytest.approx(objective(problem, W, decay), rel=1e-12)


@given(
    decay=st.floats(0.1, 20),
    scale=st.floats(0.01, 1),
    rank=st.integers(0, 4),
    seed=st.integers(0, 5),
)
def test_the_gap_bounds_the_distance_to_the_minimum(decay, scale, rank, seed):
    """For any W, critical or not."""
    problem = regression(4, 5)
    rng = np.random.default_rng(seed)
    W = scale * rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 5))
    found = dual_certificate(problem, W, decay)
    least = objective(problem, minimum(problem, decay), decay)
    excess = objective(problem, W, decay) - least
    assert found.gap >= excess * (1 - 1e-9)
    assert found.dual_norm == pytest.approx(np.linalg.norm(W @ problem.C - problem.B, 2))


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_flows_reach_the_minimum_where_layers_are_wide_enough(width):
    problem, decay = regression(), 8.0
    W = minimum(problem, decay)
    rank = np.linalg.matrix_rank(W, tol=1e-6)
    assert rank == 3
    start = FixedRank(5, 6, width, depth=2).random_point(rng=0)
    flow = riemannian_flow(problem, start, 2, [0, 60], weight_decay=decay)
    found = dual_certificate(problem, flow.points[-1], decay)
    if width >= rank:
        assert (found.kind, found.rank) == ("global minimum", rank)
        u, s, vt = flow.points[-1]
        np.testing.assert_allclose((u * s) @ vt, W, atol=1e-5)
        assert found.gap <= 1e-6 * found.objective
    else:
        assert (found.kind, found.rank) == ("strict saddle", width)
        assert found.dual_norm > 1.01 * decay
        assert "layers leave it at the rate" in found.verdict


def test_wider_layers_leave_at_the_escape_rate():
    """A direction of size 1e-6 in two layers grows as exp(rate t)."""
    problem, decay = regression(), 8.0
    start = FixedRank(5, 6, 2, depth=2).random_point(rng=0)
    saddle = riemannian_flow(
        problem, start, 2, [0, 60], weight_decay=decay, rtol=1e-12, atol=1e-14
    ).points[-1]
    found = dual_certificate(problem, saddle, decay)
    first, last = balanced_factors(saddle, [6, 3, 5], rng=0)
    left, right = found.direction
    # The third hidden unit is free: it lies in no range of both layers.
    unit = np.linalg.svd(first)[0][:, 2]
    size = 1e-6
    layers = [first - size * np.outer(unit, right), last + size * np.outer(left, unit)]
    t = np.array([0.0, 0.4, 0.8])
    flow = factored_flow(problem, layers, t, weight_decay=decay, rtol=1e-12)
    grown = [-unit @ layers[0] @ right for layers in flow.factors]
    expected = found.escape_rate * t
    np.testing.assert_allclose(np.log(np.array(grown) / size), expected, rtol=0, atol=1e-5)


def test_zero():
    problem = regression()
    norm = np.linalg.norm(problem.B, 2)
    low, high = (dual_certificate(problem, np.zeros((5, 6)), f * norm) for f in (0.9, 1.1))
    assert (low.kind, low.rank, low.escape_rate) == (
        "strict saddle",
        0,
        pytest.approx(0.1 * norm, rel=1e-12),
    )
    assert (high.kind, high.rank, high.gap) == ("global minimum", 0, 0.0)
    assert dual_certificate(problem, np.full((5, 6), 0.3), 0.9 * norm).kind == (
        "not a critical point"
    )


def test_any_convex_loss():
    """A completion, given as a triple, by terms of a sum, and at rank k with zeros."""
    rng = np.random.default_rng(0)
    known = rng.random((6, 5)) < 0.6
    target = np.where(known, rng.standard_normal((6, 5)), np.nan)
    W = proximal_gradient(lambda W: np.where(known, W - np.nan_to_num(target), 0), 0.7, (6, 5), 1.0)
    problem = MatrixCompletion(target)
    triple = np.linalg.svd(W, full_matrices=False)
    found = [
        dual_certificate(problem, W, 0.7),
        dual_certificate(problem, triple, 0.7),
        dual_certificate(problem + SchattenDecay(0.7, 2), W),
        dual_certificate(problem + SchattenDecay(0.3, 2), W, 0.4),
    ]
    for one in found:
        assert one.kind == "global minimum"
        assert one.dual_norm == pytest.approx(0.7, rel=1e-6)
        assert one.objective == pytest.approx(found[0].objective, rel=1e-12)


class LogCosh(Loss):
    """Without an infimum that is known."""

    shape = (3, 3)

    def misfit(self, W):
        return (W[0] * W[1]) @ W[2] - np.diag([3.0, 1.0, 0.2])

    def loss(self, W):
        return np.log(np.cosh(self.misfit(W))).sum()

    def gradient(self, W):
        return np.tanh(self.misfit(W))


def test_where_the_infimum_is_not_known():
    """tanh(3 - s) = 0.5 and tanh(1 - s) = 0.5 for s = 3 - atanh(1/2), 1 - atanh(1/2)."""
    s = np.array([3, 1]) - math.atanh(0.5)
    best = dual_certificate(LogCosh(), np.diag([*s, 0.0]) * (1 - 1e-12), 0.5)
    assert (best.kind, best.rank) == ("global minimum", 2)
    saddle = dual_certificate(LogCosh(), np.diag([s[0], 0.0, 0.0]), 0.5)
    assert (saddle.kind, saddle.rank, saddle.gap) == ("strict saddle", 1, math.inf)
    assert saddle.dual_norm == pytest.approx(math.tanh(1), rel=1e-12)


def test_samples_that_no_matrix_tells_apart():
    """Their infimum is not known, but no cross-entropy is below zero, nor half of a square."""
    problem = Classification([[1.0, 1.0, 1.0]], [1, 1, -1])
    whole = problem + LinearRegression(scipy.sparse.csr_array([[1.0]]), [[0.0]])
    for loss, square in ((problem, 0), (whole, 1)):
        assert loss.infimum is None
        w = scipy.optimize.brentq(
            lambda w, square=square: 1.1 - 3 / (1 + math.exp(w)) + square * w, 0, 5
        )
        least = loss.loss(np.array([[w]])) + 0.1 * w
        found = dual_certificate(loss, np.array([[w * (1 - 1e-9)]]), 0.1)
        assert found.kind == "global minimum"
        assert found.dual_norm > 0.1
        assert found.objective - least < found.gap < 1e-7
    assert "inf" not in dual_certificate(LogCosh(), np.zeros((3, 3)), 0.5).verdict


@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_units(unit):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((3, 20)), rng.standard_normal((4, 20))
    W = minimum(LinearRegression(X, Y), 2.0)
    one = dual_certificate(LinearRegression(X, Y), W, 2.0)
    other = dual_certificate(LinearRegression(X, unit * Y), unit * W, 2.0 * unit)
    assert (one.kind, one.rank) == (other.kind, other.rank)
    assert other.dual_norm / unit == pytest.approx(one.dual_norm, rel=1e-12)
    assert other.objective / unit / unit == pytest.approx(one.objective, rel=1e-12)


def test_a_large_gradient_by_its_products():
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(400, size=(2, 3000))
    pairs = np.unique(np.stack((rows, columns)), axis=1)
    problem = MatrixCompletion(*pairs, rng.standard_normal(pairs.shape[1]), (400, 400))
    point = FixedRank(400, 400, 2, depth=1).random_point(rng=0)
    found = dual_certificate(problem, point, 1.0)
    G = problem.gradient(point).toarray()
    u, s, _ = np.linalg.svd(G)
    assert found.dual_norm == pytest.approx(s[0], rel=1e-10)
    assert abs(found.direction[0] @ u[:, 0]) == pytest.approx(1, rel=1e-6)


def test_bad_input():
    problem, *_ = problem_with([2.0, 1.0], 3, 4)
    W = np.ones((3, 4))
    with pytest.raises(ValueError, match=r"which must be positive, got 0 in all"):
        dual_certificate(problem, W)
    with pytest.raises(ValueError, match=r"weight_decay must be finite and at least 0, got -1"):
        dual_certificate(problem, W, -1)
    with pytest.raises(ValueError, match=r"W is a \(4, 3\) matrix, the problem is about \(3, 4\)"):
        dual_certificate(problem, W.T, 1.0)
    with pytest.raises(ValueError, match="rtol must lie between 0 and 1, got 2"):
        dual_certificate(problem, W, 1.0, rtol=2)
    with pytest.raises(ValueError, match="W has 12 entries that are NaN or infinite"):
        dual_certificate(problem, W * math.nan, 1.0)
    with pytest.raises(ValueError, match="singular values must be >= 0"):
        dual_certificate(problem, (np.eye(3, 1), np.array([-1.0]), np.eye(1, 4)), 1.0)
    ridge = MatrixCompletion(np.ones((3, 4)), ridge=0.5)
    for other in (ridge, problem + SchattenDecay(1.0, 3)):
        with pytest.raises(ValueError, match="another penalty on singular values, such as a ridge"):
            dual_certificate(other, W, 1.0)
    with pytest.raises(TypeError, match="has no loss"):
        dual_certificate(np.ones(3), W, 1.0)


def test_it_is_listed():
    assert fixedrank.dual_certificate is dual_certificate
