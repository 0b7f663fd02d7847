"""Points: best approximations of matrices of every kind, and random points and vectors."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from fixedrank import FixedRank, FixedRankPoint, RankLostError
from tests.geometry import dense
from tests.strategies import arrays, depths, points, seeds, shapes


def low_rank_pair(W):
    """A pair (L, R) with W = L R^T, its factors neither orthonormal nor of minimal width."""
    n = W.shape[1]
    mixing = np.triu(np.ones((n, n))) + np.eye(n)
    return np.hstack((W @ mixing, W)), np.hstack((np.linalg.inv(mixing).T, np.zeros((n, n))))


def low_rank_triple(W):
    core = np.triu(np.ones((len(W), len(W)))) + np.eye(len(W))
    return np.linalg.inv(core), core, W.T


KINDS = {
    "array": np.asarray,
    "nested list": lambda W: W.tolist(),
    "sparse array": scipy.sparse.csr_array,
    "sparse matrix": scipy.sparse.coo_matrix,
    "operator": aslinearoperator,
    "pair": low_rank_pair,
    "triple": low_rank_triple,
}


def assert_best_approximation(manifold, point, W, tolerance=1e-13):
    """Assert that a point is the truncated SVD of W: valid, with the least possible error."""
    manifold.check_point(point)
    values = np.linalg.svd(W, compute_uv=False)
    k, bound = manifold.k, tolerance * values[0]
    assert np.abs(point.s - values[:k]).max() <= bound
    assert (np.diff(point.s) <= 0).all()
    error = np.linalg.norm(dense.matrix(point) - W)
    assert error <= np.linalg.norm(values[k:]) + bound


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("m", "n", "k"), [(9, 8, 2), (8, 9, 8), (7, 7, 7), (9, 8, 5), (30, 20, 3)])
def test_best_approximation_of_every_kind(kind, m, n, k):
    W = np.random.default_rng(0).standard_normal((m, n))
    manifold = FixedRank(m, n, k, depth=2)
    assert_best_approximation(manifold, manifold.point(KINDS[kind](W)), W)


@pytest.mark.parametrize("kind", KINDS)
def test_best_approximation_with_ties(kind):
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((size, 6)))[0] for size in (20, 15))
    W = (u * [3.0, 3.0, 3.0, 1.0, 1.0, 1e-3]) @ v.T
    for k in (2, 3, 4):
        manifold = FixedRank(20, 15, k, depth=2)
        assert_best_approximation(manifold, manifold.point(KINDS[kind](W)), W)


@pytest.mark.parametrize("kind", KINDS)
def test_best_approximation_with_a_wide_spread(kind):
    rng = np.random.default_rng(1)
    u, v = (np.linalg.qr(rng.standard_normal((size, 4)))[0] for size in (20, 15))
    s = np.array([1.0, 1e-4, 1e-9, 1e-11])
    W = (u * s) @ v.T
    manifold = FixedRank(20, 15, 3, depth=2)
    assert_best_approximation(manifold, manifold.point(KINDS[kind](W)), W)


@pytest.mark.parametrize("kind", ["sparse array", "operator"])
def test_larger_matrices_with_small_singular_values(kind):
    rng = np.random.default_rng(3)
    u, v = (np.linalg.qr(rng.standard_normal((size, 100)))[0] for size in (150, 120))
    W = (u * np.logspace(0, -11, 100)) @ v.T
    for k in (2, 40):
        manifold = FixedRank(150, 120, k, depth=2)
        assert_best_approximation(manifold, manifold.point(KINDS[kind](W)), W)


def test_sparse_diagonal_matrices():
    manifold = FixedRank(40, 40, 3, depth=2)
    s = manifold.point(scipy.sparse.eye_array(40, format="csr")).s
    np.testing.assert_allclose(s, 1, rtol=1e-13)
    values = np.arange(40.0)
    s = manifold.point(scipy.sparse.diags_array(values, format="csr")).s
    np.testing.assert_allclose(s, [39, 38, 37], rtol=1e-13)


def test_integers_and_single_precision():
    manifold = FixedRank(3, 3, 1, depth=2)
    W = np.diag([4, 2, 1])
    for kind in (W, W.astype(np.float32), scipy.sparse.csr_array(W), aslinearoperator(W)):
        point = manifold.point(kind)
        assert point.s == pytest.approx([4])
        assert all(part.dtype == np.float64 for part in point)


@given(data=st.data(), shape=shapes())
def test_dense_arrays_of_all_magnitudes(data, shape):
    m, n, k = shape
    manifold = FixedRank(m, n, k, depth=2)
    W = data.draw(arrays((m, n)))
    values = np.linalg.svd(W, compute_uv=False)
    try:
        point = manifold.point(W)
    except RankLostError as error:
        assert values[k - 1] <= 2 * error.tolerance  # noqa: PT017
    else:
        assert_best_approximation(manifold, point, W)


@given(point=points(low=1e-3, high=1e3))
def test_a_point_is_its_own_best_approximation(point):
    W = dense.matrix(point)
    manifold = FixedRank(*W.shape, point.s.size, depth=2)
    assert np.linalg.norm(manifold.to_matrix(point) - W) <= 20 * dense.EPS * np.linalg.norm(W)
    back = manifold.to_matrix(manifold.point(W))
    assert np.linalg.norm(back - W) <= 100 * dense.EPS * np.linalg.norm(W)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [6, 20])
def test_too_low_a_rank(kind, size):
    rng = np.random.default_rng(2)
    W = np.outer(rng.standard_normal(size), rng.standard_normal(size))
    manifold = FixedRank(size, size, 2, depth=2)
    with pytest.raises(RankLostError, match="rank below k = 2") as caught:
        manifold.point(KINDS[kind](W))
    assert caught.value.singular_values[0] == pytest.approx(np.linalg.norm(W))


@pytest.mark.parametrize("kind", ["array", "sparse array", "operator", "pair"])
@pytest.mark.parametrize("size", [4, 20])
def test_the_zero_matrix(kind, size):
    manifold = FixedRank(size, size, 1, depth=2)
    with pytest.raises(RankLostError, match="rank below k = 1"):
        manifold.point(KINDS[kind](np.zeros((size, size))))


def test_a_thin_pair_below_the_rank():
    manifold = FixedRank(6, 5, 3, depth=2)
    with pytest.raises(RankLostError, match="rank below k = 3"):
        manifold.point((np.eye(6, 2), np.eye(5, 2)))


def test_points_own_their_memory():
    W = np.diag([3.0, 2.0, 1.0])
    manifold = FixedRank(3, 3, 2, depth=2)
    point = manifold.point(W)
    point.u[:] = 0
    np.testing.assert_array_equal(W, np.diag([3.0, 2.0, 1.0]))


# Random points and vectors


@given(shape=shapes(), depth=depths(), seed=seeds)
def test_random_points_and_vectors_are_valid(shape, depth, seed):
    manifold = FixedRank(*shape, depth=depth)
    point = manifold.random_point(rng=seed)
    manifold.check_point(point)
    assert (np.diff(point.s) <= 0).all()
    Z = manifold.random_tangent_vector(point, rng=seed + 1)
    assert manifold.norm(point, Z) == pytest.approx(1, rel=1e-13)
    assert np.abs(point.u.T @ Z.Up).max() <= 1e-14 * (1 + np.abs(Z.Up).max())
    assert np.abs(point.vt @ Z.Vp).max() <= 1e-14 * (1 + np.abs(Z.Vp).max())


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_seeds_reproduce_and_generators_advance():
    manifold = FixedRank(5, 4, 2, depth=2)
    point = manifold.random_point(rng=3)
    assert same(point, manifold.random_point(rng=3))
    assert same(point, manifold.random_point(rng=np.random.default_rng(3)))
    assert not same(point, manifold.random_point(rng=4))
    assert not same(manifold.random_point(), manifold.random_point())
    vector = manifold.random_tangent_vector(point, rng=3)
    assert same(vector, manifold.random_tangent_vector(point, rng=3))
    generator = np.random.default_rng(3)
    assert same(point, manifold.random_point(rng=generator))
    assert not same(point, manifold.random_point(rng=generator))


def test_one_seed_for_the_point_and_the_vector():
    # Were both made of the same numbers, the vector would lie in the range of U.
    manifold = FixedRank(6, 5, 2, depth=1)
    Z = manifold.random_tangent_vector(manifold.random_point(rng=0), rng=0)
    assert np.linalg.norm(Z.Up) > 0.1
    assert np.linalg.norm(Z.Vp) > 0.1


def test_the_global_random_state_is_left_alone():
    manifold = FixedRank(30, 20, 2, depth=2)
    name, keys, *position = np.random.get_state()  # noqa: NPY002
    for rng in (None, 0):
        point = manifold.random_point(rng=rng)
        manifold.random_tangent_vector(point, rng=rng)
    manifold.point(scipy.sparse.random_array((30, 20), density=0.5, rng=0))
    name_after, keys_after, *position_after = np.random.get_state()  # noqa: NPY002
    assert (name, position) == (name_after, position_after)
    np.testing.assert_array_equal(keys, keys_after)


def test_random_vectors_favour_no_direction_of_the_metric():
    # In g-orthonormal coordinates a uniform unit vector has covariance identity / dim.
    manifold = FixedRank(3, 2, 1, depth=5)
    point = FixedRankPoint(np.eye(3, 1), np.array([0.01]), np.eye(1, 2))
    units = [manifold.projection(point, unit) for unit in np.eye(6).reshape(-1, 3, 2)[[0, 1, 2, 4]]]
    units = [unit / manifold.norm(point, unit) for unit in units]
    rng, samples = np.random.default_rng(0), 4000
    coordinates = np.array(
        [
            [manifold.inner_product(point, unit, Z) for unit in units]
            for Z in (manifold.random_tangent_vector(point, rng=rng) for _ in range(samples))
        ]
    )
    covariance = coordinates.T @ coordinates / samples
    # The entries of the covariance have standard deviations of at most 0.25 / sqrt(samples).
    assert np.abs(covariance - np.eye(4) / 4).max() < 5 * 0.25 / np.sqrt(samples)
