"""What pictures show of a run over time: one entry says its name, its values and its words.

To draw something else of every trajectory, add an entry to PANELS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fixedrank._checks import Array

# Values over more than this factor are drawn on a logarithmic axis.
_WIDE = 30.0
# Beyond these, linear axes of matplotlib lose their ticks to over- and underflow.
_SMALLEST, _LARGEST = 1e-200, 1e200


@dataclass(frozen=True)
class Panel:
    """A quantity over time.

    Attributes
    ----------
    name : str
        By which it is asked for, an attribute of trajectories.
    title, label : str
        The title of its panel, and the label of its axis in the symbols of the paper.
    logarithmic : bool
        Whether its axis is logarithmic where the values are far apart.
    """

    name: str
    title: str
    label: str
    logarithmic: bool = True

    def values(self, run: Any) -> Array | None:
        """Return its values of a run, shape (times,) or (times, curves); None if not known."""
        try:
            # What has diverged may overflow.
            with np.errstate(over="ignore", invalid="ignore"):
                return np.asarray(getattr(run, self.name))
        except AttributeError:
            return None


PANELS = {
    panel.name: panel
    for panel in (
        Panel("loss", "Loss", "loss $L^1(W(t))$"),
        Panel("singular_values", "Singular values", r"$\sigma_i(W(t))$", logarithmic=False),
        Panel("effective_rank", "Effective rank", r"$\mathrm{erank}(W(t))$", logarithmic=False),
        Panel(
            "balancedness",
            "Balancedness, largest over $j$",
            r"$\|W_{j+1}^T W_{j+1} - W_j W_j^T\|_F$",
        ),
        Panel("objective", "Objective", r"$L + \lambda \sum_j \|W_j\|_F^2 / 2$"),
        Panel("gradient_norm", "Length of the gradient", r"$\|\operatorname{grad} L\|$"),
    )
}
USUAL = ("loss", "singular_values", "effective_rank", "balancedness")


def chosen_panels(quantities: Sequence[str] | str) -> list[Panel]:
    """Return the panels of some names.

    Raises
    ------
    ValueError
        If a name is not known, or there is none.
    """
    names = [quantities] if isinstance(quantities, str) else list(quantities)
    if not names or any(name not in PANELS for name in names):
        raise ValueError(
            f"quantities must be some of {', '.join(map(repr, PANELS))}, got {quantities!r}"
        )
    return [PANELS[name] for name in names]


def label_axes(axes: Any, panel: Panel, time: str) -> None:
    """Write the labels of a panel where nothing has been written."""
    axes.set_xlabel(axes.get_xlabel() or time)
    axes.set_ylabel(axes.get_ylabel() or panel.label)
    axes.set_title(axes.get_title() or panel.title)


def draw_curves(axes: Any, x: Array, y: Array, style: dict[str, Any], label: str | None) -> Any:
    """Draw one curve, or a bundle that looks the same, and return the line that has the label."""
    dense = x.size > 1 and (y.ndim > 1 or np.isfinite(y).any())
    if y.ndim > 1 and x.size > 1:
        style = style | {"marker": ""}
    elif dense:
        style = {"markevery": 0.15} | style
    lines = axes.plot(x, y, **style)
    if not lines:  # a bundle of none
        lines = axes.plot([], [], **style)
    for line in lines[1:]:
        line.set_label("_nolegend_")
    lines[0].set_label("_nolegend_" if label is None else label)
    return lines[0]


def suit_scales(axes: Any, logarithmic: bool) -> None:
    """Make the axes logarithmic that the curves drawn so far are too wide or too large for."""
    curves = [line for line in axes.lines if line.get_transform() == axes.transData]
    y = np.concatenate([np.ravel(line.get_ydata(orig=False)) for line in curves])
    wide = logarithmic and (y >= 0).all() and _span(y) > _WIDE
    if axes.get_yscale() == "linear" and (wide or _beyond(y)):
        axes.set_yscale("log")
    x = np.concatenate([np.ravel(line.get_xdata(orig=False)) for line in curves])
    if axes.get_xscale() == "linear" and (_geometric(curves) or _beyond(x)):
        axes.set_xscale("log")


def _span(values: Array) -> float:
    positive = values[(values > 0) & np.isfinite(values)]
    with np.errstate(over="ignore"):
        return float(positive.max() / positive.min()) if positive.size else 0.0


def _beyond(values: Array) -> bool:
    """Tell whether a linear axis cannot show values, and a logarithmic one can."""
    finite = values[np.isfinite(values)]
    largest = finite.max(initial=0.0)
    return bool((finite >= 0).all() and largest > 0 and not _SMALLEST < largest < _LARGEST)


def _geometric(curves: Sequence[Any]) -> bool:
    """Tell whether the times are dense near their start, as those of equal ratios are."""
    times = [np.unique(line.get_xdata(orig=False)) for line in curves]
    return all(
        x.size > 4 and x[0] >= 0 and np.count_nonzero(x <= x[-1] / 10) > 0.55 * x.size
        for x in times
    )
