"""check_gradient passes on right gradients, and catches wrong ones."""

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymanopt.manifolds import Euclidean, Sphere

from fixedrank import FixedRank, FixedRankTangentVector
from fixedrank.testing import check_gradient, manifolds, points, tangent_vectors
from tests.strategies import seeds
from tests.testing.problems import (
    DEPTHS,
    EVERYWHERE,
    FIXED_RANK,
    cost_on,
    failed,
    failure,
    name,
    problem_on,
    right_gradient,
)

SLOPE = "slope of the error of the first-order model"
DERIVATIVE = "g(grad f, Z)"


@pytest.mark.parametrize("manifold", EVERYWHERE, ids=name)
def test_right_gradients_pass(manifold):
    for seed in range(2):
        report = check_gradient(problem_on(manifold), rng=seed)
        assert report.conclusive
        assert report.seed == seed
        assert report[SLOPE].measured == pytest.approx(2, abs=0.1)
        finding = report[DERIVATIVE]
        assert finding.measured == pytest.approx(finding.expected, abs=finding.tolerance)


@settings(max_examples=20)
@given(data=st.data(), manifold=manifolds(max_size=5), seed=seeds)
def test_right_gradients_pass_anywhere(data, manifold, seed):
    point = data.draw(points(manifold, low=1e-3, high=1e3))
    direction = data.draw(st.none() | tangent_vectors(manifold, point))
    if direction is not None and not manifold.norm(point, direction) > 0:
        direction = None
    target = np.random.default_rng(seed).standard_normal((manifold.m, manifold.n))

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        return anp.sum(((u * s) @ vt - target) ** 2) / 2

    problem = pymanopt.Problem(manifold, cost)
    check_gradient(problem, point=point, direction=direction, rng=seed)


@pytest.mark.parametrize("factor", [2, 0.5, -1, 1.01])
@pytest.mark.parametrize("manifold", [Sphere(5), *FIXED_RANK], ids=name)
def test_a_wrong_factor_is_named(manifold, factor):
    gradient = right_gradient(manifold)
    problem = problem_on(manifold, riemannian_gradient=lambda *p: factor * gradient(*p))
    report = failure(check_gradient, problem, rng=0)
    assert failed(report) == [SLOPE, DERIVATIVE]
    assert report[SLOPE].measured == pytest.approx(1, abs=0.1)
    finding = report[DERIVATIVE]
    assert finding.measured == pytest.approx(factor * finding.expected, rel=1e-6)
    expected = "the wrong sign" if factor == -1 else f"a factor {factor:.3f}"
    assert expected in str(report)


def test_small_errors_are_caught_by_the_derivative():
    manifold = FixedRank(5, 4, 2, depth=3)
    gradient = right_gradient(manifold)
    wrong = problem_on(manifold, riemannian_gradient=lambda *p: (1 + 1e-4) * gradient(*p))
    assert DERIVATIVE in failed(failure(check_gradient, wrong, rng=0))


@pytest.mark.parametrize("depth", DEPTHS[1:])
def test_the_euclidean_gradient_is_not_riemannian(depth):
    manifold = FixedRank(5, 4, 2, depth=depth)
    embedded = right_gradient(FixedRank(5, 4, 2, depth=1))
    report = failure(check_gradient, problem_on(manifold, riemannian_gradient=embedded), rng=0)
    assert failed(report) == [SLOPE, DERIVATIVE]
    assert "the gradient in the Euclidean metric" in str(report)


def test_the_gradient_of_another_depth():
    other = right_gradient(FixedRank(5, 4, 2, depth=3))
    problem = problem_on(FixedRank(5, 4, 2, depth=2), riemannian_gradient=other)
    report = failure(check_gradient, problem, rng=0)
    assert failed(report) == [SLOPE, DERIVATIVE]
    assert "another metric" in str(report)


@pytest.mark.parametrize("part", range(3))
def test_a_mistake_in_one_part_only(part):
    manifold = FixedRank(5, 4, 2, depth=2)
    gradient = right_gradient(manifold)

    def wrong(*point):
        parts = list(gradient(*point))
        parts[part] = 2 * parts[part]
        return FixedRankTangentVector(*parts)

    report = failure(check_gradient, problem_on(manifold, riemannian_gradient=wrong), rng=0)
    assert failed(report) == [SLOPE, DERIVATIVE]


