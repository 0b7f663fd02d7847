"""The metric by the integral of Theorem 3, independent of the closed form."""

from __future__ import annotations

import math

import numpy as np

from fixedrank._aliases import PointLike, TangentLike
from fixedrank._checks import Array
from fixedrank._shared_docs import POINTS, describe
from fixedrank.geometry.factored.points import checked_point, checked_tangent
from fixedrank.geometry.factored.units import power, restored_number, unit_vector
from fixedrank.geometry.metric.depth import as_metric, known_depth
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import point_in_unit

_BLOCK = 1 << 20


def integral_inner_product(
    point: PointLike,
    Z1: TangentLike,
    Z2: TangentLike,
    depth: float | SpectralMetric,
    *,
    rtol: float = 1e-10,
) -> float:
    r"""Return g_W(Z1, Z2) by quadrature of its integral form.

    .. math::

        g_W(Z_1, Z_2) = \frac{\sin(\pi/N)}{\pi} \int_0^\infty \operatorname{tr}\left(
        (tI + WW^T)^{-1} Z_1 (tI + W^TW)^{-1} Z_2^T \right) t^{1/N}\, dt

    This is independent of the closed form in :meth:`FixedRank.inner_product`, and slower: each
    serves to check the other.

    Parameters
    ----------
    Z1, Z2 : FixedRankTangentVector or tuple (Up, M, Vp)
        Tangent vectors at W, with arrays of shapes (m, k), (k, k), (n, k).
    depth : float
        The depth N, a real number with 1.0001 <= N <= 10000.
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
        which there is no integral form; or for an N at which the integrand hardly decays.
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
    number = known_depth(depth, "the integral form")
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
    unit, of_point = point_in_unit(checked, as_metric(depth))
    (a, of_a), (b, of_b) = unit_vector(a), unit_vector(b)
    logs = 2 * np.log(unit.s)
    k = logs.size
    normal = np.einsum("ij,ij->j", a.Up, b.Up) + np.einsum("ij,ij->j", a.Vp, b.Vp)
    numerators = np.concatenate(((a.M * b.M).ravel(), normal))
    first = np.concatenate((np.repeat(logs, k), logs))
    second = np.concatenate((np.tile(logs, k), np.full(k, -np.inf)))
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
    factor, shift = power(of_point, -2, 2, number)
    value *= factor * math.sin(math.pi * min(1 / number, 1 - 1 / number)) / math.pi
    return restored_number("the inner product", value, shift + of_a + of_b)


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
