"""A ridge on completion and sensing: against convex minima, SciPy, and the flow of weight decay."""

import numpy as np
import pytest
import scipy.integrate
from pymanopt.manifolds import FixedRankEmbedded
from pymanopt.optimizers import ConjugateGradient, SteepestDescent, TrustRegions

from fixedrank import (
    ExactStartLineSearcher,
    FixedRank,
    FixedRankPoint,
    LinearRegression,
    MatrixCompletion,
    MatrixSensing,
    balanced_factors,
    compare_flows,
    factored_flow,
    rank_increase,
    recover,
    riemannian_flow,
    testing,
)
from fixedrank.optimizers import LBFGS
from tests.recovery.problems import KINDS, make
from tests.recovery.test_weights import best_factors, noisy

M, N = 6, 5
TARGET = np.random.default_rng(0).standard_normal((M, N))
U, S, VT = np.linalg.svd(TARGET, full_matrices=False)
RIDGE = (S[2] + S[3]) / 2
# The least |W - T|^2 / 2 + ridge |W|_* : singular values fall by the ridge, or to zero.
THRESHOLDED = (U[:, :3] * (S[:3] - RIDGE)) @ VT[:3]


def full(unit=1.0):
    return MatrixCompletion(unit * TARGET, ridge=unit * RIDGE)


def matrix(point):
    return (point[0] * point[1]) @ point[2]


def dense(gradient):
    return gradient @ np.eye(gradient.shape[1])


def test_the_loss_is_the_least_over_factors():
    problem, plain = full(), MatrixCompletion(TARGET)
    W = THRESHOLDED + np.outer(U[:, 4], VT[4])
    u, s, vt = np.linalg.svd(W, full_matrices=False)
    L, R = u * np.sqrt(s), vt.T * np.sqrt(s)
    least = RIDGE * (np.sum(L**2) + np.sum(R**2)) / 2
    assert problem.loss(W) == pytest.approx(plain.loss(W) + least, rel=1e-12)
    assert problem.loss((u, s, vt)) == pytest.approx(problem.loss(W), rel=1e-12)
    for seed in range(5):
        turn = np.random.default_rng(seed).standard_normal((N, N))
        other = L @ turn, R @ np.linalg.inv(turn).T
        more = RIDGE * sum(np.sum(part**2) for part in other) / 2
        assert problem.network_loss([other[1].T, other[0]]) <= plain.loss(W) + more


@pytest.mark.parametrize("unit", [1e-150, 1.0, 1e150])
@pytest.mark.parametrize("rank", [3, 5])
def test_of_a_known_matrix_recover_thresholds_singular_values(unit, rank):
    found = recover(full(unit), rank, rng=0, rtol=1e-8)
    assert found.converged
    kept = found.point.s / unit
    np.testing.assert_allclose(kept[:3], S[:3] - RIDGE, rtol=1e-6)
    assert (kept[3:] < 1e-6).all()
    assert np.abs(matrix(found.point) / unit - THRESHOLDED).max() < 1e-6


SOLVERS = {
    "steepest descent": lambda _: SteepestDescent(verbosity=0, max_iterations=500),
    "conjugate gradients": lambda _: ConjugateGradient(verbosity=0, max_iterations=500),
    "exact start": lambda problem: ConjugateGradient(
        verbosity=0, max_iterations=500, line_searcher=ExactStartLineSearcher(problem)
    ),
    "trust regions": lambda _: TrustRegions(verbosity=0),
    "LBFGS": lambda _: LBFGS(verbosity=0),
}


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("depth", [None, 1, 2, 3.5])
def test_optimizers(name, depth):
    problem = full()
    if depth is None:
        if name in ("trust regions", "LBFGS"):
            return
        manifold = FixedRankEmbedded(M, N, 3)
    else:
        manifold = FixedRank(M, N, 3, depth=depth)
    start = problem.initial_point(3)
    result = SOLVERS[name](problem).run(problem.to_pymanopt(manifold), initial_point=start)
    assert np.abs(matrix(result.point) - THRESHOLDED).max() < 1e-5


def test_trust_regions_with_the_gauss_newton_hessian():
    problem, manifold = full(), FixedRank(M, N, 3, depth=2)
    result = TrustRegions(verbosity=0).run(
        problem.to_pymanopt(manifold, hessian="gauss-newton"),
        initial_point=problem.initial_point(3),
    )
    assert np.abs(matrix(result.point) - THRESHOLDED).max() < 1e-5


def at(kind, s, unit):
    """A problem of some kind with weights and a ridge, and a point with these singular values."""
    shape, rng = (5, 4), np.random.default_rng(1)
    plain, A, y = make(kind, shape, 14, 0)
    w = rng.uniform(0.5, 2, len(y))
    if kind == "entries":
        where = np.transpose([np.argwhere(each)[0] for each in A])
        problem = MatrixCompletion(*where, unit * y, shape, weights=w, ridge=0.7 * unit)
    else:
        problem = MatrixSensing(A, unit * y, weights=w, ridge=0.7 * unit)
        problem._measurements = plain._measurements
    point = FixedRank(*shape, len(s), depth=1).random_point(rng=2)
    return problem, point._replace(s=unit * np.array(s))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 2, 3.5])
