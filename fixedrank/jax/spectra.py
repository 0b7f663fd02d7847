r"""Two metrics as functions of singular values: that of depth N, and that of imbalanced layers.

Both are given by f = P^(-1) with a polynomial, or power, P: with q_i = f(s_i^2) the weights are
c_ij = P[q_i, q_j], and what derivatives are made of are the second divided differences of P. They
are homogeneous, of degree 1/N, so that singular values may be taken in a unit of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array

from fixedrank.geometry.metric.powers import triples
from fixedrank.jax.imbalance import layer_squares
from fixedrank.jax.weights import (
    checked_depth,
    is_traced,
    log_ratios,
    log_shc,
    normal_weights,
    tangential_weights,
    whole,
)

# Where ln(s_i / s_l) is below this, divided differences by a power series in q_l / q_i - 1: of at
# most 0.2 in size for all N >= 1, so that so many terms reach round-off.
_NEAR, _TERMS = math.log(1.25) / 2, 26

Sides = tuple[Array, Array]


@dataclass(frozen=True)
class PowerSpectrum:
    """The metric of depth N: P(q) = q^N. A traced depth is a parameter, and None here."""

    depth: float | None

    def layers(self, parameters: Any) -> Any:
        """Return the number N of layers."""
        return parameters[0] if self.depth is None else self.depth

    def in_unit(self, parameters: Any, unit: Array) -> Any:
        """Return the parameters for singular values in this unit."""
        return parameters

    def tangential(self, parameters: Any, s: Array) -> Array:
        """Return the weights c_ij."""
        return tangential_weights(s, self.layers(parameters))

    def normal(self, parameters: Any, s: Array) -> Sides:
        """Return the weights of Up and Vp."""
        weights = normal_weights(s, self.layers(parameters))
        return weights, weights

    def rates(self, parameters: Any, s: Array) -> Sides:
        """Return the weights of Up and Vp over s^2, s^(-2/N)."""
        rates = s ** (-2 / self.layers(parameters))
        return rates, rates

    def normal_first(self, parameters: Any, s: Array) -> Sides:
        """Return the first divided differences of q^(N-1) at the q_i."""
        depth = self.layers(parameters)
        if whole(depth):
            q = s ** (2 / depth)
            sums = _sums_of_two(q[:, None], q, int(depth) - 2)
            return sums, sums
        x, roots = log_ratios(s), s ** ((depth - 2) / depth)
        # sinh((N-1) x / N) / sinh(x / N), at x = 0 its limit N - 1.
        ratio = jnp.exp(log_shc(x * ((depth - 1) / depth)) - log_shc(x / depth))
        differences = (depth - 1) * roots[:, None] * roots * ratio
        return differences, differences

    def second(self, parameters: Any, s: Array, c: Array) -> Array:
        """Return the second divided differences of q^N at q_i, q_l, q_j; s descends from one."""
        depth = self.layers(parameters)
        i, j, l, places = triples(s.size)
        if whole(depth):
            q = s ** (2 / depth)
            return _sums_of_three(q[i], q[j], q[l], int(depth) - 2)[places]
        logs = -log_ratios(s)
        changes = jnp.expm1(2 / depth * logs)
        near = logs[i, l] >= -_NEAR
        y, z = jnp.where(near, changes[i, j], 0.0), jnp.where(near, changes[i, l], 0.0)
        series = (s ** (2 - 4 / depth))[i] * _near_one(y, z, depth)
        gaps = jnp.where(near, 1.0, -(s ** (2 / depth))[i] * changes[i, l])
        return jnp.where(near, series, (c[i, j] - c[j, l]) / gaps)[places]


@dataclass(frozen=True)
class LayerSpectrum:
    """The metric of N layers out of balance: P(q) = prod_j (q + mu_j), with the mu_j from zero."""

    count: int

    def layers(self, parameters: Any) -> int:
        """Return the number N of layers."""
        return self.count

    def in_unit(self, parameters: Any, unit: Array) -> Any:
        """Return the mu_j for singular values in this unit."""
        return (parameters[0] * unit ** (-2 / self.count),)

    def tangential(self, parameters: Any, s: Array) -> Array:
        """Return the weights c_ij, a sum of products of layers before and behind."""
        squares = layer_squares(parameters[0], s)
        return _differences(squares[:, :, None], squares[:, None, :])

    def normal(self, parameters: Any, s: Array) -> Sides:
        """Return the products of all layers but the last one, and but the first one."""
        squares = layer_squares(parameters[0], s)
        return squares[:-1].prod(axis=0), squares[1:].prod(axis=0)

    def rates(self, parameters: Any, s: Array) -> Sides:
        """Return these over s^2: one over the squares of the last and of the first layer."""
        squares = layer_squares(parameters[0], s)
        return 1 / squares[-1], 1 / squares[0]

    def normal_first(self, parameters: Any, s: Array) -> Sides:
        """Return the first divided differences of the products of all layers but one."""
        squares = layer_squares(parameters[0], s)
        first, second = squares[:, :, None], squares[:, None, :]
        return _differences(first[:-1], second[:-1]), _differences(first[1:], second[1:])

    def second(self, parameters: Any, s: Array, c: Array) -> Array:
        """Return the second divided differences of P at q_i, q_l, q_j."""
        i, j, l, places = triples(s.size)
        squares = layer_squares(parameters[0], s)
        value, first, second = squares[0][i], jnp.ones(i.size, s.dtype), jnp.zeros(i.size, s.dtype)
        for square in squares[1:]:
            second = second * square[l] + first
            first = first * square[j] + value
            value = value * square[i]
        return second[places]


Spectrum = PowerSpectrum | LayerSpectrum


def power_spectrum(depth: Any, dtype: Any = None) -> tuple[PowerSpectrum, tuple[Any, ...]]:
    """Return the metric of a depth, and its parameters: none if the depth is known."""
    depth = checked_depth(depth, dtype)
    if is_traced(depth):
        return PowerSpectrum(None), (depth,)
    return PowerSpectrum(depth), ()


def _sums_of_two(a: Array, b: Array, degree: int) -> Array:
    """Return the sum of all monomials of a degree in two numbers, zero below degree 0."""
    result = jnp.zeros(jnp.broadcast_shapes(a.shape, b.shape), a.dtype)
    power = jnp.ones_like(a)
    for _ in range(degree + 1):
        result = result * b + power
        power = power * a
    return result


def _sums_of_three(a: Array, b: Array, c: Array, degree: int) -> Array:
    """Return the sum of all monomials of a degree in three numbers."""
    of_three = of_two = jnp.zeros_like(a)
    power = jnp.ones_like(a)
    for _ in range(degree + 1):
        of_two = of_two * b + power
        of_three = of_three * c + of_two
        power = power * a
    return of_three


def _differences(first: Array, second: Array) -> Array:
    """Return the first divided differences of a product of layers, the axis in front."""
    value, result = first[0], jnp.ones(jnp.broadcast_shapes(first[0].shape, second[0].shape))
    result = result.astype(first.dtype)
    for one, other in zip(first[1:], second[1:], strict=True):
        result = result * other + value
        value = value * one
    return result


def _near_one(y: Array, z: Array, depth: Any) -> Array:
    """Return the second divided difference of q^N at 1, 1 + y and 1 + z, by its power series."""
    result, of_two, power = jnp.zeros_like(y), jnp.zeros_like(y), jnp.ones_like(y)
    coefficient = jnp.ones_like(jnp.asarray(depth * 1.0))
    for n in range(_TERMS):
        coefficient = coefficient * (depth - n) / (n + 1)
        if n > 0:
            of_two = of_two * z + power
            power = power * y
            result = result + coefficient * of_two
    return result
