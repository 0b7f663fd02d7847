"""Points and tangent vectors of a manifold as arrays of one vector space, to be compared there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymanopt import manifolds
from pymanopt.manifolds.manifold import Manifold

from fixedrank._packing import joined

# Their points are matrices Y, of which only Y Y^H has a meaning.
_QUOTIENTS = (
    manifolds.Grassmann,
    manifolds.ComplexGrassmann,
    manifolds.PSDFixedRank,
    manifolds.PSDFixedRankComplex,
    manifolds.Elliptope,
)


@dataclass(frozen=True)
class Coordinates:
    """A map x from the manifold to a vector space of arrays, with its differential.

    Parameters
    ----------
    name : str
        What the arrays are, in words.
    point : callable
        ``point(p)`` is x(p).
    vector : callable
        ``vector(p, Z)`` is the derivative of x along Z.
    ambient : bool
        Whether ``manifold.projection`` projects such arrays to the tangent space.
    """

    name: str
    point: Callable[[Any], NDArray[Any]]
    vector: Callable[[Any, Any], NDArray[Any]]
    ambient: bool

    def inner(self, point: Any, a: Any, b: Any) -> float:
        """Return the ordinary inner product of two tangent vectors in coordinates."""
        return float(np.vdot(self.vector(point, a), self.vector(point, b)).real)


def coordinates_of(manifold: Manifold) -> Coordinates | None:
    """Return coordinates of the points of a manifold, or None if none are known."""
    if hasattr(manifold, "to_matrix") and hasattr(manifold, "tangent_to_matrix"):
        return Coordinates("matrices", manifold.to_matrix, manifold.tangent_to_matrix, True)
    if isinstance(manifold, manifolds.FixedRankEmbedded):
        return Coordinates(
            "matrices",
            lambda p: np.asarray((p[0] * p[1]) @ p[2]),
            lambda p, Z: np.asarray((p[0] @ Z[1] + Z[0]) @ p[2] + p[0] @ Z[2].T),
            True,
        )
    if isinstance(manifold, manifolds.Product):
        return _of_product(manifold)
    if isinstance(manifold, _QUOTIENTS):
        return Coordinates("matrices Y Y^T", lambda p: _outer(p, p), _of_quotient, False)
    if manifold.point_layout == 1:
        return Coordinates(
            "arrays", np.asarray, lambda p, Z: np.asarray(manifold.embedding(p, Z)), True
        )
    return None


def _outer(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(a @ np.conj(np.swapaxes(b, -1, -2)))


def _of_quotient(p: NDArray[Any], Z: NDArray[Any]) -> NDArray[Any]:
    return _outer(p, Z) + _outer(Z, p)


def _of_product(manifold: manifolds.Product) -> Coordinates | None:
    each = [coordinates_of(factor) for factor in manifold.manifolds]
    if any(c is None for c in each):
        return None
    known = [c for c in each if c is not None]
    return Coordinates(
        "all parts",
        lambda p: joined([c.point(q) for c, q in zip(known, p, strict=True)]),
        lambda p, Z: joined([c.vector(q, Y) for c, q, Y in zip(known, p, Z, strict=True)]),
        False,
    )
