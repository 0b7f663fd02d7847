"""The change from one depth to another, against equation (7) and as pymanopt's solvers use it."""

import numpy as np
import pymanopt
import pytest
from pymanopt.optimizers import ConjugateGradient, TrustRegions

from fixedrank import DepthMetric, FixedRank
from tests.geometry import dense

PAIRS = [(1, 1), (1, 3), (2, 1), (3, 2), (5, 1)]
UNITS = [1e-150, 1.0, 1e150]


@pytest.mark.parametrize(("old", "new"), PAIRS)
@pytest.mark.parametrize("k", [2, 4])
def test_it_makes_a_gradient_that_of_another_depth(old, new, k):
    manifold = FixedRank(5, 4, k, depth=old)
    rng = np.random.default_rng(0)
    point, G = manifold.random_point(rng=rng), rng.standard_normal((5, 4))
    gradient = manifold.euclidean_to_riemannian_gradient(point, G)
    found = manifold.preconditioner(new)(point, gradient)
    expected = dense.operator(dense.matrix(point), k, G, new)
    np.testing.assert_allclose(dense.tangent(point, found), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("unit", UNITS)
def test_units(unit):
    manifold = FixedRank(5, 4, 2, depth=3)
    u, s, vt = manifold.random_point(rng=0)
    Z = manifold.random_tangent_vector((u, s, vt), rng=1)
    precondition = manifold.preconditioner(2)
    expected = precondition((u, s, vt), Z)
    # A is of degree 2 - 2/N in W.
    found = precondition((u, unit * s, vt), Z) / unit ** (2 / 3 - 1)
    for part, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-12, atol=0)


def test_square_matrices_of_full_rank_in_the_limit_of_depth():
    limit, embedded = (FixedRank(3, 3, 3, depth=depth) for depth in (np.inf, 1))
    point = limit.random_point(rng=0)
    G = np.random.default_rng(1).standard_normal((3, 3))
    gradient = limit.euclidean_to_riemannian_gradient(point, G)
    found = limit.preconditioner()(point, gradient)
    np.testing.assert_allclose(dense.tangent(point, found), G, rtol=0, atol=1e-12)
    back = embedded.preconditioner(np.inf)(point, embedded.projection(point, G))
    np.testing.assert_allclose(back.M, gradient.M, rtol=1e-12)
    with pytest.raises(ValueError, match="k = m = n"):
        FixedRank(4, 3, 3, depth=2).preconditioner(np.inf)


def test_its_radius_is_that_of_the_other_metric():
    # The length of trust regions is g(Z, P^-1 Z), here that of depth 1.
    manifold = FixedRank(5, 4, 2, depth=3)
    point = manifold.random_point(rng=0)
    Z = manifold.random_tangent_vector(point, rng=1)
    inverse = FixedRank(5, 4, 2, depth=1).preconditioner(DepthMetric(3))
    square = manifold.inner_product(point, Z, inverse(point, Z))
    assert square == pytest.approx(np.sum(dense.tangent(point, Z) ** 2), rel=1e-12)
    assert manifold.preconditioner().typical_dist == FixedRank(5, 4, 2, depth=1).typical_dist


def counted(manifold, target):
    """Half the squared distance from a target, and the points at which gradients were asked."""
    points = []

    @pymanopt.function.numpy(manifold)
    def cost(u, s, vt):
        return np.sum(((u * s) @ vt - target) ** 2) / 2

    @pymanopt.function.numpy(manifold)
    def gradient(u, s, vt):
        points.append((u, s, vt))
        return (u * s) @ vt - target

    @pymanopt.function.numpy(manifold)
    def hessian(u, s, vt, du, ds, dvt):
        return (du * s + u * ds) @ vt + (u * s) @ dvt

    options = {"euclidean_gradient": gradient, "euclidean_hessian": hessian}
    return points, pymanopt.Problem(
        manifold, cost, preconditioner=manifold.preconditioner(), **options
    )


def test_conjugate_gradients_go_as_at_depth_one():
    target = np.random.default_rng(0).standard_normal((8, 6))
    paths = []
    for depth in (1, 4):
        points, problem = counted(FixedRank(8, 6, 2, depth=depth), target)
        # By Fletcher and Reeves, who take no differences of gradients at two points: those are
        # moved by projection, which does not go with the change of the metric.
        solver = ConjugateGradient(
            beta_rule="FletcherReeves", verbosity=0, max_iterations=8, min_gradient_norm=0
        )
        solver._line_searcher = FixedFirstStep()
        solver.run(problem, initial_point=problem.manifold.random_point(rng=1))
        paths.append([dense.matrix(point) for point in points])
    np.testing.assert_allclose(paths[1], paths[0], rtol=0, atol=1e-9)


class FixedFirstStep:
    """A tenth of each direction: lengths of steps would differ between metrics."""

    def search(self, objective, manifold, x, d, f0, df0):
        return 1.0, manifold.retraction(x, 0.1 * d)


def test_trust_regions_with_their_radius():
    target = np.random.default_rng(0).standard_normal((8, 6))
    _, problem = counted(FixedRank(8, 6, 2, depth=4), target)
    solver = TrustRegions(verbosity=0, max_iterations=60, min_gradient_norm=1e-9)
    result = solver.run(
        problem,
        initial_point=problem.manifold.random_point(rng=1),
        Delta_bar=problem.preconditioner.typical_dist,
    )
    np.testing.assert_allclose(
        dense.matrix(result.point), dense.truncated(target, 2), rtol=0, atol=1e-8
    )


def test_what_is_no_depth_or_no_point():
    manifold = FixedRank(5, 4, 2, depth=3)
    with pytest.raises(ValueError, match="depth"):
        manifold.preconditioner(0.5)
    with pytest.raises(TypeError, match="point"):
        manifold.preconditioner()(np.eye(5), np.eye(5))
