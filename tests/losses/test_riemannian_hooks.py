"""What a loss knows of itself in a metric is asked first, alone and in sums."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse

from fixedrank import FixedRank, LinearRegression, Loss, SchattenDecay
from fixedrank.geometry.metric.derivatives import riemannian_gradient
from fixedrank.losses import as_loss
from fixedrank.testing import check_gradient, check_hessian


class Trace(Loss):
    """<A, W>, which knows its gradient in every metric, and its Hessian in none."""

    shape, A = (4, 5), np.random.default_rng(1).standard_normal((4, 5))

    def __init__(self):
        self.asked = 0

    def loss(self, W):
        return float(np.vdot(self.A, (W[0] * W[1]) @ W[2]))

    def gradient(self, W):
        return scipy.sparse.csr_array(self.A)

    def riemannian_gradient(self, point, metric):
        self.asked += 1
        return riemannian_gradient(point, self.A, metric)


def regression():
    rng = np.random.default_rng(0)
    return LinearRegression(rng.standard_normal((5, 20)), rng.standard_normal((4, 20)))


@pytest.mark.parametrize("depth", [1, 2, 3.5])
def test_a_hook_of_your_own(depth):
    own, manifold = Trace(), FixedRank(4, 5, 2, depth=depth)
    point = manifold.random_point(rng=0)
    dense = SimpleNamespace(shape=own.shape, loss=own.loss, gradient=lambda W: own.A)
    Z = manifold.random_tangent_vector(point, rng=1)
    for with_hook, without in (
        (own, as_loss(dense)),
        (2 * own + regression(), 2 * as_loss(dense) + regression()),
        (own + SchattenDecay(0.3, depth), as_loss(dense) + SchattenDecay(0.3, depth)),
    ):
        before = own.asked
        found, expected = (
            problem.to_pymanopt(manifold).riemannian_gradient(point)
            for problem in (with_hook, without)
        )
        assert own.asked == before + 1
        assert manifold.norm(point, found - expected) <= 1e-12 * manifold.norm(point, expected)
        # Its Hessian is made of Euclidean derivatives all the same.
        found, expected = (
            problem.to_pymanopt(manifold).riemannian_hessian(point, Z)
            for problem in (with_hook, without)
        )
        assert manifold.norm(point, found - expected) <= 1e-8 * manifold.norm(point, expected)


def test_of_an_object_of_another_class():
    own, manifold = Trace(), FixedRank(4, 5, 2, depth=2)
    plain = SimpleNamespace(
        loss=own.loss, gradient=own.gradient, riemannian_gradient=own.riemannian_gradient
    )
    as_loss(plain).to_pymanopt(manifold).riemannian_gradient(manifold.random_point(rng=0))
    assert own.asked == 1


@pytest.mark.parametrize("depth", [1, 2, 3.5, 20])
@pytest.mark.parametrize("other", [1.5, 3])
def test_the_checks_pass(depth, other):
    """A sum of what is known and what is not, and decay at another depth."""
    problem = regression() + SchattenDecay(0.5, depth) + SchattenDecay(0.2, other)
    made = problem.to_pymanopt(FixedRank(4, 5, 2, depth=depth))
    assert check_gradient(made, rng=0).passed
    assert check_hessian(made, rng=0).passed


def test_the_euclidean_gradient_stays_to_be_asked_for():
    problem = regression() + SchattenDecay(0.5, 2)
    manifold = FixedRank(4, 5, 2, depth=2)
    point = manifold.random_point(rng=0)
    found = problem.to_pymanopt(manifold).euclidean_gradient(point)
    expected = problem.gradient(point)
    np.testing.assert_allclose(found @ np.eye(5), expected @ np.eye(5), rtol=1e-14)
