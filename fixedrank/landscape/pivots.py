r"""The criterion of Achour, Malgouyres and Gerchinovitz for saddles of L^N.

A critical point whose product has rank rho, below that of the minimum, and the rho largest
singular values is a strict saddle unless it is tightened: for each pair i > j, the pivot, at least
one of two complementary blocks, W_{i-1} ... W_{j+1} and W_{j-1} ... W_1 X Y^T W_N ... W_{i+1}, has
rank rho.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fixedrank._checks import Array
from fixedrank.losses.regression import LinearRegression


def covered(problem: LinearRegression) -> bool:
    """Say whether the criterion holds: X Y^T has full rank, the singular values of Q differ."""
    s = problem.svd[1]
    return problem.rank == s.size and bool((-np.diff(s) > problem.tolerance).all())


def loose_pivot(
    layers: Sequence[Array], cross: Array, rank: int, size: float, rtol: float
) -> tuple[int, int] | None:
    """Return a pivot (i, j) both of whose blocks have a rank above that of the product, if any.

    Parameters
    ----------
    layers : sequence of ndarray
        The layers W_1, ..., W_N of a critical point.
    cross : ndarray, shape (d_x, d_y)
        X Y^T.
    rank : int
        The rank rho of W_N ... W_1.
    size : float
        The size of a layer: in a product of p layers what is below rtol size^p is zero.
    rtol : float
        The relative tolerance.
    """
    depth = len(layers)
    largest = float(np.linalg.norm(cross, 2))
    # Before each layer: W_{j-1} ... W_1 X Y^T, and after it: W_N ... W_{i+1}.
    below = [cross]
    for layer in layers[:-1]:
        below.append(layer @ below[-1])
    above: list[Array] = [np.eye(layers[-1].shape[0])]
    for layer in reversed(layers[1:]):
        above.append(above[-1] @ layer)
    for j in range(1, depth):
        between: Array = np.eye(layers[j - 1].shape[0])
        for i in range(j + 1, depth + 1):
            if i > j + 1:
                between = layers[i - 2] @ between
            outer = below[j - 1] @ above[depth - i]
            count = depth - (i - j + 1)
            if (
                _rank(between, rtol * size ** (i - j - 1)) > rank
                and _rank(outer, rtol * size**count * largest) > rank
            ):
                return i, j
    return None


def _rank(block: Array, tolerance: float) -> int:
    """Return the rank to the tolerance that was asked for: layers at rest are not exact."""
    return int((np.linalg.svd(block, compute_uv=False) > tolerance).sum())
