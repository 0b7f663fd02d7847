"""check_self_adjoint and check_positive_definite pass on right operators, and catch others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymanopt.manifolds import HermitianPositiveDefinite, Sphere

from fixedrank import FixedRank, FixedRankTangentVector
from fixedrank.testing import (
    check_positive_definite,
    check_self_adjoint,
    frobenius_inner_product,
    manifolds,
    points,
)
from tests.strategies import seeds
from tests.testing.problems import DEPTHS, EVERYWHERE, FULL_RANK, failed, failure, name

MANIFOLD = FixedRank(5, 4, 2, depth=3)
EIGENVALUE = "smallest eigenvalue"
QUOTIENT = "smallest quotient <A(Z), Z> / <Z, Z>"


def depth_operator(manifold):
    return lambda point, Z: manifold.operator(point).apply(Z)


@pytest.mark.parametrize("manifold", EVERYWHERE, ids=name)
def test_multiples_of_the_identity_pass(manifold):
    def twice(point, Z):
        return Z + Z

    assert check_self_adjoint(manifold, twice, rng=0).passed
    report = check_positive_definite(manifold, twice, rng=0)
    assert report[EIGENVALUE].measured == pytest.approx(2, rel=1e-12)


@pytest.mark.parametrize("product", [None, frobenius_inner_product])
@settings(max_examples=20)
@given(data=st.data(), manifold=manifolds(max_size=4, depths=[1, 2, 2.5, 3, 5, 20]), seed=seeds)
def test_the_depth_operator_passes_anywhere(product, data, manifold, seed):
    point = data.draw(points(manifold, low=1e-9, high=1e4))
    A = depth_operator(manifold)
    place = {"point": point, "inner_product": product, "rng": seed}
    check_self_adjoint(manifold, A, **place)
    smallest = check_positive_definite(manifold, A, **place)[EIGENVALUE].measured
    exact = manifold.operator(point).eigenvalues()
    assert smallest == pytest.approx(exact[0], rel=1e-6, abs=1e-12 * exact[-1])


@pytest.mark.parametrize("depth", DEPTHS)
def test_its_inverse_passes(depth):
    manifold = FixedRank(5, 4, 2, depth=depth)
    for check in (check_self_adjoint, check_positive_definite):
        assert check(manifold, lambda point, Z: manifold.operator(point).solve(Z), rng=0).passed


# Not self-adjoint


def added_up(point, Z):
    return Z._replace(M=Z.M.cumsum(axis=1))


def weighted_by_rows(point, Z):
    # Self-adjoint for the Frobenius inner product only: the metric weighs columns of Up.
    return Z._replace(Up=Z.Up @ np.ones((2, 2)))


@pytest.mark.parametrize("product", [None, frobenius_inner_product])
def test_an_operator_that_is_not_self_adjoint(product):
    report = failure(check_self_adjoint, MANIFOLD, added_up, inner_product=product, rng=0)
    assert failed(report) == ["asymmetry of A"]


def test_an_operator_that_is_self_adjoint_elsewhere():
    check_self_adjoint(MANIFOLD, weighted_by_rows, inner_product=frobenius_inner_product, rng=0)
    report = failure(check_self_adjoint, MANIFOLD, weighted_by_rows, rng=0)
    assert failed(report) == ["asymmetry of A"]
    assert "did you want inner_product=frobenius_inner_product?" in str(report)


def test_a_small_asymmetry():
    def nearly(point, Z):
        return Z + 1e-7 * added_up(point, Z)

    assert failed(failure(check_self_adjoint, MANIFOLD, nearly, rng=0)) == ["asymmetry of A"]
    assert check_self_adjoint(MANIFOLD, nearly, rng=0, rtol=1e-5).passed


def test_an_operator_that_is_not_linear():
    def scaled(point, Z):
        return MANIFOLD.norm(point, Z) * Z

    report = failure(check_self_adjoint, MANIFOLD, scaled, rng=0)
    assert "defect of linearity of A" in failed(report)


def test_an_operator_whose_images_are_not_tangent():
    def drifting(point, Z):
        return Z._replace(Up=Z.Up + point.u @ Z.M)

    report = failure(check_self_adjoint, MANIFOLD, drifting, rng=0)
    assert "part of A(Z) that is not tangent" in failed(report)


@pytest.mark.parametrize("check", [check_self_adjoint, check_positive_definite])
def test_images_that_are_no_vectors(check):
    report = failure(check, MANIFOLD, lambda point, Z: Z * np.nan, rng=0)
    assert failed(report) == ["entries of A(Z) that are NaN or infinite"]
    for wrong in (lambda point, Z: Z.M, lambda point, Z: (Z.Up, Z.M, Z.Vp.T)):
        report = failure(check, MANIFOLD, wrong, rng=0)
        assert failed(report) == ["parts of A(Z) with a wrong shape"]
        assert "arrays of shapes (5, 2), (2, 2), (4, 2)" in str(report)


# Not positive definite


@pytest.mark.parametrize("product", [None, frobenius_inner_product])
@pytest.mark.parametrize("value", [-1.0, -1e-3, -1e-9])
def test_one_negative_direction_is_found(value, product):
    def indefinite(point, Z):
        core = Z.M.copy()
        core[0, 0] *= value
        return Z._replace(M=core)

    report = failure(check_positive_definite, MANIFOLD, indefinite, inner_product=product, rng=0)
    assert failed(report) == [EIGENVALUE]
    assert report[EIGENVALUE].measured == pytest.approx(value, rel=1e-5)
    assert "not positive definite" in str(report)


@pytest.mark.parametrize("low", [1.0, 1e-4, 1e-9])
@pytest.mark.parametrize("product", [None, frobenius_inner_product])
def test_a_negative_direction_among_large_values(product, low):
    point = MANIFOLD.random_point(rng=0)._replace(s=np.array([1e4, low]))
    A = MANIFOLD.operator(point)

    def indefinite(point, Z):
        image = A.apply(Z)
        core = image.M.copy()
        core[1, 1] *= -1
        return image._replace(M=core)

    report = failure(
        check_positive_definite, MANIFOLD, indefinite, point=point, inner_product=product, rng=0
    )
    assert failed(report) == [EIGENVALUE]


@pytest.mark.parametrize("product", [None, frobenius_inner_product])
def test_eigenvalues_far_below_the_round_off_of_others(product):
    manifold = FixedRank(5, 4, 3, depth=1000)
    point = manifold.random_point(rng=0)._replace(s=np.array([1e6, 1.0, 1e-4]))
    A = manifold.operator(point)
    exact = A.eigenvalues()
    assert exact[0] < 1e-22 * exact[-1]

    def indefinite(point, Z):
        image = A.apply(Z)
        core = image.M.copy()
        core[2, 2] *= -1
        return image._replace(M=core)

    place = {"point": point, "inner_product": product, "rng": 0}
    report = check_positive_definite(manifold, lambda point, Z: A.apply(Z), **place)
    assert exact[0] * (1 - 1e-6) < report[EIGENVALUE].measured < 100 * exact[0]
    assert failed(failure(check_positive_definite, manifold, indefinite, **place)) == [EIGENVALUE]


@pytest.mark.parametrize("product", [None, frobenius_inner_product])
@pytest.mark.parametrize("part", range(3))
def test_a_singular_operator(part, product):
    def truncated(point, Z):
        parts = list(Z)
        parts[part] = 0 * parts[part]
        return FixedRankTangentVector(*parts)

    report = failure(check_positive_definite, MANIFOLD, truncated, inner_product=product, rng=0)
    assert failed(report) == [EIGENVALUE]
    assert "singular, to round-off" in str(report)


def test_large_manifolds_are_tried_at_random():
    manifold = FixedRank(30, 20, 5, depth=2)
    assert manifold.dim > 200
    report = check_positive_definite(manifold, depth_operator(manifold), rng=0)
    assert report[QUOTIENT].measured > 0
    assert "random vectors were tried" in str(report)
    report = failure(check_positive_definite, manifold, lambda point, Z: -Z, rng=0)
    assert failed(report) == [QUOTIENT]
    report = failure(check_positive_definite, manifold, lambda point, Z: 0 * Z, rng=0)
    assert "singular" in str(report)
    small = check_positive_definite(MANIFOLD, depth_operator(MANIFOLD), largest_dimension=10, rng=0)
    assert small[QUOTIENT].measured > 0


def test_a_dimension_that_is_too_large():
    # pymanopt says that Hermitian 3x3 matrices have 12 dimensions.
    manifold = HermitianPositiveDefinite(3)
    report = check_positive_definite(manifold, lambda point, Z: Z, rng=0)
    assert "a basis of 9 vectors" in str(report)


def test_a_symmetric_part_is_what_counts():
    # x -> x + (a skew map of x) is positive definite, though not self-adjoint.
    sphere = Sphere(3)

    def turned(x, Z):
        return Z + 5 * np.cross(x, Z)

    report = check_positive_definite(sphere, turned, rng=0)
    assert report[EIGENVALUE].measured == pytest.approx(1)
    assert failed(failure(check_self_adjoint, sphere, turned, rng=0)) == ["asymmetry of A"]


def test_an_inner_product_that_is_not_finite():
    with pytest.raises(ValueError, match="the inner product must be a finite number, got nan"):
        check_self_adjoint(
            FULL_RANK, lambda point, Z: Z, inner_product=lambda p, a, b: np.nan, rng=0
        )
