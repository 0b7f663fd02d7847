"""Sparse and factored data at d_x = 30000: results, and memory of the order of the factors."""

import tracemalloc
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from pymanopt.manifolds import FixedRankEmbedded
from pymanopt.optimizers import ConjugateGradient, TrustRegions
from scipy.sparse.linalg import aslinearoperator

from fixedrank import (
    FixedRank,
    LinearRegression,
    MatrixSum,
    balanced_factors,
    compare_flows,
    factored_flow,
    riemannian_flow,
)
from fixedrank.losses import as_loss
from tests.losses.representations import FORMS, zero_filled
from tests.networks.data import gaussian_layers, regression_data

SIZE, RANK, SAMPLES = 30_000, 3, 500
FACTORS = 2 * SIZE * RANK * 8  # bytes of a point
# Runge-Kutta methods keep some sixteen states, and trust regions a few of a dozen vectors.
LIMIT, LIMIT_OF_RUNS = 15 * FACTORS, 45 * FACTORS


def sparse(seed, shape, count):
    rng = np.random.default_rng(seed)
    places = tuple(rng.integers(0, size, count) for size in shape)
    return scipy.sparse.csr_array((rng.standard_normal(count), places), shape)


def user_problem(kind):
    """The loss <G, W> + |W|^2 / 2 with a sparse G, and its gradient G + W of some kind."""
    G = sparse(3, (SIZE, SIZE), 60_000)

    def loss(W):
        u, s, vt = W
        return float(np.vdot(u * s, G @ vt.T) + (s**2).sum() / 2)

    gradients = {
        "sparse": lambda u, s, vt: G,
        "low-rank": lambda u, s, vt: (u * s, vt.T),
        "sum": lambda u, s, vt: MatrixSum(G, (u * s, vt.T)),
        "operator": lambda u, s, vt: aslinearoperator(G),
    }
    return SimpleNamespace(
        shape=(SIZE, SIZE),
        loss=loss,
        gradient=lambda W: gradients[kind](*W),
        hessian_product=lambda W, pair: pair,
    )


def regressions():
    X, Y = sparse(0, (SIZE, SAMPLES), 6_000), sparse(1, (SIZE, SAMPLES), 6_000)
    few = np.random.default_rng(2).standard_normal((SIZE, 5)) / np.sqrt(SIZE)
    cross = MatrixSum((Y[:, :5].toarray(), few), (few, few))
    return {
        "sparse": LinearRegression(X, Y),
        "diagonal": LinearRegression(
            scipy.sparse.eye_array(SIZE, format="csr"), sparse(1, (SIZE,) * 2, 30_000)
        ),
        "pair": LinearRegression.from_moments((few, few), cross, 1e6),
    }


@cache
def regression(kind):
    return regressions()[kind]


@pytest.fixture(scope="module")
def place():
    manifold = FixedRank(SIZE, SIZE, RANK, depth=3)
    point = manifold.random_point(rng=0)
    return {
        "manifold": manifold,
        "p": point,
        "Z": manifold.random_tangent_vector(point, rng=1),
        "layers": balanced_factors(point, [SIZE, RANK, RANK, SIZE], rng=2),
        "rng": np.random.default_rng(3),
    }


def peak_memory(run):
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


