"""Tangent vectors of M_k."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fixedrank._checks import Array, require_finite
from fixedrank.geometry.factored import tangent
from fixedrank.geometry.factored.points import FactorDirections, FixedRankTangentVector
from fixedrank.geometry.factored.tall import add_product, scaled_columns
from fixedrank.geometry.manifold.matrices import Matrices
from fixedrank.geometry.metric.hessians import rotations


class TangentSpaces(Matrices):
    """The tangent spaces of M_k, and the ways into and out of them."""

    def zero_vector(self, point: Any) -> FixedRankTangentVector:
        """Return the zero tangent vector at a point.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).

        Returns
        -------
        FixedRankTangentVector
            Zeros of shapes (m, k), (k, k), (n, k).

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> manifold.zero_vector(manifold.random_point(rng=0)).Vp.shape
        (3, 2)
        """
        return FixedRankTangentVector(
            np.zeros((self.m, self.k)), np.zeros((self.k, self.k)), np.zeros((self.n, self.k))
        )

    def tangent_to_matrix(self, point: Any, Z: Any) -> Array:
        """Return the dense m x n array of a tangent vector.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).
        Z : FixedRankTangentVector or tuple (Up, M, Vp)
            Tangent vector at W, arrays of shapes (m, k), (k, k), (n, k).

        Returns
        -------
        ndarray, shape (m, n)
            The matrix u M vt + Up vt + u Vp^T.

        Raises
        ------
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> point = manifold.random_point(rng=0)
        >>> manifold.tangent_to_matrix(point, manifold.zero_vector(point)).shape
        (4, 3)
        """
        matrix = tangent.to_matrix(self._point(point), self._tangent(Z))
        require_finite("the matrix", matrix)
        return matrix

    def projection(self, point: Any, vector: Any) -> FixedRankTangentVector:
        """Return the tangent vector nearest to an ambient matrix in the Frobenius norm.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W.
        vector : array, sparse array, LinearOperator, low-rank pair or triple; m x n
            The ambient matrix, of any kind that :meth:`point` takes. A FixedRankTangentVector, and
            the FactorDirections of :meth:`embedding`, stand for their matrix: the result is Z. A
            tuple (u, s, vt) of no type of its own is refused, as it could mean three things.

        Returns
        -------
        FixedRankTangentVector
            Its orthogonal projection to T_W.

        Raises
        ------
        TypeError, ValueError
            If the matrix is of an unknown kind, of another shape, or not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
        >>> manifold.projection(manifold.point(np.diag([3.0, 0.0])), np.eye(2)).M
        array([[1.]])
        """
        return finite(tangent.project(self._point(point), vector), "the ambient matrix")

    def to_tangent_space(self, point: Any, vector: Any) -> FixedRankTangentVector:
        """Return a triple (Up, M, Vp) with Up and Vp made orthogonal to U and V.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).
        vector : tuple (Up, M, Vp)
            Arrays of shapes (m, k), (k, k), (n, k), tangent up to round-off or not at all.

        Returns
        -------
        FixedRankTangentVector
            The vector without what Up and Vp had in the ranges of U and V.

        Raises
        ------
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
        >>> point = manifold.point(np.diag([3.0, 0.0]))
        >>> triple = (np.ones((2, 1)), np.ones((1, 1)), np.ones((2, 1)))
        >>> manifold.to_tangent_space(point, triple).Up
        array([[0.],
               [1.]])
        """
        return finite(
            tangent.retangentialise(self._point(point), self._tangent(vector)), "the vector"
        )

    def embedding(self, point: Any, tangent_vector: Any) -> FactorDirections:
        """Return directions (du, ds, dvt) of the factors along which W moves by Z.

        They have the shapes of the point, as automatic differentiation of cost(u, s, vt) needs
        them: du diag(s) vt + u diag(ds) vt + u diag(s) dvt = Z. For a cost of the product W,
        derivatives along them are derivatives along Z.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).
        tangent_vector : FixedRankTangentVector or tuple (Up, M, Vp)
            Tangent vector at W, arrays of shapes (m, k), (k, k), (n, k).

        Returns
        -------
        FactorDirections
            The directions (du, ds, dvt), arrays of shapes (m, k), (k,), (k, n).

        Raises
        ------
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> point = u, s, vt = manifold.random_point(rng=0)
        >>> Z = manifold.random_tangent_vector(point, rng=1)
        >>> du, ds, dvt = manifold.embedding(point, Z)
        >>> moved = (du * s) @ vt + (u * ds) @ vt + (u * s) @ dvt
        >>> bool(np.allclose(moved, manifold.tangent_to_matrix(point, Z)))
        True
        """
        u, s, vt = self._point(point)
        up, core, vp = self._tangent(tangent_vector)
        to_left, ds, to_right = rotations(s, core)
        du, dv = scaled_columns(up, 1 / s), scaled_columns(vp, 1 / s)
        add_product(du, u, to_left)
        add_product(dv, vt.T, to_right.T)
        finite(FixedRankTangentVector(du, core, dv), "the point or the tangent vector")
        return FactorDirections(du, ds, dv.T)

    def transport(
        self, point_a: Any, point_b: Any, tangent_vector_a: Any
    ) -> FixedRankTangentVector:
        """Return the vector transport of a tangent vector at a to b, by projection.

        Parameters
        ----------
        point_a, point_b : FixedRankPoint or tuple (u, s, vt)
            Two points, arrays of shapes (m, k), (k,), (k, n).
        tangent_vector_a : FixedRankTangentVector or tuple (Up, M, Vp)
            Tangent vector at the first, arrays of shapes (m, k), (k, k), (n, k).

        Returns
        -------
        FixedRankTangentVector
            The orthogonal projection of the vector to the tangent space at the second.

        Raises
        ------
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> a, b = manifold.random_point(rng=0), manifold.random_point(rng=1)
        >>> manifold.transport(a, b, manifold.random_tangent_vector(a, rng=2)).M.shape
        (2, 2)
        """
        return finite(
            tangent.transport(
                self._point(point_a), self._point(point_b), self._tangent(tangent_vector_a)
            ),
            "a point or the tangent vector",
        )


def finite(vector: FixedRankTangentVector, source: str) -> FixedRankTangentVector:
    """Return the vector if it is finite."""
    # NaN and infinity in any entry reach these sums.
    if not math.isfinite(vector.M.sum() + vector.Up.sum() + vector.Vp.sum()):
        raise ValueError(f"{source} has NaN or infinite values, or its products overflow")
    return vector
