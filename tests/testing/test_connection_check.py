"""check_connection passes on Levi-Civita connections, and catches others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymanopt.manifolds import (
    Euclidean,
    FixedRankEmbedded,
    Grassmann,
    Product,
    Sphere,
    Stiefel,
    SymmetricPositiveDefinite,
)

from fixedrank import FixedRank
from fixedrank.testing import check_connection, manifolds, points
from tests.strategies import seeds
from tests.testing.problems import DEPTHS, FIXED_RANK, FULL_RANK, failed, failure, name
from tests.testing.test_retraction_check import Pairs

METRIC = "g(Gamma(X, a), b) + g(a, Gamma(X, b))"
TORSION = "asymmetry Gamma(a, b) - Gamma(b, a)"
BILINEAR = "defect of bilinearity"


@pytest.mark.parametrize(
    "manifold",
    [
        Euclidean(3, 2),
        Sphere(5),
        Stiefel(5, 2),
        Grassmann(5, 2),
        FixedRankEmbedded(5, 4, 2),
        Product([Sphere(3), Euclidean(2)]),
    ],
    ids=name,
)
def test_projections_make_the_connection_of_submanifolds(manifold):
    for seed in range(2):
        report = check_connection(manifold, rng=seed)
        assert "it is zero" in str(report)


@pytest.mark.parametrize("manifold", [*FIXED_RANK, FULL_RANK], ids=name)
def test_the_christoffel_term_of_fixed_rank_passes(manifold):
    for seed in range(2):
        report = check_connection(manifold, rng=seed)
        measured = [finding for finding in report if finding.name == METRIC]
        assert len(measured) == 3
        if manifold.depth > 1:
            assert all(abs(finding.measured) > 1e3 * finding.tolerance for finding in measured)


@settings(max_examples=15)
@given(data=st.data(), manifold=manifolds(max_size=5), seed=seeds)
def test_the_christoffel_term_passes_anywhere(data, manifold, seed):
    point = data.draw(points(manifold, low=1e-2, high=1e2))
    check_connection(manifold, point=point, rng=seed)


SPD = SymmetricPositiveDefinite(3)


def spd_term(P, a, b):
    return -(a @ np.linalg.solve(P, b) + b @ np.linalg.solve(P, a)) / 2


def test_the_affine_invariant_metric():
    assert check_connection(SPD, spd_term, rng=0).passed
    assert METRIC in failed(failure(check_connection, SPD, rng=0))


@pytest.mark.parametrize("factor", [-1, 0.5, 2, 1.001])
@pytest.mark.parametrize("depth", DEPTHS[1:])
def test_a_wrong_factor_is_named(depth, factor):
    manifold = FixedRank(5, 4, 2, depth=depth)
    report = failure(
        check_connection, manifold, lambda p, a, b: factor * manifold.christoffel(p, a, b), rng=0
    )
    assert failed(report) == [METRIC] * 3
    expected = "the wrong sign" if factor == -1 else f"a factor {factor:.3f}"
    assert expected in str(report)


@pytest.mark.parametrize("depth", DEPTHS[1:])
def test_no_term_at_all(depth):
    manifold = FixedRank(5, 4, 2, depth=depth)
    report = failure(check_connection, manifold, lambda p, a, b: 0 * a, rng=0)
    assert failed(report) == [METRIC] * 3
    assert "Gamma is zero" in str(report)


def test_the_term_of_another_depth():
    other = FixedRank(5, 4, 2, depth=3)
    report = failure(check_connection, FixedRank(5, 4, 2, depth=2), other.christoffel, rng=0)
    assert failed(report) == [METRIC] * 3
    assert "another metric" in str(report)


def test_torsion_that_keeps_the_metric():
    # omega(a) J b, with J the quarter turn in the tangent plane, is skew in b.
    omega = np.array([1.0, 2.0, 3.0])
    report = failure(
        check_connection, Sphere(3), lambda x, a, b: (omega @ a) * np.cross(x, b), rng=0
    )
    assert failed(report) == [TORSION]


def test_a_symmetric_term_that_does_not_keep_the_metric():
    report = failure(
        check_connection, Sphere(3), lambda x, a, b: (a @ b) * (np.ones(3) - x.sum() * x), rng=0
    )
    assert failed(report) == [METRIC] * 3


def test_one_slot_only():
    manifold = FixedRank(5, 4, 2, depth=2)

    def lopsided(point, a, b):
        return manifold.christoffel(point, a, b) + 1e-3 * manifold.inner_product(point, a, a) * b

    report = failure(check_connection, manifold, lopsided, rng=0)
    assert TORSION in failed(report)
    assert BILINEAR in failed(report)


def test_a_term_that_is_not_tangent():
    report = failure(check_connection, Sphere(3), lambda x, a, b: -(a @ b) * x, rng=0)
    assert failed(report) == ["part of Gamma(a, b) that is not tangent"]


def test_a_term_that_is_no_vector():
    report = failure(check_connection, Sphere(3), lambda x, a, b: a @ b, rng=0)
    assert failed(report) == ["parts of Gamma(a, b) with a wrong shape"]


def test_a_manifold_without_transport():
    with pytest.raises(TypeError, match="needs a transport"):
        check_connection(Pairs(), rng=0)
