r"""The cosine between layers and the negative gradient of their loss.

Balanced layers theta with the product W have |theta|^2 = N sum_i p_i, p = s^(2/N); the gradient of
L^N has the squared length <G, A_W(G)>, and <grad L^N, theta> = N <G, W>, as L^N(theta) is a
function of a product of N factors. A positive number before G changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.factored.units import unit_values
from fixedrank.geometry.metric.depth import DepthMetric
from fixedrank.geometry.metric.gradients import gradient_norm
from fixedrank.networks.gradients import ThinGradient, network_gradient


def alignment_of_point(point: FixedRankPoint, depth: float | None, products: ThinGradient) -> float:
    """Return the cosine of balanced layers with a product, by thin products of the gradient.

    Raises
    ------
    TypeError, ValueError
        If the depth is no finite number >= 1.
    """
    if depth is None:
        raise TypeError(
            "the alignment of a point is that of its balanced layers: say how many, as in "
            "alignment(point, 3)"
        )
    metric = DepthMetric(depth)
    if math.isinf(metric.depth):
        raise ValueError("the alignment is known at finite depth, got depth=inf")
    u, s, vt = point
    u, s, vt = u[:, s > 0], s[s > 0], vt[s > 0]
    if s.size == 0:
        return math.nan
    gv, gtu = products(u, np.diag(s), vt.T)
    # The cosine of c W and the same G is that of W.
    s, _ = unit_values(s)
    fall = -metric.depth * float((s * np.einsum("ij,ij->j", u, gv)).sum())
    size = math.sqrt(metric.depth * float((s ** (2 / metric.depth)).sum()))
    steepness = gradient_norm(FixedRankPoint(u, s, vt), gv, gtu, metric)
    return fall / (steepness * size) if steepness > 0 else math.nan


def alignment_of_layers(layers: Sequence[Array], products: ThinGradient) -> float:
    """Return the cosine of layers, by thin products of the gradient at their product."""
    gradient = _in_unit(network_gradient(products, layers))
    theta = _in_unit(layers)
    if gradient is None or theta is None:
        return math.nan
    fall = -sum(float(np.vdot(g, w)) for g, w in zip(gradient, theta, strict=True))
    return fall / math.sqrt(_squares(gradient) * _squares(theta))


def _squares(parts: Sequence[Array]) -> float:
    return sum(float(np.vdot(part, part)) for part in parts)


def _in_unit(parts: Sequence[Array]) -> list[Array] | None:
    """Return arrays over their largest entry; None if they are zero."""
    largest = max(float(np.abs(part).max(initial=0.0)) for part in parts)
    return [part / largest for part in parts] if largest > 0 else None
