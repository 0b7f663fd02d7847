"""FixedRank in the place of pymanopt's FixedRankEmbedded."""

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymanopt.manifolds import FixedRankEmbedded
from pymanopt.manifolds.manifold import Manifold
from pymanopt.optimizers import ConjugateGradient, SteepestDescent

from fixedrank import FixedRank
from tests.geometry import dense
from tests.strategies import frames, points, shapes, tangent_vectors

TARGET = np.random.default_rng(0).standard_normal((6, 5))


def low_rank_problem(manifold, target=TARGET):
    """Pymanopt's example: the low-rank matrix nearest to a target."""

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        return anp.linalg.norm((u * s) @ vt - target) ** 2

    return pymanopt.Problem(manifold, cost)


def truncated(target, k):
    u, s, vt = np.linalg.svd(target, full_matrices=False)
    return (u[:, :k] * s[:k]) @ vt[:k]


@pytest.mark.parametrize("start", ["random", "tied"])
@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("optimizer", [SteepestDescent, ConjugateGradient])
def test_low_rank_approximation(optimizer, depth, k, start):
    manifold = FixedRank(6, 5, k, depth=depth)
    point = manifold.random_point(rng=1)
    if start == "tied":
        point = point._replace(s=np.ones(k))
    # The full-rank problem has the target itself as its solution, where the norm is not smooth.
    target = truncated(TARGET, k) if k < 5 else TARGET
    solver = optimizer(verbosity=0, max_iterations=2000, max_time=60, min_gradient_norm=1e-7)
    result = solver.run(low_rank_problem(manifold), initial_point=point)
    manifold.check_point(result.point)
    assert np.linalg.norm(dense.matrix(result.point) - target) < 1e-5


@pytest.mark.parametrize("depth", [1, 2])
def test_a_start_of_the_optimisers_own(depth):
    manifold = FixedRank(6, 5, 2, depth=depth)
    solver = ConjugateGradient(verbosity=0, max_iterations=2000, min_gradient_norm=1e-7)
    result = solver.run(low_rank_problem(manifold))
    assert np.linalg.norm(dense.matrix(result.point) - truncated(TARGET, 2)) < 1e-5


def test_the_contract_of_a_manifold():
    manifold = FixedRank(6, 5, 2, depth=3)
    assert isinstance(manifold, Manifold)
    assert manifold.dim == FixedRankEmbedded(6, 5, 2).dim
    assert manifold.point_layout == FixedRankEmbedded(6, 5, 2).point_layout
    assert manifold.num_values > 0
    assert "6x5" in str(manifold)
    assert repr(manifold) == "FixedRank(6, 5, 2, depth=3)"


# At N = 1 both are the same manifold.


@st.composite
def shared_places(draw):
    """Draw both manifolds at N = 1, and a point with distinct singular values."""
    m, n, k = draw(shapes())
    s = 2.0 - np.arange(k) / k
    point = (draw(frames(m, k)), s, draw(frames(n, k)).T)
    return FixedRank(m, n, k, depth=1), FixedRankEmbedded(m, n, k), point


def assert_same(a, b, atol):
    for part, other in zip(a, b, strict=True):
        np.testing.assert_allclose(part, other, rtol=0, atol=atol)


@given(data=st.data(), place=shared_places())
def test_depth_one_agrees_with_pymanopt(data, place):
    ours, theirs, point = place
    X, Y = (data.draw(tangent_vectors(point, 1e-3, 1)) for _ in range(2))
    assert ours.inner_product(point, X, Y) == pytest.approx(
        theirs.inner_product(point, X, Y), abs=1e-13
    )
    assert ours.norm(point, X) == pytest.approx(theirs.norm(point, X), rel=1e-13)
    G = np.random.default_rng(0).standard_normal((ours.m, ours.n))
    assert_same(ours.projection(point, G), theirs.projection(point, G), 1e-13)
    assert_same(ours.to_tangent_space(point, X), theirs.to_tangent_space(point, X), 1e-13)
    assert_same(ours.zero_vector(point), theirs.zero_vector(point), 0)


