"""Several runs over each other: looks by depth, by order, by kind; legends; widths of pages."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import fixedrank
from fixedrank import plot_trajectories
from fixedrank.paper import draw, paper_figures
from fixedrank.plotting import depth_style, order_style
from tests.paper.test_pictures import made_up
from tests.plotting.conftest import PROBLEM, T, layers

mpl.use("Agg")


def told(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def looks(lines):
    return [(mpl.colors.to_hex(line.get_color()), line.get_marker()) for line in lines]


def expected(styles):
    return [(style["color"], style["marker"]) for style in styles]


def test_depths(by_depth):
    figure = plot_trajectories(by_depth.values())
    assert told(figure) == [f"$N = {depth}$" for depth in by_depth]
    styles = [depth_style(depth) for depth in by_depth]
    assert looks(figure.axes[0].lines) == expected(styles)
    assert looks(figure.legends[0].get_lines()) == expected(styles)
    assert [len(axes.lines) for axes in figure.axes] == [4, 8, 4]
    figure.draw_without_rendering()


def test_a_depth_looks_the_same_in_every_picture(by_depth):
    paper = paper_figures()[1]
    axes = draw(paper, {setting: made_up(setting) for setting in paper.settings}).axes[0]
    curves = {line.get_label(): line for line in axes.lines}
    here = dict(zip(told(plot_trajectories(by_depth.values())), by_depth.values(), strict=True))
    shared = sorted(curves.keys() & here.keys())
    assert shared == ["$N = 10$", "$N = 2$"]
    for name in shared:
        own = here[name].plot(quantities="loss").axes[0].lines[0]
        assert looks([own]) == looks([curves[name]])
        # Dashes are in units of the width of the line.
        drawn, kept = curves[name]._unscaled_dash_pattern, own._unscaled_dash_pattern
        assert drawn == kept


def test_seeds_take_the_looks_in_turn():
    seeds = [fixedrank.factored_flow(PROBLEM, layers(seed), T) for seed in range(3)]
    figure = plot_trajectories(seeds)
    assert told(figure) == ["run 1", "run 2", "run 3"]
    assert looks(figure.axes[0].lines) == expected(order_style(i) for i in range(3))
    named = plot_trajectories(seeds, labels=["a", "b", "a"])
    assert told(named) == ["a", "b"]


def test_kinds(comparison, descent):
    figure = plot_trajectories([comparison, descent])
    assert told(figure) == ["layers, flow (5)", "Riemannian, flow (9)", "gradient descent"]
    wide, thin, steps = figure.axes[0].lines
    assert wide.get_linewidth() > 2 * thin.get_linewidth()
    assert wide.get_zorder() < thin.get_zorder()
    assert steps.get_linestyle() == "None"
    assert {line.get_color() for line in (wide, thin, steps)} == {depth_style(2)["color"]}
    np.testing.assert_array_equal(steps.get_xdata(), descent.t)


def test_step_sizes(descent):
    longer = fixedrank.gradient_descent(PROBLEM, layers(), 20, step_size=0.1)
    figure = plot_trajectories([descent, longer], quantities=["loss"])
    assert told(figure) == [r"$\eta = 0.05$", r"$\eta = 0.1$"]
    assert figure.axes[0].get_xlabel() == "step $i$"


def test_one_run_needs_no_legend(factored):
    assert not plot_trajectories([factored]).legends


@pytest.mark.parametrize(
    ("width", "narrow", "columns"), [(4, False, 1), (6.4, False, 2), (13, False, 4), (13, True, 1)]
)
def test_panels_by_the_width(by_depth, factored, width, narrow, columns):
    figure = Figure((width, 6))
    assert plot_trajectories([factored, by_depth[3]], figure=figure, narrow=narrow) is figure
    left = {axes.get_subplotspec().colspan.start for axes in figure.axes}
    assert len(left) == columns
    figure.draw_without_rendering()


def test_nothing_hides_behind_a_legend(by_depth):
    for narrow in (False, True):
        figure = plot_trajectories(by_depth.values(), narrow=narrow)
        figure.draw_without_rendering()
        legend = figure.legends[0].get_window_extent()
        assert not any(legend.overlaps(axes.get_tightbbox()) for axes in figure.axes)
        assert legend.x0 >= 0
        assert legend.x1 <= figure.bbox.width


def test_bad_input(factored):
    with pytest.raises(ValueError, match="there is no run to draw"):
        plot_trajectories([])
    with pytest.raises(TypeError, match="put a single one in a list"):
        plot_trajectories(factored)
    with pytest.raises(TypeError, match="comparisons of flows, got int"):
        plot_trajectories([3])
    with pytest.raises(ValueError, match=r"as many as there are runs, 1, got \['a', 'b'\]"):
        plot_trajectories([factored], labels=["a", "b"])
