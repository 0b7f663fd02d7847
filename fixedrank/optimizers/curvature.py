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
# What takes a gradient in the embedded metric to a direction.
Precondition = Callable[[Any], Any]


class CurvaturePairs:
    """The last pairs (s, y) with the gradient g, as tangent vectors at the current point.

    With a preconditioner P the images P y and P g are kept and moved as well: P applied to what
    moving has changed of y would enlarge that by the condition of P. The rows of the stack come in
    groups, s, y and, with a preconditioner, P y; the first group is a vector in use (the direction,
    or the step that was taken), g and P g. All are kept in units of the first ones, powers of two,
    so that squares of their lengths neither underflow nor overflow.
    """

    def __init__(self, manifold: Manifold, memory: int, precondition: Precondition | None) -> None:
        self._precondition = precondition
        # From s to the next s, and to y or P y.
        self._group = 2 if precondition is None else 3
        self._image = self._group - 1
        self._rows = range(self._group, self._group * (memory + 1), self._group)
        self._stack: Stack = stack_on(manifold, self._group * (memory + 1))
        # Where the pairs are, the oldest one first.
        self._pairs: list[int] = []
        self._units = [0] * self._group
        self._gamma = 1.0

    def begin(
        self, point: Any, gradient: Any, length: Callable[[Any], float]
    ) -> tuple[float, float]:
        """Take the first gradient; return the slope along -P g, and the length of P g."""
        self._units[1] = _exponent(length(gradient))
        image = gradient if self._precondition is None else self._precondition(gradient)
        of_image = length(image)
        self._units[self._image] = _exponent(of_image)
        for row, kind, vector in ((0, self._image, image), (1, 1, gradient)):
            self._put(row, kind, vector)
        product = float(self._stack.products(point, 1, 1)[0])
        self._put(self._image, self._image, image)
        return -math.ldexp(product, self._units[1] + self._units[self._image]), of_image

    def scale(self, factor: float) -> None:
        """Take this multiple of -P g for the first direction."""
        self._gamma, exponent = math.frexp(factor)
        self._units[0] = self._units[self._image] + exponent

    def forget(self) -> bool:
        """Drop all pairs; return whether there were any."""
        had = bool(self._pairs)
        self._pairs = []
        return had

    def direction(self, point: Any) -> tuple[Any, float]:
        """Return -H g and the slope along it."""
        gram = self._stack.gram(point, self._count)
        self._pairs = [s for s in self._pairs if _curved(gram, s)]
        coefficients = np.zeros(len(gram))
        coefficients[1] = 1.0
        weights = {}
        for s in reversed(self._pairs):
            weights[s] = gram[s] @ coefficients / gram[s, s + 1]
            coefficients[s + 1] -= weights[s]
        if self._image > 1:
            coefficients[2 :: self._group] = coefficients[1 :: self._group]
            coefficients[1 :: self._group] = 0.0
        if self._pairs:
            y = self._pairs[-1] + 1
            gamma = gram[y - 1, y] / gram[y, y - 1 + self._image]
            # P y has been moved as well: the product may have lost its sign.
            self._gamma = gamma if gamma > 0 else self._gamma
        coefficients *= self._gamma
        for s in self._pairs:
            coefficients[s] += weights[s] - gram[s + 1] @ coefficients / gram[s, s + 1]
        result = self._stack.combined(point, -coefficients)
        self._stack.put(0, result)
        slope = float(self._stack.products(point, 0, 2)[1])
        return result * _power(self._units[0]), math.ldexp(slope, self._units[0] + self._units[1])

    def move(self, start: Any, end: Any, share: float, gradient: Any) -> None:
        """Go on by a share of the last direction, to a point with this gradient."""
        self._stack.scale(0, share)
        at = self._free()
        self._stack.move(start, end, self._count)
        self._stack.put(at, self._stack.combined(end, np.ones(1)))
        now = [gradient] if self._precondition is None else [gradient, self._precondition(gradient)]
        for row, vector in enumerate(now, 1):
            self._put(at + row, row, vector)
            self._stack.subtract(at + row, row)
            self._put(row, row, vector)
        self._pairs.append(at)

    # Inside

    @property
    def _count(self) -> int:
        return max(self._pairs, default=0) + self._group

    def _free(self) -> int:
        """Return the rows for a new pair, in place of the oldest one where all are in use."""
        if len(self._pairs) == len(self._rows):
            return self._pairs.pop(0)
        return next(row for row in self._rows if row not in self._pairs)

    def _put(self, row: int, kind: int, vector: Any) -> None:
        self._stack.put(row, vector * _power(-self._units[kind]))


def _curved(gram: Array, s: int) -> bool:
    lengths = math.sqrt(gram[s, s] * gram[s + 1, s + 1])
    return bool(gram[s, s + 1] > _FLAT * lengths)


def _exponent(number: float) -> int:
    """Return the power of two that is above a number, as far as its inverse is one as well."""
    return min(max(math.frexp(number)[1], -1020), 1020)


def _power(exponent: int) -> float:
    return math.ldexp(1.0, exponent)
