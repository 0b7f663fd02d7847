"""A matrix with its known entries alone: masked, with NaN, or sparse."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from scipy.sparse.linalg import aslinearoperator

from fixedrank import MatrixCompletion
from tests.strategies import seeds

HOLES = np.array([[1.0, np.nan, 0.0], [2.0, 3.0, np.nan]])
EXPECTED = [0, 0, 1, 1], [0, 2, 0, 1], [1.0, 0.0, 2.0, 3.0]


def assert_known(problem, rows, cols, values, shape=(2, 3)):
    for found, expected in zip(
        (problem.rows, problem.cols, problem.values), (rows, cols, values), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    assert problem.shape == shape
    assert problem.values.dtype == np.float64


@pytest.mark.parametrize(
    "matrix",
    [
        HOLES,
        HOLES.astype(np.float32),
        HOLES.astype(np.longdouble),
        HOLES.tolist(),
        [[1, None, 0], [2, 3, None]],
        np.ma.masked_invalid(HOLES),
        np.ma.masked_array([[1, 9, 0], [2, 3, 9]], [[0, 1, 0], [0, 0, 1]]),
        pd.DataFrame(HOLES, index=["a", "b"]),
        pd.DataFrame(HOLES).astype("Float64"),
        pd.DataFrame(HOLES).astype("Int64"),
        scipy.sparse.coo_array(([3.0, 1, 0, 2], ([1, 0, 0, 1], [1, 0, 2, 0])), (2, 3)),
        scipy.sparse.csr_array((np.array([1, 0, 2, 3]), [0, 2, 0, 1], [0, 2, 4]), (2, 3)),
        scipy.sparse.csc_matrix((np.float32([1, 2, 3, 0]), [0, 1, 1, 0], [0, 2, 3, 4]), (2, 3)),
    ],
    ids=lambda matrix: type(matrix).__name__,
)
def test_forms(matrix):
    assert_known(MatrixCompletion(matrix), *EXPECTED)


def test_a_frame_of_mixed_types():
    frame = pd.DataFrame({"x": [True, None], "y": [None, 3], "z": [0, None]})
    assert_known(MatrixCompletion(frame), [0, 0, 1], [0, 2, 1], [1.0, 0.0, 3.0])


@given(seed=seeds)
def test_all_forms_are_the_same_problem(seed):
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 7, 2)
    known = rng.random((m, n)) < 0.6
    known[rng.integers(m), rng.integers(n)] = True
    values, W = rng.standard_normal((2, m, n))
    rows, cols = np.nonzero(known)
    expected = 0.5 * sum((W[i, j] - values[i, j]) ** 2 for i, j in zip(rows, cols, strict=True))
    order = rng.permutation(rows.size)
    for problem in (
        MatrixCompletion(np.where(known, values, np.nan)),
        MatrixCompletion(np.ma.masked_array(np.where(known, values, 1e9), ~known)),
        MatrixCompletion(
            scipy.sparse.coo_array((values[known][order], (rows[order], cols[order])), (m, n))
        ),
        MatrixCompletion(
            *np.divmod(np.arange(m * n), n),
            np.ma.masked_array(values.ravel(), ~known.ravel()),
            (m, n),
        ),
    ):
        assert_known(problem, rows, cols, values[known], (m, n))
        np.testing.assert_allclose(problem.loss(W), expected, rtol=1e-12)


def test_masked_entries_are_left_out():
    values = np.ma.masked_array([1, 2, 1e9], [False, False, True])
    assert_known(
        MatrixCompletion([0, 1, 2], [0, 1, 2], values, (3, 3)), [0, 1], [0, 1], [1, 2], (3, 3)
    )
    # An entry whose place is masked is not known either.
    rows = np.ma.masked_array([0, 1, 2], [True, False, False])
    assert_known(MatrixCompletion(rows, [0, 1, 2], values, (3, 3)), [1], [1], [2], (3, 3))
    with pytest.raises(ValueError, match="at least 1, got 0, 0 and 0"):
        MatrixCompletion([0], [0], np.ma.masked_array([1.0], [True]), (3, 3))
    with pytest.raises((TypeError, ValueError), match="masked entries"):
        MatrixCompletion([0, 1], [0, 1], values, (3, 3))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.full((2, 2), np.nan),), ValueError, r"no entry of the \(2, 2\) matrix is known"),
        ((np.ma.masked_all((2, 2)),), ValueError, "no entry .* all are masked or NaN"),
        (([1, 2],), ValueError, r"a single argument is the m x n matrix.*\(2,\)"),
        ((np.ones((2, 2, 2)),), ValueError, r"a single argument .*\(2, 2, 2\)"),
        ((scipy.sparse.coo_array([1.0, 2.0]),), ValueError, r"a single argument .*\(2,\)"),
        ((np.where(np.isnan(HOLES), np.inf, HOLES),), ValueError, r"known part .*\(0, 1\): inf"),
        ((np.ma.masked_array(HOLES),), ValueError, r"known part .*\(0, 1\): nan"),
        ((scipy.sparse.csr_array(HOLES),), ValueError, "stored entries of the matrix"),
        ((HOLES * 1j,), TypeError, "real.*complex128"),
        ((pd.DataFrame({"x": ["a", "b"]}),), TypeError, "the text 'a'"),
        ((aslinearoperator(HOLES),), TypeError, "must be an array"),
        (
            (scipy.sparse.coo_array(([1.0, 2.0], ([0, 0], [0, 0])), (2, 2)),),
            ValueError,
            r"repeat.*\(0, 0\) with the values 1\.0 and 2\.0",
        ),
        ((HOLES, None, None, (2, 3)), TypeError, "nothing but the matrix"),
        (([0], [0], [1.0]), TypeError, "rows, cols, values and shape"),
        ((["a", "b"], [0, 1], [1, 2], (2, 2)), TypeError, r"rows.*pandas\.factorize\(rows\)"),
        (
            ([0, 1], pd.Series(["x", "y"]), [1, 2], (2, 2)),
            TypeError,
            r"cols.*pandas\.factorize\(cols\)",
        ),
    ],
)
def test_what_is_wrong(arguments, error, message):
    with pytest.raises(error, match=message):
        MatrixCompletion(*arguments)


def test_labels_are_numbered_as_the_error_says():
    users, items = ["eve", "bob", "eve"], ["tea", "tea", "nut"]
    (rows, names), (cols, kinds) = (pd.factorize(np.array(ids)) for ids in (users, items))
    problem = MatrixCompletion(rows, cols, [1, 2, 3], (len(names), len(kinds)))
    assert_known(problem, [0, 0, 1], [0, 1, 0], [1, 3, 2], (2, 2))