OPERATIONS = {
    "loss": lambda problem, p, **_: problem.loss(p),
    "gradient": lambda problem, p, manifold, **_: manifold.euclidean_to_riemannian_gradient(
        p, problem.gradient(p)
    ),
    "hessian": lambda problem, p, Z, manifold, **_: manifold.euclidean_to_riemannian_hessian(
        p, problem.gradient(p), problem.hessian_product(p, Z), Z
    ),
    "line_minimum": lambda problem, p, Z, **_: problem.line_minimum(p, Z),
    "gradient_products": lambda problem, p, **_: problem.gradient_products(p.u, None, p.vt.T),
    "network_loss": lambda problem, layers, **_: problem.network_loss(layers),
    "network_gradient": lambda problem, layers, **_: problem.network_gradient(layers),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("kind", ["sparse", "diagonal", "pair"])
def test_memory_of_regressions(place, kind, name):
    problem = regression(kind)
    assert peak_memory(lambda: OPERATIONS[name](problem=problem, **place)) < LIMIT


def test_memory_of_set_up():
    assert peak_memory(regressions) < LIMIT


def run_riemannian(problem, p, manifold, **_):
    flow = riemannian_flow(problem, p, manifold.depth, [0.0, 0.01])
    assert flow.complete
    assert flow.loss[1] < flow.loss[0]


def run_factored(problem, layers, **_):
    flow = factored_flow(problem, layers, [0.0, 0.01])
    assert flow.complete
    assert flow.loss[1] < flow.loss[0]


def run_trust_regions(problem, p, manifold, **_):
    made = as_loss(problem).to_pymanopt(manifold)
    solver = TrustRegions(verbosity=0, max_iterations=2)
    assert solver.run(made, initial_point=p, maxinner=3).cost < made.cost(p)


def run_conjugate_gradients(problem, p, manifold, **_):
    made = as_loss(problem).to_pymanopt(manifold)
    solver = ConjugateGradient(verbosity=0, max_iterations=3)
    assert solver.run(made, initial_point=p).cost < made.cost(p)


RUNS = [run_riemannian, run_factored, run_trust_regions, run_conjugate_gradients]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("kind", ["sparse", "diagonal", "pair"])
def test_memory_of_runs(place, kind, run):
    problem = regression(kind)
    assert peak_memory(lambda: run(problem=problem, **place)) < LIMIT_OF_RUNS


@pytest.mark.parametrize("run", RUNS)
def test_memory_of_runs_of_a_user(place, run):
    problem = user_problem("sum")
    assert peak_memory(lambda: run(problem=problem, **place)) < LIMIT_OF_RUNS


@pytest.mark.parametrize("flow", ["riemannian", "factored"])
@pytest.mark.parametrize("kind", ["sparse", "low-rank", "operator"])
def test_memory_of_flows_of_a_user(place, kind, flow):
    problem, times = user_problem(kind), [0.0, 0.01]
    runs = {
        "riemannian": lambda: riemannian_flow(problem, place["p"], 3, times),
        "factored": lambda: factored_flow(problem, place["layers"], times),
    }
    assert peak_memory(runs[flow]) < LIMIT_OF_RUNS


# The same results as with dense data


@pytest.mark.parametrize("form", FORMS)
def test_flows(form):
    X, Y = zero_filled(1, 6, 5, 20)
    layers = balanced_factors(FixedRank(5, 6, 2, depth=3).random_point(rng=1), [6, 2, 3, 5], rng=2)
    found = compare_flows(FORMS[form](X, Y), layers, [0.0, 0.1, 0.4])
    expected = compare_flows(LinearRegression(X, Y), layers, [0.0, 0.1, 0.4])
    assert found.factored.complete
    for kind in ("factored", "riemannian"):
        flow, dense = getattr(found, kind), getattr(expected, kind)
        np.testing.assert_allclose(flow.singular_values, dense.singular_values, rtol=1e-6)
        np.testing.assert_allclose(flow.loss, dense.loss, rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_trust_regions(form, depth):
    X, Y = regression_data(0, 5, 4, 15)
    problem = LinearRegression(X, Y)
    manifold = FixedRank(4, 5, 2, depth=depth)
    solver = TrustRegions(verbosity=0, min_gradient_norm=1e-9)
    result = solver.run(
        FORMS[form](X, Y).to_pymanopt(manifold), initial_point=manifold.random_point(rng=1)
    )
    # Theorem: the least loss on M_2 leaves out all but two singular values of Q.
    least = (problem.residual**2 + (np.linalg.svd(problem.Q)[1][2:] ** 2).sum()) / 2
    assert result.cost == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize("form", ["sparse X and Y", "operators"])
def test_the_embedded_manifold_of_pymanopt(form):
    X, Y = regression_data(0, 5, 4, 15)
    problem = LinearRegression(X, Y)
    solver = ConjugateGradient(
        verbosity=0, max_iterations=3000, min_gradient_norm=1e-9, min_step_size=1e-14
    )
    result = solver.run(
        FORMS[form](X, Y).to_pymanopt(FixedRankEmbedded(4, 5, 2)),
        initial_point=FixedRank(4, 5, 2, depth=1).random_point(rng=1),
    )
    least = (problem.residual**2 + (np.linalg.svd(problem.Q)[1][2:] ** 2).sum()) / 2
    assert result.cost == pytest.approx(least, rel=1e-10)


def test_layers_of_other_widths():
    X, Y = zero_filled(2, 6, 5, 20)
    layers = gaussian_layers(0, [6, 8, 3, 7, 5])
    sparse_problem = LinearRegression(scipy.sparse.csr_array(X), Y)
    found = factored_flow(sparse_problem, layers, [0.0, 0.2])
    expected = factored_flow(LinearRegression(X, Y), layers, [0.0, 0.2])
    np.testing.assert_allclose(found.product[-1], expected.product[-1], atol=1e-7)
