"""Riemannian gradients, from ambient gradients and from derivatives with respect to the factors."""

import warnings

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from fixedrank import FixedRank, FixedRankPoint
from fixedrank.geometry.metric.gradients import gradient_norms
from tests.geometry import dense
from tests.geometry.metric.members import MANIFOLDS
from tests.strategies import depths, points, seeds, shapes, tangent_vectors, well_conditioned_points


def derivatives(cost, point):
    """The derivatives (du, ds, dvt) of cost(u, s, vt)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Output seems independent of input")
        return tuple(autograd.grad(cost, i)(*point) for i in range(3))


def nonlinear(target):
    """A cost of the product with no symmetry, as functions of W and of (u, s, vt)."""

    def ambient(W):
        return anp.sum((W - target) ** 2 * (1 + target**2)) + anp.sum(anp.sin(W) * target)

    return ambient, lambda u, s, vt: ambient((u * s) @ vt)


def weighted_distance(manifold, point, gradient, expected):
    """The Frobenius norm of A^{-1} of a difference: comparable with the Euclidean gradient."""
    return dense.factor_norm(manifold.operator(point).solve(gradient - expected))


def tied_point(m, n, s, seed=0):
    u, _, vt = FixedRank(m, n, len(s), depth=1).random_point(rng=seed)
    return u, np.array(s, dtype=float), vt


@given(
    point=well_conditioned_points(),
    depth=st.sampled_from([1, 2, 3, 5, 20]),
    seed=seeds,
)
def test_every_ambient_kind_gives_the_operator_of_the_gradient(point, depth, seed):
    k = point.s.size
    W = dense.matrix(point)
    m, n = W.shape
    manifold = FixedRank(m, n, k, depth=depth)
    rng = np.random.default_rng(seed)
    left, core, right = (rng.standard_normal(shape) for shape in ((m, 2), (2, 3), (n, 3)))
    G = left @ core @ right.T
    expected = dense.operator(W, k, G, depth)
    bound = 1e-12 * np.linalg.norm(left) * np.linalg.norm(core) * np.linalg.norm(right)
    bound *= manifold.operator(point).eigenvalues()[-1]
    kinds = {
        "array": G,
        "sparse": scipy.sparse.csc_array(G),
        "pair": (left @ core, right),
        "triple": (left, core, right),
        "operator": aslinearoperator(G),
    }
    for name, kind in kinds.items():
        gradient = manifold.euclidean_to_riemannian_gradient(point, kind)
        assert np.linalg.norm(dense.tangent(point, gradient) - expected) <= bound, name


@given(data=st.data(), shape=shapes(), depth=depths(), seed=seeds)
def test_gradient_against_differences_of_the_cost(data, shape, depth, seed):
    m, n, k = shape
    manifold = FixedRank(m, n, k, depth=depth)
    point = data.draw(well_conditioned_points(shape))
    Z = data.draw(tangent_vectors(point, 0.1, 1))
    W, direction = dense.matrix(point), dense.tangent(point, Z)
    ambient, cost = nonlinear(np.random.default_rng(seed).standard_normal((m, n)))
    # A complex step: the derivative along Z without cancellation.
    slope = ambient(W + 1e-30j * direction).imag / 1e-30
    gradient = manifold.euclidean_to_riemannian_gradient(point, derivatives(cost, point))
    scale = np.linalg.norm(autograd.grad(ambient)(W)) * np.linalg.norm(direction)
    # Dividing A(G) by A again costs the condition of A at most: N * 16 for s in [1/2, 2].
    assert abs(manifold.inner_product(point, gradient, Z) - slope) <= 1e-12 * scale


@given(data=st.data(), shape=shapes(), depth=depths(), seed=seeds)
def test_autodiff_equals_ambient(data, shape, depth, seed):
    m, n, k = shape
    manifold = FixedRank(m, n, k, depth=depth)
    # Ties, near ties, and s down to 1e-12: no digits are lost, as the weights cancel 1/s.
    point = data.draw(points(shape, low=1e-12 if depth >= 2 else 1e-3, high=10))
    ambient, cost = nonlinear(np.random.default_rng(seed).standard_normal((m, n)))
    G = autograd.grad(ambient)(dense.matrix(point))
    gradient = manifold.euclidean_to_riemannian_gradient(point, derivatives(cost, point))
    expected = manifold.euclidean_to_riemannian_gradient(point, G)
    assert weighted_distance(manifold, point, gradient, expected) <= 1e-13 * np.linalg.norm(G)


@pytest.mark.parametrize("depth", [2, 3, 20, 2.5])
@pytest.mark.parametrize("smallest", [1e-4, 1e-8, 1e-12, 1e-100, 1e-300])
def test_tiny_singular_values_do_not_blow_up(depth, smallest):
    manifold = FixedRank(5, 4, 3, depth=depth)
    point = tied_point(5, 4, [1.0, smallest, smallest])
    ambient, cost = nonlinear(np.random.default_rng(0).standard_normal((5, 4)))
    G = autograd.grad(ambient)(dense.matrix(point))
    with np.errstate(under="ignore"):
        gradient = manifold.euclidean_to_riemannian_gradient(point, derivatives(cost, point))
    expected = manifold.euclidean_to_riemannian_gradient(point, G)
    bound = 1e-12 * depth * np.linalg.norm(G)
    assert all(np.isfinite(part).all() for part in gradient)
    assert dense.factor_norm(gradient - expected) <= bound


@given(data=st.data(), shape=shapes(), depth=depths(), exponent=st.integers(-60, 60), seed=seeds)
def test_scaling_the_cost_scales_the_gradient(data, shape, depth, exponent, seed):
    m, n, k = shape
    manifold = FixedRank(m, n, k, depth=depth)
    point = data.draw(well_conditioned_points(shape))
    _, cost = nonlinear(np.random.default_rng(seed).standard_normal((m, n)))
    triple = derivatives(cost, point)
    scaled = tuple(2.0**exponent * part for part in triple)
    expected = 2.0**exponent * manifold.euclidean_to_riemannian_gradient(point, triple)
    gradient = manifold.euclidean_to_riemannian_gradient(point, scaled)
    assert weighted_distance(manifold, point, gradient, expected) == 0


@given(
    depth=depths(),
    gap=st.just(0.0) | st.floats(-15, -1).map(lambda exponent: 10.0**exponent),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    seed=seeds,
)
def test_where_only_the_normal_part_of_the_euclidean_gradient_is_left(depth, gap, scale, seed):
    # At the best rank-k approximation of a target the gradient is zero, however close a tie is.
    manifold = FixedRank(6, 5, 2, depth=depth)
    u, s, vt = FixedRank(6, 5, 4, depth=1).random_point(rng=seed)
    s = np.array([1 + gap, 1.0, 0.5, 0.3])
    target, point = (u * s) @ vt, (u[:, :2], s[:2], vt[:2])
    triple = derivatives(
        lambda u, s, vt: 0.5 * scale * anp.sum(((u * s) @ vt - target) ** 2), point
    )
    gradient = manifold.euclidean_to_riemannian_gradient(point, triple)
    zero = manifold.zero_vector(point)
    assert weighted_distance(manifold, point, gradient, zero) <= 1e-13 * scale


# Costs that use U^T U = I or V^T V = I


def squared_norm_cost(target):
    return lambda u, s, vt: 0.5 * anp.sum(s**2) - anp.sum(((u * s) @ vt) * target)


def gram_cost(target):
    """||W W^T - target||^2 / 2 by the formula U S^2 U^T."""
    return lambda u, s, vt: 0.5 * anp.sum(((u * s**2) @ u.T - target) ** 2)


def gram_gradient(W, target):
    residual = W @ W.T - target
    return (residual + residual.T) @ W


@given(data=st.data(), shape=shapes(), depth=depths(), seed=seeds)
def test_squared_norm_as_a_sum_over_s(data, shape, depth, seed):
    m, n, k = shape
    manifold = FixedRank(m, n, k, depth=depth)
    point = data.draw(well_conditioned_points(shape))
    target = np.random.default_rng(seed).standard_normal((m, n))
    G = dense.matrix(point) - target
    triple = derivatives(squared_norm_cost(target), point)
    gradient = manifold.euclidean_to_riemannian_gradient(point, triple)
    expected = manifold.euclidean_to_riemannian_gradient(point, G)
    scale = np.linalg.norm(target) + np.linalg.norm(point.s)
    assert weighted_distance(manifold, point, gradient, expected) <= 1e-13 * scale


@given(
    gap=st.floats(-5, -0.3).map(lambda exponent: 10.0**exponent),
    depth=depths(),
    m=st.integers(3, 6),
    seed=seeds,
)
def test_gram_cost_at_distinct_singular_values(gap, depth, m, seed):
    manifold = FixedRank(m, 4, 3, depth=depth)
    point = tied_point(m, 4, [2 * (1 + gap), 2.0, 2.0 * (1 - gap)], seed)
    target = np.random.default_rng(seed).standard_normal((m, m))
    triple = derivatives(gram_cost(target), point)
    gradient = manifold.euclidean_to_riemannian_gradient(point, triple)
    G = gram_gradient(dense.matrix(point), target)
    expected = manifold.euclidean_to_riemannian_gradient(point, G)
    # Quotients by the gap amplify round-off by its inverse.
    bound = 100 * dense.EPS / gap * np.linalg.norm(G)
    assert weighted_distance(manifold, point, gradient, expected) <= bound


# Differences below 1e-10 of the largest singular value count as round-off.
@given(depth=depths(), scale=st.integers(-25, 50).map(lambda exponent: 2.0**exponent), seed=seeds)
def test_gram_cost_at_a_tie_is_refused(depth, scale, seed):
    manifold = FixedRank(5, 4, 3, depth=depth)
    point = tied_point(5, 4, [3.0, 2.0, 2.0], seed)
    target = np.random.default_rng(seed).standard_normal((5, 5))
    triple = tuple(scale * part for part in derivatives(gram_cost(target), point))
    with pytest.raises(ValueError, match=r"not a function of the product.*s\[1\] = 2\.0.*s\[2\]"):
        manifold.euclidean_to_riemannian_gradient(point, triple)


@given(
    gap=st.floats(-16, -1).map(lambda exponent: 10.0**exponent),
    depth=depths(),
    share=st.sampled_from([1.0, 1e-3, 1e-5]),
    seed=seeds,
)
def test_near_a_tie_the_gradient_is_right_or_refused(gap, depth, share, seed):
    # A cost of the product, plus a share of one that is not: right to 1e-6 or refused.
    manifold = FixedRank(5, 4, 2, depth=depth)
    point = tied_point(5, 4, [2 * (1 + gap), 2.0], seed)
    rng = np.random.default_rng(seed)
    ambient, cost = nonlinear(rng.standard_normal((5, 4)))
    target = rng.standard_normal((5, 5))
    triple = tuple(
        a + share * b
        for a, b in zip(
            derivatives(cost, point), derivatives(gram_cost(target), point), strict=True
        )
    )
    W = dense.matrix(point)
    G = autograd.grad(ambient)(W) + share * gram_gradient(W, target)
    expected = manifold.euclidean_to_riemannian_gradient(point, G)
    try:
        gradient = manifold.euclidean_to_riemannian_gradient(point, triple)
    except ValueError:
        assert gap < 1e-4
    else:
        bound = max(1e-6, 100 * dense.EPS / gap) * np.linalg.norm(G)
        assert weighted_distance(manifold, point, gradient, expected) <= bound


def test_left_and_right_singular_vectors_play_the_same_part():
    manifold = FixedRank(5, 4, 2, depth=3)
    point = tied_point(5, 4, [2.0, 1.0])
    target = np.random.default_rng(1).standard_normal((4, 4))

    def cost(u, s, vt):
        return 0.5 * anp.sum(((vt.T * s**2) @ vt - target) ** 2)

    gradient = manifold.euclidean_to_riemannian_gradient(point, derivatives(cost, point))
    G = gram_gradient(dense.matrix(point).T, target).T
    expected = manifold.euclidean_to_riemannian_gradient(point, G)
    assert weighted_distance(manifold, point, gradient, expected) <= 1e-13 * np.linalg.norm(G)


@pytest.mark.parametrize("name", MANIFOLDS)
@pytest.mark.parametrize("size", [1e-150, 1.0, 1e150])
def test_lengths_at_many_points(name, size):
    """They are the norms of the gradients in the metric, in any unit of the loss."""
    manifold, rng = MANIFOLDS[name], np.random.default_rng(0)
    few = [manifold.random_point(rng=rng) for _ in range(4)]
    gradients = [size * rng.standard_normal((manifold.m, manifold.n)) for _ in few]
    points = FixedRankPoint(*map(np.array, zip(*few, strict=True)))
    gv = np.array([G @ p.vt.T for G, p in zip(gradients, few, strict=True)])
    gtu = np.array([G.T @ p.u for G, p in zip(gradients, few, strict=True)])
    expected = [
        size * manifold.norm(p, manifold.euclidean_to_riemannian_gradient(p, G / size))
        for p, G in zip(few, gradients, strict=True)
    ]
    found = gradient_norms(points, gv, gtu, manifold.metric)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # One that is no number leaves the others.
    gv[0], gtu[0] = np.inf, np.inf
    found = gradient_norms(points, gv, gtu, manifold.metric)
    assert found[0] == np.inf
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-12)
