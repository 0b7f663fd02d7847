"""The leading singular triples of a matrix, roughly: where a search is to go on."""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank import _linear_algebra
from fixedrank._checks import Array
from fixedrank.geometry.factored.ambient import times, transposed_times
from fixedrank.geometry.factored.points import FixedRankPoint

# Random columns beside those that are asked for.
_MORE = 2


def leading_triples(
    known: Any, count: int, rng: np.random.Generator, *, passes: int, off: FixedRankPoint | None
) -> tuple[Array, Array, Array]:
    """Return left vectors, singular values, right vectors by a few products with random blocks.

    Parameters
    ----------
    known : matrix of any kind
        As `as_ambient` returned it.
    count : int
        How many triples.
    rng : numpy.random.Generator
        The generator.
    passes : int
        How often the block is multiplied by the matrix and its transpose.
    off : FixedRankPoint or None
        A point, of whose normal part the triples are to be: orthogonal to its u and vt.

    References
    ----------
    N. Halko, P. G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM Review 53,
    2011.
    """
    m, n = known.shape
    rank = 0 if off is None else off.s.size
    block = rng.standard_normal((n, min(count + _MORE, min(m, n) - rank)))
    right = _orthonormal(block, None if off is None else off.vt.T)
    for _ in range(passes):
        left = _orthonormal(times(known, right), None if off is None else off.u)
        right = _orthonormal(transposed_times(known, left), None if off is None else off.vt.T)
    image = times(known, right)
    if off is not None:
        image -= off.u @ (off.u.T @ image)
    left, triangle = _linear_algebra.tall_qr(image)
    u, s, vt = np.linalg.svd(triangle)
    return (left @ u)[:, :count], s[:count], (right @ vt.T)[:, :count]


def _orthonormal(block: Array, basis: Array | None) -> Array:
    """Return an orthonormal basis of the columns, orthogonal to another basis."""
    # Twice: what is left of a block that nearly lies in the other range has lost its orthogonality.
    for _ in range(1 if basis is None else 2):
        if basis is not None:
            block = block - basis @ (basis.T @ block)
        block = _linear_algebra.tall_qr(block)[0]
    return block
