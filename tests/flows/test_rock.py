"""The stabilised method of fourth order and the change between methods, against exact solutions."""

import numpy as np
import pytest
from scipy.integrate import DOP853, solve_ivp

from fixedrank import (
    RKC,
    ROCK4,
    AutoSwitching,
    FixedRank,
    LinearRegression,
    gaussian_factors,
    layer_widths,
    product,
    random_balanced_factors,
    riemannian_flow,
)
from fixedrank.flows.rock_coefficients import coefficients
from tests.flows.test_chebyshev import pendulum
from tests.geometry.dense import matrix

STAGES = [5, 6, 7, 8, 9, 10, 11, 13, 17, 24, 40, 75, 150, 300, 500]


def one_step(rates, h, rate):
    """One step of y' = -rates y from 1: the stability polynomial at -h rates; and the estimate."""
    solver = ROCK4(lambda t, y: -rates * y, 0, np.ones(rates.size), 1e9)
    return solver._step(h, 0.0, solver.y, solver.f, rate)


@pytest.mark.parametrize("stages", STAGES)
def test_stable_on_the_whole_interval(stages):
    length = ROCK4._interval(stages)
    solver = ROCK4(lambda t, y: -y, 0, np.ones(1), 1e9)
    assert solver._stages_for(0.9999, length) == stages
    z = np.linspace(0, length, 20 * stages)
    values, estimate = one_step(z, 1.0, 0.99999 * length)
    assert np.abs(values).max() <= 1
    assert np.abs(values[z > 4]).max() <= 0.951
    # Fast directions do not swamp the estimate of the error.
    assert np.abs(estimate).max() <= 1


@pytest.mark.parametrize("stages", STAGES)
def test_fourth_order_at_zero(stages):
    # (R(z) - exp(z)) / z^5 is bounded; the polynomial is known up to some round-off.
    z = np.array([0.05, 0.1, 0.2])
    values, _ = one_step(z, 1.0, 0.99999 * ROCK4._interval(stages))
    np.testing.assert_array_less(np.abs(values - np.exp(-z)), 0.01 * z**5 + 1e-16 * stages**2)


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("length", [1.0, 30.0, 300.0])
@pytest.mark.parametrize("interval", [(0.0, 2.0), (0.5, 0.0)])
def test_fourth_order_for_equations_that_depend_on_time(interval, length, within):
    """With the usual stages, and those of steps that end where f does."""
    start = [1.0, 0.3]
    exact = solve_ivp(pendulum, interval, start, "DOP853", rtol=1e-13, atol=1e-13).y[:, -1]

    def error(h):
        solver = ROCK4(pendulum, interval[0], np.array(start), 2 * interval[1] - interval[0])
        h = np.copysign(h, interval[1] - interval[0])
        y, t = solver.y, interval[0]
        for _ in range(round(abs((interval[1] - interval[0]) / h))):
            solver.t_bound = t + (h if within else 2 * h)
            y = solver._taken(h, t, y, pendulum(t, y), length / abs(h))
            t += h
        return np.linalg.norm(y - exact)

    orders = np.log2([error(0.1) / error(0.05), error(0.05) / error(0.025)])
    np.testing.assert_allclose(orders, 4, atol=0.35)


