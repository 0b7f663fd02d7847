"""The manifold M_k with a metric, for pymanopt: every operation, by name.

What an operation does is told here, and how in the modules that it is handed to: of the set of
matrices (:mod:`~fixedrank.geometry.factored`), of the metric (:mod:`~fixedrank.geometry.metric`)
and of its geodesics (:mod:`~fixedrank.geometry.geodesics`). What is said of points, vectors and
generators in many docstrings comes into them by the last line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
from pymanopt.manifolds.manifold import Manifold

from fixedrank._aliases import AmbientLike, PointLike, TangentLike
from fixedrank._checks import Array, Seed, finite_array, positive_integer, sizes_and_rank
from fixedrank._shared_docs import POINTS, describe
from fixedrank.geometry.factored import haar, retraction, tangent
from fixedrank.geometry.factored.points import (
    FactorDirections,
    FixedRankPoint,
    FixedRankTangentVector,
    as_point,
    as_tangent,
    checked_point,
)
from fixedrank.geometry.factored.tangency import (
    require_finite_parts,
    require_point,
    require_tangent,
)
from fixedrank.geometry.geodesics import exponential, logarithm
from fixedrank.geometry.measure import brownian, gibbs
from fixedrank.geometry.metric import christoffel, curvature, derivatives, products
from fixedrank.geometry.metric.choice import arguments_told, chosen_metric
from fixedrank.geometry.metric.depth import as_metric
from fixedrank.geometry.metric.embedding import factor_directions
from fixedrank.geometry.metric.operator import DepthOperator
from fixedrank.geometry.metric.preconditioner import MetricPreconditioner
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.sphere import random_unit_vector

RetractionName: TypeAlias = Literal["nearest", "second-order", "bounded"]

_GENERATOR = """
Parameters
----------
rng : numpy.random.Generator, int or None
    The generator, a seed, or None for the manifold's own generator; where the manifold has none,
    for fresh entropy.
