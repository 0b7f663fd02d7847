"""What the checks and strategies say to arguments that they cannot take."""

import subprocess
import sys

import numpy as np
import pymanopt
import pytest
from pymanopt.manifolds import FixedRankEmbedded, Sphere

import fixedrank.testing
from fixedrank import FixedRank
from fixedrank.testing import (
    check_cone,
    check_connection,
    check_curvature,
    check_gradient,
    check_hessian,
    check_parallel_transport,
    check_positive_definite,
    check_retraction,
    check_root_bounds,
    check_self_adjoint,
    frobenius_inner_product,
    manifolds,
    points,
    tangent_vectors,
)
from tests.testing.problems import problem_on

MANIFOLD = FixedRank(5, 4, 2, depth=2)
PROBLEM = problem_on(MANIFOLD)
POINT = MANIFOLD.random_point(rng=0)
Z = MANIFOLD.random_tangent_vector(POINT, rng=1)


def same(point, vector):
    return vector


CHECKS = {
    "gradient": lambda **options: check_gradient(PROBLEM, **options),
    "hessian": lambda **options: check_hessian(PROBLEM, **options),
    "retraction": lambda **options: check_retraction(MANIFOLD, **options),
    "connection": lambda **options: check_connection(MANIFOLD, **options),
    "curvature": lambda **options: check_curvature(MANIFOLD, **options),
    "parallel transport": lambda **options: check_parallel_transport(MANIFOLD, **options),
    "self adjoint": lambda **options: check_self_adjoint(MANIFOLD, same, **options),
    "cone": lambda **options: check_cone(MANIFOLD, **options),
    "root bounds": lambda **options: check_root_bounds(MANIFOLD, **options),
    "positive": lambda **options: check_positive_definite(MANIFOLD, same, **options),
}
ALONG_CURVES = ("gradient", "hessian", "retraction")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"rng": "seed"}, TypeError, "rng must be .* got 'seed'"),
        ({"rng": -1}, TypeError, "a seed of at least 0"),
        ({"rng": True}, TypeError, "got True"),
        ({"rng": 1.5}, TypeError, "got 1.5"),
        ({"point": POINT.u}, TypeError, "3 parts are needed, got ndarray"),
        ({"point": POINT[:2]}, TypeError, r"\(5, 2\), \(2,\), \(2, 4\)"),
        ({"point": (POINT.u, POINT.s, POINT.vt.T)}, ValueError, r"got .*\(4, 2\)"),
        ({"point": (POINT.u, POINT.s * np.nan, POINT.vt)}, ValueError, "NaN or infinite"),
    ],
)
def test_arguments_of_all_checks(check, options, error, text):
    with pytest.raises(error, match=text):
        CHECKS[check](**options)


@pytest.mark.parametrize("check", ALONG_CURVES)
@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"direction": Z}, ValueError, "give that point as well"),
        ({"point": POINT, "direction": Z.M}, TypeError, "3 parts are needed"),
        ({"point": POINT, "direction": Z[:2]}, TypeError, "3 parts are needed"),
        ({"point": POINT, "direction": (Z.Up, Z.M, Z.Up)}, ValueError, r"\(4, 2\), got"),
        ({"point": POINT, "direction": 0 * Z}, ValueError, "must not be zero"),
        ({"point": POINT, "direction": np.inf * Z}, ValueError, "NaN or infinite"),
        ({"point": POINT, "direction": (Z.Up, "core", Z.Vp)}, (TypeError, ValueError), "shapes"),
        ({"longest_step": 0}, ValueError, "longest_step must be a positive number"),
        ({"longest_step": np.nan}, ValueError, "longest_step must be a positive number"),
        ({"rtol": -1}, ValueError, "rtol must be a positive number"),
        ({"retraction": 3}, TypeError, "retraction must be callable"),
    ],
)
def test_arguments_of_checks_along_curves(check, options, error, text):
    with pytest.raises(error, match=text):
        CHECKS[check](**options)


@pytest.mark.parametrize("check", [check_gradient, check_hessian])
@pytest.mark.parametrize("problem", [None, MANIFOLD, lambda x: x])
def test_what_is_no_problem(check, problem):
    with pytest.raises(TypeError, match=r"problem must be a pymanopt\.Problem"):
        check(problem)


@pytest.mark.parametrize("manifold", [None, PROBLEM, FixedRank])
def test_what_is_no_manifold(manifold):
    for call in (
        lambda: check_retraction(manifold),
        lambda: check_connection(manifold),
        lambda: check_curvature(manifold),
        lambda: check_cone(manifold),
        lambda: check_root_bounds(manifold),
        lambda: check_parallel_transport(manifold),
        lambda: check_self_adjoint(manifold, same),
        lambda: check_positive_definite(manifold, same),
    ):
        with pytest.raises(TypeError, match="manifold must be a pymanopt manifold"):
            call()


def test_a_manifold_of_no_dimension():
    with pytest.raises(ValueError, match="no tangent vectors but zero"):
        check_retraction(Sphere(1), rng=0)


@pytest.mark.parametrize("order", [0, 3, "2", None])
def test_orders(order):
    with pytest.raises(ValueError, match="order must be 1 or 2"):
        check_retraction(MANIFOLD, order=order)


