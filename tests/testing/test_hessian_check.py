"""check_hessian passes on right Hessians, and catches wrong ones."""

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymanopt.manifolds import Elliptope, Euclidean, Product, Sphere

from fixedrank import FixedRank, FixedRankTangentVector
from fixedrank.testing import check_hessian, manifolds, points
from tests.strategies import seeds
from tests.testing.problems import (
    DEPTHS,
    FIXED_RANK,
    FULL_RANK,
    PYMANOPT,
    failed,
    failure,
    name,
    problem_on,
    right_gradient,
    right_hessian,
)

SLOPE = "slope of the error of the second-order model"
DERIVATIVE = "g(Hess f[Z], Z)"


@pytest.mark.parametrize("manifold", [*PYMANOPT, *FIXED_RANK, FULL_RANK], ids=name)
def test_right_hessians_pass(manifold):
    for seed in range(2):
        report = check_hessian(problem_on(manifold), rng=seed)
        assert report.conclusive
        finding = report[DERIVATIVE]
        assert finding.measured == pytest.approx(finding.expected, abs=finding.tolerance)
        if np.isfinite(report[SLOPE].measured):
            assert report[SLOPE].measured > 2.75


@settings(max_examples=15)
@given(data=st.data(), manifold=manifolds(max_size=5), seed=seeds)
def test_right_hessians_pass_anywhere(data, manifold, seed):
    point = data.draw(points(manifold, low=1e-2, high=1e2))
    target = np.random.default_rng(seed).standard_normal((manifold.m, manifold.n))

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        return anp.sum(((u * s) @ vt - target) ** 2) / 2

    check_hessian(pymanopt.Problem(manifold, cost), point=point, rng=seed)


def test_along_geodesics():
    manifold = FixedRank(5, 4, 2, depth=2)
    report = check_hessian(problem_on(manifold), retraction=manifold.exp, longest_step=0.1, rng=0)
    assert report.conclusive
    assert report[SLOPE].measured == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("factor", [2, -1, 1.01])
@pytest.mark.parametrize("manifold", [Sphere(5), *FIXED_RANK], ids=name)
def test_a_wrong_factor_is_named(manifold, factor):
    hessian = right_hessian(manifold)
    problem = problem_on(manifold, riemannian_hessian=lambda *p: factor * hessian(*p))
    report = failure(check_hessian, problem, rng=0)
    assert failed(report) == [SLOPE, DERIVATIVE]
    assert report[SLOPE].measured == pytest.approx(2, abs=0.1)
    expected = "the wrong sign" if factor == -1 else f"a factor {factor:.3f}"
    assert expected in str(report)


def embedded_hessian(manifold):
    """The operator A on the Hessian of the embedded metric: what a change of metric forgets."""
    hessian = right_hessian(FixedRank(manifold.m, manifold.n, manifold.k, depth=1))
    return lambda *arrays: manifold.operator(arrays[:3]).apply(hessian(*arrays))


def projected_derivative(manifold):
    """The projected derivative of the gradient, by differences."""
    gradient = right_gradient(manifold)

    def hessian(*arrays):
        point, vector = arrays[:3], FixedRankTangentVector(*arrays[3:])
        sides = [manifold.retraction(point, h * vector) for h in (1e-5, -1e-5)]
        moved = [manifold.transport(side, point, gradient(*side)) for side in sides]
        return (moved[0] - moved[1]) / 2e-5

    return hessian


@pytest.mark.parametrize("depth", DEPTHS[1:])
def test_the_christoffel_term_forgotten(depth):
    manifold = FixedRank(5, 4, 2, depth=depth)
    problem = problem_on(manifold, riemannian_hessian=embedded_hessian(manifold))
    report = failure(check_hessian, problem, rng=0)
    assert failed(report) == [SLOPE, DERIVATIVE]
    assert "without -g(grad f, christoffel(W, Z, Z))" in str(report)


@pytest.mark.parametrize("depth", DEPTHS[1:])
def test_the_projected_derivative_of_the_gradient(depth):
    manifold = FixedRank(5, 4, 2, depth=depth)
    problem = problem_on(manifold, riemannian_hessian=projected_derivative(manifold))
    report = failure(check_hessian, problem, rng=0)
    assert failed(report) == ["asymmetry of Hess f", SLOPE, DERIVATIVE]
    assert "the Christoffel term, christoffel(W, Z, grad f), is missing" in str(report)


def test_the_curvature_of_the_sphere_forgotten():
    sphere = Sphere(5)
    problem = problem_on(sphere)
    wrong = problem_on(
        sphere,
        riemannian_hessian=lambda x, Z: sphere.projection(x, problem.euclidean_hessian(x, Z)),
    )
    report = failure(check_hessian, wrong, rng=0)
    assert failed(report) == [SLOPE, DERIVATIVE]
    assert "curvature of the manifold" in str(report)


