"""What a callback sees of a run, how it stops it, and that it cannot break it."""

import warnings

import numpy as np
import pytest

import fixedrank
from fixedrank import (
    FixedRankPoint,
    LinearRegression,
    compare_flows,
    factored_flow,
    gradient_descent,
    random_balanced_factors,
    riemannian_flow,
)
from fixedrank.flows.solvers import METHODS
from tests.flows.exact import DenseProblem
from tests.flows.test_own_methods import Midpoint
from tests.geometry.dense import matrix
from tests.networks.data import multiplied

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((3, 8)) / 2, RNG.standard_normal((4, 8)) / 2
PROBLEM = LinearRegression(X, Y)
FACTORS = random_balanced_factors([3, 2, 3, 4], rng=1)
POINT = fixedrank.FixedRank(4, 3, 2, depth=3).point(fixedrank.product(FACTORS))
T = np.linspace(0, 2, 5)
OPTIONS = {"RK4": {"step": 0.07}, Midpoint: {"length": 0.07}}


def factored(problem=PROBLEM, t=T, start=FACTORS, **options):
    return factored_flow(problem, start, t, **options)


def riemannian(problem=PROBLEM, t=T, start=POINT, **options):
    return riemannian_flow(problem, start, 3, t, **options)


def descent(problem=PROBLEM, t=T, start=FACTORS, **options):
    steps = np.unique(np.round(np.asarray(t) / 0.01).astype(int)).tolist()
    return gradient_descent(problem, start, steps, step_size=0.01, **options)


FLOWS = pytest.mark.parametrize("flow", [factored, riemannian])
RUNS = pytest.mark.parametrize("run", [factored, riemannian, descent])


def dense_of(where):
    """The matrix that a callback is shown, by whatever it is shown."""
    return matrix(where) if isinstance(where, FixedRankPoint) else multiplied(where)


class Seen(list):
    """Keeps what it is shown, and spoils it."""

    def __init__(self, until=lambda t, W, loss: None):
        super().__init__()
        self.until = until

    def __call__(self, t, where, loss):
        W = dense_of(where)
        self.append((t, W, loss))
        for part in where:
            part.fill(np.nan)
        return self.until(t, W, loss)


def layers_of(result):
    return [*getattr(result, "factors", []), *getattr(result, "points", [])]


@RUNS
def test_it_sees_every_step_in_the_coordinates_of_the_user(run):
    seen = Seen()
    result = run(callback=seen)
    assert len(seen) == (200 if run is descent else result.steps) > 0
    times, products, losses = zip(*seen, strict=True)
    assert all(type(t) is float and type(loss) is float for t, _, loss in seen)
    assert (np.diff([0.0, *times]) > 0).all()
    assert times[-1] == pytest.approx(T[-1], abs=1e-12)
    residuals = [np.linalg.norm(W @ X - Y) ** 2 / 2 for W in products]
    np.testing.assert_allclose(losses, residuals, rtol=1e-12)
    np.testing.assert_allclose(products[-1], dense_of(result.last), rtol=0, atol=1e-13)


