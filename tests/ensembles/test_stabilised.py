"""The stabilised steps of stiff runs: against closed forms, other solvers, and one at a time."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

from fixedrank import Experiment, LinearRegression, classify_factors, run_ensemble
from fixedrank.ensembles import stabilised
from fixedrank.ensembles.ends import Ends
from fixedrank.ensembles.runs import run_batch
from fixedrank.ensembles.stabilised import finish
from fixedrank.ensembles.stacked import StackedNetworks
from fixedrank.ensembles.stepping import Task
from fixedrank.losses.hessian import NetworkHessian
from tests.ensembles import experiments
from tests.networks.data import flat


def finished(problem, stack, end, *, rtol=1e-6, close=-np.inf, most=10**6):
    """Integrate networks by stabilised steps from t = 0 on."""
    networks = StackedNetworks(problem, [len(layer.T) for layer in stack[0]] + [len(stack[0][-1])])
    state = networks.state(stack)
    count = state.shape[1]
    zeros = np.zeros(count, np.int64)
    ends = Ends(state, np.zeros(count), zeros, zeros.astype(bool))
    finish(networks, ends, np.arange(count), Task(end, rtol, None, 0.0, close), most)
    return ends


@pytest.mark.usefixtures("both_steps")
@pytest.mark.parametrize("widths", [[3, 3, 3], [3, 2, 4, 3], [3, 25, 3]])
@pytest.mark.parametrize("rtol", [1e-6, 1e-8])
def test_the_end_that_another_solver_finds(widths, rtol):
    problem, rng = experiments.problem(), np.random.default_rng(0)
    stack = [
        [scale * rng.standard_normal((b, a)) for a, b in pairwise(widths)]
        for scale in (0.3, 0.5, 1.0)
    ]
    networks = StackedNetworks(problem, widths)
    ends = finished(problem, stack, 3.0, rtol=rtol)
    assert not ends.failed.any()
    assert (ends.t == 3.0).all()

    def velocity(_, y):
        return networks.velocity(y[:, None])[:, 0]

    for column, layers in zip(ends.state.T, stack, strict=True):
        alone = solve_ivp(velocity, (0, 3.0), flat(layers), method="DOP853", rtol=1e-10, atol=1e-12)
        # A local error of rtol^(2/3) of some hundred steps.
        np.testing.assert_allclose(column, alone.y[:, -1], rtol=0, atol=100 * rtol ** (2 / 3))


@pytest.mark.usefixtures("both_steps")
@pytest.mark.parametrize("depth", [3, 4, 6])
def test_the_wait_at_a_saddle_that_is_not_strict(depth):
    """A mode x' = (1 - x^N) x^(N-1) leaves zero after a time like x^(2-N), beside a fast one."""
    small = {3: 5e-5, 4: 0.01, 6: 0.05}[depth]
    problem = LinearRegression(np.eye(2), np.diag([2.0, 1.0]))
    layers = [np.diag([2 ** (1 / depth), small]) for _ in range(depth)]
    assert classify_factors(problem, layers, rtol=0.1).kind == "non-strict saddle"

    def wait(x):
        return quad(lambda y: 1 / ((1 - y**depth) * y ** (depth - 1)), small, x, limit=500)[0]

    end = wait(0.5)
    assert end > 0.9 * small ** (2 - depth) / (depth - 2)
    ends = finished(problem, [layers], end, rtol=1e-7)
    x = ends.state[:, 0].reshape(depth, 2, 2)[:, 1, 1]
    # Relative errors of x grow like (x(t) / x(0))^(N - 2): compare the times.
    np.testing.assert_allclose([wait(each) for each in x], end, rtol=0.02)
    # Explicit steps, no longer than 3.4 over the largest rate, would be a hundred times more.
    rate = np.linalg.eigvalsh(NetworkHessian(problem, layers) @ np.eye(4 * depth))[-1]
    assert ends.steps[0] < 0.01 * end * rate / 3.4


