"""The leading singular triples of a matrix that is known by its products only."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse.linalg import ArpackError, svds

from fixedrank._checks import Array, require_finite
from fixedrank.geometry.factored.ambient import ScaledMatrix, times, transposed_times
from fixedrank.geometry.factored.units import exponent_of

# The absolute number is 4e-11, for squares; and products of a scaled matrix take longer.
_NEAR_ONE = 10


def leading_svd(known: Any, k: int, name: str) -> tuple[Array, Array, Array]:
    """Return u, s, vt of the k largest singular values of a matrix that `as_ambient` returned.

    ARPACK stops by an absolute number where the squares of singular values are small, and starts
    not at all where they underflow or overflow: the matrix is divided by the power of two near its
    product with a random vector. The last of more singular values than its rank are zero.

    Raises
    ------
    TypeError, ValueError
        If the products are not finite, or not there.
    """
    m, n = known.shape
    generator = np.random.default_rng(0)
    probe = times(known, generator.standard_normal((n, 1)))
    back = transposed_times(known, generator.standard_normal((m, 1)))
    for product in (probe, back):
        require_finite(f"the product of {name} with a vector", product)
    if not (probe.any() and back.any()):
        return np.zeros((m, k)), np.zeros(k), np.zeros((k, n))
    exponent = exponent_of(name, probe)
    if abs(exponent) <= _NEAR_ONE:
        exponent = 0
    matrix = known if exponent == 0 else ScaledMatrix(known, -exponent)
    try:
        u, s, vt = svds(matrix, k, rng=generator)
    except ArpackError as error:
        raise ValueError(
            f"ARPACK finds no {k} leading singular values of {name} ({error}); "
            "give it as an array, or choose another rank"
        ) from error
    order = np.argsort(-s, kind="stable")
    return u[:, order], np.ldexp(s[order], exponent), vt[order]
