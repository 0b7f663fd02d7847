"""Reports say what was found, and how to find it again."""

import dataclasses
import pickle

import numpy as np
import pytest
from pymanopt.manifolds import Product, Sphere, Stiefel

from fixedrank import FixedRank
from fixedrank.testing import (
    CheckFailedError,
    CheckReport,
    Finding,
    check_gradient,
    check_positive_definite,
    check_retraction,
    check_self_adjoint,
)
from tests.testing.problems import failure, problem_on


@pytest.mark.parametrize(
    ("relation", "measured", "passed"),
    [
        ("=", 1.1, True),
        ("=", 0.9, True),
        ("=", 1.3, False),
        ("=", 0.7, False),
        ("<=", -5, True),
        ("<=", 1.1, True),
        ("<=", 1.3, False),
        (">=", 5, True),
        (">=", 0.9, True),
        (">=", 0.7, False),
        (">", 1.1, True),
        (">", 1.0, False),
        ("=", np.nan, False),
        ("<=", np.nan, False),
        (">=", np.nan, False),
        (">", np.nan, False),
    ],
)
def test_what_passes(relation, measured, passed):
    assert Finding("number", measured, relation, 1.0, 0.2).passed is passed
    assert Finding("number", measured, relation, 1.0, 0.2, decided=False).passed is None


def test_the_text_of_a_finding():
    good = Finding("slope", 2.0, ">=", 2, 0.25, hint="unused")
    assert str(good) == "ok      slope: 2, should be at least 2 (tolerance 0.25)"
    bad = Finding("g(grad f, Z)", -1.5, "=", 1.25, 1e-6, hint="the wrong sign")
    assert str(bad).splitlines() == [
        "FAILED  g(grad f, Z): -1.5, should be 1.25 (tolerance 1e-06)",
        "        the wrong sign",
    ]
    assert str(dataclasses.replace(good, decided=False)).startswith("open    slope")


def test_a_report_holds_its_findings():
    report = check_retraction(Sphere(3), rng=7)
    assert isinstance(report, CheckReport)
    assert report.passed
    assert report.check == "check_retraction"
    assert report.subject == "Sphere manifold of 3-vectors"
    assert [report[finding.name] for finding in report] == list(report.findings)
    with pytest.raises(KeyError, match="none of"):
        report["no such thing"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.seed = 1
    text = str(report)
    assert text.startswith("check_retraction on Sphere manifold of 3-vectors: passed")
    assert text.endswith("with rng=7")


def test_a_failure_is_an_assertion_that_carries_its_report():
    with pytest.raises(AssertionError) as caught:
        check_self_adjoint(Sphere(3), np.cross, rng=0)
    error = caught.value
    assert isinstance(error, CheckFailedError)
    assert str(error) == str(error.report)
    assert "FAILED" in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert copy.report == error.report


MANIFOLDS = [Stiefel(5, 2), FixedRank(5, 4, 2, depth=2)]
MANIFOLDS.append(Product([Sphere(3), MANIFOLDS[1]]))


@pytest.mark.parametrize("manifold", MANIFOLDS, ids=str)
def test_the_seed_repeats_a_check(manifold):
    first = check_retraction(manifold)
    assert check_retraction(manifold, rng=first.seed) == first
    assert check_retraction(manifold) != first
    generators = [np.random.default_rng(3) for _ in range(2)]
    reports = [check_retraction(manifold, rng=generator) for generator in generators]
    assert reports[0] == reports[1] == check_retraction(manifold, rng=reports[0].seed)
    assert check_retraction(manifold, rng=generators[0]) != reports[0]


@pytest.mark.parametrize("manifold", MANIFOLDS, ids=str)
def test_the_global_state_of_numpy_stays_as_it_was(manifold):
    before = np.random.get_state()  # noqa: NPY002
    check_retraction(manifold, rng=0)
    check_positive_definite(manifold, lambda point, Z: Z, rng=0)
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_the_place_is_respected():
    manifold = FixedRank(5, 4, 2, depth=2)
    problem = problem_on(manifold)
    point = manifold.random_point(rng=1)
    Z = manifold.random_tangent_vector(point, rng=2)
    expected = manifold.inner_product(point, problem.riemannian_gradient(point), Z)
    for seed in (0, 1):
        report = check_gradient(problem, point=point, direction=3 * Z, rng=seed)
        assert report["g(grad f, Z)"].measured == pytest.approx(expected, rel=1e-12)


def test_a_failure_can_be_repeated():
    manifold = Stiefel(5, 2)
    report = failure(check_retraction, manifold, order=2)
    assert failure(check_retraction, manifold, order=2, rng=report.seed) == report
