"""Weight decay as a loss: against layers, differences, and the Euclidean derivatives."""

import math

import numpy as np
import pymanopt
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st
from pymanopt.optimizers import ConjugateGradient, TrustRegions

from fixedrank import (
    FixedRank,
    FixedRankPoint,
    LinearRegression,
    SchattenDecay,
    balanced_factors,
    gradient_descent,
    rank_increase,
)
from fixedrank.geometry.factored.ambient import as_ambient
from fixedrank.losses import split_decay
from fixedrank.optimizers import LBFGS

DEPTHS = [1, 1.5, 2, 2.5, 3, 20]
EVERY_DEPTH = pytest.mark.parametrize("depth", DEPTHS)
SHAPES = st.sampled_from([(5, 4), (4, 5), (4, 4)])
SPECTRA = st.sampled_from([[2.0], [3.0, 1.0], [2.0, 2.0, 1e-3], [2.0, 2.0 - 1e-12], [4, 3, 2, 1.0]])


def regression(m=4, n=5, unit=1.0):
    rng = np.random.default_rng(0)
    return LinearRegression(rng.standard_normal((n, 30)), unit * rng.standard_normal((m, 30)))


def point_with(s, m=4, n=5, seed=0):
    u, _, vt = FixedRank(m, n, len(s), depth=1).random_point(rng=seed)
    return FixedRankPoint(u, np.array(s, dtype=float), vt)


@given(SHAPES, SPECTRA, st.sampled_from([1, 2, 3, 20]), st.sampled_from([1e-100, 1.0, 1e100]))
def test_the_penalty_is_that_of_balanced_layers(shape, s, depth, unit):
    """(lambda/2) (|W_1|^2 + ... + |W_N|^2)."""
    point = point_with(unit * np.array(s), *shape)
    k = len(s)
    widths = [shape[1], *[k] * (depth - 1), shape[0]] if depth > 1 else [shape[1], shape[0]]
    layers = balanced_factors(point, widths, rng=0)
    expected = 0.7 / 2 * sum(np.vdot(layer, layer) for layer in layers)
    decay = SchattenDecay(0.7, depth)
    assert decay.loss(point) == pytest.approx(expected, rel=1e-10)
    assert decay.network_loss(layers) == pytest.approx(expected, rel=1e-10)
    for found, layer in zip(decay.network_gradient(layers), layers, strict=True):
        np.testing.assert_array_equal(found, 0.7 * layer)


def test_it_is_the_least_sum_of_squares():
    """Of all layers with this product, by BFGS from several of them."""
    decay, W = SchattenDecay(1.0, 3), np.array([[2.0, 0.3], [0.1, 1.0]])

    def layers_of(x):
        first, last = x[:4].reshape(2, 2), x[4:].reshape(2, 2)
        return first, last, np.linalg.solve(last.T, np.linalg.solve(first.T, W.T).T.T)

    def cost(x):
        first, last, _ = layers_of(x)
        middle = np.linalg.solve(last, W) @ np.linalg.inv(first)
        return (np.vdot(first, first) + np.vdot(middle, middle) + np.vdot(last, last)) / 2

    start = np.eye(2).ravel()
    starts = [np.concatenate((a * start, start + b)) for a, b in ((1.0, 0.1), (2.0, -0.2))]
    for found in (scipy.optimize.minimize(cost, x, options={"gtol": 1e-7}) for x in starts):
        assert found.fun == pytest.approx(decay.loss(W), rel=1e-6)


@EVERY_DEPTH
@given(shape=SHAPES, s=SPECTRA, unit=st.sampled_from([1e-30, 1.0, 1e30]))
def test_closed_forms_are_the_riemannian_derivatives(depth, shape, s, unit):
    """Those made of Euclidean derivatives, with the connection."""
    point = point_with(unit * np.array(s), *shape)
    manifold = FixedRank(*shape, len(s), depth=depth)
    decay = SchattenDecay(0.7, depth)
    Z = manifold.random_tangent_vector(point, rng=1)
    gradient = manifold.euclidean_to_riemannian_gradient(point, decay.gradient(point))
    hessian = manifold.euclidean_to_riemannian_hessian(
        point, decay.gradient(point), decay.hessian_product(point, Z), Z
    )
    for found, expected in (
        (decay.riemannian_gradient(point, manifold.metric), gradient),
        (decay.riemannian_hessian(point, manifold.metric, Z), hessian),
    ):
        size = manifold.norm(point, found)
        # Round-off of the Euclidean Hessian grows by ratios of singular values.
        assert manifold.norm(point, found - expected) <= 1e-9 * size


