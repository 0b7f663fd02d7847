"""Long runs in files: they go on where they were ended, as if they had not been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import RK45

import fixedrank
from fixedrank import LinearRegression, MethodProperties, riemannian_flow
from fixedrank.flows import resuming
from fixedrank.flows import store as module
from fixedrank.flows.methods import properties_of
from fixedrank.flows.solvers import METHODS
from tests.flows.exact import DenseProblem
from tests.flows.test_callback import (
    FACTORS,
    FLOWS,
    POINT,
    PROBLEM,
    RUNS,
    T,
    X,
    Y,
    factored,
    layers_of,
    riemannian,
)
from tests.flows.test_callback import descent as descended
from tests.flows.test_own_methods import Midpoint
from tests.geometry.dense import orthonormal

ROOT = Path(__file__).parents[2]
EXACT = ["auto", "RK23", "RK45", "DOP853", "RK4", "RKC", "ROCK4"]
OPTIONS = {"RK4": {"step": 0.07}, Midpoint: {"length": 0.07}}


class BrokenError(Exception):
    """An end that nobody foresaw."""


class Breaking:
    """A callback that breaks off after so many steps, in each run again."""

    def __init__(self, *after):
        self.after, self.calls = after, 0

    def __call__(self, t, where, loss):
        self.calls += 1
        if self.calls in self.after:
            raise BrokenError


def in_pieces(run, path, *after, **options):
    """A run that breaks off after some steps and is called again."""
    breaking = Breaking(*after)
    for _ in after:
        with pytest.raises(BrokenError):
            run(store=path, callback=breaking, **options)
    return run(store=path, **options)


def assert_same(one, other):
    """Check that two runs are the same to the last bit."""
    for name in ("t", "loss", "gradient_norm", "singular_values", "status", "complete"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in {"evaluations", "steps", "rank_changes"} & set(dir(one)):
        assert getattr(one, name) == getattr(other, name)
    for a, b in zip([*layers_of(one), one.last], [*layers_of(other), other.last], strict=True):
        for mine, its in zip(a, b, strict=True):
            np.testing.assert_array_equal(mine, its)


def largest_gap(one, other):
    return np.linalg.norm(np.subtract(one.product, other.product), axis=(1, 2)).max()


@FLOWS
@pytest.mark.parametrize("method", EXACT)
def test_explicit_methods_go_on_to_the_last_bit(flow, method, tmp_path):
    options = {"method": method, "rtol": 1e-4, "t": T[:4] / 2, **OPTIONS.get(method, {})}
    whole = flow(**options)
    places = {1, 3, whole.steps // 2, whole.steps - 1} & set(range(1, whole.steps + 1))
    resumed = in_pieces(flow, tmp_path / "run", *sorted(places), **options)
    assert_same(resumed, whole)


@FLOWS
@pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA", Midpoint])
def test_other_methods_go_on_to_the_tolerance(flow, method, tmp_path):
    options = {"method": method, "rtol": 1e-5, "t": T[:3] / 2, **OPTIONS.get(method, {})}
    whole, exact = flow(**options), flow(t=T[:3] / 2, rtol=1e-10)
    resumed = in_pieces(flow, tmp_path / "run", 1, whole.steps // 2, **options)
    np.testing.assert_array_equal(resumed.t, whole.t)
    assert resumed.complete
    assert largest_gap(resumed, exact) < max(1e-3, 10 * largest_gap(whole, exact))


def test_a_descent_goes_on_to_the_last_bit(tmp_path):
    assert_same(in_pieces(descended, tmp_path / "run", 1, 50, 149), descended())


@RUNS
def test_it_is_the_same_run_with_a_store(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_EVERY", 0.0)
    monkeypatch.setattr(module, "_TIMES", 0.0)
    t = T[:3] / 4
    assert_same(run(t=t, store=tmp_path / "run"), run(t=t))


def test_stiff_flows_and_many_outputs(tmp_path):
    """The stabilised method of "auto", and states that many outputs are made of."""
    rng = np.random.default_rng(0)
    scales = np.array([1.0, 0.3, 10.0])
    problem = LinearRegression(scales[:, None] * rng.standard_normal((3, 30)), np.ones((4, 30)))
    options = {"problem": problem, "t": np.linspace(0, 0.2, 30), "rtol": 1e-5}
    whole = factored(**options)
    seen = []
    reached = resuming.FlowStore.step

    def step(self, run, stepper, rest):
        seen.append(getattr(stepper.solver, "stiff", None))
        reached(self, run, stepper, rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resuming.FlowStore, "step", step)
        places = 5, whole.steps // 3, whole.steps // 2, whole.steps - 3
        resumed = in_pieces(factored, tmp_path / "run", *places, **options)
    assert {False, fixedrank.ROCK4} <= set(seen)
    assert_same(resumed, whole)


# At N = 1.5 both singular values reach zero, where the frames are renewed.
FALLING = (np.eye(2), np.array([1.0, 0.9]), np.eye(2))
FULL = fixedrank.FixedRank(4, 3, 3, depth=1).point(np.eye(4, 3) / 100)
RIDGE = fixedrank.MatrixCompletion(*np.nonzero(Y @ X.T), np.ravel(Y @ X.T), (4, 3), ridge=0.1)


def falling(**options):
    problem = LinearRegression(np.eye(2), -np.diag([3.0, 1.0]))
    return riemannian_flow(problem, FALLING, 1.5, [0, 0.05, 0.1, 1, 10], rtol=1e-6, **options)


def of_all_matrices(**options):
    return riemannian_flow(PROBLEM, FULL, 1, T, **options)


def with_a_ridge(**options):
    return factored(RIDGE, **options)


def with_a_ridge_in_factors(**options):
    return riemannian(RIDGE, **options)


SYSTEMS = pytest.mark.parametrize(
    "flow",
    [factored, riemannian, falling, of_all_matrices, with_a_ridge, with_a_ridge_in_factors],
)


@SYSTEMS
def test_whatever_the_flow_is_of(flow, tmp_path):
    whole = flow()
    places = {2, whole.steps // 3, whole.steps // 2, whole.steps - 2}
    assert_same(in_pieces(flow, tmp_path / "run", *sorted(places)), whole)
    assert_same(flow(store=tmp_path / "run"), whole)


def test_the_rank_falls():
    assert [change.rank for change in falling().rank_changes] == [1, 0]


@SYSTEMS
def test_whatever_changes_in_a_system_is_remembered(flow, tmp_path, monkeypatch):
    """So is what somebody adds to it one day."""
    seen = []

    def step(self, run, stepper, rest):
        system = stepper.system
        parts = {"": system, "approach.": getattr(system, "approach", None)}
        state = {f"{a}{b}": v for a, part in parts.items() if part for b, v in vars(part).items()}
        kept = set(system.remembered)
        seen.append({name: np.array(v, object) for name, v in state.items() if name not in kept})

    monkeypatch.setattr(resuming.FlowStore, "step", step)
    flow(store=tmp_path / "run")
    assert len(seen) > 3
    for name, value in seen[0].items():
        assert all(np.array_equal(value, later[name]) for later in seen), name


@FLOWS
@pytest.mark.parametrize("exponent", [-200, 200])
def test_in_extreme_units(flow, exponent, tmp_path):
    """Rates that cannot be squared have a unit of time of their own."""
    c = 2.0**exponent
    options = {"problem": LinearRegression(c * X, c * Y), "t": T / 4 / c**2}
    whole = flow(**options)
    assert_same(in_pieces(flow, tmp_path / "run", 2, whole.steps - 1, **options), whole)


@FLOWS
@pytest.mark.parametrize(
    "keep", ["points", "products", "last", lambda where: (float(where[0].sum()), where[-1])]
)
def test_whatever_is_kept(flow, keep, tmp_path):
    whole, resumed = flow(keep=keep), in_pieces(flow, tmp_path / "run", 3, 7, keep=keep)
    for one, other in zip(resumed.kept, whole.kept, strict=True):
        assert type(one) is type(other)
        for a, b in zip([] if one is None else one, [] if other is None else other, strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(resumed.last, whole.last, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(resumed.balancedness, whole.balancedness)


@FLOWS
def test_what_no_file_holds_is_refused_at_once(flow, tmp_path):
    with pytest.raises(TypeError, match=r"does not go into a store: .* is a set"):
        flow(keep=lambda where: {1, 2}, store=tmp_path / "run", callback=Breaking(1))
    assert list(tmp_path.iterdir()) == []


class Counting(DenseProblem):
    """Counts what it is asked for."""

    asked = 0

    def gradient(self, W):
        type(self).asked += 1
        return super().gradient(W)


@RUNS
def test_what_is_finished_returns_at_once(run, tmp_path):
    path, problem = tmp_path / "run", Counting(X, Y)
    whole = run(problem, store=path)
    before, asked = path.read_bytes(), Counting.asked
    assert_same(run(problem, store=path), whole)
    assert Counting.asked == asked
    assert path.read_bytes() == before


@RUNS
def test_more_outputs_after_the_last(run, tmp_path):
    exact = run() if run is descended else run(rtol=1e-11)
    part = run(t=T[:3], store=tmp_path / "run")
    longer = run(t=T, store=tmp_path / "run")
    assert longer.complete
    np.testing.assert_array_equal(longer.t, exact.t)
    np.testing.assert_array_equal(longer.loss[:3], part.loss)
    np.testing.assert_allclose(longer.product, exact.product, rtol=0, atol=1e-6)
    if run is descended:
        assert_same(longer, exact)
    with pytest.raises(ValueError, match="holds this run with other outputs"):
        run(t=T[:3], store=tmp_path / "run")


@pytest.mark.parametrize("method", ["RK4", "BDF", "LSODA", "auto", Midpoint])
@FLOWS
def test_more_outputs_by_any_method(flow, method, tmp_path):
    """Steps of a fixed length go on from where the last one was cut."""
    options = {"method": method, "rtol": 1e-5, **OPTIONS.get(method, {})}
    t = T[:3] / 2
    whole, exact = flow(t=t, **options), flow(t=t, rtol=1e-10)
    flow(t=t[:2], store=tmp_path / "run", **options)
    longer = flow(t=t, store=tmp_path / "run", **options)
    assert largest_gap(longer, exact) < max(1e-3, 10 * largest_gap(whole, exact))


@FLOWS
def test_more_outputs_after_rest(flow, tmp_path):
    whole = flow(t=[0, 400, 1000, 3000])
    assert "stationary" in whole.status
    flow(t=[0, 400, 1000], store=tmp_path / "run")
    longer = flow(t=[0, 400, 1000, 3000], store=tmp_path / "run")
    assert longer.complete
    assert "stationary" in longer.status
    np.testing.assert_allclose(longer.product, whole.product, rtol=0, atol=1e-6)


@pytest.mark.parametrize("ending", ["nothing moves", "zero"])
def test_more_outputs_after_an_end_for_good(ending, tmp_path):
    problem = LinearRegression(np.eye(2), -np.eye(2))
    depth, s = (1.5, 0.5) if ending == "zero" else (3, 1.0)
    if ending == "nothing moves":
        problem = LinearRegression(np.eye(2), np.eye(2))
    start = (np.eye(2), np.full(2, s), np.eye(2))
    riemannian_flow(problem, start, depth, [0, 5], store=tmp_path / "run")
    longer = riemannian_flow(problem, start, depth, [0, 5, 50], store=tmp_path / "run")
    assert_same(longer, riemannian_flow(problem, start, depth, [0, 5, 50]))


@RUNS
def test_a_stop_of_the_callback_is_gone_on_with(run, tmp_path):
    path, whole = tmp_path / "run", run()
    times = []

    def callback(t, where, loss):
        times.append(t)
        return len(times) % 4 == 0

    stopped = run(store=path, callback=callback)
    assert "stopped by the callback" in stopped.status
    assert "stopped by the callback" in run(store=path, callback=callback).status
    assert len(times) == len(set(times)) == 8
    assert_same(run(store=path), whole)


@RUNS
def test_ctrl_c(run, tmp_path):
    class Interrupted(DenseProblem):
        """Ctrl-C comes during one evaluation of the gradient."""

        def gradient(self, W):
            calls.append(W)
            if len(calls) == 55:
                raise KeyboardInterrupt
            return super().gradient(W)

    calls = []
    problem = Interrupted(X, Y)
    assert "interrupted" in run(problem, store=tmp_path / "run").status
    resumed = run(problem, store=tmp_path / "run")
    calls.clear()
    calls += [None] * 60
    assert_same(resumed, run(problem))


def other_runs(run):
    first = [2 * FACTORS[0], *FACTORS[1:]]
    yield {"problem": LinearRegression(X, 2 * Y)}
    yield {"start": first if run is not riemannian else (POINT.u, 2 * POINT.s, POINT.vt)}
    if run is not descended:
        yield from ({"method": "RK45"}, {"rtol": 1e-9}, {"atol": 1e-9}, {"keep": "last"})
        yield {"max_step": 0.5}


@RUNS
def test_another_run_is_refused(run, tmp_path):
    path = tmp_path / "run"
    run(t=T[:2], store=path)
    before = path.read_bytes()
    for other in other_runs(run):
        with pytest.raises(ValueError, match="holds another run"):
            run(t=T[:2], store=path, **other)
    for times in (T[:2] / 2, [0, 0.25, 0.5]):
        with pytest.raises(ValueError, match="holds this run with other outputs"):
            run(t=times, store=path)
    for another in {factored, riemannian, descended} - {run}:
        with pytest.raises(ValueError, match="holds another run"):
            another(t=T[:2], store=path)
    assert path.read_bytes() == before


def test_other_descents_depths_and_versions_are_refused(tmp_path, monkeypatch):
    fixedrank.gradient_descent(PROBLEM, FACTORS, 3, step_size=0.1, store=tmp_path / "descent")
    with pytest.raises(ValueError, match="step size"):
        fixedrank.gradient_descent(PROBLEM, FACTORS, 3, step_size=0.2, store=tmp_path / "descent")
    riemannian(store=tmp_path / "run")
    with pytest.raises(ValueError, match="holds another run"):
        riemannian_flow(PROBLEM, POINT, 4, T, store=tmp_path / "run")
    monkeypatch.setattr(fixedrank._fingerprint, "version", lambda: "99.0")
    with pytest.raises(ValueError, match="another version of the library"):
        riemannian(store=tmp_path / "run")


@RUNS
@pytest.mark.parametrize("content", [b"", b"my own notes", None])
def test_a_file_of_other_things_is_not_touched(run, content, tmp_path):
    path = tmp_path / "file"
    if content is None:
        run().save(path)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"is not the store of a run: choose another file"):
        run(store=path)
    assert path.read_bytes() == before


@RUNS
def test_a_folder_that_is_not_there(run, tmp_path):
    breaking = Breaking(2)
    with pytest.raises(FileNotFoundError):
        run(store=tmp_path / "missing" / "run", callback=breaking)
    assert breaking.calls < 2


@FLOWS
def test_axes_that_another_machine_finds(flow, tmp_path, monkeypatch):
    """Principal axes are determined up to signs, or less where variances are equal."""
    whole, path = flow(), tmp_path / "run"
    with pytest.raises(BrokenError):
        flow(store=path, callback=Breaking(5))
    axes = orthonormal(np.random.default_rng(3), 3, 3)
    turned = LinearRegression(axes.T @ X, Y)
    monkeypatch.setattr(LinearRegression, "_in_principal_axes", lambda self: (turned, axes))
    resumed = flow(store=path)
    assert resumed.complete
    np.testing.assert_array_equal(resumed.loss[0], whole.loss[0])
    np.testing.assert_allclose(resumed.product, whole.product, rtol=0, atol=1e-6)


def test_the_sign_of_a_determinant_in_other_axes(tmp_path, monkeypatch):
    """A reflection of the axes is no change of sign of the product."""
    layers = [np.diag([1.0, 2.0, 0.5])] * 2
    problem = LinearRegression(X, X)
    with pytest.raises(BrokenError):
        factored(problem, start=layers, store=tmp_path / "run", callback=Breaking(3))
    axes = problem._in_principal_axes()[1] * [-1, 1, 1]
    turned = LinearRegression(axes.T @ X, X)
    monkeypatch.setattr(LinearRegression, "_in_principal_axes", lambda self: (turned, axes))
    resumed = factored(problem, start=layers, store=tmp_path / "run")
    assert resumed.complete
    assert "determinant" not in resumed.status


class Careful(RK45):
    """Counts its steps, and says that the count belongs to where it is."""

    properties = MethodProperties(stored=("h_abs", "f", "count"), tries_again=True)

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.count = 0

    def _step_impl(self):
        self.count += 1
        self.h_abs *= 0.5 if self.count % 3 == 0 else 1.0
        return super()._step_impl()


def test_a_method_of_the_user_that_says_what_its_steps_hang_on(tmp_path):
    options = {"method": Careful, "start": FACTORS, "t": [0, 0.1, 1]}
    whole = factored(**options)
    assert_same(in_pieces(factored, tmp_path / "run", 1, 4, 8, **options), whole)


def test_every_method_of_the_library_says_what_it_does():
    exact = {name for name, kind in METHODS.items() if properties_of(kind).stored is not None}
    assert exact == set(EXACT)


SCRIPT = """
import signal, sys, time
import numpy as np
from fixedrank.flows import store
from tests.flows import test_callback as runs

