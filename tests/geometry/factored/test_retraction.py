"""The retraction to the nearest matrix of rank k, against the dense SVD of W + Z."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import FixedRank, RankLostError
from fixedrank.geometry.factored import orthonormal
from tests.geometry import dense
from tests.strategies import points, seeds, shapes, tangent_vectors, well_conditioned_points


@pytest.fixture(scope="module", params=["as the size asks", "Cholesky"], autouse=True)
def _factorisation(request):
    """Run all tests with either factorisation: small blocks are left to Householder QR."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "Cholesky":
            patch.setattr(orthonormal, "_FEW_COLUMNS", 0)
            patch.setattr(orthonormal, "_FEW_OPERATIONS", 0)
        yield


def orthonormality_defect(point):
    """The largest entry by which the Gram matrices of U and V differ from the identity."""
    u, _, vt = point
    identity = np.eye(u.shape[1])
    return max(np.abs(u.T @ u - identity).max(), np.abs(vt @ vt.T - identity).max())


def assert_nearest(manifold, point, Z, sum_of_both=None):
    """Assert that the retraction is the truncated SVD of W + Z, up to round-off of W and of Z."""
    target = dense.matrix(point) + dense.tangent(point, Z) if sum_of_both is None else sum_of_both
    found = manifold.retraction(point, Z)
    round_off = 50 * dense.EPS * (np.linalg.norm(point[1]) + dense.factor_norm(Z))
    values = np.linalg.svd(target, compute_uv=False)
    k = manifold.k
    assert np.abs(found.s - values[:k]).max() <= round_off
    assert np.linalg.norm(dense.matrix(found) - target) <= np.linalg.norm(values[k:]) + round_off
    assert orthonormality_defect(found) <= 100 * dense.EPS
    assert found.u.shape == (manifold.m, k)
    assert found.vt.shape == (k, manifold.n)
    return found


@given(data=st.data(), shape=shapes())
def test_nearest_matrix_of_rank_k(data, shape):
    manifold = FixedRank(*shape, depth=3)
    point = data.draw(points(shape))
    Z = data.draw(tangent_vectors(point, 1e-12, 1e6))
    try:
        assert_nearest(manifold, point, Z)
    except RankLostError as error:
        exact = np.linalg.svd(dense.matrix(point) + dense.tangent(point, Z), compute_uv=False)
        scale = np.linalg.norm(point.s) + dense.factor_norm(Z)
        assert exact[manifold.k - 1] <= error.tolerance + 50 * dense.EPS * scale  # noqa: PT017


@given(data=st.data(), shape=shapes(), exponent=st.integers(-150, 150))
def test_steps_of_all_lengths(data, shape, exponent):
    manifold = FixedRank(*shape, depth=2)
    point = data.draw(well_conditioned_points(shape))
    Z = 10.0**exponent * manifold.random_tangent_vector(point, rng=data.draw(seeds))
    assert_nearest(manifold, point, Z)


@given(point=points(low=1e-4, high=1e4))
def test_the_zero_vector_stays(point):
    m, n, k = point.u.shape[0], point.vt.shape[1], point.s.size
    manifold = FixedRank(m, n, k, depth=2)
    assert_nearest(manifold, point, manifold.zero_vector(point))


@given(data=st.data(), shape=shapes(), t=st.sampled_from([1e-3, 1e-5, 1e-7]))
def test_first_order_agreement(data, shape, t):
    manifold = FixedRank(*shape, depth=2)
    point = data.draw(well_conditioned_points(shape))
    Z = data.draw(tangent_vectors(point, 0.1, 1))
    line = dense.matrix(point) + t * dense.tangent(point, Z)
    moved = dense.matrix(manifold.retraction(point, t * Z))
    # (U + t Up S^-1)(S + t M)(V + t Vp S^-1)^T has rank k and leaves out terms of order t^2.
    length = dense.factor_norm(Z)
    second_order = t**2 * (length**2 / point.s.min()) * (1 + t * length / point.s.min())
    assert np.linalg.norm(moved - line) <= second_order + 100 * dense.EPS * (2 + length)


def awkward_blocks(u, rng):
    """Blocks Up with U^T Up = 0 to round-off, on which orthogonalisation can fail."""
    m, k = u.shape
    block = rng.standard_normal((m, k))
    block -= u @ (u.T @ block)
    repeated = np.repeat(block[:, :1], k, axis=1)
    one_column = np.zeros((m, k))
    one_column[:, 0] = block[:, 0]
    graded = block * np.logspace(0, -10, k)
    scaled = block * np.logspace(5, -5, k)
    return {
        "zero": 0 * block,
        "dependent": repeated,
        "dependent to 1e-5": repeated + 1e-5 * block,
        "dependent to 1e-7": repeated + 1e-7 * block,
        "dependent to 1e-8": repeated + 1e-8 * block,
        "dependent to 1e-9": repeated + 1e-9 * block,
        "dependent to 1e-14": repeated + 1e-14 * block,
        "one column": one_column,
        "graded": graded,
        "scaled": scaled,
        "graded and dependent": repeated * np.logspace(0, -10, k),
        "tiny": 1e-160 * block,
    }


