"""All that a loss with nothing but loss(W) and gradient(W) can do, against plain computations."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
from pymanopt.optimizers import ConjugateGradient, TrustRegions
from scipy.integrate import solve_ivp
from scipy.special import log_softmax

from fixedrank import (
    ExactStartLineSearcher,
    FixedRank,
    Loss,
    NetworkHessian,
    compare_flows,
    factored_flow,
    gradient_descent,
    random_balanced_factors,
    rank_increase,
    riemannian_flow,
    safe_step_size,
)
from fixedrank.testing import check_gradient, check_hessian
from tests.losses.members import LABELS, SAMPLES, CrossEntropy, M, N, SquaredLength, X
from tests.networks.data import flat

LOSS = CrossEntropy(X, LABELS, M)
LAYERS = random_balanced_factors([N, 2, 3, M], rng=0)
BOUNDS = np.cumsum([0, *(layer.size for layer in LAYERS)])


def plain(W):
    """The loss of a dense matrix, for autograd."""
    scores = W @ X
    shifted = scores - anp.max(scores, axis=0)
    chosen = shifted[LABELS, np.arange(SAMPLES)]
    return anp.sum(anp.log(anp.sum(anp.exp(shifted), axis=0))) - anp.sum(chosen)


def of_vector(vector):
    result = np.eye(N)
    for layer, start, end in zip(LAYERS, BOUNDS, BOUNDS[1:], strict=False):
        result = anp.reshape(vector[start:end], layer.shape) @ result
    return plain(result)


def dense(point):
    return (point[0] * point[1]) @ point[2]


def test_its_values():
    point = FixedRank(M, N, 2, depth=2).random_point(rng=0)
    W = dense(point)
    assert LOSS.loss(point) == pytest.approx(plain(W), rel=1e-13)
    scores = log_softmax(W @ X, axis=0)
    assert LOSS.loss(point) == pytest.approx(
        -sum(scores[label, i] for i, label in enumerate(LABELS)), rel=1e-13
    )


def test_the_flow_of_the_layers():
    times = [0.0, 0.3, 1.0]
    reference = solve_ivp(
        lambda t, y: -autograd.grad(of_vector)(y),
        (0, 1),
        flat(LAYERS),
        t_eval=times,
        rtol=1e-10,
        atol=1e-12,
    )
    flow = factored_flow(LOSS, LAYERS, times, rtol=1e-9)
    for found, expected in zip(flow.factors, reference.y.T, strict=True):
        np.testing.assert_allclose(flat(found), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(flow.loss, [of_vector(y) for y in reference.y.T], rtol=1e-7)


def test_both_flows_are_one():
    comparison = compare_flows(LOSS, LAYERS, [0, 0.5, 2, 5])
    assert "are one" in comparison.verdict
    assert (np.diff(comparison.riemannian.loss) < 0).all()


def test_the_flow_of_depth_one_at_full_rank():
    """W' = -grad f(W), on all matrices."""
    start = FixedRank(M, N, N, depth=1).random_point(rng=0)
    flow = riemannian_flow(LOSS, start, 1, [0, 1.0])
    expected = solve_ivp(
        lambda t, y: -np.ravel(autograd.grad(plain)(y.reshape(M, N))),
        (0, 1),
        dense(start).ravel(),
        rtol=1e-10,
        atol=1e-12,
    ).y[:, -1]
    np.testing.assert_allclose(dense(flow.points[-1]).ravel(), expected, rtol=0, atol=1e-6)


def test_gradient_descent():
    descent = gradient_descent(LOSS, LAYERS, 5, step_size=0.02)
    vector = flat(LAYERS)
    for found in descent.factors:
        np.testing.assert_allclose(flat(found), vector, rtol=0, atol=1e-12)
        vector = vector - 0.02 * autograd.grad(of_vector)(vector)
    for call in (lambda: gradient_descent(LOSS, LAYERS, 5), lambda: safe_step_size(LOSS, LAYERS)):
        with pytest.raises(TypeError, match=r"safe.*needs a LinearRegression.*CrossEntropy"):
            call()


def test_layers():
    expected = autograd.grad(of_vector)(flat(LAYERS))
    assert LOSS.network_loss(LAYERS) == pytest.approx(of_vector(flat(LAYERS)), rel=1e-13)
    np.testing.assert_allclose(flat(LOSS.network_gradient(LAYERS)), expected, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=r"R\^4 to R\^4.*R\^4 to R\^5"):
        LOSS.network_loss([np.eye(4)])


