"""The metric g_W on the tangent spaces of M_k."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fixedrank._checks import Seed
from fixedrank._linear_algebra import inner
from fixedrank.geometry.factored import tangent
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.tall import dot, scaled_columns
from fixedrank.geometry.factored.units import power, restored, restored_number
from fixedrank.geometry.manifold.tangents import TangentSpaces
from fixedrank.geometry.metric.operator import DepthOperator
from fixedrank.geometry.metric.products import scaled_inner_product
from fixedrank.geometry.metric.tables import tables


class Metric(TangentSpaces):
    """The depth-N metric."""

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
        return DepthOperator(self._point(point), self.metric)

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
        OverflowError
            If the result is beyond the range of floating point, or a nonzero one too small for it.

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
        a, b = self._tangent(tangent_vector_a), self._tangent(tangent_vector_b)
        value, of_point, exponent = self._scaled_inner_product(self._point(point), a, b)
        if of_point == exponent == 0:
            return value
        factor, shift = power(of_point, -2, 2, self.metric.homogeneity)
        return restored_number("the inner product", value * factor, exponent + shift)

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
        square, of_point, exponent = self._scaled_inner_product(self._point(point), vector, vector)
        if of_point == exponent == 0:
            return math.sqrt(square)
        # The square may be beyond floating point where the length is not.
        factor, shift = power(of_point, -1, 1, self.metric.homogeneity)
        return restored_number("the length", math.sqrt(square) * factor, exponent // 2 + shift)

    def _scaled_inner_product(
        self, point: FixedRankPoint, a: FixedRankTangentVector, b: FixedRankTangentVector
    ) -> tuple[float, int, int]:
        """Return what products.scaled_inner_product does, with the value checked."""
        result = scaled_inner_product(point, a, b, self.metric)
        if not math.isfinite(result[0]):
            s = point.s
            raise ValueError(
                f"the inner product is {result[0]}: the singular values of the point "
                f"({s.min():.3e} to {s.max():.3e}) must be positive"
            )
        return result

    def random_tangent_vector(self, point: Any, *, rng: Seed = None) -> FixedRankTangentVector:
        """Return a tangent vector drawn uniformly from the unit sphere of the depth-N metric.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W.
        rng : numpy.random.Generator, int or None
            The generator, a seed, or None for the manifold's own generator; where the manifold
            has none, for fresh entropy.

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
        generator = self._generator(rng)
        # In this order, so that the seed that drew the point does not draw its U again as Up.
        core = generator.standard_normal((self.k, self.k))
        vp = generator.standard_normal((self.n, self.k))
        up = generator.standard_normal((self.m, self.k))
        up = tangent.without_range(checked.u, up, dot(checked.u.T, up), in_place=True)
        vp = tangent.without_range(checked.vt.T, vp, dot(checked.vt, vp), in_place=True)
        # Gaussian in the metric: the square root of A maps the Frobenius sphere to that of g.
        square = np.vdot(core, core) + inner(up.ravel(), up.ravel()) + inner(vp.ravel(), vp.ravel())
        length = math.sqrt(square)
        if not math.isfinite(length):
            raise ValueError("the point has NaN or infinite values")
        tangential, left, right, exponent = tables(checked.s, self.metric)
        # An odd power of two has no root that is one.
        exponent, odd = divmod(exponent, 2)
        factor = math.sqrt(2**odd) / length
        core *= np.sqrt(tangential) * factor
        on_left = np.sqrt(left) * factor
        on_right = on_left if right is left else np.sqrt(right) * factor
        vector = FixedRankTangentVector(
            scaled_columns(up, on_left, in_place=True),
            core,
            scaled_columns(vp, on_right, in_place=True),
        )
        return vector if exponent == 0 else restored("the tangent vector", vector, exponent)

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

    def log_volume_density(self, point: Any) -> float:
        r"""Return ln sqrt(det g_W), the density of the Riemannian volume.

        The determinant is taken in a basis of T_W that is orthonormal in the Frobenius inner
        product, so that the density is relative to the volume of the embedded metric, and zero
        at N = 1. It is -1/2 ln det A_{W,N}.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).

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
