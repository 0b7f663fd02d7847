"""Derivatives of any precision: right to that precision, at every gap and in every unit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import FixedRank
from tests.geometry import dense, rounded
from tests.strategies import depths, seeds, shapes

# What tells the precision: the type of the arrays, their digits, or their mismatch alone.
KINDS = {
    "arrays": lambda part: part,
    "digits": lambda part: part.astype(float),
    "neither": lambda part: 1.1 * part.astype(float),
}


@st.composite
def near_ties(draw):
    """Draw a point with equal gaps between its singular values, a target, a factor of the cost.

    The target is the point, plus what a gradient of a size in relation to W is normal, and what
    is not: with none it is noise.
    """
    m, n, k = draw(shapes())
    manifold = FixedRank(m, n, k, depth=draw(depths()))
    gap = draw(st.just(0.0) | st.floats(-16, 0).map(lambda exponent: 10.0**exponent))
    size = draw(st.sampled_from([1.0, 1e-3, 1e6]))
    rng = np.random.default_rng(draw(seeds))
    u, _, vt = manifold.random_point(rng=rng)
    point = u, size * (1 + gap * np.arange(k)[::-1]), vt
    W, rest = dense.matrix(point), rng.standard_normal((m, n))
    normal = rest - dense.projection(W / size, k, rest)
    sizes = st.sampled_from([0.0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1.0])
    target = W + size * (draw(sizes) * rest + draw(sizes) * normal)
    return manifold, point, target, draw(st.sampled_from([1.0, 1e-8, 1e5, 1e10])), rng


def size_of(manifold, point, target, c):
    return c * (np.linalg.norm(dense.matrix(point)) + np.linalg.norm(target)) * manifold.k


@given(
    place=near_ties(),
    dtype=st.sampled_from([np.float32, np.float64]),
    kind=st.sampled_from(sorted(KINDS)),
)
def test_gradients_to_the_precision_of_the_derivatives(place, dtype, kind):
    manifold, point, target, c, _ = place
    triple = tuple(map(KINDS[kind], rounded.first(point, target, c, dtype)))
    gradient = manifold.euclidean_to_riemannian_gradient(point, triple)
    factor = 1.1 if kind == "neither" else 1.0
    G = factor * c * (dense.matrix(point) - target)
    expected = manifold.euclidean_to_riemannian_gradient(point, G)
    error = dense.factor_norm(manifold.operator(point).solve(gradient - expected))
    # 5 are seen in 10^4 draws.
    assert error <= 100 * np.finfo(dtype).eps * size_of(manifold, point, target, c)


@given(
    place=near_ties(),
    dtype=st.sampled_from([np.float32, np.float64]),
    kind=st.sampled_from(sorted(KINDS)),
)
def test_hessians_to_the_precision_of_the_derivatives(place, dtype, kind):
    manifold, point, target, c, rng = place
    if kind == "neither":
        # Where the gradient itself is noise, nothing tells how precise its derivative is.
        target = target + np.min(point[1]) * rng.standard_normal(target.shape)
    Z = manifold.random_tangent_vector(point, rng=rng)
    direction = manifold.embedding(point, Z)
    pair = [
        tuple(map(KINDS[kind], triple))
        for triple in (
            rounded.first(point, target, c, dtype),
            rounded.second(point, direction, target, c, dtype),
        )
    ]
    hessian = manifold.euclidean_to_riemannian_hessian(point, *pair, Z)
    factor = 1.1 * c if kind == "neither" else c
    G = factor * (dense.matrix(point) - target)
    ambient = factor * manifold.tangent_to_matrix(point, Z)
    expected = manifold.euclidean_to_riemannian_hessian(point, G, ambient, Z)
    error = dense.factor_norm(manifold.operator(point).solve(hessian - expected))
    size = size_of(manifold, point, target, c) * dense.factor_norm(Z) / np.min(point[1])
    # Of the connection come up to 2 N.
    bound = 200 * np.finfo(dtype).eps * size * max(1.0, min(manifold.depth, 100))
    assert error <= bound


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_cost_beyond_the_product_is_refused_in_every_unit(dtype):
    # |W W^T|^2 / 4 - <W W^T, T> / 2, by a formula that uses V^T V = I, has no share in dvt.
    manifold, eps = FixedRank(5, 4, 2, depth=2), np.finfo(dtype).eps
    rng = np.random.default_rng(0)
    gaps = [0.0, *10 ** rng.uniform(-16, 0, 300)]
    for gap in gaps:
        size = rng.choice([1.0, 10 ** rng.uniform(-60, 30)])
        target = rng.standard_normal((5, 5))
        target = target + target.T
        # Rounded before it is scaled: float32 has no numbers of these sizes.
        u, s, vt = manifold.random_point(rng=rng)._replace(s=np.array([1 + gap, 1.0]))
        X = (u * s**2) @ u.T - target
        triple = (2 * X @ u * s**2, 2 * np.sum(u * (X @ u), axis=0) * s, np.zeros(vt.shape))
        triple = tuple(size**4 * part.astype(dtype).astype(float) for part in triple)
        point = (u, size * s, vt)
        scaled = triple[0], triple[1] / size, triple[2]
        expected = manifold.euclidean_to_riemannian_gradient(
            point, size**3 * 2 * X @ ((u * s) @ vt)
        )
        try:
            gradient = manifold.euclidean_to_riemannian_gradient(point, scaled)
        except ValueError as error:
            assert "not a function of the product" in str(error)  # noqa: PT017
            assert gap < 1e3 * eps
        else:
            # No digit of it would be known. In other units float32 numbers do not show as such.
            assert gap > 10 * eps or size != 1
            # 2 are seen in 10^3 draws.
            error = manifold.norm(point, gradient - expected)
            assert error <= 100 * eps / gap * manifold.norm(point, expected)
