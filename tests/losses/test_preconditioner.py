"""The exact preconditioner of a regression, against dense linear algebra, and in trust regions."""

import numpy as np
import pytest
import scipy.sparse
from pymanopt.manifolds import FixedRankEmbedded
from pymanopt.optimizers import ConjugateGradient, TrustRegions

from fixedrank import FixedRank, LinearRegression, MatrixCompletion, MomentRegression
from tests.geometry import dense
from tests.networks.data import regression_data

DEPTHS = [1, 2, 3]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("shape", [(4, 5, 2), (5, 3, 3), (4, 4, 4), (3, 5, 3)])
def test_it_is_the_inverse_of_the_gauss_newton_operator(depth, shape):
    m, n, k = shape
    problem = LinearRegression(*regression_data(0, n, m, 15))
    manifold = FixedRank(m, n, k, depth=depth)
    point = manifold.random_point(rng=1)
    R = manifold.random_tangent_vector(point, rng=2)
    Z = problem.preconditioner(manifold)(point, R)
    # By equation (7), of the definition, at the dense matrix Z C.
    image = dense.operator(dense.matrix(point), k, dense.tangent(point, Z) @ problem.C, depth)
    np.testing.assert_allclose(image, dense.tangent(point, R), rtol=0, atol=1e-12)
    assert np.abs(point.u.T @ Z.Up).max() < 1e-12
    assert np.abs(point.vt @ Z.Vp).max() < 1e-12


@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_units(unit):
    X, Y = regression_data(0, 5, 4, 15)
    manifold = FixedRank(4, 5, 2, depth=1)
    point = manifold.random_point(rng=1)
    R = manifold.random_tangent_vector(point, rng=2)
    expected = LinearRegression(X, Y).preconditioner(manifold)(point, R)
    scaled = LinearRegression(unit * X, Y).preconditioner(manifold)
    for part, other in zip(scaled(point, R) * unit * unit, expected, strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-11, atol=0)


def ill_conditioned(condition=1e6):
    rng = np.random.default_rng(3)
    X = np.geomspace(1, np.sqrt(condition), 12)[:, None] * rng.standard_normal((12, 60))
    W = rng.standard_normal((8, 3)) @ rng.standard_normal((3, 12)) / np.geomspace(1, 1e3, 12)
    return X, W @ X + rng.standard_normal((8, 60))


class Counting(LinearRegression):
    """A regression that counts what is asked of it."""

    products = 0

    def hessian_product(self, W, Z):
        self.products += 1
        return super().hessian_product(W, Z)


@pytest.mark.parametrize("depth", DEPTHS)
def test_trust_regions_at_a_condition_of_a_million(depth):
    problem = Counting(*ill_conditioned())
    manifold = FixedRank(*problem.shape, 3, depth=depth)
    precondition = problem.preconditioner(manifold)
    result = TrustRegions(verbosity=0, min_gradient_norm=1e-5, max_iterations=50).run(
        problem.to_pymanopt(manifold, preconditioner=precondition),
        initial_point=manifold.random_point(rng=0),
        Delta_bar=precondition.typical_dist,
    )
    best = (problem.residual**2 + np.sum(problem.svd[1][3:] ** 2)) / 2
    assert result.cost == pytest.approx(best, rel=1e-10)
    # 1,600 without.
    assert problem.products < 100


def test_conjugate_gradients_at_a_condition_of_a_million():
    problem = LinearRegression(*ill_conditioned())
    manifold = FixedRank(*problem.shape, 3, depth=1)
    result = ConjugateGradient(verbosity=0, max_iterations=100).run(
        problem.to_pymanopt(manifold, preconditioner=problem.preconditioner(manifold)),
        initial_point=manifold.random_point(rng=0),
    )
    best = (problem.residual**2 + np.sum(problem.svd[1][3:] ** 2)) / 2
    assert result.cost == pytest.approx(best, rel=1e-8)


