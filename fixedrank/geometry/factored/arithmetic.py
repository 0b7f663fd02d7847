"""Tuples of arrays that add and scale like a vector, and those that must not."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from fixedrank._checks import Array


class Vector(tuple[Array, ...]):
    """Three arrays that add, subtract and scale like one: with their like, or a plain triple."""

    __slots__ = ()

    # Without this, np.float64 * Z would turn Z into an object array.
    __array_ufunc__ = None

    def __add__(self, other: Any) -> Self:
        if other.__class__ is not self.__class__ and not _untyped(other):
            return NotImplemented
        total = self[0] + other[0], self[1] + other[1], self[2] + other[2]
        return tuple.__new__(self.__class__, total)

    def __sub__(self, other: Any) -> Self:
        if other.__class__ is not self.__class__ and not _untyped(other):
            return NotImplemented
        difference = self[0] - other[0], self[1] - other[1], self[2] - other[2]
        return tuple.__new__(self.__class__, difference)

    def __mul__(self, scalar: Any) -> Self:
        if np.ndim(scalar) != 0:
            return NotImplemented
        return tuple.__new__(self.__class__, (self[0] * scalar, self[1] * scalar, self[2] * scalar))

    __rmul__ = __mul__

    def __truediv__(self, scalar: Any) -> Self:
        if np.ndim(scalar) != 0:
            return NotImplemented
        return tuple.__new__(self.__class__, (self[0] / scalar, self[1] / scalar, self[2] / scalar))

    def __neg__(self) -> Self:
        return tuple.__new__(self.__class__, (-self[0], -self[1], -self[2]))


class NoVector(tuple[Array, ...]):
    """Arrays that do not add or scale like one: those of a tuple would be joined and repeated."""

    __slots__ = ()
    __array_ufunc__ = None
    _not_a_vector = ""

    def _refuse(self, other: Any) -> Any:
        raise TypeError(self._not_a_vector)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _refuse


def _untyped(value: Any) -> bool:
    """Say whether a value is a triple that may be a vector: of none of these types."""
    typed = isinstance(value, (Vector, NoVector))
    return isinstance(value, tuple) and len(value) == 3 and not typed
