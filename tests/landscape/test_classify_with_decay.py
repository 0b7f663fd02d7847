"""What a matrix is in the landscape with weight decay, on white data."""

import itertools
import math

import numpy as np
import pytest

from fixedrank import (
    FixedRank,
    LinearRegression,
    SchattenDecay,
    classify,
    critical_points,
    global_minimizer,
    riemannian_flow,
)
from tests.geometry.dense import matrix, orthonormal
from tests.landscape.data import problem_with
from tests.landscape.test_decay import EVERY_DEPTH, SHAPES, VALUES, C, decay_for, white


@EVERY_DEPTH
@SHAPES
@pytest.mark.parametrize("k", [1, 2])
def test_critical_points_are_recognised(depth, d_y, d_x, k):
    problem, decay = white(VALUES, d_y, d_x), decay_for(depth, 1.0)
    total = problem + SchattenDecay(decay, depth)
    best = global_minimizer(problem, k, weight_decay=decay, depth=depth)
    for critical in critical_points(problem, k, weight_decay=decay, depth=depth):
        if critical.point.s[-1] < 1e-5:
            continue  # it counts as zero
        found = classify(problem, matrix(critical.point), depth=depth, weight_decay=decay)
        assert (found.kind, found.indices) == (critical.kind, critical.indices)
        assert (found.rank, found.nearest.branches) == (k, critical.branches)
        assert found.distance < 1e-11
        assert found.gradient_norm < 1e-9
        assert found.loss + found.penalty == pytest.approx(total.loss(critical.point), rel=1e-12)
        expected = critical.objective - best.objective
        assert found.loss_gap == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("depth", [2, 3])
def test_the_nearest_one_is_the_nearest_of_all(depth):
    problem, decay = white(VALUES, 4, 5), decay_for(depth, 1.0)
    rng = np.random.default_rng(0)
    points = list(critical_points(problem, 2, weight_decay=decay, depth=depth))
    lower = 0
    for _ in range(20):
        W = rng.uniform(0, 2) * orthonormal(rng, 4, 2) @ rng.standard_normal((2, 5))
        found = classify(problem, W, depth=depth, weight_decay=decay)
        away = [np.linalg.norm(W - matrix(c.point)) for c in points]
        assert found.kind == "not a critical point"
        assert found.distance == pytest.approx(min(away), rel=1e-9)
        lower += "lower" in found.nearest.branches
    assert (lower > 0) == (depth == 3)


def test_of_a_tied_family_the_member_is_found_with_both_roots():
    """Any turn of the tied singular vectors, one at the upper and one at the lower root."""
    rng = np.random.default_rng(0)
    X = math.sqrt(C) * np.eye(4)
    problem, decay = LinearRegression(X, np.diag([3.0, 2.0, 2.0, 1.5]) @ X), decay_for(3, 1.0)
    critical = next(
        c
        for c in critical_points(problem, 2, weight_decay=decay, depth=3)
        if c.indices == (1, 2) and sorted(c.branches) == ["lower", "upper"]
    )
    turn = orthonormal(rng, 2, 2)
    frame = np.vstack((np.zeros(2), turn, np.zeros(2)))
    W = (frame * critical.point.s) @ frame.T
    found = classify(problem, W, depth=3, weight_decay=decay)
    assert found.distance < 1e-11
    assert (found.kind, found.indices) == ("strict saddle", (1, 2))
    assert (found.morse_index, found.nearest.nullity) == (critical.morse_index, critical.nullity)


def test_where_lower_roots_underflow():
    problem, options = white(VALUES, 4, 5), {"weight_decay": C, "depth": 2.001}
    for critical in critical_points(problem, 2, **options):
        found = classify(problem, matrix(critical.point), **options)
        assert (found.kind, found.indices) == (critical.kind, critical.indices)
        assert found.distance < 1e-11


@pytest.mark.parametrize("depth", [1.5, 2, 3])
@pytest.mark.parametrize("k", [2, 4])
def test_ends_of_flows(depth, k):
    problem, decay = white(VALUES, 4, 5), decay_for(depth, 1.0)
    start = global_minimizer(problem, 4).point
    start = FixedRank(4, 5, k, depth=depth).point(
        matrix(start._replace(u=start.u[:, :k], s=start.s[:k] + 0.5, vt=start.vt[:k]))
    )
    flow = riemannian_flow(problem, start, depth, [0, 60], weight_decay=decay)
    found = classify(problem, flow.points[-1], depth=depth, weight_decay=decay)
    assert found.kind == "global minimum"
    assert found.rank == min(k, 3 if depth >= 2 else 4)
    assert found.loss_gap <= 1e-6 * found.loss
    vanished = "1 of 4 singular values have vanished"
    assert (vanished in found.verdict) == (depth >= 2 and k == 4 and flow.rank_changes == ())


def test_which_rank_is_best():
    problem, decay = white([3.0, 1.05], 3, 3), decay_for(3, 1.0)
    found = [
        classify(problem, matrix(c.point), depth=3, weight_decay=decay)
        for c in itertools.islice(critical_points(problem, 2, weight_decay=decay, depth=3), 1)
    ]
    assert [f.kind for f in found] == ["local minimum"]
    assert "the minimum of all ranks has rank 1 and an objective lower by" in found[0].verdict
    best = global_minimizer(problem, 3, weight_decay=decay, depth=3)
    one = classify(problem, matrix(best.point), depth=3, weight_decay=decay)
    assert one.verdict.endswith("; no matrix of any rank has a lower objective")
    zero = classify(problem, np.zeros((3, 3)), depth=3, weight_decay=decay)
    assert (zero.kind, zero.rank, zero.penalty, zero.indices) == ("global minimum", 0, 0.0, ())
    assert "the minimum of all ranks has rank 1" in zero.verdict
    far = classify(problem, 2 * np.eye(3), depth=3, weight_decay=decay)
    assert "W has rank 3, and there are none of rank above 2;" in far.verdict


@pytest.mark.parametrize("depth", [2, 3])
def test_the_dual_norm(depth):
    """At N = 2 the spectral norm of G: lambda at the minimum of all, b_i - 0 at saddles."""
    problem, decay = white(VALUES, 4, 5), decay_for(depth, 1.0)
    best = global_minimizer(problem, 4, weight_decay=decay, depth=depth)
    found = classify(problem, matrix(best.point), depth=depth, weight_decay=decay)
    zero = classify(problem, np.zeros((4, 5)), depth=depth, weight_decay=decay)
    if depth == 3:
        assert found.dual_norm is None
        return
    assert found.dual_norm == pytest.approx(decay, rel=1e-12)
    assert zero.dual_norm == pytest.approx(C * VALUES[0], rel=1e-12)
    assert classify(problem, np.zeros((4, 5))).dual_norm is None


def test_bad_input():
    problem, W = white(VALUES, 4, 5), np.ones((4, 5))
    other, *_ = problem_with(VALUES, 4, 5)
    with pytest.raises(TypeError, match=r"classify with weight decay.*say depth=N"):
        classify(problem, W, weight_decay=1.0)
    with pytest.raises(ValueError, match=r"white data only.*dual_certificate"):
        classify(other, W, weight_decay=1.0, depth=2)
    with pytest.raises(ValueError, match="at least 0, got -1"):
        classify(problem, W, weight_decay=-1.0, depth=2)
