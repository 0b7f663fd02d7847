"""pymanopt's optimisers without derivatives, at rank one."""

import numpy as np
import pymanopt
import pytest
from pymanopt.optimizers import NelderMead, ParticleSwarm

from fixedrank import FixedRank

TARGET = np.random.default_rng(0).standard_normal((3, 2))


@pytest.fixture(params=[1, 2, 3])
def problem(request):
    manifold = FixedRank(3, 2, 1, depth=request.param)

    @pymanopt.function.numpy(manifold)
    def cost(u, s, vt):
        return float(((u * s @ vt - TARGET) ** 2).sum())

    return pymanopt.Problem(manifold, cost)


# The swarm draws from NumPy's global random state.
@pytest.fixture(autouse=True)
def seeded():
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002


def gaps(problem, points, result):
    """How far the best start and the result are above the least cost."""
    least = (np.linalg.svd(TARGET, compute_uv=False)[1:] ** 2).sum()
    return min(problem.cost(point) for point in points) - least, result.cost - least


def test_particle_swarm(problem):
    points = [problem.manifold.random_point(rng=i) for i in range(12)]
    optimizer = ParticleSwarm(max_iterations=30, population_size=12, verbosity=0)
    before, after = gaps(problem, points, optimizer.run(problem, initial_point=list(points)))
    assert 0 <= after < before / 5


def test_nelder_mead(problem, monkeypatch):
    points = [problem.manifold.random_point(rng=i) for i in range(problem.manifold.dim + 1)]
    left = iter(points)
    monkeypatch.setattr(problem.manifold, "random_point", lambda: next(left, points[0]))
    before, after = gaps(problem, points, NelderMead(max_iterations=40, verbosity=0).run(problem))
    assert 0 <= after < before / 5
