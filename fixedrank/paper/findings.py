"""What the curves show, beside what the paper says of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.paper.curves import Curves
from fixedrank.paper.definitions import Figure, Panel
from fixedrank.paper.quantities import DISTANCE_TO_LIMIT, REACHED
from fixedrank.paper.settings import Setting

# "Seems not to depend on the initial conditions": times within this factor of each other.
_ALIKE = 2.0


class Finding(NamedTuple):
    """A statement of the paper, what was measured, and whether the two agree.

    Attributes
    ----------
    where : str
        The figures that it is about.
    statement : str
        What the paper says.
    measured : str
        The numbers.
    holds : bool or None
        Whether they agree; None if the curves do not tell, because T came first.
    criterion : str
        What `holds` means.
    """

    where: str
    statement: str
    measured: str
    holds: bool | None
    criterion: str


def time_to(t: Array, values: Array, level: float) -> float:
    """Return the first time from which on values stay at or below a level; infinite if none."""
    above = np.flatnonzero(values > level)
    if above.size == 0:
        return float(t[0])
    return float(t[above[-1] + 1]) if above[-1] + 1 < t.size else math.inf


def findings(figures: Mapping[int, Figure], curves: Mapping[Setting, Curves]) -> list[Finding]:
    """Return what the figures show, and the paper's statements on rates as far as they can tell.

    Parameters
    ----------
    figures : mapping of int to Figure
        Some of the paper's figures by their numbers.
    curves : mapping of Setting to Curves
        The curves of their settings, at least.

    Returns
    -------
    list of Finding
        One for each curve, then those that compare curves.
    """
    found = [finding for figure in figures.values() for finding in _limits(figure, curves)]
    found += [
        _slower_with_depth(figures[number], curves) for number in (1, 2, 8, 9) if number in figures
    ]
    pairs = ((1, 2, "independent of the initial conditions"), (8, 9, "balanced slightly faster"))
    for balanced, gaussian, statement in pairs:
        if balanced in figures and gaussian in figures:
            found.append(_starts(figures[balanced], figures[gaussian], statement, curves))
    for supervised, autoencoder in ((1, 8), (2, 9)):
        if supervised in figures and autoencoder in figures:
            found += _cases(figures[supervised], figures[autoencoder], curves)
    return found


def _limits(figure: Figure, curves: Mapping[Setting, Curves]) -> Iterator[Finding]:
    """Yield, for each curve of a figure, whether it goes where the paper says."""
    quantity = figure.quantity
    for panel in figure.panels:
        for label, setting in panel.curves:
            found = curves[setting]
            where = f"Fig. {figure.number}, {_plain(panel.title)}, {_plain(label)}"
            yield Finding(where, quantity.claim, *quantity.judged(found, found[quantity.name]))


def _times(panel: Panel, curves: Mapping[Setting, Curves]) -> dict[int, float]:
    """Return for each depth the time from which on the distance to the limit is below 1 %."""
    return {
        setting.depth: time_to(curves[setting].t, distances, REACHED * float(distances[0]))
        for _, setting in panel.curves
        for distances in [curves[setting][DISTANCE_TO_LIMIT.name]]
    }


def _slower_with_depth(figure: Figure, curves: Mapping[Setting, Curves]) -> Finding:
    times = {_plain(panel.title): _times(panel, curves) for panel in figure.panels}
    pairs = [
        (f"N={deeper} before N={shallower}, {panel}", _greater(found[deeper], found[shallower]))
        for panel, found in times.items()
        for shallower, deeper in pairwise(found)
    ]
    judged = [holds for _, holds in pairs]
    against = "".join(f"; {pair}" for pair, holds in pairs if holds is False)
    return Finding(
        f"Fig. {figure.number}",
        "slower for larger N (t to 1 %)",
        _listed(times) + against,
        _all(judged),
        "no depth is there before a smaller one",
    )


def _starts(
    balanced: Figure, gaussian: Figure, statement: str, curves: Mapping[Setting, Curves]
) -> Finding:
    ratios = {
        _plain(left.title): _ratios(_times(right, curves), _times(left, curves))
        for left, right in zip(balanced.panels, gaussian.panels, strict=True)
    }
    known = [ratio for found in ratios.values() for ratio in found.values()]
    known = [ratio for ratio in known if not math.isnan(ratio)]
    alike = "independent" in statement
    return Finding(
        f"Fig. {balanced.number}, {gaussian.number}",
        f"{statement} (t to 1 %, non-balanced over balanced)",
        _listed(ratios),
        _all([1 / _ALIKE <= ratio <= _ALIKE if alike else ratio > 1 for ratio in known]),
        f"all ratios within a factor of {_ALIKE:g}" if alike else "all ratios above 1",
    )


def _cases(
    supervised: Figure, autoencoder: Figure, curves: Mapping[Setting, Curves]
) -> Iterator[Finding]:
    where = f"Fig. {supervised.number}, {autoencoder.number}"
    times = {
        name: [_times(panel, curves) for panel in figure.panels]
        for name, figure in (("supervised", supervised), ("autoencoder", autoencoder))
    }
    growth = {name: _ratios(large, small) for name, (small, large) in times.items()}
    yield Finding(
        where,
        "dependence on d, r stronger for autoencoders (t to 1 %, large over small)",
        _listed(growth),
        _all(
            [_greater(growth["autoencoder"][n], ratio) for n, ratio in growth["supervised"].items()]
        ),
        "the larger ratio at every N",
    )
    spread = {
        name: dict(
            zip(
                ("small", "large"), (max(p.values()) / min(p.values()) for p in panels), strict=True
            )
        )
        for name, panels in times.items()
    }
    yield Finding(
        where,
        "dependence on N stronger in supervised learning (t to 1 %, slowest over fastest)",
        _listed(spread),
        _all(
            [
                _greater(spread["supervised"][n], spread["autoencoder"][n])
                for n in spread["supervised"]
            ]
        ),
        "the larger ratio at both sizes",
    )


def _ratios(above: Mapping[int, float], below: Mapping[int, float]) -> dict[int, float]:
    """Return quotients of times; NaN where the second was never reached."""
    return {
        depth: above[depth] / below[depth] if 0 < below[depth] < math.inf else math.nan
        for depth in below
    }


def _greater(a: float, b: float) -> bool | None:
    """Compare two times or ratios; infinite means beyond T."""
    if math.isnan(a) or math.isnan(b) or (math.isinf(a) and math.isinf(b)):
        return None
    return a >= b


def _all(judged: Sequence[bool | None]) -> bool | None:
    known = [holds for holds in judged if holds is not None]
    return all(known) if known else None


def _listed(table: Mapping[str, Mapping[Any, float]]) -> str:
    """Return numbers by row and column, rows apart by semicolons."""
    return "; ".join(
        f"{row}: "
        + ", ".join(
            f"{f'N={column}' if isinstance(column, int) else column} {_number(value)}"
            for column, value in values.items()
        )
        for row, values in table.items()
    )


def _number(value: float) -> str:
    if math.isnan(value):
        return "unknown"
    return "beyond T" if math.isinf(value) else f"{value:.3g}"


def _plain(text: str) -> str:
    return text.replace("$", "").replace("_x", "").replace(" = ", "=")
