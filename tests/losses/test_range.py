"""Data with singular X X^T: the error, and the problem restricted to the range of X."""

import numpy as np
import pytest

from fixedrank import FixedRank, LinearRegression, RankLostError, critical_points
from tests.networks.data import dense_loss


def pixels():
    """Like images: some rows always zero, one row the sum of two others."""
    X = np.random.default_rng(0).random((9, 40))
    X[[0, 4]] = 0
    X[7] = X[1] + X[2]
    return X, 6


def few_samples():
    return np.random.default_rng(1).standard_normal((8, 5)), 5


def nearly_dependent():
    """Rows that differ by round-off only."""
    X = np.random.default_rng(2).standard_normal((4, 20))
    X[3] = X[2] * (1 + 1e-16) + 1e-17 * X[0]
    return X, 3


CASES = pytest.mark.parametrize("case", [pixels, few_samples, nearly_dependent])


@CASES
def test_the_error_names_the_rank(case):
    X, rank = case()
    problem = LinearRegression(X, X)
    for name in ("Q", "root", "svd", "rank"):
        with pytest.raises(RankLostError, match=rf"rank {rank}\b.*{len(X)}.*on_range") as caught:
            getattr(problem, name)
    with pytest.raises(RankLostError, match=rf"critical points.*rank {rank}\b.*restrict_layers"):
        critical_points(problem, 1)
    s = caught.value.singular_values
    assert (s > caught.value.tolerance).sum() == rank
    np.testing.assert_allclose(s[:rank], np.linalg.svd(X)[1][:rank], rtol=1e-12)


@CASES
def test_losses_of_the_full_problem(case):
    X, rank = case()
    rng = np.random.default_rng(3)
    Y = rng.standard_normal((3, X.shape[1]))
    problem = LinearRegression.on_range(X, Y)
    E = problem.basis
    assert problem.shape == (3, rank)
    np.testing.assert_allclose(E.T @ E, np.eye(rank), rtol=0, atol=1e-14)
    np.testing.assert_allclose(E @ (E.T @ X), X, rtol=0, atol=1e-14 * np.linalg.norm(X))
    W = rng.standard_normal((3, len(X)))
    assert problem.loss(W @ E) == pytest.approx(dense_loss(X, Y, W), rel=1e-12)
    reduced = rng.standard_normal((3, rank))
    expected = dense_loss(X, Y, problem.extend(reduced))
    assert problem.loss(reduced) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(
        problem.gradient(reduced) @ E.T, (reduced @ E.T @ X - Y) @ X.T, rtol=0, atol=1e-11
    )
    np.testing.assert_allclose(problem.Q @ problem.root, problem.B, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        problem.C, E.T @ X @ X.T @ E, rtol=0, atol=1e-13 * np.linalg.norm(X) ** 2
    )


@CASES
def test_extend_vanishes_across_the_range(case):
    X, rank = case()
    problem = LinearRegression.on_range(X, X)
    m = len(X)
    point = FixedRank(m, rank, 2, depth=2).random_point(rng=4)
    extended = problem.extend(point)
    FixedRank(m, m, 2, depth=2).check_point(extended)
    dense = problem.extend((point.u * point.s) @ point.vt)
    assert dense.shape == (m, m)
    np.testing.assert_allclose((extended.u * extended.s) @ extended.vt, dense, rtol=0, atol=1e-13)
    null = np.linalg.svd(X)[0][:, rank:]
    np.testing.assert_allclose(dense @ null, 0, atol=1e-13)


def test_minimum_of_the_full_problem():
    X, _ = pixels()
    Y = np.random.default_rng(5).standard_normal((2, X.shape[1]))
    problem = LinearRegression.on_range(X, Y)
    best = problem.extend(problem.B @ np.linalg.inv(problem.C))
    np.testing.assert_allclose(best, Y @ np.linalg.pinv(X), rtol=0, atol=1e-11)


def test_regular_data_are_left_as_they_are():
    rng = np.random.default_rng(6)
    X, Y, W = (rng.standard_normal(shape) for shape in ((3, 9), (2, 9), (2, 3)))
    full, on_range = LinearRegression(X, Y), LinearRegression.on_range(X, Y)
    assert full.basis is None
    np.testing.assert_array_equal(full.extend(W), W)
    point = FixedRank(2, 3, 1, depth=2).random_point(rng=0)
    for part, kept in zip(full.extend(point), point, strict=True):
        np.testing.assert_array_equal(part, kept)
    assert on_range.shape == full.shape
    assert on_range.loss(W @ on_range.basis) == pytest.approx(full.loss(W), rel=1e-13)


def test_zero_data():
    with pytest.raises(ValueError, match="zero"):
        LinearRegression.on_range(np.zeros((3, 5)), np.ones((2, 5)))
    problem = LinearRegression(np.zeros((3, 5)), np.ones((2, 5)))
    assert problem.loss(np.ones((2, 3))) == pytest.approx(5, rel=1e-14)
    with pytest.raises(RankLostError, match="rank 0"):
        _ = problem.Q
