"""How often a matrix is sampled at the known entries: twice in an iteration of gradients."""

import numpy as np
import pytest
from pymanopt.optimizers import ConjugateGradient, SteepestDescent

from fixedrank import ExactStartLineSearcher, FixedRank, MatrixCompletion, recover
from fixedrank.recovery.entries import Entries

M, N, K = 40, 30, 2


@pytest.fixture
def samplings(monkeypatch):
    """A list that grows by the number of columns of what is sampled."""
    columns, of_product = [], Entries.of_product

    def counted(self, left, right):
        columns.append(left.shape[1])
        return of_product(self, left, right)

    monkeypatch.setattr(Entries, "of_product", counted)
    return columns


def completion():
    rng = np.random.default_rng(0)
    W = rng.standard_normal((M, K)) @ rng.standard_normal((K, N))
    rows, cols = np.nonzero(rng.random((M, N)) < 0.4)
    return MatrixCompletion(rows, cols, W[rows, cols], (M, N))


@pytest.mark.parametrize("optimizer", [ConjugateGradient, SteepestDescent])
@pytest.mark.parametrize("depth", [1, 3])
def test_an_iteration_samples_the_point_and_the_direction(samplings, optimizer, depth):
    problem, manifold = completion(), FixedRank(M, N, K, depth=depth)
    start = problem.initial_point(K)
    counts = []
    for iterations in (11, 21):
        samplings.clear()
        solver = optimizer(
            verbosity=0,
            line_searcher=ExactStartLineSearcher(problem),
            max_iterations=iterations,
            min_gradient_norm=0,
            min_step_size=0,
        )
        solver.run(problem.to_pymanopt(manifold), initial_point=start)
        counts.append((len(samplings), samplings.count(2 * K)))
    # The first step is accepted each time here: the point has k columns, the direction 2 k.
    assert np.diff(counts, axis=0).tolist() == [[20, 10]]


@pytest.mark.parametrize(("spread", "most"), [(1.0, 60), (1e-3, 40)])
def test_a_recovery_samples_as_little(samplings, spread, most):
    """As recorded 2026-11, 47 and 25 times, and a third: round-off may move an iteration."""
    rng = np.random.default_rng(0)
    point = FixedRank(200, 150, 3, depth=1).random_point(rng=rng)
    W = (point.u * np.geomspace(1, spread, 3)) @ point.vt
    rows, cols = np.nonzero(rng.random(W.shape) < 0.2)
    assert recover(MatrixCompletion(rows, cols, W[rows, cols], W.shape), 3, rng=0).converged
    assert len(samplings) <= most
