"""Losses and derivatives of all kinds of measurements against the dense definition."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from fixedrank import FixedRank, MatrixSum
from tests.geometry.dense import matrix
from tests.recovery.problems import KINDS, combined, dense, dense_loss, make, measured, problems
from tests.strategies import seeds

every_kind = pytest.mark.parametrize("kind", KINDS)
# Where each kind meets each direction.
few_for_each = settings(max_examples=10)


def close(found, expected, size):
    """Equal up to round-off of terms of this size."""
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * size)


@every_kind
@given(data=st.data())
def test_losses(kind, data):
    problem, A, y, point = data.draw(problems(kind))
    W = matrix(point)
    expected = dense_loss(A, y, W)
    size = max(1.0, np.abs(W).max()) ** 2 * A[0].size * len(y)
    close(problem.loss(point), expected, size)
    close(problem.loss(W), expected, size)
    root = np.sqrt(np.mean((measured(A, W) - y) ** 2))
    assert problem.root_mean_square_error(point) == pytest.approx(root, rel=1e-9)


@every_kind
@given(data=st.data())
def test_gradients(kind, data):
    problem, A, y, point = data.draw(problems(kind))
    W = matrix(point)
    expected = combined(A, measured(A, W) - y)
    size = max(1.0, np.abs(W).max()) * A[0].size * len(y)
    close(dense(problem.gradient(point)), expected, size)
    close(dense(problem.gradient(W)), expected, size)


@every_kind
@given(data=st.data())
def test_thin_products(kind, data):
    problem, A, y, point = data.draw(problems(kind))
    k = point.s.size
    rng = np.random.default_rng(data.draw(seeds))
    left, right = (
        rng.standard_normal((point.u.shape[0], k)),
        rng.standard_normal((len(point.vt.T), k)),
    )
    core = rng.standard_normal((k, k)) if data.draw(st.booleans()) else None
    W = left @ (np.eye(k) if core is None else core) @ right.T
    G = combined(A, measured(A, W) - y)
    gv, gtu = problem.gradient_products(left, core, right)
    size = max(1.0, np.abs(W).max()) * A[0].size * len(y) * 10
    close(gv, G @ right, size)
    close(gtu, G.T @ left, size)


@every_kind
def test_gradient_is_the_derivative_of_the_loss(kind):
    problem, _, _ = make(kind, (4, 3), 7, 0)
    rng = np.random.default_rng(1)
    W, Z = rng.standard_normal((2, 4, 3))
    h = 1e-5
    slope = (problem.loss(W + h * Z) - problem.loss(W - h * Z)) / (2 * h)
    assert np.vdot(dense(problem.gradient(W)), Z) == pytest.approx(slope, rel=1e-8)


def as_tangent_vector(point, rng):
    m, n = point.u.shape[0], point.vt.shape[1]
    manifold = FixedRank(m, n, point.s.size, depth=2)
    Z = manifold.random_tangent_vector(point, rng=rng)
    return Z, manifold.tangent_to_matrix(point, Z)


def as_pair(point, rng):
    left, right = (rng.standard_normal((size, 2)) for size in (len(point.u), point.vt.shape[1]))
    return (left, right), left @ right.T


def as_array(point, rng):
    Z = rng.standard_normal((len(point.u), point.vt.shape[1]))
    return Z, Z


def as_sparse(point, rng):
    Z = rng.standard_normal((len(point.u), point.vt.shape[1]))
    Z *= rng.random(Z.shape) < 0.5
    return scipy.sparse.coo_array(Z), Z


def as_sparse_with_duplicates(point, rng):
    Z = rng.standard_normal((len(point.u), point.vt.shape[1]))
    m, n = Z.shape
    cols = np.tile(np.r_[n:0:-1] - 1, 2 * m)
    values = np.tile(Z[:, ::-1] / 2, (1, 2)).ravel()
    return scipy.sparse.csr_array((values, cols, np.arange(m + 1) * 2 * n), Z.shape), Z


def as_operator(point, rng):
    Z = rng.standard_normal((len(point.u), point.vt.shape[1]))
    return aslinearoperator(Z), Z


def as_sum(point, rng):
    (first, A), (second, B) = as_sparse(point, rng), as_pair(point, rng)
    return MatrixSum(first, second), A + B


directions = pytest.mark.parametrize(
    "direction",
    [
        as_tangent_vector,
        as_pair,
        as_array,
        as_sparse,
        as_sparse_with_duplicates,
        as_operator,
        as_sum,
    ],
)


@every_kind
@directions
@few_for_each
@given(data=st.data())
def test_hessian_products(kind, direction, data):
    problem, A, _, point = data.draw(problems(kind))
    given_as, Z = direction(point, np.random.default_rng(data.draw(seeds)))
    expected = combined(A, measured(A, Z))
    found = problem.hessian_product(point, given_as)
    size = max(1.0, np.abs(Z).max()) * A[0].size * len(A)
    close(dense(found), expected, size)
    assert type(found) is type(problem.gradient(point))


@every_kind
@directions
@few_for_each
@given(data=st.data())
def test_line_minimum(kind, direction, data):
    problem, A, y, point = data.draw(problems(kind))
    given_as, Z = direction(point, np.random.default_rng(data.draw(seeds)))
    t, along = problem.line_minimum(point, given_as), measured(A, Z)
    if not along.any():
        assert t == 0
        return
    # The least-squares solution of t <A_i, Z> = y_i - <A_i, W>, by another algorithm.
    target = y - measured(A, matrix(point))
    expected = np.linalg.lstsq(along[:, None], target, rcond=None)[0][0]
    bound = 1e-10 * np.linalg.norm(target) / np.linalg.norm(along)
    assert t == pytest.approx(expected, rel=1e-8, abs=bound)


def test_line_minimum_of_a_tiny_and_a_huge_direction():
    problem, _, _ = make("entries", (3, 3), 5, 0)
    W = np.ones((3, 3))
    t = problem.line_minimum(W, W)
    for scale in (1e-200, 1e200):
        assert problem.line_minimum(W, scale * W) * scale == pytest.approx(t, rel=1e-12)


def test_a_triple_at_an_array_is_a_low_rank_matrix():
    problem, A, _ = make("rank one", (4, 3), 6, 0)
    rng = np.random.default_rng(0)
    left, core, right = (rng.standard_normal(s) for s in ((4, 2), (2, 2), (3, 2)))
    found = dense(problem.hessian_product(np.zeros((4, 3)), (left, core, right)))
    np.testing.assert_allclose(found, combined(A, measured(A, left @ core @ right.T)), atol=1e-12)


@every_kind
def test_layers(kind):
    problem, A, y = make(kind, (4, 5), 12, 0)
    rng = np.random.default_rng(1)
    layers = [rng.standard_normal(shape) for shape in ((3, 5), (2, 3), (4, 2))]
    W = layers[2] @ layers[1] @ layers[0]
    assert problem.network_loss(layers) == pytest.approx(dense_loss(A, y, W), rel=1e-12)
    gradients = problem.network_gradient(layers)
    h = 1e-6
    for j, layer in enumerate(layers):
        for index in np.ndindex(*layer.shape):
            step = np.zeros_like(layer)
            step[index] = h
            ends = [
                dense_loss(
                    A,
                    y,
                    np.linalg.multi_dot([*layers[:j], layer + sign * step, *layers[j + 1 :]][::-1]),
                )
                for sign in (1, -1)
            ]
            assert gradients[j][index] == pytest.approx((ends[0] - ends[1]) / (2 * h), abs=1e-5)
