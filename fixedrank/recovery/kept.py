"""The residuals of the last point, for those who ask at the same point again."""

from __future__ import annotations

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint


class KeptResiduals:
    """Residuals, and the point that they are of.

    Arrays are held, so that no other array gets their place in memory, and compared with copies,
    since someone may have changed them: that costs as little as a pass over the factors.
    """

    def __init__(self, point: FixedRankPoint, residuals: Array) -> None:
        self.residuals = residuals
        self._point, self._copies = point, tuple(part.copy() for part in point)

    def are_of(self, point: FixedRankPoint) -> bool:
        """Say whether the residuals are those of these very arrays, as they are now."""
        return all(map(_same, point, self._point)) and all(map(np.array_equal, point, self._copies))


def _same(a: Array, b: Array) -> bool:
    return a is b