@given(place=shared_places())
def test_gradients_at_depth_one_agree_with_pymanopt(place):
    ours, theirs, point = place
    target = np.random.default_rng(0).standard_normal((ours.m, ours.n))
    triple = low_rank_problem(ours, target).euclidean_gradient(point)
    # pymanopt divides by s_i^2 - s_j^2, here at least 1/k of s_i + s_j.
    assert_same(
        ours.euclidean_to_riemannian_gradient(point, triple),
        theirs.euclidean_to_riemannian_gradient(point, triple),
        1e-12,
    )


@given(data=st.data(), place=shared_places())
def test_retractions_agree_with_pymanopt(data, place):
    ours, theirs, point = place
    X = 0.3 * data.draw(tangent_vectors(point, 0.01, 0.1))
    expected = dense.matrix(theirs.retraction(point, X))
    np.testing.assert_allclose(dense.matrix(ours.retraction(point, X)), expected, atol=1e-13)


@given(data=st.data(), shape=shapes())
def test_transports_agree_with_pymanopt(data, shape):
    ours, theirs = FixedRank(*shape, depth=1), FixedRankEmbedded(*shape)
    start, end = data.draw(points(shape)), data.draw(points(shape))
    X = data.draw(tangent_vectors(start, 0.01, 1))
    assert_same(ours.transport(start, end, X), theirs.transport(start, end, X), 1e-13)


# Plain tuples


def as_tuples(value):
    """Turn points and vectors into what a caller without these classes has."""
    return tuple(np.array(part) for part in value)


CALLS = {
    "inner_product": lambda m, p, q, Z: m.inner_product(p, Z, Z),
    "norm": lambda m, p, q, Z: m.norm(p, Z),
    "projection": lambda m, p, q, Z: m.projection(p, np.ones((m.m, m.n))),
    "to_tangent_space": lambda m, p, q, Z: m.to_tangent_space(p, Z),
    "embedding": lambda m, p, q, Z: m.embedding(p, Z),
    "euclidean_to_riemannian_gradient": lambda m, p, q, Z: m.euclidean_to_riemannian_gradient(
        p, np.ones((m.m, m.n))
    ),
    "retraction": lambda m, p, q, Z: m.retraction(p, Z),
    "transport": lambda m, p, q, Z: m.transport(p, q, Z),
    "zero_vector": lambda m, p, q, Z: m.zero_vector(p),
    "random_tangent_vector": lambda m, p, q, Z: m.random_tangent_vector(p, rng=0),
    "to_matrix": lambda m, p, q, Z: m.to_matrix(p),
    "tangent_to_matrix": lambda m, p, q, Z: m.tangent_to_matrix(p, Z),
    "check_point": lambda m, p, q, Z: m.check_point(p),
    "operator": lambda m, p, q, Z: m.operator(p).apply(Z),
}


@pytest.mark.parametrize("name", CALLS)
def test_plain_tuples_and_lists_serve_as_well(name):
    manifold = FixedRank(6, 5, 2, depth=3)
    p, q = manifold.random_point(rng=0), manifold.random_point(rng=1)
    Z = manifold.random_tangent_vector(p, rng=2)
    expected = CALLS[name](manifold, p, q, Z)
    plain = CALLS[name](manifold, as_tuples(p), as_tuples(q), as_tuples(Z))
    nested = CALLS[name](manifold, *([part.tolist() for part in value] for value in (p, q, Z)))
    for other in (plain, nested):
        assert type(other) is type(expected)
        parts = (
            zip(other, expected, strict=True) if isinstance(other, tuple) else [(other, expected)]
        )
        for part, value in parts:
            np.testing.assert_allclose(part, value, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", CALLS)
def test_arguments_stay_as_they_are(name):
    manifold = FixedRank(6, 5, 2, depth=3)
    p, q = manifold.random_point(rng=0), manifold.random_point(rng=1)
    Z = manifold.random_tangent_vector(p, rng=2)
    for part in (*p, *q, *Z):
        part.flags.writeable = False
    before = [part.copy() for part in (*p, *q, *Z)]
    CALLS[name](manifold, p, q, Z)
    for part, original in zip((*p, *q, *Z), before, strict=True):
        np.testing.assert_array_equal(part, original)
