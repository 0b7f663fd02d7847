"""Trajectories of many starts: their median and a band around it, or a line for each."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank._optional import import_extra
from fixedrank.plotting.figures import PAGE, grid, new_figure, tidy
from fixedrank.plotting.panels import (
    USUAL,
    Panel,
    chosen_panels,
    draw_curves,
    label_axes,
    suit_scales,
)
from fixedrank.plotting.runs import runs_of

# Up to so many starts have a line each.
_FEW = 10
_THIN = {"linewidth": 1.0, "alpha": 0.7, "linestyle": "-", "marker": ""}
# In inches: a row of panels, and what is around them.
_ROW, _EDGES = 2.4, 0.1


def plot_many(
    runs: Any,
    axes: Any,
    quantities: Sequence[str] | str | None,
    label: str | None,
    band: float | None,
    lines: bool | None,
    style: dict[str, Any],
) -> Any:
    """Draw trajectories of many starts: `plot` of them."""
    cbook = import_extra("matplotlib.cbook", "plot", "drawing trajectories")
    line2d = import_extra("matplotlib.lines", "plot", "drawing trajectories")
    if band is not None and not 0 < band < 1:
        raise ValueError(f"band must be a share of the starts between 0 and 1, got {band!r}")
    each = len(runs) <= _FEW if lines is None else lines
    look = runs_of([runs[0]], None)[0].look | (_THIN if each else {})
    look |= cbook.normalize_kwargs(style, line2d.Line2D)
    places = None if axes is None else list(np.ravel(axes))
    if quantities is None:
        known = USUAL if np.nan_to_num(runs.balancedness).any() else USUAL[:-1]
        quantities = known if places is None else USUAL[: len(places)]
    panels = chosen_panels(quantities)
    if places is None:
        columns = 1 if len(panels) == 1 else 2
        height = _EDGES + _ROW * -(-len(panels) // columns)
        places = grid(new_figure(PAGE, height, "drawing trajectories"), len(panels), columns)
    if len(places) != len(panels):
        raise ValueError(
            f"{len(panels)} quantities, {', '.join(panel.name for panel in panels)}, need as many "
            f"axes, got {len(places)}"
        )
    for place, panel in zip(places, panels, strict=True):
        _draw(place, panel, runs, look, label, None if each else band, each)
    if label is not None:
        places[0].legend(frameon=False)
    return places[0].figure


def _draw(
    axes: Any,
    panel: Panel,
    runs: Any,
    look: dict[str, Any],
    label: str | None,
    band: float | None,
    each: bool,
) -> None:
    values = panel.values(runs)
    assert values is not None
    curves = values.reshape(*values.shape[:2], -1)
    if each:
        draw_curves(axes, runs.t, curves.reshape(len(curves), -1), look, label)
    else:
        draw_curves(axes, runs.t, _quantile(curves, 0.5), look, label)
    if band is not None:
        below, above = (_quantile(curves, 0.5 + side * band / 2) for side in (-1, 1))
        for low, high in zip(below.T, above.T, strict=True):
            axes.fill_between(runs.t, low, high, color=look["color"], alpha=0.2, linewidth=0)
    horizontal = "time $t$" if runs[0].clock is None else r"clock $\tau$"
    label_axes(axes, panel, horizontal)
    suit_scales(axes, panel.logarithmic)
    tidy(axes)


def _quantile(curves: Array, part: float) -> Array:
    """Return a quantile over the starts that have come so far, NaN where none has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanquantile(curves, part, axis=1))
