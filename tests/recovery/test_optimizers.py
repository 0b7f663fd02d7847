"""All of pymanopt's optimizers on completion and sensing, and the line search."""

import copy
from functools import partial

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from pymanopt.manifolds import FixedRankEmbedded
from pymanopt.optimizers import (
    ConjugateGradient,
    NelderMead,
    ParticleSwarm,
    SteepestDescent,
    TrustRegions,
)

from fixedrank import (
    ExactStartLineSearcher,
    FixedRank,
    LinearRegression,
    MatrixCompletion,
    MatrixSensing,
)
from tests.recovery.problems import KINDS, make

M, N, K = 12, 10, 2
MANIFOLDS = [FixedRankEmbedded(M, N, K), *(FixedRank(M, N, K, depth=N_) for N_ in (1, 2, 3.5))]


def truth():
    rng = np.random.default_rng(0)
    return rng.standard_normal((M, K)) @ rng.standard_normal((K, N))


def completion():
    rows, cols = np.nonzero(np.random.default_rng(1).random((M, N)) < 0.7)
    return MatrixCompletion(rows, cols, truth()[rows, cols], (M, N))


def sensing():
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((100, M)), rng.standard_normal((100, N))
    return MatrixSensing((left, right), np.sum((left @ truth()) * right, axis=1))


def distance(result):
    u, s, vt = result.point
    return np.abs((u * s) @ vt - truth()).max()


