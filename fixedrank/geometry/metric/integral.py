"""The metric by the integral of Theorem 3, independent of the closed form.

For two layers with W_2^T W_2 - W_1 W_1^T = lambda I it is that of depth 2 with all eigenvalues of
W W^T and W^T W moved by lambda^2 / 4, zero too, as f(x) = ((4x + lambda^2)^(1/2) - lambda) / 2; and
where f_0 is not f(0), which is on the left for lambda > 0, |lambda| / x is to be added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fixedrank._aliases import PointLike, TangentLike
from fixedrank._checks import Array
from fixedrank._shared_docs import POINTS, describe
from fixedrank.geometry.factored.points import checked_point, checked_tangent
from fixedrank.geometry.factored.units import power, restored_number, unit_values, unit_vector
from fixedrank.geometry.metric.choice import metric_of
from fixedrank.geometry.metric.depth import known_depth
from fixedrank.geometry.metric.imbalanced import ImbalancedMetric
from fixedrank.geometry.metric.spectral import SpectralMetric

_BLOCK = 1 << 20


def integral_inner_product(
    point: PointLike,
    Z1: TangentLike,
    Z2: TangentLike,
    depth: float | SpectralMetric,
    *,
    imbalance: Sequence[float] | None = None,
    rtol: float = 1e-10,
) -> float:
    r"""Return g_W(Z1, Z2) by quadrature of its integral form.

    .. math::

        g_W(Z_1, Z_2) = \frac{\sin(\pi/N)}{\pi} \int_0^\infty \operatorname{tr}\left(
        (tI + WW^T)^{-1} Z_1 (tI + W^TW)^{-1} Z_2^T \right) t^{1/N}\, dt

    For two layers with :math:`W_2^T W_2 - W_1 W_1^T = \lambda I`, :math:`\lambda > 0`, it is

    .. math::

        \frac{1}{2\pi} \int_{\lambda^2/4}^\infty \sqrt{4t - \lambda^2} \operatorname{tr}\left(
        (tI + WW^T)^{-1} Z_1 (tI + W^TW)^{-1} Z_2^T \right) dt
        + \lambda \operatorname{tr}\left( (I - UU^T) Z_1 (W^TW)^+ Z_2^T \right),

    and for :math:`\lambda < 0` that of the transposed matrices with :math:`-\lambda`.

    This is independent of the closed form in :meth:`FixedRank.inner_product`, and slower: each
    serves to check the other.

    Parameters
    ----------
    Z1, Z2 : FixedRankTangentVector or tuple (Up, M, Vp)
        Tangent vectors at W, with arrays of shapes (m, k), (k, k), (n, k).
    depth : float or SpectralMetric
        The depth N, a real number with 1.0001 <= N <= 10000; or its metric, or that of two layers.
    imbalance : sequence of float, optional
        Beside depth 2 the number lambda, in a list.
    rtol : float
        Bound on the error, relative to the sum of the absolute values of the terms of the trace.
        At least 1e-12, and N / 50 times that where N > 50.

    Returns
    -------
    float
        The inner product g_W(Z1, Z2).

    Raises
    ------
    TypeError, ValueError
        If the point or the vectors are not what they should be; for N = 1 or infinity, for
        which there is no integral form; for an N at which the integrand hardly decays; or for an
        imbalance of more than two layers.
    OverflowError
        If the result is beyond the range of floating point.

    Notes
    -----
    In the frame of the SVD the resolvents are diagonal, and with t = exp(x) each term is
    analytic in the strip \|Im x\| < pi and decays exponentially in both directions, so that
    the trapezoidal rule converges exponentially in the number of nodes (Trefethen and
    Weideman, The exponentially convergent trapezoidal rule, SIAM Review 56, 2014). The step
    is halved until two results agree.

    References
    ----------
    Theorem 3 of the paper.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> manifold = fixedrank.FixedRank(5, 4, 2, depth=7)
    >>> point = manifold.random_point(rng=0)
    >>> Z = manifold.random_tangent_vector(point, rng=1)
    >>> round(fixedrank.integral_inner_product(point, Z, Z, depth=7), 9)
    1.0
    """
    checked = checked_point(point)
    a, b = checked_tangent(checked, Z1, "Z1"), checked_tangent(checked, Z2, "Z2")
    metric, shift = metric_of(depth, imbalance), 0.0
    if isinstance(metric, ImbalancedMetric):
        if metric.layers != 2:
            raise ValueError(
                f"out of balance the integral form is that of two layers, got {metric.layers}; use "
                "FixedRank(..., depth=N, imbalance=...).inner_product"
            )
        number, shift = 2.0, metric.imbalance[0]
    else:
        number = known_depth(metric, "the integral form")
    if number == 1 or math.isinf(number):
        raise ValueError(
            f"the integral form needs 1 < N < infinity, got N = {depth} "
            "(the factor sin(pi/N) vanishes); use FixedRank(..., depth=N).inner_product"
        )
    if not 1 + 1e-4 <= number <= 1e4:
        raise ValueError(
            f"at depth N = {depth} the integrand hardly decays; quadrature is offered for "
            "1.0001 <= N <= 10000, use FixedRank(..., depth=N).inner_product elsewhere"
        )
    least = 1e-12 * max(1.0, number / 50)
    if not least <= rtol < 1:
        raise ValueError(f"at depth {depth} rtol must lie in [{least:.0e}, 1), got {rtol}")

    # Terms 1 / ((t + a)(t + b)) with eigenvalues a of W W^T and b of W^T W, in logarithms.
    s, of_point = unit_values(checked.s)
    shift = math.ldexp(shift, -of_point) if shift else 0.0
    (a, of_a), (b, of_b) = unit_vector(a), unit_vector(b)
    logs = 2 * np.log(np.hypot(s, shift / 2))
    of_zero = 2 * math.log(abs(shift / 2)) if shift else -math.inf
    k = logs.size
    left, right = (np.einsum("ij,ij->j", *parts) for parts in ((a.Up, b.Up), (a.Vp, b.Vp)))
    beyond = (left if shift > 0 else right) / s / s * abs(shift)
    numerators = np.concatenate(((a.M * b.M).ravel(), left + right))
    first = np.concatenate((np.repeat(logs, k), logs))
    second = np.concatenate((np.tile(logs, k), np.full(k, of_zero)))
    keep = numerators != 0
    if not keep.any():
        return 0.0
    numerators, first, second = numerators[keep], first[keep], second[keep]

    # The integrand behaves like exp(x/N) on the left and exp(-x(1 - 1/N)) on the right.
    digits = -math.log(rtol) + 10
    low = float(logs.min()) - digits * number
    high = float(logs.max()) + digits / (1 - 1 / number)
    step, value, scale = 1.6, math.nan, 0.0
    for _ in range(6):
        previous = value
        terms = numerators * _trapezoid(first, second, 1 + 1 / number, low, high, step)
        value, scale = float(terms.sum()), float(np.abs(terms).sum())
        if abs(value - previous) <= rtol * scale:
            break
        step /= 2
    value *= math.sin(math.pi * min(1 / number, 1 - 1 / number)) / math.pi
    value += float(beyond.sum())
    factor, exponent = power(of_point, -2, 2, number)
    return restored_number("the inner product", value * factor, exponent + of_a + of_b)


describe(integral_inner_product, POINTS)


def _trapezoid(
    first: Array, second: Array, power: float, low: float, high: float, step: float
) -> Array:
    """Integrate exp(power x) / ((e^x + e^first)(e^x + e^second)) over x in [low, high]."""
    nodes = np.arange(low, high + step, step)
    total = np.zeros(first.size)
    block = max(1, _BLOCK // first.size)
    for start in range(0, nodes.size, block):
        x = nodes[start : start + block, None]
        total += np.exp(power * x - np.logaddexp(x, first) - np.logaddexp(x, second)).sum(axis=0)
    return np.asarray(total * step)