@pytest.mark.parametrize("unit", [1e-150, 1.0, 1e150])
@pytest.mark.parametrize("depth", [1, 2, 3, 20])
def test_at_any_size(depth, unit):
    """|N lambda W|_g^2 = 2 N lambda R: the length of the gradient of half a squared distance."""
    s = unit * np.array([2.0, 1e-9])
    manifold, decay = FixedRank(4, 5, 2, depth=depth), SchattenDecay(0.7, depth)
    point = point_with(s)
    gradient = decay.riemannian_gradient(point, manifold.metric)
    expected = math.sqrt(2 * 0.7 * decay.loss(point))
    assert manifold.norm(point, gradient) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("unit", [1e-150, 1.0, 1e150])
@EVERY_DEPTH
def test_differences_of_slopes(depth, unit):
    power = 2 / depth - 1
    found = SchattenDecay(0.7, depth).divided_slopes(unit * np.array([4.0, 1.0, 1.0]))
    apart, tied = (4**power - 1) / 3, power
    expected = [[power * 4 ** (power - 1), apart, apart]] + [[apart, tied, tied]] * 2
    np.testing.assert_allclose(found / unit ** (power - 1), np.multiply(0.7, expected), rtol=1e-11)


@EVERY_DEPTH
def test_in_pymanopt_as_by_euclidean_derivatives(depth):
    problem = regression() + 0.5 * SchattenDecay(0.8, depth)
    manifold = FixedRank(4, 5, 2, depth=depth)
    point = manifold.random_point(rng=0)
    Z = manifold.random_tangent_vector(point, rng=1)
    made = problem.to_pymanopt(manifold)
    G = problem.gradient(point)
    expected = manifold.euclidean_to_riemannian_gradient(point, G)
    found = made.riemannian_gradient(point)
    assert manifold.norm(point, found - expected) <= 1e-12 * manifold.norm(point, expected)
    H = problem.hessian_product(point, Z)
    expected = manifold.euclidean_to_riemannian_hessian(point, G, H, Z)
    found = made.riemannian_hessian(point, Z)
    assert manifold.norm(point, found - expected) <= 1e-11 * manifold.norm(point, expected)
    # Without the curvature of the manifold that of the regression, and lambda Z in whole.
    found = problem.to_pymanopt(manifold, hessian="gauss-newton").riemannian_hessian(point, Z)
    image = manifold.tangent_to_matrix(point, Z) @ regression().C
    expected = manifold.euclidean_to_riemannian_gradient(point, image) + 0.4 * Z
    assert manifold.norm(point, found - expected) <= 1e-12 * manifold.norm(point, expected)


@pytest.mark.parametrize("hessian", ["exact", "gauss-newton"])
def test_alone_all_is_known(hessian):
    manifold = FixedRank(4, 5, 2, depth=3)
    point = manifold.random_point(rng=0)
    Z = manifold.random_tangent_vector(point, rng=1)
    for problem, decay in ((SchattenDecay(0.6, 3), 0.6), (2 * SchattenDecay(0.6, 3), 1.2)):
        made = problem.to_pymanopt(manifold, hessian=hessian)
        assert manifold.norm(point, made.riemannian_hessian(point, Z) - decay * Z) <= 1e-12
        core = made.riemannian_gradient(point).M
        np.testing.assert_allclose(core, 3 * decay * np.diag(point.s), rtol=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 20])
