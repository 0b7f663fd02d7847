"""Data X and labels Y, dense or sparse, as a regression takes them: checks, rank, digest."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from fixedrank._checks import Array, finite_array, require_finite
from fixedrank.geometry.factored.ambient import float64_matrix

# How many numbers are hashed at once, as far as rows allow.
_HASHED = 1 << 20


def dense_pair(X: Any, Y: Any) -> tuple[Array, Array]:
    """Return X and Y as finite float arrays with as many columns.

    Raises
    ------
    TypeError, ValueError
        If they are not; which condition fails.
    """
    return _matching(finite_array("X", X, 2), finite_array("Y", Y, 2))


def sparse_pair(X: Any, Y: Any) -> tuple[Any, Any]:
    """Return X and Y, of which at least one is sparse, as csr_arrays or float arrays.

    Raises
    ------
    TypeError, ValueError
        If they are not finite real matrices with as many columns, or their squares overflow.
    """
    data, labels = _matching(finite_matrix("X", X), finite_matrix("Y", Y))
    for name, matrix in (("X", data), ("Y", labels)):
        if not np.isfinite(squared_norm_of(matrix)):
            largest = np.abs(_entries(matrix)).max()
            raise ValueError(
                f"squares of {name} overflow: the largest entry is {largest:.1e}; scale the data"
            )
    return data, labels


def roots_of(sample_weight: Any, samples: int) -> Array | None:
    """Return the roots of the weights of samples, None where there are none.

    Raises
    ------
    TypeError, ValueError
        If there is not one finite weight of at least 0 for each sample, one of them positive.
    """
    if sample_weight is None:
        return None
    weights = finite_array("sample_weight", sample_weight, 1)
    if weights.shape != (samples,):
        raise ValueError(
            f"sample_weight must have an entry for each of the {samples} samples, got "
            f"{weights.size}"
        )
    if not (weights >= 0).all() or not weights.any():
        at = int(weights.argmin())
        raise ValueError(
            "sample_weight must be at least 0, and not 0 everywhere, but at index "
            f"{at} it is {weights[at]}"
        )
    return np.sqrt(weights)


def checked_indices(indices: Any, samples: int) -> NDArray[np.intp]:
    """Return the numbers of the samples of a batch.

    Raises
    ------
    TypeError, ValueError
        If they are not at least one whole number from 0 to `samples` - 1.
    """
    chosen = np.asarray(indices)
    if chosen.ndim != 1 or not chosen.size or chosen.dtype.kind not in "iu":
        raise TypeError(
            "indices must be the numbers of at least one sample, whole numbers in a row, got "
            f"{chosen.dtype} of shape {chosen.shape}; numpy.flatnonzero(mask) makes them of a mask"
        )
    if chosen.min() < 0 or chosen.max() >= samples:
        wrong = chosen[(chosen < 0) | (chosen >= samples)][0]
        raise ValueError(f"there are samples 0 to {samples - 1}, but indices has {wrong}")
    return chosen.astype(np.intp, copy=False)


def times_roots(matrix: Any, roots: Array | None) -> Any:
    """Return a matrix with its columns times the roots of the weights of samples."""
    if roots is None:
        return matrix
    if scipy.sparse.issparse(matrix):
        return scipy.sparse.csr_array(matrix @ scipy.sparse.diags_array(roots))
    return matrix * roots


def finite_matrix(name: str, matrix: Any) -> Any:
    """Return a finite real matrix, sparse as a csr_array without duplicates, else as an array."""
    if not scipy.sparse.issparse(matrix):
        return finite_array(name, matrix, 2)
    if matrix.ndim != 2:
        raise ValueError(f"{name} must have 2 axes, but has shape {matrix.shape}")
    result = scipy.sparse.csr_array(float64_matrix(name, matrix))
    if not result.has_canonical_format:
        result = result.copy()
        result.sum_duplicates()
    if not np.isfinite(result.data).all():
        require_finite(f"the stored entries of {name}", result.data)
    return result


def squared_norm_of(matrix: Any) -> float:
    """Return the squared Frobenius norm."""
    entries = _entries(matrix)
    with np.errstate(over="ignore"):
        return float(np.vdot(entries, entries))


def digest_of(*matrices: Any) -> str:
    """Return a hash of arrays and csr_arrays, which tells them from others."""
    found = hashlib.sha256(repr(tuple(matrix.shape for matrix in matrices)).encode())
    for matrix in matrices:
        sparse = scipy.sparse.issparse(matrix)
        indices = (matrix.indptr, matrix.indices) if sparse else ()
        for array in (*(part.astype(np.int64) for part in indices), _entries(matrix)):
            for part in np.array_split(array, array.size // _HASHED + 1):
                found.update(np.ascontiguousarray(part).data)
    return found.hexdigest()


def _entries(matrix: Any) -> Array:
    return matrix.data if scipy.sparse.issparse(matrix) else matrix


def _matching(data: Any, labels: Any) -> tuple[Any, Any]:
    if data.shape[1] != labels.shape[1]:
        raise ValueError(
            "X and Y must have one column a sample, as many in both, but have shapes "
            f"{data.shape} and {labels.shape}"
        )
    if 0 in data.shape or 0 in labels.shape:
        raise ValueError(f"X and Y must not be empty, got shapes {data.shape} and {labels.shape}")
    return data, labels
