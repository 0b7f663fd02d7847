"""The paper's nine figures: what each panel shows, of which settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from fixedrank.paper.quantities import (
    DISTANCE_TO_FINAL,
    DISTANCE_TO_LIMIT,
    DISTANCE_TO_TRUE,
    LOSS,
    RECONSTRUCTION_ERROR,
    Quantity,
)
from fixedrank.paper.settings import Setting

_SUPERVISED = ((20, 2), (200, 20))
_AUTOENCODER = ((20, 1), (200, 10))


class _Extent(NamedTuple):
    """What the quick figures have less of."""

    time: float
    depths: tuple[int, ...]
    deep: int  # beside N = 2, in Figures 5 and 6
    non_balanced: tuple[int, int]  # the depths of Figure 7
    multiples: tuple[int, ...]  # B.1: d / N, of 2N <= d <= 20N; r = d/2


_FULL = _Extent(1000.0, (2, 5, 10, 20), 20, (5, 10), (2, 5, 10, 20))
# Chosen so that every curve arrives in time: non-balanced layers of depth 10 and 20 take minutes.
_QUICK = _Extent(300.0, (2, 3, 5), 10, (3, 5), (2, 3))
# What they put in the place of the large dimensions.
_QUICK_SIZES = {(200, 20): (40, 4), (200, 10): (40, 2)}

Case = Literal["supervised", "autoencoder"]
Start = Literal["balanced", "gaussian"]


@dataclass(frozen=True)
class Panel:
    """One of the two panels of a figure: labels and settings of its curves."""

    title: str
    curves: tuple[tuple[str, Setting], ...]


@dataclass(frozen=True)
class Figure:
    """A figure of the paper.

    Attributes
    ----------
    number : int
        Its number in the paper.
    title : str
        What it shows.
    quantity : Quantity
        What is drawn.
    panels : tuple of two Panels
        Left and right.
    """

    number: int
    title: str
    quantity: Quantity
    panels: tuple[Panel, Panel]

    @property
    def settings(self) -> list[Setting]:
        """All settings of both panels."""
        return [setting for panel in self.panels for _, setting in panel.curves]


def paper_figures(*, quick: bool = False) -> dict[int, Figure]:
    """Return the definitions of Figures 1 to 9, or of smaller ones of the same kind."""
    sizes: dict[Case, tuple[tuple[int, int], tuple[int, int]]]
    sizes = {"supervised": _SUPERVISED, "autoencoder": _AUTOENCODER}
    extent = _QUICK if quick else _FULL
    end = extent.time
    if quick:
        sizes = {case: (small, _QUICK_SIZES[large]) for case, (small, large) in sizes.items()}

    def by_depth(case: Case, start: Start, size: tuple[int, int]) -> Panel:
        d, rank = size
        curves = tuple((f"$N = {n}$", Setting(case, start, d, rank, n, end)) for n in extent.depths)
        return Panel(f"$d_x = {d}$, $r = {rank}$", curves)

    def both_sizes(case: Case, start: Start) -> tuple[Panel, Panel]:
        small, large = sizes[case]
        return by_depth(case, start, small), by_depth(case, start, large)

    def by_dimension(start: Start, depth: int) -> Panel:
        # The rank is d / 2, rounded to the nearest integer, halves up.
        settings = [
            Setting("autoencoder", start, d, (d + 1) // 2, depth, end, "nearest")
            for d in (depth * multiple for multiple in extent.multiples)
        ]
        curves = tuple((f"$d_x = {s.d}$, $r = {s.rank}$", s) for s in settings)
        return Panel(f"$N = {depth}$", curves)

    small = sizes["supervised"][0]
    both_starts = (
        replace(by_depth("supervised", "balanced", small), title="balanced start"),
        replace(by_depth("supervised", "gaussian", small), title="non-balanced start"),
    )
    shallower, deeper = extent.non_balanced
    shallow_and_deep = by_dimension("balanced", 2), by_dimension("balanced", extent.deep)
    supervised, autoencoder = "General supervised learning", "Autoencoder"
    rows: list[tuple[str, Quantity, tuple[Panel, Panel]]] = [
        (
            f"{supervised}, balanced: distance to the critical point",
            DISTANCE_TO_LIMIT,
            both_sizes("supervised", "balanced"),
        ),
        (
            f"{supervised}, non-balanced: distance to the critical point",
            DISTANCE_TO_LIMIT,
            both_sizes("supervised", "gaussian"),
        ),
        (
            f"{supervised}, $d_x = {small[0]}$, $r = {small[1]}$: distance to the true parameters",
            DISTANCE_TO_TRUE,
            both_starts,
        ),
        (
            f"{supervised}, balanced: the loss",
            LOSS,
            both_sizes("supervised", "balanced"),
        ),
        (
            f"{autoencoder}, balanced: distance to the projection to leading eigenvectors",
            DISTANCE_TO_LIMIT,
            shallow_and_deep,
        ),
        (
            f"{autoencoder}, balanced: reconstruction error, and its limit (dotted)",
            RECONSTRUCTION_ERROR,
            shallow_and_deep,
        ),
        (
            f"{autoencoder}, non-balanced: distance to the projection to leading eigenvectors",
            DISTANCE_TO_LIMIT,
            (by_dimension("gaussian", shallower), by_dimension("gaussian", deeper)),
        ),
        (
            f"{autoencoder}, balanced: distance to the final matrix",
            DISTANCE_TO_FINAL,
            both_sizes("autoencoder", "balanced"),
        ),
        (
            f"{autoencoder}, non-balanced: distance to the final matrix",
            DISTANCE_TO_FINAL,
            both_sizes("autoencoder", "gaussian"),
        ),
    ]
    return {number: Figure(number, *row) for number, row in enumerate(rows, start=1)}


def unique_settings(figures: Sequence[Figure]) -> list[Setting]:
    """Return the settings of some figures, each once, in order of appearance."""
    return list(dict.fromkeys(setting for figure in figures for setting in figure.settings))
