"""Random directions: tangent vectors on the unit sphere of a metric."""

from __future__ import annotations

import math

import numpy as np

from fixedrank._linear_algebra import inner
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.tall import dot, scaled_columns
from fixedrank.geometry.factored.tangent import without_range
from fixedrank.geometry.factored.units import restored
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import tables


def random_unit_vector(
    point: FixedRankPoint, metric: SpectralMetric, generator: np.random.Generator
) -> FixedRankTangentVector:
    """Return a tangent vector drawn uniformly from the unit sphere of the metric."""
    u, s, vt = point
    k = s.size
    # In this order, so that the seed that drew the point does not draw its U again as Up.
    core = generator.standard_normal((k, k))
    vp = generator.standard_normal((vt.shape[1], k))
    up = generator.standard_normal((u.shape[0], k))
    up = without_range(u, up, dot(u.T, up), in_place=True)
    vp = without_range(vt.T, vp, dot(vt, vp), in_place=True)
    # Gaussian in the metric: the square root of A maps the Frobenius sphere to that of g.
    square = np.vdot(core, core) + inner(up.ravel(), up.ravel()) + inner(vp.ravel(), vp.ravel())
    length = math.sqrt(square)
    if not length < math.inf:
        raise ValueError("the point has NaN or infinite values")
    tangential, left, right, exponent = tables(s, metric)
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
