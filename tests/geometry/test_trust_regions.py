"""pymanopt's trust regions, with derivatives of every kind, down to gradient norms of 1e-10.

In single precision they and the first-order methods go as far as the cost tells.
"""

import importlib

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
import scipy.linalg
import scipy.sparse
from pymanopt.optimizers import ConjugateGradient, SteepestDescent, TrustRegions

from fixedrank import FixedRank, LinearRegression
from tests.geometry import dense, rounded
from tests.geometry.dense import truncated
from tests.networks.data import regression_data

DEPTHS = (1, 2, 5)
TARGET = (
    np.diag(np.linspace(2.0, 0.5, 6))
    @ np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0]
)
TARGET = TARGET[:, :5]


class Recorder(FixedRank):
    """FixedRank with a record of the lengths of the gradients at the points that were accepted."""

    def __init__(self, *sizes, depth):
        super().__init__(*sizes, depth=depth)
        self.norms = []

    def euclidean_to_riemannian_gradient(self, point, euclidean_gradient):
        gradient = super().euclidean_to_riemannian_gradient(point, euclidean_gradient)
        self.norms.append(self.norm(point, gradient))
        return gradient


def autodiff_problem(manifold, backend, target=TARGET):
    """Half the squared distance from a target, differentiated by one of pymanopt's backends."""
    name = {"autograd": "autograd", "jax": "jax", "pytorch": "torch"}[backend]
    pytest.importorskip(name)
    if backend == "pytorch":
        torch = importlib.import_module("torch")
        tensor = torch.from_numpy(target)

        def cost(u, s, vt):
            return torch.sum(((u * s) @ vt - tensor) ** 2) / 2

    else:
        xp = importlib.import_module("jax.numpy") if backend == "jax" else anp

        def cost(u, s, vt):
            return xp.sum(((u * s) @ vt - target) ** 2) / 2

    return pymanopt.Problem(manifold, getattr(pymanopt.function, backend)(manifold)(cost))


def solve(problem, seed=1):
    solver = TrustRegions(verbosity=0, max_iterations=100, min_gradient_norm=1e-10)
    start = problem.manifold.random_point(rng=seed)
    return solver.run(problem, initial_point=start)


def assert_superlinear(norms):
    """From 1e-2 to below 1e-10 in five steps, where a linear rate of 1/10 takes eight."""
    assert norms[-1] < 1e-10
    assert sum(1e-10 <= norm < 1e-2 for norm in norms) <= 4


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    ("backend", "k"),
    [("autograd", 1), ("autograd", 2), ("autograd", 5), ("jax", 2), ("pytorch", 2)],
)
def test_low_rank_approximation(backend, depth, k):
    manifold = Recorder(6, 5, k, depth=depth)
    result = solve(autodiff_problem(manifold, backend))
    np.testing.assert_allclose(dense.matrix(result.point), truncated(TARGET, k), rtol=0, atol=1e-9)
    assert_superlinear(manifold.norms)


@pytest.mark.parametrize("depth", DEPTHS)
def test_regression_ends_at_the_minimum_of_the_theory(depth):
    problem = LinearRegression(*regression_data(0, 5, 4, 15))
    manifold = Recorder(4, 5, 2, depth=depth)
    result = solve(problem.to_pymanopt(manifold))
    # U_J S_J V_J^T C^(-1/2), with the root from SciPy.
    root = scipy.linalg.sqrtm(problem.C)
    expected = truncated(problem.B @ np.linalg.inv(root), 2) @ np.linalg.inv(root)
    np.testing.assert_allclose(dense.matrix(result.point), expected, rtol=0, atol=1e-9)
    assert_superlinear(manifold.norms)


@pytest.mark.parametrize("depth", DEPTHS)
def test_completion_with_sparse_derivatives(depth):
    m, n, k = 40, 30, 2
    rng = np.random.default_rng(3)
    truth = rng.standard_normal((m, k)) @ rng.standard_normal((k, n)) / np.sqrt(m * n)
    rows, columns = np.nonzero(rng.random((m, n)) < 0.4)
    values = truth[rows, columns]
    manifold = Recorder(m, n, k, depth=depth)

    def entries(left, right):
        return np.einsum("ij,ji->i", left[rows], right[:, columns])

    def sparse(data):
        return scipy.sparse.csr_array((data, (rows, columns)), shape=(m, n))

    @pymanopt.function.numpy(manifold)
    def cost(u, s, vt):
        return 0.5 * np.sum((entries(u * s, vt) - values) ** 2)

    @pymanopt.function.numpy(manifold)
    def gradient(u, s, vt):
        return sparse(entries(u * s, vt) - values)

    @pymanopt.function.numpy(manifold)
    def hessian(u, s, vt, du, ds, dvt):
        return sparse(entries(du * s + u * ds, vt) + entries(u * s, dvt))

    problem = pymanopt.Problem(
        manifold, cost, euclidean_gradient=gradient, euclidean_hessian=hessian
    )
    solver = TrustRegions(verbosity=0, max_iterations=200, min_gradient_norm=1e-10)
    result = solver.run(problem, initial_point=manifold.point(sparse(values / 0.4)))
    np.testing.assert_allclose(dense.matrix(result.point), truth, rtol=0, atol=1e-8)
    assert_superlinear(manifold.norms)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_start_with_tied_singular_values(depth):
    manifold = FixedRank(6, 5, 3, depth=depth)
    problem = autodiff_problem(manifold, "autograd")
    start = manifold.random_point(rng=1)._replace(s=np.ones(3))
    result = TrustRegions(verbosity=0, max_iterations=100, min_gradient_norm=1e-10).run(
        problem, initial_point=start
    )
    assert result.gradient_norm < 1e-10
    np.testing.assert_allclose(dense.matrix(result.point), truncated(TARGET, 3), rtol=0, atol=1e-9)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_solution_with_tied_singular_values(depth):
    target = TARGET.copy()
    u, _, vt = np.linalg.svd(target, full_matrices=False)
    target = (u * np.array([2.0, 2.0, 1.0, 0.3, 0.1])) @ vt
    manifold = FixedRank(6, 5, 3, depth=depth)
    result = solve(autodiff_problem(manifold, "autograd", target))
    assert result.gradient_norm < 1e-10
    np.testing.assert_allclose(dense.matrix(result.point), truncated(target, 3), rtol=0, atol=1e-9)


