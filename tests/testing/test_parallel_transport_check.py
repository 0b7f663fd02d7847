"""check_parallel_transport passes on parallel transports, and catches what only looks like one."""

import numpy as np
import pytest
from pymanopt.manifolds import Euclidean, FixedRankEmbedded, Sphere, SymmetricPositiveDefinite

from fixedrank import FixedRank
from fixedrank.testing import check_parallel_transport
from tests.testing.problems import FULL_RANK, failed, failure, name

START = "d/dt g(P_t a, T_t b) at t = 0"
SPHERE, POSITIVE = Sphere(4), SymmetricPositiveDefinite(3)


def on_the_sphere(x, X, vector, turn=lambda length: 0.0):
    """The parallel transport in closed form; then turned around the velocity."""
    length = np.linalg.norm(X)
    velocity = X / length
    end = np.cos(length) * x + np.sin(length) * velocity
    ahead = np.cos(length) * velocity - np.sin(length) * x
    along = velocity @ vector
    rest = vector - along * velocity
    # The cross product of the velocity and the rest in the tangent space.
    across = np.array([np.linalg.det([end, ahead, rest, axis]) for axis in np.eye(4)])
    angle = turn(length)
    return along * ahead + np.cos(angle) * rest + np.sin(angle) * across


def root(P, power=0.5):
    values, vectors = np.linalg.eigh(P)
    return (vectors * values**power) @ vectors.T


def on_positive_matrices(P, X, vector):
    """E v E^T with E = P^(1/2) exp(P^(-1/2) X P^(-1/2) / 2) P^(-1/2)."""
    half, inverse = root(P), root(P, -0.5)
    values, vectors = np.linalg.eigh(inverse @ X @ inverse)
    E = half @ (vectors * np.exp(values / 2)) @ vectors.T @ inverse
    return E @ vector @ E.T


def gamma(P, a, b):
    return -(a @ np.linalg.solve(P, b) + b @ np.linalg.solve(P, a)) / 2


@pytest.mark.parametrize("seed", range(2))
def test_closed_forms_pass(seed):
    assert check_parallel_transport(SPHERE, on_the_sphere, rng=seed)
    assert check_parallel_transport(POSITIVE, on_positive_matrices, gamma, rng=seed, trials=3)
    report = check_parallel_transport(Euclidean(3), lambda x, X, v: v, rng=seed)
    assert "it is zero" in str(report)


@pytest.mark.parametrize("manifold", [FixedRank(4, 3, 2, depth=2.5), FULL_RANK], ids=name)
def test_that_of_fixed_rank_passes(manifold):
    report = check_parallel_transport(manifold, rng=1)
    assert all(finding.passed for finding in report)


def test_transport_by_projection_fails():
    for manifold in (SPHERE, FixedRank(4, 3, 2, depth=2)):

        def projected(point, X, vector, manifold=manifold):
            return manifold.transport(point, manifold.exp(point, X), vector)

        report = failure(check_parallel_transport, manifold, projected, rng=0)
        assert "g(P a, P a)" in failed(report)
        assert "projection" in str(report)


def test_another_connection_fails_at_the_start():
    """Turned by the length of the way: isometric, halves make the whole, but there is torsion."""
    report = failure(
        check_parallel_transport,
        SPHERE,
        lambda x, X, v: on_the_sphere(x, X, v, turn=lambda length: length),
        rng=0,
    )
    assert failed(report) == [START]


def test_what_is_parallel_at_the_start_only_fails_in_halves():
    """Turned by the third power of the length of the way, which has no derivative at its start."""
    report = failure(
        check_parallel_transport,
        SPHERE,
        lambda x, X, v: on_the_sphere(x, X, v, turn=lambda length: length**3),
        rng=0,
    )
    assert failed(report) == ["|P of both halves - P|, relative"]


def test_what_is_not_linear_fails():
    def shifted(x, X, vector):
        return on_the_sphere(x, X, vector) * (1 + np.linalg.norm(vector))

    assert "defect of linearity" in failed(
        failure(check_parallel_transport, SPHERE, shifted, rng=0)
    )


def test_a_manifold_that_ends_nearby():
    """Positive numbers near zero, which a step of the usual length crosses."""
    manifold = FixedRank(1, 1, 1, depth=2)
    point = manifold.point([[1e-6]])
    report = check_parallel_transport(manifold, point=point, rng=3)
    assert all(finding.passed for finding in report)
    assert "no steps longer than" in str(report)


def test_what_is_missing():
    with pytest.raises(TypeError, match="has no parallel_transport: give one"):
        check_parallel_transport(SPHERE)
    for given in (3, 0):
        with pytest.raises(TypeError, match="parallel_transport must be callable, got int"):
            check_parallel_transport(FixedRank(3, 2, 1, depth=2), given)
    embedded = FixedRankEmbedded(4, 3, 2)
    with pytest.raises(TypeError, match="has no exp"):
        check_parallel_transport(embedded, lambda point, X, vector: vector, rng=0)
    with pytest.raises(ValueError, match="trials must be at least 1"):
        check_parallel_transport(SPHERE, on_the_sphere, trials=0)
    with pytest.raises(TypeError, match="christoffel must be callable, got int"):
        check_parallel_transport(SPHERE, on_the_sphere, 3)
