"""What a matrix is in the landscape of L^1."""

import numpy as np
import pytest

from fixedrank import (
    FixedRank,
    LinearRegression,
    certify,
    classify,
    critical_points,
    global_minimizer,
    riemannian_flow,
)
from fixedrank.landscape.classification import nearest_minimum
from tests.geometry.dense import matrix, orthonormal
from tests.landscape.data import VALUES, problem_with


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize(("d_y", "d_x"), [(4, 6), (6, 4)])
def test_critical_points_are_recognised(d_y, d_x, k):
    problem, *_ = problem_with(VALUES, d_y, d_x)
    for critical in critical_points(problem, k):
        for W in (critical.point, matrix(critical.point)):
            found = classify(problem, W, depth=3)
            assert (found.kind, found.indices) == (critical.kind, critical.indices)
            assert (found.rank, found.morse_index) == (k, critical.morse_index)
            assert found.distance < 1e-12
            assert found.gradient_norm < 1e-10
            assert found.loss_gap == pytest.approx(
                critical.loss - problem.loss(matrix(next(critical_points(problem, k)).point)),
                abs=1e-10,
            )


def test_the_nearest_one_is_the_nearest_of_all_in_the_data_norm():
    problem, *_, root = problem_with(VALUES, 4, 5)
    rng = np.random.default_rng(0)
    for _ in range(20):
        W = 2 * orthonormal(rng, 4, 2) @ rng.standard_normal((2, 5))
        found = classify(problem, W)
        distances = {
            c.indices: np.linalg.norm((W - matrix(c.point)) @ root)
            for c in critical_points(problem, 2)
        }
        assert found.indices == min(distances, key=distances.get)
        assert found.kind == "not a critical point"
        assert found.distance == pytest.approx(np.linalg.norm(W - matrix(found.nearest.point)))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_nearest_minimum_of_a_family(k):
    """Of all turns of the tied singular vectors, on a fine grid, none comes nearer."""
    tied = np.array([3.0, 2.2, 2.2, 0.5])
    problem, U, V, root = problem_with(tied, 4, 5)
    W = 2 * np.random.default_rng(k).standard_normal((4, 5))
    found = nearest_minimum(problem, W, k)
    assert (found.kind, found.indices) == ("global minimum", tuple(range(k)))
    distances = []
    for angle in np.linspace(0, np.pi, 2001):
        turn = np.eye(4)
        turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        best = (U @ turn)[:, :k] * tied[:k] @ (V @ turn)[:, :k].T
        distances.append(np.linalg.norm(W @ root - best))
    away = np.linalg.norm((W - matrix(found.point)) @ root)
    assert away == pytest.approx(min(distances), rel=1e-5)


def test_the_tolerance_is_relative_to_the_larger_of_matrix_and_minimiser():
    # The minimiser over all matrices solves least squares; it has rank 4, so that norms differ.
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((5, 20)), rng.standard_normal((4, 20))
    problem, minimiser = LinearRegression(X, Y), np.linalg.lstsq(X.T, Y.T, rcond=None)[0].T
    largest = np.linalg.svd(minimiser, compute_uv=False)[0]
    for factor in (0.3, 30):
        found = classify(problem, factor * minimiser, rtol=1e-4)
        assert found.tolerance == pytest.approx(1e-4 * largest * max(1, factor), rel=1e-9)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_gradient_has_the_length_that_pymanopt_measures(depth):
    problem, *_ = problem_with(VALUES, 4, 5)
    manifold = FixedRank(4, 5, 2, depth=depth)
    point = manifold.random_point(rng=0)
    gradient = problem.to_pymanopt(manifold).riemannian_gradient(point)
    found = classify(problem, point, depth=depth)
    assert found.gradient_norm == pytest.approx(manifold.norm(point, gradient), rel=1e-10)


def test_any_member_of_a_tied_family_is_at_distance_zero():
    """With tied singular values every projection within their space gives a critical point."""
    problem, U, V, root = problem_with(np.array([3.0, 2.0, 2.0, 2.0, 0.5]), 6, 6)
    turn = orthonormal(np.random.default_rng(1), 3, 2)
    W = (U[:, 1:4] @ turn * 2) @ (V[:, 1:4] @ turn).T @ np.linalg.inv(root)
    found = classify(problem, W)
    assert found.distance < 1e-12
    assert (found.kind, found.morse_index, found.nearest.nullity) == ("strict saddle", 2, 2)


