"""The drift of Brownian motion on (M_k, g): the Laplacian of the matrix itself."""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import positive_number
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.metric.depth import known_depth
from fixedrank.geometry.metric.spectral import SpectralMetric


def drift(
    point: FixedRankPoint, metric: SpectralMetric, temperature: float
) -> FixedRankTangentVector:
    """Return T (N-1) U diag(s^(1-2/N)) V^T, and its limit T W in the metric N g.

    Raises
    ------
    OverflowError
        If it is beyond the range of floating point.
    """
    depth = known_depth(metric, "the drift of Brownian motion")
    factor = positive_number("temperature", temperature)
    factor *= 1.0 if math.isinf(depth) else depth - 1
    u, s, vt = point
    with np.errstate(over="ignore"):
        core = np.diag(factor * s ** (1 - 2 / depth))
    if not np.isfinite(core).all():
        raise OverflowError(
            "the drift of Brownian motion is above the range of floating point, with singular "
            f"values of {s.min():.1e} to {s.max():.1e} and the temperature {temperature:.1e}: "
            "divide W by its unit first"
        )
    return FixedRankTangentVector(np.zeros(u.shape), core, np.zeros(vt.T.shape))
