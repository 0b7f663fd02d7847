"""Regressions on sparse data and on given moments, against sums over samples."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

from fixedrank import FixedRank, LinearRegression, NetworkHessian
from tests.losses.representations import FORMS, sparse_data, zero_filled
from tests.networks.data import (
    autograd_hessian,
    dense_loss,
    gaussian_layers,
    inner_widths,
    multiplied,
    regression_data,
)
from tests.strategies import seeds

# All the data have entries of order one and fewer than 300 of them: sums of products of a few such
# factors are right to far better than this, relative to their terms.
ROUND_OFF = 1e-12

forms = st.sampled_from(sorted(FORMS))


def loss_terms(X, Y, W):
    """The size of what the expanded loss sums."""
    return np.linalg.norm(Y) ** 2 + (np.linalg.norm(W) * np.linalg.norm(X)) ** 2


@given(data=sparse_data(), form=forms, seed=seeds)
def test_loss_and_gradient(data, form, seed):
    X, Y = data
    problem = FORMS[form](X, Y)
    assert problem.shape == (len(Y), len(X))
    assert problem.squared_norm == pytest.approx((Y**2).sum(), rel=ROUND_OFF)
    k = min(problem.shape)
    point = FixedRank(*problem.shape, k, depth=2).random_point(rng=seed)
    W = (point.u * point.s) @ point.vt
    terms = loss_terms(X, Y, W)
    gradient = (W @ X - Y) @ X.T
    bound = ROUND_OFF * np.linalg.norm(X) * (np.linalg.norm(W) * np.linalg.norm(X) + 1)
    bound += ROUND_OFF * np.linalg.norm(X) * np.linalg.norm(Y)
    for matrix in (point, W):
        assert abs(problem.loss(matrix) - dense_loss(X, Y, W)) <= ROUND_OFF * terms
        found = problem.gradient(matrix)
        np.testing.assert_allclose(np.asarray(found), gradient, rtol=0, atol=bound)
        np.testing.assert_allclose(
            found @ point.vt.T, gradient @ point.vt.T, rtol=0, atol=bound * 10
        )
        np.testing.assert_allclose(found.T @ point.u, gradient.T @ point.u, rtol=0, atol=bound * 10)


@given(data=sparse_data(), form=forms, seed=seeds, core=st.booleans())
def test_gradient_products(data, form, seed, core):
    X, Y = data
    problem = FORMS[form](X, Y)
    rng = np.random.default_rng(seed)
    left, right = rng.standard_normal((len(Y), 2)), rng.standard_normal((len(X), 2))
    middle = rng.standard_normal((2, 2)) if core else None
    W = left @ (np.eye(2) if middle is None else middle) @ right.T
    gradient = (W @ X - Y) @ X.T
    size = np.linalg.norm(X) * (np.linalg.norm(W) * np.linalg.norm(X) + np.linalg.norm(Y))
    gv, gtu = problem.gradient_products(left, middle, right)
    bound = ROUND_OFF * size * 10
    np.testing.assert_allclose(gv, gradient @ right, rtol=0, atol=bound * np.linalg.norm(right))
    np.testing.assert_allclose(gtu, gradient.T @ left, rtol=0, atol=bound * np.linalg.norm(left))


@given(data=sparse_data(), form=forms, inner=inner_widths(deepest=4), seed=seeds)
def test_layers(data, form, inner, seed):
    X, Y = data
    problem = FORMS[form](X, Y)
    layers = gaussian_layers(seed, [len(X), *inner, len(Y)])
    W = multiplied(layers)
    terms = loss_terms(X, Y, W)
    assert abs(problem.network_loss(layers) - dense_loss(X, Y, W)) <= ROUND_OFF * terms
    for j, gradient in enumerate(problem.network_gradient(layers)):
        after = multiplied([np.eye(layers[j].shape[0]), *layers[j + 1 :]])
        before = multiplied([*layers[:j], np.eye(layers[j].shape[1])])
        expected = after.T @ (W @ X - Y) @ (before @ X).T
        scale = np.prod([np.linalg.norm(w) for w in [*layers[:j], *layers[j + 1 :]]])
        size = np.linalg.norm(X) * (np.linalg.norm(Y) + np.linalg.norm(X) * np.linalg.norm(W))
        bound = ROUND_OFF * max(scale * size, np.linalg.norm(expected))
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("form", FORMS)
def test_network_hessian(form):
    X, Y = zero_filled(0, 4, 3, 6)
    layers = gaussian_layers(1, [4, 2, 3])
    hessian = NetworkHessian(FORMS[form](X, Y), layers)
    expected = autograd_hessian(X, Y, layers)
    np.testing.assert_allclose(hessian @ np.eye(len(expected)), expected, rtol=0, atol=1e-12)


# The kind in which products of data are kept


def random_sparse(seed, rows, samples, each):
    """`each` entries in every sample."""
    rng = np.random.default_rng(seed)
    places = rng.integers(0, rows, samples * each), np.repeat(np.arange(samples), each)
    return scipy.sparse.csr_array((rng.standard_normal(samples * each), places), (rows, samples))


@pytest.mark.parametrize(
    ("rows", "samples", "each", "kind"),
    [
        (10, 500, 3, np.ndarray),  # 100 entries of C, 3000 of two factors
        (3000, 3000, 1, scipy.sparse.csr_array),  # 3000 of C at most, 6000 of two factors
        (3000, 100, 20, LinearOperator),  # some 40000 of C, 4000 of two factors
    ],
)
def test_the_smallest_form_is_kept(rows, samples, each, kind):
    X = random_sparse(0, rows, samples, each)
    Y = random_sparse(1, 4000, samples, each)
    problem = LinearRegression(X, Y)
    assert isinstance(problem.C, kind)
    block = np.random.default_rng(2).standard_normal((rows, 3))
    bound = 1e-12 * (1 + scipy.sparse.linalg.norm(X) ** 2)
    np.testing.assert_allclose(problem.C @ block, X.toarray() @ (X.T @ block), rtol=0, atol=bound)
    np.testing.assert_allclose(problem.B @ block, Y.toarray() @ (X.T @ block), rtol=0, atol=bound)


@given(seed=seeds, blocks=st.integers(1, 8))
def test_a_sparse_product_from_blocks_of_rows(seed, blocks):
    # Each sample has entries in one of a few blocks of features: C is block diagonal.
    rng = np.random.default_rng(seed)
    X = np.zeros((8 * blocks, 40))
    for sample in range(40):
        block = rng.integers(blocks)
        X[8 * block : 8 * block + 8, sample] = rng.standard_normal(8) * (rng.random(8) < 0.7)
    C = LinearRegression(scipy.sparse.csr_array(X), X[:1]).C
    dense = C.toarray() if scipy.sparse.issparse(C) else C @ np.eye(len(X))
    np.testing.assert_allclose(dense, X @ X.T, rtol=0, atol=1e-12)


# Directions


def directions(point, W, rng):
    """Tangent vectors, arrays and pairs, with the matrix that they stand for."""
    m, n = W.shape
    manifold = FixedRank(m, n, point.s.size, depth=2)
    Z = manifold.random_tangent_vector(point, rng=rng)
    left, right = rng.standard_normal((m, 2)), rng.standard_normal((n, 3))
    middle = rng.standard_normal((2, 3))
    return {
        "tangent vector": (point, Z, manifold.tangent_to_matrix(point, Z)),
        "pair at a point": (point, (left @ middle, right), left @ middle @ right.T),
        "triple at an array": (W, (left, middle, right), left @ middle @ right.T),
        "array at a point": (point, left @ middle @ right.T, left @ middle @ right.T),
        "array at an array": (W, left @ middle @ right.T, left @ middle @ right.T),
    }


def problems(X, Y):
    """All forms, and dense data where C is regular."""
    made = [FORMS[form](X, Y) for form in FORMS]
    if np.linalg.matrix_rank(X) == len(X):
        made.append(LinearRegression(X, Y))
    return made


@given(data=sparse_data(), seed=seeds)
def test_hessian_products(data, seed):
    X, Y = data
    rng = np.random.default_rng(seed)
    point = FixedRank(len(Y), len(X), min(len(X), len(Y)), depth=2).random_point(rng=seed)
    W = (point.u * point.s) @ point.vt
    for problem in problems(X, Y):
        for place, Z, dense in directions(point, W, rng).values():
            found = problem.hessian_product(place, Z)
            if isinstance(found, tuple):
                found = found[0] @ found[1].T
            bound = ROUND_OFF * np.linalg.norm(X) ** 2 * np.linalg.norm(dense)
            np.testing.assert_allclose(found, dense @ X @ X.T, rtol=0, atol=bound)
        for Z in (scipy.sparse.csr_array(dense), scipy.sparse.linalg.aslinearoperator(dense)):
            found = problem.hessian_product(place, Z) @ np.eye(len(X))
            np.testing.assert_allclose(found, dense @ X @ X.T, rtol=0, atol=bound)


@given(data=sparse_data(), seed=seeds)
def test_line_minimum(data, seed):
    X, Y = data
    rng = np.random.default_rng(seed)
    point = FixedRank(len(Y), len(X), 1, depth=2).random_point(rng=seed)
    W = (point.u * point.s) @ point.vt
    for problem in problems(X, Y):
        for place, Z, dense in directions(point, W, rng).values():
            along = np.linalg.norm(dense @ X)
            if along < 1e-3 * np.linalg.norm(dense) * np.linalg.norm(X) or along == 0:
                continue
            # The regression of Y - W X on Z X, sample by sample.
            moved, missing = (dense @ X).ravel(), (Y - W @ X).ravel()
            expected = np.linalg.lstsq(moved[:, None], missing, rcond=None)[0][0]
            size = (np.linalg.norm(Y) + np.linalg.norm(W) * np.linalg.norm(X)) / along
            found = problem.line_minimum(place, Z)
            assert abs(found - expected) <= 1e-8 * size
            tiny = problem.line_minimum(W, 1e-200 * dense)
            assert abs(tiny * 1e-200 - expected) <= 1e-8 * size


def test_a_line_along_which_nothing_changes():
    X, Y = np.diag([1.0, 2.0, 0.0]), np.eye(3)
    problem = LinearRegression(scipy.sparse.csr_array(X), Y)
    unseen = np.zeros((3, 3))
    unseen[1, 2] = 5.0
    assert problem.line_minimum(np.eye(3), unseen) == 0
    assert problem.line_minimum(np.eye(3), np.zeros((3, 3))) == 0


@pytest.mark.parametrize("form", FORMS)
def test_digest(form):
    X, Y = zero_filled(0, 4, 3, 6)
    problem = FORMS[form](X, Y)
    if form in ("operators", "sums"):
        with pytest.raises(TypeError, match=r"LinearOperator.*no digest"):
            _ = problem.digest
        return
    other = X.copy()
    other[np.nonzero(X)[0][0], np.nonzero(X)[1][0]] += 1e-9
    assert problem.digest == FORMS[form](X, Y).digest
    assert problem.digest != FORMS[form](other, Y).digest


def test_squared_norm_of_dense_data():
    X, Y = regression_data(0, 3, 2, 7)
    assert LinearRegression(X, Y).squared_norm == pytest.approx(np.linalg.norm(Y) ** 2)
