"""The gradient W C - B at a matrix W of low rank, as an operator."""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.ambient import BlockOperator, to_array, transposed_times


class RegressionGradient(BlockOperator):
    """The gradient W C - B at W = left @ right.T, of which thin products cost no m x n array."""

    def __init__(self, left: Array, right: Array, C: Any, B: Any) -> None:
        super().__init__((left.shape[0], right.shape[0]))
        self.left, self.right, self.C, self.B = left, right, C, B

    def _matmat(self, block: Array) -> Array:
        return np.asarray(self.left @ (self.right.T @ (self.C @ block)) - self.B @ block)

    def _rmatmat(self, block: Array) -> Array:
        inner = self.right @ (self.left.T @ block)
        return np.asarray(self.C @ inner - transposed_times(self.B, block))

    def toarray(self) -> Array:
        """Return the dense m x n array."""
        return self.left @ (self.C @ self.right).T - to_array(self.B)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.toarray(), dtype=dtype)
