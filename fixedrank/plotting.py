"""Pictures of flows, with matplotlib (an extra, imported when something is drawn)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank._optional import import_extra

LAYERS, RIEMANNIAN = "#e69f00", "#0b3c5d"


def plot_comparison(comparison: Any) -> Any:
    """Draw a comparison of the two flows: losses, singular values, gap and balancedness.

    Parameters
    ----------
    comparison : FlowComparison
        What :func:`fixedrank.compare_flows` returns.

    Returns
    -------
    matplotlib.figure.Figure
        A figure of three panels.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    plt = import_extra("matplotlib.pyplot", "plot", "drawing a comparison")
    figure, (losses, values, gaps) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    factored, riemannian, t = comparison.factored, comparison.riemannian, comparison.t

    losses.plot(t, factored.loss[: t.size], color=LAYERS, lw=6, alpha=0.6, label="layers, flow (5)")
    losses.plot(
        t,
        riemannian.loss[: t.size],
        color=RIEMANNIAN,
        lw=1.5,
        ls="--",
        label=f"Riemannian, flow (9), N = {comparison.depth}",
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
    return figure


def _visible(curve: Array) -> Array:
    """Lift exact zeros to round-off, which a log axis can show."""
    return np.maximum(curve, 1e-17)


def _log_if_wide(axes: Any, curve: Array) -> None:
    positive = curve[curve > 0]
    if positive.size == curve.size and positive.max() > 30 * positive.min():
        axes.set_yscale("log")
