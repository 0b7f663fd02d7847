"""Samples X, Y as a regression takes them: as they are, or gathered where there are many.

With X^T = O R for an orthonormal O and a triangular R, the d_x columns of R^T and of Y O stand for
all samples: C, B, the singular values of X and the part of Y that X can fit are the same, and what
is left of Y has the norm `residual`. R grows block by block, so memory hangs on d_x and d_y only,
and unlike in sums of X X^T nothing is squared.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from scipy.linalg import lapack

from fixedrank._checks import Array
from fixedrank.losses.data import (
    checked_indices,
    dense_pair,
    digest_of,
    roots_of,
    sparse_pair,
    squared_norm_of,
    times_roots,
)

# Numbers in samples that are many, and in a block of them, and how many columns LAPACK eliminates
# at once. 2026-11: with two threads blocks of a fourth took 1.8 times as long, with one as long.
_MANY, _BLOCK, _PANEL = 1 << 20, 1 << 22, 64


class GivenSamples:
    """X and Y as they were handed in, with the roots of their weights if they have any."""

    def __init__(self, X: Any, Y: Any, roots: Array | None) -> None:
        self.X, self.Y, self.roots = X, Y, roots
        self.total = int(X.shape[1])

    def batch(self, indices: Any) -> GivenSamples:
        """Return some of the samples, with weights that make their sum that of all on the mean.

        Raises
        ------
        TypeError, ValueError
            If the indices are not numbers of some of them.
        """
        chosen = checked_indices(indices, self.total)
        X, Y = (matrix[:, chosen] for matrix in self._by_columns)
        roots = np.full(chosen.size, math.sqrt(self.total / chosen.size))
        if self.roots is not None:
            roots *= self.roots[chosen]
        return GivenSamples(X, Y, roots)

    def weighed(self, digest: str | None = None) -> Samples:
        """Return them times the roots of their weights, with a digest if there is one."""
        data, labels = times_roots(self.X, self.roots), times_roots(self.Y, self.roots)
        return Samples(data, labels, self.total, 0.0, digest or digest_of(data, labels), self)

    @cached_property
    def _by_columns(self) -> tuple[Any, Any]:
        """X and Y in the form of which columns are read fast."""
        X, Y = (M.tocsc() if scipy.sparse.issparse(M) else M for M in (self.X, self.Y))
        return X, Y


class Samples(NamedTuple):
    """Data X and labels Y times the roots of weights, or columns that stand for more of them.

    Attributes
    ----------
    data : ndarray or csr_array, shape (d_x, columns)
        X, or R^T.
    labels : ndarray or csr_array, shape (d_y, columns)
        Y, or Y O.
    total : int
        How many samples they stand for.
    residual : float
        The Frobenius norm of Y - Y O O^T; 0 of samples as they are.
    digest : str
        A hash of all samples.
    given : GivenSamples, optional
        The samples as they were handed in, each of them a column.
    """

    data: Any
    labels: Any
    total: int
    residual: float
    digest: str
    given: GivenSamples | None = None

    @property
    def sparse(self) -> bool:
        """Whether X or Y is sparse."""
        return scipy.sparse.issparse(self.data) or scipy.sparse.issparse(self.labels)

    @property
    def norm(self) -> float:
        """The Frobenius norm of Y, an array."""
        return math.hypot(float(np.linalg.norm(self.labels)), self.residual)

    @property
    def squared_norm(self) -> float:
        """The squared Frobenius norm of Y."""
        return squared_norm_of(self.labels) + self.residual * self.residual

    def on_range(self, basis: Array) -> Samples:
        """Return the samples E^T x, y for an orthonormal basis E of the range of X."""
        digest = hashlib.sha256(f"on the range: {self.digest}".encode()).hexdigest()
        return self._replace(data=basis.T @ self.data, digest=digest)


def samples_of(X: Any, Y: Any, sample_weight: Any = None) -> Samples:
    """Return samples that a user hands in.

    Raises
    ------
    TypeError, ValueError
        If X and Y are not finite real matrices with as many columns, or there is not one weight,
        at least 0, for each of these.
    """
    sparse = scipy.sparse.issparse(X) or scipy.sparse.issparse(Y)
    data, labels = sparse_pair(X, Y) if sparse else dense_pair(X, Y)
    count, roots = data.shape[1], roots_of(sample_weight, data.shape[1])
    given = GivenSamples(data, labels, roots)
    if not sparse and count > 2 * len(data) and data.size + labels.size > _MANY:
        triangle = _Triangle(len(data), len(labels))
        triangle.add(data, labels, roots)
        digest = digest_of(data, labels, *(() if roots is None else (roots,)))
        return Samples(*triangle.columns(), count, triangle.residual, digest, given)
    return given.weighed()


def gathered(parts: Iterable[Samples]) -> Samples:
    """Return what stands for all parts, which are read one after the other.

    Raises
    ------
    ValueError
        If there are none, or their shapes differ.
    """
    triangle, total, residual = None, 0, 0.0
    digest = hashlib.sha256()
    for index, part in enumerate(parts):
        sizes = len(part.data), len(part.labels)
        triangle = triangle or _Triangle(*sizes)
        if sizes != triangle.sizes:
            raise ValueError(
                f"all chunks need as many features and as many labels, but chunk {index} "
                f"has {sizes}, and those before {triangle.sizes}"
            )
        triangle.add(part.data, part.labels, None)
        total, residual = total + part.total, math.hypot(residual, part.residual)
        digest.update(part.digest.encode())
    if triangle is None:
        raise ValueError("there are no chunks: nothing to fit")
    data, labels = triangle.columns()
    residual = math.hypot(residual, triangle.residual)
    return Samples(data, labels, total, residual, digest.hexdigest())


class _Triangle:
    """The factor R of samples X^T = O R, with O^T Y^T and what of Y^T is orthogonal to O."""

    def __init__(self, features: int, outputs: int) -> None:
        self.sizes, self.residual = (features, outputs), 0.0
        self._upper = np.zeros((features, features), order="F")
        self._along = np.zeros((features, outputs), order="F")
        self._waiting: list[tuple[Array, Array]] = []

    def add(self, data: Array, labels: Array, roots: Array | None) -> None:
        """Take in samples, times the roots of their weights; small blocks wait for others."""
        size = _columns(data, labels)
        for start in range(0, data.shape[1], size):
            block = slice(start, start + size)
            some = None if roots is None else roots[block]
            parts = times_roots(data[:, block], some), times_roots(labels[:, block], some)
            if parts[0].shape[1] == size:
                self._eliminate(*parts)
            else:
                # Who hands in chunks may use the memory of one for the next.
                self._waiting.append((parts[0].copy(), parts[1].copy()))
                if sum(waiting.shape[1] for waiting, _ in self._waiting) >= size:
                    self._eliminate_waiting()

    def columns(self) -> tuple[Array, Array]:
        """Return R^T and Y O."""
        self._eliminate_waiting()
        return np.tril(self._upper.T), self._along.T

    def _eliminate_waiting(self) -> None:
        if self._waiting:
            data, labels = (np.hstack(parts) for parts in zip(*self._waiting, strict=True))
            self._waiting = []
            self._eliminate(data, labels)

    def _eliminate(self, data: Array, labels: Array) -> None:
        """Turn the rows (R; X^T) into (R; 0), and (O^T Y^T; Y^T) with them."""
        self._upper, reflectors, factors, _ = lapack.dtpqrt(
            0, min(_PANEL, len(data)), self._upper, data.T, overwrite_a=True
        )
        self._along, left, _ = lapack.dtpmqrt(
            0, reflectors, factors, self._along, labels.T, side="L", trans="T", overwrite_a=True
        )
        self.residual = math.hypot(self.residual, float(np.linalg.norm(left)))


def _columns(data: Array, labels: Array) -> int:
    """Return how many samples a block has."""
    return max(_PANEL, _BLOCK // (len(data) + len(labels)))
