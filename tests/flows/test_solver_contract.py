"""What SciPy asks of an OdeSolver, and what people hand to solve_ivp, over all solvers here."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fixedrank import RK4, RKC, ROCK4, AutoSwitching


class Case(NamedTuple):
    """A solver, with the options that it is made with."""

    solver: type
    options: dict = {}  # noqa: RUF012
    adaptive: bool = True
    takes_complex: bool = False

    def __call__(self, *arguments, **options):
        return self.solver(*arguments, **(self.options | options))

    def __str__(self):
        return self.solver.__name__ + "".join(f" {name}" for name in self.options)


# Another solver joins by one line.
CASES = [
    Case(RKC),
    Case(ROCK4),
    Case(AutoSwitching),
    Case(AutoSwitching, {"stiff": True}),
    Case(RK4, {"step": 0.004}, adaptive=False, takes_complex=True),
]
ADAPTIVE = [case for case in CASES if case.adaptive]
adaptive = pytest.mark.parametrize("method", ADAPTIVE, ids=str)
every = pytest.mark.parametrize("method", CASES, ids=str)


def solve(method, fun, interval, y0, **options):
    """solve_ivp, with a class and its options; a fixed step has no tolerances and no bound."""
    if not method.adaptive:
        options = {name: x for name, x in options.items() if name != "max_step"}
    return solve_ivp(fun, interval, y0, method=method.solver, **(method.options | options))


def forced(t, y):
    """Relaxation at the rate 51 towards a wave."""
    return -y - 50 * (y - np.cos(3 * t))


def exact(t, y0=0.0):
    """Its solution: the part of exp(3 i t), and what is left of the start."""
    wave = 50 / (51**2 + 9) * (51 * np.cos(3 * t) + 3 * np.sin(3 * t))
    return wave + (y0 - 50 * 51 / (51**2 + 9)) * np.exp(-51 * t)


def fast(t, y):
    """The same at the rate 1e4, many stages a step; the solution is cos(3 t - 3e-4) to 5e-8."""
    return -1e4 * (y - np.cos(3 * t))


# --- between the ends of steps ---


@every
@pytest.mark.parametrize("interval", [(0, 2), (2, 0)])
def test_values_at_the_ends_of_a_step_are_the_states(method, interval):
    rate = np.array([-1, -50]) * np.sign(interval[1] - interval[0])
    solver = method(lambda t, y: rate * (y - np.cos(3 * t)), interval[0], [0.3, -0.7], interval[1])
    states = [solver.y.copy()]
    while solver.status == "running":
        assert solver.step() is None
        states.append(solver.y.copy())
        inside = solver.dense_output()
        assert (inside.t_old, inside.t) == (solver.t_old, solver.t)
        np.testing.assert_array_equal(inside(solver.t_old), states[-2])
        np.testing.assert_array_equal(inside(solver.t), states[-1])
        both = inside(np.array([solver.t, solver.t_old]))
        np.testing.assert_array_equal(both.T, [states[-1], states[-2]])
    assert solver.t == interval[1]


@adaptive
@pytest.mark.parametrize("problem", [forced, fast])
def test_continuous_within_a_step_and_near_the_solution(method, problem):
    """Neighbours on a grid that gets fine at the ends differ by what the slope allows."""
    rtol = 1e-3
    solver = method(problem, 0.5, [np.cos(1.5)], 3, rtol=rtol, atol=rtol)
    while solver.status == "running" and solver.nfev < 4000:
        solver.step()
        part = np.concatenate(([0], np.geomspace(1e-9, 0.5, 400)))
        part = np.unique(np.concatenate((part, 1 - part)))
        values = solver.dense_output()(solver.t_old + part * (solver.t - solver.t_old))[0]
        jumps = np.abs(np.diff(values)) / np.diff(part)
        # Over a 300th of a step an error of a few tolerances may go.
        assert jumps.max() <= 3 * (solver.t - solver.t_old) + 300 * 20 * rtol


@every
def test_output_times_and_the_whole_solution_are_one(method):
    times = np.linspace(0, 2, 57)
    options = {"rtol": 1e-6, "atol": 1e-8}
    asked = solve(method, forced, (0, 2), [0.0], t_eval=times, **options)
    whole = solve(method, forced, (0, 2), [0.0], dense_output=True, **options)
    np.testing.assert_allclose(whole.sol(times), asked.y, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(whole.sol(whole.t), whole.y)
    np.testing.assert_allclose(
        asked.y[0], exact(times), rtol=0, atol=2e-5 if method.adaptive else 3e-4
    )
    assert whole.sol(0.3).shape == (1,)
    calls = whole.nfev
    assert whole.sol(times).shape == (1, 57)
    assert whole.nfev == calls


@every
@pytest.mark.parametrize("problem", [forced, fast])
def test_events_of_every_level(method, problem):
    if not method.adaptive and problem is fast:
        pytest.skip("a fixed step beyond the stability limit")
    # The delay and the height of the wave.
    delay, height = (3e-4, 1) if problem is fast else (np.arctan(3 / 51) / 3, 50 / np.hypot(51, 3))
    for level in np.linspace(-0.9, 0.9, 5):

        def event(t, y, level=level):
            return y[0] - level

        end = 1.7 if problem is fast else 2.7
        found = solve(method, problem, (0.5, end), [np.cos(1.5)], events=event, rtol=1e-3)
        assert found.success
        angle = np.arccos(level / height)
        expected = np.array([angle, 2 * np.pi - angle, 2 * np.pi + angle]) / 3 + delay
        expected = expected[(expected > 0.55) & (expected < end)]
        # Near a level the errors of the states may cross it more than once.
        late = found.t_events[0][found.t_events[0] > 0.55]
        distances = np.abs(late[:, None] - expected)
        assert distances.min(1, initial=np.inf).max(initial=0) <= 0.02
        assert distances.min(0, initial=np.inf).max(initial=0) <= 0.02
        for y in found.y_events[0]:
            assert abs(y[0] - level) <= 1e-9


@every
def test_a_terminal_event(method):
    def event(t, y):
        return y[0] - 0.5

    event.terminal = True
    found = solve(method, lambda t, y: -y, (0, 5), [1.0], events=event, max_step=0.1)
    assert found.status == 1
    assert found.t[-1] == pytest.approx(np.log(2), abs=2e-3)


# --- the right-hand side ---


@every
@pytest.mark.parametrize("problem", [forced, fast])
def test_a_buffer_that_is_used_again(method, problem):
    """The same numbers, bit for bit, as with a new array each time."""
    if not method.adaptive and problem is fast:
        pytest.skip("a fixed step beyond the stability limit")
    buffer = np.empty(2)

    def again(t, y):
        buffer[:] = problem(t, y)
        return buffer

    times = np.linspace(0, 0.3, 9)
    new, old = (solve(method, fun, (0, 0.3), [0.9, 1.0], t_eval=times) for fun in (problem, again))
    assert old.success
    np.testing.assert_array_equal(old.y, new.y)
    assert old.nfev == new.nfev


@every
def test_a_velocity_that_is_the_state(method):
    found = solve(method, lambda t, y: y, (0, 1), [1.0, 2.0])
    np.testing.assert_allclose(found.y[:, -1], np.e * np.array([1, 2]), rtol=5e-3)


@every
@pytest.mark.parametrize("interval", [(0, 1), (1, 0), (-1.0, -0.1), (0.1, 0.7)])
def test_no_evaluation_outside_of_the_interval(method, interval):
    asked = []
    sign = np.sign(interval[1] - interval[0])

    def fun(t, y):
        asked.append(t)
        return -sign * np.array([1, 100]) * (y - np.cos(t))

    solution = solve(method, fun, interval, [0.0, 0.0], dense_output=True)
    assert solution.success
    solution.sol(np.linspace(*interval, 50))
    assert min(interval) <= min(asked) <= max(asked) <= max(interval)
    # At the last time the velocity itself is asked for, so the bound is sharp.
    assert (max(asked) if sign > 0 else min(asked)) == interval[1]


@every
def test_counts(method):
    count = 0

    def fun(t, y, rate):
        nonlocal count
        count += 1
        return -rate * y

    found = solve(method, fun, (0, 1), [1.0], args=(2.0,), t_eval=[0.1, 0.2, 1.0])
    assert (found.nfev, found.njev, found.nlu) == (count, 0, 0)
    assert found.y[0, -1] == pytest.approx(np.exp(-2), abs=1e-2)


@every
@pytest.mark.parametrize("kind", ["number", "list", "column", "integers", "vectorized"])
def test_kinds_of_velocities_and_states(method, kind):
    expected = solve(method, lambda t, y: -2 * y, (0, 1), [3.0])
    fun = {
        "number": lambda t, y: -2 * float(y[0]),
        "list": lambda t, y: [-2 * y[0]],
        "column": lambda t, y: -2 * y[:, None],
        "integers": lambda t, y: -2 * y,
        "vectorized": lambda t, y: -2 * y,
    }[kind]
    start = [3] if kind == "integers" else [3.0]
    options = {"vectorized": True} if kind == "vectorized" else {}
    found = solve(method, fun, (0, 1), start, **options)
    np.testing.assert_array_equal(found.y, expected.y)


@every
def test_a_velocity_of_another_size(method):
    with pytest.raises(ValueError, match=r"must return 3 values.*\(2,\)"):
        solve(method, lambda t, y: y[:2], (0, 1), [1.0, 2.0, 3.0])


# --- starts ---


@every
def test_no_entries(method):
    found = solve(method, lambda t, y: y, (0, 1), [], t_eval=[0, 0.5, 1], dense_output=True)
    assert found.success
    assert found.y.shape == (0, 3)
    assert found.sol([0.2, 0.3]).shape == (0, 2)


@every
def test_no_time(method):
    found = solve(method, lambda t, y: -y, (1, 1), [3.0], dense_output=True)
    assert found.success
    assert found.t.tolist() == [1, 1]
    assert found.y.tolist() == [[3, 3]]
    assert found.sol(1).tolist() == [3]


@every
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("onset", [0.0, 0.4])
def test_velocities_that_are_not_finite(method, value, onset):
    def fun(t, y):
        return -y if t < onset else np.full_like(y, value)

    with np.errstate(all="ignore"):
        found = solve(method, fun, (0, 1), [1.0, 2.0])
    assert found.status == -1
    assert "NaN or infinite" in found.message if onset == 0 else len(found.message) > 20
    assert found.t[-1] <= onset
    assert found.t[-1] >= 0.9 * onset
    assert found.nfev < 50_000


@every
@pytest.mark.parametrize("start", [1e100, 1e150, 1e200])
def test_huge_starts_end_in_words_or_right(method, start):
    """s' = 3 s^(4/3) (2 - s), the flow of depth 3; from infinity s = (4 t)^(-3/4) at first."""

    def fun(t, y):
        return 3 * y ** (4 / 3) * (2 - y)

    with np.errstate(all="ignore"):
        found = solve(method, fun, (0, 5), [start])
    if found.success:
        assert found.y[0, -1] == pytest.approx(2, abs=5e-3)
    else:
        assert len(found.message) > 20
    assert found.nfev < 300_000


