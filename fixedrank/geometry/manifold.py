"""The manifold M_k with the depth-N metric g_W, for pymanopt."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import Array, Seed, positive_integer, real_depth, require_finite
from fixedrank.geometry import retraction, tangent
from fixedrank.geometry.gradients import from_factor_derivative
from fixedrank.geometry.operator import DepthOperator, require_metric
from fixedrank.geometry.orthonormal import orthonormal_columns
from fixedrank.geometry.points import (
    FixedRankPoint,
    FixedRankTangentVector,
    as_point,
    as_tangent,
    checked_point,
    is_triple,
)
from fixedrank.geometry.spectrum import normal_weights, tangential_weights


class FixedRank(Manifold):
    r"""Real m x n matrices of rank k with the depth-N metric of deep linear networks.

    On the manifold M_k the metric is :math:`g_W(Z_1, Z_2) = \langle
    \mathcal{A}_{W,N}^{-1}(Z_1), Z_2 \rangle_F` (equation (8) and Theorem 3), where A_{W,N} is the
    operator (7). Its gradient flow (9) is what gradient flow (5) on the layers of a balanced
    linear network of depth N does to their product W. At N = 1 it is the embedded metric, that of
    :class:`pymanopt.manifolds.FixedRankEmbedded`, whose place this class can take in any code.

    Points are tuples ``(u, s, vt)`` with W = u diag(s) vt, tangent vectors are tuples
    ``(Up, M, Vp)`` with Z = u M vt + Up vt + u Vp^T, as in pymanopt. Every operation costs
    O((m + n) k^2 + k^3) and forms no m x n array.

    Parameters
    ----------
    m, n : int
        Numbers of rows and columns.
    k : int
        The rank, 1 <= k <= min(m, n).
    depth : float
        The depth N: any real number >= 1, or ``math.inf`` for the limit of N g, which exists for
        k = m = n only.

    Attributes
    ----------
    m, n, k : int
        Sizes and rank.
    depth : float
        The depth N. The dimension (m + n - k) k is ``dim``.

    Raises
    ------
    TypeError, ValueError
        If sizes are not positive integers, k > min(m, n), N < 1, or N is infinite where
        the metric does not exist. All methods raise ValueError where parts of a point or
        vector have wrong shapes, or NaN or infinite values come in.

    References
    ----------
    Theorem 3 and equation (8) of the paper; B. Vandereycken, Low-rank matrix completion by
    Riemannian optimization, SIAM J. Optim. 23 (2013), for the embedded geometry.

    Examples
    --------
    >>> import autograd.numpy as anp, numpy as np, pymanopt, fixedrank
    >>> A = np.diag([3.0, 2.0, 1.0])
    >>> manifold = fixedrank.FixedRank(3, 3, 2, depth=2)
    >>> @pymanopt.function.autograd(manifold)
    ... def cost(u, s, vt):
    ...     return 0.5 * anp.sum(((u * s) @ vt - A) ** 2)
    >>> solver = pymanopt.optimizers.ConjugateGradient(verbosity=0)
    >>> start = manifold.random_point(rng=0)
    >>> result = solver.run(pymanopt.Problem(manifold, cost), initial_point=start)
    >>> np.round(result.point.s, 4)
    array([3., 2.])
    """

    def __init__(self, m: int, n: int, k: int, *, depth: float) -> None:
        self.m, self.n, self.k = (
            positive_integer(name, value) for name, value in (("m", m), ("n", n), ("k", k))
        )
        if self.k > min(self.m, self.n):
            raise ValueError(f"the rank k = {k} exceeds min(m, n) = min({m}, {n}) = {min(m, n)}")
        self.depth = real_depth(depth)
        require_metric(self.m, self.n, self.k, self.depth)
        super().__init__(
            f"Manifold of {m}x{n} matrices of rank {k} with the depth-{self.depth:g} metric",
            (self.m + self.n - self.k) * self.k,
            point_layout=3,
        )

    def __repr__(self) -> str:
        return f"FixedRank({self.m}, {self.n}, {self.k}, depth={self.depth:g})"

    # Between matrices and their factors

    def point(self, W: Any) -> FixedRankPoint:
        """Return the best rank-k approximation of a matrix as a point.

        Parameters
        ----------
        W : array_like, sparse array, LinearOperator, or low-rank pair; m x n
            The matrix. A pair (L, R) of an m x r and an n x r array stands for L R^T, a triple
            (L, S, R) of arrays with two axes for L S R^T.

        Returns
        -------
        FixedRankPoint
            Its truncated singular value decomposition, singular values descending.

        Raises
        ------
        RankLostError
            If the rank of W is below k.
        TypeError, ValueError
            If W is not a finite m x n matrix.

        Examples
        --------
        >>> import fixedrank
        >>> fixedrank.FixedRank(2, 3, 1, depth=2).point([[3, 0, 0], [0, 1, 0]]).s
        array([3.])
        """
        return retraction.nearest_point(W, self.m, self.n, self.k)

    def to_matrix(self, point: Any) -> Array:
        """Return the dense m x n array W = u diag(s) vt of a point.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).

        Returns
        -------
        ndarray, shape (m, n)
            The matrix W.

        Raises
        ------
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
        >>> manifold.to_matrix(manifold.point(np.diag([3.0, 1.0])))
        array([[3., 0.],
               [0., 0.]])
        """
        u, s, vt = self._point(point)
        matrix = np.asarray((u * s) @ vt)
        require_finite("the matrix", matrix)
        return matrix

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

    def check_point(self, point: Any) -> FixedRankPoint:
        """Return the point if it is one of this manifold, else raise what is wrong with it.

        Parameters
        ----------
        point : tuple (u, s, vt)
            What should be a point, arrays of shapes (m, k), (k,), (k, n).

        Returns
        -------
        FixedRankPoint
            The same point.

        Raises
        ------
        TypeError, ValueError
            Which condition fails (shapes, finiteness, positive singular values,
            orthonormality), and by how much.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> manifold.check_point(manifold.random_point(rng=0)).u.shape
        (4, 2)
        """
        return self._point(checked_point(point))

    def operator(self, point: Any) -> DepthOperator:
        """Return the operator A_{W,N} at a point, the inverse of the metric.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).

        Returns
        -------
        DepthOperator
            The operator, at the depth of this manifold.

        Raises
        ------
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> manifold.operator(manifold.random_point(rng=0))
        <DepthOperator of depth 2 at a 4x3 matrix of rank 2>
        """
        return DepthOperator(self._point(point), self.depth)

    # The metric

    def inner_product(self, point: Any, tangent_vector_a: Any, tangent_vector_b: Any) -> float:
        """Return g_W(a, b), the closed form of equation (8).

        Entry (i, j) of M is divided by c_ij, the sum over l < N of p_i^(N-1-l) p_j^l with
        p = s^(2/N), and column j of Up and Vp by s_j^(2-2/N).

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).
        tangent_vector_a, tangent_vector_b : FixedRankTangentVector or tuple (Up, M, Vp)
            Tangent vectors at W, arrays of shapes (m, k), (k, k), (n, k).

        Returns
        -------
        float
            The inner product.

        Raises
        ------
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(1, 1, 1, depth=3)
        >>> point, Z = (
        ...     manifold.point([[8.0]]),
        ...     (np.zeros((1, 1)), np.ones((1, 1)), np.zeros((1, 1))),
        ... )
        >>> round(1 / manifold.inner_product(point, Z, Z), 9)  # N s^(2 - 2/N)
        48.0
        """
        s = self._point(point).s
        a, b = self._tangent(tangent_vector_a), self._tangent(tangent_vector_b)
        if self.depth == 1:
            value = np.vdot(a.M, b.M) + np.vdot(a.Up, b.Up) + np.vdot(a.Vp, b.Vp)
        else:
            value = np.vdot(a.M / tangential_weights(s, self.depth), b.M)
            if not math.isinf(self.depth):
                normal = np.einsum("ij,ij->j", a.Up, b.Up)
                normal += np.einsum("ij,ij->j", a.Vp, b.Vp)
                value += (normal / normal_weights(s, self.depth)).sum()
        if not math.isfinite(value):
            raise ValueError(
                f"the inner product is {value}: NaN, infinite or overflowing values in the point "
                f"(singular values {s.min():.3e} to {s.max():.3e}) or the tangent vectors"
            )
        return float(value)

    def norm(self, point: Any, tangent_vector: Any) -> float:
        """Return the length of a tangent vector in the depth-N metric.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).
        tangent_vector : FixedRankTangentVector or tuple (Up, M, Vp)
            Tangent vector at W, arrays of shapes (m, k), (k, k), (n, k).

        Returns
        -------
        float
            The square root of g_W(Z, Z).

        Raises
        ------
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> point = manifold.random_point(rng=0)
        >>> round(manifold.norm(point, 3 * manifold.random_tangent_vector(point, rng=1)), 12)
        3.0
        """
        return math.sqrt(self.inner_product(point, tangent_vector, tangent_vector))

    # Tangent vectors

    def projection(self, point: Any, vector: Any) -> FixedRankTangentVector:
        """Return the tangent vector nearest to an ambient matrix in the Frobenius norm.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W.
        vector : array, sparse array, LinearOperator, low-rank pair or triple; m x n
            The ambient matrix, of any kind that :meth:`point` takes.

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
        return _finite(tangent.project(self._point(point), vector), "the ambient matrix")

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
        return _finite(
            tangent.retangentialise(self._point(point), self._tangent(vector)), "the vector"
        )

    def embedding(self, point: Any, tangent_vector: Any) -> tuple[Array, Array, Array]:
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
        tuple of ndarray, shapes (m, k), (k,), (k, n)
            The directions du, ds, dvt.

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
        # Each off-diagonal entry of M goes where it is divided by the larger singular value.
        larger = np.maximum.outer(s, s)
        quotient = core / larger
        np.fill_diagonal(quotient, 0)
        to_left = s[:, None] < s
        to_left |= np.tril(s[:, None] == s)
        du = u @ np.where(to_left, quotient, 0) + up / s
        dvt = np.where(to_left, 0, quotient) @ vt + (vp / s).T
        _finite(FixedRankTangentVector(du, core, dvt), "the point or the tangent vector")
        return du, np.diagonal(core).copy(), dvt

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

    # Gradients

    def euclidean_to_riemannian_gradient(
        self, point: Any, euclidean_gradient: Any
    ) -> FixedRankTangentVector:
        r"""Return the Riemannian gradient A_{W,N}(G) from a Euclidean gradient G.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W.
        euclidean_gradient : tuple (du, ds, dvt) or ambient matrix
            The derivatives of a cost(u, s, vt), arrays of shapes (m, k), (k,), (k, n), as
            automatic differentiation gives them; or the m x n matrix G itself, of any kind that
            :meth:`point` takes, of which only products with m x k and n x k blocks are formed.

        Returns
        -------
        FixedRankTangentVector
            The gradient :math:`\nabla^g f(W) = \mathcal{A}_{W,N}(\nabla f(W))`. No
            inverse of a singular value is formed for N >= 2, none of a difference where
            the cost is a function of the product W.

        Raises
        ------
        TypeError, ValueError
            If shapes are wrong or values not finite; or where a cost that is not a function of
            the product alone leaves the gradient undetermined (tied singular values).

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
        >>> point = manifold.point(np.diag([3.0, 0.0]))
        >>> manifold.euclidean_to_riemannian_gradient(point, np.eye(2)).M
        array([[6.]])
        """
        checked = self._point(point)
        if is_triple(euclidean_gradient):
            return from_factor_derivative(checked, euclidean_gradient, self.depth)
        gradient = tangent.project(checked, euclidean_gradient)
        if self.depth != 1:
            normal = normal_weights(checked.s, self.depth)
            gradient = FixedRankTangentVector(
                gradient.Up * normal,
                gradient.M * tangential_weights(checked.s, self.depth),
                gradient.Vp * normal,
            )
        return _finite(gradient, "the Euclidean gradient")

    # Moving

    def retraction(self, point: Any, tangent_vector: Any) -> FixedRankPoint:
        """Return the point of M_k nearest to W + Z in the Frobenius norm.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).
        tangent_vector : FixedRankTangentVector or tuple (Up, M, Vp)
            Tangent vector at W, arrays of shapes (m, k), (k, k), (n, k).

        Returns
        -------
        FixedRankPoint
            The new point, orthonormal to round-off, singular values descending.

        Raises
        ------
        RankLostError
            If the rank of W + Z is below k to round-off.
        ValueError
            If NaN or infinite values come in, or shapes are wrong.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
        >>> point = manifold.point(np.diag([3.0, 0.0]))
        >>> Z = manifold.projection(point, np.diag([1.0, 0.0]))
        >>> manifold.retraction(point, Z).s
        array([4.])
        """
        return retraction.retract(self._point(point), self._tangent(tangent_vector))

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
        return _finite(
            tangent.transport(
                self._point(point_a), self._point(point_b), self._tangent(tangent_vector_a)
            ),
            "a point or the tangent vector",
        )

    # Randomness

    def random_point(self, *, rng: Seed = None) -> FixedRankPoint:
        """Return a random point: Haar distributed u and vt, s uniform in (0, 1], sorted.

        Parameters
        ----------
        rng : numpy.random.Generator, int or None
            The generator, a seed, or None for fresh entropy.

        Returns
        -------
        FixedRankPoint
            The point.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> bool((manifold.random_point(rng=0).s == manifold.random_point(rng=0).s).all())
        True
        """
        generator = np.random.default_rng(rng)
        return FixedRankPoint(
            orthonormal_columns(generator.standard_normal((self.m, self.k))),
            np.sort(1 - generator.random(self.k))[::-1].copy(),
            orthonormal_columns(generator.standard_normal((self.n, self.k))).T.copy(),
        )

    def random_tangent_vector(self, point: Any, *, rng: Seed = None) -> FixedRankTangentVector:
        """Return a tangent vector drawn uniformly from the unit sphere of the depth-N metric.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W.
        rng : numpy.random.Generator, int or None
            The generator, a seed, or None for fresh entropy.

        Returns
        -------
        FixedRankTangentVector
            A vector of length 1.

        Raises
        ------
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> point = manifold.random_point(rng=0)
        >>> round(manifold.norm(point, manifold.random_tangent_vector(point, rng=1)), 12)
        1.0
        """
        checked = self._point(point)
        generator = np.random.default_rng(rng)
        # In this order, so that the seed that drew the point does not draw its U again as Up.
        core = generator.standard_normal((self.k, self.k))
        vp = generator.standard_normal((self.n, self.k))
        up = generator.standard_normal((self.m, self.k))
        up, core, vp = tangent.retangentialise(checked, (up, core, vp))
        # Gaussian in the metric: the square root of A maps the Frobenius sphere to that of g.
        length = math.sqrt(np.vdot(up, up) + np.vdot(core, core) + np.vdot(vp, vp))
        if not math.isfinite(length):
            raise ValueError("the point has NaN or infinite values")
        normal = np.sqrt(normal_weights(checked.s, self.depth)) / length
        core *= np.sqrt(tangential_weights(checked.s, self.depth)) / length
        up *= normal
        vp *= normal
        return FixedRankTangentVector(up, core, vp)

    # Light checks for the hot paths; `check_point` does all of them.

    def _point(self, point: Any) -> FixedRankPoint:
        return as_point(point, self.m, self.n, self.k)

    def _tangent(self, vector: Any) -> FixedRankTangentVector:
        return as_tangent(vector, self.m, self.n, self.k)


def _finite(vector: FixedRankTangentVector, source: str) -> FixedRankTangentVector:
    # NaN and infinity in any entry reach these sums.
    if not math.isfinite(vector.M.sum() + vector.Up.sum() + vector.Vp.sum()):
        raise ValueError(f"{source} has NaN or infinite values, or its products overflow")
    return vector
