"""Stacks of tangent vectors at one point, moved together and multiplied with each other.

On a :class:`FixedRank` of any metric they are those of the embedded one, all in one array: inner
products are products of matrices, and the projection to another tangent space takes a few of these
for the whole stack. On other manifolds of pymanopt the manifold does it, vector by vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np
from pymanopt.manifolds import Euclidean, Product
from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import Array
from fixedrank.geometry import FixedRank, FixedRankPoint, FixedRankTangentVector

# A linear map of the tangent space at a point.
Change: TypeAlias = Callable[[Any, Any], Any]


class Stack(Protocol):
    """Rows of tangent vectors at one point."""

    def put(self, row: int, vector: Any) -> None:
        """Write a vector into a row."""
        ...

    def scale(self, row: int, factor: float) -> None:
        """Multiply a row."""
        ...

    def subtract(self, row: int, other: int) -> None:
        """Subtract another row from a row."""
        ...

    def move(self, start: Any, end: Any, count: int) -> None:
        """Move the first rows from the tangent space at one point to that at another."""
        ...

    def gram(self, point: Any, count: int) -> Array:
        """Return the inner products of the first rows with each other."""
        ...

    def products(self, point: Any, row: int, count: int) -> Array:
        """Return the inner products of one row with the first ones."""
        ...

    def combined(self, point: Any, coefficients: Array) -> Any:
        """Return a combination of the first rows, as a tangent vector."""
        ...


def embedded(manifold: Manifold) -> Manifold:
    """Return the manifold with the embedded metric where that of a FixedRank stood."""
    if isinstance(manifold, FixedRank):
        return FixedRank(manifold.m, manifold.n, manifold.k, depth=1)
    if isinstance(manifold, Product):
        return Product([embedded(factor) for factor in manifold.manifolds])
    return manifold


def to_embedded(manifold: Manifold) -> Change:
    """Return the map A^{-1} from gradients to those in the embedded metric."""
    if isinstance(manifold, FixedRank):
        return manifold.preconditioner(1)
    return _of_factors(manifold, to_embedded)


def from_embedded(manifold: Manifold) -> Change:
    """Return the map A from gradients in the embedded metric to gradients."""
    if isinstance(manifold, FixedRank):
        return FixedRank(manifold.m, manifold.n, manifold.k, depth=1).preconditioner(
            manifold.metric
        )
    return _of_factors(manifold, from_embedded)


def _of_factors(manifold: Manifold, change_of: Callable[[Manifold], Change]) -> Change:
    """Return the change on each factor of a product, and none on other manifolds."""
    if not isinstance(manifold, Product):
        return lambda point, vector: vector
    changes = [change_of(factor) for factor in manifold.manifolds]

    def change(point: Any, vector: Any) -> Any:
        parts = zip(changes, point, vector, strict=True)
        return _of_product(manifold, point, [each(*part) for each, *part in parts])

    return change


def size(manifold: Manifold, point: Any) -> float:
    """Return the length of W, infinity where there is none."""
    if isinstance(manifold, FixedRank):
        return math.hypot(*point[1])
    if isinstance(manifold, Product):
        pairs = zip(manifold.manifolds, point, strict=True)
        return min(size(factor, part) for factor, part in pairs)
    return math.inf


def stack_on(manifold: Manifold, rows: int) -> Stack:
    """Return an empty stack."""
    if isinstance(manifold, FixedRank):
        return _FixedRankStack(manifold, rows)
    if isinstance(manifold, Product):
        return _ProductStack(manifold, rows)
    if isinstance(manifold, Euclidean):
        return _EuclideanStack(rows)
    return _AnyStack(manifold, rows)


class _FixedRankStack:
    """One vector a row: the entries of Up, of M and of Vp."""

    def __init__(self, manifold: FixedRank, rows: int) -> None:
        m, n, k = manifold.m, manifold.n, manifold.k
        self._cuts, self._shapes = (m * k, (m + k) * k), ((m, k), (k, k), (n, k))
        self._array, self._other = (np.zeros((rows, (m + k + n) * k)) for _ in range(2))

    def _parts(self, array: Array) -> tuple[Array, Array, Array]:
        rows, (first, second) = len(array), self._cuts
        up, core, vp = array[:, :first], array[:, first:second], array[:, second:]
        of_up, of_core, of_vp = self._shapes
        return up.reshape(rows, *of_up), core.reshape(rows, *of_core), vp.reshape(rows, *of_vp)

    def put(self, row: int, vector: Any) -> None:
        for part, given in zip(self._parts(self._array[row : row + 1]), vector, strict=True):
            part[0] = given

    def scale(self, row: int, factor: float) -> None:
        self._array[row] *= factor

    def subtract(self, row: int, other: int) -> None:
        self._array[row] -= self._array[other]

    def move(self, start: FixedRankPoint, end: FixedRankPoint, count: int) -> None:
        """Project as `tangent.transport` does."""
        (u, _, vt), (end_u, _, end_vt) = start, end
        up, core, vp = self._parts(self._array[:count])
        new_up, moved, new_vp = self._parts(self._other[:count])
        left, right = u.T @ end_u, vt @ end_vt.T
        up_left, vp_right = up.transpose(0, 2, 1) @ end_u, vp.transpose(0, 2, 1) @ end_vt.T
        in_u, in_v = core @ right + vp_right, core.transpose(0, 2, 1) @ left + up_left
        np.add(left.T @ in_u, up_left.transpose(0, 2, 1) @ right, out=moved)
        np.matmul(up, right, out=new_up)
        new_up += np.hstack((u, end_u)) @ np.concatenate((in_u, -moved), axis=1)
        np.matmul(vp, left, out=new_vp)
        down = np.concatenate((in_v, -moved.transpose(0, 2, 1)), axis=1)
        new_vp += np.hstack((vt.T, end_vt.T)) @ down
        self._array, self._other = self._other, self._array

    def gram(self, point: Any, count: int) -> Array:
        return self._array[:count] @ self._array[:count].T

    def products(self, point: Any, row: int, count: int) -> Array:
        return self._array[:count] @ self._array[row]

    def combined(self, point: Any, coefficients: Array) -> FixedRankTangentVector:
        row = (coefficients @ self._array[: len(coefficients)])[None]
        return FixedRankTangentVector(*(part[0] for part in self._parts(row)))


class _ProductStack:
    """A stack for each factor."""

    def __init__(self, manifold: Product, rows: int) -> None:
        self._manifold = manifold
        self._stacks = [stack_on(factor, rows) for factor in manifold.manifolds]

    def put(self, row: int, vector: Any) -> None:
        for stack, part in zip(self._stacks, vector, strict=True):
            stack.put(row, part)

    def scale(self, row: int, factor: float) -> None:
        for stack in self._stacks:
            stack.scale(row, factor)

    def subtract(self, row: int, other: int) -> None:
        for stack in self._stacks:
            stack.subtract(row, other)

    def move(self, start: Any, end: Any, count: int) -> None:
        for stack, a, b in zip(self._stacks, start, end, strict=True):
            stack.move(a, b, count)

    def gram(self, point: Any, count: int) -> Array:
        pairs = zip(self._stacks, point, strict=True)
        return np.asarray(sum(stack.gram(part, count) for stack, part in pairs))

    def products(self, point: Any, row: int, count: int) -> Array:
        pairs = zip(self._stacks, point, strict=True)
        return np.asarray(sum(stack.products(part, row, count) for stack, part in pairs))

    def combined(self, point: Any, coefficients: Array) -> Any:
        pairs = zip(self._stacks, point, strict=True)
        return _of_product(
            self._manifold, point, [stack.combined(part, coefficients) for stack, part in pairs]
        )


class _EuclideanStack:
    """One array a row, which nothing moves."""

    def __init__(self, rows: int) -> None:
        self._rows, self._array = rows, np.zeros((0, 0))
        self._shape: tuple[int, ...] = ()

    def put(self, row: int, vector: Any) -> None:
        given = np.asarray(vector, dtype=float)
        if not len(self._array):
            self._array, self._shape = np.zeros((self._rows, given.size)), given.shape
        self._array[row] = given.ravel()

    def scale(self, row: int, factor: float) -> None:
        self._array[row] *= factor

    def subtract(self, row: int, other: int) -> None:
        self._array[row] -= self._array[other]

    def move(self, start: Any, end: Any, count: int) -> None:
        pass

    def gram(self, point: Any, count: int) -> Array:
        return self._array[:count] @ self._array[:count].T

    def products(self, point: Any, row: int, count: int) -> Array:
        return self._array[:count] @ self._array[row]

    def combined(self, point: Any, coefficients: Array) -> Array:
        return (coefficients @ self._array[: len(coefficients)]).reshape(self._shape)


class _AnyStack:
    """A list of vectors."""

    def __init__(self, manifold: Manifold, rows: int) -> None:
        self._manifold = manifold
        self._vectors: list[Any] = [None] * rows

    def put(self, row: int, vector: Any) -> None:
        self._vectors[row] = vector

    def scale(self, row: int, factor: float) -> None:
        self._vectors[row] = self._vectors[row] * factor

    def subtract(self, row: int, other: int) -> None:
        self._vectors[row] = self._vectors[row] - self._vectors[other]

    def move(self, start: Any, end: Any, count: int) -> None:
        for row in range(count):
            self._vectors[row] = self._manifold.transport(start, end, self._vectors[row])

    def gram(self, point: Any, count: int) -> Array:
        result = np.zeros((count, count))
        for row in range(count):
            result[row, : row + 1] = result[: row + 1, row] = self.products(point, row, row + 1)
        return result

    def products(self, point: Any, row: int, count: int) -> Array:
        inner, vector = self._manifold.inner_product, self._vectors[row]
        return np.array([inner(point, vector, other) for other in self._vectors[:count]], float)

    def combined(self, point: Any, coefficients: Array) -> Any:
        total = self._manifold.zero_vector(point)
        for coefficient, vector in zip(coefficients, self._vectors, strict=False):
            if coefficient:
                total = total + vector * float(coefficient)
        return total


def _of_product(manifold: Product, point: Any, parts: list[Any]) -> Any:
    """Return parts as a tangent vector of a product, of the type that adds and scales."""
    return type(manifold.zero_vector(point))(parts)
