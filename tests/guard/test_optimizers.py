"""What L-BFGS asks for at each step, and what it holds."""

from collections import Counter

import numpy as np
import pytest

import fixedrank
from fixedrank.optimizers import LBFGS
from tests.guard.counting import peak_bytes

M, N, RANK, MEMORY = 3000, 2000, 2, 5


class Counting(fixedrank.FixedRank):
    """A manifold that counts what optimisers ask for vector by vector."""

    def __init__(self, *sizes, depth):
        super().__init__(*sizes, depth=depth)
        self.counts = Counter()

    def transport(self, *arguments):
        self.counts["transport"] += 1
        return super().transport(*arguments)

    def inner_product(self, *arguments):
        self.counts["inner_product"] += 1
        return super().inner_product(*arguments)

    def retraction(self, *arguments):
        self.counts["retraction"] += 1
        return super().retraction(*arguments)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((M, RANK)), rng.standard_normal((N, RANK))
    rows, cols = np.divmod(rng.choice(M * N, 40_000, replace=False), N)
    values = np.einsum("ij,ij->i", left[rows], right[cols])
    return fixedrank.MatrixCompletion(rows, cols, values, (M, N))


@pytest.mark.parametrize("depth", [1, 3])
def test_a_step_takes_one_gradient_and_hardly_more_than_one_cost(problem, depth):
    manifold = Counting(M, N, RANK, depth=depth)
    watched = fixedrank.watch(problem.to_pymanopt(manifold), lambda *seen: None)
    LBFGS(MEMORY, verbosity=0, max_iterations=30, min_gradient_norm=0).run(
        watched, initial_point=problem.initial_point(RANK)
    )
    counts = watched.counts
    assert counts.steps == 29
    assert counts.gradients == counts.steps + 1
    # The first step may be shortened some times.
    assert counts.costs <= counts.steps + 6
    assert watched.manifold.counts["retraction"] == counts.costs - 1
    # All vectors are moved and multiplied together.
    assert watched.manifold.counts["transport"] == 0
    assert watched.manifold.counts["inner_product"] == 0


def test_memory_is_that_of_the_pairs(problem):
    manifold = fixedrank.FixedRank(M, N, RANK, depth=2)
    made, start = problem.to_pymanopt(manifold), problem.initial_point(RANK)
    solver = LBFGS(MEMORY, verbosity=0, max_iterations=20, min_gradient_norm=0)
    vector = 8 * (M + N + RANK) * RANK
    # 12 rows, twice; two or three times as much while they are moved; and 40,000 entries.
    least = (2 + 3) * (2 * MEMORY + 2) * vector + 20 * 8 * 40_000
    assert peak_bytes(lambda: solver.run(made, initial_point=start)) < 1.5 * least < 8 * M * N
