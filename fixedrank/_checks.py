"""Checks of what users hand in: each error says what was wrong, with sizes and values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

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
    """Return `value`, an array or whatever NumPy reads as one, as a float array.

    Raises
    ------
    TypeError
        If it is masked, sparse, complex, or holds text, dates or anything else but real numbers.
    """
    if type(value) is np.ndarray and value.dtype == np.float64:
        return value
    refuse_masked(name, value)
    kind = type(value).__name__
    if scipy.sparse.issparse(value):
        raise TypeError(f"{name} must be a dense array, got a {kind}: .toarray() makes it dense")
    if isinstance(value, LinearOperator) and not hasattr(value, "__array__"):
        raise TypeError(f"{name} must be an array, got a {kind}: a product with I makes it one")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(f"{name} must be an array of real numbers: {error}") from error
    if array.dtype.kind == "O":
        array = _numbers(name, array)
    if array.dtype.kind == "c":
        raise TypeError(f"{name} must be real, but has dtype {array.dtype}")
    # Types of others, such as bfloat16, are floating-point numbers if they go into float64.
    if array.dtype.kind not in "biuf" and not np.can_cast(array.dtype, np.float64):
        shown = f", such as {array.flat[0]!r}" if array.size else ""
        raise TypeError(
            f"{name} must be an array of real numbers, but has dtype {array.dtype}{shown}"
        )
    with np.errstate(over="ignore"):
        return np.asarray(array, dtype=np.float64)


def refuse_masked(name: str, value: Any) -> None:
    """Raise a TypeError if `value`, or an array in a list, has masked entries."""
    parts = value if isinstance(value, (list, tuple)) else ()
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError(
            f"{name} has {np.ma.count_masked(value)} masked entries, and masks are not kept: fill "
            "them by .filled(value), or give the masked matrix to MatrixCompletion(matrix), which "
            "leaves them out"
        )
    for part in parts:
        if isinstance(part, (list, tuple, np.ma.MaskedArray)):
            refuse_masked(name, part)


def _numbers(name: str, array: Any) -> Any:
    """Return an array of Python objects as one of floats or of complex numbers."""
    for entry in array.flat:
        if isinstance(entry, (str, bytes)):
            raise TypeError(
                f"{name} must be an array of real numbers, but holds the text {entry!r}"
            )
        if isinstance(entry, (complex, np.complexfloating)):
            return array.astype(np.complex128)
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{name} must be an array of real numbers: {error}") from error


def number_of_axes(value: Any) -> int:
    """Return the number of axes of an array of any kind, -1 of what is none."""
    try:
        return np.ndim(value)
    except (TypeError, ValueError, RuntimeError):
        return -1


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
