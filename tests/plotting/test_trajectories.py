"""Trajectories draw themselves: panels, labels, curves, overlays, and what is not known."""

import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import fixedrank
from fixedrank.plotting import depth_style
from tests.plotting.conftest import PROBLEM, T, layers, riemannian

mpl.use("Agg")
USUAL = ["loss", "singular_values", "effective_rank", "balancedness"]
LABELS = {
    "loss": "loss $L^1(W(t))$",
    "singular_values": r"$\sigma_i(W(t))$",
    "effective_rank": r"$\mathrm{erank}(W(t))$",
    "balancedness": r"$\|W_{j+1}^T W_{j+1} - W_j W_j^T\|_F$",
}


def colours(axes):
    return [mpl.colors.to_hex(line.get_color()) for line in axes.lines]


def test_panels_of_the_layers(factored):
    figure = factored.plot()
    assert [axes.get_ylabel() for axes in figure.axes] == list(LABELS.values())
    assert all(axes.get_xlabel() == "time $t$" and axes.get_title() for axes in figure.axes)
    assert [len(axes.lines) for axes in figure.axes] == [1, 2, 1, 1]
    for axes, name in zip(figure.axes, USUAL, strict=True):
        drawn = np.column_stack([line.get_ydata() for line in axes.lines])
        np.testing.assert_array_equal(np.squeeze(drawn), getattr(factored, name))
        assert set(colours(axes)) == {depth_style(2)["color"]}


def test_a_balancedness_of_zero_has_no_panel(by_depth):
    titles = [axes.get_title() for axes in by_depth[3].plot().axes]
    assert titles == ["Loss", "Singular values", "Effective rank"]


def test_runs_overlay_on_the_axes_of_the_first(by_depth, factored):
    figure = by_depth[3].plot(label="three")
    assert by_depth[10].plot(figure.axes, label="ten") is figure
    factored.plot(figure.axes, label="layers", color="black", lw=3)
    assert [len(axes.lines) for axes in figure.axes] == [3, 6, 3]
    expected = [depth_style(3)["color"], depth_style(10)["color"], "#000000"]
    assert colours(figure.axes[0]) == expected
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["three", "ten", "layers"]
    assert figure.axes[0].lines[2].get_linewidth() == 3


def test_one_quantity_on_one_axes(factored):
    figure = Figure()
    axes = figure.subplots()
    axes.set(xlabel="my time", title="mine")
    assert factored.plot(axes, quantities="gradient_norm") is figure
    assert (axes.get_xlabel(), axes.get_title()) == ("my time", "mine")
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), factored.gradient_norm)


def test_descents_over_steps_or_time(descent):
    steps, time = descent.plot(), descent.plot(over="time")
    np.testing.assert_array_equal(steps.axes[0].lines[0].get_xdata(), np.arange(21))
    np.testing.assert_allclose(time.axes[0].lines[0].get_xdata(), 0.05 * np.arange(21))
    assert (steps.axes[0].get_xlabel(), time.axes[0].get_xlabel()) == ("step $i$", "time $t$")
    assert len(steps.axes) == 4


@pytest.mark.parametrize("keep", ["last", "points", "products", lambda layers: 1.0])
def test_whatever_is_kept(keep):
    flow = fixedrank.factored_flow(PROBLEM, layers(), T[:3], keep=keep)
    assert len(flow.plot().axes) == 4


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_units(unit, factored):
    problem = fixedrank.LinearRegression(np.eye(3), unit * np.diag([3.0, 2.0, -1.0]))
    start = [np.sqrt(unit) * layer for layer in layers()]
    flow = fixedrank.factored_flow(problem, start, T / unit)
    figure = flow.plot()
    figure.draw_without_rendering()
    for axes, name in zip(figure.axes, USUAL, strict=True):
        low, high = axes.get_ylim()
        values = getattr(flow, name)
        # The curves fill their panels: the axes have their units.
        assert low <= values[values > 0].min() < values.max() <= high
        if name != "balancedness":  # which is round-off
            assert high < 20 * values.max()
    assert figure.axes[0].get_xlim()[1] < 20 * flow.t[-1]


