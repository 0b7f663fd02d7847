"""What the curves show, beside what the paper says of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.paper.definitions import Figure, Panel
from fixedrank.paper.runs import Curves
from fixedrank.paper.settings import Setting

# A distance has gone to zero for the table when it is below this part of the first one.
REACHED = 0.01
# "Seems not to depend on the initial conditions": times within this factor of each other.
_ALIKE = 2.0
# What falls by this factor from T/2 to T is on its way: T came first.
_FALLING = 1.1


_ARRIVED = "at most 1 % of the first distance is left at T"


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


def _arrival(t: Array, distances: Array) -> tuple[bool | None, str]:
    """Return whether distances go to zero, None where T comes first, and why it is not seen."""
    first, half, last = distances[0], float(np.interp(t[-1] / 2, t, distances)), distances[-1]
    if last <= REACHED * first:
        return True, ""
    if half >= _FALLING * last:
        return None, f"; T came first: from T/2 to T it falls by a factor of {half / last:.2g}"
    return False, f"; it stands still: {half:.2g} at T/2"


def _limits(figure: Figure, curves: Mapping[Setting, Curves]) -> Iterator[Finding]:
    """Yield, for each curve of a figure, whether it goes where the paper says."""
    for panel in figure.panels:
        for label, setting in panel.curves:
            found = curves[setting]
            values = getattr(found, figure.quantity)
            where = f"Fig. {figure.number}, {_plain(panel.title)}, {_plain(label)}"
            last, first, end = values[-1], values[0], found.t[-1]
            if figure.quantity == "reconstruction_error":
                holds, why = _arrival(found.t, np.abs(values - found.tail))
                yield Finding(
                    where,
                    "|X - W(t) X| -> (sum_{i>r} sigma_i^2)^(1/2)",
                    f"{first:.4g} at t = 0, {last:.6g} at {end:g}, limit {found.tail:.6g}{why}",
                    holds,
                    _ARRIVED,
                )
            elif figure.quantity == "distance_to_final":
                # W(T) itself is at distance zero, so look at a tenth of T.
                before = float(np.interp(end / 10, found.t, values))
                yield Finding(
                    where,
                    "|W(t) - W(T)| falls",
                    f"{first:.3g} at t = 0, {before:.1e} at T/10 = {end / 10:g} "
                    f"(W(T) is {found.distance_to_limit[-1]:.1e} from U_r U_r^T)",
                    bool(before <= 0.5 * first),
                    "halved by T/10",
                )
            else:
                names = {"loss": "the loss", "distance_to_true": "|W(t) - true W|"}
                name = names.get(figure.quantity, "|W(t) - limit|")
                holds, why = _arrival(found.t, values)
                yield Finding(
                    where,
                    f"{name} -> 0",
                    f"{first:.3g} at t = 0, {last:.1e} at {end:g}{why}",
                    holds,
                    _ARRIVED,
                )


def _times(panel: Panel, curves: Mapping[Setting, Curves]) -> dict[int, float]:
    """Return for each depth the time from which on the distance to the limit is below 1 %."""
    return {
        setting.depth: time_to(
            found.t, found.distance_to_limit, REACHED * float(found.distance_to_limit[0])
        )
        for _, setting in panel.curves
        for found in [curves[setting]]
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
