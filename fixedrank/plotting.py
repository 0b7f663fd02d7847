"""Pictures of flows and ensembles, with matplotlib (an extra, imported when needed).

Figures are made without pyplot, which would keep each of them until it is closed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank._optional import import_extra

LAYERS, RIEMANNIAN = "#e69f00", "#0b3c5d"


def new_figure(width: float, height: float, purpose: str) -> Any:
    """Return an empty figure, its size in inches.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    figures = import_extra("matplotlib.figure", "plot", purpose)
    return figures.Figure(figsize=(width, height), layout="constrained")


def plot_comparison(comparison: Any, figure: Any = None) -> Any:
    """Draw a comparison of the two flows: losses, singular values, gap and balancedness.

    Parameters
    ----------
    comparison : FlowComparison
        What :func:`fixedrank.compare_flows` returns.
    figure : matplotlib.figure.Figure, optional
        An empty figure to draw on, such as one of pyplot; a new one if left out.

    Returns
    -------
    matplotlib.figure.Figure
        A figure of three panels.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    figure = figure or new_figure(13, 4, "drawing a comparison")
    losses, values, gaps = figure.subplots(1, 3)
    factored, riemannian, t = comparison.factored, comparison.riemannian, comparison.t

    losses.plot(t, factored.loss[: t.size], color=LAYERS, lw=6, alpha=0.6, label="layers, flow (5)")
    losses.plot(
        t,
        riemannian.loss[: t.size],
        color=RIEMANNIAN,
        lw=1.5,
        ls="--",
        label=f"Riemannian, flow (9), $N = {comparison.depth}$",
    )
    losses.set(xlabel="time $t$", ylabel="loss $L^1(W(t))$", title="Loss")
    _log_if_wide(losses, factored.loss[: t.size])
    losses.legend(frameon=False)

    for trajectory, style in (
        (factored, {"color": LAYERS, "lw": 5, "alpha": 0.6}),
        (riemannian, {"color": RIEMANNIAN, "lw": 1.2, "ls": "--"}),
    ):
        curves = np.array(trajectory.singular_values[: t.size])
        curves[curves <= 0] = np.nan
        values.plot(t, curves, **style)
    values.set(
        xlabel="time $t$", ylabel=r"singular values $\sigma_i(W(t))$", title="Singular values"
    )

    gaps.semilogy(
        t,
        _visible(comparison.relative_gap),
        color=RIEMANNIAN,
        label=r"$\|W_N\cdots W_1 - W\|_F \,/\, \|W\|_F$",
    )
    gaps.semilogy(
        t,
        _visible(comparison.balancedness),
        color=LAYERS,
        label=r"$\max_j \|W_{j+1}^T W_{j+1} - W_j W_j^T\|_F$",
    )
    gaps.axhline(
        comparison.tolerance,
        color="0.6",
        lw=1,
        ls=":",
        label=f"agreement asked: {comparison.tolerance:.0e}",
    )
    gaps.set(xlabel="time $t$", ylabel="distance", title="Gap and balancedness")
    gaps.legend(frameon=False, fontsize="small")
    for axes in (losses, values, gaps):
        axes.spines[["top", "right"]].set_visible(False)
        if t.size > 1:
            axes.set_xlim(t[0], t[-1])
    found = "agree" if comparison.agree else "differ"
    figure.suptitle(f"The two flows {found}: loss, singular values, gap and balancedness")
    return figure


def plot_ensemble(ensemble: Any, figure: Any = None) -> Any:
    """Draw an ensemble: ranks of the limits, times to tolerance or rest, losses at start and end.

    Parameters
    ----------
    ensemble : Ensemble
        What :func:`fixedrank.run_ensemble` returns.
    figure : matplotlib.figure.Figure, optional
        An empty figure to draw on, such as one of pyplot; a new one if left out.

    Returns
    -------
    matplotlib.figure.Figure
        A figure of three panels.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    figure = figure or new_figure(13, 4, "drawing an ensemble")
    ranks, times, losses = figure.subplots(1, 3)
    experiment = ensemble.experiment
    certain, limit = experiment.certificate is not None, ensemble.column("limit")
    kinds = [
        (limit == label, color, label)
        for label, color in (
            ("global minimum", RIEMANNIAN),
            ("at rest", RIEMANNIAN),
            ("not decided", LAYERS),
        )
        if label in limit
    ]
    positions = np.arange(min(experiment.widths) + 1)
    below = np.zeros(positions.size)
    for chosen, color, label in kinds:
        counts = np.bincount(ensemble.column("rank")[chosen], minlength=positions.size)
        ranks.bar(positions, counts, bottom=below, color=color, label=label)
        below += counts
    ranks.set(
        xlabel=r"rank of $\lim W(t)$",
        ylabel="runs",
        xticks=positions,
        title=f"{len(ensemble)} runs, $N = {experiment.depth}$",
    )
    if kinds:
        ranks.legend(frameon=False)

    arrived = ensemble.column("time_to_tolerance" if certain else "t")
    reached = np.sort(arrived[np.isfinite(arrived) & (certain | (limit == "at rest"))])
    times.step(reached, np.arange(1, reached.size + 1) / len(ensemble), color=RIEMANNIAN)
    times.set(
        xlabel="time $t$",
        ylabel=f"part of the runs {'within the tolerance' if certain else 'at rest'}",
        ylim=(0, 1.02),
        title=f"Time to {'the minimum' if certain else 'rest'}",
    )
    if reached.size and reached[-1] > 100 * reached[0] > 0:
        times.set_xscale("log")

    start, end = ensemble.column("initial_loss"), ensemble.column("loss")
    if certain:
        start, end = start - experiment.minimum, _visible(ensemble.column("loss_gap"))
    for chosen, color, label in kinds:
        losses.plot(start[chosen], end[chosen], ".", color=color, ms=3, alpha=0.5, label=label)
    if certain:
        losses.set_yscale("log")
        if np.isfinite(following := experiment.next_critical_gap):
            losses.axhline(following, color="0.6", lw=1, ls=":", label="next critical value")
    what = "loss gap" if certain else "loss"
    losses.set(
        xlabel=f"{what} at the start",
        ylabel=f"{what} at the end",
        title="Loss above the minimum" if certain else "Loss",
    )
    if kinds:
        losses.legend(frameon=False, fontsize="small")
    for axes in (ranks, times, losses):
        axes.spines[["top", "right"]].set_visible(False)
    ends = ", ".join(f"{name} {count}" for name, count in ensemble.limits.items())
    figure.suptitle(f"Limits of {len(ensemble)} runs: {ends}")
    return figure


def _visible(curve: Array) -> Array:
    """Lift exact zeros to round-off, which a log axis can show."""
    return np.maximum(curve, 1e-17)


def _log_if_wide(axes: Any, curve: Array) -> None:
    positive = curve[curve > 0]
    if positive.size == curve.size and positive.max() > 30 * positive.min():
        axes.set_yscale("log")
