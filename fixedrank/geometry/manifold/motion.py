"""Ways to move on M_k: retractions, geodesics, parallel transport."""

from __future__ import annotations

from typing import Any

from fixedrank.geometry.factored import retraction
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.tangency import require_point, require_tangent
from fixedrank.geometry.geodesics import exponential, logarithm
from fixedrank.geometry.manifold.derivatives import Derivatives
from fixedrank.geometry.metric.christoffel import christoffel

_SMALLEST_RTOL, _LARGEST_RTOL = 1e-12, 0.1


class Motion(Derivatives):
    """Moves along tangent vectors, and between points."""

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

    def second_order_retraction(self, point: Any, tangent_vector: Any) -> FixedRankPoint:
        r"""Return a point that agrees with the geodesic along Z to second order.

        It is the retraction of Z - Gamma(Z, Z) / 2, with the Christoffel term of
        :meth:`christoffel`: along t Z its covariant acceleration vanishes at t = 0.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).
        tangent_vector : FixedRankTangentVector or tuple (Up, M, Vp)
            Tangent vector Z at W, arrays of shapes (m, k), (k, k), (n, k).

        Returns
        -------
        FixedRankPoint
            The new point; it differs from ``exp(point, Z)`` by terms of third order in Z.

        Raises
        ------
        RankLostError
            If the rank at the end of the step is below k to round-off.
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite.
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
        >>> point, Z = (
        ...     manifold.point([[4.0]]),
        ...     (np.zeros((1, 1)), np.ones((1, 1)), np.zeros((1, 1))),
        ... )
        >>> manifold.second_order_retraction(point, Z).s, manifold.exp(point, Z).s
        (array([5.0625]), array([5.0625]))
        """
        checked, vector = self._point(point), self._tangent(tangent_vector)
        # Beside W and Z the term may well be too small for floating point.
        bent = christoffel(checked, vector, vector, self.metric, may_vanish=True)
        return retraction.retract(checked, vector - bent / 2)

    def exp(self, point: Any, tangent_vector: Any, *, rtol: float = 1e-10) -> FixedRankPoint:
        r"""Return the end of the geodesic that starts at W with velocity Z, at time 1.

        The geodesic equation is integrated in factors of at most 2k rows and columns. No vector is
        too long for it: M_k is a cone, and W -> c W, Z -> c Z leads to c times the end.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).
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
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite; if the point is not one of M_k or
            the vector not tangent, by how much; if `rtol` is out of range.

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
        return exponential.exponential(start, vector, self.metric, _tolerance(rtol))

    def parallel_transport(
        self, point: Any, direction: Any, tangent_vector: Any, *, rtol: float = 1e-10
    ) -> FixedRankTangentVector:
        """Return a tangent vector, parallel transported along the geodesic in a direction.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).
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
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite; if the point is not one of M_k or
            a vector not tangent, by how much; if `rtol` is out of range.

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
        return exponential.parallel_transport(
            start,
            self._velocity(start, direction, "the direction"),
            self._velocity(start, tangent_vector),
            self.metric,
            _tolerance(rtol),
        )

    def log(self, point_a: Any, point_b: Any, *, rtol: float = 1e-8) -> FixedRankTangentVector:
        r"""Return the velocity at A of a geodesic that reaches B at time 1.

        For k = 1 it is the shortest one, in closed form. Otherwise it is found by collocation from
        paths of balanced factors, and verified: the exponential map ends at B, within 100 times
        the tolerance. Where the change of factors has two orientations, both are tried unless the
        second cannot be shorter.

        Parameters
        ----------
        point_a, point_b : FixedRankPoint or tuple (u, s, vt)
            The points A and B, arrays of shapes (m, k), (k,), (k, n).
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
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite; if a point is not one of M_k; if
            `rtol` is out of range.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=3)
        >>> a, b = (manifold.point(np.diag([s, 0.0])) for s in (1.0, 8.0))
        >>> np.round(manifold.log(a, b).M, 6)
        array([[3.]])
        """
        return logarithm.logarithm(
            self._start(point_a), self._start(point_b), self.metric, _tolerance(rtol)
        )

    def dist(self, point_a: Any, point_b: Any, *, rtol: float = 1e-8) -> float:
        r"""Return the length of a geodesic between two points.

        Parameters
        ----------
        point_a, point_b : FixedRankPoint or tuple (u, s, vt)
            The points A and B, arrays of shapes (m, k), (k,), (k, n).
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
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite; if a point is not one of M_k; if
            `rtol` is out of range.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=3)
        >>> a, b = (manifold.point(np.diag([s, 0.0])) for s in (1.0, 8.0))
        >>> round(manifold.dist(a, b) ** 2, 6)
        3.0
        """
        a, b = sorted(map(self._start, (point_a, point_b)), key=lambda p: tuple(p.s))
        return logarithm.distance(a, b, self.metric, _tolerance(rtol))

    def pair_mean(self, point_a: Any, point_b: Any, *, rtol: float = 1e-8) -> FixedRankPoint:
        """Return the midpoint of a geodesic between two points.

        Parameters
        ----------
        point_a, point_b : FixedRankPoint or tuple (u, s, vt)
            The points A and B, arrays of shapes (m, k), (k,), (k, n).
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
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite; if a point is not one of M_k; if
            `rtol` is out of range.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=3)
        >>> a, b = (manifold.point(np.diag([s, 0.0])) for s in (1.0, 27.0))
        >>> np.round(manifold.pair_mean(a, b).s, 6)
        array([8.])
        """
        return self.exp(point_a, self.log(point_a, point_b, rtol=rtol) / 2, rtol=rtol)

    def _start(self, point: Any) -> FixedRankPoint:
        return require_point(self._point(point))

    def _velocity(
        self, point: FixedRankPoint, vector: Any, name: str = "the tangent vector"
    ) -> FixedRankTangentVector:
        return require_tangent(point, self._tangent(vector), name)


def _tolerance(rtol: float) -> float:
    if not _SMALLEST_RTOL <= rtol <= _LARGEST_RTOL:
        raise ValueError(
            f"rtol must lie between {_SMALLEST_RTOL:.0e} and {_LARGEST_RTOL:g}, got {rtol!r}"
        )
    return float(rtol)
