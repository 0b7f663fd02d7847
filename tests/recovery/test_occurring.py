"""Matrices with far more rows or columns than entries, and what the entries pin down."""

import numpy as np
import pytest
import scipy.sparse

from fixedrank import FixedRank, MatrixCompletion, MatrixSensing
from fixedrank.recovery.entries import Entries
from fixedrank.recovery.occurring import pinned_down
from tests.guard.counting import peak_bytes

HUGE = 2**31 - 1


def test_two_entries_of_a_huge_matrix():
    def work():
        problem = MatrixCompletion([5, HUGE - 1], [HUGE - 2, 7], [1.0, 2.0], (HUGE, HUGE))
        training, held_out = problem.split(0.5, rng=0)
        assert training.values.size == held_out.values.size == 1
        return problem.occurring()

    assert peak_bytes(work) < 1e5
    part = work()
    assert part.problem.shape == (2, 2)
    np.testing.assert_array_equal(part.rows, [5, HUGE - 1])
    np.testing.assert_array_equal(part.cols, [7, HUGE - 2])
    assert part.problem.loss(np.array([[3.0, 1.0], [2.0, 9.0]])) == 0


def test_sparse_measurements_of_a_huge_matrix():
    flat = scipy.sparse.coo_array(
        (np.ones(2), ([0, 1], [3, HUGE * 1000 - 1])), shape=(2, HUGE * 1000)
    )
    assert peak_bytes(lambda: MatrixSensing(flat, [1.0, 2.0], (HUGE, 1000))) < 1e5


def test_the_same_problem_and_the_same_descent():
    rng = np.random.default_rng(0)
    rows, cols = np.array([1, 1, 4, 7, 7, 9]), np.array([0, 3, 3, 0, 5, 5])
    problem = MatrixCompletion(rows, cols, rng.standard_normal(6), (12, 8))
    part = problem.occurring()
    point = FixedRank(*part.problem.shape, 2, depth=1).random_point(rng=1)
    whole = part.embed(point)
    assert problem.loss(whole) == part.problem.loss(point)
    # The gradient moves nothing outside of the rows and columns that occur.
    gradient = problem.to_pymanopt(FixedRank(12, 8, 2, depth=3)).riemannian_gradient(whole)
    smaller = part.problem.to_pymanopt(
        FixedRank(*part.problem.shape, 2, depth=3)
    ).riemannian_gradient(point)
    np.testing.assert_allclose(gradient.Up[part.rows], smaller.Up, atol=1e-13)
    np.testing.assert_allclose(gradient.M, smaller.M, atol=1e-13)
    assert np.count_nonzero(gradient.Up.any(axis=1)) == part.rows.size
    with pytest.raises(ValueError, match="4 rows and 3 columns, but the point is a 12x8"):
        part.embed(whole)


def test_with_entries_everywhere_it_is_the_problem_itself():
    problem = MatrixCompletion(np.array([[1.0, 2.0], [3.0, np.nan]]))
    part = problem.occurring()
    assert part.problem is problem
    point = problem.initial_point(1)
    assert part.embed(point).u is point.u


def test_what_is_pinned_down():
    """Rank 2: a full 3 x 3 block, a row with one entry, and a column that hangs on that row."""
    rows = [*np.repeat([0, 1, 2], 3), 3, 3, 4]
    cols = [*np.tile([0, 1, 2], 3), 0, 3, 3]
    places = sorted(zip(rows, cols, strict=True))
    entries = Entries(*(np.array(part) for part in zip(*places, strict=True)), (5, 4))
    found = pinned_down(entries, 2)
    # Column 3 has two entries, but those in rows that are not determined without it.
    np.testing.assert_array_equal(found.rows, [3, 4])
    np.testing.assert_array_equal(found.cols, [3])
    assert found.parts == 1
    assert pinned_down(entries, 1) == (pytest.approx([]), pytest.approx([]), 1)


def test_parts_that_share_nothing():
    rows, cols = np.nonzero(np.kron(np.eye(3), np.ones((2, 2))))
    assert pinned_down(Entries(rows, cols, (6, 6)), 2).parts == 3