@pytest.mark.parametrize("problem", [completion(), sensing()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("manifold", MANIFOLDS, ids=str)
@pytest.mark.parametrize("optimizer", [SteepestDescent, ConjugateGradient])
def test_first_order(problem, manifold, optimizer):
    for searcher in (None, ExactStartLineSearcher(problem)):
        solver = optimizer(
            verbosity=0,
            line_searcher=searcher,
            max_iterations=5000,
            min_gradient_norm=1e-7,
            min_step_size=1e-12,
        )
        result = solver.run(problem.to_pymanopt(manifold), initial_point=problem.initial_point(K))
        assert distance(result) < 1e-5


@pytest.mark.parametrize("problem", [completion(), sensing()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("manifold", MANIFOLDS[1:], ids=str)
def test_trust_regions(problem, manifold):
    solver = TrustRegions(verbosity=0, min_gradient_norm=1e-9)
    result = solver.run(problem.to_pymanopt(manifold), initial_point=problem.initial_point(K))
    assert distance(result) < 1e-8
    # Quadratic convergence: with a wrong Hessian it takes hundreds.
    assert result.iterations < 40


@pytest.mark.parametrize(("optimizer", "iterations"), [(NelderMead, 20), (ParticleSwarm, 20)])
def test_without_derivatives(optimizer, iterations, monkeypatch):
    problem = MatrixCompletion([0, 0, 1], [0, 1, 0], [1.0, 2.0, 3.0], (2, 2))
    manifold, rng = FixedRank(2, 2, 1, depth=2), np.random.default_rng(0)
    # The two draw their starts, and the swarm its moves, without a seed.
    drawn = []

    def random_point():
        drawn.append(FixedRank.random_point(manifold, rng=rng))
        return drawn[-1]

    monkeypatch.setattr(manifold, "random_point", random_point)
    monkeypatch.setattr(
        manifold, "random_tangent_vector", partial(manifold.random_tangent_vector, rng=rng)
    )
    monkeypatch.setattr(np.random, "uniform", rng.uniform)
    solver = optimizer(verbosity=0, max_iterations=iterations)
    result = solver.run(problem.to_pymanopt(manifold))
    assert result.cost < min(problem.loss(point) for point in drawn) / 2


@pytest.mark.parametrize("depth", [1, 2, 3.5])
def test_automatic_differentiation_finds_the_same_gradient_and_hessian(depth):
    problem, manifold = completion(), FixedRank(M, N, K, depth=depth)
    rows, cols, values = problem.rows, problem.cols, problem.values

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        return anp.sum(((u * s) @ vt)[rows, cols] ** 2 / 2) - anp.sum(
            ((u * s) @ vt)[rows, cols] * values
        )

    automatic, by_hand = pymanopt.Problem(manifold, cost), problem.to_pymanopt(manifold)
    point = manifold.random_point(rng=1)
    Z = manifold.random_tangent_vector(point, rng=2)
    for found, expected in (
        (by_hand.riemannian_gradient(point), automatic.riemannian_gradient(point)),
        (by_hand.riemannian_hessian(point, Z), automatic.riemannian_hessian(point, Z)),
    ):
        assert manifold.norm(point, found - expected) < 1e-10 * manifold.norm(point, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 3])
def test_gradient_and_hessian_along_curves(kind, depth):
    problem, _, _ = make(kind, (5, 4), 15, 0)
    manifold = FixedRank(5, 4, K, depth=depth)
    made, point = problem.to_pymanopt(manifold), manifold.random_point(rng=1)
    Z = manifold.random_tangent_vector(point, rng=2)
    h = 1e-3
    ahead, behind = (
        problem.loss(manifold.second_order_retraction(point, sign * h * Z)) for sign in (1, -1)
    )
    slope = manifold.inner_product(point, made.riemannian_gradient(point), Z)
    assert slope == pytest.approx((ahead - behind) / (2 * h), rel=1e-3, abs=1e-3)
    second = manifold.inner_product(point, made.riemannian_hessian(point, Z), Z)
    difference = (ahead + behind - 2 * problem.loss(point)) / h**2
    assert second == pytest.approx(difference, rel=1e-3, abs=1e-3)


# The line search by itself


def counted(problem):
    """The cost, and a list that grows with each evaluation."""
    calls = []

    def cost(point):
        calls.append(point)
        return problem.loss(point)

    return cost, calls


def search(problem, manifold, point, Z, **options):
    """One search, and the number of its trial steps."""
    cost, calls = counted(problem)
    gradient = problem.to_pymanopt(manifold).riemannian_gradient(point)
    slope = manifold.inner_product(point, gradient, Z)
    searcher = ExactStartLineSearcher(problem, **options)
    return *searcher.search(cost, manifold, point, Z, problem.loss(point), slope), len(calls)


def test_on_a_straight_line_the_first_step_is_the_minimum():
    # Of full rank with N = 1 the manifold is open, and its retraction W + t Z.
    problem, _, _ = make("dense", (3, 3), 20, 0)
    manifold = FixedRank(3, 3, 3, depth=1)
    point = manifold.point(5 * np.eye(3))
    Z = -problem.to_pymanopt(manifold).riemannian_gradient(point)
    length, found, trials = search(problem, manifold, point, Z)
    assert trials == 1
    W, direction = manifold.to_matrix(point), manifold.tangent_to_matrix(point, Z)
    t = length / manifold.norm(point, Z)
    line = [problem.loss(W + factor * t * direction) for factor in (0.999, 1, 1.001)]
    assert line[1] < min(line[0], line[2])
    np.testing.assert_allclose(manifold.to_matrix(found), W + t * direction, atol=1e-10)


def test_where_the_minimum_has_a_lower_rank_the_step_is_shortened():
    problem = MatrixCompletion([0, 0, 1, 1], [0, 1, 0, 1], [1.0, 0, 0, 0], (2, 2))
    manifold = FixedRank(2, 2, 2, depth=1)
    point = (np.eye(2), np.ones(2), np.eye(2))
    Z = -problem.to_pymanopt(manifold).riemannian_gradient(point)
    _, found, trials = search(problem, manifold, point, Z)
    np.testing.assert_allclose(found.s, [1, 0.5], rtol=1e-12)
    assert trials == 1  # the first step was refused by the retraction, before any cost


def test_directions_that_do_not_help():
    problem = completion()
    manifold = FixedRank(M, N, K, depth=2)
    point = problem.initial_point(K)
    uphill = problem.to_pymanopt(manifold).riemannian_gradient(point)
    # What is asked for is a decrease that no step along this direction gives.
    length, found, trials = search(problem, manifold, point, uphill, max_iterations=3)
    assert (length, trials) == (0, 4)
    assert found is point
    length, found, trials = search(problem, manifold, point, 0 * uphill)
    assert (length, trials) == (0, 0)
    assert found is point


def test_a_copy_shares_the_problem():
    searcher = ExactStartLineSearcher(completion())
    assert copy.deepcopy(searcher).problem is searcher.problem


def test_a_regression():
    rng = np.random.default_rng(0)
    problem = LinearRegression(rng.standard_normal((N, 30)), rng.standard_normal((M, 30)))
    manifold = FixedRank(M, N, K, depth=2)
    start = manifold.random_point(rng=1)
    losses, iterations = [], []
    for searcher in (None, ExactStartLineSearcher(problem)):
        solver = ConjugateGradient(
            verbosity=0, line_searcher=searcher, min_gradient_norm=1e-6, max_iterations=2000
        )
        result = solver.run(problem.to_pymanopt(manifold), initial_point=start)
        losses.append(result.cost)
        iterations.append(result.iterations)
    assert losses[1] == pytest.approx(losses[0], rel=1e-10)


def test_bad_arguments():
    with pytest.raises(TypeError, match=r"line_minimum\(point, Z\).*object"):
        ExactStartLineSearcher(object())
    with pytest.raises(ValueError, match=r"contraction_factor.*1\.5"):
        ExactStartLineSearcher(completion(), contraction_factor=1.5)
    with pytest.raises(ValueError, match=r"sufficient_decrease.*nan"):
        ExactStartLineSearcher(completion(), sufficient_decrease=float("nan"))
    with pytest.raises(ValueError, match=r"max_iterations.*-1"):
        ExactStartLineSearcher(completion(), max_iterations=-1)
