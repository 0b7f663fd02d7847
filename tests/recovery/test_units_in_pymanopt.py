"""pymanopt's optimisers stop by absolute numbers: problems in units of their data are solved."""

import numpy as np
import pytest
from pymanopt.optimizers import ConjugateGradient, TrustRegions

from fixedrank import ExactStartLineSearcher, FixedRank, LinearRegression, MatrixCompletion

SHAPE, K = (20, 15), 2
UNITS = [1e-20, 1.0, 1e15]


def truth(rng):
    return rng.standard_normal((SHAPE[0], K)) @ rng.standard_normal((K, SHAPE[1]))


def completion(unit):
    """A completion in this unit, and its solution."""
    rng = np.random.default_rng(0)
    W = unit * truth(rng)
    rows, cols = np.divmod(rng.permutation(W.size)[:220], SHAPE[1])
    return (rows, cols, W[rows, cols]), W


def regression(unit):
    """Inputs, outputs and the solution, which is in this unit; the inputs are in another one."""
    rng = np.random.default_rng(1)
    W, X = unit * truth(rng), 1e3 * rng.standard_normal((SHAPE[1], 40))
    return X, W @ X, W


def solutions(problem, depth, start):
    """Where optimisers of first and of second order end, all options as they come."""
    manifold = FixedRank(*SHAPE, K, depth=depth)
    for optimizer in (
        ConjugateGradient(verbosity=0, line_searcher=ExactStartLineSearcher(problem)),
        TrustRegions(verbosity=0),
    ):
        result = optimizer.run(problem.to_pymanopt(manifold), initial_point=start)
        u, s, vt = result.point
        yield (u * s) @ vt, result.iterations


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("unit", UNITS)
def test_completion(unit, depth):
    (rows, cols, values), W = completion(unit)
    scale = np.abs(values).max()
    problem = MatrixCompletion(rows, cols, values / scale, SHAPE)
    for found, iterations in solutions(problem, depth, problem.initial_point(K)):
        assert np.abs(scale * found - W).max() < 1e-4 * np.abs(W).max()
        assert iterations < 200


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("unit", UNITS)
def test_regression(unit, depth):
    X, Y, W = regression(unit)
    of_x, of_y = np.abs(X).max(), np.abs(Y).max()
    problem = LinearRegression(X / of_x, Y / of_y)
    start = FixedRank(*SHAPE, K, depth=1).random_point(rng=2)
    for found, iterations in solutions(problem, depth, start):
        assert np.abs(of_y / of_x * found - W).max() < 1e-4 * np.abs(W).max()
        assert iterations < 200


def test_what_the_docs_warn_of():
    # In units of 1e-20 the gradient at the start is below the smallest one that is asked for.
    (rows, cols, values), _ = completion(1e-20)
    problem = MatrixCompletion(rows, cols, values, SHAPE)
    for _, iterations in solutions(problem, 2, problem.initial_point(K)):
        assert iterations <= 1
