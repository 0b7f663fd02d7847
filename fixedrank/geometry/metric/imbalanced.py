r"""The metric of layers with W_(j+1)^T W_(j+1) - W_j W_j^T = lambda_j I: f is the inverse of P.

With mu_1 = 0 and mu_(j+1) = mu_j + lambda_j the layers have the squared singular values
q_j(x) = x + mu_j, one x for each singular value of their product, s^2 = P(x) = prod_j q_j(x). The
metric has f = P^(-1), with f_0 = -mu_N on the left and -mu_1 on the right. With lambda = 0, P is
x^N: the layers are balanced.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

import numpy as np

from fixedrank._checks import Array, finite_array
from fixedrank._shared_docs import describe
from fixedrank._shown import some
from fixedrank.geometry.factored.units import power
from fixedrank.geometry.metric.chains import Chain, ThirdForm
from fixedrank.geometry.metric.depth import DepthMetric
from fixedrank.geometry.metric.layer_squares import squares_of_layers
from fixedrank.geometry.metric.linear_factors import (
    LinearFactors,
    product_chain,
    reciprocal_chain,
)
from fixedrank.geometry.metric.spectral import METRICS, Sides, SpectralMetric

# Mantissas of more factors than this would leave floating point.
_MOST_LAYERS = 1000
# As in the metric of depth N, up to this rank a table of second differences is the cheaper way.
_TABLE_RANK = 100


def layer_offsets(imbalance: Sequence[float]) -> tuple[float, ...]:
    """Return mu_j - min mu of all layers, exact until the last rounding.

    They may be close to each other beside the lambdas.
    """
    mu = list(accumulate(map(Fraction, imbalance), initial=Fraction(0)))
    least = min(mu)
    return tuple(float(value - least) for value in mu)


class ImbalancedMetric(SpectralMetric):
    r"""The metric of networks whose layers are out of balance by multiples of the identity.

    Layers W_1, ..., W_N whose hidden widths all are the rank k of their product W, and with

    .. math:: W_{j+1}^T W_{j+1} - W_j W_j^T = \lambda_j I_k, \qquad j = 1, \dots, N - 1,

    keep these differences along gradient flow, and W follows the gradient flow of this metric. It
    is given by :math:`f = P^{-1}`, :math:`P(x) = \prod_j (x + \mu_j)` with :math:`\mu_1 = 0` and
    :math:`\mu_{j+1} = \mu_j + \lambda_j`, on the x larger than all :math:`-\mu_j`. Zeros give the
    metric of depth N. At N = 2 a large :math:`|\lambda|` makes the flow lazy: one layer stands
    still, and W moves as in a linear model.

    Parameters
    ----------
    imbalance : sequence of float
        The N - 1 numbers lambda_j, finite, in units of s^(2/N).

    Attributes
    ----------
    imbalance : tuple of float
        The numbers lambda_j.
    layers : int
        The number N of layers. The ``depth``, which stands for balanced ones, is None.

    Raises
    ------
    TypeError, ValueError
        If the imbalance is not a sequence of 1 to 999 finite numbers.

    Notes
    -----
    All tables are sums of positive terms of x + mu_j, where x, the largest root of P(x) = s^2, is
    found by Newton's method from above. Where exactly m of the mu_j are the least of them, c_jj is
    like s^(2-2/m) near zero: unless m >= 2 a singular value may reach zero in finite time, where
    layers go on through zero. :func:`riemannian_flow` does so too if the least layer is square.

    References
    ----------
    :doc:`/mathematics/imbalance`; for N = 2 also S. Tarmoun, G. Franca, B. D. Haeffele, R. Vidal,
    Understanding the dynamics of gradient flow in overparameterized linear models, ICML 2021, and
    C. Domine et al., From lazy to rich: exact learning dynamics in deep linear networks,
    arXiv:2409.14623.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> metric = fixedrank.ImbalancedMetric([3.0])  # s^2 = x (x + 3): x = 1 and 2 ...
    >>> np.round(metric.tangential(np.array([2.0, 10**0.5])), 12)  # ... and c = x_i + x_j + 3
    array([[5., 6.],
           [6., 7.]])
    >>> fixedrank.FixedRank(3, 2, 1, depth=2, imbalance=[3.0])
    FixedRank(3, 2, 1, metric=ImbalancedMetric([3.0]))
    """

    def __init__(self, imbalance: Sequence[float]) -> None:
        values = finite_array("imbalance", imbalance, 1)
        if not 1 <= values.size < _MOST_LAYERS:
            raise ValueError(
                f"imbalance must be the N - 1 numbers lambda_1, ..., lambda_(N-1) of 2 to "
                f"{_MOST_LAYERS} layers, got {values.size}"
            )
        self.imbalance: tuple[float, ...] = tuple(values.tolist())
        self._offsets = layer_offsets(self.imbalance)

    def __repr__(self) -> str:
        return f"ImbalancedMetric([{some([repr(value) for value in self.imbalance], most=8)}])"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImbalancedMetric) and self.imbalance == other.imbalance

    def __hash__(self) -> int:
        return hash((ImbalancedMetric, self.imbalance))

    @property
    def layers(self) -> int:
        """The number N of layers."""
        return len(self.imbalance) + 1

    def decayed(self, factor: float) -> SpectralMetric:
        """Return the metric with all lambda_j times a factor; that of depth N where all are zero.

        Weight decay shrinks them so: by exp(-2 decay t) along a flow.

        Parameters
        ----------
        factor : float
            The factor.

        Returns
        -------
        SpectralMetric
            The metric.
        """
        scaled = [factor * value for value in self.imbalance]
        return ImbalancedMetric(scaled) if any(scaled) else DepthMetric(self.layers)

    def squared_norms(self, s: Array) -> Array:
        """Return what each singular value adds to the sum of |W_j|^2 over the layers.

        Returns
        -------
        ndarray, shape (..., k)
            The sums over j of x_i + mu_j.
        """
        return np.asarray(self.layer_squares(s).sum(axis=0))

    def layer_squares(self, s: Array) -> Array:
        """Return the squared singular values x_i + mu_j of all layers.

        Returns
        -------
        ndarray, shape (N, ..., k)
            The squares, with the axis of layers first.
        """
        s = np.asarray(s, dtype=np.float64)
        return squares_of_layers(s.tobytes(), s.shape, self._offsets)

    @property
    def degree(self) -> float:
        """The number N of layers."""
        return float(self.layers)

    def in_unit(self, exponent: int) -> SpectralMetric | None:
        """Return the metric with all lambda_j over 2^(2 exponent / N), None where they overflow.

        Parameters
        ----------
        exponent : int
            The unit as a power of two.

        Returns
        -------
        ImbalancedMetric or None
            The metric.
        """
        factor, shift = power(exponent, 0, -2, self.degree)
        with np.errstate(over="ignore"):
            scaled = np.ldexp(np.multiply(self.imbalance, factor), shift)
        return ImbalancedMetric(scaled.tolist()) if np.isfinite(scaled).all() else None

    # The tables

    def tangential(self, s: Array) -> Array:
        """Return the weights c_ij = P[x_i, x_j]."""
        return LinearFactors(self.layer_squares(s)).first()

    def normal(self, s: Array) -> Sides:
        """Return the products of x_j + mu_l over l < N, and over l > 1."""
        squares = self.layer_squares(s)
        return squares[:-1].prod(axis=0), squares[1:].prod(axis=0)

    def normal_rates(self, s: Array) -> Sides:
        """Return s_j / (x_j + mu_N) and s_j / (x_j + mu_1)."""
        squares = self.layer_squares(s)
        return s / squares[-1], s / squares[0]

    def radial_weights(self, s: Array) -> Array:
        """Return 1 / sum_l 1 / (x_j + mu_l)."""
        with np.errstate(divide="ignore"):
            return np.asarray(1 / (1 / self.layer_squares(s)).sum(axis=0))

    def second(self, s: Array) -> Array:
        """Return -P[x_i, x_l, x_j] / (c_il c_lj c_ij)."""
        factors = LinearFactors(self.layer_squares(s))
        inverse = 1 / factors.first()
        result = factors.second()
        result *= -inverse[..., :, :, None]
        result *= inverse[..., None, :, :]
        result *= inverse[..., :, None, :]
        return result

    def first(self, s: Array) -> Sides:
        """Return -Q[x_i, x_j] / (Q(x_i) Q(x_j) c_ij), Q the product of the other factors."""
        squares = self.layer_squares(s)
        inverse = 1 / LinearFactors(squares).first()

        def side(others: Array) -> Array:
            whole = 1 / others.prod(axis=0)
            differences = LinearFactors(others).first() * -inverse
            return np.asarray(differences * whole[..., None, :] * whole[..., :, None])

        return side(squares[:-1]), side(squares[1:])

    # Sums over the middle index

    def chain(self, s: Array) -> Chain:
        """Return the sums over l, by N - 1 matrix products where that is cheaper than a table."""
        k = s.shape[-1]
        if self.layers > 2 and k <= min(4 * self.layers, _TABLE_RANK):
            return super().chain(s)
        factors = LinearFactors(self.layer_squares(s))
        inverse = 1 / factors.first()
        # P[x_l, x_i, x_j], in which x_l stands in the products of the factors behind.
        outer = factors.partial_firsts()[1:] * -inverse
        return product_chain(factors.behind[1:], outer, inverse)

    def raised_chain(self, s: Array) -> Chain:
        """Return the sums for (c_il c_lj - P(x_l) P[x_i, x_l, x_j]) / (c_il c_lj c_ij)."""
        factors = LinearFactors(self.layer_squares(s))
        inverse = 1 / factors.first()
        crossed = factors.crossed_firsts()
        before, behind = factors.before[..., :, None], factors.behind[..., None, :]

        def chain(a: Array, b: Array) -> Array:
            left, right = a * inverse, b * inverse
            products = (left * behind) @ (right * crossed)
            products *= before
            return np.asarray(products.sum(axis=0) * inverse)

        return chain

    def normal_chains(self, s: Array) -> tuple[Chain, Chain]:
        """Return the sums over second differences of 1 / Q, Q the product of the other factors."""
        squares = self.layer_squares(s)
        inverse = 1 / LinearFactors(squares).first()
        return (
            reciprocal_chain(squares[:-1], squares[-1], inverse),
            reciprocal_chain(squares[1:], squares[0], inverse),
        )

    def third(self, s: Array) -> ThirdForm:
        """Return the sums over third differences, by 5 (N - 1) matrix products."""
        factors = LinearFactors(self.layer_squares(s))
        slopes, q, behind = factors.first(), factors.q, factors.behind
        inverse, chain, partial = 1 / slopes, self.chain(s), factors.partial_firsts()

        def form(m: Array, x: Array, y: Array) -> float:
            mixed = chain(x, m) + chain(m, y)
            twice = chain(slopes * chain(x, x), m) + chain(m, slopes * chain(y, y))
            total = np.vdot(slopes * mixed, mixed) + np.vdot(m, twice)
            m, x, y = m * inverse, x * inverse, y * inverse
            # P[x_i, x_a, x_b, x_j] layer by layer: the parts that end in x m + m y and in x x.
            by_y, by_m = np.zeros(m.shape), np.zeros(m.shape)
            for j in range(2, self.layers):
                xs, ms = x * partial[j - 1], m * partial[j - 1]
                by_y = q[j - 1] * by_y + xs @ m + ms @ y
                by_m = q[j - 1] * by_m + xs @ x
                total -= np.vdot(m, (by_m @ m + by_y @ y) * behind[j])
            return float(total)

        return form

    @property
    def boundary_power(self) -> float:
        """The power 2/m - 1, where m of the mu_j are the least."""
        return 2 / self._offsets.count(0) - 1


describe(ImbalancedMetric, METRICS)
