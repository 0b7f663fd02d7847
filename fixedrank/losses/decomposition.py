"""What dense data add to the moments: the loss without cancellation, and Q = B C^{-1/2}."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg

from fixedrank._checks import Array, numerical_rank, round_off

_BLOCK = 1 << 22
# Rows of length one that a decomposition made are orthogonal up to some ten ulps.
_ORTHOGONAL = 64 * float(np.finfo(float).eps)


class Decomposition(NamedTuple):
    """X = axes diag(scales) rows^T, of rank r, and what of Y it can fit.

    Half of ||W half - labels||^2 + residual^2 is the loss, with half = axes diag(scales) and
    labels = Y rows: C = half half^T, and B = labels half^T.
    """

    axes: Array
    scales: Array
    half: Array
    labels: Array
    residual: float
    tolerance: float
    singular_values: Array
    cutoff: float

    @property
    def regular(self) -> bool:
        """Whether X X^T is invertible."""
        return self.axes.shape[0] == self.axes.shape[1]

    def loss(self, left: Array, right: Array) -> float:
        """Return the loss of W = left @ right.T, in blocks of rows."""
        images, rows, squares = right.T @ self.half, max(1, _BLOCK // len(self.half)), 0.0
        for start in range(0, left.shape[0], rows):
            block = left[start : start + rows] @ images
            block -= self.labels[start : start + rows]
            squares += float(np.vdot(block, block))
        return (squares + self.residual**2) / 2


def decomposed(data: Array, labels: Array) -> Decomposition:
    """Return the decomposition of data, of their numerical rank."""
    axes, s, rows = _in_axes(data) or scipy.linalg.svd(data, full_matrices=False)
    rank, cutoff = numerical_rank(s, max(data.shape))
    axes, rows = axes[:, :rank], rows[:rank]
    projected = labels @ rows.T
    return Decomposition(
        axes=axes,
        scales=s[:rank],
        half=axes * s[:rank],
        labels=projected,
        residual=float(np.linalg.norm(labels - projected @ rows)),
        tolerance=round_off(max(*data.shape, *labels.shape), float(np.linalg.norm(labels))),
        singular_values=s,
        cutoff=cutoff,
    )


def range_of(data: Array) -> Array:
    """Return an orthonormal basis of the range of data, of their numerical rank."""
    axes, s, _ = scipy.linalg.svd(data, full_matrices=False)
    return np.asarray(axes[:, : numerical_rank(s, max(data.shape))[0]])


def _in_axes(data: Array) -> tuple[Array, Array, Array] | None:
    """Return the thin SVD of data whose rows are orthogonal, in their own axes, or None."""
    lengths = np.sqrt(np.einsum("ij,ij->i", data, data))
    if not lengths.all():
        return None
    # The first two rows tell at once of nearly all other data.
    if (np.abs(data[:1] @ data[1:2].T) > _ORTHOGONAL * lengths[:1] * lengths[1:2]).any():
        return None
    order = np.argsort(-lengths, kind="stable")
    rows = (data / lengths[:, None])[order]
    one = np.eye(lengths.size)
    orthogonal = np.abs(rows @ rows.T - one).max() <= _ORTHOGONAL
    return (one[:, order], lengths[order], rows) if orthogonal else None