@pytest.mark.parametrize("manifold", [Sphere(5), FixedRank(5, 4, 2, depth=2)], ids=name)
def test_a_hessian_that_is_not_self_adjoint(manifold):
    hessian, gradient = right_hessian(manifold), right_gradient(manifold)

    def skew(*arrays):
        # a <b, Z> - b <a, Z> does not change the quadratic form.
        half = len(arrays) // 2
        point, vector = arrays[:half], arrays[half:]
        if half == 1:
            (point,), (vector,) = point, vector
        a = gradient(*arrays[:half])
        b = hessian(*arrays[:half], *(a if half > 1 else (a,)))
        product = manifold.inner_product
        turned = product(point, b, vector) * a - product(point, a, vector) * b
        return hessian(*arrays) + turned * (1e-3 / manifold.norm(point, a))

    report = failure(check_hessian, problem_on(manifold, riemannian_hessian=skew), rng=0)
    assert failed(report) == ["asymmetry of Hess f"]


def test_a_hessian_that_is_not_linear():
    sphere = Sphere(5)
    hessian = right_hessian(sphere)
    problem = problem_on(sphere, riemannian_hessian=lambda x, Z: np.linalg.norm(Z) * hessian(x, Z))
    report = failure(check_hessian, problem, rng=0)
    assert "defect of linearity of Hess f" in failed(report)


def test_a_hessian_that_is_not_tangent():
    sphere = Sphere(5)
    hessian = right_hessian(sphere)
    problem = problem_on(sphere, riemannian_hessian=lambda x, Z: hessian(x, Z) + (x**2 @ Z) * x)
    report = failure(check_hessian, problem, rng=0)
    assert failed(report) == ["part of Hess f[Z] that is not tangent"]


def test_a_wrong_gradient_is_told_apart():
    sphere = Sphere(5)
    gradient, hessian = right_gradient(sphere), right_hessian(sphere)
    problem = problem_on(
        sphere, riemannian_gradient=lambda x: 2 * gradient(x), riemannian_hessian=hessian
    )
    report = failure(check_hessian, problem, rng=0)
    assert failed(report) == ["slope of the error of the first-order model", "g(grad f, Z)"]
    assert any("was not judged" in note for note in report.notes)


def test_differences_of_a_point_have_its_round_off():
    # The round-off of 0.1 + t and of 0.1 - t is the same, so that the sum of both shows nothing.
    space = Euclidean(1)
    plain = pymanopt.function.numpy(space)
    for factor in (1, 0.9):
        problem = pymanopt.Problem(
            space,
            plain(lambda x: np.sum((x - 0.1) + (x - 0.1) ** 2)),
            riemannian_gradient=plain(lambda x: 1 + 2 * (x - 0.1)),
            riemannian_hessian=plain(lambda x, Z, factor=factor: 2 * factor * Z),
        )
        place = {"point": np.array([0.1]), "longest_step": 1 / 3, "rng": 0}
        if factor == 1:
            assert check_hessian(problem, **place).conclusive
        else:
            assert DERIVATIVE in failed(failure(check_hessian, problem, **place))


# Curves that are known to first order only


class Bent(Euclidean):
    """Euclidean space without geodesics, and a retraction that bends."""

    def exp(self, point, tangent_vector):
        raise NotImplementedError

    def retraction(self, point, tangent_vector):
        return point + tangent_vector + tangent_vector**2


def bowl(target, factor=1.0):
    manifold = Bent(3)
    plain = pymanopt.function.numpy(manifold)
    return pymanopt.Problem(
        manifold,
        plain(lambda x: np.sum((x - target) ** 2) / 2),
        riemannian_gradient=plain(lambda x: x - target),
        riemannian_hessian=plain(lambda x, Z: factor * Z),
    )


def test_a_retraction_that_is_called_exp_is_none():
    # pymanopt's mixin does that, with a warning.
    for manifold in (Elliptope(4, 2), Product([Elliptope(4, 2), Sphere(3)])):
        plain = pymanopt.function.numpy(manifold)
        problem = pymanopt.Problem(
            manifold,
            plain(lambda *x: 1.0),
            riemannian_gradient=plain(lambda *x: 0 * x[0] if len(x) == 1 else [0 * y for y in x]),
            riemannian_hessian=plain(
                lambda *x: 0 * x[0] if len(x) == 2 else [0 * y for y in x[:2]]
            ),
        )
        report = check_hessian(problem, rng=0)
        assert "along the curve of retraction" in str(report)


def test_a_first_order_curve_leaves_it_open():
    report = check_hessian(bowl(np.ones(3)), point=np.zeros(3), rng=0)
    assert report.passed
    assert not report.conclusive
    assert "is left open" in str(report)
    assert [f.name for f in report if not f.decided] == [SLOPE, DERIVATIVE]


def test_a_first_order_curve_decides_at_critical_points():
    assert check_hessian(bowl(np.zeros(3)), point=np.zeros(3), rng=0).conclusive
    report = failure(check_hessian, bowl(np.zeros(3), factor=2.0), point=np.zeros(3), rng=0)
    assert failed(report) == [SLOPE, DERIVATIVE]


def test_a_first_order_curve_that_fits_is_conclusive():
    class Straight(Bent):
        def retraction(self, point, tangent_vector):
            return point + tangent_vector

    manifold = Straight(3)
    assert check_hessian(problem_on(manifold), rng=0).conclusive


def test_what_is_called_second_order_is_taken_for_it():
    manifold = Bent(3)
    problem = problem_on(manifold)
    good = check_hessian(problem, retraction=lambda p, Z: p + Z + Z**3, rng=0)
    assert good.conclusive
    assert failed(failure(check_hessian, problem, retraction=manifold.retraction, rng=0))
