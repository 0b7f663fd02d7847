"""The gradient, the Hessian, the connection and the curvature of the depth-N metric."""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank.geometry.factored.ambient import as_ambient
from fixedrank.geometry.factored.points import FixedRankTangentVector, is_factor_derivative
from fixedrank.geometry.factored.units import (
    moderate,
    ordinary,
    power,
    restored_number,
    unit_vector,
)
from fixedrank.geometry.manifold.metric import Metric
from fixedrank.geometry.metric import curvature, hessians, rescaled
from fixedrank.geometry.metric.christoffel import christoffel
from fixedrank.geometry.metric.gradients import from_factor_derivative
from fixedrank.geometry.metric.tables import point_in_unit

# Tangent vectors of length 1 that differ by less span no plane.
_DEPENDENT = 1e-12


class Derivatives(Metric):
    """First and second derivatives of functions, and of the metric itself."""

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
        checked = self._point(point)
        if not moderate(checked.s):
            return rescaled.gradient(checked, euclidean_gradient, self.metric)
        if is_factor_derivative(euclidean_gradient):
            return from_factor_derivative(checked, euclidean_gradient, self.metric)
        with np.errstate(over="ignore", invalid="ignore"):
            gradient = self.metric.gradient(checked, euclidean_gradient)
            if ordinary(gradient):
                return gradient
        return rescaled.gradient(checked, euclidean_gradient, self.metric)

    def euclidean_to_riemannian_hessian(
        self, point: Any, euclidean_gradient: Any, euclidean_hessian: Any, tangent_vector: Any
    ) -> FixedRankTangentVector:
        r"""Return the Riemannian Hessian Hess f[Z] from Euclidean derivatives.

        It is the covariant derivative of the gradient along Z, in the Levi-Civita connection of
        the depth-N metric. Costs O((m + n) k^2 + k^3) beside the products with ambient matrices.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).
        euclidean_gradient : tuple (du, ds, dvt) or ambient matrix
            The derivatives of a cost(u, s, vt), as automatic differentiation gives them; or the
            m x n matrix G, of any kind that :meth:`point` takes.
        euclidean_hessian : tuple or ambient matrix
            Of the same form: the derivatives of (du, ds, dvt) along the directions that
            :meth:`embedding` returns for Z, arrays of shapes (m, k), (k,), (k, n); or the m x n
            matrix :math:`D^2 f(W)[Z]`.
        tangent_vector : FixedRankTangentVector or tuple (Up, M, Vp)
            The tangent vector Z at W, arrays of shapes (m, k), (k, k), (n, k).

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
        >>> point, Z = (
        ...     manifold.point([[4.0]]),
        ...     (np.zeros((1, 1)), np.ones((1, 1)), np.zeros((1, 1))),
        ... )
        >>> gradient, hessian = np.array([[3.0]]), np.array([[1.0]])
        >>> manifold.euclidean_to_riemannian_hessian(point, gradient, hessian, Z).M  # 2 w f'' + f'
        array([[11.]])
        """
        checked, vector = self._point(point), self._tangent(tangent_vector)
        triples = is_factor_derivative(euclidean_gradient), is_factor_derivative(euclidean_hessian)
        if triples[0] != triples[1]:
            raise TypeError(
                "gradient and Hessian must both be triples of derivatives with respect to "
                "(u, s, vt), or both m x n matrices; one of them is a triple and the other is not"
            )
        if not triples[0]:
            euclidean_gradient, euclidean_hessian = (
                as_ambient(G, (self.m, self.n), checked)
                for G in (euclidean_gradient, euclidean_hessian)
            )
        arguments = checked, euclidean_gradient, euclidean_hessian, vector, self.metric
        if moderate(checked.s):
            convert = hessians.from_factor_derivatives if triples[0] else hessians.from_ambient
            with np.errstate(over="ignore", invalid="ignore"):
                result = convert(*arguments)
                if ordinary(result):
                    return result
        return rescaled.hessian(*arguments)

    def christoffel(
        self, point: Any, tangent_vector_a: Any, tangent_vector_b: Any
    ) -> FixedRankTangentVector:
        r"""Return Gamma(a, b), by which the connection differs from the embedded one.

        For vector fields X, Z on M_k, the Levi-Civita connection of the depth-N metric is the
        projection of the derivative of Z along X, plus Gamma(X, Z). The term is bilinear and
        symmetric, zero at N = 1, and costs O((m + n) k^2 + k^3) time and O(k^3) memory.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).
        tangent_vector_a, tangent_vector_b : FixedRankTangentVector or tuple (Up, M, Vp)
            Tangent vectors at W, arrays of shapes (m, k), (k, k), (n, k).

        Returns
        -------
        FixedRankTangentVector
            The Christoffel term Gamma(a, b), a tangent vector at W.

        Raises
        ------
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite.
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
        >>> point, Z = (
        ...     manifold.point([[4.0]]),
        ...     (np.zeros((1, 1)), np.ones((1, 1)), np.zeros((1, 1))),
        ... )
        >>> manifold.christoffel(point, Z, Z).M  # g = 1 / (2 w), so Gamma = -1 / (2 w)
        array([[-0.125]])
        """
        checked = self._point(point)
        a, b = self._tangent(tangent_vector_a), self._tangent(tangent_vector_b)
        return christoffel(checked, a, b, self.metric)

    def sectional_curvature(
        self, point: Any, tangent_vector_a: Any, tangent_vector_b: Any
    ) -> float:
        r"""Return the sectional curvature of the plane of two tangent vectors.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).
        tangent_vector_a, tangent_vector_b : FixedRankTangentVector or tuple (Up, M, Vp)
            Tangent vectors at W that span the plane.

        Returns
        -------
        float
            g(R(a, b) b, a) over the squared area of the parallelogram of a and b. It scales as
            c^(-2/N) when W is multiplied by c.

        Raises
        ------
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite; if one of the vectors is zero,
            or the two are linearly dependent to round-off.
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
        # In units of their own: only the curvature itself must fit into floating point.
        checked, of_point = point_in_unit(self._point(point), self.metric)
        vectors = self._tangent(tangent_vector_a), self._tangent(tangent_vector_b)
        (a, _), (b, _) = (unit_vector(vector) for vector in vectors)
        for name, vector in (("first", a), ("second", b)):
            if not any(part.any() for part in vector):
                raise ValueError(f"the {name} tangent vector is zero, so the two span no plane")
        # Orthonormalised first: the curvature of the plane does not change, round-off does.
        a = a / self.norm(checked, a)
        b = b / self.norm(checked, b)
        rest = b - a * self.inner_product(checked, a, b)
        length = self.norm(checked, rest)
        if not length > _DEPENDENT:
            raise ValueError(
                "the two tangent vectors span no plane: after both are brought to length 1, the "
                f"part of the second that is orthogonal to the first has length {length:.2e}"
            )
        value = curvature.curvature_form(checked, a, rest / length, self.metric)
        factor, exponent = power(of_point, 0, -2, self.metric.homogeneity)
        return restored_number("the curvature", value * factor, exponent)
