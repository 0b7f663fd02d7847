"""Trajectories hold the asked times and nothing else, and can be taken up again."""

import numpy as np
import pytest

from fixedrank import LinearRegression, balanced_factors, factored_flow, riemannian_flow
from tests.flows.exact import logistic
from tests.geometry.dense import matrix, orthonormal

RNG = np.random.default_rng(0)
PROBLEM = LinearRegression(RNG.standard_normal((3, 8)) / 2, RNG.standard_normal((4, 8)) / 2)
POINT = (orthonormal(RNG, 4, 2), np.array([1.0, 0.5]), orthonormal(RNG, 3, 2).T)
FACTORS = balanced_factors(POINT, [3, 2, 4, 4], rng=1)
TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def flow_of_matrix(t, point=POINT, **options):
    return riemannian_flow(PROBLEM, point, 3, t, **TIGHT | options)


def flow_of_layers(t, factors=FACTORS, **options):
    return factored_flow(PROBLEM, factors, t, **TIGHT | options)


BOTH = pytest.mark.parametrize("run", [flow_of_matrix, flow_of_layers])


@BOTH
@pytest.mark.parametrize("method", ["auto", "ROCK4", "DOP853", "RK45", "LSODA", "BDF", "RKC"])
def test_only_the_asked_times(run, method):
    # Some of them closer than a step, one far off.
    t = [0, 1e-9, 0.3, 0.3 + 1e-12, 0.31, 2.0]
    # At the looser tolerance of the multistep methods.
    flow = run(t, method=method, rtol=1e-8, atol=1e-10)
    assert flow.complete
    np.testing.assert_array_equal(flow.t, t)
    assert len(flow) == len(flow.points) == 6
    sparse = run([0, 2.0], rtol=1e-8, atol=1e-10, method=method)
    assert np.linalg.norm(matrix(flow.points[-1]) - matrix(sparse.points[-1])) <= 1e-6
    np.testing.assert_allclose(flow.singular_values[2], flow.singular_values[3], rtol=1e-10)


@BOTH
def test_values_between_the_steps_are_as_good_as_at_them(run):
    many = run(np.linspace(0, 2, 201))
    alone = [run([0, t]) for t in many.t[[7, 63, 150]]]
    for index, flow in zip([7, 63, 150], alone, strict=True):
        assert np.linalg.norm(matrix(many.points[index]) - matrix(flow.points[-1])) <= 1e-9


def test_between_long_steps_against_the_exact_solution():
    # Near the limit the steps are as long as stability allows.
    b, t = 3.0, np.linspace(0, 50, 997)
    flow = riemannian_flow(
        LinearRegression([[1.0]], [[b]]), ([[1.0]], [0.01], [[1.0]]), 2, t, **TIGHT
    )
    np.testing.assert_allclose(flow.singular_values[:, 0], logistic(0.01, b, t), rtol=1e-8)


@BOTH
@pytest.mark.parametrize("shift", [-7.0, 100.0])
def test_times_need_not_start_at_zero(run, shift):
    t = np.array([0, 0.5, 1.5])
    for a, b in zip(run(t).points, run(t + shift).points, strict=True):
        assert np.linalg.norm(matrix(a) - matrix(b)) <= 1e-9


def test_taking_up_the_matrix_again():
    whole = flow_of_matrix([0, 0.7, 1, 2])
    first = flow_of_matrix([0, 0.7])
    second = flow_of_matrix([first.t[-1], 1, 2], point=first.points[-1])
    for a, b in zip(whole.points[1:], second.points, strict=True):
        assert np.linalg.norm(matrix(a) - matrix(b)) <= 1e-9
    np.testing.assert_allclose(second.loss, whole.loss[1:], rtol=0, atol=1e-9)


def test_taking_up_the_layers_again():
    whole = flow_of_layers([0, 0.7, 1, 2])
    first = flow_of_layers([0, 0.7])
    second = flow_of_layers([first.t[-1], 1, 2], factors=first.factors[-1])
    for a, b in zip(whole.factors[1:], second.factors, strict=True):
        for one, other in zip(a, b, strict=True):
            assert np.linalg.norm(one - other) <= 1e-9


@BOTH
def test_records_are_copies(run):
    flow = run([0, 1, 2])
    records = flow.factors if hasattr(flow, "factors") else flow.points
    assert not any(np.shares_memory(a, b) for a, b in zip(records[0], records[1], strict=True))