@FLOWS
@pytest.mark.parametrize("method", [*METHODS, Midpoint])
def test_it_changes_nothing_whatever_it_does_to_what_it_is_shown(flow, method):
    options = {"method": method, "rtol": 1e-4, **OPTIONS.get(method, {})}
    alone, watched = flow(**options), flow(**options, callback=(seen := Seen()))
    assert len(seen) == watched.steps == alone.steps
    assert watched.evaluations == alone.evaluations
    assert watched.status == alone.status
    np.testing.assert_array_equal(watched.loss, alone.loss)
    for one, other in zip(layers_of(watched), layers_of(alone), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_it_changes_nothing_of_a_descent():
    alone, watched = descent(), descent(callback=Seen())
    assert watched.status == alone.status
    np.testing.assert_array_equal(watched.loss, alone.loss)
    np.testing.assert_array_equal(watched.product, alone.product)


@RUNS
def test_it_stops_the_run_from_where_the_run_can_go_on(run):
    whole = run()
    enough = float(whole.loss[2] + whole.loss[3]) / 2
    seen = Seen(lambda t, W, loss: np.bool_(loss < enough))
    result = run(callback=seen)
    t, W, loss = seen[-1]
    assert loss < enough <= seen[-2][2]
    assert f"stopped by the callback at t = {t:.6g}" in result.status
    assert not result.complete
    assert result.t.size == result.loss.size == 4
    np.testing.assert_array_equal(result.t, [*whole.t[:3], t])
    np.testing.assert_array_equal(result.loss[:3], whole.loss[:3])
    assert result.loss[-1] == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(dense_of(result.last), W, rtol=0, atol=1e-14)
    going_on = run(t=[0, 2 - t] if run is descent else [t, 2], start=result.last)
    bound = 1e-12 if run is descent else 1e-6
    np.testing.assert_allclose(going_on.product[-1], whole.product[-1], rtol=0, atol=bound)


@FLOWS
@pytest.mark.parametrize("keep", ["products", "points", "last", lambda where: where[0].sum()])
def test_it_stops_whatever_is_kept(flow, keep):
    result = flow(keep=keep, callback=(seen := Seen(lambda t, W, loss: t > 0.7)))
    t, W, loss = seen[-1]
    np.testing.assert_array_equal(result.t, [0, 0.5, t])
    assert len(result.kept) == len(result.singular_values) == len(result.balancedness) == 3
    np.testing.assert_allclose(dense_of(result.last), W, rtol=0, atol=1e-14)
    assert result.loss[-1] == pytest.approx(loss, rel=1e-13)


@FLOWS
def test_a_stop_at_an_output_time_keeps_it_once(flow):
    options = {"method": "RK4", "step": 0.25}
    result = flow(**options, callback=lambda t, where, loss: t >= 1)
    np.testing.assert_array_equal(result.t, T[:3])
    assert "after 3 of 5 output times" in result.status
    whole = flow(**options, callback=lambda t, where, loss: t >= 2)
    assert whole.complete
    assert whole.status == flow(**options).status


def test_a_descent_that_stops_at_its_last_step_is_complete():
    assert descent(callback=lambda t, layers, loss: t > 1.995).complete
    stopped = gradient_descent(PROBLEM, FACTORS, 5, step_size=0.1, callback=lambda *_: True)
    assert stopped.iterations.tolist() == [0, 1]


class OwnError(Exception):
    """An error that nobody else raises."""


@RUNS
@pytest.mark.parametrize("kind", [OwnError, ValueError, StopIteration, np.linalg.LinAlgError])
def test_its_errors_are_raised_as_they_are(run, kind):
    error = kind("mine")

    def callback(t, where, loss):
        raise error

    with pytest.raises(kind) as raised:
        run(callback=callback)
    assert raised.value is error


@RUNS
def test_its_warnings_are_its_own(run):
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        run(callback=lambda t, where, loss: np.divide(1.0, np.zeros(1)) < 0)


@RUNS
def test_ctrl_c_inside_it(run):
    calls = []

    def callback(t, where, loss):
        calls.append(t)
        if len(calls) == 3:
            raise KeyboardInterrupt

    result = run(callback=callback)
    assert "interrupted" in result.status
    assert not result.complete
    assert len(calls) == 3


@pytest.mark.parametrize("run", [factored, riemannian, descent, compare_flows])
def test_something_else_than_a_function(run):
    given = (PROBLEM, FACTORS, T) if run is compare_flows else ()
    with pytest.raises(TypeError, match=r"callback must be a function of \(t, point or layers"):
        run(*given, callback=[print])


class Counting(DenseProblem):
    """Counts how often it is asked for its loss."""

    def __init__(self):
        super().__init__(X, Y)
        self.losses = 0

    def loss(self, W):
        self.losses += 1
        return super().loss(W)


@RUNS
def test_a_call_costs_one_loss(run):
    alone, watched = Counting(), Counting()
    run(alone)
    run(watched, callback=(seen := Seen()))
    assert alone.losses == T.size
    assert watched.losses == T.size + len(seen)


@FLOWS
@pytest.mark.parametrize("exponent", [-60, -7, 60])
def test_in_any_units(flow, exponent):
    """Data (c X, c Y) for t / c^2: the same W, and losses times c^2."""
    runs = []
    for c in (1.0, 2.0**exponent):
        runs.append(seen := Seen())
        flow(LinearRegression(c * X, c * Y), t=T / 4 / c**2, callback=seen)
    one, other = runs
    for (t, W, loss), (t_c, W_c, loss_c) in zip(one, other, strict=True):
        assert t_c * c**2 == pytest.approx(t, rel=1e-6)
        assert loss_c / c**2 == pytest.approx(loss, rel=1e-6)
        assert np.linalg.norm(W_c - W) < 1e-6 * np.linalg.norm(W)


def test_where_the_rank_falls_and_where_all_is_zero():
    """At N = 1.5 both singular values reach zero in finite time."""
    problem = LinearRegression(np.eye(2), -np.diag([3.0, 1.0]))
    ranks = []

    def callback(t, point, loss):
        ranks.append(point.s.size)
        exact = (point.u * point.s) @ point.vt + np.diag([3.0, 1.0])
        assert loss == pytest.approx(np.linalg.norm(exact) ** 2 / 2, rel=1e-12)

    start = (np.eye(2), np.array([1.0, 0.9]), np.eye(2))
    flow = riemannian_flow(problem, start, 1.5, [0, 1, 10], callback=callback)
    assert [change.rank for change in flow.rank_changes] == [1, 0]
    assert len(ranks) == flow.steps
    assert ranks == sorted(ranks, reverse=True)
    assert set(ranks) == {1, 2}


def test_at_depth_one_and_full_rank():
    start = fixedrank.FixedRank(4, 3, 3, depth=1).point(RNG.standard_normal((4, 3)))
    flow = riemannian_flow(PROBLEM, start, 1, T, callback=(seen := Seen()))
    assert len(seen) == flow.steps
    for _, W, loss in seen:
        assert loss == pytest.approx(np.linalg.norm(W @ X - Y) ** 2 / 2, rel=1e-12)


@FLOWS
def test_where_nothing_moves_there_is_no_step(flow):
    problem = LinearRegression(np.eye(3), np.zeros((4, 3)))
    zero = [0 * layer for layer in FACTORS]
    start = zero if flow is factored else (np.eye(4, 2), np.zeros(2), np.eye(2, 3))
    if flow is riemannian:
        problem, start = (
            LinearRegression(np.eye(3), np.eye(4, 3)),
            (
                np.eye(4, 3),
                np.ones(3),
                np.eye(3),
            ),
        )
    assert flow(problem, start=start, callback=(seen := Seen())).complete
    assert seen == []


def test_a_comparison_shows_layers_and_then_points():
    kinds = []
    compare_flows(PROBLEM, FACTORS, T, callback=lambda t, where, loss: kinds.append(type(where)))
    changes = [a for a, b in zip(kinds, [None, *kinds], strict=False) if a is not b]
    assert changes == [list, FixedRankPoint]


@pytest.mark.parametrize("where", [list, FixedRankPoint])
@pytest.mark.parametrize("keep", ["layers", "points"])
def test_a_comparison_that_is_stopped_in_either_flow(where, keep):
    comparison = compare_flows(
        PROBLEM, FACTORS, T, keep=keep, callback=lambda t, at, loss: t > 0.7 and type(at) is where
    )
    first, second = comparison.factored, comparison.riemannian
    assert "stopped by the callback" in (first if where is list else second).status
    assert comparison.t.size == comparison.gap.size == (3 if where is list else 2)
    assert comparison.t.size == comparison.norm.size == comparison.balancedness.size
    assert comparison.gap.max() < 1e-6
    assert "as far as they went" in comparison.verdict
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        comparison.plot()


def test_a_descent_that_diverges_while_it_is_watched():
    options = {"step_size": 5.0}
    alone = gradient_descent(PROBLEM, FACTORS, 50, **options)
    with np.errstate(all="ignore"):
        watched = gradient_descent(PROBLEM, FACTORS, 50, **options, callback=Seen())
    assert watched.status == alone.status
    assert "diverged" in alone.status
    np.testing.assert_array_equal(watched.loss, alone.loss)