def test_sparse_moments_have_the_same():
    X, Y = regression_data(0, 5, 4, 15)
    manifold = FixedRank(4, 5, 2, depth=2)
    point = manifold.random_point(rng=1)
    R = manifold.random_tangent_vector(point, rng=2)
    C = scipy.sparse.csr_array(X @ X.T)
    sparse = MomentRegression(C, Y @ X.T, np.vdot(Y, Y)).preconditioner(manifold)
    expected = LinearRegression(X, Y).preconditioner(manifold)(point, R)
    for part, other in zip(sparse(point, R), expected, strict=True):
        np.testing.assert_allclose(part, other, rtol=0, atol=1e-12)


def test_what_it_cannot_be_made_of():
    X, Y = regression_data(0, 5, 4, 15)
    manifold = FixedRank(4, 5, 2, depth=2)
    X[4] = X[3]
    with pytest.raises(ValueError, match="on_range"):
        LinearRegression(X, Y).preconditioner(manifold)
    X[4] = 0
    with pytest.raises(ValueError, match="singular to round-off"):
        LinearRegression(scipy.sparse.csr_array(X), Y).preconditioner(manifold)
    operator = MomentRegression((X, X), (Y, X), np.vdot(Y, Y))
    with pytest.raises(TypeError, match="an array or a sparse array"):
        operator.preconditioner(manifold)
    problem = LinearRegression(*regression_data(0, 5, 4, 15))
    with pytest.raises(TypeError, match="FixedRankEmbedded"):
        problem.preconditioner(FixedRankEmbedded(4, 5, 2))
    with pytest.raises(ValueError, match=r"\(4, 5\) matrices"):
        problem.preconditioner(FixedRank(5, 4, 2, depth=1))


# The Gauss-Newton Hessian


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_gauss_newton_hessian_is_that_of_the_line(depth):
    problem = LinearRegression(*regression_data(0, 5, 4, 15))
    manifold = FixedRank(4, 5, 2, depth=depth)
    made = problem.to_pymanopt(manifold, hessian="gauss-newton")
    point = manifold.random_point(rng=1)
    Z = manifold.random_tangent_vector(point, rng=2)
    second = manifold.inner_product(point, Z, made.riemannian_hessian(point, Z))
    W, direction = dense.matrix(point), dense.tangent(point, Z)
    # The second difference of a quadratic along the ambient line is exact.
    ahead, behind = problem.loss(W + direction), problem.loss(W - direction)
    assert second == pytest.approx(ahead + behind - 2 * problem.loss(W), rel=1e-10)


@pytest.mark.parametrize("depth", DEPTHS)
def test_without_a_residual_both_hessians_are_the_same(depth):
    rng = np.random.default_rng(0)
    W = rng.standard_normal((6, 2)) @ rng.standard_normal((2, 5))
    rows, cols = np.nonzero(rng.random(W.shape) < 0.8)
    problem = MatrixCompletion(rows, cols, W[rows, cols], W.shape)
    manifold = FixedRank(6, 5, 2, depth=depth)
    point = manifold.point(W)
    Z = manifold.random_tangent_vector(point, rng=1)
    exact, part = (
        problem.to_pymanopt(manifold, hessian=which).riemannian_hessian(point, Z)
        for which in ("exact", "gauss-newton")
    )
    assert manifold.norm(point, exact - part) < 1e-11 * manifold.norm(point, exact)
    result = TrustRegions(verbosity=0, min_gradient_norm=1e-9).run(
        problem.to_pymanopt(manifold, hessian="gauss-newton"),
        initial_point=problem.initial_point(2),
    )
    np.testing.assert_allclose(dense.matrix(result.point), W, rtol=0, atol=1e-7)


def test_options_that_are_none():
    problem = LinearRegression(*regression_data(0, 5, 4, 15))
    manifold = FixedRank(4, 5, 2, depth=2)
    with pytest.raises(ValueError, match="gauss-newton"):
        problem.to_pymanopt(manifold, hessian="newton")
    with pytest.raises(ValueError, match="FixedRank"):
        problem.to_pymanopt(FixedRankEmbedded(4, 5, 2), hessian="gauss-newton")
    with pytest.raises(TypeError, match=r"manifold\.preconditioner"):
        problem.to_pymanopt(manifold, preconditioner=1)
