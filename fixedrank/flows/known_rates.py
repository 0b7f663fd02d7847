"""Rates of a linearised flow that are at hand as a matrix, for the test for rest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array


class KnownRates(LinearOperator):
    """Rates as a matrix, with the noise of the differences that it is made of.

    Parameters
    ----------
    products : callable
        Returns the products with the rows of an array, as rows.
    size : int
        The number of rows.
    """

    def __init__(self, products: Callable[[Array], Array], size: int) -> None:
        super().__init__(np.float64, (size, size))
        pair = np.random.default_rng(0).standard_normal((2, size))
        pair /= np.linalg.norm(pair, axis=1, keepdims=True)
        images = products(np.concatenate((np.eye(size), pair, pair.sum(0, keepdims=True))))
        matrix, (first, second, both) = images[:size], images[size:]
        self.matrix = (matrix + matrix.T) / 2
        defect = float(np.linalg.norm(both - first - second))
        # As that of an operator by differences is found: by how far it is from additive.
        self.noise = max(defect, float(np.finfo(float).eps) * float(np.linalg.norm(both)))

    def _matvec(self, vector: Array) -> Array:
        return self.matrix @ np.ravel(vector)
