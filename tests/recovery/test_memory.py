"""Completion and sensing of large matrices: memory of the order of the data."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse

from fixedrank import ExactStartLineSearcher, FixedRank, MatrixCompletion, MatrixSensing

SIZE, RANK, COUNT = 50_000, 5, 500_000
# A factor takes 2 MB, the positions and values 12 MB; entries x rank 20 MB, an m x n array 20 GB.
LIMIT = 20e6


@pytest.fixture(scope="module")
def place():
    rng = np.random.default_rng(0)
    manifold = FixedRank(SIZE, SIZE, RANK, depth=2)
    point = manifold.random_point(rng=1)
    places = np.unique(rng.integers(0, SIZE**2, COUNT))
    rows, cols = np.divmod(places, SIZE)
    completion = MatrixCompletion(rows, cols, rng.standard_normal(places.size), (SIZE, SIZE))
    few = rng.integers(0, SIZE**2, (20, 1000))
    indices = (np.repeat(np.arange(20), 1000), few.ravel())
    flat = scipy.sparse.coo_array((np.ones(few.size), indices), shape=(20, SIZE**2))
    pair = rng.standard_normal((20, SIZE)), rng.standard_normal((20, SIZE))
    return {
        "manifold": manifold,
        "point": point,
        "Z": manifold.random_tangent_vector(point, rng=2),
        "completion": completion,
        "sparse": MatrixSensing(flat, np.ones(20), (SIZE, SIZE)),
        "rank one": MatrixSensing(pair, np.ones(20)),
    }


OPERATIONS = {
    "loss": lambda problem, point, **_: problem.loss(point),
    "gradient": lambda problem, point, **_: problem.gradient(point),
    "hessian_product": lambda problem, point, Z, **_: problem.hessian_product(point, Z),
    "line_minimum": lambda problem, point, Z, **_: problem.line_minimum(point, Z),
    "gradient_products": lambda problem, point, **_: problem.gradient_products(
        point.u, np.diag(point.s), point.vt.T
    ),
    "network_gradient": lambda problem, point, **_: problem.network_gradient([point.vt, point.u]),
    "cost": lambda problem, manifold, point, **_: problem.to_pymanopt(manifold).cost(point),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("kind", ["completion", "sparse", "rank one"])
def test_peak_memory(place, kind, name):
    assert peak(lambda: OPERATIONS[name](problem=place[kind], **place)) < LIMIT


@pytest.mark.parametrize("kind", ["completion", "sparse", "rank one"])
def test_of_optimizers(place, kind):
    """A Riemannian gradient, a Hessian and a line search: some twenty factors of 2 MB."""
    problem, point, Z = place[kind], place["point"], place["Z"]
    made = problem.to_pymanopt(place["manifold"])

    def work():
        gradient = made.riemannian_gradient(point)
        made.riemannian_hessian(point, Z)
        slope = -(place["manifold"].norm(point, gradient) ** 2)
        ExactStartLineSearcher(problem).search(
            made.cost, place["manifold"], point, -gradient, made.cost(point), slope
        )

    assert peak(work) < 5 * LIMIT


def test_of_the_set_up_and_the_first_point(place):
    problem = place["completion"]

    def work():
        again = MatrixCompletion(problem.rows, problem.cols, problem.values, problem.shape)
        training, _ = again.split(0.2, rng=0)
        training.initial_point(1)

    assert peak(work) < 5 * LIMIT


def peak(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
