"""The colour, line style and marker that a depth has in every picture.

Any two of the eight colours are 24 or more apart in CIELAB, with full colour vision and without any
one kind of cones; dashes and markers tell the depths apart without colour.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any, NamedTuple

from fixedrank._checks import real_depth

# What the flow of layers and the Riemannian flow have where both are drawn.
LAYERS, RIEMANNIAN = "#e69f00", "#0b3c5d"
# What is not the curve: levels, bounds, marks.
MUTED = "0.45"


class Look(NamedTuple):
    """How a curve looks; dashes are in units of the width of the line."""

    color: str
    linestyle: Any
    marker: str


# The depths that pictures mostly show, of which 10 and 20 are the paper's.
LOOKS = {
    1.0: Look("#1a1a1a", (0, (1, 1.3)), "s"),
    2.0: Look("#2336ab", "-", "o"),
    3.0: Look("#a0007b", (0, (5, 1.8)), "^"),
    4.0: Look("#6978fd", (0, (5, 1.5, 1, 1.5)), "D"),
    5.0: Look("#c60005", (0, (5, 1.5, 1, 1.5, 1, 1.5)), "v"),
    10.0: Look("#00a05a", (0, (10, 2.5)), "P"),
    20.0: Look("#e18c13", (0, (2.4, 1.4)), "X"),
    math.inf: Look("#bd7bd6", (0, (10, 1.8, 3, 1.8)), "*"),
}
_DEPTHS = tuple(LOOKS)
# Runs that are told apart by their order take the looks in this one: what differs most comes first.
_ORDER = (2.0, 5.0, 10.0, 3.0, 20.0, 4.0, 1.0, math.inf)


def depth_style(depth: float | None) -> dict[str, Any]:
    """Return the colour, the line style and the marker that a depth has in every picture.

    The depths 1, 2, 3, 4, 5, 10, 20 and infinity have looks of their own. Another depth takes a
    colour between those of its neighbours, and line style and marker of the nearer one.

    Parameters
    ----------
    depth : float or None
        The depth N >= 1, infinite or not; None where a metric has none.

    Returns
    -------
    dict
        The keyword arguments ``color``, ``linestyle`` and ``marker`` of matplotlib's ``plot``. On
        dense curves ``markevery=0.15`` keeps the markers apart.

    Raises
    ------
    TypeError, ValueError
        If the depth is no number, or below 1.

    Examples
    --------
    >>> from fixedrank.plotting import depth_style
    >>> depth_style(2)
    {'color': '#2336ab', 'linestyle': '-', 'marker': 'o'}
    >>> depth_style(2.2)["marker"], depth_style(2.2)["color"] == depth_style(2)["color"]
    ('o', False)
    """
    if depth is None:
        return Look("#7a6a53", "-", "h")._asdict()
    n = real_depth(depth)
    upper = bisect_right(_DEPTHS, n, hi=len(_DEPTHS) - 1)
    below, above = _DEPTHS[upper - 1], _DEPTHS[upper]
    # Depths are apart as their logarithms are, and beyond the last finite one as 1/N.
    part = 1 - below / n if math.isinf(above) else math.log(n / below) / math.log(above / below)
    nearer = LOOKS[below if part < 0.5 else above]
    return nearer._replace(color=_mixed(LOOKS[below].color, LOOKS[above].color, part))._asdict()


def order_style(index: int) -> dict[str, Any]:
    """Return the look of a run that is told apart by its order, counted from zero."""
    return LOOKS[_ORDER[index % len(_ORDER)]]._asdict()


def _mixed(one: str, other: str, part: float) -> str:
    channels = zip(bytes.fromhex(one[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + bytes(round(a + part * (b - a)) for a, b in channels).hex()
