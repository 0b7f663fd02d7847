"""Runs that end early: Ctrl-C, a loss that breaks down; and the progress bar."""

import re
import sys
from functools import cache

import numpy as np
import pytest

from fixedrank import (
    LinearRegression,
    balanced_factors,
    compare_flows,
    factored_flow,
    riemannian_flow,
)
from tests.flows.exact import DenseProblem
from tests.geometry.dense import matrix, orthonormal

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((3, 8)) / 2, RNG.standard_normal((4, 8)) / 2
POINT = (orthonormal(RNG, 4, 2), np.array([1.0, 0.5]), orthonormal(RNG, 3, 2).T)
FACTORS = balanced_factors(POINT, [3, 2, 4, 4], rng=1)
T = np.linspace(0, 10, 21)

BOTH = pytest.mark.parametrize(
    "run",
    [
        lambda problem, **options: riemannian_flow(problem, POINT, 3, T, **options),
        lambda problem, **options: factored_flow(problem, FACTORS, T, **options),
    ],
    ids=["riemannian", "factored"],
)


@cache
def whole_of(run):
    """The flow that nothing ends early."""
    return run(DenseProblem(X, Y))


class Interrupted(DenseProblem):
    """Whoever presses Ctrl-C does so during one evaluation of the gradient."""

    def __init__(self, after):
        super().__init__(X, Y)
        self.after, self.calls = after, 0

    def gradient(self, W):
        self.calls += 1
        if self.calls == self.after:
            raise KeyboardInterrupt
        return super().gradient(W)


@BOTH
@pytest.mark.parametrize("after", [40, 100, 200])
def test_interruption_keeps_what_was_computed(run, after):
    whole = whole_of(run)
    flow = run(Interrupted(after))
    assert whole.complete
    assert not flow.complete
    assert 1 <= len(flow) < T.size
    assert len(flow) == flow.t.size == len(flow.points) == flow.loss.size
    np.testing.assert_array_equal(flow.t, T[: len(flow)])
    np.testing.assert_array_equal(flow.loss, whole.loss[: len(flow)])
    when = re.search(r"interrupted at t = ([\d.e+-]+)", flow.status)
    assert when
    assert flow.t[-1] <= float(when[1].rstrip(".")) <= T[min(len(flow), T.size - 1)]
    assert f"{len(flow)} of 21" in flow.status


def test_interruption_of_a_comparison():
    comparison = compare_flows(Interrupted(100), FACTORS, T)
    assert "interrupted" in comparison.factored.status
    assert comparison.t.size == comparison.gap.size == len(comparison.factored) < T.size
    assert comparison.gap.max() < 1e-6
    assert "as far as they went" in comparison.verdict


class Fragile(DenseProblem):
    """A loss that cannot be evaluated below a level."""

    def __init__(self, level, broken=np.nan):
        super().__init__(X, Y)
        self.level, self.broken = level, broken

    def gradient(self, W):
        if not self.loss(W) > self.level:
            return np.full((4, 3), self.broken)
        return super().gradient(W)


@BOTH
@pytest.mark.parametrize("broken", [np.nan, np.inf])
@pytest.mark.parametrize(
    "method",
    ["auto", "ROCK4", "DOP853", "RK45", "RK23", "LSODA", "Radau", "BDF", "RK4", "RKC"],
)
def test_a_gradient_that_breaks_down(run, method, broken):
    whole = whole_of(run)
    level = whole.loss[3] * (1 + 1e-3)
    options = {"step": 0.01} if method == "RK4" else {"rtol": 1e-6, "atol": 1e-8}
    flow = run(Fragile(level, broken), method=method, **options)
    assert not flow.complete
    assert len(flow) == 3
    np.testing.assert_allclose(flow.loss, whole.loss[:3], rtol=1e-4)
    when = re.search(r"t = ([\d.e+-]*\d)", flow.status)
    assert when, flow.status
    assert T[2] <= float(when[1]) <= T[3]
    assert "step" in flow.status


@BOTH
def test_the_progress_bar_shows_the_loss(run, capsys):
    flow = run(LinearRegression(X, Y), progress=True)
    shown = capsys.readouterr()
    assert flow.complete
    assert not shown.out
    assert re.search(r"loss \d\.\d+e[+-]\d\d", shown.err)
    assert "t = " in shown.err


@BOTH
def test_without_progress_nothing_is_shown(run, capsys):
    run(LinearRegression(X, Y))
    assert capsys.readouterr() == ("", "")


@BOTH
def test_without_tqdm(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ModuleNotFoundError, match=r"tqdm.*fixedrank\[progress\]"):
        run(LinearRegression(X, Y), progress=True)


def test_an_error_in_a_loss_is_passed_on():
    class Wrong(DenseProblem):
        def gradient(self, W):
            if matrix(W)[0, 0] != matrix(POINT)[0, 0]:
                raise ZeroDivisionError("my own error")
            return super().gradient(W)

    with pytest.raises(ZeroDivisionError, match="my own error"):
        riemannian_flow(Wrong(X, Y), POINT, 3, T)


@BOTH
@pytest.mark.parametrize("method", ["auto", "ROCK4", "DOP853", "BDF", "RK4", "RKC"])
def test_a_gradient_that_is_nan_from_the_start(run, method):
    options = {"step": 0.01} if method == "RK4" else {}
    with pytest.raises(ValueError, match="NaN or infinite values at the start"):
        run(Fragile(np.inf), method=method, **options)
