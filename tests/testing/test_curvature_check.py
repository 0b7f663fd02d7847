"""check_curvature passes on sectional curvatures, and catches others."""

import numpy as np
import pytest
from pymanopt.manifolds import (
    Euclidean,
    FixedRankEmbedded,
    PoincareBall,
    Sphere,
    SymmetricPositiveDefinite,
)

from fixedrank import FixedRank
from fixedrank.testing import check_curvature
from tests.testing.problems import DEPTHS, failed, failure, name

POSITIVE = SymmetricPositiveDefinite(3)


def on_positive_matrices(P, a, b):
    """-|[A, B]|^2 / 4 over the squared area, with A = P^(-1/2) a P^(-1/2)."""
    values, vectors = np.linalg.eigh(P)
    half = (vectors / np.sqrt(values)) @ vectors.T
    A, B = half @ a @ half, half @ b @ half
    bracket = A @ B - B @ A
    area = np.sum(A * A) * np.sum(B * B) - np.sum(A * B) ** 2
    return -np.sum(bracket**2) / 4 / area


@pytest.mark.parametrize("seed", range(3))
def test_known_curvatures_pass(seed):
    for manifold, curvature in (
        (Euclidean(3), lambda point, a, b: 0.0),
        (Sphere(4), lambda point, a, b: 1.0),
        (PoincareBall(3), lambda point, a, b: -1.0),
        (POSITIVE, on_positive_matrices),
    ):
        report = check_curvature(manifold, curvature, rng=seed)
        assert all(finding.passed for finding in report)


@pytest.mark.parametrize(
    "manifold", [FixedRank(3, 2, 1, depth=depth) for depth in DEPTHS], ids=name
)
def test_that_of_cones_passes(manifold):
    for seed in range(3):
        report = check_curvature(manifold, rng=seed, trials=2)
        assert all(finding.passed for finding in report)


@pytest.mark.parametrize("depth", [1, 3.5])
def test_that_of_fixed_rank_passes(depth):
    manifold = FixedRank(3, 3, 2, depth=depth)
    point = manifold.random_point(rng=0)._replace(s=np.array([2.0, 0.8]))
    report = check_curvature(manifold, point=point, rng=0)
    assert all(finding.passed for finding in report)
    assert abs(report["K by distances"].measured) > 100 * report["K by distances"].tolerance


def test_others_fail():
    report = failure(
        check_curvature, POSITIVE, lambda *args: 2 * on_positive_matrices(*args), rng=0
    )
    assert failed(report) == ["K by distances"]
    assert report["K by distances"].hint == "K is off by a factor 2.000"
    report = failure(check_curvature, Sphere(4), lambda point, a, b: a @ a * (b @ b), rng=0)
    assert failed(report) == ["K of other vectors of the same plane"]
    # Right where a and b are orthonormal, which is not enough.
    assert "squared area" in str(report)


def test_what_is_missing():
    with pytest.raises(TypeError, match="has no sectional_curvature: give one"):
        check_curvature(Sphere(4))
    for given in (3, 0):
        with pytest.raises(TypeError, match="sectional_curvature must be callable, got int"):
            check_curvature(FixedRank(3, 2, 1, depth=2), given)
    with pytest.raises(TypeError, match="needs exp and dist"):
        check_curvature(FixedRankEmbedded(4, 3, 2), lambda point, a, b: 0.0, rng=0)
    with pytest.raises(ValueError, match="has the dimension 1, and no planes"):
        check_curvature(Sphere(2), lambda point, a, b: 0.0, rng=0)
    with pytest.raises(ValueError, match="longest_step must be a positive number"):
        check_curvature(Sphere(4), lambda point, a, b: 0.0, longest_step=0)
