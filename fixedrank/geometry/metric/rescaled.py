"""Gradients and Hessians where W, or what is given of the cost, is far from one.

With W = 2^a W~, G = 2^g G~, Z = 2^z Z~ and D^2 f [Z] = 2^h H~, where h = g + z - a, so that the
Hessian adds terms of one size, the gradient is 2^g and the Hessian 2^h times that of the
quantities with a tilde, times the power of 2^a by which A_W grows; a is 0 where that is no power.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored import tangent
from fixedrank.geometry.factored.ambient import (
    ScaledMatrix,
    ambient_products,
    as_ambient,
    times,
    transposed_times,
)
from fixedrank.geometry.factored.points import (
    FixedRankPoint,
    FixedRankTangentVector,
    is_factor_derivative,
)
from fixedrank.geometry.factored.units import exponent_of, power, restored, unit_vector
from fixedrank.geometry.metric import hessians
from fixedrank.geometry.metric.gradients import checked_derivative, from_factor_derivative
from fixedrank.geometry.metric.operator import apply
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import point_in_unit

_Triple = tuple[Array, Array, Array]


def gradient(
    point: FixedRankPoint, derivative: Any, metric: SpectralMetric
) -> FixedRankTangentVector:
    """Return A_W(P_T G) from (du, ds, dvt) or from the matrix G."""
    if not is_factor_derivative(derivative):
        return apply(point, tangent.project(point, derivative), metric, "the gradient")
    unit, there, of_point = point_in_unit(point, metric)
    first = checked_derivative(point, derivative)
    exponent = _exponent_of(first, of_point)
    factor, shift = power(of_point, 2, -2, metric.degree)
    vector = from_factor_derivative(unit, _divided(first, exponent, of_point), there)
    return restored("the gradient", vector, exponent + shift, factor)


def hessian(
    point: FixedRankPoint,
    first: Any,
    second: Any,
    vector: FixedRankTangentVector,
    metric: SpectralMetric,
) -> FixedRankTangentVector:
    """Return Hess f[Z] from two triples of derivatives or from two matrices."""
    unit, there, of_point = point_in_unit(point, metric)
    direction, of_vector = unit_vector(vector)
    if is_factor_derivative(first):
        first, second = checked_derivative(point, first), checked_derivative(point, second)
        of_first, of_second = (_exponent_of(part, of_point) for part in (first, second))
    else:
        u, v = point.u, point.vt.T
        first, second = (as_ambient(part, (len(u), len(v))) for part in (first, second))
        of_first = exponent_of(
            "a product with the gradient",
            *ambient_products(first, u, v),
            times(first, direction.Vp),
            transposed_times(first, direction.Up),
        )
        of_second = exponent_of("a product with the Hessian", *ambient_products(second, u, v))
    # As large as the larger of the two asks for.
    of_first = max(of_first, of_second - of_vector + of_point)
    of_second = of_first + of_vector - of_point
    if is_factor_derivative(first):
        result = hessians.from_factor_derivatives(
            unit,
            _divided(first, of_first, of_point),
            _divided(second, of_second, of_point),
            direction,
            there,
        )
    else:
        result = hessians.from_ambient(
            unit,
            ScaledMatrix(first, -of_first),
            ScaledMatrix(second, -of_second),
            direction,
            there,
        )
    factor, shift = power(of_point, 2, -2, metric.degree)
    return restored("the Hessian", result, of_second + shift, factor)


def _exponent_of(parts: _Triple, of_point: int) -> int:
    """Return the exponent of the matrix G of derivatives du = G V S, diag(U^T G V), S U^T G."""
    du, ds, dvt = parts
    name = "a factor derivative"
    return max(exponent_of(name, ds), exponent_of(name, du, dvt) - of_point)


def _divided(parts: _Triple, exponent: int, of_point: int) -> _Triple:
    du, ds, dvt = parts
    return (
        np.ldexp(du, -exponent - of_point),
        np.ldexp(ds, -exponent),
        np.ldexp(dvt, -exponent - of_point),
    )
