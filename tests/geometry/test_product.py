"""Products of manifolds: a matrix of low rank and a bias for each row."""

import importlib

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from pymanopt.manifolds import Euclidean, Sphere
from pymanopt.optimizers import ConjugateGradient, TrustRegions

import fixedrank
from fixedrank.testing import check_gradient, check_hessian
from tests.geometry import dense

M, N, K = 6, 5, 2
DATA = np.random.default_rng(3).standard_normal((M, N))
# The mean of each row is matched by the bias; a matrix of rank k approximates the rest.
CENTRED = DATA - DATA.mean(1, keepdims=True)
LEAST = (np.linalg.svd(CENTRED, compute_uv=False)[K:] ** 2).sum() / 2


def low_rank_plus_bias(backend="autograd", depth=2, swapped=False):
    """Half the squared distance of W + b 1^T from the data, b first if swapped."""
    name = {"autograd": "autograd", "jax": "jax", "pytorch": "torch"}[backend]
    pytest.importorskip(name)
    factors = [fixedrank.FixedRank(M, N, K, depth=depth, rng=0), Euclidean(M)]
    manifold = fixedrank.Product(factors[::-1] if swapped else factors)
    if backend == "pytorch":
        torch = importlib.import_module("torch")
        data, total = torch.from_numpy(DATA), torch.sum
    else:
        data = DATA
        total = importlib.import_module("jax.numpy").sum if backend == "jax" else anp.sum

    def cost(u, s, vt, bias):
        return total(((u * s) @ vt + bias[:, None] - data) ** 2) / 2

    def cost_of_swapped(bias, u, s, vt):
        return cost(u, s, vt, bias)

    decorate = getattr(pymanopt.function, backend)(manifold)
    return pymanopt.Problem(manifold, decorate(cost_of_swapped if swapped else cost))


def start(problem):
    generator = np.random.default_rng(1)
    return [
        factor.random_point(rng=generator)
        if isinstance(factor, fixedrank.FixedRank)
        else generator.standard_normal(M)
        for factor in problem.manifold.manifolds
    ]


@pytest.mark.parametrize("backend", ["autograd", "jax", "pytorch"])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_trust_regions(backend, depth):
    problem = low_rank_plus_bias(backend, depth)
    solver = TrustRegions(verbosity=0, max_iterations=200, min_gradient_norm=1e-9)
    result = solver.run(problem, initial_point=start(problem))
    assert result.gradient_norm < 1e-9
    assert result.cost == pytest.approx(LEAST, rel=1e-9)


def test_conjugate_gradients():
    problem = low_rank_plus_bias()
    solver = ConjugateGradient(verbosity=0, max_iterations=500, min_gradient_norm=1e-6)
    result = solver.run(problem, initial_point=start(problem))
    assert result.cost == pytest.approx(LEAST, rel=1e-6)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
def test_derivatives(swapped, depth):
    problem = low_rank_plus_bias(depth=depth, swapped=swapped)
    point = start(problem)
    check_gradient(problem, point=point, rng=0)
    assert check_hessian(problem, point=point, rng=0).conclusive


def test_two_matrices_and_a_sphere():
    factors = [
        fixedrank.FixedRank(4, 3, 2, depth=2, rng=0),
        fixedrank.FixedRank(3, 5, 1, depth=3, rng=1),
        Sphere(5),
    ]
    manifold = fixedrank.Product(factors)

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt, left, value, right, x):
        return anp.sum((((u * s) @ vt @ ((left * value) @ right)) @ x - 1) ** 2)

    problem = pymanopt.Problem(manifold, cost)
    x = np.random.default_rng(2).standard_normal(5)
    point = [factors[0].random_point(), factors[1].random_point(), x / np.linalg.norm(x)]
    check_hessian(problem, point=point, rng=0)


def test_directions_are_derivatives_of_the_arrays():
    """The product of the moved arrays is W + h Z up to h^2."""
    manifold = low_rank_plus_bias().manifold
    point, bias = start(low_rank_plus_bias())
    Z = manifold.manifolds[0].random_tangent_vector(point, rng=2)
    (du, ds, dvt), moved = manifold.embedding([point, bias], [Z, 2 * bias])
    u, s, vt = point
    change = (du * s) @ vt + (u * ds) @ vt + (u * s) @ dvt
    np.testing.assert_allclose(change, dense.tangent(point, Z), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(moved, 2 * bias)


def test_products_of_products_are_refused():
    with pytest.raises(ValueError, match="Nested product"):
        fixedrank.Product([fixedrank.Product([Euclidean(2)]), Euclidean(3)])
