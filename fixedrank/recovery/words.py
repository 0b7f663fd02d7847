"""What is to be said of a recovery: how it ended, and what of it is not to be relied upon."""

from __future__ import annotations

import numpy as np

from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.recovery.entries import Indices
from fixedrank.recovery.occurring import OccurringPart, pinned_down
from fixedrank.recovery.record import Record

# How many rows or columns are named.
_NAMED = 5


def status_in_words(
    record: Record, ending: str, point: FixedRankPoint, rank: int, part: OccurringPart | None
) -> tuple[str, Indices, Indices]:
    """Return the status, and the rows and columns that are not determined."""
    found, count = point.s.size, record.problem.values.size
    status = _ending(ending, record.last, record.rtol, found, record.ridge, len(record.residuals))
    m, n = record.problem.shape
    unknowns = (m + n - found) * found
    if record.ridge > 0:
        if found < rank and ending != "interrupted":
            status += f"; the ridge leaves {found} of {rank} singular values"
    elif unknowns > count:
        most = max((r for r in range(found) if (m + n - r) * r <= count), default=0)
        status += (
            f"; the rank {rank} is too high for the data: {found} singular values have {unknowns} "
            f"unknowns, and there are {count} values: {_meaning(most)}"
        )
    elif found < rank and ending == "solved":
        status += f"; the rank {rank} is too high for the data: {_meaning(found)}"
    elif found < rank and ending != "interrupted":
        status += f"; no rank above {found} lowers it further"
    nothing = np.zeros(0, dtype=np.intp)
    if part is None:
        return status, nothing, nothing
    pinned = pinned_down(part.problem._measurements, found)
    rows, cols = part.rows[pinned.rows], part.cols[pinned.cols]
    if rows.size or cols.size:
        status += f"; too few entries to determine {_named(rows, cols)}"
    empty = part.shape[0] - m, part.shape[1] - n
    if any(empty):
        counts = [_counted(*pair) for pair in zip(empty, ("row", "column"), strict=True) if pair[0]]
        status += f"; {' and '.join(counts)} without entries are zero"
    if pinned.parts > 1:
        status += (
            f"; the entries fall into {pinned.parts} parts without a common row or column, and "
            "say nothing of W between them"
        )
    return status, rows, cols


def _ending(
    ending: str, residual: float, rtol: float, rank: int, ridge: float, iterations: int
) -> str:
    """Return how a recovery ended."""
    at = f"a relative residual of {residual:.1e}"
    if ending == "solved":
        return f"solved: {at}, rtol {rtol:.1e}"
    if ending == "stationary" and ridge > 0:
        return f"solved: the least squares with the ridge, {at}"
    if ending == "stationary":
        return (
            f"stationary at {at}: no matrix of rank {rank} nearby fits the values better, because "
            "of noise, or since the rank is too low"
        )
    if ending == "stagnated":
        return (
            f"stagnated at {at}: the values may be too few for the rank {rank}; "
            "a lower one, a ridge, or another method may get further"
        )
    return f"{ending} after {iterations} points at {at}"


def _meaning(count: int) -> str:
    """Return which singular values mean something."""
    if count == 0:
        return "no singular value means anything"
    first = "the first one fits" if count == 1 else f"the first {count} singular values fit"
    return f"{first} them, and more mean nothing"


def _named(rows: Indices, cols: Indices) -> str:
    """Return which rows and columns are not determined."""
    parts = [
        f"{_counted(which.size, kind)} "
        f"({', '.join(map(str, which[:_NAMED]))}{', ...' * (which.size > _NAMED)})"
        for kind, which in (("row", rows), ("column", cols))
        if which.size
    ]
    return " and ".join(parts)


def _counted(number: int, kind: str) -> str:
    return f"{number} {kind}{'s' * (number > 1)}"
