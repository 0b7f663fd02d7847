r"""The metric of depth N: f(x) = x^(1/N), its special case N = 1 and its limit N = infinity.

With p = s^(2/N), entry (i, j) of M is multiplied by c_ij = sum_l p_i^(N-1-l) p_j^l and column j
of Up and Vp by c_j0 = s_j^(2-2/N). For real N the sum is the quotient
(s_i^2 - s_j^2) / (p_i - p_j), which cancels near ties; here it is never formed.
"""

from __future__ import annotations

import functools
import math
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from fixedrank._checks import Array, real_depth
from fixedrank._shared_docs import describe
from fixedrank.geometry.factored import tangent
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.metric.chains import (
    Chain,
    ThirdForm,
    integral_chain,
    integral_third_form,
    inverse_third_form,
    polynomial_chain,
    zero_chain,
)
from fixedrank.geometry.metric.connection import Bend
from fixedrank.geometry.metric.powers import (
    first_differences,
    log_ratios,
    second_differences,
    sums_of_monomials,
)
from fixedrank.geometry.metric.spectral import METRICS, Sides, SpectralMetric
from fixedrank.geometry.metric.tables import Weights

# Up to this depth a k x N table of powers is cheaper than logarithms of k x k ratios, and a sum of
# products of powers than logarithms of k x k x k ones.
_TABLE_DEPTH = 32
# Up to this rank sums come from a table of second differences for N that are not whole: at k = 80
# to make one takes as long as five sums by quadrature, but each sum a tenth, and optimisers ask for
# many at one point. For whole N a table is the cheaper one up to k = 4 N, but for N = 2.
_TABLE_RANK = 100
_KNOWN: WeakValueDictionary[float, DepthMetric] = WeakValueDictionary()


