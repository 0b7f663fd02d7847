"""The operator A_W, the inverse of the metric, diagonal in the frame of the SVD of W."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fixedrank._aliases import AmbientLike, PointLike, TangentLike
from fixedrank._checks import Array, real_array
from fixedrank._shared_docs import POINTS, describe
from fixedrank.geometry.factored import tangent
from fixedrank.geometry.factored.points import (
    FactorDirections,
    FixedRankPoint,
    FixedRankTangentVector,
    checked_point,
    checked_tangent,
)
from fixedrank.geometry.factored.units import ordinary, restored, restored_values, unit_vector
from fixedrank.geometry.metric.choice import metric_of
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import Tables, tables


def apply(
    point: FixedRankPoint, vector: FixedRankTangentVector, metric: SpectralMetric, name: str
) -> FixedRankTangentVector:
    """Return A_W(Z) at any scale of W and Z.

    Raises
    ------
    OverflowError
        If the result is beyond the range of floating point.
    """
    return multiplied(name, vector, tables(point.s, metric))


def multiplied(
    name: str, vector: FixedRankTangentVector, of_point: Tables
) -> FixedRankTangentVector:
    """Return a vector with its entries times weights, at any scale of both.

    Raises
    ------
    OverflowError
        If the result is beyond the range of floating point.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        image = _product(vector, of_point)
        if of_point.exponent == 0 and ordinary(image):
            return image
    unit, exponent = unit_vector(vector)
    return restored(name, _product(unit, of_point), exponent + of_point.exponent)


def _product(vector: FixedRankTangentVector, of_point: Tables) -> FixedRankTangentVector:
    tangential, left, right, _ = of_point
    return FixedRankTangentVector(vector.Up * left, vector.M * tangential, vector.Vp * right)


