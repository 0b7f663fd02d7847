"""How many calls and operators an operation takes: on small matrices they are its time."""

import functools
import sys

import numpy as np
import pytest

import fixedrank
from fixedrank.flows.core import RiemannianSystem
from fixedrank.networks.gradients import network_gradient
from tests.guard.counting import steps_of_the_library

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12"
)


def place(depth=3, samples=30):
    """What the operations need, at a 20 x 15 matrix of rank 2."""
    rng = np.random.default_rng(0)
    manifold = fixedrank.FixedRank(20, 15, 2, depth=depth)
    p, q = manifold.random_point(rng=rng), manifold.random_point(rng=rng)
    X = rng.standard_normal((15, samples)) / np.sqrt(samples)
    problem = fixedrank.LinearRegression(X, np.ones((20, 5)) @ X[:5])
    system = RiemannianSystem(problem, problem.shape, fixedrank.DepthMetric(depth), 1e-8)
    return {
        "manifold": manifold,
        "p": p,
        "q": q,
        "Z": manifold.random_tangent_vector(p, rng=rng),
        "triple": (p.u * p.s, p.s, p.s[:, None] * p.vt),
        "problem": problem,
        "system": system,
        "state": system.state(p.u, np.diag(p.s), p.vt.T),
    }


# name: (what it does, steps as recorded 2026-11-26 and a tenth, for other versions of Python)
OPERATIONS = {
    "inner_product": (lambda manifold, p, Z, **_: manifold.inner_product(p, Z, Z), 74),
    "norm": (lambda manifold, p, Z, **_: manifold.norm(p, Z), 76),
    "retraction": (lambda manifold, p, Z, **_: manifold.retraction(p, Z), 92),
    "transport": (lambda manifold, p, q, Z, **_: manifold.transport(p, q, Z), 87),
    "embedding": (lambda manifold, p, Z, **_: manifold.embedding(p, Z), 66),
    "to_tangent_space": (lambda manifold, p, Z, **_: manifold.to_tangent_space(p, Z), 50),
    "gradient": (
        lambda manifold, p, triple, **_: manifold.euclidean_to_riemannian_gradient(p, triple),
        65,
    ),
    "random_tangent_vector": (
        lambda manifold, p, **_: manifold.random_tangent_vector(p, rng=0),
        64,
    ),
    "a + 2 b": (lambda Z, **_: Z + 2 * Z, 12),
    "velocity": (lambda system, state, **_: system.right_hand_side(0.0, state), 77),
}


def steps_of(operation, **options):
    """Count the steps of an operation."""
    return steps_of_the_library(functools.partial(operation, **place(**options)))


def check_steps(operation, most):
    """Raise an AssertionError if an operation takes more steps."""
    assert 0 < steps_of(operation) <= most


def check_depths(operation, depths):
    """Raise an AssertionError if an operation does not take as many steps at each depth."""
    assert len({steps_of(operation, depth=depth) for depth in depths}) == 1


@pytest.mark.parametrize("name", OPERATIONS)
def test_steps(name):
    check_steps(*OPERATIONS[name])


@pytest.mark.parametrize("name", OPERATIONS)
def test_depth_takes_no_more_steps(name):
    """Up to N = 32 weights come from a table of powers, beyond from logarithms."""
    operation, _ = OPERATIONS[name]
    check_depths(operation, (3, 4, 30))
    check_depths(operation, (1000, 10**6))
    assert steps_of(operation, depth=1000) < 1.3 * steps_of(operation, depth=3)


def test_samples_take_no_more_steps():
    operation, _ = OPERATIONS["velocity"]
    assert steps_of(operation, samples=30) == steps_of(operation, samples=3000)


def test_a_layer_takes_as_many_steps_as_any_other():
    def gradient(depth):
        problem = place()["problem"]
        layers = fixedrank.gaussian_factors([15, *[4] * (depth - 1), 20], rng=0)
        products = problem.gradient_products
        return steps_of_the_library(lambda: network_gradient(products, layers))

    three, four, thirteen = (gradient(depth) for depth in (3, 4, 13))
    assert thirteen - three == 10 * (four - three)


# For each step of the integration: evaluations, and steps of the library with all that is around
# them, as recorded 2026-11-30 and a tenth.
FLOWS = {"product": (15.7, 1343), "layers": (15.2, 1043)}


def check_small_flow(kind, evaluations, steps):
    """Raise an AssertionError if a flow takes more of both for each step of the integration."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 60)) / np.sqrt(20)
    layers = fixedrank.random_balanced_factors([20, 2, 20], rng=rng)
    problem = fixedrank.LinearRegression(X, np.ones((20, 2)) @ X[:2])
    start = fixedrank.FixedRank(20, 20, 2, depth=2).point(fixedrank.product(layers))

    def flow():
        if kind == "product":
            return fixedrank.riemannian_flow(problem, start, 2, [0.0, 2.0])
        return fixedrank.factored_flow(problem, layers, [0.0, 2.0])

    found = flow()
    assert found.evaluations <= evaluations * found.steps
    assert 0 < steps_of_the_library(flow) <= steps * found.steps


@pytest.mark.parametrize("kind", FLOWS)
def test_steps_of_a_small_flow(kind):
    check_small_flow(kind, *FLOWS[kind])