@pytest.mark.parametrize(
    ("solver", "options"),
    [
        (TrustRegions(verbosity=0, min_gradient_norm=1e-9), {}),
        (TrustRegions(verbosity=0, min_gradient_norm=1e-9), {"hessian": "gauss-newton"}),
        (LBFGS(verbosity=0, min_gradient_norm=1e-9), {}),
        (LBFGS(verbosity=0, min_gradient_norm=1e-9), {"preconditioner": 1}),
        (ConjugateGradient(verbosity=0, min_gradient_norm=1e-7), {"preconditioner": 1}),
    ],
    ids=["trust regions", "gauss-newton", "L-BFGS", "preconditioned", "conjugate gradients"],
)
def test_optimizers_reach_a_critical_point(depth, solver, options):
    """U^T G V = -lambda s^(2/N - 1), and G V and G^T U stay in the ranges of U and V."""
    problem, manifold = regression(), FixedRank(4, 5, 2, depth=depth)
    if "preconditioner" in options:
        options = {"preconditioner": manifold.preconditioner(1)}
    total = problem + SchattenDecay(0.5, depth)
    start = manifold.point(np.eye(4, 2) @ np.eye(2, 5) + 0.3)
    result = solver.run(total.to_pymanopt(manifold, **options), initial_point=start)
    u, s, vt = result.point
    G = (u * s) @ vt @ problem.C - problem.B
    np.testing.assert_allclose(u.T @ G, -0.5 * (s ** (2 / depth - 1))[:, None] * vt, atol=1e-5)
    np.testing.assert_allclose(G @ vt.T, -0.5 * u * s ** (2 / depth - 1), atol=1e-5)


def test_at_another_depth_the_euclidean_gradient_is_formed():
    manifold, decay = FixedRank(4, 5, 2, depth=2), SchattenDecay(0.5, 3)
    point = point_with([2.0, 1e-9])
    assert decay.riemannian_gradient(point, manifold.metric) is None
    assert decay.riemannian_hessian(point, manifold.metric, None) is None
    found = decay.to_pymanopt(manifold).riemannian_gradient(point).M
    expected = np.diag(2 * point.s * 0.5 * point.s ** (-1 / 3))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert decay.slopes(point.s)[1] == pytest.approx(500, rel=1e-12)


def test_on_layers_that_are_not_balanced():
    layers = [np.ones((2, 5)), np.ones((2, 2)), np.ones((4, 2))]
    layers[0][0, 0] = 1.01
    for problem in (SchattenDecay(0.5, 3), regression() + SchattenDecay(0.5, 3)):
        with pytest.raises(ValueError, match=r"not: their imbalance.*weight_decay=0\.5"):
            problem.network_gradient(layers)
    # Of two layers or four it is a function of the product like others.
    with pytest.raises(ValueError, match="weight_decay"):
        SchattenDecay(0.5, 2).network_gradient(layers[:1] + layers[2:])
    rng = np.random.default_rng(0)
    pair = [rng.standard_normal((2, 5)), rng.standard_normal((4, 2))]
    first, last = SchattenDecay(0.5, 3).network_gradient(pair)
    G = SchattenDecay(0.5, 3).gradient(pair[1] @ pair[0])
    G = G[0] @ G[1].T
    np.testing.assert_allclose(first, pair[1].T @ G, rtol=1e-10)
    np.testing.assert_allclose(last, G @ pair[0].T, rtol=1e-10)


def test_steps_of_descent_unbalance_layers():
    manifold = FixedRank(4, 5, 2, depth=2)
    layers = balanced_factors(manifold.random_point(rng=0), [5, 2, 4], rng=0)
    with pytest.raises(ValueError, match="weight_decay"):
        gradient_descent(regression() + SchattenDecay(0.5, 2), layers, range(10), step_size=1e-3)


def test_splitting():
    data, own, other = regression(), SchattenDecay(0.5, 3), SchattenDecay(0.25, 2)
    assert split_decay(data, 3) == (data, 0.0)
    total = data + other
    assert split_decay(total, 3) == (total, 0.0)
    rest, decay = split_decay(data + 2 * own + own, 3)
    assert rest is data
    assert decay == 1.5
    rest, decay = split_decay(0.5 * data + own + other, 3.0)
    assert (decay, rest.terms) == (0.5, ((0.5, data), (1.0, other)))
    point = point_with([2.0, 1.0])
    for alone in (own, own + own):
        rest, decay = split_decay(alone, 3)
        assert decay in (0.5, 1.0)
        assert rest.loss(point) == rest.infimum == 0
        for product in rest.gradient_products(point.u, np.diag(point.s), point.vt.T):
            assert not product.any()
        assert not rest.network_gradient([np.ones((2, 5)), np.ones((4, 2))])[0].any()
        assert (rest + data).loss(point) == data.loss(point)
        Z = FixedRank(4, 5, 2, depth=1).random_tangent_vector(point, rng=0)
        image = as_ambient(rest.hessian_product(point, Z), (4, 5), point)
        assert not (image @ np.eye(5)).any()