class DepthMetric(SpectralMetric):
    r"""The metric g_W of depth N, for any real N >= 1, or the limit of N g_W at infinite depth.

    It is the inverse of :math:`\mathcal{A}_{W,N}` of equation (7): :math:`f(x) = x^{1/N}`, and
    the logarithm in the limit. At N = 1 it is the embedded metric, with its own short ways.

    Parameters
    ----------
    depth : float
        The depth N, a real number >= 1 or ``math.inf``.

    Attributes
    ----------
    depth, homogeneity : float
        The depth N: lengths are homogeneous of degree 1/N.

    Raises
    ------
    TypeError, ValueError
        If the depth is not a number >= 1.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> metric = fixedrank.DepthMetric(2)
    >>> metric.tangential(np.array([4.0, 1.0]))
    array([[8., 5.],
           [5., 2.]])
    >>> fixedrank.FixedRank(3, 2, 1, metric=metric)
    FixedRank(3, 2, 1, depth=2)
    """

    depth: float
    homogeneity: float
    _whole: int | None

    def __new__(cls, depth: float) -> DepthMetric:
        """Return the metric of its kind: to users they are one type, as paths are in pathlib.

        There is one object for each depth, so that what is kept for it is found by identity.
        """
        number = real_depth(depth)
        known = _KNOWN.get(number)
        if known is not None:
            return known
        kind = EmbeddedMetric if number == 1 else LimitMetric if math.isinf(number) else DepthMetric
        self = super().__new__(kind)
        self.depth = self.homogeneity = number
        self._whole = int(number) if number <= _TABLE_DEPTH and number == int(number) else None
        return _KNOWN.setdefault(number, self)

    def __reduce__(self) -> tuple[type, tuple[float]]:
        return DepthMetric, (self.depth,)

    def __repr__(self) -> str:
        return f"DepthMetric({self.depth:g})"

    def tangential(self, s: Array) -> Array:
        """Return the weights c_ij, exact to a few ulp at ties and for every depth."""
        if self._whole == 2:
            return np.asarray(s[..., :, None] + s[..., None, :])
        if self._whole is not None:
            powers: Array = s[..., None] ** _exponents(self._whole)
            return np.asarray(powers @ powers[..., ::-1].swapaxes(-1, -2))
        # With d = ln(s_max^2 / s_min^2), and no cancellation,
        # c = s_max^(2-2/N) (1 - e^-d) / (1 - e^(-d/N)).
        d, larger, _ = log_ratios(s)
        d[d == 0] = 1e-100  # a tie: the quotient below is its limit N there
        ratio = np.expm1(-d) / np.expm1(-d / self.depth)
        return np.asarray(larger ** (2 * complement(self.depth)) * ratio)

    def normal(self, s: Array) -> Sides:
        """Return the weights s_j^(2 - 2/N), twice."""
        weights = s ** (2 * complement(self.depth))
        return weights, weights

    def normal_rates(self, s: Array) -> Sides:
        """Return s_j^(1 - 2/N), twice."""
        rates = s ** (2 * complement(self.depth) - 1)
        return rates, rates

    def factor_weights(self, s: Array) -> tuple[Array | None, Array | None]:
        """Return s_j^(1 - 2/N), twice, which is one at N = 2."""
        return (None, None) if self.depth == 2 else self.normal_rates(s)

    def second(self, s: Array) -> Array:
        """Return the second divided differences of x^(1/N)."""
        if self._whole is None:
            return second_differences(s, 1 / self.depth, one_minus=complement(self.depth))
        tangential = self.tangential(s)
        products = tangential[..., :, :, None] * tangential[..., None, :, :]
        products *= tangential[..., :, None, :]
        result = sums_of_monomials(s ** (2 / self.depth), self._whole - 2)
        result /= -products
        return result

    def chain(self, s: Array) -> Chain:
        """Return the sums over l, by N - 1 matrix products for whole N."""
        return self._power_chain(s, 0) or super().chain(s)

    def raised_chain(self, s: Array) -> Chain:
        """Return the sums over second differences of x^(1/N + 1), by products."""
        return self._power_chain(s, 1) or super().raised_chain(s)

    def normal_chains(self, s: Array) -> tuple[Chain, Chain]:
        """Return the sums over second differences of x^(1/N - 1), twice."""
        chain = self._power_chain(s, -1)
        return super().normal_chains(s) if chain is None else (chain, chain)

    def _power_chain(self, s: Array, shift: int) -> Chain | None:
        """Return the sums over second differences of x^(1/N + shift), None for the table."""
        if self._by_table(s.shape[-1]):
            return None
        sign = -1 if shift == 0 else 1
        if self._whole is None:
            power, gap = 1 / self.depth + (1 + shift), complement(self.depth) + (1 - shift)
            return integral_chain(s, power, gap, sign * self._integral_factor)
        n = self._whole - 1
        polynomials = {0: (n - 1, 0, 0), 1: (n, n, 0), -1: (2 * n - 1, n - 1, n)}
        slopes = sign * self.tangential(s)
        return polynomial_chain(s ** (2 / self.depth), slopes, *polynomials[shift])

    def first(self, s: Array) -> Sides:
        """Return the first divided differences of x^(1/N - 1), twice."""
        if self._whole is None:
            differences = first_differences(s, -complement(self.depth))
        else:
            # -h_(N-2)(p_i, p_j) / ((p_i p_j)^(N-1) c_ij), a sum of terms of one sign.
            powers: Array = s[..., None] ** (_exponents(self._whole) - 2 * complement(self.depth))
            sums = powers[..., 1:] @ powers[..., :0:-1].swapaxes(-1, -2)
            differences = sums / -self.tangential(s)
        return differences, differences

    def normal_second(self, s: Array) -> Sides:
        """Return the second divided differences of x^(1/N - 1), twice."""
        differences = second_differences(s, -complement(self.depth))
        return differences, differences

    def radial_weights(self, s: Array) -> Array:
        """Return s_j^(2/N) / N."""
        return np.asarray(s ** (2 / self.depth) / self.depth)

    def third(self, s: Array) -> ThirdForm:
        """Return the sums over third divided differences, as matrix products.

        For whole N, where second ones need no table, they are those of the inverse of p -> p^N.
        Else by quadrature of their integral: the differences are c times that of t^(1/N) over the
        product of the t + s^2, with c = sin(pi/N)/pi, so that for each node the sums are products.
        """
        if self._whole is not None and not self._by_table(s.size):
            p = s ** (2 / self.depth)
            return inverse_third_form(p, self._whole, self.tangential(s), self.chain(s))
        return integral_third_form(s, 1 + 1 / self.depth, self._integral_factor)

    def _by_table(self, k: int) -> bool:
        """Say whether sums over l come from a table."""
        if self._whole is None:
            return k <= _TABLE_RANK
        return k <= min(4 * self._whole, _TABLE_RANK) and self._whole > 2

    @property
    def _integral_factor(self) -> float:
        # sin(pi/N) = sin(pi (1 - 1/N)), which is the accurate one near N = 1.
        return math.sin(math.pi * min(1 / self.depth, complement(self.depth))) / math.pi

    @property
    def boundary_power(self) -> float:
        """The power 2/N - 1, as c_jj = N s^(2-2/N)."""
        return (2 - self.depth) / self.depth if self.depth < 2 else 2 / self.depth - 1

    def typical_dist(self, k: int) -> float:
        """Return sqrt(N k), the typical length of a geodesic."""
        return math.sqrt(k * self.depth)


describe(DepthMetric, METRICS)


