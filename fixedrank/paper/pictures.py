"""Drawing the paper's figures, with matplotlib (an extra, imported when needed)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fixedrank.paper.curves import Curves
from fixedrank.paper.definitions import Figure
from fixedrank.paper.settings import Setting
from fixedrank.plotting import PAGE, depth_style, legend_below, new_figure, order_style, tidy


def draw(figure: Figure, curves: Mapping[Setting, Curves]) -> Any:
    """Draw a figure of the paper: two panels over logarithmic time, and a legend below each.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    picture = new_figure(PAGE, 4.3, "drawing the figures")
    axes = picture.subplots(1, 2, sharey=True)
    quantity = figure.quantity
    values = {setting: curves[setting][quantity.name] for setting in figure.settings}
    for panel, place in zip(figure.panels, axes, strict=True):
        by_depth = len({setting.depth for _, setting in panel.curves}) > 1
        for i, (name, setting) in enumerate(panel.curves):
            t, tail = curves[setting].t, curves[setting].tail
            style = depth_style(setting.depth) if by_depth else order_style(i)
            style |= {"lw": 1.6, "ms": 5, "markevery": (0.05 * i, 0.25)}
            place.plot(t[1:], values[setting][1:], label=name, **style)
            if quantity.floor is None:
                place.axhline(tail, color=style["color"], lw=1, ls=":", zorder=1)
        place.set(xscale="log", xlabel="time $t$", title=panel.title)
        place.set_xlim(0.01, max(setting.end for _, setting in panel.curves))
        legend_below(place, 2 if by_depth else 1)
        tidy(place)
    if quantity.floor is None:
        axes[0].set_ylim(bottom=0)
    else:
        axes[0].set_yscale("log")
        largest = max(float(curve.max()) for curve in values.values())
        # The last value of the distance to W(T) is zero.
        lowest = min(float(curve[:-1].min()) for curve in values.values())
        axes[0].set_ylim(max(lowest, quantity.floor * largest), 3 * largest)
    axes[0].set_ylabel(f"${quantity.label_of(figure.settings[0].case)}$")
    picture.suptitle(f"Figure {figure.number}. {figure.title}", fontsize="medium", wrap=True)
    return picture