def test_the_price_of_rank():
    """What rank_increase pays: nothing below N = 2, lambda there, and beyond it never pays."""
    problem = LinearRegression(np.eye(3), np.diag([5.0, 3.0, 0.5]))
    start = FixedRank(3, 3, 1, depth=1).point(np.diag([4.0, 0.0, 0.0]))
    assert rank_increase(problem + SchattenDecay(1.0, 2), start).s[1] > 0
    assert rank_increase(problem + SchattenDecay(1.0, 1.5), start).s[1] > 0
    assert rank_increase(problem + 0.0 * SchattenDecay(1.0, 3), start).s[1] > 0
    assert rank_increase(problem + SchattenDecay(0.0, 3), start).s[1] > 0
    with pytest.raises(ValueError, match="no matrix of higher rank nearby has a lower loss"):
        rank_increase(problem + SchattenDecay(4.0, 2), start)
    with pytest.raises(ValueError, match="no matrix of higher rank nearby has a lower loss"):
        rank_increase(problem + SchattenDecay(1e-6, 3), start)


@pytest.mark.parametrize("depth", [2.5, 3, 4, 20])
@pytest.mark.parametrize("unit", [1e-100, 1.0, 1e100])
def test_spinodal_and_maxwell(depth, unit):
    """b* is the least of s + lambda s^(2/N-1), and at b_t zero and s_t have the same energy."""
    decay = 0.7 * unit ** (2 - 2 / depth)
    s = unit * np.exp(np.linspace(-8, 4, 400001))
    penalty = SchattenDecay(decay, depth)
    b = s + decay * s ** (2 / depth - 1)
    s_star, b_star = penalty.spinodal
    assert b_star == pytest.approx(b.min(), rel=1e-8)
    assert s_star == pytest.approx(s[b.argmin()], rel=1e-3)
    s_t, b_t = penalty.maxwell
    # s b is the most that zero can lose: b_t is the least of s/2 + R/s.
    worth = s / 2 + decay * depth / 2 * s ** (2 / depth) / s
    assert b_t == pytest.approx(worth.min(), rel=1e-8)
    assert s_t == pytest.approx(s[worth.argmin()], rel=1e-3)


def test_pairs_without_a_jump():
    for depth, b in ((1, 0.0), (1.5, 0.0), (2, 0.7)):
        assert SchattenDecay(0.7, depth).spinodal == SchattenDecay(0.7, depth).maxwell == (0.0, b)
    for depth in (1, 2, 3):
        assert SchattenDecay(0, depth).maxwell == SchattenDecay(0, depth).spinodal == (0, 0)
    # They are limits.
    for pair in (SchattenDecay(0.7, 2 + 1e-12).spinodal, SchattenDecay(0.7, 2 + 1e-12).maxwell):
        np.testing.assert_allclose(pair, (0.0, 0.7), atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((-1.0, 2), ValueError, r"weight_decay must be finite and at least 0, got -1\.0"),
        ((math.nan, 2), ValueError, "weight_decay must be finite and at least 0"),
        (("much", 2), TypeError, "weight_decay must be a number, got 'much'"),
        ((1.0, 0.5), ValueError, r"depth must be a real number N >= 1.*got 0\.5"),
        ((1.0, math.inf), ValueError, "weight decay needs a finite depth N"),
    ],
)
def test_bad_values(arguments, kind, message):
    with pytest.raises(kind, match=message):
        SchattenDecay(*arguments)


def test_the_embedded_manifold_of_pymanopt():
    manifold = pymanopt.manifolds.FixedRankEmbedded(4, 5, 2)
    problem = regression() + SchattenDecay(0.5, 2)
    start = FixedRank(4, 5, 2, depth=1).random_point(rng=0)
    solver = ConjugateGradient(verbosity=0, min_gradient_norm=1e-8)
    cost = solver.run(problem.to_pymanopt(manifold), initial_point=start).cost
    ours = problem.to_pymanopt(FixedRank(4, 5, 2, depth=2))
    assert cost == pytest.approx(LBFGS(verbosity=0).run(ours, initial_point=start).cost, rel=1e-8)
