"""The Riemannian gradient and Hessian at any scale of W, from derivatives of either form."""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank.geometry.factored.ambient import as_ambient
from fixedrank.geometry.factored.points import (
    FixedRankPoint,
    FixedRankTangentVector,
    is_factor_derivative,
)
from fixedrank.geometry.factored.units import moderate, ordinary
from fixedrank.geometry.metric import hessians, rescaled
from fixedrank.geometry.metric.gradients import from_factor_derivative
from fixedrank.geometry.metric.spectral import SpectralMetric


def riemannian_gradient(
    point: FixedRankPoint, derivative: Any, metric: SpectralMetric
) -> FixedRankTangentVector:
    """Return A_W(P_T G) from (du, ds, dvt) or from the matrix G."""
    if not moderate(point.s):
        return rescaled.gradient(point, derivative, metric)
    if is_factor_derivative(derivative):
        return from_factor_derivative(point, derivative, metric)
    with np.errstate(over="ignore", invalid="ignore"):
        gradient = metric.gradient(point, derivative)
        if ordinary(gradient):
            return gradient
    return rescaled.gradient(point, derivative, metric)


def riemannian_hessian(
    point: FixedRankPoint,
    first: Any,
    second: Any,
    vector: FixedRankTangentVector,
    metric: SpectralMetric,
) -> FixedRankTangentVector:
    """Return Hess f[Z] from two triples of derivatives or from two matrices."""
    triples = is_factor_derivative(first)
    if triples != is_factor_derivative(second):
        raise TypeError(
            "gradient and Hessian must both be triples of derivatives with respect to "
            "(u, s, vt), or both m x n matrices; one of them is a triple and the other is not"
        )
    if not triples:
        shape = point.u.shape[0], point.vt.shape[1]
        first, second = as_ambient(first, shape, point), as_ambient(second, shape, point)
    arguments = point, first, second, vector, metric
    if moderate(point.s):
        convert = hessians.from_factor_derivatives if triples else hessians.from_ambient
        with np.errstate(over="ignore", invalid="ignore"):
            result = convert(*arguments)
            if ordinary(result):
                return result
    return rescaled.hessian(*arguments)