"""


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
    metric : SpectralMetric
        In place of the depth, any other metric: one of depth N is ``DepthMetric(N)``.
    imbalance : sequence of float
        For N layers out of balance, W_{j+1}^T W_{j+1} - W_j W_j^T = lambda_j I, the N - 1 numbers
        lambda_j beside the depth: the metric is :class:`ImbalancedMetric`.
    retraction : {"nearest", "second-order", "bounded"}
        Which one :meth:`retraction` is, and so where optimisers step: to the matrix nearest to
        W + Z; by :meth:`second_order_retraction`; or to the nearest one for a Z that is shortened
        until :math:`\|S^{-1/2} M S^{-1/2}\|_2 \le 0.9`, so that for k = m = n, where det W = 0
        parts the manifold, det W keeps its sign.
    rng : numpy.random.Generator, int or None
        A generator, or the seed of one, for what is drawn without a generator of its own: by
        pymanopt, which asks for random starts, simplices and swarms by itself. Draws follow each
        other, so that the whole run repeats. None: fresh entropy for every draw. The global random
        state of NumPy is never used.

    Attributes
    ----------
    m, n, k : int
        Sizes and rank.
    metric : SpectralMetric
        The metric.
    depth : float or None
        The depth N, or None where the metric has none. The dimension (m + n - k) k is ``dim``.
    rng : numpy.random.Generator or None
        The generator for draws that name none.

    Raises
    ------
    TypeError, ValueError
        If sizes are not positive integers, k > min(m, n), N < 1, N is infinite where the metric
        does not exist, depth and metric are both given, the imbalance is not N - 1 finite numbers,
        or the retraction has another name. All methods raise ValueError where parts of a point or
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

    @arguments_told
    def __init__(
        self,
        m: int,
        n: int,
        k: int,
        *,
        depth: float | None = None,
        metric: SpectralMetric | None = None,
        imbalance: Sequence[float] | None = None,
        retraction: RetractionName = "nearest",
        rng: Seed = None,
    ) -> None:
        self.m, self.n, self.k = sizes_and_rank(m, n, k)
        self.metric = chosen_metric(depth, metric, imbalance)
        self.metric.check_sizes(self.m, self.n, self.k)
        if retraction not in get_args(RetractionName):
            raise ValueError(
                f"retraction must be one of {', '.join(map(repr, get_args(RetractionName)))}, got "
                f"{retraction!r}"
            )
        self._retraction: RetractionName = retraction
        self.rng = None if rng is None else np.random.default_rng(rng)
        super().__init__(
            f"Manifold of {m}x{n} matrices of rank {k} with the "
            + (f"metric {self.metric}" if self.depth is None else f"depth-{self.depth:g} metric"),
            (self.m + self.n - self.k) * self.k,
            point_layout=3,
        )

    def __repr__(self) -> str:
        which = f"metric={self.metric}" if self.depth is None else f"depth={self.depth:g}"
        if self._retraction != "nearest":
            which += f', retraction="{self._retraction}"'
        return f"FixedRank({self.m}, {self.n}, {self.k}, {which})"

    @property
    def depth(self) -> float | None:
        """The depth N, or None where the metric has none."""
        return self.metric.depth

    @property
    def typical_dist(self) -> float:
        """The length sqrt(N k) of a geodesic from near zero to singular values of one.

        pymanopt's trust regions take it for their largest radius. Where the singular values are
        of another size c, pass ``Delta_bar=manifold.typical_dist * c ** (1 / N)`` to ``run``. At
        infinite depth it is sqrt(k).

        Examples
        --------
        >>> import fixedrank
        >>> fixedrank.FixedRank(4, 3, 2, depth=2).typical_dist
        2.0
        """
        return self.metric.typical_dist(self.k)

    # Points

    def point(self, W: AmbientLike) -> FixedRankPoint:
        """Return the best rank-k approximation of a matrix as a point.

        Parameters
        ----------
        W : array_like, sparse array, LinearOperator, point, or low-rank pair; m x n
            The matrix. A pair (L, R) of an m x r and an n x r array stands for L R^T, a triple
            (L, S, R) of arrays with two axes for L S R^T, and one (u, s, vt) for a point, whose
            factors need not be orthonormal: one that was saved in float32 is mended.

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

    def to_matrix(self, point: PointLike) -> Array:
        """Return the dense m x n array W = u diag(s) vt of a point.

        Returns
        -------
        ndarray, shape (m, n)
            The matrix W.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
        >>> manifold.to_matrix(manifold.point(np.diag([3.0, 1.0])))
        array([[3., 0.],
               [0., 0.]])
        """
        u, s, vt = self._point(point)
        return finite_array("the matrix", (u * s) @ vt, 2)

    def check_point(self, point: PointLike) -> FixedRankPoint:
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

    def random_point(self, *, rng: Seed = None) -> FixedRankPoint:
        """Return a random point: Haar distributed u and vt, s uniform in (0, 1], sorted.

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
        return haar.random_point(self.m, self.n, self.k, self._generator(rng))

    # Tangent vectors

    def zero_vector(self, point: PointLike) -> FixedRankTangentVector:
        """Return the zero tangent vector at a point.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W; at all points zero has the same parts.

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

    def random_tangent_vector(
        self, point: PointLike, *, rng: Seed = None
    ) -> FixedRankTangentVector:
        """Return a tangent vector drawn uniformly from the unit sphere of the depth-N metric.

        Returns
        -------
        FixedRankTangentVector
            A vector of length 1.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> point = manifold.random_point(rng=0)
        >>> round(manifold.norm(point, manifold.random_tangent_vector(point, rng=1)), 12)
        1.0
        """
        return random_unit_vector(self._point(point), self.metric, self._generator(rng))

    def projection(self, point: PointLike, vector: AmbientLike) -> FixedRankTangentVector:
        """Return the tangent vector nearest to an ambient matrix in the Frobenius norm.

        Parameters
        ----------
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
        return require_finite_parts(
            tangent.project(self._point(point), vector), "the ambient matrix"
        )

    def to_tangent_space(self, point: PointLike, vector: TangentLike) -> FixedRankTangentVector:
        """Return a triple (Up, M, Vp) with Up and Vp made orthogonal to U and V.

        Parameters
        ----------
        vector : tuple (Up, M, Vp)
            Arrays of shapes (m, k), (k, k), (n, k), tangent up to round-off or not at all.

        Returns
        -------
        FixedRankTangentVector
            The vector without what Up and Vp had in the ranges of U and V.

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
        checked, triple = self._point(point), self._tangent(vector)
        return require_finite_parts(tangent.retangentialise(checked, triple), "the vector")

    def embedding(self, point: PointLike, tangent_vector: TangentLike) -> FactorDirections:
        """Return directions (du, ds, dvt) of the factors along which W moves by Z.

        They have the shapes of the point, as automatic differentiation of cost(u, s, vt) needs
        them: du diag(s) vt + u diag(ds) vt + u diag(s) dvt = Z. For a cost of the product W,
        derivatives along them are derivatives along Z.

        Returns
        -------
        FactorDirections
            The directions (du, ds, dvt), arrays of shapes (m, k), (k,), (k, n).

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
        return factor_directions(self._point(point), self._tangent(tangent_vector))

    def tangent_to_matrix(self, point: PointLike, Z: TangentLike) -> Array:
        """Return the dense m x n array of a tangent vector.

        Returns
        -------
        ndarray, shape (m, n)
            The matrix u M vt + Up vt + u Vp^T.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> point = manifold.random_point(rng=0)
        >>> manifold.tangent_to_matrix(point, manifold.zero_vector(point)).shape
        (4, 3)
        """
        matrix = tangent.to_matrix(self._point(point), self._tangent(Z))
        return finite_array("the matrix", matrix, 2)

    def transport(
        self, point_a: PointLike, point_b: PointLike, tangent_vector_a: TangentLike
    ) -> FixedRankTangentVector:
        """Return the vector transport of a tangent vector at A to B, by projection.

        Parameters
        ----------
        tangent_vector_a : FixedRankTangentVector or tuple (Up, M, Vp)
            Tangent vector at A, arrays of shapes (m, k), (k, k), (n, k).

        Returns
        -------
        FixedRankTangentVector
            The orthogonal projection of the vector to the tangent space at B.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> a, b = manifold.random_point(rng=0), manifold.random_point(rng=1)
        >>> manifold.transport(a, b, manifold.random_tangent_vector(a, rng=2)).M.shape
        (2, 2)
        """
        start, end = self._point(point_a), self._point(point_b)
        moved = tangent.transport(start, end, self._tangent(tangent_vector_a))
        return require_finite_parts(moved, "a point or the tangent vector")

    # The metric

    def operator(self, point: PointLike) -> DepthOperator:
        """Return the operator A_{W,N} at a point, the inverse of the metric.

        Returns
        -------
        DepthOperator
            The operator, at the depth of this manifold.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> manifold.operator(manifold.random_point(rng=0))
        <DepthOperator of depth 2 at a 4x3 matrix of rank 2>
        """
        return DepthOperator(self._point(point), self.metric)

    def inner_product(
        self, point: PointLike, tangent_vector_a: TangentLike, tangent_vector_b: TangentLike
    ) -> float:
        """Return g_W(a, b), the closed form of equation (8).

        Entry (i, j) of M is divided by c_ij, the sum over l < N of p_i^(N-1-l) p_j^l with
        p = s^(2/N), and column j of Up and Vp by s_j^(2-2/N).

        Returns
        -------
        float
            The inner product.

        Raises
        ------
        OverflowError
            If the result is beyond the range of floating point, or a nonzero one too small for it.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(1, 1, 1, depth=3)
        >>> point = manifold.point([[8.0]])
        >>> Z = manifold.projection(point, [[1.0]])
        >>> round(1 / manifold.inner_product(point, Z, Z), 9)  # N s^(2 - 2/N)
        48.0
        """
        a, b = self._tangent(tangent_vector_a), self._tangent(tangent_vector_b)
        return products.inner_product(self._point(point), a, b, self.metric)

    def norm(self, point: PointLike, tangent_vector: TangentLike) -> float:
        """Return the length of a tangent vector in the depth-N metric.

        Returns
        -------
        float
            The square root of g_W(Z, Z).

        Raises
        ------
        OverflowError
            If the result is beyond the range of floating point, or a nonzero one too small for it.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> point = manifold.random_point(rng=0)
        >>> round(manifold.norm(point, 3 * manifold.random_tangent_vector(point, rng=1)), 12)
        3.0
        """
        vector = self._tangent(tangent_vector)
        return products.norm(self._point(point), vector, self.metric)

    def log_volume_density(self, point: PointLike) -> float:
        r"""Return ln sqrt(det g_W), the density of the Riemannian volume.

        The determinant is taken in a basis of T_W that is orthonormal in the Frobenius inner
        product, so that the density is relative to the volume of the embedded metric, and zero
        at N = 1. It is -1/2 ln det A_{W,N}.

        Returns
        -------
        float
            The logarithm of the density. At infinite depth, that of the metric N g.

        Raises
        ------
        TypeError, ValueError
            If the point is not one; the message says which condition fails.

        References
        ----------
        Theorem 3 and equation (8) of the paper.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 2, depth=2)
        >>> point = manifold.point(np.diag([4.0, 1.0]))
        >>> round(float(np.exp(-2 * manifold.log_volume_density(point))), 9)  # 2 * 5 * 5 * 8
        400.0
        """
        return -self.operator(point).logdet() / 2

    # Noise

    def brownian_drift(self, point: PointLike, temperature: float) -> FixedRankTangentVector:
        r"""Return the drift of Brownian motion at W, T times the Laplacian of the matrix.

        :math:`\Delta_g W = (N-1)\, U \operatorname{diag}(s^{1-2/N}) V^T` for every real N, so that

        .. math:: dW = T (N-1)\, U \operatorname{diag}(s^{1-2/N}) V^T dt
            + \sqrt{2T}\, \mathcal{A}_{W,N}^{1/2} dB

        (Ito) has the generator :math:`T \Delta_g`. With the drift :math:`-\mathcal{A}_{W,N}(\nabla
        L)` beside it, it has the stationary law exp(-L/T) dvol_g, where that can be normalised.

        Parameters
        ----------
        temperature : float
            T > 0, in the unit of a loss.

        Returns
        -------
        FixedRankTangentVector
            The drift. It is zero at N = 1, and T W at infinite depth, where the metric is the
            limit of N g.

        Raises
        ------
        TypeError, ValueError
            If the metric is not that of a depth, or the temperature no positive number.
        OverflowError
            If the drift is beyond the range of floating point.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(3, 3, 2, depth=4)
        >>> point = manifold.point(np.diag([9.0, 4.0, 0.0]))
        >>> manifold.brownian_drift(point, 0.5).M.diagonal()  # 0.5 * 3 * (3, 2)
        array([4.5, 3. ])
        """
        return brownian.drift(self._point(point), self.metric, temperature)

    def log_partition(self, rate: float) -> float:
        r"""Return the logarithm of the integral of exp(-rate r^2 / 2) over the manifold.

        :math:`r^2 = N \sum_j s_j^{2/N}` is the sum of the squares of balanced layers with the
        product W, and the volume is that of the metric. With the decay lambda of layers and the
        temperature T the rate is lambda / T.

        Parameters
        ----------
        rate : float
            A positive number, in the unit of W to the power -2/N.

        Returns
        -------
        float
            The logarithm; the derivative with respect to the rate is -E[r^2] / 2 =
            -dim / (2 rate).

        Raises
        ------
        TypeError, ValueError
            If the metric is not that of a finite depth, or the rate no positive number.

        Examples
        --------
        >>> import math, fixedrank
        >>> manifold = fixedrank.FixedRank(3, 1, 1, depth=1)  # R^3 without zero
        >>> round(math.exp(manifold.log_partition(2 * math.pi)), 12)
        1.0
        """
        return gibbs.log_partition(self.m, self.n, self.k, self.metric, rate)

    def random_gibbs(
        self, rate: float, *, size: int | None = None, rng: Seed = None
    ) -> FixedRankPoint:
        r"""Return exact samples of the law exp(-rate r^2 / 2) dvol_g, r^2 = N sum_j s_j^(2/N).

        U and V have the Haar distribution, and :math:`r_j = \sqrt N s_j^{1/N}` are the singular
        values of a k x (m+n-k) matrix of Gaussians with the variance 1 / rate, at every N.

        Parameters
        ----------
        rate : float
            A positive number, in the unit of W to the power -2/N; decay over temperature.
        size : int, optional
            The number of samples.

        Returns
        -------
        FixedRankPoint
            A point, or with a size the arrays of that many, of shapes (size, m, k), (size, k) and
            (size, k, n), singular values descending.

        Raises
        ------
        TypeError, ValueError
            If the metric is not that of a finite depth, the rate no positive number, or the size
            no positive integer.
        OverflowError
            If singular values are beyond the range of floating point, as they are easily at large
            depths; the message names a rate at which they are about one.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=3)
        >>> u, s, vt = manifold.random_gibbs(2.0, size=10_000, rng=0)
        >>> round(float((3 * s ** (2 / 3)).sum(axis=1).mean()), 1)  # E[r^2] = dim / rate
        5.0
        """
        count = 1 if size is None else positive_integer("size", size)
        generator = self._generator(rng)
        stack = gibbs.random_points(self.m, self.n, self.k, self.metric, rate, count, generator)
        return stack if size is not None else FixedRankPoint(*(part[0] for part in stack))

    def preconditioner(self, depth: float | SpectralMetric = 1) -> MetricPreconditioner:
        r"""Return the map from gradients in this metric to those in that of another depth.

        :math:`Z \mapsto \mathcal{A}_{W,M} \mathcal{A}_{W,N}^{-1} Z`, self-adjoint and positive in
        this metric, for ``pymanopt.Problem(manifold, cost, preconditioner=...)`` and
        :meth:`Loss.to_pymanopt`: pymanopt's ConjugateGradient and TrustRegions then go by the
        metric of depth M, and what they return is still said in this one.

        Parameters
        ----------
        depth : float or SpectralMetric
            The depth M, or another metric. 1, the embedded metric, makes most problems that are
            well-conditioned in W as cheap at large N as they are at N = 1.

        Returns
        -------
        MetricPreconditioner
            A callable ``(point, tangent_vector)``. TrustRegions measures its radius by the inverse
            of the preconditioner, here in the metric of depth M, so pass
            ``Delta_bar=preconditioner.typical_dist`` to ``run``, times c^(1/M) where the singular
            values are of size c.

        Raises
        ------
        TypeError, ValueError
            If the depth is no metric and not a number >= 1, or the metric does not exist here.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
        >>> point = manifold.point(np.diag([3.0, 0.0]))
        >>> gradient = manifold.euclidean_to_riemannian_gradient(point, np.eye(2))
        >>> precondition = manifold.preconditioner()
        >>> gradient.M, precondition(point, gradient).M, precondition.typical_dist
        (array([[6.]]), array([[1.]]), 1.0)
        """
        return MetricPreconditioner((self.m, self.n, self.k), self.metric, as_metric(depth))

    # Derivatives of functions, and of the metric

    def euclidean_to_riemannian_gradient(
        self, point: PointLike, euclidean_gradient: AmbientLike
    ) -> FixedRankTangentVector:
        r"""Return the Riemannian gradient A_{W,N}(G) from a Euclidean gradient G.

        Parameters
        ----------
        euclidean_gradient : tuple (du, ds, dvt) or ambient matrix
            The derivatives of a cost(u, s, vt), arrays of shapes (m, k), (k,), (k, n), as
            automatic differentiation gives them; or the m x n matrix G itself, of any kind that
            :meth:`projection` takes, of which only products with m x k and n x k blocks are formed.

        Returns
        -------
        FixedRankTangentVector
            The gradient :math:`\nabla^g f(W) = \mathcal{A}_{W,N}(\nabla f(W))`. No
            inverse of a singular value is formed for N >= 2, none of a difference where
            the cost is a function of the product W and of s. It is as precise as the
            derivatives, of float32 say, however close singular values are.

        Raises
        ------
        TypeError, ValueError
            If shapes are wrong or values not finite; or where a cost that is not a function of
            the product alone leaves the gradient undetermined (tied singular values).
        OverflowError
            If the result is beyond the range of floating point.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
        >>> point = manifold.point(np.diag([3.0, 0.0]))
        >>> manifold.euclidean_to_riemannian_gradient(point, np.eye(2)).M
        array([[6.]])
        """
        # Straight to the check: what all optimisers ask for has no call to spare.
        checked = as_point(point, self.m, self.n, self.k)
        return derivatives.riemannian_gradient(checked, euclidean_gradient, self.metric)

    def euclidean_to_riemannian_hessian(
        self,
        point: PointLike,
        euclidean_gradient: AmbientLike,
        euclidean_hessian: AmbientLike,
        tangent_vector: TangentLike,
    ) -> FixedRankTangentVector:
        r"""Return the Riemannian Hessian Hess f[Z] from Euclidean derivatives.

        It is the covariant derivative of the gradient along Z, in the Levi-Civita connection of
        the depth-N metric. Costs O((m + n) k^2 + k^3) beside the products with ambient matrices.

        Parameters
        ----------
        euclidean_gradient : tuple (du, ds, dvt) or ambient matrix
            The derivatives of a cost(u, s, vt), as automatic differentiation gives them; or the
            m x n matrix G, of any kind that :meth:`point` takes.
        euclidean_hessian : tuple or ambient matrix
            Of the same form: the derivatives of (du, ds, dvt) along the directions that
            :meth:`embedding` returns for Z, arrays of shapes (m, k), (k,), (k, n); or the m x n
            matrix :math:`D^2 f(W)[Z]`.

        Returns
        -------
        FixedRankTangentVector
            The Hessian applied to Z, self-adjoint in g.

        Raises
        ------
        TypeError, ValueError
            If shapes are wrong or values not finite; if one of the derivatives is a triple and
            the other a matrix; or where a cost that is not a function of the product (u * s) @ vt
            and a symmetric one of s leaves the Hessian undetermined.
        OverflowError
            If the result is beyond the range of floating point.

        Notes
        -----
        With X = grad f and Hess_1 the Hessian of the embedded metric, and D the derivative of
        the metric in the embedded connection,

        .. math::

            g(\operatorname{Hess} f[Z], Y) = \langle \operatorname{Hess}_1 f[Z], Y \rangle
            + \tfrac12 \bigl( \langle (D_X G) Z, Y \rangle - \langle (D_Z G) X, Y \rangle
            - \langle (D_Y G) Z, X \rangle \bigr), \qquad G = \mathcal{A}_{W,N}^{-1}.

        A cost may add to a function of the product a symmetric function of the singular values,
        as ``0.3 * sum(s)``, at ties too. Between relative gaps of 1e-12 and 1e-4 a share of up to
        1e-8 of what it adds may be lost. Derivatives in float32 give a Hessian in float32.

        References
        ----------
        P.-A. Absil, R. Mahony, J. Trumpf, An extrinsic look at the Riemannian Hessian, Geometric
        Science of Information (2013), for the embedded Hessian. A. S. Lewis, H. S. Sendov, Twice
        differentiable spectral functions, SIAM J. Matrix Anal. Appl. 23 (2001), for functions of s.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(1, 1, 1, depth=2)
        >>> point = manifold.point([[4.0]])
        >>> Z = manifold.projection(point, [[1.0]])
        >>> gradient, hessian = np.array([[3.0]]), np.array([[1.0]])
        >>> manifold.euclidean_to_riemannian_hessian(point, gradient, hessian, Z).M  # 2 w f'' + f'
        array([[11.]])
        """
        checked, vector = self._point(point), self._tangent(tangent_vector)
        return derivatives.riemannian_hessian(
            checked, euclidean_gradient, euclidean_hessian, vector, self.metric
        )

    def christoffel(
        self, point: PointLike, tangent_vector_a: TangentLike, tangent_vector_b: TangentLike
    ) -> FixedRankTangentVector:
        r"""Return Gamma(a, b), by which the connection differs from the embedded one.

        For vector fields X, Z on M_k, the Levi-Civita connection of the depth-N metric is the
        projection of the derivative of Z along X, plus Gamma(X, Z). The term is bilinear and
        symmetric, zero at N = 1, and costs O((m + n) k^2 + k^3) time and O(k^3) memory.

        Returns
        -------
        FixedRankTangentVector
            The Christoffel term Gamma(a, b), a tangent vector at W.

        Raises
        ------
        OverflowError
            If the result is beyond the range of floating point.

        Notes
        -----
        The derivative of the metric is made of divided differences of x^(1/N) at the squares of
        the singular values, all computed without a difference of nearby numbers, so that ties
        need no special care. The paper leaves open whether g is C^2; on M_k it is smooth.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(1, 1, 1, depth=2)
        >>> point = manifold.point([[4.0]])
        >>> Z = manifold.projection(point, [[1.0]])
        >>> manifold.christoffel(point, Z, Z).M  # g = 1 / (2 w), so Gamma = -1 / (2 w)
        array([[-0.125]])
        """
        a, b = self._tangent(tangent_vector_a), self._tangent(tangent_vector_b)
        return christoffel.christoffel(self._point(point), a, b, self.metric)

    def sectional_curvature(
        self, point: PointLike, tangent_vector_a: TangentLike, tangent_vector_b: TangentLike
    ) -> float:
        r"""Return the sectional curvature of the plane of two tangent vectors.

        Returns
        -------
        float
            g(R(a, b) b, a) over the squared area of the parallelogram of a and b. It scales as
            c^(-2/N) when W is multiplied by c.

        Raises
        ------
        ValueError
            If one of the vectors is zero, or the two are linearly dependent to round-off.
        OverflowError
            If the result is beyond the range of floating point.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(3, 1, 1, depth=1)  # R^3 without zero: flat
        >>> point = manifold.point([[2.0], [0.0], [0.0]])
        >>> a, b = (manifold.projection(point, np.eye(3)[:, [i]]) for i in (0, 1))
        >>> abs(manifold.sectional_curvature(point, a, b)) < 1e-12
        True
        """
        a, b = self._tangent(tangent_vector_a), self._tangent(tangent_vector_b)
        return curvature.sectional_curvature(self._point(point), a, b, self.metric)

    # Moves along tangent vectors, and between points

    def retraction(self, point: PointLike, tangent_vector: TangentLike) -> FixedRankPoint:
        """Return the point of M_k nearest to W + Z in the Frobenius norm.

        Or another one, if the manifold was made with one: see the parameter of :class:`FixedRank`.

        Returns
        -------
        FixedRankPoint
            The new point, orthonormal to round-off, singular values descending.

        Raises
        ------
        RankLostError
            If the rank of W + Z is below k to round-off.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
        >>> point = manifold.point(np.diag([3.0, 0.0]))
        >>> Z = manifold.projection(point, np.diag([1.0, 0.0]))
        >>> manifold.retraction(point, Z).s
        array([4.])
        """
        checked, vector = self._point(point), self._tangent(tangent_vector)
        if self._retraction == "second-order":
            return christoffel.second_order_retraction(checked, vector, self.metric)
        if self._retraction == "bounded":
            vector = retraction.bounded(checked, vector)
        return retraction.retract(checked, vector)

    def second_order_retraction(
        self, point: PointLike, tangent_vector: TangentLike
    ) -> FixedRankPoint:
        r"""Return a point that agrees with the geodesic along Z to second order.

        It is the retraction of Z - Gamma(Z, Z) / 2, with the Christoffel term of
        :meth:`christoffel`: along t Z its covariant acceleration vanishes at t = 0.

        Returns
        -------
        FixedRankPoint
            The new point; it differs from ``exp(point, Z)`` by terms of third order in Z.

        Raises
        ------
        RankLostError
            If the rank at the end of the step is below k to round-off.
        OverflowError
            If the step is beyond the range of floating point.

        References
        ----------
        P.-A. Absil, J. Malick, Projection-like retractions on matrix manifolds, SIAM J. Optim. 22
        (2012), for the embedded metric, where :meth:`retraction` is of second order itself.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(1, 1, 1, depth=2)
        >>> point = manifold.point([[4.0]])
        >>> Z = manifold.projection(point, [[1.0]])
        >>> manifold.second_order_retraction(point, Z).s, manifold.exp(point, Z).s
        (array([5.0625]), array([5.0625]))
        """
        checked, vector = self._point(point), self._tangent(tangent_vector)
        return christoffel.second_order_retraction(checked, vector, self.metric)

    def exp(
        self, point: PointLike, tangent_vector: TangentLike, *, rtol: float = 1e-10
    ) -> FixedRankPoint:
        r"""Return the end of the geodesic that starts at W with velocity Z, at time 1.

        The geodesic equation is integrated in factors of at most 2k rows and columns. No vector is
        too long for it: M_k is a cone, and W -> c W, Z -> c Z leads to c times the end.

        Parameters
        ----------
        tangent_vector : FixedRankTangentVector or tuple (Up, M, Vp)
            The velocity Z, arrays of shapes (m, k), (k, k), (n, k).
        rtol : float
            Bound on the error in the Frobenius norm, relative to the size of W; 1e-12 to 0.1.

        Returns
        -------
        FixedRankPoint
            The end of the geodesic.

        Raises
        ------
        RankLostError
            If the geodesic leaves M_k before time 1 (the metric is not complete); the message
            says when.
        OverflowError
            If the end of the geodesic is beyond floating point.
        ArithmeticError
            If the equation asks for more than 20,000 evaluations, as it may where singular values
            are far apart; the message says how far it came.
        ValueError
            If the point is not one of M_k or the vector not tangent, by how much; if `rtol` is out
            of range.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=3)
        >>> point = manifold.point(np.diag([1.0, 0.0]))
        >>> Z = manifold.projection(point, np.diag([3.0, 0.0]))
        >>> np.round(manifold.exp(point, Z).s, 9)  # s^(1/3) is linear in time: (1 + 1)^3
        array([8.])
        """
        start = self._start(point)
        vector = self._velocity(start, tangent_vector)
        return exponential.exponential(start, vector, self.metric, rtol)

    def log(
        self, point_a: PointLike, point_b: PointLike, *, rtol: float = 1e-8
    ) -> FixedRankTangentVector:
        r"""Return the velocity at A of a geodesic that reaches B at time 1.

        For k = 1 it is the shortest one, in closed form. Otherwise it is found by collocation from
        paths of balanced factors, and verified: the exponential map ends at B, within 100 times
        the tolerance. Where the change of factors has two orientations, both are tried unless the
        second cannot be shorter.

        Parameters
        ----------
        rtol : float
            Bound on the error of the end of the geodesic, in the metric, relative to its length;
            1e-12 to 0.1.

        Returns
        -------
        FixedRankTangentVector
            The velocity, a tangent vector at A. Its geodesic is the shortest one where the two
            points are close; farther apart there may be a shorter one.

        Raises
        ------
        GeodesicNotFoundError
            If no geodesic was found, or none exists: the metric is not complete, and for
            k = m = n determinants of opposite sign are not joined by any path.
        OverflowError
            If the velocity is beyond floating point.
        ValueError
            If a point is not one of M_k, or `rtol` is out of range.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=3)
        >>> a, b = (manifold.point(np.diag([s, 0.0])) for s in (1.0, 8.0))
        >>> np.round(manifold.log(a, b).M, 6)
        array([[3.]])
        """
        a, b = self._start(point_a), self._start(point_b)
        return logarithm.logarithm(a, b, self.metric, rtol)

    def dist(self, point_a: PointLike, point_b: PointLike, *, rtol: float = 1e-8) -> float:
        r"""Return the length of a geodesic between two points.

        Parameters
        ----------
        rtol : float
            Bound on the relative error; 1e-12 to 0.1.

        Returns
        -------
        float
            The length of :meth:`log` from the point with the smaller singular values to the
            other, so that the order of the two does not matter. Where both have the same singular
            vectors it is :math:`\sqrt{N} \, \| s_A^{1/N} - s_B^{1/N} \|`. At N = 2 the distance of
            positive semidefinite matrices of one rank is :math:`\sqrt{2}` times that of Bures and
            Wasserstein. It scales: dist(c A, c B) is c^(1/N) dist(A, B).

        Raises
        ------
        GeodesicNotFoundError
            If no geodesic was found, or none exists.
        ValueError
            If a point is not one of M_k, or `rtol` is out of range.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=3)
        >>> a, b = (manifold.point(np.diag([s, 0.0])) for s in (1.0, 8.0))
        >>> round(manifold.dist(a, b) ** 2, 6)
        3.0
        """
        a, b = self._start(point_a), self._start(point_b)
        return logarithm.distance(a, b, self.metric, rtol)

    def pair_mean(
        self, point_a: PointLike, point_b: PointLike, *, rtol: float = 1e-8
    ) -> FixedRankPoint:
        """Return the midpoint of a geodesic between two points.

        Parameters
        ----------
        rtol : float
            Tolerance of :meth:`log` and :meth:`exp`; 1e-12 to 0.1.

        Returns
        -------
        FixedRankPoint
            The point ``exp(A, log(A, B) / 2)``.

        Raises
        ------
        GeodesicNotFoundError
            If no geodesic was found, or none exists.
        ValueError
            If a point is not one of M_k, or `rtol` is out of range.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=3)
        >>> a, b = (manifold.point(np.diag([s, 0.0])) for s in (1.0, 27.0))
        >>> np.round(manifold.pair_mean(a, b).s, 6)
        array([8.])
        """
        return self.exp(point_a, self.log(point_a, point_b, rtol=rtol) / 2, rtol=rtol)

    def parallel_transport(
        self,
        point: PointLike,
        direction: TangentLike,
        tangent_vector: TangentLike,
        *,
        rtol: float = 1e-10,
    ) -> FixedRankTangentVector:
        """Return a tangent vector, parallel transported along the geodesic in a direction.

        Parameters
        ----------
        direction : FixedRankTangentVector or tuple (Up, M, Vp)
            The velocity of the geodesic, arrays of shapes (m, k), (k, k), (n, k).
        tangent_vector : FixedRankTangentVector or tuple (Up, M, Vp)
            The vector to move, of the same shapes.
        rtol : float
            Bound on the error, relative to the size of the vector; 1e-12 to 0.1.

        Returns
        -------
        FixedRankTangentVector
            The transported vector, in the factors of ``exp(point, direction, rtol=rtol)``.

        Raises
        ------
        RankLostError
            If the geodesic leaves M_k before time 1; the message says when.
        OverflowError, ArithmeticError
            As in :meth:`exp`; and if the transported vector is beyond floating point.
        ValueError
            If the point is not one of M_k or a vector not tangent, by how much; if `rtol` is out
            of range.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=3)
        >>> point = manifold.random_point(rng=0)
        >>> a, b = (manifold.random_tangent_vector(point, rng=seed) for seed in (1, 2))
        >>> end = manifold.exp(point, a / 4)
        >>> moved = manifold.parallel_transport(point, a / 4, b)
        >>> round(manifold.norm(end, moved), 9)
        1.0
        """
        start = self._start(point)
        velocity = self._velocity(start, direction, "the direction")
        vector = self._velocity(start, tangent_vector)
        return exponential.parallel_transport(start, velocity, vector, self.metric, rtol)

    # Light checks for the hot paths; `check_point` does all of them

    def _generator(self, rng: Seed) -> np.random.Generator:
        return np.random.default_rng(self.rng if rng is None else rng)

    def _point(self, point: PointLike) -> FixedRankPoint:
        return as_point(point, self.m, self.n, self.k)

    def _tangent(self, vector: TangentLike) -> FixedRankTangentVector:
        return as_tangent(vector, self.m, self.n, self.k)

    def _start(self, point: PointLike) -> FixedRankPoint:
        return require_point(self._point(point))

    def _velocity(
        self, point: FixedRankPoint, vector: TangentLike, name: str = "the tangent vector"
    ) -> FixedRankTangentVector:
        return require_tangent(point, self._tangent(vector), name)


describe(FixedRank, POINTS, _GENERATOR)
