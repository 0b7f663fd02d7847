"""What every metric must keep: its tables fit each other, and geometry built on them is right."""

import math

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from pymanopt.optimizers import ConjugateGradient

import fixedrank
from fixedrank import DepthOperator, FixedRank
from fixedrank.testing import (
    check_connection,
    check_curvature,
    check_gradient,
    check_hessian,
    check_parallel_transport,
    check_retraction,
    check_self_adjoint,
    frobenius_inner_product,
)
from tests.geometry.metric.members import MANIFOLDS, METRICS

every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
every_manifold = pytest.mark.parametrize("manifold", MANIFOLDS.values(), ids=MANIFOLDS)
# Geodesics take long: one shape for each metric.
LONG = {
    name: FixedRank(3, 3, 2 if metric.normal_directions else 3, metric=metric)
    for name, metric in METRICS.items()
}
one_manifold = pytest.mark.parametrize("manifold", LONG.values(), ids=LONG)


def point_on(manifold):
    """A point, with a tie where the rank allows it."""
    return manifold.random_point(rng=0)._replace(s=np.array([2.0, 0.8, 0.8])[: manifold.k])


def cost_on(manifold):
    target = np.random.default_rng(0).standard_normal((manifold.m, manifold.n))

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        W = (u * s) @ vt
        return 0.5 * anp.sum((W - target) ** 2) + anp.sum(W**4) / 40

    return pymanopt.Problem(manifold, cost)


def tables(metric, s):
    return [metric.tangential(s), *metric.normal(s), metric.second(s), *metric.first(s)]


@every_metric
def test_tables_of_a_stack(metric):
    stack = np.array([[[2.0, 0.5, 0.5], [3.0, 1.0, 1e-3]], [[0.1, 4.0, 2.0], [1.0, 1.0, 1.0]]])
    of_all = tables(metric, stack)
    for place in np.ndindex(2, 2):
        for stacked, alone in zip(of_all, tables(metric, stack[place]), strict=True):
            np.testing.assert_allclose(stacked[place], alone, rtol=1e-11)


@every_metric
def test_tables_fit_each_other(metric):
    """Each order of differences is a difference of the one before, where values are distinct."""
    s = np.array([3.0, 1.2, 0.5, 0.1])
    x = s**2
    tangential, left, right, second, *first = tables(metric, s)
    assert (tangential > 0).all()
    np.testing.assert_allclose(tangential, tangential.T, rtol=1e-14)
    for order in ((1, 0, 2), (0, 2, 1)):
        np.testing.assert_allclose(second, second.transpose(order), rtol=1e-10)
    differences = 1 / tangential
    size = np.abs(differences).max()
    for i, j in ((0, 1), (1, 2), (0, 3), (2, 3)):
        expected = (differences[i] - differences[j]) / (x[i] - x[j])
        np.testing.assert_allclose(
            second[i, :, j], expected, rtol=1e-9, atol=1e-13 * size / abs(x[i] - x[j])
        )
    if metric.normal_directions:
        assert (left > 0).all()
        assert (right > 0).all()
        for weights, table in zip((left, right), first, strict=True):
            np.testing.assert_allclose(
                table[0, 2], (1 / weights[0] - 1 / weights[2]) / (x[0] - x[2]), rtol=1e-9
            )


@every_metric
def test_tables_are_continuous_at_ties(metric):
    tied, near = np.array([1.5, 1.5, 0.3]), np.array([1.5, 1.5 * (1 + 1e-7), 0.3])
    for at_tie, beside in zip(tables(metric, tied), tables(metric, near), strict=True):
        np.testing.assert_allclose(at_tie, beside, rtol=1e-5)


@every_metric
def test_homogeneity(metric):
    """Where there is a degree N, weights scale like s^(2 - 2/N)."""
    s = np.array([2.0, 0.5, 0.5])
    ratio = metric.tangential(8 * s) / metric.tangential(s)
    if metric.homogeneity is None:
        assert np.ptp(ratio) > 1e-3
    else:
        power = 2 - (0 if math.isinf(metric.homogeneity) else 2 / metric.homogeneity)
        np.testing.assert_allclose(ratio, 8**power, rtol=1e-12)


@every_manifold
def test_derivatives(manifold):
    point = point_on(manifold)
    assert check_connection(manifold, point=point, rng=0)
    problem = cost_on(manifold)
    assert check_gradient(problem, point=point, rng=0)
    assert check_hessian(problem, point=point, rng=0)


@every_manifold
def test_the_second_order_retraction(manifold):
    second_order = manifold.second_order_retraction
    point = point_on(manifold)
    assert check_retraction(manifold, retraction=second_order, order=2, point=point, rng=0)


@one_manifold
def test_geodesics_transport_and_curvature(manifold):
    point = point_on(manifold)
    # The length of W, which is like that of the way to where the manifold ends.
    length = manifold.norm(point, manifold.projection(point, point)) / 8
    where = {"point": point, "longest_step": length, "rng": 0}
    # That of the velocity along itself says that what exp follows is a geodesic.
    assert check_parallel_transport(manifold, **where)
    assert check_curvature(manifold, **where)
    Z = manifold.random_tangent_vector(point, rng=1) * length
    end = manifold.exp(point, Z)
    assert manifold.dist(point, end) == pytest.approx(length, rel=1e-7)
    assert manifold.norm(point, manifold.log(point, end) - Z) < 1e-6 * length


@every_manifold
def test_the_operator_inverts_the_metric(manifold):
    point = point_on(manifold)
    operator = manifold.operator(point)
    a, b = (manifold.random_tangent_vector(point, rng=seed) for seed in (1, 2))
    assert check_self_adjoint(
        manifold,
        lambda at, Z: DepthOperator(at, manifold.metric).apply(Z),
        inner_product=frobenius_inner_product,
        rng=0,
    )
    expected = frobenius_inner_product(point, operator.solve(a), b)
    assert manifold.inner_product(point, a, b) == pytest.approx(expected, rel=1e-12, abs=1e-13)
    values = operator.eigenvalues()
    assert values.size == manifold.dim
    assert (values > 0).all()
    assert operator.logdet() == pytest.approx(float(np.log(values).sum()), rel=1e-12, abs=1e-12)


@every_metric
def test_an_optimiser_and_a_flow_find_the_same(metric):
    """From a start of the size of what is wanted: at large depth others take long."""
    k = 2 if metric.normal_directions else 3
    target = np.diag([3.0, 2.0, 1.0])
    problem = fixedrank.LinearRegression(np.eye(3), target)
    manifold = FixedRank(3, 3, k, metric=metric)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)) / 4 + np.eye(3))[0]
    start = fixedrank.FixedRankPoint(turn[:, :k], np.ones(k), turn[:, :k].T)
    flow = fixedrank.riemannian_flow(problem, start, metric, [0.0, 100.0])
    assert flow.metric is metric
    np.testing.assert_allclose(flow.points[-1].s, [3, 2, 1][:k], rtol=1e-6)
    optimizer = ConjugateGradient(verbosity=0, max_iterations=200)
    result = optimizer.run(problem.to_pymanopt(manifold), initial_point=start)
    np.testing.assert_allclose(result.point.s, [3, 2, 1][:k], rtol=1e-4)
