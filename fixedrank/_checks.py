"""Checks of what users hand in: each error says what was wrong, with sizes and values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Seed = np.random.Generator | int | None


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


def real_array(name: str, value: Any) -> Array:
    """Return `value` as a float array."""
    if type(value) is np.ndarray and value.dtype == np.float64:
        return value
    if np.iscomplexobj(value):
        raise TypeError(f"{name} must be real, but has dtype {np.asarray(value).dtype}")
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be an array of real numbers: {error}") from error


def finite_array(name: str, value: Any, ndim: int) -> Array:
    """Return `value` as a float array with `ndim` axes, all of it finite."""
    array = real_array(name, value)
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, but has shape {array.shape}")
    require_finite(name, array)
    return array


def require_finite(name: str, array: Array) -> None:
    """Raise a ValueError that counts and locates the entries that are NaN or infinite."""
    finite = np.isfinite(array)
    if not finite.all():
        bad = np.argwhere(~finite)
        first = tuple(int(i) for i in bad[0])
        raise ValueError(
            f"{name} has {len(bad)} entries that are NaN or infinite, "
            f"the first at index {first}: {array[first]}"
        )


def positive_integer(name: str, value: Any) -> int:
    """Return `value` as an int of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value)


def real_depth(depth: Any) -> float:
    """Return the depth N, a real number of at least 1 or infinity."""
    if isinstance(depth, bool) or not isinstance(depth, (int, float, np.integer, np.floating)):
        raise TypeError(f"depth must be a real number N >= 1 or math.inf, got {depth!r}")
    number = float(depth)
    if math.isnan(number) or number < 1:
        raise ValueError(f"depth must be a real number N >= 1 or math.inf, got {depth!r}")
    return number


def integer_sequence(name: str, values: Sequence[int]) -> list[int]:
    """Return `values` as a list of positive integers."""
    return [positive_integer(f"{name}[{i}]", value) for i, value in enumerate(values)]
