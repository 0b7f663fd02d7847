"""Rest points: found, told from saddles and from slow decay, and with the right rates."""

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

import fixedrank
from fixedrank.flows.core import RiemannianSystem
from fixedrank.flows.stationarity import RestTest, _lowest


def whitened(targets, d):
    """Data with X X^T = I, so that Q = B has the given singular values."""
    rng = np.random.default_rng(5)
    u, v = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    values = np.concatenate((targets, np.zeros(d - len(targets))))
    return fixedrank.LinearRegression(np.eye(d), (u * values) @ v.T), u, v


@pytest.mark.parametrize("depth", [2, 3, 2.5])
@pytest.mark.parametrize("chosen", [(0, 1), (0, 2), (1, 2)])
def test_rates_at_a_critical_point(depth, chosen):
    # On whitened data the entries of M decay at the rate c_ij, and a direction outside J mixes with
    # s_j at the rates s_j^(2 - 2/N) (1 +- sigma_a / s_j).
    targets = np.array([3.0, 2.0, 1.2, 0.5])
    problem, u, v = whitened(targets, 4)
    s = targets[list(chosen)]
    point = (u[:, list(chosen)], s, v[:, list(chosen)].T)
    system = RiemannianSystem(problem, (4, 4), fixedrank.DepthMetric(depth), 1e-8)
    rates, gradient, _ = system.linearisation(system.state(point[0], np.diag(s), point[2].T))
    found = np.linalg.eigvals(rates @ np.eye(rates.shape[0]))
    assert np.abs(found.imag).max() < 1e-8
    assert np.linalg.norm(gradient) < 1e-13

    p = s ** (2 / depth)
    tied = depth * s ** (2 - 2 / depth)
    between = (s[0] ** 2 - s[1] ** 2) / (p[0] - p[1])
    expected = [*tied, between, between]
    for a in set(range(4)) - set(chosen):
        for value in s:
            weight = value ** (2 - 2 / depth)
            expected += [weight * (1 + targets[a] / value), weight * (1 - targets[a] / value)]
    expected += [0.0] * (rates.shape[0] - len(expected))  # coordinates that are not tangent
    np.testing.assert_allclose(np.sort(found.real), np.sort(expected), atol=1e-7)


@pytest.mark.parametrize("method", ["auto", "ROCK4", "DOP853", "RK45"])
@pytest.mark.parametrize("flow", ["layers", "product"])
def test_stops_at_the_global_minimum(flow, method):
    problem, _, _ = whitened([2.0, 1.0, 0.5], 5)
    factors = fixedrank.random_balanced_factors([5, 2, 4, 5], rng=0)
    times = np.linspace(0, 2000, 21)
    if flow == "layers":
        run = fixedrank.factored_flow(problem, factors, times, method=method)
    else:
        start = fixedrank.FixedRank(5, 5, 2, depth=3).point(fixedrank.product(factors))
        run = fixedrank.riemannian_flow(problem, start, 3, times, method=method)
    assert run.status.startswith("stationary from t = ")
    assert run.complete
    assert len(run) == 21
    assert float(run.status.split()[4]) < 1000
    assert run.loss[-1] == pytest.approx(0.5**2 / 2, abs=1e-12)
    np.testing.assert_allclose(run.singular_values[-1][:2], [2.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("depth", [2, 3])
def test_a_saddle_is_not_taken_for_rest(depth):
    # W_J with J = {2} is a strict saddle; from 1e-9 beside it the flow stays for long, then leaves
    # for the global minimum.
    problem, u, v = whitened([2.0, 1.0], 4)
    tilt = 1e-9
    left = u[:, 1] + tilt * u[:, 0]
    right = v[:, 1] + tilt * v[:, 0]
    start = (left[:, None] / np.linalg.norm(left), np.ones(1), right[None] / np.linalg.norm(right))
    run = fixedrank.riemannian_flow(problem, start, depth, [0, 5, 400], max_step=0.05)
    assert run.loss[1] == pytest.approx(2.0, abs=1e-6)  # the saddle: the value 2.0 is not learned
    assert run.loss[-1] == pytest.approx(0.5, abs=1e-10)
    assert run.status.startswith("stationary")


def test_slow_decay_is_not_taken_for_rest():
    # Nothing is left of the target in the second direction: s' = -2 s^2, so s = 1 / (2 t + 1/s(0)).
    problem, u, v = whitened([1.0], 3)
    start = (u[:, :2], np.array([1.0, 0.5]), v[:, :2].T)
    run = fixedrank.riemannian_flow(problem, start, 2, [0, 1e3, 1e4], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(run.singular_values[:, 1], 1 / (2 * run.t + 2), rtol=1e-4)


def test_asking_is_kept_in_proportion():
    # Each look doubles, at least, what has to be evaluated before the next.
    problem, u, v = whitened([1.0], 3)
    system = RiemannianSystem(problem, (3, 3), fixedrank.DepthMetric(2), 1e-8)
    state = system.state(u[:, :2], np.diag([1.0, 1e-3]), v[:, :2])
    test = RestTest(1e-8, 1e-10)
    assert test.at_rest(system, state, state, 1.0, 499) is None
    assert test.spent == 0
    assert test.at_rest(system, state, state, 1e6, 500) is None
    spent = test.spent
    assert spent > 0
    assert test.at_rest(system, state, state, 1e6, 500 + 2 * spent - 1) is None
    assert test.spent == spent


def test_nobody_asks_where_less_is_left_than_asking_costs(monkeypatch):
    """At the last steps it took a fifth of the time of a whole flow at d = 200 (2026-11)."""
    asked = []

    def at_rest(self, system, before, after, left, evaluations, at_once=False):
        asked.append((after.size, evaluations))

    monkeypatch.setattr(RestTest, "at_rest", at_rest)
    problem, u, v = whitened([2.0, 1.5, 1.0], 40)
    start = (u[:, :3], np.array([0.1, 0.2, 0.3]), v[:, :3].T)
    # Four evaluations a step, of which all but the last are counted exactly.
    run = fixedrank.riemannian_flow(problem, start, 3, [0, 20], method="RK4", step=0.05)
    size, last = asked[-1]
    assert size == 40 * 3 * 2 + 9
    assert size - 4 <= run.evaluations - last <= size + 8
    assert len(asked) >= 0.7 * run.steps


@pytest.mark.parametrize("least", [-0.05, -2.0, 0.02])
def test_the_lowest_of_many_rates(least):
    # By Lanczos' method, and dense. The start has no part in the direction of the lowest.
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.standard_normal((100, 100)))[0]
    rates = (frame * np.array([least, *np.linspace(0.5, 5, 99)])) @ frame.T
    slow = 0.01
    found, count = _lowest(aslinearoperator(rates), frame[:, 1], slow, 99, slow)
    assert count is None
    assert abs(found - least) <= slow
    found, count = _lowest(aslinearoperator(rates), frame[:, 1], slow, 100, slow)
    assert count == (least < 0)
    assert abs(found - least) <= 1e-12
