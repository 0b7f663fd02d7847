"""The pictures: two panels, labelled axes, the curves of the data."""

import matplotlib as mpl
import numpy as np
import pytest

from fixedrank.paper import Curves, draw, paper_figures

mpl.use("Agg")
FIGURES = paper_figures()


def made_up(setting):
    """Curves that fall like exp(-t / depth), from a value that tells d."""
    t = np.concatenate(([0.0], np.geomspace(0.01, setting.end, 25)))
    values = setting.d * np.exp(-np.minimum(t / setting.depth, 40))
    final = values - values[-1]
    known = {
        "loss": values**2,
        "reconstruction_error": values + 1,
        "distance_to_limit": values,
        "distance_to_final": final,
        "distance_to_true": values,
    }
    return Curves(t, known, 1.0, "", True, 1, 1, 0.0)


@pytest.fixture(scope="module")
def pictures():
    return {
        number: draw(figure, {setting: made_up(setting) for setting in figure.settings})
        for number, figure in FIGURES.items()
    }


@pytest.mark.parametrize("number", FIGURES)
def test_panels_and_axes(pictures, number):
    figure, picture = FIGURES[number], pictures[number]
    assert picture.get_suptitle() == f"Figure {number}. {figure.title}"
    left, right = picture.axes
    assert left.get_ylabel().startswith(r"$")
    for axes, panel in zip((left, right), figure.panels, strict=True):
        assert axes.get_xlabel() == "time $t$"
        assert axes.get_xscale() == "log"
        assert axes.get_yscale() == ("linear" if number == 6 else "log")
        assert axes.get_title() == panel.title
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == [label for label, _ in panel.curves]
    picture.canvas.draw()


@pytest.mark.parametrize("number", FIGURES)
def test_curves_are_the_data(pictures, number):
    for axes, panel in zip(pictures[number].axes, FIGURES[number].panels, strict=True):
        lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
        for line, (_, setting) in zip(lines, panel.curves, strict=True):
            found = made_up(setting)
            np.testing.assert_array_equal(line.get_xdata(), found.t[1:])
            expected = found[FIGURES[number].quantity.name][1:]
            np.testing.assert_array_equal(line.get_ydata(), expected)


def test_figure_6_shows_the_limits(pictures):
    for axes in pictures[6].axes:
        levels = [line.get_ydata()[0] for line in axes.lines if len(line.get_xdata()) == 2]
        assert levels == [1.0] * 4


def test_ranges_hold_the_curves(pictures):
    for number, picture in pictures.items():
        low, high = picture.axes[0].get_ylim()
        figure = FIGURES[number]
        largest = max(made_up(s)[figure.quantity.name].max() for s in figure.settings)
        assert low < largest < high
