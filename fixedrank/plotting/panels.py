"""What pictures show of a run over time: one entry says its name, its values and its words.

To draw something else of every trajectory, add an entry to PANELS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank.networks.layers import balancedness

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
        By which it is asked for.
    title, label : str
        The title of its panel, and the label of its axis in the symbols of the paper.
    values : callable
        Returns the values of a trajectory, shape (times,) or (times, curves); None where they are
        not known.
    logarithmic : bool
        Whether its axis is logarithmic where the values are far apart.
    """

    name: str
    title: str
    label: str
    values: Callable[[Any], Array | None]
    logarithmic: bool = True


def _balancedness(run: Any) -> Array | None:
    if hasattr(run, "step_size"):
        with np.errstate(over="ignore", invalid="ignore"):
            return np.array([balancedness(layers) for layers in run.factors])
    try:
        return np.asarray(run.balancedness)
    except AttributeError:  # neither the layers nor what is asked of them were kept
        return None


def _singular_values(run: Any) -> Array:
    if hasattr(run, "singular_values"):
        return np.asarray(run.singular_values)
    with np.errstate(over="ignore", invalid="ignore"):
        products = np.array(run.product)
        products[~np.isfinite(products).all(axis=(1, 2))] = np.nan
        return np.linalg.svd(products, compute_uv=False)


def _effective_rank(run: Any) -> Array:
    values = _singular_values(run)
    total = values.sum(axis=-1, keepdims=True)
    parts = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    entropy = -np.sum(parts * np.log(np.where(parts > 0, parts, 1.0)), axis=-1)
    return np.where(total[..., 0] > 0, np.exp(entropy), 0.0)


def _gradient_norm(run: Any) -> Array:
    return np.asarray(run.gradient_norm)


PANELS = {
    panel.name: panel
    for panel in (
        Panel("loss", "Loss", "loss $L^1(W(t))$", lambda run: np.asarray(run.loss)),
        Panel(
            "singular_values",
            "Singular values",
            r"$\sigma_i(W(t))$",
            _singular_values,
            logarithmic=False,
        ),
        Panel(
            "effective_rank",
            "Effective rank",
            r"$\mathrm{erank}(W(t))$",
            _effective_rank,
            logarithmic=False,
        ),
        Panel(
            "balancedness",
            "Balancedness, largest over $j$",
            r"$\|W_{j+1}^T W_{j+1} - W_j W_j^T\|_F$",
            _balancedness,
        ),
        Panel(
            "gradient_norm",
            "Length of the gradient",
            r"$\|\operatorname{grad} L\|$",
            _gradient_norm,
        ),
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
