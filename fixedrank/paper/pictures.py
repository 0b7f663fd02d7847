"""Drawing the paper's figures, with matplotlib (an extra, imported when needed)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fixedrank.paper.curves import Curves
from fixedrank.paper.definitions import Figure
from fixedrank.paper.settings import Setting
from fixedrank.plotting import new_figure

_COLOURS = ("#0b3c5d", "#e69f00", "#b5332e", "#6b8e23")
_STYLES = ("-", "--", "-.", (0, (1, 1)))


def draw(figure: Figure, curves: Mapping[Setting, Curves]) -> Any:
    """Draw a figure of the paper: two panels over logarithmic time, and a legend each.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    picture = new_figure(10.5, 4.2, "drawing the figures")
    axes = picture.subplots(1, 2, sharey=True)
    quantity = figure.quantity
    values = {setting: curves[setting][quantity.name] for setting in figure.settings}
    for panel, place in zip(figure.panels, axes, strict=True):
        for i, (name, setting) in enumerate(panel.curves):
            t, tail = curves[setting].t, curves[setting].tail
            style = {"color": _COLOURS[i % len(_COLOURS)], "lw": 1.8}
            place.plot(
                t[1:], values[setting][1:], label=name, ls=_STYLES[i % len(_STYLES)], **style
            )
            if quantity.floor is None:
                place.axhline(tail, color=style["color"], lw=1, ls=":", zorder=1)
        place.set(xscale="log", xlabel="time $t$", title=panel.title)
        place.set_xlim(0.01, max(setting.end for _, setting in panel.curves))
        place.legend(frameon=False)
        place.spines[["top", "right"]].set_visible(False)
    if quantity.floor is None:
        axes[0].set_ylim(bottom=0)
    else:
        axes[0].set_yscale("log")
        largest = max(float(curve.max()) for curve in values.values())
        # The last value of the distance to W(T) is zero.
        lowest = min(float(curve[:-1].min()) for curve in values.values())
        axes[0].set_ylim(max(lowest, quantity.floor * largest), 3 * largest)
    axes[0].set_ylabel(f"${quantity.label_of(figure.settings[0].case)}$")
    picture.suptitle(f"Figure {figure.number}. {figure.title}", fontsize="medium")
    return picture
