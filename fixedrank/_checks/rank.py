"""The numerical rank, and the error of a matrix whose rank is too low."""

from __future__ import annotations

import numpy as np

from fixedrank._checks.arrays import Array

_EPS = float(np.finfo(float).eps)


def round_off(size: int, largest: float) -> float:
    """Return up to what singular values of a matrix with this norm count as zero.

    Sums of `size` terms, its rows or columns, are rounded in each of them: by so much a
    decomposition moves all singular values alike, as numpy.linalg.matrix_rank assumes too.
    """
    return size * _EPS * largest


def numerical_rank(values: Array, size: int, largest: float | None = None) -> tuple[int, float]:
    """Return how many of the descending singular values exceed round-off, and round-off.

    It is that of the largest one, unless they are those of a part of a larger matrix.
    """
    tolerance = round_off(size, float(values[0]) if largest is None else largest)
    return int((values > tolerance).sum()), tolerance


class RankLostError(ValueError):
    """A matrix has a lower rank than the manifold asks for.

    Raised where a step leaves the manifold M_k through its boundary, or where a
    matrix of too low a rank is handed in.

    Parameters
    ----------
    message : str
        What happened.
    singular_values : ndarray
        The singular values that were found, descending.
    tolerance : float
        At or below this value a singular value counts as zero.

    Examples
    --------
    >>> import fixedrank
    >>> manifold = fixedrank.FixedRank(3, 3, 2, depth=2)
    >>> try:
    ...     manifold.point([[2, 0, 0], [0, 0, 0], [0, 0, 0]])
    ... except fixedrank.RankLostError as error:
    ...     print(error.singular_values)
    [2. 0.]
    """

    def __init__(self, message: str, singular_values: Array, tolerance: float) -> None:
        self.message = message
        self.singular_values = singular_values
        self.tolerance = tolerance
        shown = np.array2string(np.asarray(singular_values), precision=3, threshold=8)
        super().__init__(f"{message} (singular values {shown}, tolerance {tolerance:.2e})")

    def __reduce__(self) -> tuple[type[RankLostError], tuple[str, Array, float]]:
        return type(self), (self.message, self.singular_values, self.tolerance)