# A penalty on the singular values


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("values", [[2.4, 2.0, 1.5, 0.3, 0.1], [2.0, 2.0, 1.0, 0.3, 0.1]])
def test_the_nuclear_norm_ends_at_the_soft_threshold(depth, values):
    u, _, vt = np.linalg.svd(TARGET, full_matrices=False)
    values = np.array(values)
    target = (u * values) @ vt
    manifold = Recorder(6, 5, 3, depth=depth)

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        return 0.5 * anp.sum(((u * s) @ vt - target) ** 2) + 0.3 * anp.sum(s)

    result = solve(pymanopt.Problem(manifold, cost))
    expected = (u[:, :3] * (values[:3] - 0.3)) @ vt[:3]
    np.testing.assert_allclose(dense.matrix(result.point), expected, rtol=0, atol=1e-9)
    assert_superlinear(manifold.norms)


# Costs in single precision

SOLVERS = {"TR": TrustRegions, "CG": ConjugateGradient, "SD": SteepestDescent}
# The best approximation of rank 3, with singular values apart and equal.
SINGLE = {"apart": [2.0, 1.6, 1.2, 0.3, 0.1], "tied": [2.0, 2.0, 1.2, 0.3, 0.1]}


def single_problem(manifold, backend, target):
    """Half the squared distance, computed with numbers of float32."""
    if backend == "numpy":

        @pymanopt.function.numpy(manifold)
        def cost(*point):
            return float(rounded.value(point, target))

        @pymanopt.function.numpy(manifold)
        def gradient(*point):
            return rounded.first(point, target)

        @pymanopt.function.numpy(manifold)
        def hessian(*arrays):
            return rounded.second(arrays[:3], arrays[3:], target)

        return pymanopt.Problem(
            manifold, cost, euclidean_gradient=gradient, euclidean_hessian=hessian
        )
    if backend == "jax":
        pytest.importorskip("jax")
        jnp = importlib.import_module("jax.numpy")

        def cost(u, s, vt):
            u, s, vt = (jnp.asarray(part, dtype=jnp.float32) for part in (u, s, vt))
            return jnp.sum(((u * s) @ vt - target.astype(np.float32)) ** 2) / 2

    else:
        torch = pytest.importorskip("torch")
        tensor = torch.from_numpy(target).float()

        def cost(u, s, vt):
            return torch.sum(((u.float() * s.float()) @ vt.float() - tensor) ** 2) / 2

    return pymanopt.Problem(manifold, getattr(pymanopt.function, backend)(manifold)(cost))


@pytest.mark.parametrize("values", SINGLE)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("backend", ["numpy", "jax", "pytorch"])
def test_single_precision(backend, solver, depth, values):
    u, _, vt = np.linalg.svd(TARGET, full_matrices=False)
    target = (u * np.array(SINGLE[values])) @ vt
    manifold = FixedRank(6, 5, 3, depth=depth)
    problem = single_problem(manifold, backend, target)
    optimizer = SOLVERS[solver](verbosity=0, max_iterations=40, min_gradient_norm=1e-5)
    result = optimizer.run(problem, initial_point=manifold.random_point(rng=1))
    W, best = dense.matrix(result.point), truncated(target, 3)
    # Steps end where the cost shows no decrease: at some round-off above its minimum.
    excess = np.sum((W - target) ** 2) - np.sum((best - target) ** 2)
    assert excess <= 100 * np.finfo(np.float32).eps * np.sum(target**2)


def test_the_size_of_the_first_radius():
    assert FixedRank(6, 5, 3, depth=4).typical_dist == pytest.approx(np.sqrt(12))
    assert FixedRank(3, 3, 3, depth=np.inf).typical_dist == pytest.approx(np.sqrt(3))
