"""Langevin dynamics: means over the copies in bands of the middle of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank._optional import import_extra
from fixedrank.plotting.figures import PAGE, grid, new_figure, tidy
from fixedrank.plotting.palette import depth_style
from fixedrank.plotting.panels import suit_scales

# The part of the copies that a band holds, and its height in inches.
_BAND, _HEIGHT = 0.8, 2.6


def plot_langevin(run: Any, axes: Any, label: str | None, style: dict[str, Any]) -> Any:
    """Draw a trajectory of Langevin dynamics: `plot` of it."""
    cbook = import_extra("matplotlib.cbook", "plot", "drawing trajectories")
    line2d = import_extra("matplotlib.lines", "plot", "drawing trajectories")
    look = {**depth_style(run.depth), "marker": ""}
    look |= cbook.normalize_kwargs(style, line2d.Line2D)
    if axes is None:
        places = grid(new_figure(PAGE, _HEIGHT, "drawing trajectories"), 2, 2)
    else:
        places = list(np.ravel(axes))
    if len(places) != 2:
        raise ValueError(f"the loss and the singular values need two axes, got {len(places)}")
    copies = run.loss.reshape(len(run.t), run.copies, -1)
    values = run.singular_values.reshape(len(run.t), run.copies, -1)
    words = (("Loss", "$L(W)$"), ("Singular values", "$s_i$"))
    for place, curves, (title, name) in zip(places, (copies, values), words, strict=True):
        _draw(place, run.t, curves, look, label)
        place.set(title=title, ylabel=name, xlabel="time $t$")
        suit_scales(place, True)
        tidy(place)
    if label is not None:
        places[0].legend(frameon=False)
    return places[0].figure


def _draw(axes: Any, t: Array, curves: Array, look: dict[str, Any], label: str | None) -> None:
    below, above = np.quantile(curves, (0.5 - _BAND / 2, 0.5 + _BAND / 2), axis=1)
    for index, mean in enumerate(curves.mean(axis=1).T):
        axes.plot(t, mean, label=label if index == 0 else "_nolegend_", **look)
        if curves.shape[1] > 1:
            axes.fill_between(
                t, below[:, index], above[:, index], color=look["color"], alpha=0.2, linewidth=0
            )
