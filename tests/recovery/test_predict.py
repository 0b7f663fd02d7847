"""Entries of a matrix at positions, known or not."""

import numpy as np
import pytest

from fixedrank import FixedRank, MatrixCompletion

M, N, K = 7, 5, 2
PROBLEM = MatrixCompletion([0, 3, 6], [0, 4, 1], [1.0, 2.0, 3.0], (M, N))
POINT = FixedRank(M, N, K, depth=1).random_point(rng=0)
W = (POINT.u * POINT.s) @ POINT.vt
ROWS, COLS = np.random.default_rng(0).integers(0, 5, (2, 3, 4))


@pytest.mark.parametrize(
    ("rows", "cols"),
    [
        (6, 4),
        ([6, 0, 0], [4, 0, 0]),
        (ROWS, COLS),
        (np.arange(M)[:, None], np.arange(N)),
        (2, np.arange(N)),
        (ROWS.astype(np.uint8), 3),
        ([], []),
    ],
)
def test_they_are_those_of_the_matrix(rows, cols):
    expected = W[np.asarray(rows, dtype=int), np.asarray(cols, dtype=int)]
    for point in (POINT, tuple(POINT), W):
        found = PROBLEM.predict(point, rows, cols)
        assert np.shape(found) == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


def test_many_of_a_large_matrix():
    m, n = 10**6, 10**6
    problem = MatrixCompletion([0], [0], [1.0], (m, n))
    u, v = (np.random.default_rng(seed).standard_normal((m, 1)) for seed in (1, 2))
    point = u / np.linalg.norm(u), np.ones(1), (v / np.linalg.norm(v)).T
    rows, cols = np.random.default_rng(3).integers(0, m, (2, 200_000))
    expected = point[0][rows, 0] * point[2][0, cols]
    np.testing.assert_allclose(problem.predict(point, rows, cols), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("rows", "cols", "error", "message"),
    [
        ([0, -1], [0, 0], ValueError, "rows must lie between 0 and 6, but 1 do not.*index 1: -1"),
        ([0, 1], [0, 5], ValueError, "cols must lie between 0 and 4, but 1 do not.*index 1: 5"),
        (7, 0, ValueError, "rows must lie between 0 and 6"),
        ([0.0], [0], TypeError, "rows must be integers, but has dtype float64"),
        ([True], [0], TypeError, "rows must be integers, but has dtype bool"),
        ([0], ["a"], TypeError, "cols must be integers.*factorize"),
        ([0, 1, 2], [0, 1], ValueError, r"one shape or broadcast, got \(3,\) and \(2,\)"),
    ],
)
def test_positions(rows, cols, error, message):
    with pytest.raises(error, match=message):
        PROBLEM.predict(POINT, rows, cols)


def test_matrices_of_another_shape():
    with pytest.raises(ValueError, match="7x5 matrices"):
        PROBLEM.predict((POINT.vt.T, POINT.s, POINT.u.T), 0, 0)
    with pytest.raises(ValueError, match=r"W must have shape \(m, n\) = \(7, 5\)"):
        PROBLEM.predict(W.T, 0, 0)