@pytest.mark.parametrize("s", [[2.0, 1.0], [2.0, 2.0], [2.0, 1.0, 1.0, 0.5]])
def test_derivatives_on_manifolds(kind, depth, s):
    """By the library's own checks, which compare with values of the cost."""
    problem, point = at(kind, s, 1.0)
    manifold = FixedRank(5, 4, len(s), depth=depth)
    posed = problem.to_pymanopt(manifold)
    testing.check_gradient(posed, point=point, rng=0)
    testing.check_hessian(posed, point=point, rng=0)


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_riemannian_derivatives_have_units(unit):
    values = []
    for size in (1.0, unit):
        problem, point = at("entries", [2.0, 1.0], size)
        manifold = FixedRank(5, 4, 2, depth=1)
        posed = problem.to_pymanopt(manifold)
        Z = manifold.random_tangent_vector(point, rng=3)
        Z = Z * (size / manifold.norm(point, Z))
        gradient = posed.riemannian_gradient(point)
        values.append([part / size for part in (*gradient, *posed.riemannian_hessian(point, Z))])
    for found, expected in zip(*values, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("given_to", ["problem", "recover"])
def test_a_weighted_completion_is_at_the_convex_minimum(given_to):
    """SciPy's minimum over factors of full rank, and the condition of a convex minimum."""
    _, values, weights = noisy(14, 10)
    weights, ridge = weights**0.25, 1.5
    problem = MatrixCompletion(values, weights=weights, ridge=ridge)
    least, W = best_factors(values, weights, 10, ridge)
    if given_to == "problem":
        found = recover(problem, 10, rng=0, rtol=1e-8)
    else:
        plain = MatrixCompletion(values, weights=weights)
        found = recover(plain, 10, rng=0, rtol=1e-8, ridge=ridge)
    assert found.converged
    assert 1 < found.point.s.size < 10
    assert problem.loss(found.point) == pytest.approx(least, rel=1e-8)
    assert np.linalg.norm(matrix(found.point) - W) < 1e-3 * np.linalg.norm(W)
    G = dense(MatrixCompletion(values, weights=weights).gradient(found.point))
    np.testing.assert_allclose(G @ found.point.vt.T, -ridge * found.point.u, atol=1e-3)
    assert np.linalg.norm(G, 2) <= ridge * (1 + 1e-3)


def test_sensing_with_a_ridge_is_at_the_convex_minimum():
    rng = np.random.default_rng(0)
    A, y = rng.standard_normal((25, 5, 4)), rng.standard_normal(25)
    problem = MatrixSensing(A, y, ridge=2.0)
    found = recover(problem, 4, rng=0, rtol=1e-8)
    G = dense(MatrixSensing(A, y).gradient(found.point))
    np.testing.assert_allclose(G @ found.point.vt.T, -2 * found.point.u, atol=1e-3)
    assert np.linalg.norm(G, 2) <= 2 * (1 + 1e-3)


def test_one_ridge_is_enough():
    with pytest.raises(ValueError, match=r"has a ridge of 0\.5 already.*ridge=0\.1\).*leave one"):
        recover(MatrixCompletion(TARGET, ridge=0.5), 2, ridge=0.1)


@pytest.mark.parametrize(
    ("ridge", "error", "message"),
    [
        (-1.0, ValueError, r"ridge must be finite and at least 0, got -1\.0"),
        (np.nan, ValueError, "ridge must be finite"),
        (np.inf, ValueError, "ridge must be finite"),
        ("a", TypeError, "ridge must be a number, got 'a'"),
        (True, TypeError, "ridge must be a number, got True"),
    ],
)
def test_bad_ridges(ridge, error, message):
    with pytest.raises(error, match=message):
        MatrixCompletion(TARGET, ridge=ridge)
    with pytest.raises(error, match=message):
        MatrixSensing(np.ones((2, 3, 3)), [3.0, 1.0], ridge=ridge)


def test_the_minimum_along_a_line_is_not_known():
    Z = FixedRank(M, N, 1, depth=1).random_tangent_vector(full().initial_point(1), rng=0)
    assert full().line_minimum(full().initial_point(1), Z) is None
    assert MatrixCompletion(TARGET).line_minimum(full().initial_point(1), Z) is not None


@pytest.mark.parametrize("unit", [1e-100, 1.0, 1e100])
def test_a_higher_rank_has_to_be_worth_it(unit):
    """From the best matrix of rank 1 the next two gain; the fourth would cost more."""
    problem = full(unit)
    one = FixedRankPoint(U[:, :1], unit * (S[:1] - RIDGE), VT[:1])
    three = rank_increase(problem, one, 2)
    # The Hessian is the identity, so that the step is to the minimum along the direction.
    np.testing.assert_allclose(three.s / unit, S[:3] - RIDGE, rtol=1e-10)
    assert problem.loss(three) < problem.loss(one)
    with pytest.raises(ValueError, match=r"cannot increase by 3.*take by=2"):
        rank_increase(problem, one, 3)
    with pytest.raises(ValueError, match=r"cannot increase by 1.*no matrix of higher rank nearby"):
        rank_increase(problem, three, 1)


def test_of_any_sum_with_a_ridge():
    """A loss of regression joins: the same threshold, with steps by search."""
    problem = LinearRegression(np.eye(N), TARGET / 2) + 0.5 * MatrixCompletion(
        TARGET / 2, ridge=RIDGE
    )
    # 3/4 |W - T/2|^2 and the price ridge / 2 for each singular value.
    one = FixedRankPoint(U[:, :1], S[:1] / 2 - RIDGE / 3, VT[:1])
    two = rank_increase(problem, one)
    assert problem.loss(two) < problem.loss(one)
    with pytest.raises(ValueError, match="cannot increase"):
        rank_increase(problem, one, 4)


@pytest.mark.parametrize("depth", [2, 3])
def test_the_two_flows_are_one(depth):
    problem, start = at("entries", [2.0, 1.5], 1.0)
    factors = balanced_factors(start, [4, *[2] * (depth - 1), 5], rng=0)
    found = compare_flows(problem, factors, np.linspace(0, 1.5, 4), rtol=1e-10)
    assert (found.gap <= 1e-8 * found.norm).all()
    assert found.factored.loss[-1] < 0.9 * found.factored.loss[0]


def test_with_two_balanced_layers_it_is_weight_decay():
    problem, start = at("entries", [2.0, 1.5], 1.0)
    layers = balanced_factors(start, [4, 2, 5], rng=0)
    known = np.zeros((5, 4))
    known[problem.rows, problem.cols] = problem.weights
    values = np.zeros((5, 4))
    values[problem.rows, problem.cols] = problem.values

    def decay(t, x):
        R, L = x[:8].reshape(2, 4), x[8:].reshape(5, 2)
        G = known * (L @ R - values)
        return -np.concatenate([(L.T @ G + 0.7 * R).ravel(), (G @ R.T + 0.7 * L).ravel()])

    start = np.concatenate([layer.ravel() for layer in layers])
    expected = scipy.integrate.solve_ivp(decay, (0, 2), start, rtol=1e-11, atol=1e-12).y[:, -1]
    found = factored_flow(problem, layers, [0, 2], rtol=1e-10).factors[-1]
    flat = np.concatenate([layer.ravel() for layer in found])
    np.testing.assert_allclose(flat, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("depth", [1, 1.5, 2])
def test_the_flow_of_a_known_matrix_thresholds_singular_values(depth):
    """Below depth 2 what falls short of the ridge reaches zero, and the rank falls."""
    start = FixedRankPoint(U, np.ones(N), VT)
    flow = riemannian_flow(full(), start, depth, [0, 3, 40])
    np.testing.assert_allclose(flow.singular_values[-1, :3], S[:3] - RIDGE, atol=1e-6)
    assert (flow.singular_values[-1, 3:] < 1e-6).all()
    if depth < 2:
        assert (flow.singular_values[-1, 3:] == 0).all()
        assert [change.rank for change in flow.rank_changes] == [4, 3]
    if depth == 1:
        # Of s' = b - ridge - s from s = 1, for the two b below the ridge.
        times = np.log(1 + 1 / (RIDGE - S[4:2:-1]))
        np.testing.assert_allclose([change.t for change in flow.rank_changes], times, rtol=1e-6)


def at_zero(t, x):
    return x[1]


at_zero.terminal = True


def test_unbalanced_layers_stop_at_the_kink():
    """Of two numbers l and r that decay l^2 - r^2 is kept, so that r is zero while l is not."""
    problem = MatrixCompletion([[1.0]], ridge=3.0)
    flow = factored_flow(problem, [[[0.4]], [[0.5]]], [0, 0.1, 10])
    assert flow.status.startswith("stopped at t = 0.")
    assert "layers are not balanced" in flow.status
    assert not flow.complete
    end = scipy.integrate.solve_ivp(
        lambda t, x: (1 - x[0] * x[1] - 3) * x[::-1],
        (0, 10),
        [0.5, 0.4],
        rtol=1e-10,
        atol=1e-12,
        events=at_zero,
    )
    stopped = float(flow.status.split("t = ")[1].split(":")[0])
    assert stopped == pytest.approx(end.t_events[0][0], rel=1e-2)


def test_a_single_layer_stops_at_the_kink():
    problem = MatrixCompletion(TARGET, ridge=RIDGE)
    flow = factored_flow(problem, [U @ VT], [0, 0.5, 3])
    # Of s' = b - ridge - s from s = 1, with the least b.
    expected = np.log(1 + 1 / (RIDGE - S[-1]))
    assert flow.status.startswith(f"stopped at t = {expected:.4f}")
    assert flow.t.tolist() == [0, 0.5]
