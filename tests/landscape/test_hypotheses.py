"""Which theorem is said to apply, in the cases that the paper distinguishes."""

import numpy as np
import pytest

from fixedrank import (
    FixedRank,
    LinearRegression,
    Theorem,
    certify,
    check_hypotheses,
    gaussian_factors,
    random_balanced_factors,
)
from tests.landscape.data import problem_with


def applying(report):
    return [one.name for one in report.theorems if one.applies and one.kind == "theorem"]


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        ([5, 3, 4], ["Theorem 1", "Theorem 5 (a)", "Theorem 5 (b)"]),
        ([5, 3, 3, 4], ["Theorem 1", "Theorem 5 (a)"]),
    ],
)
def test_unbalanced_layers(widths, expected):
    problem, *_ = problem_with(np.array([2.0, 1.0]), 4, 5)
    report = check_hypotheses(problem, gaussian_factors(widths, rng=0))
    assert applying(report) == expected
    assert (report.q, report.r, report.k, report.balanced) == (2, 3, 3, False)
    assert report.depth == len(widths) - 1
    assert "min(q, r) = 2" in str(report)


def test_the_report_has_a_line_for_each_theorem():
    problem, *_ = problem_with(np.array([2.0, 1.0]), 4, 5)
    report = check_hypotheses(problem, gaussian_factors([5, 3, 3, 4], rng=0))
    lines = str(report).splitlines()[1:]
    applying = [theorem for theorem in report.theorems if theorem.applies]
    assert 0 < len(applying) < len(lines) == len(report.theorems)
    for theorem, line in zip(report.theorems, lines, strict=True):
        assert line.startswith(f"{theorem.label}: ")
        assert ("does not apply" in line) != theorem.applies


@pytest.mark.parametrize(
    ("layers", "applies", "statement"),
    [
        ([np.eye(2), np.eye(2)], True, "the product stays on M_2 and solves flow (9)"),
        ([2 * np.eye(2), np.eye(2)], False, "the layers are not balanced"),
        ([np.zeros((2, 2))] * 2, False, "the product is zero, and there is no M_0"),
    ],
)
def test_why_flow_9_is_solved_or_not(layers, applies, statement):
    report = check_hypotheses(LinearRegression(np.eye(2), np.eye(2)), layers)
    assert ("Theorem 4, 1", applies, statement, "theorem") in report.theorems


def test_one_layer_may_lose_rank():
    """From minus the target it goes straight to the target, through zero."""
    problem = LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    report = check_hypotheses(problem, [np.diag([-3.0, -2.0])])
    found = {theorem.name: theorem for theorem in report.theorems}
    assert not found["Theorem 4, 1"].applies
    assert "needs N >= 2" in found["Theorem 4, 1"].statement


def test_zero_is_no_minimum():
    """Layers of zeros stay where they are: at a saddle."""
    problem = LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    certificate = certify(problem, [np.zeros((2, 2))] * 2)
    assert not certificate.basin
    assert str(certificate).endswith("the limit is not known to be a minimum")


def test_balanced_layers():
    problem, *_ = problem_with(np.array([2.0, 1.0]), 4, 5)
    report = check_hypotheses(problem, random_balanced_factors([5, 3, 3, 4], rng=0))
    assert report.balanced
    assert {"Theorem 4, 1", "Theorem 6"} <= set(applying(report))
    assert "measure zero" in str(report)
    assert "k = 3 > q = 2" in str(report)


def test_zero_layers():
    problem = LinearRegression(np.eye(2), np.eye(2))
    report = check_hypotheses(problem, [np.zeros((2, 2))] * 3)
    assert report.k == 0
    assert "Theorem 4, 1" not in applying(report)


@pytest.mark.parametrize(("depth", "expected"), [(1.5, []), (2, ["Theorem 4, 2", "Theorem 6"])])
def test_points(depth, expected):
    problem, *_ = problem_with(np.array([2.0, 1.0]), 4, 5)
    report = check_hypotheses(problem, FixedRank(4, 5, 2, depth=2).random_point(rng=0), depth)
    assert applying(report) == expected


def test_the_condition_number_is_that_of_the_data():
    X = np.diag([1.0, 1e-3])
    report = check_hypotheses(LinearRegression(X, X), [np.eye(2)])
    assert report.condition == pytest.approx(1e6)


def test_bad_input():
    problem = LinearRegression(np.eye(2), np.eye(2))
    point = FixedRank(2, 2, 1, depth=2).random_point(rng=0)
    with pytest.raises(TypeError, match="needs the depth N"):
        check_hypotheses(problem, point)
    with pytest.raises(TypeError, match="leave depth out"):
        check_hypotheses(problem, [np.eye(2)], 1)
    with pytest.raises(ValueError, match=r"\(3, 2\) matrix, the problem has \(2, 2\)"):
        check_hypotheses(problem, FixedRank(3, 2, 1, depth=2).random_point(rng=0), 2)


def test_what_is_no_theorem_of_the_paper_says_so():
    assert Theorem("Theorem 1", True, "it converges").label == "Theorem 1"
    assert Theorem("Saddles", True, "they are strict", "partial answer").label == (
        "Saddles (partial answer)"
    )


def test_what_is_certain_of_a_start_comes_after_the_theorems():
    problem = LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    for scale in (0.9, 0.1):
        layers = [np.diag(np.sqrt(scale * np.array([3.0, 2.0])))] * 2
        found = certify(problem, layers)
        assert found.applies == (scale == 0.9)
        basin, rate = check_hypotheses(problem, layers).theorems[-2:]
        assert (basin.kind, rate.kind) == ("certificate", "certificate")
        assert (basin.applies, rate.applies) == (found.basin, found.applies)
        assert f"{found.rate:.4g}" in rate.statement if found.applies else found.reason
        assert f"the next critical value {found.gap:.4g}" in basin.statement
    point = np.eye(2), np.array([2.7, 1.8]), np.eye(2)
    assert check_hypotheses(problem, point, 2).theorems[-1].applies
