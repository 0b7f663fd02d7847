"""The tables that the geometry needs at the singular values of a point, in any unit, and kept.

Made where the largest singular value is about 1, they have the same round-off in every unit.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.factored.units import moderate, power, unit_values
from fixedrank.geometry.metric.chains import Chain

if TYPE_CHECKING:
    from fixedrank.geometry.metric.spectral import SpectralMetric


class Tables(NamedTuple):
    """The weights of A_W: c_ij, and those of the columns of Up and Vp, divided by 2^exponent.

    The exponent is 0 for moderate s; the weights at others may not fit into floating point.
    """

    tangential: Array
    left: Array
    right: Array
    exponent: int


class Weights(NamedTuple):
    """What the metric and its derivative need at one point: the weights and divided differences.

    `chain` forms sums over l with the second differences f[x_i, x_l, x_j], `first_left` and
    `first_right` hold the first ones with a normal index on that side (k x k); for a stack of
    singular values each has the axes of the stack in front.
    """

    tangential: Array
    left: Array
    right: Array
    chain: Chain
    first_left: Array
    first_right: Array


def both(change: Callable[[Array], Array], sides: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return the change of what belongs to the left and the right, once where it is the same."""
    left = change(sides[0])
    return left, left if sides[1] is sides[0] else change(sides[1])


def in_unit(s: Array, metric: SpectralMetric) -> tuple[Array, SpectralMetric, int]:
    """Return s / 2^e, the metric there, and e; 0 where nothing is known about another unit."""
    # One that is another there is only made where it has to be.
    if metric.degree is None or (metric.homogeneity is None and moderate(s)):
        return s, metric, 0
    unit, exponent = unit_values(s)
    there = metric.in_unit(exponent)
    return (s, metric, 0) if there is None else (unit, there, exponent)


def point_in_unit(
    point: FixedRankPoint, metric: SpectralMetric
) -> tuple[FixedRankPoint, SpectralMetric, int]:
    """Return W / 2^e, the metric there, and e."""
    s, there, exponent = in_unit(point.s, metric)
    return FixedRankPoint(point.u, s, point.vt), there, exponent


def tables(s: Array, metric: SpectralMetric) -> Tables:
    """Return the weights, read-only; those of the last points asked for are kept."""
    return _kept_tables(s.tobytes(), metric)


def weights(s: Array, metric: SpectralMetric) -> Weights:
    """Return weights and differences, read-only; those of the last points asked for are kept."""
    return _kept_weights(s.tobytes(), metric)


def stacked_weights(s: Array, metric: SpectralMetric) -> Weights:
    """Return the weights for singular values on the last axis of s."""
    return Weights(metric.tangential(s), *metric.normal(s), metric.chain(s), *metric.first(s))


# An optimiser asks for several inner products and a gradient at each point.
@functools.lru_cache(maxsize=2)
def _kept_tables(values: bytes, metric: SpectralMetric) -> Tables:
    s = np.frombuffer(values)
    unit, there, exponent = in_unit(s, metric)
    factor, exponent = power(exponent, 2, -2, metric.degree)
    if moderate(s):
        factor, exponent = math.ldexp(factor, exponent), 0

    def scaled(part: Array) -> Array:
        return _kept(part * factor)

    return Tables(scaled(there.tangential(unit)), *both(scaled, there.normal(unit)), exponent)


# The optimisers ask for many products at one point.
@functools.lru_cache(maxsize=2)
def _kept_weights(values: bytes, metric: SpectralMetric) -> Weights:
    unit, there, exponent = in_unit(np.frombuffer(values), metric)
    factor, shift = power(exponent, 2, -2, metric.degree)
    of_differences, shift_of_differences = power(exponent, -4, 2, metric.degree)

    def weight(part: Array) -> Array:
        return _kept(np.ldexp(part * factor, shift))

    def difference(part: Array) -> Array:
        return _kept(np.ldexp(part * of_differences, shift_of_differences))

    chain = there.chain(unit)

    def scaled_chain(a: Array, b: Array) -> Array:
        return chain(a, b) * unit_of_differences

    with np.errstate(over="ignore"):
        unit_of_differences = np.ldexp(of_differences, shift_of_differences)
        return Weights(
            weight(there.tangential(unit)),
            *both(weight, there.normal(unit)),
            scaled_chain if exponent else chain,
            *both(difference, there.first(unit)),
        )


def _kept(array: Array) -> Array:
    array.flags.writeable = False
    return array