def test_how_long_it_takes_by_the_hessian():
    """A balanced mode at a least eigenvalue -mu needs (N - 1) / ((N - 2) mu) to leave."""
    for depth, x, gamma in [(3, 1e-3, 1.3), (4, 1e-2, 0.7), (6, 0.05, 2.0)]:
        problem = LinearRegression(np.eye(1), np.array([[gamma]]))
        hessian = NetworkHessian(problem, [np.array([[x]])] * depth) @ np.eye(depth)
        estimate = (depth - 1) / ((depth - 2) * -np.linalg.eigvalsh(hessian)[0])
        half = (gamma / 2) ** (1 / depth)
        wait = quad(lambda y: 1 / ((gamma - y**depth) * y ** (depth - 1)), x, half, limit=500)[0]  # noqa: B023
        assert estimate == pytest.approx(wait, rel=0.05)


@pytest.mark.usefixtures("both_steps")
def test_a_strict_saddle_does_not_hold_what_is_near():
    """From 1e-11 beside it a run leaves after ln(1e11) / gamma, however long the steps are."""
    problem = LinearRegression(np.eye(3), np.diag([20.0, 2.0, 1.0]))
    saddle = [np.diag([20 ** (1 / 2), 0, 0]), np.diag([20 ** (1 / 2), 0, 0])]
    values, vectors = np.linalg.eigh(NetworkHessian(problem, saddle) @ np.eye(18))
    assert values[0] == pytest.approx(-2.0)
    pushed = flat(saddle) + 1e-11 * vectors[:, 0]
    layers = [part.reshape(3, 3) for part in np.split(pushed, 2)]
    ends = finished(problem, [layers, layers], 1e4, close=1.5)
    # It stops within a loss of 1.5 above zero, below the value 5/2 of the saddle.
    escape = np.log(1e11) / 2
    assert escape < ends.t[0] < escape + 5


@pytest.mark.usefixtures("both_steps")
def test_a_column_does_not_depend_on_the_others():
    problem, rng = experiments.problem(), np.random.default_rng(1)
    stack = [
        [scale * rng.standard_normal((3, 3)) for _ in range(4)]
        for scale in (0.2, 0.3, 0.5, 1.0, 1.5)
    ]
    whole = finished(problem, stack, 20.0, close=0.1)
    assert len(set(whole.t)) > 3
    for part in ([0], [3, 1], [4, 2]):
        found = finished(problem, [stack[i] for i in part], 20.0, close=0.1)
        np.testing.assert_array_equal(found.state, whole.state[:, part])
        np.testing.assert_array_equal(found.t, whole.t[part])
        np.testing.assert_array_equal(found.steps, whole.steps[part])


def test_the_kernel_takes_the_steps_of_numpy(monkeypatch):
    pytest.importorskip("numba", reason="numba, which compiles the steps, is not installed")
    problem, rng = experiments.problem(), np.random.default_rng(2)
    stack = [[rng.standard_normal((3, 3)) for _ in range(3)] for _ in range(4)]
    found = finished(problem, stack, 5.0)
    monkeypatch.setattr(stabilised, "kernel_of", lambda networks: None)
    expected = finished(problem, stack, 5.0)
    np.testing.assert_allclose(found.state, expected.state, rtol=0, atol=1e-9)
    assert np.abs(found.steps - expected.steps).max() <= 1


def test_what_does_not_come_there_in_so_many_evaluations_stays_where_it_is():
    problem = LinearRegression(np.eye(1), np.eye(1))
    ends = finished(problem, [[np.full((1, 1), 1e-3)] * 3] * 2, 1e4, most=200)
    assert (ends.t > 0).all()
    assert (ends.t < 1e4).all()
    assert not ends.failed.any()


def test_the_record_of_what_took_too_many_evaluations(monkeypatch):
    for module in ("flow", "outcomes"):
        monkeypatch.setattr(f"fixedrank.ensembles.{module}.MOST_EVALUATIONS", 200)
    # A mode of 2e-4 waits for t = 5000, beside one of rate 12.
    problem = LinearRegression(np.eye(2), np.diag([8.0, 1.0]))
    experiment = Experiment(problem, [2, 2, 2, 2], two_modes, end=1e5)
    (record,) = run_batch(experiment, [0])
    assert record.limit == "not decided"
    assert 0 < record.t < 5000
    assert "after 200 evaluations in stabilised steps" in record.status


