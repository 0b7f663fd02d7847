"""What an output of a flow costs: records are made of many states by few calls."""

import sys

import numpy as np
import pytest

import fixedrank
from tests.guard.counting import steps_of_the_library

D, RANK, DEPTH = 6, 2, 3
CASES = [("product", 15), ("layers", 15)]


def flows():
    """The flow of the product and that of the layers, as functions of the output times."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((D, 3 * D)) / np.sqrt(D)
    problem = fixedrank.LinearRegression(X, rng.standard_normal((D, D)) @ X)
    layers = fixedrank.random_balanced_factors([D, RANK, 4, D], rng=rng)
    start = fixedrank.FixedRank(D, D, RANK, depth=DEPTH).point(fixedrank.product(layers))
    return {
        "product": lambda t: fixedrank.riemannian_flow(problem, start, DEPTH, t, method="DOP853"),
        "layers": lambda t: fixedrank.factored_flow(problem, layers, t, method="DOP853"),
    }


def times(count):
    return np.linspace(0, 0.05, count)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12")
@pytest.mark.parametrize(("kind", "most"), CASES)
def test_steps_of_an_output(kind, most):
    """As recorded 2026-11, 11 and 7, and a half."""
    check_steps(kind, most)


def check_steps(kind, most):
    """Raise an AssertionError if an output takes more steps."""
    flow = flows()[kind]
    few, many = (steps_of_the_library(lambda n=n: flow(times(n))) for n in (201, 401))
    assert many - few <= 200 * most


@pytest.mark.parametrize("kind", ["product", "layers"])
def test_decompositions_of_an_output(kind, monkeypatch):
    """A hundred come by one call."""
    calls, svd = [], np.linalg.svd

    def counted(matrix, **options):
        calls.append(matrix.shape)
        return svd(matrix, **options)

    monkeypatch.setattr(np.linalg, "svd", counted)
    assert flows()[kind](times(401)).complete
    assert 2 < len(calls) < 40
