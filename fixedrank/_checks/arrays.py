"""Checks of arrays that users hand in: of what they hold, their axes, and that it is finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

Array = NDArray[np.float64]


def real_array(name: str, value: Any, *, missing: bool = False) -> Array:
    """Return `value`, an array or whatever NumPy reads as one, as a float array.

    With `missing` None stands for what is not known, and is NaN.

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
        array = _numbers(name, array, missing)
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


def _numbers(name: str, array: Any, missing: bool) -> Any:
    """Return an array of Python objects as one of floats or of complex numbers."""
    for entry in array.flat:
        if isinstance(entry, (str, bytes)):
            raise TypeError(
                f"{name} must be an array of real numbers, but holds the text {entry!r}"
            )
        if entry is None and not missing:
            # NumPy would make it NaN.
            raise TypeError(f"{name} must be an array of real numbers, but holds None")
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
