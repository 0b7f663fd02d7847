"""What a callback sees of pymanopt's optimisers, and how it ends them."""

import numpy as np
import pymanopt
import pytest
from pymanopt.manifolds import Euclidean, Sphere
from pymanopt.optimizers import (
    ConjugateGradient,
    NelderMead,
    ParticleSwarm,
    SteepestDescent,
    TrustRegions,
)

import fixedrank
from fixedrank import FixedRank
from fixedrank.optimizers import LBFGS, Stopped
from tests.optimizers.problems import TARGET, automatic, squared, start

WITH_GRADIENTS = [SteepestDescent, ConjugateGradient, TrustRegions, LBFGS]


class Record(list):
    """A callback that keeps what it is told, and stops after some steps."""

    def __init__(self, last=None):
        super().__init__()
        self.last = last

    def __call__(self, point, norm, counts, seconds):
        self.append((point, norm, counts, seconds))
        return counts.steps == self.last


class Counting(fixedrank.Loss):
    """A loss that counts by itself."""

    shape = TARGET.shape

    def __init__(self):
        self.plain, self.asked = squared(TARGET), {"costs": 0, "gradients": 0, "hessians": 0}

    def loss(self, W):
        self.asked["costs"] += 1
        return self.plain.loss(W)

    def gradient(self, W):
        self.asked["gradients"] += 1
        return self.plain.gradient(W)

    def hessian_product(self, W, Z):
        self.asked["hessians"] += 1
        return self.plain.hessian_product(W, Z)


@pytest.mark.parametrize("optimizer", WITH_GRADIENTS)
def test_all_steps_are_told(optimizer):
    record, loss = Record(), Counting()
    manifold = FixedRank(8, 6, 2, depth=2)
    watched = fixedrank.watch(loss.to_pymanopt(manifold), record)
    result = optimizer(verbosity=0, max_iterations=12).run(watched, initial_point=start(2))
    points, norms, counts, seconds = zip(*record, strict=True)
    assert [count.steps for count in counts] == list(range(len(record)))
    # SteepestDescent asks for no gradient at its last point.
    assert (result.point is points[-1]) == (optimizer is not SteepestDescent)
    assert points[-1] is watched.point
    assert not watched.stopped
    assert list(seconds) == sorted(seconds)
    plain = squared(TARGET).to_pymanopt(manifold)
    costs = [plain.cost(point) for point in points]
    assert all(np.diff(costs) < 0)
    for point, norm in zip(points, norms, strict=True):
        gradient = plain.riemannian_gradient(point)
        assert norm == pytest.approx(manifold.norm(point, gradient), rel=1e-12)
    assert watched.counts.costs == loss.asked["costs"]
    assert watched.counts.hessians == loss.asked["hessians"]
    # A Hessian of pymanopt asks for the Euclidean gradient once more.
    assert watched.counts.gradients == loss.asked["gradients"] - loss.asked["hessians"]


@pytest.mark.parametrize("optimizer", WITH_GRADIENTS)
@pytest.mark.parametrize("last", [0, 3])
def test_a_run_is_ended_with_the_last_point(optimizer, last):
    record = Record(last)
    problem = automatic(FixedRank(8, 6, 2, depth=2))
    watched = fixedrank.watch(problem, record)
    # A tolerance of zero is never met.
    solver = optimizer(verbosity=0, min_gradient_norm=0, max_iterations=50)
    result = solver.run(watched, initial_point=start(2))
    # Trust regions look at the gradient after their first step only, and the others at once.
    assert last <= watched.counts.steps <= last + (optimizer is TrustRegions)
    assert watched.stopped
    assert result.point is watched.point
    expected = problem.manifold.norm(result.point, problem.riemannian_gradient(result.point))
    assert result.gradient_norm == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("optimizer", WITH_GRADIENTS)
def test_watching_changes_nothing(optimizer):
    problem = automatic(FixedRank(8, 6, 2, depth=2))
    watched = fixedrank.watch(problem, lambda *seen: None)
    results = [
        optimizer(verbosity=0, max_iterations=20).run(which, initial_point=start(2))
        for which in (problem, watched)
    ]
    for part, other in zip(*(result.point for result in results), strict=True):
        np.testing.assert_array_equal(part, other)
    assert results[0].cost == results[1].cost


def test_a_preconditioner_and_a_product_are_kept():
    manifold = fixedrank.Product([FixedRank(8, 6, 2, depth=2), Euclidean(8)])
    asked = []

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt, bias):
        return (((u * s) @ vt + bias[:, None] - TARGET) ** 2).sum()

    def precondition(point, vector):
        asked.append(point)
        return 2 * vector

    problem = pymanopt.Problem(manifold, cost, preconditioner=precondition)
    watched = fixedrank.watch(problem, Record(2))
    result = ConjugateGradient(verbosity=0).run(watched, initial_point=[start(2), np.zeros(8)])
    assert asked
    assert watched.stopped
    assert result.point is watched.point


@pytest.mark.parametrize("optimizer", [NelderMead, ParticleSwarm])
def test_without_gradients_lower_costs_are_told(optimizer, monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(np.random, "uniform", rng.uniform)
    monkeypatch.setattr(np.random, "normal", rng.normal)
    sphere = Sphere(3)

    @pymanopt.function.autograd(sphere)
    def cost(x):
        return x @ np.diag([3.0, 2.0, 1.0]) @ x

    record = Record(2)
    watched = fixedrank.watch(pymanopt.Problem(sphere, cost), record)
    with pytest.raises(Stopped, match="the callback ended the run") as stopped:
        optimizer(verbosity=0, max_iterations=50).run(watched)
    costs = [cost(point) for point, *_ in record]
    assert costs == sorted(costs, reverse=True)
    assert stopped.value.cost == costs[-1]
    assert stopped.value.point is record[-1][0]
    assert all(np.isnan(norm) for _, norm, *_ in record)


def test_what_cannot_be_watched():
    problem = automatic(FixedRank(8, 6, 2, depth=2))
    with pytest.raises(TypeError, match="callback must be a function"):
        fixedrank.watch(problem, 3)
    with pytest.raises(TypeError, match="to_pymanopt"):
        fixedrank.watch(squared(TARGET), print)


def test_the_manifold_that_was_handed_in_is_left_alone():
    problem = automatic(FixedRank(8, 6, 2, depth=2))
    watched = fixedrank.watch(problem, Record(1))
    LBFGS(verbosity=0).run(watched, initial_point=start(2))
    assert "norm" not in vars(problem.manifold)
    assert isinstance(watched.manifold, FixedRank)