def test_the_hessian_in_the_layers():
    expected = autograd.hessian(of_vector)(flat(LAYERS))
    found = NetworkHessian(LOSS, LAYERS) @ np.eye(len(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_derivatives_on_the_manifold(depth):
    problem = LOSS.to_pymanopt(FixedRank(M, N, 2, depth=depth))
    check_gradient(problem, rng=0)
    check_hessian(problem, rng=0)


@pytest.mark.parametrize("optimizer", [ConjugateGradient, TrustRegions])
def test_optimizers(optimizer):
    """With a penalty the loss is strictly convex: SciPy finds its minimum among all matrices."""
    loss = LOSS + 0.5 * SquaredLength()
    manifold = FixedRank(M, N, N, depth=2)
    solver = optimizer(verbosity=0, max_iterations=500, min_gradient_norm=1e-7)
    result = solver.run(loss.to_pymanopt(manifold), initial_point=manifold.random_point(rng=0))
    best = scipy.optimize.minimize(
        lambda y: plain(y.reshape(M, N)) + 0.25 * y @ y, np.zeros(M * N), tol=1e-12
    )
    assert result.cost == pytest.approx(best.fun, rel=1e-9)
    np.testing.assert_allclose(dense(result.point).ravel(), best.x, rtol=0, atol=1e-4)


def test_an_increase_of_the_rank():
    point = FixedRank(M, N, 2, depth=2).random_point(rng=0)
    higher = rank_increase(LOSS, point)
    assert higher.s.size == 3
    assert plain(dense(higher)) < plain(dense(point))
    # Along minus the leading part of the gradient that is normal to the manifold.
    G = autograd.grad(plain)(dense(point))
    normal = G - point.u @ (point.u.T @ G)
    normal -= (normal @ point.vt.T) @ point.vt
    left, _, right = np.linalg.svd(-normal)
    moved = dense(higher) - dense(point)
    cosine = np.vdot(moved, np.outer(left[:, 0], right[0])) / np.linalg.norm(moved)
    assert cosine == pytest.approx(1, abs=1e-10)


class Recording(Loss):
    """Raises where W is not a triple of arrays of the right shapes."""

    shape = (M, N)

    def checked(self, W):
        assert isinstance(W, tuple)
        u, s, vt = W
        assert all(isinstance(part, np.ndarray) for part in W)
        assert (u.shape, vt.shape) == ((M, s.size), (s.size, N))
        np.testing.assert_allclose(u.T @ u, np.eye(s.size), rtol=0, atol=1e-12)
        np.testing.assert_allclose(vt @ vt.T, np.eye(s.size), rtol=0, atol=1e-12)
        assert (np.diff(s) <= 0).all()
        return W

    def loss(self, W):
        return LOSS.loss(self.checked(W))

    def gradient(self, W):
        return LOSS.gradient(self.checked(W))


def test_it_is_called_with_triples_only():
    loss, point = Recording(), FixedRank(M, N, 2, depth=2).random_point(rng=0)
    compare_flows(loss, LAYERS, [0, 1])
    riemannian_flow(loss, FixedRank(M, N, N, depth=1).random_point(rng=0), 1, [0, 0.1])
    gradient_descent(loss, LAYERS, 2, step_size=0.1)
    NetworkHessian(loss, LAYERS).apply(LAYERS)
    loss.network_loss([np.ones((M, N))])
    loss.network_gradient([np.ones((M, N))])
    loss.hessian_product(np.ones((M, N)), np.ones((M, N)))
    loss.hessian_product(point, (np.ones((M, 9)), np.ones((N, 9))))
    rank_increase(loss, point, 2)
    (2 * loss + loss).network_gradient(LAYERS)
    TrustRegions(verbosity=0, max_iterations=2).run(
        loss.to_pymanopt(FixedRank(M, N, 2, depth=2)), initial_point=point
    )


def test_what_is_no_loss():
    class Half:
        def loss(self, W):
            return 0.0

    layers = LAYERS
    for call in (
        lambda: riemannian_flow(Half(), FixedRank(M, N, 1, depth=2).random_point(), 2, [0, 1]),
        lambda: factored_flow(Half(), layers, [0, 1]),
        lambda: compare_flows(Half(), layers, [0, 1]),
        lambda: gradient_descent(Half(), layers, 2, step_size=0.1),
        lambda: NetworkHessian(Half(), layers),
        lambda: rank_increase(Half(), FixedRank(M, N, 1, depth=2).random_point()),
    ):
        with pytest.raises(TypeError, match=r"loss\(W\) and gradient\(W\).*no gradient"):
            call()
    with pytest.raises(TypeError, match="abstract"):
        Loss()


@pytest.mark.parametrize(
    ("factor", "error", "message"),
    [
        (np.nan, ValueError, "finite, got nan"),
        (np.inf, ValueError, "finite, got inf"),
        (True, TypeError, "number, got True"),
        ("2", TypeError, "number, got '2'"),
        (1j, TypeError, "number, got 1j"),
        (np.ones(2), TypeError, "number, got array"),
        (LOSS, TypeError, "number, got"),
    ],
)
def test_bad_factors(factor, error, message):
    for multiply in (lambda: factor * LOSS, lambda: LOSS * factor):
        with pytest.raises(error, match=message):
            multiply()


def test_sums_of_what_does_not_fit():
    with pytest.raises(ValueError, match=r"\(5, 4\) and of \(3, 2\)"):
        LOSS + CrossEntropy(np.ones((2, 4)), [0, 1, 2, 0], 3)
    with pytest.raises(TypeError, match=r"adds to a fixedrank\.Loss, got a float"):
        LOSS + 1.0
    assert (LOSS * np.float64(2)).loss(np.linalg.svd(np.ones((M, N)), full_matrices=False)) > 0
    assert (np.float64(2) * LOSS).shape == (M, N)


def test_the_searcher_says_that_no_minimum_is_known():
    manifold = FixedRank(M, N, 2, depth=2)
    solver = ConjugateGradient(verbosity=0, line_searcher=ExactStartLineSearcher(LOSS))
    with pytest.raises(TypeError, match=r"CrossEntropy does not know.*pymanopt's own"):
        solver.run(LOSS.to_pymanopt(manifold), initial_point=manifold.random_point(rng=0))