@every
def test_complex_states(method):
    if method.takes_complex:
        found = solve(method, lambda t, y: 1j * y, (0, 1), [1 + 0j], t_eval=[0.5, 1.0])
        np.testing.assert_allclose(found.y[0], np.exp([0.5j, 1j]), rtol=1e-9)
        return

    def fun(t, y):
        raise AssertionError("nothing is to be computed")

    with pytest.raises(ValueError, match="complex"):
        solve(method, fun, (0, 1), [1 + 1j])


@every
def test_no_step_after_the_end(method):
    solver = method(lambda t, y: -y, 0, [1.0], 0.01)
    with pytest.raises(RuntimeError, match="Dense output"):
        solver.dense_output()
    while solver.status == "running":
        solver.step()
    assert solver.status == "finished"
    with pytest.raises(RuntimeError, match="finished"):
        solver.step()


@every
def test_there_and_back(method):
    """The way back is unstable, as that of any relaxation: errors grow by exp(2)."""
    options = {"rtol": 1e-7, "atol": 1e-9}
    there = solve(method, lambda t, y: -2 * (y - np.sin(t)), (0, 1), [1.0], **options)
    back = solve(method, lambda t, y: -2 * (y - np.sin(t)), (1, 0), there.y[:, -1], **options)
    assert back.t[-1] == 0
    assert back.y[0, -1] == pytest.approx(1, abs=1e-4)
