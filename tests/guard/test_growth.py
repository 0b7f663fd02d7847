"""Peak memory: so many blocks of (m + n) x k numbers, for all sizes, depths and samples."""

import functools
import pickle

import numpy as np
import pytest

import fixedrank
from fixedrank.flows.core import RiemannianSystem
from fixedrank.networks.gradients import network_gradient
from tests.guard.counting import peak_bytes

RANK = 4
SMALL, LARGE = (2400, 800), (4800, 1600)


def place(m, n, depth=3):
    """A point, another, a tangent vector, and a gradient in three forms."""
    manifold = fixedrank.FixedRank(m, n, RANK, depth=depth)
    p, q = manifold.random_point(rng=0), manifold.random_point(rng=1)
    Z = manifold.random_tangent_vector(p, rng=2)
    pair = (p.u * [1.0, 2.0, 3.0, 4.0], p.vt.T)
    triple = (p.u * p.s, p.s, p.s[:, None] * p.vt)  # of |W|^2 / 2
    return {"manifold": manifold, "p": p, "q": q, "Z": Z, "pair": pair, "triple": triple}


def regression(pair):
    """A problem with moments in factors."""
    left, right = pair
    return fixedrank.LinearRegression.from_moments((right, right), (left, right), 100.0)


def layers_gradient(p, pair, **_):
    """The right-hand side of flow (5)."""
    layers = [p.vt, np.diag(p.s), p.u]
    return network_gradient(regression(pair).gradient_products, layers)


def velocity(manifold, p, pair, **_):
    """The right-hand side of flow (9)."""
    problem = regression(pair)
    system = RiemannianSystem(problem, problem.shape, manifold.metric, 1e-8)
    state = system.state(p.u, np.diag(p.s), p.vt.T)
    return system.right_hand_side(0.0, state)


# name: (what it does, blocks of (m + n) k numbers at its peak, as recorded 2026-11-26 with
#        NumPy 1.26 and 2.5, rounded up)
OPERATIONS = {
    "inner_product": (lambda manifold, p, Z, **_: manifold.inner_product(p, Z, Z), 0.5),
    "random_point": (lambda manifold, **_: manifold.random_point(rng=0), 4),
    "random_tangent_vector": (
        lambda manifold, p, **_: manifold.random_tangent_vector(p, rng=0),
        2,
    ),
    "projection": (lambda manifold, p, pair, **_: manifold.projection(p, pair), 2),
    "to_tangent_space": (lambda manifold, p, Z, **_: manifold.to_tangent_space(p, Z), 2),
    "embedding": (lambda manifold, p, Z, **_: manifold.embedding(p, Z), 2),
    "gradient, ambient": (
        lambda manifold, p, pair, **_: manifold.euclidean_to_riemannian_gradient(p, pair),
        2,
    ),
    "gradient, factors": (
        lambda manifold, p, triple, **_: manifold.euclidean_to_riemannian_gradient(p, triple),
        2,
    ),
    "hessian, ambient": (
        lambda manifold, p, pair, Z, **_: manifold.euclidean_to_riemannian_hessian(
            p, pair, pair, Z
        ),
        7,
    ),
    "retraction": (lambda manifold, p, Z, **_: manifold.retraction(p, Z), 3),
    "transport": (lambda manifold, p, q, Z, **_: manifold.transport(p, q, Z), 2),
    "a + 2 b": (lambda Z, **_: Z + 2 * Z, 2.5),
    "velocity": (velocity, 5),
    "layers_gradient": (layers_gradient, 3),
}


def check_growth(operation, blocks):
    """Raise an AssertionError if the peak grows faster than m + n, or is above so many blocks."""
    peaks = []
    for m, n in (SMALL, LARGE):
        peaks.append(peak_bytes(functools.partial(operation, **place(m, n))))
        assert peaks[-1] < blocks * 8 * (m + n) * RANK
    # Doubled sizes: an m x n or an m x m array would grow by 4.
    assert peaks[1] < 2.1 * peaks[0]


@pytest.mark.parametrize("name", OPERATIONS)
def test_growth_with_the_size(name):
    check_growth(*OPERATIONS[name])


@pytest.mark.parametrize("name", OPERATIONS)
def test_depth_needs_no_memory(name):
    operation, _ = OPERATIONS[name]
    shallow, deep = (
        peak_bytes(functools.partial(operation, **place(*SMALL, depth=depth)))
        for depth in (3, 1000)
    )
    assert deep < 1.05 * shallow


def test_samples_need_no_memory():
    rng = np.random.default_rng(0)
    sizes, peaks = [], []
    for samples in (60, 6000):
        X = rng.standard_normal((10, samples))
        problem = fixedrank.LinearRegression(X, rng.standard_normal((12, samples)))
        point = fixedrank.FixedRank(12, 10, 2, depth=3).random_point(rng=0)
        system = RiemannianSystem(problem, problem.shape, fixedrank.DepthMetric(3), 1e-8)
        state = system.state(point.u, np.diag(point.s), point.vt.T)
        sizes.append(len(pickle.dumps(problem)))
        peaks.append(peak_bytes(functools.partial(system.right_hand_side, 0.0, state)))
    # Their number has more digits.
    assert abs(sizes[1] - sizes[0]) < 16
    assert abs(peaks[1] - peaks[0]) < 1000
