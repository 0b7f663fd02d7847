"""The three retractions that a manifold may have: their order, and the sign of det W."""

import pickle

import numpy as np
import pymanopt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymanopt.optimizers import ConjugateGradient, SteepestDescent, TrustRegions

from fixedrank import FixedRank, Product
from fixedrank.testing import CheckFailedError, check_retraction
from tests.geometry import dense

NAMES = ("nearest", "second-order", "bounded")
UNITS = [1e-150, 1.0, 1e150]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("sizes", "depth"), [((5, 4, 2), 1), ((5, 4, 2), 3), ((3, 3, 3), 2)])
def test_order(name, sizes, depth):
    manifold = FixedRank(*sizes, depth=depth, retraction=name)
    point = manifold.random_point(rng=0)
    direction = manifold.random_tangent_vector(point, rng=1)
    options = {"point": point, "direction": direction, "rng": 0, "longest_step": 0.1}
    check_retraction(manifold, **options)
    if name == "second-order" or depth == 1:
        check_retraction(manifold, order=2, **options)
    else:
        with pytest.raises(CheckFailedError):
            check_retraction(manifold, order=2, **options)


@pytest.mark.parametrize("name", NAMES)
def test_which_it_is(name):
    manifold = FixedRank(5, 4, 2, depth=3, retraction=name)
    plain = FixedRank(5, 4, 2, depth=3)
    point = plain.random_point(rng=0)
    Z = 10 * plain.random_tangent_vector(point, rng=1)
    root = np.diag(point.s**-0.5)
    share = 0.9 / np.linalg.norm(root @ Z.M @ root, 2)
    assert share < 1
    expected = {
        "nearest": plain.retraction(point, Z),
        "second-order": plain.second_order_retraction(point, Z),
        "bounded": plain.retraction(point, share * Z),
    }[name]
    found = pickle.loads(pickle.dumps(manifold)).retraction(point, Z)
    np.testing.assert_allclose(dense.matrix(found), dense.matrix(expected), rtol=0, atol=1e-12)


@given(seed=st.integers(0, 2**32), k=st.integers(1, 4), length=st.floats(1e-3, 1e6))
def test_the_determinant_keeps_its_sign(seed, k, length):
    manifold = FixedRank(k, k, k, depth=2, retraction="bounded")
    rng = np.random.default_rng(seed)
    point = manifold.random_point(rng=rng)
    Z = length * manifold.random_tangent_vector(point, rng=rng)
    end = manifold.retraction(point, Z)
    signs = [np.linalg.slogdet(dense.matrix(at))[0] for at in (point, end)]
    assert signs[0] == signs[1]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", UNITS)
def test_units(name, unit):
    manifold = FixedRank(5, 4, 2, depth=3, retraction=name)
    u, s, vt = manifold.random_point(rng=0)
    Z = manifold.projection((u, s, vt), np.random.default_rng(1).standard_normal((5, 4)))
    expected = dense.matrix(manifold.retraction((u, s, vt), Z))
    found = dense.matrix(manifold.retraction((u, unit * s, vt), unit * Z))
    np.testing.assert_allclose(found / unit, expected, rtol=0, atol=1e-11)


def squared_distance(manifold, target):
    """Half the squared distance, and the signs of det W at all points where it is asked."""
    signs = []

    @pymanopt.function.numpy(manifold)
    def cost(u, s, vt):
        W = (u * s) @ vt
        signs.append(np.linalg.slogdet(W)[0])
        return np.sum((W - target) ** 2) / 2

    @pymanopt.function.numpy(manifold)
    def gradient(u, s, vt):
        return (u * s) @ vt - target

    @pymanopt.function.numpy(manifold)
    def hessian(u, s, vt, du, ds, dvt):
        return (du * s + u * ds) @ vt + (u * s) @ dvt

    derivatives = {"euclidean_gradient": gradient, "euclidean_hessian": hessian}
    return signs, pymanopt.Problem(manifold, cost, **derivatives)


@pytest.mark.parametrize("optimizer", [SteepestDescent, ConjugateGradient, TrustRegions])
def test_no_step_jumps_over_singular_matrices(optimizer):
    crossed = {"nearest": 0, "bounded": 0}
    for seed in range(8):
        target = np.random.default_rng(seed).standard_normal((3, 3))
        for name in crossed:
            manifold = FixedRank(3, 3, 3, depth=2, retraction=name)
            signs, problem = squared_distance(manifold, target)
            optimizer(verbosity=0, max_iterations=15).run(
                problem, initial_point=manifold.random_point(rng=100 + seed)
            )
            crossed[name] += len(set(signs)) > 1
    assert crossed["bounded"] == 0
    # Otherwise there would be nothing to see here.
    assert crossed["nearest"] > 0


def test_factors_of_a_product_have_their_own():
    factors = [FixedRank(3, 3, 3, depth=2, retraction=name) for name in ("nearest", "bounded")]
    product = Product(factors)
    point = factors[0].random_point(rng=0)
    Z = 100 * factors[0].random_tangent_vector(point, rng=1)
    ends = product.retraction([point, point], [Z, Z])
    for end, factor in zip(ends, factors, strict=True):
        np.testing.assert_array_equal(dense.matrix(end), dense.matrix(factor.retraction(point, Z)))


def test_names():
    with pytest.raises(ValueError, match="'nearest', 'second-order', 'bounded', got 'qr'"):
        FixedRank(3, 3, 3, depth=2, retraction="qr")
    assert repr(FixedRank(3, 3, 3, depth=2)) == "FixedRank(3, 3, 3, depth=2)"
    manifold = FixedRank(3, 3, 3, depth=2, retraction="bounded")
    assert repr(manifold) == 'FixedRank(3, 3, 3, depth=2, retraction="bounded")'