def test_every_number_of_stages_makes_a_method():
    """One step of each, of a nonlinear equation; for fourth order errors are some h^5."""
    h, start = 0.02, np.array([1.0, 0.3])
    exact = solve_ivp(pendulum, (0, h), start, "DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    solver = ROCK4(pendulum, 0, start, 1.0)
    for stages in range(5, 501):
        solver.t_bound = 1.0 if stages % 2 else h
        rate = 0.9999 * ROCK4._interval(stages) / h
        assert solver._stages_for(h, rate) == stages
        found = solver._taken(h, 0.0, start, pendulum(0, start), rate)
        assert np.linalg.norm(found - exact) <= h**5 + 1e-16 * stages**2


def test_exact_for_velocities_cubic_in_time():
    solution = solve_ivp(lambda t, y: [4 * t**3, 1.0], (1, 3), [1.0, 0.0], method=ROCK4)
    np.testing.assert_allclose(solution.y[:, -1], [81, 2], rtol=1e-12)


@pytest.mark.parametrize("method", [ROCK4, AutoSwitching])
@pytest.mark.parametrize("rtol", [1e-3, 1e-5, 1e-7, 1e-9])
def test_the_error_follows_the_tolerance(method, rtol):
    exact = solve_ivp(pendulum, (0, 5), [1.0, 0.3], "DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    found = solve_ivp(pendulum, (0, 5), [1.0, 0.3], method=method, rtol=rtol, atol=rtol)
    assert found.success
    assert np.linalg.norm(found.y[:, -1] - exact) <= 20 * rtol


def fisher(t, u):
    """Diffusion with reaction on 100 points of an interval; the largest rate is 40,000."""
    walls = np.concatenate(([1.0], u, [0.0]))
    return 1e4 * np.diff(walls, 2) + 100 * u * (1 - u)


@pytest.mark.parametrize("method", [ROCK4, AutoSwitching])
def test_a_stiff_equation_takes_few_evaluations(method):
    start = np.linspace(1, 0, 100) ** 8
    reference = solve_ivp(fisher, (0, 0.2), start, method="Radau", rtol=1e-10, atol=1e-12)
    with np.errstate(over="ignore", invalid="ignore"):  # in trial steps
        explicit = solve_ivp(fisher, (0, 0.2), start, method="DOP853", rtol=1e-6, atol=1e-8)
        found = solve_ivp(fisher, (0, 0.2), start, method=method, rtol=1e-6, atol=1e-8)
    assert found.success
    np.testing.assert_allclose(found.y[:, -1], reference.y[:, -1], rtol=0, atol=2e-6)
    assert found.nfev < explicit.nfev / 8


@pytest.mark.parametrize("method", [ROCK4, AutoSwitching])
def test_many_output_times_inside_of_a_step(method):
    times = np.linspace(0, 10, 301)
    found = solve_ivp(
        lambda t, y: -1e4 * (y - np.sin(t)), (0, 10), [0.0], method=method, rtol=1e-6, t_eval=times
    )
    # Up to exp(-1e4 t) the solution is sin(t) - cos(t) 1e-4.
    np.testing.assert_allclose(found.y[0, 1:], np.sin(times[1:] - 1e-4), rtol=0, atol=1e-5)
    backwards = ROCK4(pendulum, 1.0, np.array([1.0, 0.3]), 0.0, rtol=1e-8)
    backwards.step()
    t = np.linspace(backwards.t, 1.0, 7)
    exact = solve_ivp(pendulum, (1, 0), [1.0, 0.3], t_eval=t[::-1], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(backwards.dense_output()(t), exact.y[:, ::-1], rtol=0, atol=1e-8)
    assert backwards.dense_output()(1.0).tolist() == [1.0, 0.3]


def driven(t, y):
    """A slow direction, of the solution sin(3 t), drives a fast one, sin(3 t)^2."""
    slow = np.sin(3 * t) - y[0] + 3 * np.cos(3 * t)
    return np.array([slow, 1e4 * (y[0] ** 2 - y[1]) + 2 * y[0] * slow])


def error_of_fast(t, y):
    return abs(y[1] - np.sin(3 * t) ** 2)


def test_fast_directions_are_damped_before_an_output():
    solver = ROCK4(driven, 0, np.zeros(2), 2, rtol=1e-5, atol=1e-7)
    steps, outputs, reached = [], [], []
    while solver.status == "running":
        solver.step()
        steps.append(error_of_fast(solver.t, solver.y))
        if len(steps) % 7:
            continue
        interpolant = solver.dense_output()
        times = solver.t_old + np.array([0.01, 0.3, 0.6, 0.99]) * solver.step_size
        outputs.extend(error_of_fast(t, interpolant(t)) for t in times)
        reached.extend(error_of_fast(t, solver.reach(np.array([t]))[:, 0]) for t in times)
        ends = solver.reach(np.array([solver.t, solver.t_old]))
        np.testing.assert_array_equal(ends, interpolant(np.array([solver.t, solver.t_old])))
    assert np.median(outputs) <= np.median(steps) / 4
    assert np.median(reached) <= np.median(steps) / 4


def test_fast_directions_are_damped_before_the_end():
    """Over many ends, as the error at one is as good as random."""
    parts = []
    for end in np.linspace(0.2, 1.0, 30):
        solver = ROCK4(driven, 0, np.zeros(2), end, rtol=1e-5, atol=1e-7)
        steps = []
        while solver.status == "running":
            solver.step()
            steps.append(error_of_fast(solver.t, solver.y))
        parts.append(steps[-1] / np.median(steps[-20:]))
    assert np.exp(np.mean(np.log(parts))) <= 1 / 5


@pytest.mark.parametrize("method", [ROCK4, AutoSwitching])
def test_nothing_moves(method):
    found = solve_ivp(lambda t, y: 0 * y, (0, 1e6), [1.0, 0.0], method=method)
    assert found.success
    assert found.y[:, -1].tolist() == [1, 0]
    assert found.nfev < 200


@pytest.mark.parametrize("method", [ROCK4, AutoSwitching])
def test_an_explosion_is_noticed(method):
    with np.errstate(over="ignore", invalid="ignore"):
        found = solve_ivp(lambda t, y: y**2, (0, 2), [1.0], method=method)
    assert not found.success
    assert found.t[-1] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("options", [{"rtol": 0}, {"atol": [1e-3, 0]}, {"max_step": 0}])
def test_bad_options(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be positive"):
        solve_ivp(lambda t, y: -y, (0, 1), [1.0, 2.0], method=ROCK4, **options)


@pytest.mark.parametrize("within", [False, True])
def test_coefficients_are_of_moderate_size(within):
    """No cancellation in the last four stages; what estimates the error is a difference."""
    for stages in range(5, 501, 5):
        method = coefficients(stages, within)
        assert np.abs(np.concatenate(method.inner)).max() <= 2.5
        assert np.abs(method.outer).max() <= 1
        assert np.abs(method.estimate).max() <= stages / 5
        times = [*(time for *_, time in method.steps), *method.abscissae]
        assert 0 <= min(times) <= max(times) <= (0.96 if within else 1.024)


def test_changes_to_the_stiff_method_and_back():
    """Stiff for 2 < t < 4 only."""

    def velocity(t, y):
        return np.array([-1e4 * (y[0] - np.sin(t)) if 2 < t < 4 else np.cos(t), y[0]])

    solver = AutoSwitching(velocity, 0.0, np.zeros(2), 12.0, rtol=1e-8, atol=1e-10, max_step=0.02)
    stiff = []
    while solver.status == "running":
        assert solver.step() is None
        stiff.append((solver.t, solver.stiff))
    times, flags = (np.array(column) for column in zip(*stiff, strict=True))
    assert not flags[times < 2].any()
    assert flags[(times > 2.05) & (times < 3.9)].all()
    assert not flags[times > 6].any()


def test_begins_where_the_last_solver_was():
    assert not AutoSwitching(pendulum, 0, [1.0, 0.3], 1.0).stiff
    assert AutoSwitching(pendulum, 0, [1.0, 0.3], 1.0, stiff=True).stiff


def test_the_option_of_the_default_method():
    """Output times are reached by the methods inside, which do not know this option."""
    problem = LinearRegression(np.eye(3), np.diag([3.0, 2.0, 1.0]))
    start = FixedRank(3, 3, 1, depth=3).point(np.ones((3, 3)))
    times = np.linspace(0, 1, 200)
    found = [riemannian_flow(problem, start, 3, times, stiff=stiff) for stiff in (True, False)]
    np.testing.assert_allclose(found[0].singular_values, found[1].singular_values, rtol=1e-6)
    with pytest.raises(ValueError, match=r"DOP853.*stiff"):
        riemannian_flow(problem, start, 3, times, method="DOP853", stiff=True)


def test_a_flow_takes_a_fifth_of_the_evaluations():
    """Appendix A at d = 20, r = 2, N = 10; DOP853 with small tolerances is the judge."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 60)) / np.sqrt(20)
    widths = layer_widths(20, 2, 10)
    problem = LinearRegression(X, product(gaussian_factors(widths, rng=rng)) @ X)
    W = product(random_balanced_factors(widths, rng=rng))
    start = FixedRank(20, 20, 2, depth=10).point(W)
    times = np.array([0.0, 0.5, 1.5, 5.0])
    exact = riemannian_flow(problem, start, 10, times, method="DOP853", rtol=1e-9, atol=1e-11)

    def error(trajectory):
        return max(
            np.linalg.norm(matrix(a) - matrix(b)) / np.linalg.norm(b.s)
            for a, b in zip(trajectory.points, exact.points, strict=True)
        )

    def run(method, rtol):
        return riemannian_flow(problem, start, 10, times, method=method, rtol=rtol, atol=rtol / 100)

    explicit = run("DOP853", 3e-7)
    # Errors are jagged in the tolerance: their mean over some is compared.
    found = [run("auto", rtol) for rtol in (2e-7, 3e-7, 5e-7)]
    assert error(explicit) < 1e-6
    assert np.exp(np.mean(np.log([error(flow) for flow in found]))) < 1e-6
    assert np.mean([flow.evaluations for flow in found]) < explicit.evaluations / 5


def slow_to_fast(least):
    """A flow whose slow directions drive its fast ones, with rates from `least` to some units."""
    rng = np.random.default_rng(0)
    manifold = FixedRank(6, 6, 2, depth=3)
    W, start = manifold.to_matrix(manifold.random_point(rng=rng)), manifold.random_point(rng=rng)
    X = np.diag(np.sqrt(np.geomspace(1, least, 6)))
    return LinearRegression(X, W @ X), start, W


def test_long_times_are_left_to_the_method_that_gets_further():
    """There the steps of ROCK4 hardly grow, those of RKC in proportion to the time."""
    problem, start, _ = slow_to_fast(1e-4)
    times = [0.0, 2e4]
    flows = {
        method: riemannian_flow(problem, start, 3, times, method=method, rtol=1e-6)
        for method in ("auto", "ROCK4", "RKC")
    }
    ends = [(f.points[-1].u * f.points[-1].s) @ f.points[-1].vt for f in flows.values()]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-4)
    np.testing.assert_allclose(ends[0], ends[2], atol=1e-4)
    # When it goes over hangs on rounding: 0.53 to 0.8 of them, by kernels of OpenBLAS.
    assert flows["auto"].evaluations < flows["ROCK4"].evaluations
    assert flows["auto"].evaluations < 2 * flows["RKC"].evaluations


def test_a_flow_of_rates_of_all_sizes_comes_to_rest():
    problem, start, W = slow_to_fast(1e-3)
    flow = riemannian_flow(problem, start, 3, [0.0, 1e300], rtol=1e-6)
    assert flow.status.startswith("stationary")
    last = flow.points[-1]
    np.testing.assert_allclose((last.u * last.s) @ last.vt, W, atol=1e-5)


def test_a_solver_begins_with_the_stabilised_method_that_it_is_told():
    def f(t, y):
        return -y

    assert AutoSwitching(f, 0, [1.0], 1.0, stiff=True).stiff is ROCK4
    assert AutoSwitching(f, 0, [1.0], 1.0, stiff=RKC).stiff is RKC
    with pytest.raises(ValueError, match=r"stiff must be True, False, ROCK4 or RKC, got .*DOP853"):
        AutoSwitching(f, 0, [1.0], 1.0, stiff=DOP853)
