"""Trajectories over time or steps: one, and several over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fixedrank._optional import import_extra
from fixedrank.plotting.figures import (
    COLUMN,
    PAGE,
    columns_of,
    grid,
    legend_below,
    legend_columns,
    new_figure,
    prepared,
    tidy,
)
from fixedrank.plotting.palette import MUTED
from fixedrank.plotting.panels import (
    USUAL,
    Panel,
    chosen_panels,
    draw_curves,
    label_axes,
    suit_scales,
)
from fixedrank.plotting.runs import Run, runs_of

# In inches: a row of panels, a row of a legend, and what is around them.
_ROW, _LEGEND_ROW, _EDGES = 2.4, 0.24, 0.1


def plot_trajectory(
    trajectory: Any,
    axes: Any,
    quantities: Sequence[str] | str | None,
    label: str | None,
    over: str | None,
    style: dict[str, Any],
) -> Any:
    """Draw one trajectory on axes that are given, or on a new figure: `plot` of trajectories."""
    cbook = import_extra("matplotlib.cbook", "plot", "drawing a trajectory")
    lines = import_extra("matplotlib.lines", "plot", "drawing a trajectory")
    run = runs_of([trajectory], None)[0]
    known = ("steps", "time") if run.kind == "descent" else ("time",)
    if over not in (None, *known):
        raise ValueError(f"over must be {' or '.join(map(repr, known))} here, got {over!r}")
    over = over or known[0]
    look = run.look | cbook.normalize_kwargs(style, lines.Line2D)
    places = None if axes is None else list(np.ravel(axes))
    if quantities is None:
        quantities = _telling([run]) if places is None else USUAL[: len(places)]
    panels = chosen_panels(quantities)
    if places is None:
        columns = 1 if len(panels) == 1 else 2
        height = _EDGES + _ROW * -(-len(panels) // columns)
        figure = new_figure(PAGE, height, "drawing a trajectory")
        places = grid(figure, len(panels), columns)
    if len(places) != len(panels):
        raise ValueError(
            f"{len(panels)} quantities, {', '.join(panel.name for panel in panels)}, need as many "
            f"axes, got {len(places)}"
        )
    for place, panel in zip(places, panels, strict=True):
        _draw(place, panel, run, look, label, over)
    if label is not None:
        places[0].legend(frameon=False)
    return places[0].figure


def plot_trajectories(
    trajectories: Sequence[Any],
    *,
    labels: Sequence[str] | None = None,
    quantities: Sequence[str] | str | None = None,
    figure: Any = None,
    narrow: bool = False,
) -> Any:
    r"""Draw several runs over each other: depths, seeds, kinds of runs.

    Runs of different depths have the colours, line styles and markers of
    :func:`fixedrank.plotting.depth_style`; runs that share depth and kind, such as those of several
    seeds, have these in turn. Where the flow of layers is drawn beside a Riemannian one, it is wide
    and pale.

    Parameters
    ----------
    trajectories : sequence of RiemannianTrajectory, FactoredTrajectory or DescentTrajectory
        The runs. A :class:`FlowComparison` stands for its two flows, trajectories of many starts
        for each of them.
    labels : sequence of str, optional
        What the legend says of each; equal ones are said once. By default what differs: the depth,
        the kind, the step size, or else the number of the run.
    quantities : sequence of str, optional
        Some of "loss", "singular_values", "effective_rank", "balancedness" and "gradient_norm", a
        panel each. By default the first four, without the last where it is not known or zero by
        definition.
    figure : matplotlib.figure.Figure, optional
        An empty figure to draw on; its width decides how many panels stand beside each other.
    narrow : bool
        Whether to stack the panels, for narrow pages.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, with a legend below its panels; a new one does not belong to pyplot.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    TypeError, ValueError
        If there is no run, one is something else, labels are not as many as runs, or a quantity is
        not known.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> start = fixedrank.FixedRank(2, 2, 1, depth=2).point(np.ones((2, 2)))
    >>> flows = [fixedrank.riemannian_flow(problem, start, N, [0, 1, 2]) for N in (2, 3)]
    >>> figure = fixedrank.plot_trajectories(flows, quantities=["loss", "effective_rank"])
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['$N = 2$', '$N = 3$']
    """
    runs = runs_of(trajectories, labels)
    panels = chosen_panels(_telling(runs) if quantities is None else quantities)
    over = "steps" if all(run.kind == "descent" for run in runs) else "time"
    told = list(dict.fromkeys(run.label for run in runs if run.label))
    own = figure is None
    if own:
        figure = new_figure(COLUMN if narrow else PAGE, PAGE, "drawing trajectories")
    columns = 1 if narrow else columns_of(figure, len(panels))
    places = grid(prepared(figure), len(panels), columns)
    for place, panel in zip(places, panels, strict=True):
        lines = [_draw(place, panel, run, run.look, run.label, over) for run in runs]
    rows = 0
    if told:
        beside = legend_columns(figure, told)
        rows = -(-len(told) // beside)
        handles = [lines[[run.label for run in runs].index(label)] for label in told]
        legend_below(figure, beside, handles, told)
    if own:
        height = _EDGES + _ROW * -(-len(panels) // columns) + _LEGEND_ROW * rows
        figure.set_size_inches(figure.get_figwidth(), height)
    return figure


def _telling(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the usual quantities, without a balancedness that is unknown or always zero."""
    known = (chosen_panels("balancedness")[0].values(run.trajectory) for run in runs)
    if any(values is not None and values.any() for values in known):
        return USUAL
    return USUAL[:-1]


def _draw(
    axes: Any, panel: Panel, run: Run, look: dict[str, Any], label: str | None, over: str
) -> Any:
    """Draw a quantity of a run, and return the line that stands for it in a legend."""
    trajectory = run.trajectory
    clock = getattr(trajectory, "clock", None)
    x = np.asarray(trajectory.iterations if over == "steps" else trajectory.t)
    x = x if clock is None else np.asarray(clock)
    y = panel.values(trajectory)
    if y is None:
        x, y = x[:0], np.empty(0)
    line = draw_curves(axes, x, y, look, label)
    if panel.name in ("singular_values", "effective_rank"):
        for change in getattr(trajectory, "rank_changes", ()):
            axes.axvline(change.t, color=MUTED, lw=0.8, ls=":", zorder=1)
            if panel.name == "singular_values":
                axes.text(
                    change.t,
                    0.97,
                    f"rank {change.rank} ",
                    color=MUTED,
                    size="small",
                    ha="right",
                    va="top",
                    rotation=90,
                    transform=axes.get_xaxis_transform(),
                )
    horizontal = "time $t$" if clock is None else r"clock $\tau$"
    label_axes(axes, panel, "step $i$" if over == "steps" else horizontal)
    suit_scales(axes, panel.logarithmic)
    tidy(axes)
    return line
