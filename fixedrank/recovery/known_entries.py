"""The forms in which known entries of a matrix, and their weights, are handed in."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from fixedrank._checks import finite_array, positive_integer, real_array, require_finite
from fixedrank.geometry.factored.ambient import float64_matrix
from fixedrank.recovery.entries import Indices

_LARGEST = np.iinfo(np.intp).max


def known_entries(matrix: Any) -> tuple[Any, Any, Any, Any]:
    """Return rows, columns and values of the known entries of a matrix, and its shape."""
    if scipy.sparse.issparse(matrix):
        stored = scipy.sparse.coo_array(float64_matrix("the matrix", matrix))
        _require_matrix(stored)
        require_finite("the stored entries of the matrix", stored.data)
        return *stored.coords, stored.data, stored.shape
    known, matrix = _unmasked(matrix)
    array = real_array("the matrix", matrix, missing=True)
    _require_matrix(array)
    if known is None:
        known = ~np.isnan(array)
    if not known.any():
        raise ValueError(f"no entry of the {array.shape} matrix is known: all are masked or NaN")
    require_finite("the known part of the matrix", np.where(known, array, 0))
    return *np.nonzero(known), array[known], array.shape


def _unmasked(matrix: Any) -> tuple[Any, Any]:
    """Return what is not masked, None where there is no mask, and a matrix that NumPy can read."""
    if isinstance(matrix, np.ma.MaskedArray):
        return ~np.ma.getmaskarray(matrix), matrix.data
    if hasattr(matrix, "to_numpy") and np.asarray(matrix).dtype == np.object_:
        # A data frame with types that have no NaN but a sign of their own for what is missing.
        return None, matrix.to_numpy(dtype=np.object_, na_value=np.nan)
    return None, matrix


def weights_at(matrix: Any, rows: Any, cols: Any, shape: tuple[int, int]) -> Any:
    """Return the weights of known entries, from a matrix that has one at each of them.

    Those that are masked are zero.
    """
    if matrix is None:
        return None
    if np.shape(matrix) != tuple(shape):
        raise ValueError(
            f"the weights of the known entries of a {tuple(shape)} matrix are a matrix of this "
            f"shape too, got the shape {np.shape(matrix)}"
        )
    if not scipy.sparse.issparse(matrix):
        unmasked, array = _unmasked(matrix)
        found = real_array("weights", array)[rows, cols]
        return found if unmasked is None else np.where(unmasked[rows, cols], found, 0)
    stored = scipy.sparse.csr_array(float64_matrix("weights", matrix), copy=True)
    stored.sum_duplicates()
    places = np.repeat(np.arange(shape[0]) * shape[1], np.diff(stored.indptr)) + stored.indices
    wanted = np.asarray(rows, dtype=np.intp) * shape[1] + cols
    at = np.minimum(np.searchsorted(places, wanted), places.size - 1)
    missing = np.flatnonzero(places[at] != wanted) if places.size else np.arange(wanted.size)
    if missing.size:
        pair = int(rows[missing[0]]), int(cols[missing[0]])
        raise ValueError(
            f"weights has no stored entry at {missing.size} of the {wanted.size} known entries, "
            f"such as {pair}: give each a weight, 0 to leave an entry out"
        )
    return stored.data[at]


def with_weight(weights: Any, *parts: Any) -> tuple[Any, ...]:
    """Return positive weights, and arrays of as many entries without those of weight zero.

    Raises
    ------
    TypeError, ValueError
        If weights are not finite numbers of at least 0, or none is positive.
    """
    if weights is None:
        return None, *parts
    checked = finite_array("weights", weights, 1)
    if (checked < 0).any():
        at = int(checked.argmin())
        raise ValueError(f"weights must be at least 0, but at index {at} it is {checked[at]}")
    if any(np.shape(part)[:1] != checked.shape for part in parts):
        sizes = ", ".join(str(np.shape(part)) for part in parts)
        raise ValueError(f"there must be a weight for each value, got {checked.size} for {sizes}")
    positive = checked > 0
    if positive.all():
        return checked, *parts
    if not positive.any():
        raise ValueError(f"all {checked.size} weights are 0: no value is known")
    return checked[positive], *(np.asarray(part)[positive] for part in parts)


def _require_matrix(array: Any) -> None:
    if array.ndim != 2:
        raise ValueError(
            "a single argument is the m x n matrix with its known entries (sparse, masked, or with "
            f"NaN elsewhere), but here its shape is {array.shape}"
        )


def without_masked(*parts: Any) -> tuple[Any, ...]:
    """Return arrays of one shape, or None, without the entries that are masked in one of them."""
    arrays = [part for part in parts if part is not None]
    masks = [np.ma.getmaskarray(part) for part in arrays if isinstance(part, np.ma.MaskedArray)]
    if not masks or len({np.shape(part) for part in arrays}) > 1:
        return parts
    known = ~np.logical_or.reduce(masks)
    return tuple(None if part is None else np.asarray(part)[known] for part in parts)


def checked_shape(shape: Any) -> tuple[int, int]:
    """Return the shape (m, n) of W as integers."""
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise TypeError(f"shape must be a tuple (m, n), got {shape!r}")
    m, n = (positive_integer(f"shape[{i}]", size) for i, size in enumerate(shape))
    if m > _LARGEST // n:
        raise ValueError(f"{m} x {n} entries are more than can be numbered, {_LARGEST}")
    return m, n


def indices(name: str, values: Any, end: int) -> Indices:
    """Return positions along one axis of a matrix, integers below its size `end`."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must have 1 axis, but has shape {array.shape}")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        labels = f": codes, labels = pandas.factorize({name}) numbers labels from 0"
        raise TypeError(
            f"{name} must be integers, but has dtype {array.dtype}"
            + (labels if array.dtype.kind in "OSTUMm" else "")
        )
    outside = np.flatnonzero((array < 0) | (array >= end))
    if outside.size:
        raise ValueError(
            f"{name} must lie between 0 and {end - 1}, but {outside.size} do not, the first at "
            f"index {outside[0]}: {array[outside[0]]}"
        )
    return array.astype(np.intp)
