"""Names for the types of public signatures.

They say what a function takes. Where it may be anything, as the point of any pymanopt manifold or
the further options of an integrator, the signature says `Any`.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Protocol, SupportsFloat, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array

__all__ = ["AmbientLike", "LossLike", "PointLike", "TangentLike"]

_Floats: TypeAlias = NDArray[np.floating[Any]]

# A point (u, s, vt) of shapes (m, k), (k,), (k, n): a FixedRankPoint, or any such tuple.
PointLike: TypeAlias = tuple[_Floats, _Floats, _Floats]

# A tangent vector (Up, M, Vp) of shapes (m, k), (k, k), (n, k): a FixedRankTangentVector, or any
# such tuple.
TangentLike: TypeAlias = tuple[_Floats, _Floats, _Floats]

# Data, or a matrix that is kept as it is: an array, or a sparse one.
DataLike: TypeAlias = ArrayLike | scipy.sparse.sparray | scipy.sparse.spmatrix

# An m x n matrix: an array, a sparse one, a pair (L, R) for L R^T, a triple (L, S, R) for L S R^T,
# a LinearOperator (of which MatrixSum is one), a FixedRankPoint or, at a point, a tangent vector.
AmbientLike: TypeAlias = DataLike | tuple[_Floats, ...] | LinearOperator

# The layers [W_1, ..., W_N] of a network.
LayersLike: TypeAlias = Sequence[ArrayLike]

# A file.
FileLike: TypeAlias = str | PathLike[str]


class LossLike(Protocol):
    """A Loss, or an object of any class with these two methods."""

    def loss(self, W: tuple[Array, Array, Array], /) -> SupportsFloat:
        """Return the loss at a matrix.

        Parameters
        ----------
        W : tuple (u, s, vt)
            The matrix (u * s) @ vt; trailing singular values may be zero.

        Returns
        -------
        float
            The loss.
        """

    def gradient(self, W: tuple[Array, Array, Array], /) -> AmbientLike:
        """Return the Euclidean gradient at a matrix.

        Parameters
        ----------
        W : tuple (u, s, vt)
            The matrix.

        Returns
        -------
        array, sparse array, pair, triple, LinearOperator or MatrixSum
            The m x n gradient.
        """
