"""Compiled steps of narrow networks against those in NumPy, and what is done without numba."""

import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from fixedrank import Experiment, LinearRegression, _compiled
from fixedrank._packing import split
from fixedrank.ensembles import compiled
from fixedrank.ensembles.compiled import CompiledStepper, stepper_of
from fixedrank.ensembles.runs import run_batch
from fixedrank.ensembles.stacked import StackedNetworks
from fixedrank.ensembles.stepping import Stepper, Task
from tests.ensembles import experiments

WIDTHS = [[3, 3], [3, 2], [2, 3], [3, 1, 2], [2, 4, 3], [4, 3, 2], [3, 2, 1, 3], [2, 3, 3, 2, 2]]


def regression(widths):
    rng = np.random.default_rng(0)
    return LinearRegression(
        rng.standard_normal((widths[0], 9)) / 3, rng.standard_normal((widths[-1], 9)) / 3
    )


def started(kind, widths, atol=None, decay=0.0):
    """Return a stepper at three random networks, and which lanes are live: all."""
    networks, rng = StackedNetworks(regression(widths), widths, decay), np.random.default_rng(1)
    stepper = kind(networks, Task(5.0, 1e-4, atol, 0.0, 0.0), 3)
    stepper.stages[0] = 0.5 * rng.standard_normal(stepper.stages[0].shape)
    stepper.stages[1] = networks.velocity(stepper.stages[0])
    # One goes on, the step of one is too long, and one comes to its end.
    stepper.h[:] = [0.01, 3.0, 0.1]
    stepper.t[:] = [0.9, 0.5, 4.97]
    return stepper, np.ones(3, bool)


@pytest.fixture
def kernel(monkeypatch):
    """The kernel, compiled where numba is installed, and else as Python runs it."""
    monkeypatch.setattr(compiled, "kernels", importlib.import_module)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize(("atol", "decay"), [(None, 0.0), (1e-5, 0.0), (None, 0.3)])
def test_the_kernel_takes_the_steps_of_numpy(widths, atol, decay):
    expected, live = started(Stepper, widths, atol, decay)
    found, _ = started(CompiledStepper, widths, atol, decay)
    for stepper in (expected, found):
        done, lost = stepper.advance(live)
        assert (done.tolist(), lost.any()) == ([False, False, True], False)
        assert stepper.steps.tolist() == [1, 0, 1]
    for name in ("t", "h"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9)
    np.testing.assert_allclose(found.stages[:2], expected.stages[:2], rtol=0, atol=1e-12)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("kind", [Stepper, CompiledStepper])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_the_velocity_after_a_step_is_minus_the_gradient(kind, widths, decay):
    stepper, live = started(kind, widths, decay=decay)
    stepper.advance(live)
    networks = stepper.networks
    for state, velocity in zip(stepper.stages[0].T, stepper.stages[1].T, strict=True):
        layers = split(state, networks.shapes, networks.bounds)
        gradient = networks.problem.network_gradient(layers)
        parts = split(velocity, networks.shapes, networks.bounds)
        for part, slope, layer in zip(parts, gradient, layers, strict=True):
            np.testing.assert_allclose(part, -slope - decay * layer, rtol=0, atol=1e-13)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("kind", [Stepper, CompiledStepper])
def test_some_of_the_lanes_go_on_as_they_would(kind):
    stepper, live = started(kind, [3, 2, 3])
    few = stepper.of_lanes(np.array([2, 0]))
    stepper.advance(live)
    few.advance(live[:2])
    np.testing.assert_array_equal(few.stages[:2], stepper.stages[:2, :, [2, 0]])
    np.testing.assert_array_equal(few.h, stepper.h[[2, 0]])


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("widths", [[3, 3], [3, 1, 3], [3, 2, 4, 3], [3, 3, 3, 3, 3]])
def test_the_same_records_with_and_without_numba(widths, decay, monkeypatch):
    pytest.importorskip("numba", reason="numba, which compiles the steps, is not installed")
    problem = LinearRegression(np.eye(3), np.diag([3.0, 2.0, 1.0]))
    problem = problem if decay else experiments.problem()
    experiment = Experiment(problem, widths, scale=0.4, weight_decay=decay, end=50.0)
    found = run_batch(experiment, range(12))
    monkeypatch.setattr(compiled, "kernels", lambda module: None)
    expected = run_batch(experiment, range(12))
    for one, two in zip(found, expected, strict=True):
        assert (one.limit, one.rank, one.indices) == (two.limit, two.rank, two.indices)
        assert abs(one.steps - two.steps) <= 1
        assert one.t == pytest.approx(two.t, rel=1e-6)


def test_wide_networks_are_not_compiled(monkeypatch):
    monkeypatch.setattr(compiled, "kernels", importlib.import_module)
    kinds = [
        stepper_of(StackedNetworks(regression(widths), widths)) for widths in ([5] * 5, [21, 1, 2])
    ]
    assert kinds == [CompiledStepper, Stepper]


@pytest.fixture
def asked(monkeypatch):
    """Ask for a module of kernels for the first time, with something in the place of numba."""

    def ask(numba, module="math"):
        monkeypatch.setitem(sys.modules, "numba", numba)
        return _compiled.kernels.__wrapped__(module)

    return ask


def test_without_numba_nothing_is_compiled_and_nothing_said(asked):
    assert asked(None) is None


def test_what_numba_is_told_not_to_compile_is_not(asked):
    modules = [
        asked(SimpleNamespace(config=SimpleNamespace(DISABLE_JIT=off))) for off in (True, False)
    ]
    assert modules == [None, sys.modules["math"]]


def test_a_numba_that_does_not_work_is_told(monkeypatch, tmp_path):
    (tmp_path / "numba.py").write_text('raise ImportError("Numba needs NumPy 2.2 or less")')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    with pytest.warns(RuntimeWarning, match="cannot be used.*: Numba needs NumPy 2.2 or less"):
        assert _compiled.kernels.__wrapped__("math") is None


def test_where_nothing_can_be_kept_on_disk_each_process_compiles(monkeypatch):
    asked = []

    def njit(signature, cache=False, **options):
        asked.append((signature, cache))
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda kernel: kernel

    monkeypatch.setitem(sys.modules, "numba", SimpleNamespace(njit=njit))
    assert _compiled.compiled("f8(f8)")(abs) is abs
    assert asked == [("f8(f8)", True), ("f8(f8)", False)]