@pytest.mark.parametrize("kind", list(awkward_blocks(np.eye(3, 2), np.random.default_rng(0))))
@pytest.mark.parametrize(("m", "n", "k"), [(12, 9, 3), (9, 12, 3), (5, 4, 3), (7, 6, 3), (4, 3, 3)])
def test_awkward_normal_parts(m, n, k, kind):
    rng = np.random.default_rng(1)
    manifold = FixedRank(m, n, k, depth=2)
    u, _, vt = manifold.random_point(rng=rng)
    point = (u, np.array([2.0, 1.0, 0.5]), vt)
    up, vp = awkward_blocks(u, rng)[kind], awkward_blocks(vt.T, rng)[kind]
    core = rng.standard_normal((k, k))
    assert_nearest(manifold, point, (up, core, vp))


@pytest.mark.parametrize("normal_share", [1.0, 1e-2, 1e-4, 1e-6, 1e-8, 0.0])
def test_a_step_that_leans_into_the_range_of_u(normal_share):
    rng = np.random.default_rng(2)
    manifold = FixedRank(8, 7, 2, depth=2)
    u, s, vt = manifold.random_point(rng=rng)
    left, core, right = (rng.standard_normal(shape) for shape in ((8, 2), (2, 2), (7, 2)))
    up, vp = u @ core + normal_share * left, vt.T @ core + normal_share * right
    assert_nearest(manifold, (u, s, vt), (up, core, vp))


@pytest.mark.parametrize("normal_share", [1e-2, 1e-4, 1e-6, 1e-8])
def test_a_step_that_cancels_all_but_a_small_normal_part(normal_share):
    rng = np.random.default_rng(2)
    manifold = FixedRank(8, 7, 2, depth=2)
    u, s, vt = manifold.random_point(rng=rng)
    left, core = rng.standard_normal((8, 2)), rng.standard_normal((2, 2))
    up = u @ core + normal_share * left
    Z = (up, -np.diag(s) - core, np.zeros((7, 2)))
    assert_nearest(manifold, (u, s, vt), Z)


@pytest.mark.parametrize(("m", "n", "k"), [(12, 9, 3), (5, 4, 3), (4, 3, 3)])
def test_drift_from_orthonormality_is_taken_back(m, n, k):
    rng = np.random.default_rng(3)
    manifold = FixedRank(m, n, k, depth=2)
    u, _, vt = manifold.random_point(rng=rng)
    drifted = (
        u + 1e-9 * rng.standard_normal(u.shape),
        np.array([2.0, 1.0, 0.5]),
        vt + 1e-9 * rng.standard_normal(vt.shape),
    )
    Z = manifold.random_tangent_vector(drifted, rng=rng)
    assert_nearest(manifold, drifted, Z)


def test_orthonormality_over_many_steps():
    rng = np.random.default_rng(4)
    manifold = FixedRank(30, 20, 4, depth=3)
    point = manifold.random_point(rng=rng)
    for _ in range(500):
        point = manifold.retraction(point, 0.1 * manifold.random_tangent_vector(point, rng=rng))
    assert orthonormality_defect(point) <= 100 * dense.EPS


def test_a_large_thin_case():
    rng = np.random.default_rng(5)
    manifold = FixedRank(3000, 2000, 5, depth=2)
    point = manifold.random_point(rng=rng)
    Z = manifold.random_tangent_vector(point, rng=rng)
    found = manifold.retraction(point, Z)
    assert orthonormality_defect(found) <= 100 * dense.EPS
    # The best approximation leaves a residual whose column and row space are orthogonal to it.
    u, _, vt = found
    residual = dense.matrix(point) + dense.tangent(point, Z) - dense.matrix(found)
    round_off = 1e-14 * (np.linalg.norm(point.s) + dense.factor_norm(Z))
    assert np.linalg.norm(residual @ vt.T) <= round_off
    assert np.linalg.norm(residual.T @ u) <= round_off


# Steps off the manifold


@given(point=points(low=1e-3, high=1e3))
def test_the_step_to_zero_loses_the_rank(point):
    u, s, vt = point
    manifold = FixedRank(u.shape[0], vt.shape[1], s.size, depth=2)
    to_zero = (np.zeros_like(u), -np.diag(s), np.zeros_like(vt.T))
    with pytest.raises(RankLostError, match=f"rank-{s.size} matrices"):
        manifold.retraction(point, to_zero)


def test_the_error_tells_the_singular_values():
    manifold = FixedRank(5, 4, 3, depth=2)
    u, _, vt = manifold.random_point(rng=0)
    point = (u, np.array([3.0, 2.0, 1.0]), vt)
    Z = (np.zeros((5, 3)), np.diag([0.0, -2.0, 0.0]), np.zeros((4, 3)))
    with pytest.raises(RankLostError, match="leaves the manifold") as caught:
        manifold.retraction(point, Z)
    np.testing.assert_allclose(caught.value.singular_values, [3, 1, 0], atol=1e-14)
    assert 0 < caught.value.tolerance < 1e-13
    assert isinstance(caught.value, ValueError)


def test_the_error_can_be_pickled():
    error = RankLostError("lost", np.array([1.0, 0.0]), 1e-16)
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert copy.tolerance == error.tolerance
    np.testing.assert_array_equal(copy.singular_values, error.singular_values)
