"""Where to check: the point and the vectors that were handed in, or random ones from a seed."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from pymanopt.manifolds import Product
from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import Seed
from fixedrank.testing.spaces import TangentSpace, parts


class Draw:
    """Random points and vectors on any pymanopt manifold, the same ones for the same seed."""

    def __init__(self, manifold: Any, rng: Seed) -> None:
        if not isinstance(manifold, Manifold):
            raise TypeError(f"manifold must be a pymanopt manifold, got {type(manifold).__name__}")
        if not manifold.dim > 0:
            raise ValueError(f"the {manifold} has no tangent vectors but zero")
        self.manifold = manifold
        if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
            self.seed = int(rng)
        elif rng is None or isinstance(rng, np.random.Generator):
            self.seed = int(np.random.default_rng(rng).integers(2**32))
        else:
            raise TypeError(
                f"rng must be a numpy.random.Generator, a seed of at least 0, or None, got {rng!r}"
            )
        self.generator = np.random.default_rng(self.seed)

    def point(self, given: Any = None) -> Any:
        """Return the given point with its shapes checked, or a random one."""
        random = self._call(self.manifold, "random_point")
        if given is None:
            return random
        shapes = [part.shape for part in parts(random, self.manifold.point_layout)]
        try:
            arrays = parts(given, self.manifold.point_layout)
        except TypeError as error:
            raise TypeError(
                f"a point of the {self.manifold} consists of arrays of shapes {shapes}: {error}"
            ) from None
        found = [part.shape for part in arrays]
        if found != shapes:
            raise ValueError(
                f"a point of the {self.manifold} consists of arrays of shapes {shapes}, got {found}"
            )
        if not all(np.isfinite(part).all() for part in arrays):
            raise ValueError("the point has NaN or infinite entries")
        return given

    def place(self, point: Any, direction: Any) -> tuple[TangentSpace, Any]:
        """Return the tangent space at a point, and a unit vector in it."""
        if point is None and direction is not None:
            raise ValueError("direction is a tangent vector at a point: give that point as well")
        space = TangentSpace(self.manifold, self.point(point))
        if direction is None:
            vector = self.vector(space)
        else:
            vector = space.vector(direction)
        norm = space.norm(vector)
        if not norm > 0:
            raise ValueError(f"direction must not be zero, but has the length {norm}")
        return space, space.combine([1 / norm], [vector])

    def vector(self, space: TangentSpace) -> Any:
        """Return a random tangent vector."""
        return space.vector(self._call(self.manifold, "random_tangent_vector", space.point))

    def _call(self, manifold: Manifold, name: str, *arguments: Any) -> Any:
        if isinstance(manifold, Product):
            return [
                self._call(part, name, *(argument[i] for argument in arguments))
                for i, part in enumerate(manifold.manifolds)
            ]
        method = getattr(manifold, name)
        if "rng" in inspect.signature(method).parameters:
            return method(*arguments, rng=self.generator)
        with _global_state_from(self.generator):
            return method(*arguments)


@contextmanager
def _global_state_from(generator: np.random.Generator) -> Iterator[None]:
    """Give pymanopt's manifolds, which draw from NumPy's global state, a state to draw from."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(int(generator.integers(2**32)))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
