"""The flow of the layers and the Riemannian flow of their product, side by side."""

from __future__ import annotations

from typing import Any

from fixedrank.plotting.figures import PAGE, legend_below, new_figure, prepared, strip, tidy
from fixedrank.plotting.palette import LAYERS, MUTED, RIEMANNIAN
from fixedrank.plotting.panels import PANELS, draw_curves, label_axes, suit_scales

_BENEATH = {"color": LAYERS, "lw": 5.5, "alpha": 0.6}
_ABOVE = {"color": RIEMANNIAN, "lw": 1.4, "ls": "--"}


def plot_comparison(comparison: Any, figure: Any = None) -> Any:
    """Draw a comparison of the two flows: losses, singular values, gap and balancedness.

    Parameters
    ----------
    comparison : FlowComparison
        What :func:`fixedrank.compare_flows` returns.
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
    figure = prepared(figure or new_figure(PAGE, 7.2, "drawing a comparison"))
    panels = strip(figure, 3)
    losses, values, gaps = panels
    factored, riemannian, t = comparison.factored, comparison.riemannian, comparison.t
    flows = (
        (factored, _BENEATH, "layers, flow (5)"),
        (riemannian, _ABOVE, f"Riemannian, flow (9), $N = {comparison.depth}$"),
    )
    for axes, name in ((losses, "loss"), (values, "singular_values")):
        panel = PANELS[name]
        for trajectory, style, label in flows:
            draw_curves(axes, t, getattr(trajectory, name)[: t.size], style, label)
        label_axes(axes, panel, "time $t$")
        suit_scales(axes, panel.logarithmic)
    losses.legend(frameon=False)

    gaps.plot(
        t,
        comparison.relative_gap,
        color=RIEMANNIAN,
        label=r"gap $\|W_N\cdots W_1 - W\|_F \,/\, \|W\|_F$",
    )
    gaps.plot(
        t,
        comparison.balancedness,
        color=LAYERS,
        ls="-.",
        label=r"balancedness $\max_j \|W_{j+1}^T W_{j+1} - W_j W_j^T\|_F$",
    )
    gaps.axhline(
        comparison.tolerance,
        color=MUTED,
        lw=1.2,
        ls=":",
        label=f"gap allowed: {comparison.tolerance:.0e}",
    )
    # Exact zeros are below the lower end of the axis.
    gaps.set_yscale("log")
    suit_scales(gaps, False)
    gaps.set(xlabel="time $t$", ylabel="distance", title="Gap and balancedness")
    legend_below(gaps, 1)
    for axes in panels:
        tidy(axes)
        if t.size > 1 and axes.get_xscale() == "linear":
            axes.set_xlim(t[0], t[-1])
    found = "agree" if comparison.agree else "differ"
    figure.suptitle(f"The two flows {found}: loss, singular values, gap and balancedness")
    return figure