def test_a_gradient_that_is_not_tangent():
    sphere = Sphere(5)
    gradient = right_gradient(sphere)
    problem = problem_on(sphere, riemannian_gradient=lambda x: gradient(x) + x)
    report = failure(check_gradient, problem, rng=0)
    assert failed(report) == ["part of grad f that is not tangent"]
    assert "project grad f to the tangent space" in str(report)


def test_a_gradient_that_is_not_finite():
    sphere = Sphere(5)
    report = failure(
        check_gradient, problem_on(sphere, riemannian_gradient=lambda x: x * np.nan), rng=0
    )
    assert failed(report) == ["entries of grad f that are NaN or infinite"]
    assert report.findings[-1].measured == 5


def test_a_gradient_of_a_wrong_shape():
    sphere = Sphere(5)
    problem = problem_on(sphere, riemannian_gradient=lambda x: x[:, None])
    report = failure(check_gradient, problem, rng=0)
    assert failed(report) == ["parts of grad f with a wrong shape"]
    assert "(5,), got (5, 1)" in str(report)


def test_a_cost_that_is_not_a_number():
    sphere = Sphere(5)
    plain = pymanopt.function.numpy(sphere)
    problem = pymanopt.Problem(
        sphere, plain(lambda x: np.nan), riemannian_gradient=plain(lambda x: 0 * x)
    )
    report = failure(check_gradient, problem, rng=0)
    assert failed(report) == ["costs at the point that are NaN or infinite"]
    assert "the cost is nan" in str(report)


@pytest.mark.parametrize("value", [np.ones(2), 1j, "1", None])
def test_a_cost_that_is_no_real_number(value):
    sphere = Sphere(5)
    plain = pymanopt.function.numpy(sphere)
    problem = pymanopt.Problem(
        sphere, plain(lambda x: value), riemannian_gradient=plain(lambda x: 0 * x)
    )
    with pytest.raises(TypeError, match="the cost must be a real number"):
        check_gradient(problem, rng=0)


# What a slope alone would misjudge


@pytest.mark.parametrize("offset", [0, 1e3, 1e6])
def test_constant_and_linear_costs(offset):
    space = Euclidean(3)
    plain = pymanopt.function.numpy(space)
    for slope in (0.0, 1.0):
        problem = pymanopt.Problem(
            space,
            plain(lambda x, slope=slope: offset + slope * x.sum()),
            riemannian_gradient=plain(lambda x, slope=slope: slope * np.ones(3)),
        )
        report = check_gradient(problem, rng=0)
        assert report.conclusive
        assert report[SLOPE].measured == np.inf


@pytest.mark.parametrize("factor", [1.0, 0.9])
def test_costs_in_single_precision(factor):
    space = Euclidean(3)
    plain = pymanopt.function.numpy(space)
    problem = pymanopt.Problem(
        space,
        plain(lambda x: float(np.sum(np.exp(x.astype(np.float32))))),
        riemannian_gradient=plain(lambda x: factor * np.exp(x)),
    )
    if factor == 1:
        assert check_gradient(problem, rng=0).passed
    else:
        assert failed(failure(check_gradient, problem, rng=0)) == [SLOPE, DERIVATIVE]


@pytest.mark.parametrize("power", [1, 1.5])
@pytest.mark.parametrize("slope", [0, 1])
def test_a_kink(power, slope):
    # Central differences see nothing of it.
    space = Euclidean(3)
    plain = pymanopt.function.numpy(space)
    problem = pymanopt.Problem(
        space,
        plain(lambda x: np.sum(np.abs(x) ** power) + slope * x.sum()),
        riemannian_gradient=plain(lambda x: power * np.abs(x) ** (power - 1) * np.sign(x) + slope),
    )
    assert check_gradient(problem, point=np.array([1.0, 2.0, 3.0]), rng=0).conclusive
    report = failure(check_gradient, problem, point=np.zeros(3), direction=np.ones(3), rng=0)
    assert failed(report) == [SLOPE]
    assert report[SLOPE].measured == pytest.approx(power)
    assert "is the cost twice differentiable" in str(report)


