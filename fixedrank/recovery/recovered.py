"""What a recovery found, as an object."""

from __future__ import annotations

from dataclasses import dataclass

from fixedrank._checks import Array
from fixedrank._shown import Displayed, counted, from_to, number
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.recovery.entries import Indices


@dataclass(frozen=True, repr=False)
class Recovery(Displayed):
    """A matrix of low rank from few measurements, as :func:`recover` returns it.

    Attributes
    ----------
    point : FixedRankPoint
        The matrix. It has the rank that was asked for, or a lower one where fewer singular values
        fit the data as well; ``status`` says so.
    residuals : ndarray
        The norm of the residual over that of the values, both weighted, at all points on the way.
    held_out : float or None
        The root mean square error on what was held out, in the unit of the values.
    converged : bool
        Whether the values are fitted to ``rtol``, or else the sum of squares is at a minimum.
    status : str
        How it ended, and what of the result is not to be relied upon.
    undetermined_rows, undetermined_cols : ndarray of int
        The rows and columns of a completion that have entries, but too few for this rank: what the
        point says there is one possibility of many. Where there is no entry it is zero.

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

    def _shown_title(self) -> str:
        m, n = self.point.u.shape[0], self.point.vt.shape[1]
        return f"{type(self).__name__} of a {m}x{n} matrix of rank {self.point.s.size}"

    def _shown_facts(self) -> dict[str, str]:
        rows, cols = self.undetermined_rows.size, self.undetermined_cols.size
        open_ones = f"{counted(rows, 'row')}, {counted(cols, 'column')}"
        return {
            "status": self.status,
            "residual": f"{from_to(self.residuals)} of the norm of the values",
            "held out": "" if self.held_out is None else number(self.held_out),
            "undetermined": open_ones if rows + cols else "",
        }
