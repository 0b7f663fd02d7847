"""Geodesics of small matrices, at all times at once, beside the integration step by step."""

import math

import numpy as np
import pytest

from fixedrank import DepthMetric, FixedRank, RankLostError
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.geodesics import collocation, picard
from fixedrank.geometry.geodesics.exponential import Frame, follow
from tests.geometry.metric.members import METRICS

SHAPES = [(3, 3, 2), (5, 4, 2), (4, 3, 3), (8, 9, 4)]


def place(metric, shape, seed, length):
    """A point and a vector in the frame of both, and the manifold."""
    m, n, k = shape
    manifold = FixedRank(m, n, k, metric=metric)
    rng = np.random.default_rng(seed)
    point = manifold.random_point(rng=rng)._replace(s=np.linspace(1.5, 0.5, k))
    vector = manifold.random_tangent_vector(point, rng=rng)
    vector = vector * (length * manifold.norm(point, manifold.projection(point, point)))
    frame = Frame([point.u, vector.Up], [point.vt.T, vector.Vp])
    return frame.point(point), frame.vector(vector)


@pytest.mark.parametrize("name", METRICS)
def test_both_ways_end_at_the_same_matrix(name):
    metric, arrived = METRICS[name], 0
    for shape in SHAPES if metric.normal_directions else [(3, 3, 3)]:
        for seed, length in ((0, 0.02), (1, 0.1), (2, 0.25)):
            point, vector = place(metric, shape, seed, length)
            end = picard.reached(point, vector, metric, 1e-10)
            if end is None:
                continue
            arrived += 1
            expected = follow(point, [vector], metric, 1e-12)[0]
            difference = (end.u * end.s) @ end.vt - (expected.u * expected.s) @ expected.vt
            assert np.abs(difference).max() <= 1e-10 * point.s.max()
            np.testing.assert_allclose(end.u.T @ end.u, np.eye(len(end.s)), atol=1e-14)
    assert arrived >= 2


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 4])
def test_no_way_leads_through_lower_rank(depth):
    """Of diag(s) with s^(1/N) linear in time, which falls to zero at any time on the way."""
    metric, none = DepthMetric(depth), np.zeros((2, 2))
    point = FixedRankPoint(np.eye(2), np.array([2.0, 1.0]), np.eye(2))
    for t in np.linspace(0.06, 0.99, 14):
        core = np.diag(depth * point.s * [0.1, -1 / t])
        vector = FixedRankTangentVector(none, core, none)
        assert picard.reached(point, vector, metric, 1e-10) is None


def test_lost_rank_is_said_of_small_matrices():
    manifold, none = FixedRank(2, 2, 2, depth=3), np.zeros((2, 2))
    vector = FixedRankTangentVector(none, np.diag([0.6, -3 / 0.51]), none)
    with pytest.raises(RankLostError, match=r"leaves the manifold .* at t = 0\.5"):
        manifold.exp(manifold.point(np.diag([2.0, 1.0])), vector)


def test_graded_points_are_left_to_the_integration_in_factors():
    point, vector = place(METRICS["depth 2"], (5, 4, 2), 0, 0.05)
    graded = FixedRankPoint(point.u, np.array([1.0, 1e-3]), point.vt)
    assert picard.reached(graded, vector * 1e-4, METRICS["depth 2"], 1e-10) is None


@pytest.mark.parametrize("depth", [1, 2, 2.5, 20, math.inf])
def test_log_with_dense_jacobians_and_with_krylov_subspaces(depth, monkeypatch):
    shape = (3, 3, 3) if math.isinf(depth) else (3, 3, 2)
    manifold = FixedRank(*shape, depth=depth)
    a, b = (
        manifold.random_point(rng=seed)._replace(s=np.array([1.5, 1.0, 0.7])[: shape[2]])
        for seed in (0, 1)
    )
    b = manifold.exp(a, manifold.random_tangent_vector(a, rng=2) * 0.4)
    dense = manifold.log(a, b, rtol=1e-10)
    monkeypatch.setattr(collocation, "_DENSE", 0)
    krylov = manifold.log(a, b, rtol=1e-10)
    assert manifold.norm(a, dense - krylov) <= 1e-9 * manifold.norm(a, dense)
    assert manifold.norm(a, dense) == pytest.approx(0.4, rel=1e-9)


@pytest.mark.parametrize("depth", [1, 2, 3, 20])
def test_log_undoes_exp(depth):
    manifold = FixedRank(3, 3, 2, depth=depth)
    for seed in range(3):
        point = manifold.random_point(rng=seed)
        vector = manifold.random_tangent_vector(point, rng=seed + 10) * 0.2
        back = manifold.log(point, manifold.exp(point, vector, rtol=1e-12), rtol=1e-10)
        assert manifold.norm(point, back - vector) <= 1e-9 * 0.2
