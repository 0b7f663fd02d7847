"""OdeSolver classes of the user's own, and options that a method does not have."""

import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest
from scipy.integrate import RK45, DenseOutput, OdeSolver

from fixedrank import (
    RKC,
    ROCK4,
    LinearRegression,
    MethodProperties,
    factored_flow,
    random_balanced_factors,
    riemannian_flow,
)
from fixedrank.flows.methods import check_options, options_of, order_of, properties_of
from fixedrank.flows.solvers import METHODS

PROBLEM = LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
FACTORS = [np.eye(2) / 2, np.eye(2) / 2]
T = [0.0, 0.3, 1.0]


class Straight(DenseOutput):
    def __init__(self, t_old, t, begun, y):
        super().__init__(t_old, t)
        self.ends = begun, y

    def _call_impl(self, t):
        part = (t - self.t_old) / (self.t - self.t_old)
        begun, y = self.ends
        return begun[:, None] + (y - begun)[:, None] * part


class Midpoint(OdeSolver):
    """Steps of a fixed length, and nothing but what SciPy's base class asks for."""

    def __init__(self, fun, t0, y0, t_bound, vectorized=False, *, rtol, atol, length=1e-3):
        super().__init__(fun, t0, y0, t_bound, vectorized)
        self.length = length

    def _step_impl(self):
        h = min(self.length, self.t_bound - self.t)
        half = self.y + h / 2 * self.fun(self.t, self.y)
        self.begun, self.y = self.y, self.y + h * self.fun(self.t + h / 2, half)
        self.t = self.t + h
        return True, None

    def _dense_output_impl(self):
        return Straight(self.t_old, self.t, self.begun, self.y)


class Forwarding(RK45):
    """Hands on whatever it is given."""

    def __init__(self, *args, **options):
        self.given = options
        super().__init__(*args, **options)


def expected():
    s = np.array([3.0, 1.0])
    return [np.diag(s / (1 + (s / 0.25 - 1) * np.exp(-2 * s * t))) for t in T]


@pytest.mark.parametrize(
    ("method", "options", "bound"), [(Midpoint, {"length": 1e-3}, 5e-3), (Forwarding, {}, 1e-6)]
)
def test_a_class_of_the_user(method, options, bound):
    flow = factored_flow(PROBLEM, FACTORS, T, method=method, **options)
    assert flow.complete
    for found, exact in zip(flow.product, expected(), strict=True):
        assert np.linalg.norm(found - exact) < bound
    point = (np.eye(2), np.array([0.25, 0.25]), np.eye(2))
    flow = riemannian_flow(PROBLEM, point, 2, T, method=method, **options)
    np.testing.assert_allclose(flow.singular_values[-1], np.diag(expected()[-1]), atol=bound)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "RK4"])
def test_the_default_properties_suit_every_class(name):
    """What a method states saves work or lets it go nearer; without, the flow is the same."""

    class Silent(METHODS[name]):
        properties = MethodProperties()

    assert properties_of(Silent) == MethodProperties()
    times = np.linspace(0, 1, 41)
    options = {"rtol": 1e-6, "atol": 1e-8}
    stated = factored_flow(PROBLEM, FACTORS, times, method=name, **options)
    silent = factored_flow(PROBLEM, FACTORS, times, method=Silent, **options)
    assert silent.complete
    for one, other in zip(stated.product, silent.product, strict=True):
        assert np.linalg.norm(one - other) < 1e-3