class DepthOperator:
    r"""The operator A_{W,N} on the tangent space of M_k at W.

    :math:`\mathcal{A}_{W,N}(Z) = \sum_{j=1}^N (WW^T)^{(N-j)/N}\, Z\, (W^TW)^{(j-1)/N}`, equation
    (7). By Theorem 3 it is self-adjoint and positive definite on the tangent space T_W, and
    the inverse of its restriction gives the metric g_W. In the frame of the SVD of W it is
    diagonal: it costs O((m + n) k + k^2), and no m x n array is formed.

    Parameters
    ----------
    depth : float or SpectralMetric
        The depth N, any real number >= 1. N = 1 is the orthogonal projection to T_W, so
        the identity on T_W. ``math.inf`` is the limit of A/N, for k = m = n only. Or another
        metric, for the inverse of that one.
    imbalance : sequence of float, optional
        The N - 1 numbers lambda_j of layers with W_{j+1}^T W_{j+1} - W_j W_j^T = lambda_j I, for
        the operator of their product: that of :class:`ImbalancedMetric`.

    Raises
    ------
    TypeError, ValueError
        If the point is not one (the message says which condition fails and by how much),
        if the depth is no metric and not a number >= 1, the imbalance is not N - 1 numbers, or the
        metric does not exist on these matrices, as that of infinite depth.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> point = fixedrank.FixedRank(2, 2, 2, depth=2).point(np.diag([4.0, 1.0]))
    >>> fixedrank.DepthOperator(point, depth=2).eigenvalues()
    array([2., 5., 5., 8.])
    """

    def __init__(
        self,
        point: PointLike,
        depth: float | SpectralMetric,
        *,
        imbalance: Sequence[float] | None = None,
    ) -> None:
        self.point = checked_point(point)
        self.metric = metric_of(depth, imbalance)
        m, n, k = self.point.u.shape[0], self.point.vt.shape[1], self.point.s.size
        self.metric.check_sizes(m, n, k)
        self.shape = (m, n)
        self._tables = tables(self.point.s, self.metric)

    @property
    def depth(self) -> float | None:
        """The depth N, or None for a metric that has none."""
        return self.metric.depth

    def __repr__(self) -> str:
        (m, n), k = self.shape, self.point.s.size
        of = f"of {self.metric}" if self.depth is None else f"of depth {self.depth:g}"
        return f"<DepthOperator {of} at a {m}x{n} matrix of rank {k}>"

    def apply(self, Z: AmbientLike) -> FixedRankTangentVector:
        """Return A_{W,N}(Z).

        Parameters
        ----------
        Z : FixedRankTangentVector or ambient matrix
            A tangent vector (Up, M, Vp), or an ambient m x n matrix as a NumPy or SciPy sparse
            array, a low-rank pair, a LinearOperator or a :class:`MatrixSum`, which is projected to
            T_W first; for N >= 2 that leaves A_{W,N}(Z) as it is, as A vanishes on the normal
            space.

        Returns
        -------
        FixedRankTangentVector
            The image, a tangent vector at the same point.

        Raises
        ------
        TypeError, ValueError
            If Z has wrong shapes or entries that are not finite.
        OverflowError
            If the image is beyond the range of floating point.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> operator = fixedrank.FixedRank(3, 2, 1, depth=2).operator(
        ...     (np.eye(3, 1), np.array([4.0]), np.eye(1, 2))
        ... )
        >>> operator.apply(np.eye(3, 2)).M
        array([[8.]])
        """
        return self._image(self._tangent(Z))

    def solve(self, Z: TangentLike) -> FixedRankTangentVector:
        """Return the tangent vector that A_{W,N} maps to Z.

        Returns
        -------
        FixedRankTangentVector
            The preimage in T_W. The metric is g_W(Z1, Z2) = <solve(Z1), Z2>, equation (8).

        Raises
        ------
        TypeError, ValueError
            If Z is not a tangent vector of these shapes, with finite entries.
        OverflowError
            If the preimage is beyond the range of floating point.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(5, 4, 2, depth=3)
        >>> point = manifold.random_point(rng=0)
        >>> Z = manifold.random_tangent_vector(point, rng=1)
        >>> operator = manifold.operator(point)
        >>> back = operator.solve(operator.apply(Z))
        >>> bool(np.allclose(back.M, Z.M, rtol=1e-14))
        True
        """
        up, core, vp = checked_tangent(self.point, Z)
        tangential, left, right, exponent = self._tables
        if not self.metric.normal_directions:
            left = right = np.full_like(left, np.inf)
        with np.errstate(over="ignore"):
            image = FixedRankTangentVector(up / left, core / tangential, vp / right)
        return restored("A^{-1}(Z)", image, -exponent)

    def eigenvalues(self) -> Array:
        """Return all eigenvalues of A_{W,N} on T_W, ascending, with their multiplicities.

        Returns
        -------
        ndarray, shape ((m + n - k) k,)
            c_ij for each entry of M, and s_j^(2-2/N), m + n - 2k times each. In general the weights
            of the columns of Up, m - k times each, and of Vp, n - k times.

        Raises
        ------
        OverflowError
            If the largest is beyond the range of floating point, or becomes zero.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> point = (np.eye(3, 1), np.array([4.0]), np.eye(1, 2))
        >>> fixedrank.DepthOperator(point, depth=2).eigenvalues()
        array([4., 4., 4., 8.])
        """
        tangential, left, right, exponent = self._tables
        of_up, of_vp = self._copies
        normal = np.repeat(left, of_up), np.repeat(right, of_vp)
        values = np.sort(np.concatenate((tangential.ravel(), *normal)))
        return (
            values if exponent == 0 else restored_values("the largest eigenvalue", values, exponent)
        )

    def logdet(self) -> float:
        """Return the natural logarithm of the determinant of A_{W,N} on T_W.

        Returns
        -------
        float
            The sum of the logarithms of the eigenvalues.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> point = (np.eye(3, 1), np.array([4.0]), np.eye(1, 2))
        >>> round(float(np.exp(fixedrank.DepthOperator(point, depth=2).logdet())), 9)
        512.0
        """
        tangential, left, right, exponent = self._tables
        result, count = float(np.log(tangential).sum()), tangential.size
        for weights, copies in zip((left, right), self._copies, strict=True):
            if copies:
                result += copies * float(np.log(weights).sum())
                count += copies * weights.size
        return result + exponent * math.log(2) * count

    def aslinearoperator(self) -> LinearOperator:
        """Return A_{W,N} on all of R^{m x n} as a SciPy LinearOperator.

        It acts on matrices flattened row by row, with shape (m n, m n), and is symmetric and
        positive semidefinite: zero on the normal space. One product costs O(m n k).

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            The operator, for SciPy's eigenvalue and linear solvers.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> point = (np.eye(3, 1), np.array([4.0]), np.eye(1, 2))
        >>> fixedrank.DepthOperator(point, depth=2).aslinearoperator() @ np.ones(6)
        array([8., 4., 4., 0., 4., 0.])
        """

        def matvec(flat: Array) -> Array:
            vector = tangent.project(self.point, real_array("a vector", flat).reshape(self.shape))
            return tangent.to_matrix(self.point, self._image(vector)).ravel()

        size = self.shape[0] * self.shape[1]
        return LinearOperator((size, size), matvec=matvec, rmatvec=matvec, dtype=np.float64)

    @property
    def _copies(self) -> tuple[int, int]:
        """How many normal directions there are on the left and on the right."""
        (m, n), k = self.shape, self.point.s.size
        return m - k, n - k

    def _image(self, vector: FixedRankTangentVector) -> FixedRankTangentVector:
        return multiplied("A(Z)", vector, self._tables)

    def _tangent(self, value: Any) -> FixedRankTangentVector:
        plain = isinstance(value, (tuple, list)) and len(value) == 3
        if plain and not isinstance(value, (FixedRankPoint, FactorDirections)):
            return checked_tangent(self.point, value)
        vector = tangent.project(self.point, value)
        return checked_tangent(self.point, vector, "the projection of Z")


describe(DepthOperator, POINTS)
