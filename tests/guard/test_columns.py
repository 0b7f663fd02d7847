"""Ambient matrices are multiplied with as many columns as is unavoidable, whatever N is."""

import numpy as np
import pytest

import fixedrank
from fixedrank.flows.core import RiemannianSystem
from fixedrank.networks.gradients import network_gradient
from tests.guard.counting import counted_matrices, counted_regression

SHAPES = [(9, 6, 2), (6, 9, 2), (7, 7, 1), (6, 6, 6), (5, 8, 5)]
DEPTHS = [1, 2, 3, 20, 1000, 2.5]


def velocity(problem, point, depth):
    """Evaluate the right-hand side of flow (9) once."""
    system = RiemannianSystem(problem, problem.shape, fixedrank.DepthMetric(depth), 1e-8)
    state = system.state(point.u, np.diag(point.s), point.vt.T)
    return system.right_hand_side(0.0, state)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_flow_of_the_product(m, n, k, depth):
    counts, problem = counted_regression(m, n)
    velocity(problem, fixedrank.FixedRank(m, n, k, depth=depth).random_point(rng=0), depth)
    assert counts == {"C": k, "B": k, "B^T": k}


@pytest.mark.parametrize("depth", [2, 3, 20])
@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_flow_of_the_layers(m, n, k, depth):
    counts, problem = counted_regression(m, n)
    widths = [n, *range(k, k + depth - 1), m]
    layers = fixedrank.gaussian_factors(widths, rng=0)
    network_gradient(problem.gradient_products, layers)
    assert counts == {"C": k, "B": k, "B^T": k}


@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_loss(m, n, k):
    counts, problem = counted_regression(m, n)
    problem.loss(fixedrank.FixedRank(m, n, k, depth=3).random_point(rng=0))
    assert counts == {"C": k, "B": k}


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_gradient_and_projection(m, n, k, depth):
    counts, G = counted_matrices(np.random.default_rng(0), G=(m, n))
    manifold = fixedrank.FixedRank(m, n, k, depth=depth)
    point = manifold.random_point(rng=0)
    for convert in (manifold.euclidean_to_riemannian_gradient, manifold.projection):
        counts.clear()
        convert(point, G)
        assert counts == {"G": k, "G^T": k}


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_hessian(m, n, k, depth):
    """The curvature of M_k asks for G Vp and G^T Up too."""
    counts, G, H = counted_matrices(np.random.default_rng(0), G=(m, n), H=(m, n))
    manifold = fixedrank.FixedRank(m, n, k, depth=depth)
    point = manifold.random_point(rng=0)
    vector = manifold.random_tangent_vector(point, rng=1)
    manifold.euclidean_to_riemannian_hessian(point, G, H, vector)
    assert counts == {"G": 2 * k, "G^T": 2 * k, "H": k, "H^T": k}


def test_a_whole_flow_multiplies_nothing_but_its_evaluations():
    k, times = 3, np.linspace(0, 1, 5)
    counts, problem = counted_regression(12, 10)
    start = fixedrank.FixedRank(12, 10, k, depth=3).random_point(rng=0)
    flow = fixedrank.riemannian_flow(problem, start, 3, times)
    # At each output time the loss and the gradient take one product each.
    assert counts["C"] == k * (flow.evaluations + 2 * times.size)
