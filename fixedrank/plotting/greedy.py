"""The path of starts of size tending to zero: its plateaus, and the orbits between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank._optional import import_extra
from fixedrank.plotting.figures import PAGE, new_figure, tidy
from fixedrank.plotting.palette import MUTED, depth_style
from fixedrank.plotting.panels import PANELS, label_axes, suit_scales

# How much further than the last arrival the last plateau is drawn.
_BEYOND = 1.4


def plot_greedy_path(path: Any, axes: Any, scale: float | None, style: dict[str, Any]) -> Any:
    """Draw the loss of a path over time, for a start of a given size: `plot` of a path."""
    cbook = import_extra("matplotlib.cbook", "plot", "drawing a path")
    lines = import_extra("matplotlib.lines", "plot", "drawing a path")
    if axes is None:
        axes = new_figure(PAGE, 3.2, "drawing a path").add_subplot()
    if scale is None:
        scale = min((stage.theta for stage in path.stages if stage.theta), default=1.0)
    look = depth_style(path.depth) | {"marker": ""}
    t, loss = curve(path, scale)
    axes.plot(t, loss, **(look | cbook.normalize_kwargs(style, lines.Line2D)))
    for stage in path.stages:
        axes.axhline(stage.loss, color=MUTED, lw=0.8, ls=":", zorder=1)
        axes.annotate(
            f"rank {stage.rank} ",
            (1, stage.loss),
            (0, 2),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            color=MUTED,
            size="small",
            ha="right",
            va="bottom",
        )
    label_axes(axes, PANELS["loss"], "time $t$")
    suit_scales(axes, False)
    tidy(axes)
    return axes.figure


def curve(path: Any, scale: float) -> tuple[Array, Array]:
    """Return times and losses: by each orbit, where a start of this size arrives by it.

    The loss falls by what it falls on all of them: they may overlap.
    """
    arrivals = path.arrival_times(scale)
    known = arrivals[np.isfinite(arrivals)]
    stages = path.stages[: known.size]
    moved = [
        time - stage.half_time + stage.orbit.t for time, stage in zip(known, stages, strict=True)
    ]
    end = _BEYOND * known.max() if known.size else 1.0
    inside = (times[(times > 0) & (times < end)] for times in moved)
    times = np.unique([0.0, end, *np.concatenate([[], *inside])])
    loss = np.full(times.size, path.stages[0].loss)
    for stage, at in zip(stages, moved, strict=True):
        loss += np.interp(times, at, stage.orbit.loss - stage.loss, left=0.0)
    return times, loss
