"""pymanopt's optimisers without derivatives, at rank one."""

import numpy as np
import pymanopt
import pytest
from pymanopt.optimizers import NelderMead, ParticleSwarm

from fixedrank import FixedRank

TARGET = np.random.default_rng(0).standard_normal((3, 2))


def problem(depth, seed):
    manifold = FixedRank(3, 2, 1, depth=depth, rng=seed)

    @pymanopt.function.numpy(manifold)
    def cost(u, s, vt):
        return float(((u * s @ vt - TARGET) ** 2).sum())

    return pymanopt.Problem(manifold, cost)


# The swarm's own weights come from NumPy's global random state.
@pytest.fixture(autouse=True)
def seeded():
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002


def progress(problem, points, result):
    """What is left of the best start's distance to the least cost."""
    least = (np.linalg.svd(TARGET, compute_uv=False)[1:] ** 2).sum()
    assert result.cost >= least - 1e-12
    return (result.cost - least) / (min(problem.cost(point) for point in points) - least)


@pytest.mark.parametrize("depth", [1, 3])
def test_particle_swarm(depth):
    left = []
    for seed in range(3):  # a single swarm may get stuck
        swarm = problem(depth, seed)
        points = [swarm.manifold.random_point() for _ in range(12)]
        optimizer = ParticleSwarm(max_iterations=30, population_size=12, verbosity=0)
        left.append(progress(swarm, points, optimizer.run(swarm, initial_point=list(points))))
    assert np.median(left) < 0.2


@pytest.mark.parametrize("depth", [1, 3])
def test_nelder_mead(depth, monkeypatch):
    simplex = problem(depth, 2)
    draw, points = simplex.manifold.random_point, []

    def drawn():
        points.append(draw())
        return points[-1]

    monkeypatch.setattr(simplex.manifold, "random_point", drawn)
    result = NelderMead(max_iterations=25, verbosity=0).run(simplex)
    # Later draws are starts of pymanopt's search for centroids.
    assert progress(simplex, points[: simplex.manifold.dim + 1], result) < 0.2