signal.signal(signal.SIGINT, signal.default_int_handler)
store._EVERY = store._TIMES = 0.0

def slowly(t, where, loss):
    print(t, flush=True)
    time.sleep(0.02)

run = getattr(runs, sys.argv[1])
print(run(store=sys.argv[2], callback=slowly).status, flush=True)
"""


@pytest.mark.parametrize(("run", "kind"), [(riemannian, signal.SIGKILL), (factored, signal.SIGINT)])
def test_a_process_that_is_killed(run, kind, tmp_path):
    script, path = tmp_path / "script.py", tmp_path / "run"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), run.__name__, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])},
    )
    with process:
        seen = [float(process.stdout.readline()) for _ in range(5)]
        process.send_signal(kind)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if kind == signal.SIGKILL else 0)
    assert kind == signal.SIGKILL or "interrupted" in rest
    times = []
    resumed = run(store=path, callback=lambda t, where, loss: times.append(t))
    assert times[0] > seen[3]
    assert_same(resumed, run())


def test_how_often_it_is_written(tmp_path, monkeypatch):
    """At once, after ten seconds, and then so that writing takes a twentieth of the time."""
    clock, writings = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def write(*args, **options):
        writings.append(clock[0])
        clock[0] += 2.0

    monkeypatch.setattr(module, "write_archive", write)
    store = module.RunStore(tmp_path / "run", (), np.arange(3))
    for _ in range(100):
        store.note({})
        clock[0] += 1.0
    assert writings == [0.0, 42.0, 84.0]
    store.note({})
    store.write()
    store.write()
    assert len(writings) == 4
