"""What regressions on sparse data and given moments say to what they cannot take or do not have."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from fixedrank import (
    FixedRank,
    LinearRegression,
    MomentRegression,
    check_hypotheses,
    classify,
    classify_factors,
    critical_points,
    global_minimizer,
)
from tests.losses.representations import FORMS, zero_filled
from tests.networks.data import gaussian_layers

X, Y = zero_filled(0, 4, 3, 9, density=0.8)
C, B, SQUARE = X @ X.T, Y @ X.T, float(np.vdot(Y, Y))
SPARSE = scipy.sparse.csr_array(X)


def spoiled(matrix, value=np.nan):
    copy = scipy.sparse.csr_array(matrix)
    copy.data[1] = value
    return copy


@pytest.mark.parametrize(
    ("data", "labels", "error", "text"),
    [
        (spoiled(X), Y, ValueError, r"stored entries of X.*1 .*NaN"),
        (SPARSE, spoiled(Y, np.inf), ValueError, r"stored entries of Y.*infinite"),
        (SPARSE, Y * np.nan, ValueError, "Y has 27 entries"),
        (SPARSE, Y[:, :-1], ValueError, r"\(4, 9\).*\(3, 8\)"),
        (SPARSE, Y[0], ValueError, "Y must have 2 axes"),
        (SPARSE * 1j, Y, TypeError, "X must be real.*complex"),
        (SPARSE[:, :0], Y[:, :0], ValueError, "empty"),
        (SPARSE, "labels", TypeError, "Y must be an array"),
        (SPARSE * 1e200, Y, ValueError, r"squares of X overflow.*e\+200.*scale"),
        (scipy.sparse.coo_array(np.ones(9)), Y, ValueError, "X must have 2 axes"),
    ],
)
def test_bad_sparse_data(data, labels, error, text):
    with pytest.raises(error, match=text):
        LinearRegression(data, labels)


def one_way(matrix):
    return LinearOperator(matrix.shape, matvec=matrix.__matmul__, dtype=float)


def wrong_transpose(matrix):
    return LinearOperator(
        matrix.shape, matvec=matrix.__matmul__, rmatvec=lambda y: -matrix.T @ y, dtype=float
    )


def skew(matrix):
    copy = matrix.copy()
    copy[0, 1] += 1e-3
    return copy


@pytest.mark.parametrize(
    ("second", "cross", "square", "error", "text"),
    [
        (C[:3], B, SQUARE, ValueError, r"\(d_x, d_x\).*\(3, 4\)"),
        (C, B.T, SQUARE, ValueError, r"\(d_y, d_x\).*\(4, 4\) and \(4, 3\)"),
        (skew(C), B, SQUARE, ValueError, "symmetric"),
        (one_way(skew(C)), B, SQUARE, ValueError, "symmetric"),
        (-C, B, SQUARE, ValueError, "semidefinite.*diagonal"),
        (one_way(-C), B, SQUARE, ValueError, "semidefinite.*some x"),
        (C, B, SQUARE / 1e3, ValueError, "do not belong together"),
        (C, B, -1.0, ValueError, "squared_norm.*-1"),
        (C, B, np.nan, ValueError, "squared_norm"),
        (C, B, None, (TypeError, ValueError), "squared_norm"),
        (C, B, "much", TypeError, "squared_norm"),
        (C, one_way(B), SQUARE, TypeError, "rmatvec"),
        (C, wrong_transpose(B), SQUARE, ValueError, "rmatvec of B"),
        (one_way(C * np.nan), B, SQUARE, ValueError, "product of C.*NaN"),
        (C * np.nan, B, SQUARE, ValueError, "C has 16 entries"),
        (spoiled(C), B, SQUARE, ValueError, "stored entries of C"),
        (C * 1j, B, SQUARE, TypeError, "C must be real"),
        ((X, X, X), B, SQUARE, TypeError, "pair.*3 parts"),
        ((X, X[:, :-1]), B, SQUARE, ValueError, r"as many columns.*\(4, 9\) and \(4, 8\)"),
        ((spoiled(X), X), B, SQUARE, ValueError, "a factor of C"),
        (np.zeros((0, 0)), np.zeros((3, 0)), SQUARE, ValueError, "empty"),
        (C[0], B, SQUARE, ValueError, "C must have 2 axes"),
    ],
)
def test_bad_moments(second, cross, square, error, text):
    with pytest.raises(error, match=text):
        LinearRegression.from_moments(second, cross, square)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["Q", "root", "residual", "tolerance", "svd", "rank"])
def test_what_only_dense_data_have(form, name):
    problem = FORMS[form](X, Y)
    if isinstance(problem, MomentRegression):
        assert not isinstance(problem, LinearRegression)
        assert not hasattr(problem, name)
        return
    with pytest.raises(TypeError, match=r"needs the singular value.*C \(4, 4\) as.*NumPy arrays"):
        getattr(problem, name)


def test_on_range_of_sparse_data():
    with pytest.raises(TypeError, match=r"on_range needs an SVD.*sparse data of any rank"):
        LinearRegression.on_range(SPARSE, Y)
    problem = LinearRegression(SPARSE, Y)
    assert problem.extend(B) is B


POINT = FixedRank(3, 4, 2, depth=2).random_point(rng=0)


@pytest.mark.parametrize(
    "ask",
    [
        lambda problem: list(critical_points(problem, 1)),
        lambda problem: global_minimizer(problem, 1),
        lambda problem: classify(problem, POINT),
        lambda problem: classify_factors(problem, gaussian_layers(0, [4, 2, 3])),
        lambda problem: check_hypotheses(problem, POINT, 2),
    ],
    ids=["critical_points", "global_minimizer", "classify", "classify_factors", "hypotheses"],
)
@pytest.mark.parametrize("form", ["sparse X and Y", "operators"])
def test_the_landscape_needs_dense_data(form, ask):
    with pytest.raises(TypeError, match="NumPy arrays"):
        ask(FORMS[form](X, Y))


@pytest.mark.parametrize("form", ["sparse X and Y", "pairs", "operators"])
@pytest.mark.parametrize("method", ["loss", "gradient"])
@pytest.mark.parametrize(
    ("W", "error", "text"),
    [
        (np.ones((4, 3)), ValueError, r"\(3, 4\).*\(4, 3\)"),
        (B * np.nan, ValueError, "NaN"),
        (scipy.sparse.csr_array(B), TypeError, "W must be"),
        ((np.ones((3, 1)), np.ones(2), np.ones((1, 4))), ValueError, r"\(3, 1\)"),
        ((POINT.u * np.nan, POINT.s, POINT.vt), ValueError, "NaN"),
    ],
)
def test_bad_matrices(form, method, W, error, text):
    with pytest.raises(error, match=text):
        getattr(FORMS[form](X, Y), method)(W)


@pytest.mark.parametrize("problem", [FORMS["sparse X and Y"](X, Y), LinearRegression(X, Y)])
@pytest.mark.parametrize("method", ["hessian_product", "line_minimum"])
@pytest.mark.parametrize(
    ("Z", "error", "text"),
    [
        (np.ones((4, 3)), ValueError, r"\(3, 4\).*\(4, 3\)"),
        (B * np.nan, ValueError, "NaN"),
        ((np.ones((3, 2)), np.ones((3, 2))), ValueError, r"\(3, 4\)"),
        ((np.ones((3, 2)), np.full((4, 2), np.inf)), ValueError, "right factor of Z.*infinite"),
        ((np.ones((3, 2)), np.ones((4, 4)), np.ones((4, 2))), ValueError, "tangent|Z at a"),
        ("Z", TypeError, "ambient matrix is"),
    ],
)
def test_bad_directions(problem, method, Z, error, text):
    with pytest.raises(error, match=text):
        getattr(problem, method)(POINT, Z)


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.linalg.aslinearoperator])
def test_a_line_needs_thin_or_dense_directions(kind):
    with pytest.raises(TypeError, match=r"tangent vector.*pair or an array.*got a"):
        LinearRegression(SPARSE, Y).line_minimum(POINT, kind(B))
