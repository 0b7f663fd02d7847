"""Sums of ambient matrices of different kinds, such as sparse plus low-rank."""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank._aliases import AmbientLike
from fixedrank._checks import Array
from fixedrank._shown import some
from fixedrank.geometry.factored.ambient import (
    KINDS,
    BlockOperator,
    as_ambient,
    known_matrix,
    times,
    to_array,
    transposed_times,
)
from fixedrank.geometry.factored.points import (
    FactorDirections,
    FixedRankPoint,
    FixedRankTangentVector,
)

# Terms that are kept as they are, until a point makes them matrices.
_AT_A_POINT = (FixedRankTangentVector, FactorDirections)


class MatrixSum(BlockOperator):
    """The sum of m x n matrices of any kinds, such as a sparse one and one of low rank.

    Only the terms are kept: products with thin blocks are sums of the products of the terms. It
    is a SciPy LinearOperator, and serves wherever an ambient matrix does: as a gradient or a
    Hessian product of a problem of your own, in projections, and for best approximations of rank k.

    Parameters
    ----------
    *terms : array, sparse array, low-rank pair or triple, LinearOperator, point or MatrixSum
        At least one m x n matrix. A pair (L, R) stands for L R^T, a triple (L, S, R) for L S R^T, a
        FixedRankPoint for W. A FixedRankTangentVector or FactorDirections stand for their matrix
        where the sum is used at a point, such as in a projection.

    Attributes
    ----------
    terms : tuple
        The terms; those of a term that is a sum itself stand in its place.
    shape : tuple of int
        (m, n).

    Raises
    ------
    TypeError, ValueError
        If there is no term, or one is complex, of an unknown kind or of another shape than the
        first.

    Examples
    --------
    >>> import numpy as np, scipy.sparse, fixedrank
    >>> ones = np.ones((3, 1))
    >>> matrix = fixedrank.MatrixSum(scipy.sparse.eye_array(3), (-ones, ones))
    >>> matrix.toarray()
    array([[ 0., -1., -1.],
           [-1.,  0., -1.],
           [-1., -1.,  0.]])
    >>> fixedrank.FixedRank(3, 3, 1, depth=2).point(matrix).s
    array([2.])
    """

    terms: tuple[Any, ...]

    def __init__(self, *terms: AmbientLike) -> None:
        if not terms:
            raise ValueError("a sum of matrices needs at least one term")
        known: list[Any] = []
        shape: tuple[int, ...] = ()
        for i, term in enumerate(terms):
            try:
                parts, found = _parts(term)
                if len(found) != 2:
                    raise TypeError(f"an ambient matrix is {KINDS}; got the shape {found}")
                if found != (shape or found):
                    raise ValueError(f"the ambient matrix must have shape {shape}, got {found}")
            except (TypeError, ValueError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"term {i} of the sum: {error}") from error
            known.extend(parts)
            shape = found
        super().__init__((int(shape[0]), int(shape[1])))
        self.terms = tuple(known)

    def __repr__(self) -> str:
        kinds = some([type(term).__name__ for term in self.terms])
        return f"<{self.shape[0]}x{self.shape[1]} MatrixSum of {kinds}>"

    def at(self, point: FixedRankPoint | None) -> MatrixSum:
        """Return the sum in which tangent vectors are matrices, those at the point.

        Parameters
        ----------
        point : FixedRankPoint or None
            Where tangent vectors stand; needed if a term is one.

        Returns
        -------
        MatrixSum
            The sum.
        """
        if not any(isinstance(term, _AT_A_POINT) for term in self.terms):
            return self
        return MatrixSum(*(as_ambient(term, self.shape, point) for term in self.terms))

    def toarray(self) -> Array:
        """Return the dense m x n array.

        Returns
        -------
        ndarray, shape (m, n)
            The sum.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> fixedrank.MatrixSum(np.eye(2), ([[1.0], [0.0]], [[0.0], [1.0]])).toarray()
        array([[1., 1.],
               [0., 1.]])
        """
        return np.sum([to_array(term) for term in self.at(None).terms], axis=0)

    def _matmat(self, block: Array) -> Array:
        return _total([times(term, block) for term in self.at(None).terms])

    def _rmatmat(self, block: Array) -> Array:
        return _total([transposed_times(term, block) for term in self.at(None).terms])


def _total(parts: list[Array]) -> Array:
    result = parts[0]
    for part in parts[1:]:
        # Not in place: a term may return an array of its own.
        result = result + part
    return result


def _parts(term: Any) -> tuple[list[Any], tuple[int, ...]]:
    """Return the terms that a term adds, and its shape."""
    if isinstance(term, MatrixSum):
        return list(term.terms), term.shape
    if isinstance(term, FixedRankTangentVector):
        return [term], np.shape(term.Up)[:1] + np.shape(term.Vp)[:1]
    if isinstance(term, FactorDirections):
        return [term], np.shape(term.du)[:1] + np.shape(term.dvt)[1:]
    matrix = known_matrix(term)
    return [matrix], tuple(matrix.shape)
