"""Figures, and the places for panels and legends on them, without pyplot.

pyplot would keep each figure until it is closed. New figures are as wide as a page, so that letters
of ten points are 15 pixels high where a page shows them 760 pixels wide, and 8 on a phone.
"""

from __future__ import annotations

from typing import Any

from fixedrank._optional import import_extra

# In inches: a page, and a column that a phone shows with larger letters.
PAGE, COLUMN = 6.2, 4.2
# Panels beside each other are as wide as this.
_PANEL = 2.8


def new_figure(width: float, height: float, purpose: str) -> Any:
    """Return an empty figure, its size in inches.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    figures = import_extra("matplotlib.figure", "plot", purpose)
    return figures.Figure(figsize=(width, height), layout="constrained")


def prepared(figure: Any) -> Any:
    """Return a user's figure, with a layout that leaves place for legends unless it has one."""
    if hasattr(figure, "get_layout_engine") and figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
    return figure


def columns_of(figure: Any, count: int) -> int:
    """Return how many of so many panels have place beside each other on a figure."""
    fitting = max(1, int(figure.bbox.width / figure.dpi / _PANEL))
    # As many rows as needed, as equally filled as can be.
    rows = -(-count // fitting)
    return -(-count // rows)


def grid(figure: Any, count: int, columns: int) -> list[Any]:
    """Return the axes of so many panels, row by row; one that is alone in its row fills it."""
    spec = figure.add_gridspec(-(-count // columns), columns)
    places = [spec[i // columns, i % columns] for i in range(count)]
    if count % columns == 1:
        places[-1] = spec[-1, :]
    return [figure.add_subplot(place) for place in places]


def tidy(axes: Any) -> None:
    """Take away the two sides of the frame that nothing is read from."""
    axes.spines[["top", "right"]].set_visible(False)


def legend_below(place: Any, columns: int, *entries: list[Any]) -> None:
    """Set a legend below a figure, or below the axis of a panel, where it hides no curve.

    Its entries are handles and their labels; if left out, those of the curves that have labels.
    """
    how: dict[str, Any] = {"frameon": False, "handlelength": 3.2, "markerscale": 1.2}
    if hasattr(place, "get_xlabel"):
        transforms = import_extra("matplotlib.transforms", "plot", "a legend")
        # In inches below the axis, whose numbers and label come first.
        down = transforms.ScaledTranslation(0, -0.45, place.figure.dpi_scale_trans)
        how |= {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0)}
        how |= {"bbox_transform": place.transAxes + down, "borderaxespad": 0}
    else:
        how |= {"loc": "outside lower center"}
    place.legend(*entries, ncols=columns, **how)


def legend_columns(figure: Any, labels: list[str]) -> int:
    """Return how many of some labels have place beside each other below a figure."""
    # Letters of ten points are 0.08 inches wide on the average; signs of TeX are not all letters.
    widest = max(len(label.replace("$", "").replace("\\", "")) for label in labels)
    return max(1, min(len(labels), int(figure.bbox.width / figure.dpi / (0.75 + 0.08 * widest))))


def strip(figure: Any, count: int) -> list[Any]:
    """Return the axes of panels beside each other on a wide figure, else below each other."""
    wide = figure.bbox.width > 2 * figure.bbox.height
    return grid(figure, count, count if wide else 1)
