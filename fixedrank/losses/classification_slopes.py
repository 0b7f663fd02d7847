"""The matrix E X^T of slopes E with respect to scores W X: the gradient, or how it moves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.ambient import BlockOperator


class Slopes(BlockOperator):
    """The matrix E X^T, of which thin products are formed."""

    def __init__(self, slopes: Array, X: Any) -> None:
        super().__init__((slopes.shape[0], X.shape[0]))
        self.slopes, self.X = slopes, X

    def _matmat(self, block: Array) -> Array:
        return np.asarray(self.slopes @ (self.X.T @ block))

    def _rmatmat(self, block: Array) -> Array:
        return np.asarray(self.X @ (self.slopes.T @ block))

    def toarray(self) -> Array:
        """Return the dense K x d_x array."""
        return np.asarray((self.X @ self.slopes.T).T)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.toarray(), dtype=dtype)


def spectral_norm(slopes: Array, X: Any) -> float:
    """Return the spectral norm of E X^T by the smaller of its Gram matrices, in blocks.

    Of slopes of moderate size; X, which is squared, is taken in a unit of its size.
    """
    unit = math.ldexp(1.0, math.frexp(float(abs(X).max()))[1] - 1)
    near, far = (slopes, X / unit) if slopes.shape[0] <= X.shape[0] else (X / unit, slopes)
    gram, size = np.zeros((near.shape[0],) * 2), max(1, near.shape[0])
    for start in range(0, far.shape[0], size):
        part = np.asarray(near @ far[start : start + size].T)
        gram += part @ part.T
    return unit * math.sqrt(max(float(np.linalg.eigvalsh(gram)[-1]), 0.0))
