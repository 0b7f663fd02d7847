r"""Paths between two points by interpolation of balanced factors.

With s^(1/N) = r, a point A = L R^(N-2) L'^T has the balanced factors L = U diag(r), R = diag(r) and
L' = V diag(r); and so has B, after an orthogonal change that brings its L and L' close to those of
A. The path interpolates the three linearly: a geodesic where both have the same singular vectors.
At infinite depth the factors are U, ln s and V, and the exponential takes the place of the power.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg

from fixedrank._checks import Array
from fixedrank.geometry.points import FixedRankPoint


class BalancedPath:
    """A path from A to B, as dense matrices; `flipped` takes another way around.

    Raises
    ------
    ValueError
        If a flipped path does not exist: a square frame of singular vectors has one orientation.
    """

    def __init__(
        self, a: FixedRankPoint, b: FixedRankPoint, depth: float, flipped: bool = False
    ) -> None:
        self.depth = depth
        k = a.s.size
        root_a, root_b = self._root(a.s), self._root(b.s)
        scale_a, scale_b = (1.0, 1.0) if math.isinf(depth) else (root_a, root_b)
        ends_a, ends_b = (a.u * scale_a, a.vt.T * scale_a), (b.u * scale_b, b.vt.T * scale_b)
        p, _, qt = scipy.linalg.svd(ends_b[0].T @ ends_a[0] + ends_b[1].T @ ends_a[1])
        square = [(x, y) for x, y in ((a.u, b.u), (a.vt.T, b.vt.T)) if x.shape[0] == k]
        if square and flipped:
            raise ValueError("there is one way around only")
        # The direction in which the two agree least is turned around at the least cost.
        if flipped or (square and np.linalg.det(square[0][0].T @ square[0][1] @ p @ qt) < 0):
            p[:, -1] *= -1
        turn = p @ qt
        self._left = (ends_a[0], ends_b[0] @ turn)
        self._right = (ends_a[1], ends_b[1] @ turn)
        self._middle = (np.diag(root_a), (turn.T * root_b) @ turn)

    def __call__(self, t: Array) -> Array:
        """Return the matrices at all times t, stacked."""
        t = t[:, None, None]
        left, middle, right = (
            (1 - t) * start + t * end for start, end in (self._left, self._middle, self._right)
        )
        values, frame = np.linalg.eigh(middle)
        values = np.exp(values) if math.isinf(self.depth) else values ** (self.depth - 2)
        return np.asarray(((left @ frame) * values[:, None, :]) @ (right @ frame).swapaxes(-1, -2))

    def _root(self, s: Array) -> Array:
        return np.asarray(np.log(s) if math.isinf(self.depth) else s ** (1 / self.depth))
