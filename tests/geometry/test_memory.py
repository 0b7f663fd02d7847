"""No operation forms an m x n array."""

import tracemalloc

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

from fixedrank import FibreEntropy, FixedRank, MatrixSum, integral_inner_product

SIZE, RANK = 50_000, 3
# The factors of a point take 2.4 MB, the sparse matrix 2 MB, an m x n array 20,000 MB.
LIMIT = 15 * 2 * SIZE * RANK * 8


@pytest.fixture(scope="module")
def place():
    manifold = FixedRank(SIZE, SIZE, RANK, depth=3)
    point = manifold.random_point(rng=0)
    rng = np.random.default_rng(1)
    rows, columns = rng.integers(0, SIZE, (2, 150_000))
    sparse = scipy.sparse.csr_array((rng.standard_normal(150_000), (rows, columns)), (SIZE, SIZE))
    # A few dominant entries, so that the leading singular values are found at once.
    spikes = scipy.sparse.diags_array(np.r_[40.0, 30.0, 20.0, np.zeros(SIZE - 3)], format="csr")
    pair = (point.u, point.vt.T * [1.0, 2.0, 3.0])
    return {
        "manifold": manifold,
        "p": point,
        "q": manifold.random_point(rng=2),
        "near": manifold.retraction(point, 0.01 * manifold.random_tangent_vector(point, rng=4)),
        "Z": manifold.random_tangent_vector(point, rng=3),
        "sparse": sparse + spikes,
        "pair": pair,
        "total": MatrixSum(sparse + spikes, pair, aslinearoperator(sparse)),
        "triple": (point.u @ np.diag(point.s), point.s, point.vt),
    }


def second_order_autodiff(manifold, p, Z, **_):
    """The Riemannian Hessian of |W|^2 / 2 by automatic differentiation, in thin products."""

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        left = u * s
        return anp.sum((left.T @ left) * (vt @ vt.T)) / 2

    return pymanopt.Problem(manifold, cost).riemannian_hessian(p, Z)


ENTROPY = FibreEntropy([SIZE, 10, 20, SIZE])

OPERATIONS = {
    "random_point": lambda manifold, **_: manifold.random_point(rng=0),
    "random_gibbs": lambda manifold, **_: manifold.random_gibbs(SIZE, rng=0),
    "brownian_drift": lambda manifold, p, **_: manifold.brownian_drift(p, 1.0),
    "entropy": lambda manifold, p, **_: ENTROPY.riemannian_gradient(p, manifold.metric),
    "entropy, Hessian": lambda manifold, p, Z, **_: ENTROPY.riemannian_hessian(
        p, manifold.metric, Z
    ),
    "entropy, Euclidean": lambda manifold, p, Z, **_: ENTROPY.hessian_product(p, Z),
    "random_tangent_vector": lambda manifold, p, **_: manifold.random_tangent_vector(p, rng=0),
    "check_point": lambda manifold, p, **_: manifold.check_point(p),
    "point, sparse": lambda manifold, sparse, **_: manifold.point(sparse),
    "point, operator": lambda manifold, sparse, **_: manifold.point(aslinearoperator(sparse)),
    "point, pair": lambda manifold, pair, **_: manifold.point(pair),
    "inner_product": lambda manifold, p, Z, **_: manifold.inner_product(p, Z, Z),
    "norm": lambda manifold, p, Z, **_: manifold.norm(p, Z),
    "projection, sparse": lambda manifold, p, sparse, **_: manifold.projection(p, sparse),
    "projection, operator": lambda manifold, p, sparse, **_: manifold.projection(
        p, aslinearoperator(sparse)
    ),
    "projection, pair": lambda manifold, p, pair, **_: manifold.projection(p, pair),
    "to_tangent_space": lambda manifold, p, Z, **_: manifold.to_tangent_space(p, Z),
    "embedding": lambda manifold, p, Z, **_: manifold.embedding(p, Z),
    "zero_vector": lambda manifold, p, **_: manifold.zero_vector(p),
    "gradient, sparse": lambda manifold, p, sparse, **_: manifold.euclidean_to_riemannian_gradient(
        p, sparse
    ),
    "gradient, triple": lambda manifold, p, pair, **_: manifold.euclidean_to_riemannian_gradient(
        p, (p.u * p.s, p.s, p.s[:, None] * p.vt)
    ),
    "retraction": lambda manifold, p, Z, **_: manifold.retraction(p, Z),
    "transport": lambda manifold, p, q, Z, **_: manifold.transport(p, q, Z),
    "apply": lambda manifold, p, Z, **_: manifold.operator(p).apply(Z),
    "apply, sparse": lambda manifold, p, sparse, **_: manifold.operator(p).apply(sparse),
    "solve": lambda manifold, p, Z, **_: manifold.operator(p).solve(Z),
    "eigenvalues": lambda manifold, p, **_: manifold.operator(p).eigenvalues(),
    "logdet": lambda manifold, p, **_: manifold.operator(p).logdet(),
    "apply, pair": lambda manifold, p, pair, **_: manifold.operator(p).apply(pair),
    "apply, sum": lambda manifold, p, total, **_: manifold.operator(p).apply(total),
    "integral": lambda p, Z, **_: integral_inner_product(p, Z, Z, 3),
    "point, sum": lambda manifold, total, **_: manifold.point(total),
    "projection, sum": lambda manifold, p, total, **_: manifold.projection(p, total),
    "gradient, sum": lambda manifold, p, total, **_: manifold.euclidean_to_riemannian_gradient(
        p, total
    ),
    "hessian, sum": lambda manifold, p, Z, total, sparse, **_: (
        manifold.euclidean_to_riemannian_hessian(p, total, sparse, Z)
    ),
    "hessian, triples": second_order_autodiff,
    "typical_dist": lambda manifold, **_: manifold.typical_dist,
    "log_volume_density": lambda manifold, p, **_: manifold.log_volume_density(p),
    "christoffel": lambda manifold, p, Z, **_: manifold.christoffel(p, Z, Z),
    "sectional_curvature": lambda manifold, p, Z, **_: manifold.sectional_curvature(
        p, Z, manifold.random_tangent_vector(p, rng=5)
    ),
    "second_order_retraction": lambda manifold, p, Z, **_: manifold.second_order_retraction(
        p, 0.01 * Z
    ),
    "exp": lambda manifold, p, Z, **_: manifold.exp(p, 0.01 * Z),
    "log": lambda manifold, p, near, **_: manifold.log(p, near),
    "dist": lambda manifold, p, near, **_: manifold.dist(p, near),
    "pair_mean": lambda manifold, p, near, **_: manifold.pair_mean(p, near),
    "parallel_transport": lambda manifold, p, Z, **_: manifold.parallel_transport(p, 0.01 * Z, Z),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_peak_memory(place, name):
    tracemalloc.start()
    try:
        OPERATIONS[name](**place)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < LIMIT
