"""Small flows of several depths and kinds."""

import numpy as np
import pytest

import fixedrank

T = np.linspace(0.0, 3.0, 13)
PROBLEM = fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.0, -1.0]))


def layers(seed=0):
    return fixedrank.random_balanced_factors([3, 2, 3], rng=seed)


def riemannian(depth, t=T, **how):
    start = fixedrank.FixedRank(3, 3, 2, depth=depth).point(np.diag([0.5, 0.4, 0.0]))
    return fixedrank.riemannian_flow(PROBLEM, start, depth, t, **how)


@pytest.fixture(scope="session")
def by_depth():
    return {depth: riemannian(depth) for depth in (1, 2, 3, 10)}


@pytest.fixture(scope="session")
def factored():
    return fixedrank.factored_flow(PROBLEM, layers(), T)


@pytest.fixture(scope="session")
def descent():
    return fixedrank.gradient_descent(PROBLEM, layers(), 20, step_size=0.05)


@pytest.fixture(scope="session")
def comparison():
    return fixedrank.compare_flows(PROBLEM, layers(), T)


@pytest.fixture(autouse=True)
def pyplot_keeps_nothing():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    known = pyplot.get_fignums()
    yield
    assert pyplot.get_fignums() == known
