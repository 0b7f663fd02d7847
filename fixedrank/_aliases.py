"""Names for the types of public signatures."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import LinearOperator

_Floats: TypeAlias = NDArray[np.floating[Any]]

# A point (u, s, vt) of shapes (m, k), (k,), (k, n): a FixedRankPoint, or any such tuple.
PointLike: TypeAlias = tuple[_Floats, _Floats, _Floats]

# A tangent vector (Up, M, Vp) of shapes (m, k), (k, k), (n, k): a FixedRankTangentVector, or any
# such tuple.
TangentLike: TypeAlias = tuple[_Floats, _Floats, _Floats]

# An m x n matrix: an array, a sparse one, a pair (L, R) for L R^T, a triple (L, S, R) for L S R^T,
# a LinearOperator (of which MatrixSum is one), a FixedRankPoint or, at a point, a tangent vector.
AmbientLike: TypeAlias = (
    ArrayLike | tuple[_Floats, ...] | scipy.sparse.sparray | scipy.sparse.spmatrix | LinearOperator
)
