"""How results show themselves: a few lines of text, and in notebooks a small table.

Only what is there already is shown: nothing is computed that costs more than a look at an array.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

# Characters that are shown of a text, such as a status that tells of many changes.
_WIDEST = 200
# Points and vectors of so many entries are shown whole.
_FEW = 60


class Table(NamedTuple):
    """Names of columns, and rows."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Displayed:
    """Something that shows itself by its facts."""

    __slots__ = ()

    def _shown_title(self) -> str:
        """Return what it is, with its sizes."""
        return type(self).__name__

    def _shown_facts(self) -> Mapping[str, str]:
        """Return what is known of it, by names."""
        return {}

    def _shown_table(self) -> Table | None:
        """Return a table that notebooks show besides."""
        return None

    def __repr__(self) -> str:
        facts = {name: shortened(fact) for name, fact in self._shown_facts().items() if fact}
        width = max(map(len, facts), default=0)
        lines = (f"\n  {name:<{width}}  {fact}" for name, fact in facts.items())
        return f"<{shortened(self._shown_title())}{''.join(lines)}>"

    def _repr_html_(self) -> str:
        """Return it as notebooks show it."""
        facts = [(name, fact) for name, fact in self._shown_facts().items() if fact]
        parts = [f"<strong>{html.escape(self._shown_title())}</strong>"]
        if facts:
            parts.append(_html_table(None, facts))
        if table := self._shown_table():
            parts.append(_html_table(table.header, table.rows))
        return f"<div>{''.join(parts)}</div>"


def _html_table(header: Sequence[str] | None, rows: Iterable[Sequence[str]]) -> str:
    # Without colours, so that they are those of the page, be it light or dark.
    style = ' style="text-align: left"'
    lines = []
    if header is not None:
        cells = "".join(f"<th{style}>{html.escape(name)}</th>" for name in header)
        lines.append(f"<thead><tr>{cells}</tr></thead>")
    for first, *others in rows:
        cells = "".join(f"<td{style}>{html.escape(cell)}</td>" for cell in others)
        lines.append(f'<tr><th scope="row"{style}>{html.escape(first)}</th>{cells}</tr>')
    return f"<table>{''.join(lines)}</table>"


def shortened(text: str) -> str:
    """Return a text on one line, cut off where it is long."""
    return textwrap.shorten(text, _WIDEST, placeholder=" ...")


def number(value: Any) -> str:
    """Return a number as it is shown."""
    return f"{float(value):.4g}"


def from_to(values: Any) -> str:
    """Return the first and the last of some numbers."""
    if len(values) == 0:
        return ""
    if len(values) == 1:
        return number(values[0])
    return f"{number(values[0])} to {number(values[-1])}"


def between(values: Any) -> str:
    """Return the least and the greatest of some numbers."""
    return f"between {number(values.min())} and {number(values.max())}"


def some(items: Sequence[str], most: int = 4) -> str:
    """Return the first of some words, and how many there are."""
    more = [f"... ({len(items)} in all)"] if len(items) > most else []
    return ", ".join([*items[:most], *more])


def counted(count: int, one: str) -> str:
    """Return how many there are of something."""
    return f"{count} {one}{'' if count == 1 else 's'}"


def name_of(function: Any) -> str:
    """Return the name of a function, or the first line of an object that shows no address."""
    name = getattr(function, "__qualname__", None)
    if isinstance(name, str):
        return name
    text = repr(function).partition("\n")[0].strip("<>")
    return type(function).__qualname__ if " at 0x" in text else text


def parts_shown(parts: Any, whole: Callable[[], str]) -> str:
    """Return a named tuple of arrays by their shapes, or as it is if they have few entries."""
    arrays = all(isinstance(part, np.ndarray) for part in parts)
    if not arrays or sum(part.size for part in parts) <= _FEW:
        return whole()
    shapes = (f"{name} {part.shape}" for name, part in zip(parts._fields, parts, strict=True))
    return f"<{type(parts).__name__}: {', '.join(shapes)}>"