def three_layers(**options):
    return Experiment(experiments.problem(2), [2, 2, 2, 2], **options)


def two_modes(widths, rng):
    return [np.diag([1.9, 2e-4])] * 3


class TestLonger:
    """Runs that are not decided go on."""

    def test_they_become_certain(self):
        short = three_layers(scale=0.01, end=60.0)
        before = run_ensemble(short, range(6), workers=1)
        assert before.limits == {"not decided": 6}
        record = before.records[0]
        assert "at the last time t = 60" in record.status
        longer = three_layers(scale=0.01, end=60.0, continue_to=1e5)
        after = run_ensemble(longer, range(6), workers=1)
        assert after.limits == {"global minimum": 6}
        assert (after.column("t") > 60).all()
        at_once = run_ensemble(three_layers(scale=0.01, end=1e5), range(6), workers=1)
        np.testing.assert_allclose(after.column("t"), at_once.column("t"), rtol=0.05)

    def test_only_they(self):
        times = {"scale": 0.1, "end": 25.0, "tolerance": 1e-8}
        before = run_ensemble(three_layers(**times), range(30), workers=1)
        assert set(before.limits) == {"global minimum", "not decided"}
        after = run_ensemble(three_layers(**times, continue_to=4e4), range(30), workers=1)
        assert after.limits == {"global minimum": 30}
        for one, two in zip(before.records, after.records, strict=True):
            if one.limit == "global minimum":
                # Also what is certain and not yet within the tolerance.
                assert one == two or (one.t == two.t and np.isnan(one.time_to_tolerance))

    def test_what_is_said_of_those_that_remain(self):
        zero = Experiment(experiments.problem(), [3, 3, 3, 3], scale=1e-4, end=10.0, continue_to=20)
        (record,) = run_ensemble(zero, [0], workers=1).records
        assert record.t == 20
        assert "at the last time t = 20" in record.status
        assert "non-strict saddle: rank 0 of 3" in record.status
        layers = [1e-4 * layer for layer in _unit_layers(zero)]
        hessian = NetworkHessian(zero.problem, layers) @ np.eye(27)
        said = float(record.status.partition("Hessian of the layers ")[2].partition(";")[0])
        # In a time of 20 it has moved by 20 gamma |W_j|, 0.4 %.
        assert said == pytest.approx(np.linalg.eigvalsh(hessian)[0], rel=0.05)

    def test_an_end_before_the_end(self):
        with pytest.raises(ValueError, match="continue_to must not be before the end 50, got 10"):
            experiments.small(end=50.0, continue_to=10.0)


def _unit_layers(experiment):
    return [layer / experiment.scale for layer in experiment.start(0)]


def test_the_escape_from_zero_of_a_gaussian_start():
    """N = 1 mode: the time to half of gamma of layers x_j with x_i^2 - x_j^2 kept."""
    problem = LinearRegression(np.eye(1), np.array([[2.0]]))
    experiment = Experiment(problem, [1, 1, 1, 1], scale=0.02, end=1e6, tolerance=0.25)
    records = run_ensemble(experiment, range(12), workers=1).records
    for record in records:
        assert record.limit == "global minimum"
        x = np.array([layer[0, 0] for layer in experiment.start(record.seed)])
        signs, squares = np.sign(x), x**2

        # y = x_1^2 - x_1(0)^2 grows at the rate 2 (2 - W) W, until W = 1 has a quarter of the loss.
        def product(y, squares=squares):
            return np.sqrt(np.prod(squares + y))

        if np.prod(signs) < 0:
            # W < 0 comes to zero first: the smallest layer changes its sign.
            continue
        last = brentq(lambda y: product(y) - 1.0, 0, 10)
        wait = quad(lambda y: 1 / (2 * (2 - product(y)) * product(y)), 0, last, limit=500)[0]
        assert wait * 0.98 < record.t < wait * 1.3
