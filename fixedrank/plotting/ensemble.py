"""An ensemble of runs: where they end, when, and how far above the minimum."""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank.plotting.figures import PAGE, legend_below, new_figure, prepared, strip, tidy
from fixedrank.plotting.palette import LAYERS, MUTED, RIEMANNIAN

# Each kind of limit with its colour, its marker and the hatching of its bars.
_LIMITS = {
    "global minimum": (RIEMANNIAN, ".", ""),
    "at rest": (RIEMANNIAN, ".", ""),
    "not decided": (LAYERS, "x", "//"),
}


def plot_ensemble(ensemble: Any, figure: Any = None) -> Any:
    """Draw an ensemble: ranks of the limits, times to tolerance or rest, losses at start and end.

    Parameters
    ----------
    ensemble : Ensemble
        What :func:`fixedrank.run_ensemble` returns.
    figure : matplotlib.figure.Figure, optional
        An empty figure to draw on, such as one of pyplot; a new one if left out. The panels stand
        beside each other where it is more than twice as wide as high, else one below the other.

    Returns
    -------
    matplotlib.figure.Figure
        A figure of three panels.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    figure = prepared(figure or new_figure(PAGE, 7.8, "drawing an ensemble"))
    panels = strip(figure, 3)
    ranks, times, losses = panels
    experiment = ensemble.experiment
    certain, limit = experiment.certificate is not None, ensemble.column("limit")
    kinds = {label: limit == label for label in _LIMITS if label in limit}
    positions = np.arange(min(experiment.widths) + 1)
    below = np.zeros(positions.size)
    for label, chosen in kinds.items():
        color, _, hatch = _LIMITS[label]
        counts = np.bincount(ensemble.column("rank")[chosen], minlength=positions.size)
        ranks.bar(
            positions, counts, bottom=below, color=color, hatch=hatch, edgecolor="w", label=label
        )
        below += counts
    ranks.set(
        xlabel=r"rank of $\lim W(t)$",
        ylabel="runs",
        xticks=positions,
        title=f"Rank of the limit, $N = {experiment.depth}$",
    )
    if kinds:
        ranks.legend(frameon=False)

    arrived = ensemble.column("time_to_tolerance" if certain else "t")
    reached = np.sort(arrived[np.isfinite(arrived) & (certain | (limit == "at rest"))])
    times.step(reached, np.arange(1, reached.size + 1) / len(ensemble), color=RIEMANNIAN)
    if not reached.size:
        times.set_xticks([])
        none = "no run came so far"
        times.text(0.5, 0.5, none, color=MUTED, ha="center", transform=times.transAxes)
    times.set(
        xlabel="time $t$",
        ylabel=f"part {'within the tolerance' if certain else 'at rest'}",
        ylim=(0, 1.02),
        title=f"Time to {'the minimum' if certain else 'rest'}",
    )
    if reached.size and reached[-1] > 100 * reached[0] > 0:
        times.set_xscale("log")

    start, end = ensemble.column("initial_loss"), ensemble.column("loss")
    if certain:
        start, gap = start - experiment.minimum, ensemble.column("loss_gap")
        # A logarithmic axis shows exact zeros as round-off of the losses at the start.
        end = np.maximum(gap, 1e-17 * np.nanmax(np.abs(start), initial=0.0))
    for label, chosen in kinds.items():
        color, marker, _ = _LIMITS[label]
        losses.plot(start[chosen], end[chosen], marker, color=color, ms=5, alpha=0.5, label=label)
    if certain:
        losses.set_yscale("log")
        if np.isfinite(following := experiment.next_critical_gap):
            losses.axhline(following, color=MUTED, lw=1.2, ls=":", label="next critical value")
    what = "loss gap" if certain else "loss"
    losses.set(
        xlabel=f"{what} at the start",
        ylabel=f"{what} at the end",
        title="Loss above the minimum" if certain else "Loss",
    )
    if kinds:
        legend_below(losses, 2)
    for axes in panels:
        tidy(axes)
    ends = ", ".join(f"{name} {count}" for name, count in ensemble.limits.items())
    figure.suptitle(f"Limits of {len(ensemble)} runs: {ends}")
    return figure