@pytest.mark.parametrize("depth", [1, 2])
def test_members_of_a_family_have_the_same_spectrum(depth):
    """With C = I they are 1 and 1 +- s_j / s_i at depth 1, and 2 s_i times that at depth 2."""
    problem = LinearRegression(np.eye(3), np.diag([3.0, 2.0, 2.0]))
    a = np.array([0, 1, 1]) / np.sqrt(2)
    expected = {1: [-0.5, 0, 1, 2, 2.5], 2: [-1, 0, 4, 4, 5]}[depth]
    for W in (2 * np.outer(a, a), np.diag([0.0, 2.0, 0.0])):
        spectrum = classify(problem, W).nearest.hessian_spectrum(depth)
        np.testing.assert_allclose(spectrum, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_ties_of_white_data_are_ties(seed):
    """Q of an autoencoder with white data is the identity, up to round-off of the data."""
    X = np.linalg.svd(np.random.default_rng(seed).standard_normal((2, 40)), full_matrices=False)[2]
    problem = LinearRegression(X, X)
    assert [(c.kind, c.nullity) for c in critical_points(problem, 1)] == [("global minimum", 1)] * 2
    assert classify(problem, np.full((2, 2), 0.5)).kind == "global minimum"


def test_labels_that_the_data_do_not_reach_have_rank_zero():
    rng = np.random.default_rng(0)
    X, E = rng.standard_normal((2, 3, 50))
    rows = np.linalg.svd(X, full_matrices=False)[2]
    problem = LinearRegression(X, E - E @ rows.T @ rows)
    assert problem.rank == 0
    assert classify(problem, np.zeros((3, 3))).kind == "global minimum"


def test_vanished_singular_values_are_named():
    problem, U, V, root = problem_with(VALUES, 4, 5)
    best = (U[:, :1] * VALUES[:1]) @ V[:, :1].T @ np.linalg.inv(root)
    W = best + 1e-8 * np.random.default_rng(0).standard_normal((4, 5))
    found = classify(problem, np.linalg.svd(W, full_matrices=False))
    assert (found.kind, found.rank, found.indices) == ("global minimum", 1, (0,))
    assert "3 of 4 singular values have vanished" in str(found)


def test_the_zero_matrix():
    problem, *_ = problem_with(VALUES, 4, 5)
    found = classify(problem, np.zeros((4, 5)))
    assert (found.kind, found.rank, found.indices) == ("global minimum", 0, ())
    assert "W = 0" in found.verdict


def test_ranks_above_that_of_q():
    problem, *_ = problem_with(VALUES[:2], 4, 5)
    found = classify(problem, FixedRank(4, 5, 3, depth=1).random_point(rng=0))
    assert found.kind == "not a critical point"
    assert "rank 3, and there are none of rank above q = 2" in found.verdict


def test_the_limit_of_a_flow_whose_rank_exceeds_that_of_q():
    """Theorem 6, second case: the flow on M_3 ends on M_2."""
    problem, *_ = problem_with(np.array([1.5, 1.0]), 3, 3, noise=0)
    start = FixedRank(3, 3, 3, depth=2).random_point(rng=0)
    end = riemannian_flow(problem, start, 2, [0, 100]).points[-1]
    found = classify(problem, end, rtol=1e-2)
    assert (found.kind, found.rank) == ("global minimum", 2)
    assert "singular values have vanished" in found.verdict


def test_bad_input():
    problem = LinearRegression(np.eye(3), np.eye(3)[:2])
    with pytest.raises(ValueError, match=r"\(d_y, d_x\) = \(2, 3\), got \(3, 2\)"):
        classify(problem, np.ones((3, 2)))
    with pytest.raises(ValueError, match="NaN or infinite"):
        classify(problem, np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match=r"must be >= 0, but the smallest is -3"):
        classify(problem, (np.eye(2, 1), np.array([-3.0]), np.eye(1, 3)))
    with pytest.raises(ValueError, match="columns of u must be orthonormal"):
        classify(problem, (np.ones((2, 1)), np.array([3.0]), np.eye(1, 3)))
    with pytest.raises(ValueError, match="W = 0 is the only matrix of rank 0"):
        classify(problem, np.zeros((2, 3))).nearest.convergence_rate(2)
    with pytest.raises(ValueError, match="rtol must lie between 0 and 1, got 2"):
        classify(problem, np.ones((2, 3)), rtol=2)
    with pytest.raises(ValueError, match="depth must be a real number N >= 1"):
        classify(problem, np.ones((2, 3)), depth=0.5)


def test_what_is_proven_of_the_flow_from_there():
    problem, *_ = problem_with(VALUES, 4, 6)
    point = FixedRank(4, 6, 2, depth=3).point(matrix(global_minimizer(problem, 2).point) * 0.9)
    found = classify(problem, point, depth=3)
    assert found.certificate.rate == certify(problem, point, 3).rate > 0
    assert "the loss falls to" in repr(found)
    # Of the matrix cut to its rank.
    u, s, vt = point
    lower = (u, np.array([s[0], 1e-12]), vt)
    expected = certify(problem, (u[:, :1], s[:1], vt[:1]), 1)
    assert classify(problem, lower, depth=1).certificate.excess == pytest.approx(expected.excess)
    assert classify(problem, lower).certificate is None
    assert classify(problem, np.zeros((4, 6)), depth=1).certificate is None
    white = LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    decayed = classify(white, np.diag([2.0, 1.0]), depth=2, weight_decay=0.5)
    assert not decayed.certificate.applies
    assert "with weight decay" in decayed.certificate.reason
