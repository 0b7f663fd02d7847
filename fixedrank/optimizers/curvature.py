"""The inverse Hessian of L-BFGS from pairs of steps and changes of the gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import Array
from fixedrank.optimizers.spaces import Stack, stack_on

# A pair tells no curvature where s^T y is below this share of |s| |y|.
_FLAT = 1e-8
# The rows of the stack: the gradient, a vector in use (a direction, or the step taken), the pairs.
_GRADIENT, _WORK, _FIRST = 0, 1, 2

# What takes a gradient in the embedded metric to a direction.
Precondition = Callable[[Any], Any]


class CurvaturePairs:
    """The last pairs (s, y) with the gradient, as tangent vectors at the current point.

    Gradients and steps are kept in units of the first ones, powers of two, so that squares of
    their lengths neither underflow nor overflow.
    """

    def __init__(self, manifold: Manifold, memory: int) -> None:
        self._memory = memory
        self._stack: Stack = stack_on(manifold, _FIRST + 2 * memory)
        self._slots: list[int] = []
        self._gradient_unit = self._step_unit = self._image_unit = 0
        self._gamma = 1.0

    def begin(
        self,
        point: Any,
        gradient: Any,
        length: Callable[[Any], float],
        precondition: Precondition | None,
    ) -> tuple[float, float]:
        """Take the first gradient; return the slope along -P g, and the length of P g."""
        of_gradient = length(gradient)
        self._gradient_unit = self._image_unit = _exponent(of_gradient)
        self._put(_GRADIENT, gradient, self._gradient_unit)
        image, of_image = gradient, of_gradient
        if precondition is not None:
            image = precondition(gradient)
            of_image = length(image)
        self._image_unit = _exponent(of_image)
        self._put(_WORK, image, self._image_unit)
        product = float(self._stack.products(point, _WORK, 1)[0])
        return -math.ldexp(product, self._gradient_unit + self._image_unit), of_image

    def scale(self, factor: float) -> None:
        """Take this multiple of -P g for the first direction."""
        fraction, exponent = math.frexp(factor)
        self._step_unit = self._image_unit + exponent
        self._gamma = fraction

    def forget(self) -> bool:
        """Drop all pairs; return whether there were any."""
        had = bool(self._slots)
        self._slots = []
        return had

    def direction(self, point: Any, precondition: Precondition | None) -> tuple[Any, float]:
        """Return -H g and the slope along it."""
        gram = self._stack.gram(point, self._count)
        self._slots = [slot for slot in self._slots if _curved(gram, slot)]
        coefficients = np.zeros(self._count)
        coefficients[_GRADIENT] = 1.0
        weights = {}
        for slot in reversed(self._slots):
            weights[slot] = gram[slot] @ coefficients / gram[slot, slot + 1]
            coefficients[slot + 1] -= weights[slot]
        if precondition is None:
            if self._slots:
                newest = self._slots[-1]
                self._gamma = gram[newest, newest + 1] / gram[newest + 1, newest + 1]
        else:
            self._gamma, coefficients = self._preconditioned(
                point, precondition, coefficients, gram
            )
        coefficients *= self._gamma
        for slot in self._slots:
            share = gram[slot + 1] @ coefficients / gram[slot, slot + 1]
            coefficients[slot] += weights[slot] - share
        result = self._stack.combined(point, -coefficients)
        self._stack.put(_WORK, result)
        slope = float(self._stack.products(point, _WORK, 1)[0])
        return result * _power(self._step_unit), math.ldexp(
            slope, self._gradient_unit + self._step_unit
        )

    def move(self, start: Any, end: Any, share: float, gradient: Any) -> None:
        """Go to another point, by a share of the last direction, where the gradient is this one."""
        self._stack.scale(_WORK, share)
        slot = self._free_slot()
        self._stack.move(start, end, self._count)
        self._put(slot, self._stack.combined(end, _unit(_WORK)), 0)
        self._put(slot + 1, gradient, self._gradient_unit)
        self._stack.subtract(slot + 1, _GRADIENT)
        self._put(_GRADIENT, gradient, self._gradient_unit)
        self._slots.append(slot)

    # Inside

    @property
    def _count(self) -> int:
        return max(self._slots, default=0) + 2

    def _free_slot(self) -> int:
        if len(self._slots) == self._memory:
            return self._slots.pop(0)
        every = range(_FIRST, _FIRST + 2 * self._memory, 2)
        return next(slot for slot in every if slot not in self._slots)

    def _put(self, row: int, vector: Any, exponent: int) -> None:
        self._stack.put(row, vector * _power(-exponent))

    def _preconditioned(
        self, point: Any, precondition: Precondition, coefficients: Array, gram: Array
    ) -> tuple[float, Array]:
        """Return gamma, and a combination as one of the row of work, which is P of it.

        The products of that row come into the Gram matrix.
        """
        vectors = [coefficients]
        if self._slots:
            vectors.insert(0, _unit(self._slots[-1] + 1))
        gamma = self._gamma
        for vector in vectors:
            given = self._stack.combined(point, vector) * _power(self._gradient_unit)
            self._put(_WORK, precondition(given), self._image_unit)
            products = self._stack.products(point, _WORK, self._count)
            if vector is not coefficients:
                newest = self._slots[-1]
                gamma = gram[newest, newest + 1] / products[newest + 1]
        gram[_WORK], gram[:, _WORK] = products, products
        result = np.zeros(self._count)
        result[_WORK] = 1.0
        return gamma, result


def _curved(gram: Array, slot: int) -> bool:
    lengths = math.sqrt(gram[slot, slot] * gram[slot + 1, slot + 1])
    return bool(gram[slot, slot + 1] > _FLAT * lengths)


def _unit(row: int) -> Array:
    return np.eye(1, row + 1, row)[0]


def _exponent(number: float) -> int:
    """Return the power of two that is above a number, as far as its inverse is one as well."""
    return min(max(math.frexp(number)[1], -1020), 1020)


def _power(exponent: int) -> float:
    return math.ldexp(1.0, exponent)
