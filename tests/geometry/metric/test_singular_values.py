"""Costs that add a symmetric function of the singular values to one of the product."""

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixedrank import FixedRank
from fixedrank.testing import check_hessian
from tests.geometry import dense
from tests.strategies import depths, seeds, shapes

# Functions of s, and of W by its powers and determinants alone.


def log_det(W):
    return anp.linalg.slogdet(np.eye(W.shape[1]) + W.T @ W)[1]


SYMMETRIC = {
    "squares": (lambda s: anp.sum(s**2), lambda W: anp.sum(W**2)),
    "fourth powers": (lambda s: anp.sum(s**4), lambda W: anp.sum((W.T @ W) ** 2)),
    "logarithms": (lambda s: anp.sum(anp.log(1 + s**2)), log_det),
    "a product of sums": (
        lambda s: anp.sum(s**2) * anp.sum(anp.log(1 + s**2)),
        lambda W: anp.sum(W**2) * log_det(W),
    ),
    "a quotient of sums": (
        lambda s: anp.sum(s**2) ** 2 / anp.sum(s**4),
        lambda W: anp.sum(W**2) ** 2 / anp.sum((W.T @ W) ** 2),
    ),
}


def of_the_product(target):
    return lambda W: anp.sum((W - target) ** 2) / 2 + anp.sum(anp.sin(W) * target)


def tied_point(manifold, gap, rng):
    """All singular values close to each other, or all but the last of three or more."""
    u, _, vt = manifold.random_point(rng=rng)
    s = 1 + gap * np.arange(manifold.k)[::-1]
    if manifold.k > 2 and rng.random() < 0.5:
        s[-1] = 0.3
    return u, s, vt


def turning(manifold, point, rng):
    """Tangent vectors of length 1, some of which leave the singular values alone."""
    Z = manifold.random_tangent_vector(point, rng=rng)
    core = Z.M.copy()
    if rng.random() < 0.5:
        np.fill_diagonal(core, rng.choice([0.0, 1.0]))
    if rng.random() < 0.3:
        core = core + core.T
    Z = Z._replace(M=core)
    return Z / manifold.norm(point, Z)


@settings(max_examples=20)
@given(
    name=st.sampled_from(sorted(SYMMETRIC)),
    shape=shapes(),
    depth=depths(),
    gap=st.just(0.0) | st.floats(-16, 0).map(lambda exponent: 10.0**exponent),
    weight=st.sampled_from([0.3, 1e-3, 1e3]),
    seed=seeds,
)
def test_hessians_against_functions_of_the_matrix(name, shape, depth, gap, weight, seed):
    manifold, rng = FixedRank(*shape, depth=depth), np.random.default_rng(seed)
    point = tied_point(manifold, gap, rng)
    function = of_the_product(rng.standard_normal(shape[:2]))
    symmetric, of_matrix = SYMMETRIC[name]
    Z = turning(manifold, point, rng)
    first, second = dense.factor_derivatives(
        lambda u, s, vt: function((u * s) @ vt) + weight * symmetric(s),
        point,
        manifold.embedding(point, Z),
    )
    G, H = dense.euclidean_derivatives(
        lambda W: function(W) + weight * of_matrix(W),
        dense.matrix(point),
        manifold.tangent_to_matrix(point, Z),
    )
    gradient = manifold.euclidean_to_riemannian_gradient(point, first)
    expected = manifold.euclidean_to_riemannian_gradient(point, G)
    size = np.linalg.norm(G) + weight * 10
    error = dense.factor_norm(manifold.operator(point).solve(gradient - expected))
    assert error <= 1e-12 * size

    hessian = manifold.euclidean_to_riemannian_hessian(point, first, second, Z)
    expected = manifold.euclidean_to_riemannian_hessian(point, G, H, Z)
    error = manifold.norm(point, hessian - expected)
    # Differences of slopes over gaps lose digits, half of them at most.
    lost = min(dense.EPS / gap, gap) if 0 < gap < 1 else 0.0
    size = manifold.norm(point, expected) + size / 0.3
    assert error <= (1e-11 + 100 * lost) * size


# Differences of sixth order.
SECOND = np.array([2, -27, 270, -490, 270, -27, 2]) / 180


@pytest.mark.parametrize("s", [[3.0, 2.0, 1.0], [2.0, 2.0, 1.0], [2.0, 2.0, 2.0]])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_nuclear_norm_along_curves_without_acceleration(depth, s):
    manifold = FixedRank(5, 4, 3, depth=depth)
    point = manifold.random_point(rng=0)._replace(s=np.array(s))
    step = 0.01
    for seed in range(5):
        Z = turning(manifold, point, np.random.default_rng(seed))
        first, second = dense.factor_derivatives(
            lambda u, s, vt: anp.sum(s), point, manifold.embedding(point, Z)
        )
        form = manifold.inner_product(
            point, manifold.euclidean_to_riemannian_hessian(point, first, second, Z), Z
        )
        values = [
            np.linalg.svd(
                dense.matrix(manifold.second_order_retraction(point, i * step * Z)),
                compute_uv=False,
            ).sum()
            for i in range(-3, 4)
        ]
        # The sixth power of the step, and round-off of the values over its square.
        assert form == pytest.approx(SECOND @ values / step**2, abs=1e-8)


@pytest.mark.parametrize("s", [[1.0, 1.0, 1.0], [1 + 1e-9, 1.0, 0.5]])
@pytest.mark.parametrize(
    ("depth", "penalty"),
    [
        (1, lambda s: anp.log(anp.sum(anp.exp(s)))),
        (2, anp.sum),
        (5, lambda s: anp.sum(anp.log(1 + s))),
    ],
)
def test_the_check_of_hessians_at_ties(depth, penalty, s):
    manifold = FixedRank(6, 5, 3, depth=depth)
    target = np.random.default_rng(0).standard_normal((6, 5))

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        return 0.5 * anp.sum(((u * s) @ vt - target) ** 2) + 0.3 * penalty(s)

    start = manifold.random_point(rng=1)._replace(s=np.array(s))
    Z = turning(manifold, start, np.random.default_rng(2))
    check_hessian(pymanopt.Problem(manifold, cost), point=start, direction=Z)


@pytest.mark.parametrize("cost_scale", [1e-20, 1.0, 1e20])
@pytest.mark.parametrize("gap", [0.0, 1e-12])
def test_a_function_that_is_not_symmetric_has_no_hessian_at_a_tie(gap, cost_scale):
    manifold = FixedRank(5, 4, 2, depth=3)
    point = manifold.random_point(rng=0)._replace(s=np.array([1.0 + gap, 1.0]))
    Z = manifold.random_tangent_vector(point, rng=1)
    pair = dense.factor_derivatives(
        lambda u, s, vt: cost_scale * (s[0] + 2 * s[1] + anp.sum(((u * s) @ vt) ** 2)),
        point,
        manifold.embedding(point, Z),
    )
    with pytest.raises(ValueError, match=r"s\[\d\] = 1\.0.* no symmetric function of s"):
        manifold.euclidean_to_riemannian_hessian(point, *pair, Z)
