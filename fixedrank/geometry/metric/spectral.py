r"""Metrics on M_k that are invariant under orthogonal changes of both sides, as tables at s.

With W = U diag(s) V^T and x_i = s_i^2, the inverse A_W of such a metric is diagonal: it multiplies
entry (i, j) of M by c_ij = 1 / f[x_i, x_j] with the first divided difference of a function f, and
column j of Up and Vp by x_j / (f(x_j) - f_0), with values f_0 of f at the index zero of a left and
of a right normal direction. At depth N that is f(x) = x^(1/N), and f_0 = 0. The derivative of the
metric holds the second differences f[x_i, x_l, x_j], and where one index is normal the first
differences of F(x) = (f(x) - f_0) / x. Nothing else of f is needed for connection, Hessian and
geodesics; the curvature asks for one order more.
"""

from __future__ import annotations

import abc
import math

import numpy as np

from fixedrank._checks import Array
from fixedrank._shared_docs import describe
from fixedrank.geometry.factored import tangent
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.tall import divided_product
from fixedrank.geometry.factored.units import moderate, ordinary, unit_vector
from fixedrank.geometry.metric import connection
from fixedrank.geometry.metric.chains import Chain, ThirdForm, table_chain
from fixedrank.geometry.metric.connection import Bend
from fixedrank.geometry.metric.interpolation import next_differences
from fixedrank.geometry.metric.tables import (
    Weights,
    both,
    point_in_unit,
    stacked_weights,
    tables,
    weights,
)

# Where the exponent of c_jj at s -> 0 is read off: squares, and their inverses, are no problem.
_NEAR_ZERO = 1e-60

Sides = tuple[Array, Array]

METRICS = """
Parameters
----------
s : ndarray, shape (..., k)
    Singular values, in any order.
m, n, k : int
    Sizes and rank.
point : FixedRankPoint
    The point W.
a, b : FixedRankTangentVector
    Tangent vectors at W.
z : FixedRankTangentVector
    Tangent vectors, a stack of them where `s` is one.
matrix : array, sparse array, LinearOperator, low-rank pair or triple; m x n
    The Euclidean gradient G.
w : Weights
    The tables at `s`.
xm, zm : ndarray, shape (k, k)
    The parts M of the gradient x and of a direction z.
up_gram, vp_gram : ndarray, shape (k, k)
    The products ``z.Up.T @ x.Up`` and ``x.Vp.T @ z.Vp``.
"""


