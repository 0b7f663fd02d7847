"""What is wrong with measurements and matrices is said, with sizes and values."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from pymanopt.manifolds import FixedRankEmbedded, Stiefel
from scipy.sparse.linalg import aslinearoperator

from fixedrank import FixedRank, MatrixCompletion, MatrixSensing, MatrixSum
from tests.recovery.problems import KINDS, make
from tests.strategies import seeds


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([0, 1, 0], [1, 0, 1], [1.0, 2.0, 3.0], (2, 2)), ValueError, r"\(0, 1\).*1\.0 and 3\.0"),
        (([0, 1], [0], [1.0, 2.0], (2, 2)), ValueError, "2, 1 and 2"),
        (([], [], [], (2, 2)), ValueError, "at least 1, got 0, 0 and 0"),
        (([0, 2], [0, 0], [1.0, 2.0], (2, 2)), ValueError, r"rows.*0 and 1.*index 1: 2"),
        (([0, 1], [-1, 0], [1.0, 2.0], (2, 2)), ValueError, r"cols.*0 and 1.*index 0: -1"),
        (([0.0, 1.0], [0, 1], [1.0, 2.0], (2, 2)), TypeError, "rows must be integers.*float64"),
        (([True, False], [0, 1], [1.0, 2.0], (2, 2)), TypeError, "rows must be integers.*bool"),
        (([[0, 1]], [0, 1], [1.0, 2.0], (2, 2)), ValueError, r"rows must have 1 axis.*\(1, 2\)"),
        (([0, 1], [0, 1], [1.0, np.nan], (2, 2)), ValueError, r"values has 1 entries.*\(1,\): nan"),
        (([0, 1], [0, 1], [1.0, np.inf], (2, 2)), ValueError, r"values has 1 entries.*inf"),
        (([0, 1], [0, 1], [1.0, 2j], (2, 2)), TypeError, "values must be real"),
        (([0, 1], [0, 1], [[1.0, 2.0]], (2, 2)), ValueError, r"values must have 1 axes"),
        (([0], [0], [1.0], (2, 0)), ValueError, r"shape\[1\] must be at least 1, got 0"),
        (([0], [0], [1.0], (2, 2.0)), TypeError, r"shape\[1\] must be an integer, got 2\.0"),
        (([0], [0], [1.0], 4), TypeError, r"shape must be a tuple \(m, n\), got 4"),
        (([0], [0], [1.0], (2**40, 2**40)), ValueError, "more than can be numbered"),
    ],
)
def test_completion(arguments, error, message):
    with pytest.raises(error, match=message):
        MatrixCompletion(*arguments)


A = np.ones((3, 2, 2))
FLAT = scipy.sparse.csr_array(A.reshape(3, 4))
L, R, Y = np.ones((3, 2)), np.ones((3, 4)), np.ones(3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((A, Y[:2]), ValueError, "2 values and 3 measurements"),
        ((A[:0], Y[:0]), ValueError, "0 values and 0 measurements"),
        ((A.reshape(3, 4), Y), ValueError, r"3 axes.*\(3, 4\)"),
        ((A, Y, (4, 1)), ValueError, r"of \(2, 2\) matrices, but shape is \(4, 1\)"),
        ((A * np.nan, Y), ValueError, "measurements has 12 entries that are NaN"),
        ((A * 1j, Y), TypeError, "measurements must be real"),
        ((A[:, :0], Y), ValueError, r"shape\[0\] must be at least 1"),
        (((L, R, R), Y), TypeError, r"pair \(L, R\).*got 3"),
        (((L, R[:2]), Y), ValueError, r"\(3, 2\) and \(2, 4\)"),
        (((L, R * np.inf), Y), ValueError, "R has 12 entries"),
        (((L[0], R), Y), ValueError, r"L must have 2 axes, but has shape \(2,\)"),
        ((FLAT, Y), ValueError, r"needs shape=\(m, n\)"),
        ((FLAT, Y, (3, 2)), ValueError, r"must have shape \(p, 6\), got \(3, 4\)"),
        ((FLAT * 1j, Y, (2, 2)), TypeError, "real.*complex128"),
        ((FLAT * np.nan, Y, (2, 2)), ValueError, "stored entries of the measurements"),
        ((aslinearoperator(FLAT), Y), ValueError, r"needs shape=\(m, n\)"),
        ((aslinearoperator(FLAT), Y, (3, 2)), ValueError, r"\(p, 6\)"),
        (("A", Y), TypeError, "measurements must be an array of real numbers"),
        ((A, ["a", "b", "c"]), TypeError, "values must be an array of real numbers"),
    ],
)
def test_sensing(arguments, error, message):
    with pytest.raises(error, match=message):
        MatrixSensing(*arguments)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["loss", "gradient", "root_mean_square_error"])
def test_matrices(kind, method):
    problem, _, _ = make(kind, (4, 3), 8, 0)
    ask = getattr(problem, method)
    with pytest.raises(ValueError, match=r"W must have shape \(m, n\) = \(4, 3\), got \(3, 4\)"):
        ask(np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"\(0, 2\): nan"):
        ask(np.where(np.arange(12).reshape(4, 3) == 2, np.nan, 0))
    with pytest.raises(TypeError, match="csr_array"):
        ask(scipy.sparse.csr_array((4, 3)))
    u, s, vt = FixedRank(4, 3, 2, depth=2).random_point(rng=0)
    with pytest.raises(ValueError, match=r"4x3 matrices of rank 2.*\(2, 3\), got.*\(2, 4\)"):
        ask((u, s, np.zeros((2, 4))))
    for broken, name in (((u * np.nan, s, vt), "u"), ((u, s, vt * np.inf), "vt")):
        with pytest.raises(ValueError, match=f"{name} has"):
            ask(broken)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["hessian_product", "line_minimum"])
def test_directions(kind, method):
    problem, _, _ = make(kind, (4, 3), 8, 0)
    ask = getattr(problem, method)
    point = u, s, vt = FixedRank(4, 3, 2, depth=2).random_point(rng=0)
    with pytest.raises(ValueError, match=r"Z at a 4x3 matrix of rank 2 has shapes"):
        ask(point, (u, s, vt))
    with pytest.raises(ValueError, match=r"M has 4 entries"):
        ask(point, (0 * u, np.full((2, 2), np.nan), 0 * vt.T))
    with pytest.raises(ValueError, match=r"shape \(4, 3\), got \(3, 4\)"):
        ask(point, np.zeros((3, 4)))
    everywhere = np.full((4, 3), np.nan)
    for Z, message in (
        (everywhere, "Z has 12 entries"),
        ((u * np.inf, vt.T), "the left factor of Z has 8 entries"),
        ((u, vt.T * np.nan), "the right factor of Z has 6 entries"),
        (scipy.sparse.coo_array(everywhere), "the stored entries of Z has 12"),
        (MatrixSum(u @ vt, everywhere), "Z has 12 entries"),
        (aslinearoperator(everywhere), "what is measured of Z has"),
    ):
        with pytest.raises(ValueError, match=message):
            ask(point, Z)


@pytest.mark.parametrize("kind", KINDS)
def test_layers(kind):
    problem, _, _ = make(kind, (4, 3), 8, 0)
    for ask in (problem.network_loss, problem.network_gradient):
        with pytest.raises(ValueError, match=r"\(3, 4\).*\(4, 3\)"):
            ask([np.ones((2, 4)), np.ones((3, 2))])


def test_manifolds():
    problem, _, _ = make("entries", (4, 3), 8, 0)
    with pytest.raises(ValueError, match=r"\(u, s, vt\)"):
        problem.to_pymanopt(Stiefel(4, 3))
    with pytest.raises(ValueError, match=r"\(4, 3\).*\(3, 4\)"):
        problem.to_pymanopt(FixedRank(3, 4, 1, depth=2))
    other = FixedRankEmbedded(3, 4, 1)
    with pytest.raises(ValueError, match="4x3 matrices"):
        problem.to_pymanopt(other).cost(other.random_point())


@given(seed=seeds, large=st.booleans())
def test_the_order_of_the_entries_does_not_matter(seed, large):
    rng = np.random.default_rng(seed)
    m, n = (300, 250) if large else (5, 6)
    places = rng.permutation(m * n)[: m * n // 20 + 4]
    rows, cols = np.divmod(places, n)
    values = rng.standard_normal(places.size)
    problem = MatrixCompletion(rows, cols, values, (m, n))
    order = np.lexsort((cols, rows))
    np.testing.assert_array_equal(problem.rows, rows[order])
    np.testing.assert_array_equal(problem.cols, cols[order])
    np.testing.assert_array_equal(problem.values, values[order])
    sparse = scipy.sparse.coo_array((values, (rows, cols)), (m, n)).toarray()
    np.testing.assert_array_equal(-problem.gradient(np.zeros((m, n))).toarray(), sparse)


@pytest.mark.parametrize("rows", [[0, 1, 2], [2, 0, 1]])
def test_what_the_caller_does_to_its_arrays_later_is_no_matter_of_the_problem(rows):
    rows, cols, values = np.array(rows), np.array([0, 1, 1]), np.array([1.0, 2.0, 3.0])
    A = np.arange(18.0).reshape(3, 3, 2)
    problems = MatrixCompletion(rows, cols, values, (3, 2)), MatrixSensing(A, values)
    before = [problem.loss(np.ones((3, 2))) for problem in problems]
    rows[:], cols[:], values[:] = 0, 0, 0
    assert [problem.loss(np.ones((3, 2))) for problem in problems] == before