def test_a_subclass_has_the_properties_of_its_class():
    assert properties_of(Forwarding) is properties_of(RK45)
    assert properties_of(Midpoint) == MethodProperties()
    assert properties_of(type("Mine", (ROCK4,), {})) is ROCK4.properties
    assert [order_of(METHODS[name]) for name in ("RK45", "DOP853", "Radau", "BDF")] == [4, 7, 3, 1]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_tries_again_does(name):
    """Its first step leads to where the velocity is NaN; the solution is 1 - exp(-t)."""
    method = METHODS[name]
    if not properties_of(method).tries_again:
        pytest.skip("it does not say so")

    def velocity(t, y):
        return np.where(np.abs(y - 1) > 1.5, np.nan, 1 - y)

    with np.errstate(all="ignore"):
        solver = method(velocity, 0.0, np.zeros(3), 20.0, rtol=1e-6, atol=1e-9, first_step=15.0)
        while solver.status == "running":
            solver.step()
            if solver.t < 20:
                np.testing.assert_allclose(solver.y, 1 - np.exp(-solver.t), atol=1e-4)
    assert solver.status == "finished"
    np.testing.assert_allclose(solver.y, 1, atol=1e-4)


class Counting(RK45):
    """Carries a count of its steps, and says itself what the states inside a step are."""

    made: ClassVar = []

    def __init__(self, *args, count=0, **options):
        super().__init__(*args, **options)
        self.first = self.count = count
        self.made.append(self)

    def _step_impl(self):
        self.count += 1
        return super()._step_impl()

    def at_ends_only(self, times, rtol):
        return [self.y if t == self.t else np.zeros_like(self.y) for t in times]

    properties = MethodProperties(carried=("count",), states_inside=at_ends_only)


def test_what_a_class_carries_and_says_of_times_inside_a_step():
    """Layers that grow tenfold make the loop begin anew, at other tolerances."""
    Counting.made.clear()
    small = [1e-2 * factor for factor in FACTORS]
    flow = factored_flow(PROBLEM, small, [0.0, 0.5, 12.0], method=Counting)
    assert len(Counting.made) > 1
    for before, after in pairwise(Counting.made):
        assert after.first == before.count
    assert Counting.made[-1].count == flow.steps
    assert not np.any(flow.factors[1])
    assert np.linalg.norm(flow.product[2] - np.diag([3.0, 1.0])) < 1e-2


def test_a_method_that_damps_comes_nearer_to_rest():
    class Trembling(RKC):
        properties = replace(RKC.properties, damps=False)

    rng = np.random.default_rng(0)
    X = rng.standard_normal((6, 30)) / np.sqrt(30)
    problem = LinearRegression(X, rng.standard_normal((6, 6)) @ X)
    layers = random_balanced_factors([6, 6, 6], rng=1)
    ends = {}
    for method in (RKC, Trembling):
        flow = factored_flow(problem, layers, [0.0, 1e6], method=method, rtol=1e-4)
        assert "stationary" in flow.status
        ends[method] = flow.gradient_norm[-1]
    assert ends[RKC] < ends[Trembling]


def test_a_class_that_takes_fewer_options():
    with pytest.raises(ValueError, match=r"Midpoint has no option step: it takes length"):
        factored_flow(PROBLEM, FACTORS, T, method=Midpoint, step=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_unknown_options_are_named(method):
    with pytest.raises(ValueError, match=f"{METHODS[method].__name__} has no option stepp, fast"):
        check_options(METHODS[method], {"stepp": 1, "fast": True})
    assert options_of(METHODS[method])
    assert "stepp" not in options_of(METHODS[method])


def test_every_known_option_is_one():
    for name, method in METHODS.items():
        options = {"step": 0.1} if name == "RK4" else {"max_step": 0.1, "first_step": 0.01}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            method(lambda t, y: -y, 0.0, np.ones(2), 1.0, rtol=1e-6, atol=1e-9, **options)
        check_options(method, options)


def test_a_first_step_beyond_the_end():
    flow = factored_flow(PROBLEM, FACTORS, T, first_step=50.0)
    np.testing.assert_allclose(flow.product[-1], expected()[-1], atol=1e-6)


def test_threads_leave_the_warning_filters_alone():
    before = list(warnings.filters)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for flow in pool.map(lambda _: factored_flow(PROBLEM, FACTORS, T), range(8)):
                assert flow.complete
    finally:
        sys.setswitchinterval(interval)
    assert list(warnings.filters) == before