class SpectralMetric(abc.ABC):
    r"""A Riemannian metric on M_k, given by a function f through its divided differences.

    At :math:`W = U \operatorname{diag}(s) V^T` and with :math:`x_i = s_i^2` the squared length of
    a tangent vector :math:`Z = U M V^T + U_p V^T + U V_p^T` is

    .. math::

        g_W(Z, Z) = \sum_{ij} f[x_i, x_j] M_{ij}^2 + \sum_j F_l(x_j) |U_{p,j}|^2
        + \sum_j F_r(x_j) |V_{p,j}|^2, \qquad F(x) = \frac{f(x) - f_0}{x},

    where :math:`f_0` may differ between left and right. The metric of depth N has
    :math:`f(x) = x^{1/N}` and :math:`f_0 = 0`. A metric of your own is a class with the four
    methods below; ``FixedRank(m, n, k, metric=...)``, :class:`DepthOperator` and
    :func:`riemannian_flow` take an object of it. All four get singular values on the last axis of
    `s`, so that there may be a stack of them, and must not subtract nearby numbers where singular
    values are close: that is where their accuracy, and that of all that follows, is decided.

    Attributes
    ----------
    depth : float or None
        The depth N of the balanced network whose metric this is, or None.
    layers : float or None
        The number N of layers whose product moves by this metric, or None; by default the depth.
        Weight decay, which acts on layers, is N times as strong on the product.
    homogeneity : float or None
        The N for which :math:`g_{cW}(cZ, cZ) = c^{2/N} g_W(Z, Z)`, infinity for a metric that does
        not change; None, the default, where there is none. With it W is computed with in a unit of
        its own, and geodesics are solved on the cone that M_k is.
    degree : float or None
        The N for which lengths scale so if numbers of the metric, such as an imbalance, change with
        the unit, as `in_unit` tells; by default the homogeneity.
    normal_directions : bool
        False for a metric that exists on square matrices of full rank only, and has no weights of
        Up and Vp.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> class Doubled(fixedrank.SpectralMetric):  # f(x) = 2 x: twice the embedded metric
    ...     def tangential(self, s):
    ...         return np.full((*s.shape, s.shape[-1]), 0.5)
    ...
    ...     def normal(self, s):
    ...         return np.full(s.shape, 0.5), np.full(s.shape, 0.5)
    ...
    ...     def second(self, s):
    ...         return np.zeros((*s.shape, s.shape[-1], s.shape[-1]))
    ...
    ...     def first(self, s):
    ...         return np.zeros((*s.shape, s.shape[-1])), np.zeros((*s.shape, s.shape[-1]))
    >>> manifold = fixedrank.FixedRank(3, 2, 1, metric=Doubled())
    >>> point = manifold.point(np.eye(3, 2))
    >>> Z = manifold.projection(point, np.eye(3, 2))
    >>> manifold.inner_product(point, Z, Z)
    2.0
    """

    depth: float | None = None
    homogeneity: float | None = None
    normal_directions: bool = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @property
    def layers(self) -> float | None:
        """The number N of layers whose product moves by this metric, or None."""
        return self.depth

    @property
    def degree(self) -> float | None:
        """The N by which the metric scales if its own numbers do; by default the homogeneity."""
        return self.homogeneity

    def in_unit(self, exponent: int) -> SpectralMetric | None:
        r"""Return the metric of the same matrices in another unit.

        By default it is this metric where it is homogeneous, and None, for unknown, where not. In
        general it is the h with :math:`g_{cW}(cZ, cZ) = c^{2/N} h_W(Z, Z)`, where c is the unit
        and N the degree.

        Parameters
        ----------
        exponent : int
            The unit as a power of two.

        Returns
        -------
        SpectralMetric or None
            The metric.
        """
        return None if self.homogeneity is None else self

    # The tables

    @abc.abstractmethod
    def tangential(self, s: Array) -> Array:
        """Return the weights c_ij = 1 / f[x_i, x_j] of the entries of M, all positive.

        Returns
        -------
        ndarray, shape (..., k, k)
            The weights, symmetric; (s_i^2 - s_j^2) / (f(s_i^2) - f(s_j^2)) for distinct values.
        """

    @abc.abstractmethod
    def normal(self, s: Array) -> Sides:
        """Return the weights s_j^2 / (f(s_j^2) - f_0) of the columns of Up and of Vp.

        Returns
        -------
        tuple of ndarray, shape (..., k)
            The weights of Up and those of Vp; the same array twice where they are equal.
        """

    @abc.abstractmethod
    def second(self, s: Array) -> Array:
        """Return the second divided differences f[x_i, x_l, x_j].

        Returns
        -------
        ndarray, shape (..., k, k, k)
            The differences, symmetric in all indices.
        """

    @abc.abstractmethod
    def first(self, s: Array) -> Sides:
        """Return the first divided differences F[x_i, x_j] of F(x) = (f(x) - f_0) / x.

        Returns
        -------
        tuple of ndarray, shape (..., k, k)
            The differences with f_0 of the left side, and with that of the right.
        """

    # What may be known better than from the tables

    def check_sizes(self, m: int, n: int, k: int) -> None:
        """Raise a ValueError where the metric does not exist on the m x n matrices of rank k.

        By default it exists on all.
        """
        if not self.normal_directions and not k == m == n:
            raise ValueError(
                f"the metric {self} has no normal directions: it exists on the invertible matrices "
                f"only, k = m = n, got m = {m}, n = {n}, k = {k}"
            )

    def normal_rates(self, s: Array) -> Sides:
        """Return the weights of the columns of Up and Vp over s_j, as gradients of factors need.

        A metric whose weights vanish with s may form the quotient without a division.
        """
        return both(lambda weights: weights / s, self.normal(s))

    def factor_weights(self, s: Array) -> tuple[Array | None, Array | None]:
        """Return by what derivatives with respect to u and vt are multiplied; None for ones."""
        return self.normal_rates(s)

    def radial_weights(self, s: Array) -> Array:
        """Return s_j^2 / c_jj, of which the squared length of W is the sum."""
        tangential = np.diagonal(self.tangential(s), axis1=-2, axis2=-1)
        return np.asarray(s / tangential * s)

    def chain(self, s: Array) -> Chain:
        """Return the sums over l of second differences, which is all that is asked of them.

        By default they come from `second`, with its k^3 numbers. A metric whose second differences
        are sums of products of something of i and j and something of l needs no such table: its
        sums are matrix products.

        Returns
        -------
        callable
            The function of arrays (a, b), of shape (..., k, k) each, with the value
            sum over l of f[x_i, x_l, x_j] a_il b_lj.
        """
        return table_chain(self.second(s))

    def normal_chains(self, s: Array) -> tuple[Chain, Chain]:
        """Return such sums over second differences of F, for both sides; s has one axis.

        By default they come from `normal_second`.
        """
        left, right = self.normal_second(s)
        of_left = table_chain(left)
        return of_left, of_left if right is left else table_chain(right)

    def raised_chain(self, s: Array) -> Chain:
        """Return such sums over the second differences of x f(x) with x_l >= x_i and x_j.

        No others are asked for; s has one axis. By default they come from a table that has
        x_l f[x_i, x_l, x_j] + f[x_i, x_j], which cancels where x_l is the largest by far, and there
        (x_l f[x_i, x_l] - x_j f[x_i, x_j]) / (x_l - x_j) with x_i >= x_j.
        """
        f = 1 / self.tangential(s)
        i, l, j = np.ogrid[: s.size, : s.size, : s.size]
        near, far = np.where(s[i] < s[j], j, i), np.where(s[i] < s[j], i, j)
        ratio = (s[far] / s[l]) ** 2
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            quotient = (f[near, l] - ratio * f[near, far]) / (1 - ratio)
        close = self.second(s) * (s * s)[:, None] + f[:, None, :]
        close[ratio < 0.5] = quotient[ratio < 0.5]
        close[np.broadcast_to(ratio > 1, close.shape)] = 0
        return table_chain(close)

    def third(self, s: Array) -> ThirdForm:
        """Return the sums over third divided differences that the curvature needs.

        Parameters
        ----------
        s : ndarray, shape (k,)
            Singular values.

        Returns
        -------
        callable
            The function of k x k arrays (m, x, y), the last two of them symmetric, with the value
            sum of f[i, a, b, j] m_ij (x_ia x_ab m_bj + x_ia m_ab y_bj + m_ia y_ab y_bj). By
            default the differences come from `second` near s, to some ten digits.
        """
        table = next_differences(self.second, s)

        def form(m: Array, x: Array, y: Array) -> float:
            total = np.einsum("iabj,ij,ia,ab,bj->", table, m, x, x, m, optimize=True)
            total += np.einsum("iabj,ij,ia,ab,bj->", table, m, x, m, y, optimize=True)
            total += np.einsum("iabj,ij,ia,ab,bj->", table, m, m, y, y, optimize=True)
            return float(total)

        return form

    def normal_second(self, s: Array) -> Sides:
        """Return the second divided differences of F, for both sides, as the curvature needs them.

        By default they come from `first` near s, to some ten digits.
        """
        sides = self.first(s)
        left = next_differences(lambda at: self.first(at)[0], s)
        same = sides[0] is sides[1]
        return left, left if same else next_differences(lambda at: self.first(at)[1], s)

    @property
    def boundary_power(self) -> float:
        """The p for which c_jj is like s^(1-p) as s tends to zero.

        A gradient flow of this metric may reach lower rank in finite time if p > 0: near zero a
        singular value follows s' = -c_jj a. By default it is read off the table at tiny values.
        """
        near, nearer = (self.tangential(np.array([s]))[0, 0] for s in (_NEAR_ZERO, _NEAR_ZERO**2))
        return round(1 + float(math.log(near / nearer) / math.log(_NEAR_ZERO)), 6)

    def typical_dist(self, k: int) -> float:
        """Return the length of the geodesic from zero to k singular values of one."""
        # SciPy's integrators are imported where they are used: they take as long as pymanopt.
        from scipy.integrate import quad

        length = quad(lambda s: self.tangential(np.array([s]))[0, 0] ** -0.5, 0, 1)[0]
        return math.sqrt(k) * float(length)

    # What a metric may do faster

    def inner_product(
        self, s: Array, a: FixedRankTangentVector, b: FixedRankTangentVector
    ) -> tuple[float, int]:
        """Return v and e with g_W(A, B) = v 2^-e: every entry divided by its weight."""
        tangential, left, right, exponent = tables(s, self)
        value = float(np.vdot(a.M / tangential, b.M))
        if self.normal_directions:
            value += divided_product(a.Up, b.Up, left) + divided_product(a.Vp, b.Vp, right)
        return value, exponent

    def gradient(self, point: FixedRankPoint, matrix: object) -> FixedRankTangentVector:
        """Return A_W(P_T G) for moderate singular values."""
        tangential, left, right, _ = tables(point.s, self)
        up, core, vp = tangent.project(point, matrix, left, right)
        return FixedRankTangentVector(up, core * tangential, vp)

    def christoffel(
        self, point: FixedRankPoint, a: FixedRankTangentVector, b: FixedRankTangentVector
    ) -> tuple[FixedRankTangentVector, int]:
        """Return Gamma(a, b) / 2^e and e, which is 0 unless W or the vectors are far from one.

        It is the Christoffel term, by which the connection differs from that of the embedding.
        """
        if moderate(point.s):
            with np.errstate(over="ignore", invalid="ignore"):
                result = connection.christoffel_term(point.s, weights(point.s, self), a, b)
                if ordinary(result):
                    return result, 0
        point, there, of_point = point_in_unit(point, self)
        (a, of_a), (b, of_b) = unit_vector(a), unit_vector(b)
        result = connection.christoffel_term(point.s, weights(point.s, there), a, b)
        return result, of_a + of_b - of_point

    def stacked_christoffel(self, s: Array, z: FixedRankTangentVector) -> FixedRankTangentVector:
        """Return the Christoffel terms Gamma(z, z) for stacks of singular values and vectors."""
        return connection.christoffel_term(s, stacked_weights(s, self), z, z)

    def bend(
        self, s: Array, w: Weights, xm: Array, zm: Array, up_gram: Array, vp_gram: Array
    ) -> Bend:
        """Return what the Hessian has beyond that of the embedded metric."""
        return connection.bend(s, w, xm, zm, up_gram, vp_gram)


describe(SpectralMetric, METRICS)
