"""The regression as a pymanopt problem reaches the minimum that the theory names."""

import pickle
from types import SimpleNamespace

import numpy as np
import pymanopt
import pytest
import scipy.linalg
import scipy.sparse
from pymanopt.manifolds import FixedRankEmbedded, Stiefel
from pymanopt.optimizers import ConjugateGradient

from fixedrank import FixedRank, LinearRegression, MatrixSum
from fixedrank.losses import as_loss
from tests.networks.data import regression_data

K = 2


@pytest.fixture
def problem():
    return LinearRegression(*regression_data(0, 5, 4, 15))


def minimum(problem):
    """U_k S_k V_k^T C^(-1/2), with the root from SciPy."""
    root = scipy.linalg.sqrtm(problem.C)
    u, s, vt = np.linalg.svd(problem.B @ np.linalg.inv(root))
    return (u[:, :K] * s[:K]) @ vt[:K] @ np.linalg.inv(root)


def start():
    return FixedRank(4, 5, K, depth=1).random_point(rng=1)


@pytest.mark.parametrize(
    "manifold",
    [FixedRankEmbedded(4, 5, K), *(FixedRank(4, 5, K, depth=N) for N in (1, 2, 3.5, 10))],
    ids=str,
)
def test_conjugate_gradients(problem, manifold):
    solver = ConjugateGradient(
        verbosity=0, max_iterations=3000, min_gradient_norm=1e-8, min_step_size=1e-14
    )
    result = solver.run(problem.to_pymanopt(manifold), initial_point=start())
    u, s, vt = result.point
    # The cost is flat to round-off within 1e-8 of its minimum, which stops line searches there.
    np.testing.assert_allclose((u * s) @ vt, minimum(problem), rtol=0, atol=1e-6)


def test_cost_and_gradient(problem):
    manifold = FixedRank(4, 5, K, depth=2)
    made = problem.to_pymanopt(manifold)
    assert isinstance(made, pymanopt.Problem)
    point = start()
    assert made.cost(point) == problem.loss(point)
    gradient = made.riemannian_gradient(point)
    Z = manifold.random_tangent_vector(point, rng=2)
    h = 1e-5
    curve = [manifold.retraction(point, sign * h * Z) for sign in (1, -1)]
    slope = (made.cost(curve[0]) - made.cost(curve[1])) / (2 * h)
    assert manifold.inner_product(point, gradient, Z) == pytest.approx(slope, rel=1e-6)


def first_order_problem():
    """|W - T|^2 / 2 with a sparse T, without a Hessian; the gradient is a sum of two kinds."""
    target = scipy.sparse.csr_array(np.diag([3.0, 2.0, 1.0, 0.0]))
    return SimpleNamespace(
        shape=(4, 4),
        loss=lambda W: np.linalg.norm((W[0] * W[1]) @ W[2] - target) ** 2 / 2,
        gradient=lambda W: MatrixSum((W[0] * W[1], W[2].T), -target),
    )


@pytest.mark.parametrize(
    "manifold", [FixedRankEmbedded(4, 4, K), FixedRank(4, 4, K, depth=2)], ids=str
)
def test_a_problem_of_first_order(manifold):
    made = as_loss(first_order_problem()).to_pymanopt(manifold)
    solver = ConjugateGradient(
        verbosity=0, max_iterations=3000, min_gradient_norm=1e-9, min_step_size=1e-14
    )
    point = FixedRank(4, 4, K, depth=1).random_point(rng=0)
    assert solver.run(made, initial_point=point).cost == pytest.approx(0.5, abs=1e-10)


def test_a_hessian_of_differences():
    """That of |W - T|^2 / 2 is the identity."""
    manifold = FixedRank(4, 4, K, depth=2)
    point = manifold.random_point(rng=0)
    made = as_loss(first_order_problem()).to_pymanopt(manifold)
    Z = manifold.random_tangent_vector(point, rng=1)
    exact = manifold.euclidean_to_riemannian_hessian(
        point, first_order_problem().gradient(point), manifold.tangent_to_matrix(point, Z), Z
    )
    difference = made.riemannian_hessian(point, Z) - exact
    assert manifold.norm(point, difference) <= 1e-8 * manifold.norm(point, exact)


def test_a_manifold_of_another_kind(problem):
    with pytest.raises(ValueError, match=r"\(u, s, vt\).*FixedRank"):
        problem.to_pymanopt(Stiefel(5, 2))


def test_why_it_does_not_pickle(problem):
    converted = problem.to_pymanopt(FixedRank(4, 5, K, depth=2))
    with pytest.raises(TypeError, match=r"call problem\.to_pymanopt"):
        pickle.dumps(converted)
    assert pickle.loads(pickle.dumps(problem)).shape == problem.shape
