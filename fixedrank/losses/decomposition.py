"""What dense data add to the moments: the loss without cancellation, and Q = B C^{-1/2}."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.linalg

from fixedrank._checks import Array, numerical_rank, round_off
from fixedrank.geometry.factored.stacks import squared_norms
from fixedrank.losses.samples import Samples

# Numbers in a block of rows, and in all blocks of several matrices that are multiplied together.
_BLOCK, _TOGETHER = 1 << 22, 1 << 15
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
    total: int
    digest: str

    @property
    def regular(self) -> bool:
        """Whether X X^T is invertible."""
        return self.axes.shape[0] == self.axes.shape[1]

    def samples(self) -> Samples:
        """Return columns that stand for the samples."""
        return Samples(self.half, self.labels, self.total, self.residual, self.digest)

    def loss(self, left: Array, right: Array) -> float:
        """Return the loss of W = left @ right.T."""
        return float(self.losses(left[None], (right.T @ self.half)[None])[0])

    def losses(self, left: Array, images: Array) -> Array:
        """Return the losses of stacked W with W half = left @ images, in blocks of rows."""
        count, (rows, columns) = len(left), self.labels.shape
        together = max(1, min(count, _TOGETHER // max(1, self.labels.size)))
        rows = min(rows, max(1, _BLOCK // max(1, columns)))
        squares, blocks = np.zeros(count), np.empty((together, rows, columns))
        for first in range(0, count, together):
            some = slice(first, first + together)
            for start in range(0, len(self.labels), rows):
                labels, factors = self.labels[start:][:rows], left[some, start:][:, :rows]
                misfit = blocks[: len(factors), : len(labels)]
                np.matmul(factors, images[some], out=misfit)
                misfit -= labels
                squares[some] += squared_norms(misfit)
        return (squares + self.residual * self.residual) / 2


def decomposed(samples: Samples) -> Decomposition:
    """Return the decomposition of samples, of their numerical rank."""
    data, labels, size = samples.data, samples.labels, max(samples.total, len(samples.data))
    axes, s, rows = _in_axes(data) or scipy.linalg.svd(data, full_matrices=False)
    rank, cutoff = numerical_rank(s, size)
    axes, rows = axes[:, :rank], rows[:rank]
    projected = labels @ rows.T
    misfit = float(np.linalg.norm(labels - projected @ rows))
    return Decomposition(
        axes=axes,
        scales=s[:rank],
        half=axes * s[:rank],
        labels=projected,
        residual=math.hypot(misfit, samples.residual),
        tolerance=round_off(max(size, len(labels)), samples.norm),
        singular_values=s,
        cutoff=cutoff,
        total=samples.total,
        digest=samples.digest,
    )


def range_of(samples: Samples) -> Array:
    """Return an orthonormal basis of the range of the data, of their numerical rank."""
    axes, s, _ = scipy.linalg.svd(samples.data, full_matrices=False)
    rank, _ = numerical_rank(s, max(samples.total, len(samples.data)))
    return np.asarray(axes[:, :rank])


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
