"""The companion with the interface of the library's manifold, for the same checks and cases."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import fixedrank
from fixedrank import jax as companion
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector


class CompanionManifold(fixedrank.FixedRank):
    """M_k, of which all that the companion knows is computed by it, compiled once a shape."""

    def __init__(self, m, n, k, *, depth):
        super().__init__(m, n, k, depth=depth)
        self.functions = compiled(float(depth))

    def _at(self, name, point, *vectors):
        given = [companion.from_fixedrank(part) for part in (point, *vectors)]
        return getattr(self.functions, name)(*given)

    def inner_product(self, point, tangent_vector_a, tangent_vector_b):
        return float(self._at("inner_product", point, tangent_vector_a, tangent_vector_b))

    def norm(self, point, tangent_vector):
        return float(self._at("norm", point, tangent_vector))

    def projection(self, point, matrix):
        if not isinstance(matrix, np.ndarray):
            return super().projection(point, matrix)
        return of_library(companion.project(companion.from_fixedrank(point), jnp.asarray(matrix)))

    to_tangent_space = projection

    def retraction(self, point, tangent_vector):
        return of_library(self._at("retract", point, tangent_vector))

    def transport(self, point_a, point_b, tangent_vector_a):
        start, end = companion.from_fixedrank(point_a), companion.from_fixedrank(point_b)
        vector = companion.from_fixedrank(tangent_vector_a)
        return of_library(companion.transport(start, end, vector))

    def christoffel(self, point, tangent_vector_a, tangent_vector_b):
        return of_library(self._at("christoffel", point, tangent_vector_a, tangent_vector_b))

    def apply(self, point, tangent_vector):
        """Return A(Z)."""
        return of_library(self._at("apply_operator", point, tangent_vector))

    def solve(self, point, tangent_vector):
        """Return the Z' with A(Z') = Z."""
        return of_library(self._at("solve_operator", point, tangent_vector))


class _Compiled:
    def __init__(self, depth):
        for name in ("apply_operator", "solve_operator", "inner_product", "norm", "christoffel"):
            function = getattr(companion, name)
            setattr(self, name, jax.jit(functools.partial(_with_depth, function, depth)))
        self.retract = jax.jit(companion.retract)


def _with_depth(function, depth, *arguments):
    return function(*arguments, depth)


@functools.lru_cache(maxsize=32)
def compiled(depth):
    """Return the functions of a static depth, compiled when first called."""
    return _Compiled(depth)


def of_library(value):
    """Return a point or vector of the companion as one of the library."""
    return companion.to_fixedrank(value)


def distance(a, b):
    """Return the largest difference of two pytrees, relative to the largest entry of the second."""
    a = [np.asarray(part) for part in jax.tree.leaves(a)]
    b = [np.asarray(part) for part in jax.tree.leaves(b)]
    largest = max(np.abs(part).max() for part in b)
    difference = max(np.abs(one - other).max() for one, other in zip(a, b, strict=True))
    return difference / largest if largest else difference


__all__ = [
    "CompanionManifold",
    "FixedRankPoint",
    "FixedRankTangentVector",
    "compiled",
    "distance",
    "of_library",
]