def test_a_wide_loss_is_logarithmic():
    flow = riemannian(2, np.linspace(0, 10, 11))
    target = fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.0, 0.0]))
    wide = fixedrank.riemannian_flow(target, flow.points[0], 2, flow.t)
    assert flow.plot().axes[0].get_yscale() == "linear"
    assert wide.plot().axes[0].get_yscale() == "log"
    # A second, wide run on the same axes makes them logarithmic.
    figure = flow.plot()
    wide.plot(figure.axes)
    assert figure.axes[0].get_yscale() == "log"


def test_times_of_equal_ratios():
    flow = riemannian(2, np.concatenate(([0.0], np.geomspace(1e-3, 10, 20))))
    assert {axes.get_xscale() for axes in flow.plot().axes} == {"log"}


def test_one_time():
    first = fixedrank.gradient_descent(PROBLEM, layers(), [0], step_size=0.1)
    figure = first.plot()
    assert all(line.get_marker() == "o" for axes in figure.axes for line in axes.lines)
    figure.draw_without_rendering()


def test_rank_changes_are_marked():
    start = (np.eye(3)[:, [0, 2]], np.array([3.0, 0.5]), np.eye(3)[[0, 2]])
    flow = fixedrank.riemannian_flow(PROBLEM, start, 1.5, np.linspace(0, 5, 11))
    (change,) = flow.rank_changes
    values = flow.plot().axes[1]
    assert [text.get_text().strip() for text in values.texts] == ["rank 1"]
    assert list(values.lines[-1].get_xdata()) == [change.t, change.t]
    assert values.get_ylim()[0] <= 0


def test_zero_and_what_diverged():
    zero = fixedrank.gradient_descent(PROBLEM, [np.zeros((3, 3))] * 2, 3, step_size=0.1)
    diverged = fixedrank.gradient_descent(PROBLEM, layers(), 50, step_size=5.0)
    assert not diverged.complete
    assert [axes.get_yscale() for axes in zero.plot().axes] == ["linear"] * 3
    figure = diverged.plot()
    assert figure.axes[0].get_yscale() == "log"
    figure.draw_without_rendering()


def test_an_interrupted_run(monkeypatch):
    class Stopped(fixedrank.Loss):
        shape, calls = (3, 3), 0

        def loss(self, W):
            return PROBLEM.loss(W)

        def gradient(self, W):
            self.calls += 1
            if self.calls > 40:
                raise KeyboardInterrupt
            return PROBLEM.gradient(W)

    flow = fixedrank.factored_flow(Stopped(), layers(), np.linspace(0, 30, 301))
    assert not flow.complete
    np.testing.assert_array_equal(flow.plot().axes[0].lines[0].get_xdata(), flow.t)
    nothing = Stopped()
    nothing.calls = 40
    stopped = fixedrank.gradient_descent(nothing, layers(), 2, step_size=0.1)
    assert len(stopped.loss) == 0
    stopped.plot(quantities=["loss", "singular_values"]).draw_without_rendering()


def test_bad_input(factored):
    with pytest.raises(ValueError, match=r"some of 'loss', .*'gradient_norm', .*got \('los',\)"):
        factored.plot(quantities=("los",))
    with pytest.raises(ValueError, match="1 quantities, loss, need as many axes, got 2"):
        factored.plot(Figure().subplots(1, 2), quantities="loss")
    with pytest.raises(ValueError, match="over must be 'time' here, got 'steps'"):
        factored.plot(over="steps")


def test_without_matplotlib(factored, monkeypatch):
    for name in ("matplotlib", "matplotlib.cbook", "matplotlib.figure", "matplotlib.animation"):
        monkeypatch.setitem(sys.modules, name, None)
    for draw in (factored.plot, factored.animate, lambda: fixedrank.plot_trajectories([factored])):
        with pytest.raises(ModuleNotFoundError, match=r"fixedrank\[plot\]"):
            draw()
