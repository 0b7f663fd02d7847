"""What a recovery found, and what it says of it in words."""

from __future__ import annotations

from dataclasses import dataclass

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.recovery.entries import Indices

# How many rows or columns are named.
_NAMED = 5


@dataclass(frozen=True)
class Recovery:
    """A matrix of low rank from few measurements, as :func:`recover` returns it.

    Attributes
    ----------
    point : FixedRankPoint
        The matrix. It has the rank that was asked for, or a lower one where fewer singular values
        fit the data as well; ``status`` says so.
    residuals : ndarray
        The norm of the residual over that of the values, at all points on the way.
    held_out : float or None
        The root mean square error on what was held out, in the unit of the values.
    converged : bool
        Whether the values are fitted to ``rtol``, or else the sum of squares is at a minimum.
    status : str
        How it ended, and what of the result is not to be relied upon.
    undetermined_rows, undetermined_cols : ndarray of int
        The rows and columns with too few known entries for this rank, of a completion: what the
        point says there is one possibility of many.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> truth = np.outer([1.0, 2.0, 3.0], [1.0, -1.0, 2.0])
    >>> truth[0, 2] = truth[2, 0] = np.nan
    >>> found = fixedrank.recover(fixedrank.MatrixCompletion(truth), 1)
    >>> found.converged, round(float((found.point.u * found.point.s @ found.point.vt)[0, 2]), 3)
    (True, 2.0)
    """

    point: FixedRankPoint
    residuals: Array
    held_out: float | None
    converged: bool
    status: str
    undetermined_rows: Indices
    undetermined_cols: Indices

    def __repr__(self) -> str:
        m, n = self.point.u.shape[0], self.point.vt.shape[1]
        return f"<Recovery of a {m}x{n} matrix of rank {self.point.s.size}: {self.status}>"


def ending_in_words(
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


def named(rows: Indices, cols: Indices) -> str:
    """Return which rows and columns are not determined."""
    parts = [
        f"{which.size} {kind}{'s' * (which.size > 1)} "
        f"({', '.join(map(str, which[:_NAMED]))}{', ...' * (which.size > _NAMED)})"
        for kind, which in (("row", rows), ("column", cols))
        if which.size
    ]
    return " and ".join(parts)
