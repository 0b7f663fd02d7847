r"""The law exp(-rate r^2 / 2) dvol_g on M_k, where r^2 = N sum_j s_j^(2/N) is that of the cone.

With r_j = N^(1/2) s_j^(1/N) the volume is, up to a constant,

    prod_j r_j^(m+n-2k) dr_j  prod_(a<b) |r_a^2 - r_b^2|  dU dV,

so that the r_j are the singular values of a k x (m+n-k) matrix of independent Gaussians with the
variance 1 / rate, at every depth, and U and V have the Haar distribution. All is in logarithms:
W is the N-th power of its roots.
"""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import Array, positive_number
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.measure.stiefel import log_stiefel_volume
from fixedrank.geometry.metric.depth import known_depth
from fixedrank.geometry.metric.spectral import SpectralMetric


def log_partition(m: int, n: int, k: int, metric: SpectralMetric, rate: float) -> float:
    """Return the logarithm of the integral of exp(-rate r^2 / 2) dvol_g."""
    depth, rate = _checked(metric, rate)
    dim = k * (m + n - k)
    volumes = log_stiefel_volume(m, k) + log_stiefel_volume(n, k)
    volumes -= log_stiefel_volume(k, k) + log_stiefel_volume(m + n - k, k)
    return volumes - (dim - k) / 2 * math.log(depth) + dim / 2 * math.log(2 * math.pi / rate)


def random_points(
    m: int,
    n: int,
    k: int,
    metric: SpectralMetric,
    rate: float,
    size: int,
    generator: np.random.Generator,
) -> FixedRankPoint:
    """Return a stack of independent points with the law exp(-rate r^2 / 2) dvol_g.

    Raises
    ------
    OverflowError
        If a singular value is beyond the range of floating point.
    """
    depth, rate = _checked(metric, rate)
    u, v = (_haar(generator.standard_normal((size, rows, k))) for rows in (m, n))
    # The triangular factor of the Gaussian matrix has its singular values (Bartlett).
    roots = np.tril(generator.standard_normal((size, k, k)), -1)
    degrees = m + n - k - np.arange(k)
    roots[:, range(k), range(k)] = np.sqrt(generator.chisquare(degrees, (size, k)))
    with np.errstate(divide="ignore", over="ignore", under="ignore"):
        logs = np.log(np.linalg.svd(roots, compute_uv=False)) - math.log(rate * depth) / 2
        s = np.exp(depth * logs)
    if not (s.min() >= np.finfo(float).tiny and s.max() < math.inf):
        least, most = (depth * end / math.log(10) for end in (logs.min(), logs.max()))
        raise OverflowError(
            f"at depth {depth:g} and the rate {rate:.3g} singular values are from 10^{least:.0f} "
            f"to 10^{most:.0f}, beyond the range of floating point; at a rate of about "
            f"{(m + n - k) / depth:.3g} they are about one"
        )
    return FixedRankPoint(u, s, v.swapaxes(-1, -2))


def _checked(metric: SpectralMetric, rate: float) -> tuple[float, float]:
    depth = known_depth(metric, "the law exp(-rate r^2 / 2) dvol_g")
    if math.isinf(depth):
        raise ValueError(
            "the law exp(-rate r^2 / 2) dvol_g needs a finite depth N: at infinite depth the "
            "manifold is no cone, and r is infinite"
        )
    return depth, positive_number("rate", rate)


def _haar(gaussian: Array) -> Array:
    """Return the orthonormal factors of matrices, the diagonals of R being positive."""
    q, r = np.linalg.qr(gaussian)
    signs = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return np.asarray(q * signs[..., None, :])