class EmbeddedMetric(DepthMetric):
    """The Frobenius inner product on tangent spaces, N = 1, where all weights are one."""

    def tangential(self, s: Array) -> Array:
        """Return ones."""
        return np.ones((*s.shape, s.shape[-1]))

    def second(self, s: Array) -> Array:
        """Return zeros."""
        return np.zeros((*s.shape, s.shape[-1], s.shape[-1]))

    def chain(self, s: Array) -> Chain:
        """Return sums that are zero."""
        return zero_chain

    def raised_chain(self, s: Array) -> Chain:
        """Return plain products."""
        return np.matmul

    def normal_second(self, s: Array) -> Sides:
        """Return zeros."""
        zero = self.second(s)
        return zero, zero

    def normal_chains(self, s: Array) -> tuple[Chain, Chain]:
        """Return sums that are zero."""
        return zero_chain, zero_chain

    def third(self, s: Array) -> ThirdForm:
        """Return the form that is zero."""
        return _zero

    def inner_product(
        self, s: Array, a: FixedRankTangentVector, b: FixedRankTangentVector
    ) -> tuple[float, int]:
        """Return the Frobenius inner product, and 0."""
        return float(np.vdot(a.M, b.M) + np.vdot(a.Up, b.Up) + np.vdot(a.Vp, b.Vp)), 0

    def gradient(self, point: FixedRankPoint, matrix: Any) -> FixedRankTangentVector:
        """Return the projection."""
        return tangent.project(point, matrix)

    def christoffel(
        self, point: FixedRankPoint, a: FixedRankTangentVector, b: FixedRankTangentVector
    ) -> tuple[FixedRankTangentVector, int]:
        """Return the zero vector, and 0."""
        return FixedRankTangentVector(*(np.zeros(part.shape) for part in a)), 0

    def stacked_christoffel(self, s: Array, z: FixedRankTangentVector) -> FixedRankTangentVector:
        """Return zero vectors."""
        return FixedRankTangentVector(*(np.zeros(part.shape) for part in z))

    def bend(
        self, s: Array, w: Weights, xm: Array, zm: Array, up_gram: Array, vp_gram: Array
    ) -> Bend:
        """Return zeros."""
        zero = np.zeros(xm.shape)
        return Bend(zero, zero, zero)


class LimitMetric(DepthMetric):
    """The limit of N g_W at infinite depth: f(x) = ln x, on invertible matrices."""

    normal_directions = False

    def check_sizes(self, m: int, n: int, k: int) -> None:
        """Raise a ValueError unless k = m = n."""
        if not k == m == n:
            raise ValueError(
                "at infinite depth the metric exists only on the invertible matrices, k = m = n "
                f"(the normal directions degenerate), got m = {m}, n = {n}, k = {k}; use a finite "
                "depth"
            )

    def tangential(self, s: Array) -> Array:
        """Return (s_i^2 - s_j^2) / (ln s_i^2 - ln s_j^2), the limit of A/N."""
        d, larger, _ = log_ratios(s)
        d[d == 0] = 1e-100
        return np.asarray(larger**2 * (np.expm1(-d) / -d))

    def normal(self, s: Array) -> Sides:
        """Return zeros: c_j0 / N tends to zero, and there are no normal directions."""
        zero = np.zeros_like(s)
        return zero, zero

    def normal_rates(self, s: Array) -> Sides:
        """Return zeros."""
        return self.normal(s)

    def radial_weights(self, s: Array) -> Array:
        """Return ones."""
        return np.ones_like(s)

    def first(self, s: Array) -> Sides:
        """Return zeros."""
        zero = np.zeros((*s.shape, s.shape[-1]))
        return zero, zero

    def normal_second(self, s: Array) -> Sides:
        """Return zeros."""
        zero = np.zeros((*s.shape, s.shape[-1], s.shape[-1]))
        return zero, zero

    def normal_chains(self, s: Array) -> tuple[Chain, Chain]:
        """Return sums that are zero."""
        return zero_chain, zero_chain

    @property
    def _integral_factor(self) -> float:
        return 1.0

    def typical_dist(self, k: int) -> float:
        """Return sqrt(k)."""
        return math.sqrt(k)


def as_metric(depth: Any) -> SpectralMetric:
    """Return a metric unchanged, and that of a depth.

    Raises
    ------
    TypeError, ValueError
        If it is neither a metric nor a number >= 1.
    """
    return depth if isinstance(depth, SpectralMetric) else DepthMetric(depth)


def known_depth(depth: Any, what: str) -> float:
    """Return the depth that a metric has, or a number given as one.

    Raises
    ------
    TypeError, ValueError
        If the metric has no depth, or the number is none.
    """
    metric = as_metric(depth)
    if metric.depth is None:
        raise TypeError(f"{what} is known for the metrics of depth N only, not for {metric!r}")
    return metric.depth


def complement(depth: float) -> float:
    """Return 1 - 1/N, which for N near 1 would cancel."""
    return (depth - 1) / depth if depth < 2 else 1 - 1 / depth


@functools.lru_cache(maxsize=64)
def _exponents(depth: int) -> Array:
    exponents = 2.0 * np.arange(depth - 1, -1, -1) / depth
    exponents.flags.writeable = False
    return exponents


def _zero(m: Array, x: Array, y: Array) -> float:
    return 0.0
