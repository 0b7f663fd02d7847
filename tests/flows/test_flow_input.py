"""What the flows say to input that they cannot take."""

import numpy as np
import pytest

from fixedrank import LinearRegression, compare_flows, factored_flow, riemannian_flow

PROBLEM = LinearRegression(np.eye(3), np.diag([3.0, 2.0, 1.0]))
POINT = (np.eye(3, 2), np.array([2.0, 1.0]), np.eye(2, 3))
FACTORS = [np.eye(2, 3), np.eye(3, 2)]

BOTH = pytest.mark.parametrize(
    "flow",
    [
        lambda t=(0, 1), **options: riemannian_flow(PROBLEM, POINT, 2, t, **options),
        lambda t=(0, 1), **options: factored_flow(PROBLEM, FACTORS, t, **options),
        lambda t=(0, 1), **options: compare_flows(PROBLEM, FACTORS, t, **options),
    ],
    ids=["riemannian", "factored", "compare"],
)


@BOTH
@pytest.mark.parametrize(
    ("t", "text"),
    [
        ([0], "at least two strictly increasing times"),
        ([], "at least two"),
        ([0, 1, 1], "strictly increasing"),
        ([0, 2, 1], "strictly increasing"),
        ([1, 0], "strictly increasing"),
        ([0, np.nan], "t has 1 entries that are NaN"),
        ([0, np.inf], "t has 1 entries that are NaN or infinite"),
        ([[0, 1]], "t must have 1 axes"),
        (3.0, "t must have 1 axes"),
    ],
)
def test_bad_times(flow, t, text):
    with pytest.raises(ValueError, match=text):
        flow(t)


@BOTH
def test_complex_times(flow):
    with pytest.raises(TypeError, match="t must be real"):
        flow([0, 1j])


@BOTH
@pytest.mark.parametrize("method", ["Euler", "dop853", None, RuntimeError, 4])
def test_unknown_methods(flow, method):
    with pytest.raises(ValueError, match=r"unknown method.*DOP853.*RK4"):
        flow(method=method)


@BOTH
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rtol", 0),
        ("rtol", -1e-8),
        ("rtol", 1.0),
        ("rtol", np.nan),
        ("rtol", np.inf),
        ("atol", 0),
        ("atol", -1.0),
        ("atol", np.nan),
        ("atol", np.inf),
    ],
)
def test_bad_tolerances(flow, name, value):
    with pytest.raises(ValueError, match=f"{name} must"):
        flow(**{name: value})


@BOTH
def test_an_option_that_the_method_does_not_know(flow):
    # SciPy only warns of options that its methods do not know.
    with pytest.raises((TypeError, ValueError), match="stepp"):
        flow(stepp=0.1)


@pytest.mark.parametrize(
    ("point", "depth", "error", "text"),
    [
        (POINT, 0.5, ValueError, "depth must be a real number N >= 1.*0.5"),
        (POINT, np.nan, ValueError, "depth"),
        (POINT, "two", TypeError, "depth"),
        ((np.eye(4, 2), POINT[1], POINT[2]), 2, ValueError, r"\(4, 3\).*\(3, 3\)"),
        ((POINT[0], np.array([1.0, 0.0]), POINT[2]), 2, ValueError, "positive"),
        ((2 * POINT[0], POINT[1], POINT[2]), 2, ValueError, "orthonormal"),
        ((POINT[0], np.array([1.0, np.nan]), POINT[2]), 2, ValueError, "NaN"),
        (np.eye(3), 2, TypeError, "point"),
    ],
)
def test_bad_points(point, depth, error, text):
    with pytest.raises(error, match=text):
        riemannian_flow(PROBLEM, point, depth, [0, 1])


@pytest.mark.parametrize("flow", [factored_flow, compare_flows])
@pytest.mark.parametrize(
    ("factors", "error", "text"),
    [
        ([], ValueError, "at least one"),
        ([np.eye(2, 3), np.eye(3)], ValueError, "W_2 W_1"),
        ([np.eye(2, 4), np.eye(3, 2)], ValueError, r"\(3, 4\).*\(3, 3\)"),
        ([np.full((2, 3), np.nan), np.eye(3, 2)], ValueError, "W_1.*NaN"),
        ([1j * np.eye(2, 3), np.eye(3, 2)], TypeError, "W_1 must be real"),
        (np.eye(3), TypeError, "list"),
    ],
)
def test_bad_layers(flow, factors, error, text):
    with pytest.raises(error, match=text):
        flow(PROBLEM, factors, [0, 1])


def test_the_arguments_are_left_alone():
    point = tuple(np.array(part) for part in POINT)
    factors = [np.array(layer) for layer in FACTORS]
    riemannian_flow(PROBLEM, point, 2, [0, 1])
    factored_flow(PROBLEM, factors, [0, 1])
    for found, before in zip([*point, *factors], [*POINT, *FACTORS], strict=True):
        np.testing.assert_array_equal(found, before)