@pytest.mark.parametrize("scale", [1e-6, 1e-9])
def test_costs_that_are_curved_on_a_small_scale(scale):
    # Of first order over most steps; the rest is enough, or else the derivative has to do.
    space = Euclidean(1)
    plain = pymanopt.function.numpy(space)
    for factor in (1.0, 1.01):
        problem = pymanopt.Problem(
            space,
            plain(lambda x: np.sum(np.sqrt(x**2 + scale**2) + x)),
            riemannian_gradient=plain(
                lambda x, factor=factor: factor * (x / np.sqrt(x**2 + scale**2) + 1)
            ),
        )
        place = {"point": np.zeros(1), "direction": np.ones(1), "rng": 0}
        if factor != 1:
            assert DERIVATIVE in failed(failure(check_gradient, problem, **place))
            continue
        report = check_gradient(problem, **place)
        assert report[DERIVATIVE].passed
        if scale == 1e-6:
            assert report[SLOPE].measured == pytest.approx(2, abs=0.1)
        else:
            assert not report[SLOPE].decided
            assert report[SLOPE].measured == pytest.approx(1, abs=0.1)


def test_a_cost_of_noise_is_not_judged():
    space = Euclidean(3)
    plain = pymanopt.function.numpy(space)
    noise = np.random.default_rng(0)
    problem = pymanopt.Problem(
        space,
        plain(lambda x: noise.standard_normal()),
        riemannian_gradient=plain(lambda x: np.ones(3)),
    )
    report = failure(check_gradient, problem, rng=0)
    assert failed(report) == ["measurements above the round-off"]
    assert "nothing can be said here" in str(report)


def test_steps_that_leave_the_domain_are_left_out():
    space = Euclidean(3)
    plain = pymanopt.function.numpy(space)

    def cost(x):
        if not (x > 0).all():
            raise ValueError("a logarithm of a negative number")
        return np.log(x).sum()

    problem = pymanopt.Problem(space, plain(cost), riemannian_gradient=plain(lambda x: 1 / x))
    report = check_gradient(problem, point=np.full(3, 1e-3), rng=0)
    assert report.conclusive
    assert any("a logarithm of a negative number" in note for note in report.notes)
    with pytest.raises(ValueError, match="a logarithm of a negative number"):
        check_gradient(problem, point=np.full(3, -1.0), rng=0)


def test_a_retraction_of_ones_own():
    sphere = Sphere(5)
    problem = problem_on(sphere)
    assert check_gradient(problem, retraction=sphere.exp, rng=0).passed
    report = failure(check_gradient, problem, retraction=lambda p, Z: sphere.exp(p, 2 * Z), rng=0)
    assert failed(report) == [SLOPE, DERIVATIVE]


def test_every_length_of_a_direction_serves():
    manifold = FixedRank(5, 4, 2, depth=2)
    problem = problem_on(manifold)
    point = manifold.random_point(rng=0)
    Z = manifold.random_tangent_vector(point, rng=1)
    # By powers of two, so that the unit vector along Z is the same to the last digit.
    expected, *others = (
        check_gradient(problem, point=point, direction=scale * Z, rng=0)[DERIVATIVE].expected
        for scale in (1.0, 2.0**-66, 2.0**66)
    )
    assert others == [expected, expected]


def test_plain_tuples_serve_as_well():
    manifold = FixedRank(5, 4, 2, depth=2)
    point = tuple(manifold.random_point(rng=0))
    Z = tuple(manifold.random_tangent_vector(point, rng=1))
    assert check_gradient(problem_on(manifold), point=point, direction=Z, rng=0).passed


def test_the_cost_is_what_it_says():
    # Without this, all of the above could be about a constant.
    manifold = FixedRank(5, 4, 2, depth=2)
    cost = cost_on(manifold)
    assert cost(*manifold.random_point(rng=0)) != cost(*manifold.random_point(rng=1))
