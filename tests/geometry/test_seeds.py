"""What pymanopt draws without asking comes from the generator of the manifold."""

import pickle

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from pymanopt.optimizers import ConjugateGradient, NelderMead, TrustRegions

from fixedrank import FixedRank

TARGET = np.diag([3.0, 2.0, 1.0, 0.5])[:, :3]


def problem(rng, k=2):
    manifold = FixedRank(4, 3, k, depth=2, rng=rng)

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        return anp.sum(((u * s) @ vt - TARGET) ** 2)

    return pymanopt.Problem(manifold, cost)


def arrays_equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    ("solver", "k"), [(ConjugateGradient, 2), (TrustRegions, 2), (NelderMead, 1)]
)
def test_runs_without_a_start_repeat(solver, k):
    points = [
        solver(max_iterations=3, verbosity=0).run(problem(seed, k)).point for seed in (7, 7, 8)
    ]
    assert arrays_equal(points[0], points[1])
    assert not arrays_equal(points[0], points[2])


def test_draws_follow_each_other():
    manifold = FixedRank(4, 3, 2, depth=2, rng=0)
    points = [manifold.random_point() for _ in range(2)]
    assert not arrays_equal(*points)
    vectors = [manifold.random_tangent_vector(points[0]) for _ in range(2)]
    assert not arrays_equal(*vectors)
    again = FixedRank(4, 3, 2, depth=2, rng=np.random.default_rng(0))
    assert arrays_equal(again.random_point(), points[0])


def test_a_generator_of_the_call_comes_first():
    seeded, fresh = FixedRank(4, 3, 2, depth=2, rng=0), FixedRank(4, 3, 2, depth=2)
    assert arrays_equal(seeded.random_point(rng=5), fresh.random_point(rng=5))
    assert arrays_equal(seeded.random_point(), FixedRank(4, 3, 2, depth=2, rng=0).random_point())


def test_without_a_seed_each_draw_is_fresh():
    manifold = FixedRank(4, 3, 2, depth=2)
    # Copies in other processes must not draw what the original draws.
    assert not arrays_equal(
        pickle.loads(pickle.dumps(manifold)).random_point(), manifold.random_point()
    )


def test_the_global_state_stays():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    manifold = FixedRank(4, 3, 2, depth=2, rng=0)
    manifold.random_tangent_vector(manifold.random_point())
    ConjugateGradient(max_iterations=2, verbosity=0).run(problem(0))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