@pytest.mark.parametrize("check", [check_self_adjoint, check_positive_definite])
def test_operators_and_inner_products(check):
    with pytest.raises(TypeError, match="operator must be callable, got ndarray"):
        check(MANIFOLD, np.eye(3))
    with pytest.raises(TypeError, match="operator must be callable, got NoneType"):
        check(MANIFOLD, None)
    with pytest.raises(TypeError, match="inner_product must be callable, got str"):
        check(MANIFOLD, same, inner_product="frobenius")
    with pytest.raises(TypeError, match="trials must be an integer"):
        check(MANIFOLD, same, trials=2.5)
    with pytest.raises(ValueError, match="trials must be at least 1"):
        check(MANIFOLD, same, trials=0)


def test_connections():
    with pytest.raises(TypeError, match="christoffel must be callable, got FixedRankTangentVector"):
        check_connection(MANIFOLD, Z)
    with pytest.raises(ValueError, match="trials must be at least 1"):
        check_connection(MANIFOLD, trials=0)
    with pytest.raises(ValueError, match="longest_step must be a positive number"):
        check_connection(MANIFOLD, longest_step=-1)


def test_cones_and_roots():
    for call, more in ((check_cone, {}), (check_root_bounds, {"depth": 2})):
        with pytest.raises(ValueError, match="trials must be at least 1"):
            call(MANIFOLD, trials=0)
        with pytest.raises(ValueError, match="longest_step must be a positive number"):
            call(MANIFOLD, longest_step=-1, **more)
        with pytest.raises(ValueError, match="rtol must be a positive number"):
            call(MANIFOLD, rtol=0, **more)
    with pytest.raises(TypeError, match="radius must be callable, got float"):
        check_cone(MANIFOLD, 1.0)
    with pytest.raises(TypeError, match="euler must be callable, got FixedRankTangentVector"):
        check_cone(MANIFOLD, euler=Z)
    for manifold in (Sphere(3), FixedRank(3, 3, 3, depth=np.inf), FixedRankEmbedded(4, 3, 2)):
        with pytest.raises(TypeError, match="give radius and euler"):
            check_cone(manifold)
    embedded = FixedRankEmbedded(4, 3, 2)
    with pytest.raises(TypeError, match="has no depth: give the depth N"):
        check_root_bounds(embedded)
    with pytest.raises(TypeError, match="has no dist"):
        check_root_bounds(embedded, depth=1)
    with pytest.raises(TypeError, match="has no exp"):
        check_cone(
            embedded,
            lambda p: np.linalg.norm(p[1]),
            lambda p: (0 * p[0], np.diag(p[1]), 0 * p[2].T),
        )
    with pytest.raises(ValueError, match="finite depth, got infinity"):
        check_root_bounds(FixedRank(3, 3, 3, depth=np.inf))
    with pytest.raises(ValueError, match="N >= 1"):
        check_root_bounds(MANIFOLD, depth=0.5)


def test_the_inner_product_of_unlike_vectors():
    with pytest.raises(ValueError, match="argument"):
        frobenius_inner_product(POINT, Z, Z[:2])


def test_errors_of_the_problem_pass_through():
    manifold = Sphere(3)

    @pymanopt.function.numpy(manifold)
    def cost(x):
        raise KeyError("a mistake in the cost")

    problem = pymanopt.Problem(manifold, cost, riemannian_gradient=cost)
    with pytest.raises(KeyError, match="a mistake in the cost"):
        check_gradient(problem)


# Strategies


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"max_size": 1}, ValueError, "max_size must be at least 2, got 1"),
        ({"max_size": 2.0}, TypeError, "max_size must be an integer"),
        ({"depths": 0.5}, ValueError, "N >= 1"),
        ({"depths": [2, 0]}, ValueError, "N >= 1"),
        ({"depths": []}, ValueError, "depths must not be empty"),
        ({"depths": "2"}, TypeError, "depth must be a real number"),
    ],
)
def test_arguments_of_manifolds(options, error, text):
    with pytest.raises(error, match=text):
        manifolds(**options)


@pytest.mark.parametrize("bounds", [(0, 1), (2, 1), (-1, 1), (1, np.inf), (np.nan, 1)])
def test_bounds(bounds):
    low, high = bounds
    for call in (
        lambda: points(MANIFOLD, low=low, high=high),
        lambda: tangent_vectors(MANIFOLD, POINT, low=low, high=high),
    ):
        with pytest.raises(ValueError, match="0 < low <= high < inf is needed"):
            call()


def test_strategies_are_for_fixed_rank():
    with pytest.raises(TypeError, match="manifold must be a FixedRank, got FixedRankEmbedded"):
        points(FixedRankEmbedded(5, 4, 2))
    with pytest.raises(TypeError, match="manifold must be a FixedRank, got Sphere"):
        tangent_vectors(Sphere(3), np.eye(3)[0])
    with pytest.raises(ValueError, match="has shapes"):
        tangent_vectors(FixedRank(5, 4, 3, depth=2), POINT)


# Without Hypothesis

WITHOUT = """
import sys
sys.modules["hypothesis"] = None
import fixedrank
assert "fixedrank.testing" not in sys.modules
import fixedrank.testing
assert fixedrank.testing.check_retraction(fixedrank.FixedRank(3, 3, 1, depth=2), rng=0).passed
for name in ("manifolds", "points", "tangent_vectors"):
    try:
        getattr(fixedrank.testing, name)
    except ModuleNotFoundError as error:
        print(error)
"""


def test_the_checks_work_without_hypothesis_and_only_where_asked_for():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("pip install 'fixedrank[testing]'") == 3


def test_the_names():
    assert sorted(dir(fixedrank.testing)) == sorted(fixedrank.testing.__all__)
    for name in fixedrank.testing.__all__:
        assert getattr(fixedrank.testing, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'check_everything'"):
        fixedrank.testing.check_everything  # noqa: B018
