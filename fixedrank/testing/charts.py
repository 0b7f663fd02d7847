"""Follow a curve that starts at a point in numbers: in coordinates, by log, or by distance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array
from fixedrank.testing.coordinates import Coordinates, coordinates_of
from fixedrank.testing.spaces import TangentSpace, parts, size_of


@dataclass(frozen=True)
class Chart:
    """What to compare of a curve c with velocity Z at the point.

    Parameters
    ----------
    name : str
        What is compared of two points, in words.
    value : callable
        ``value(t, c(t))`` is an array of shape (d,).
    start, velocity : ndarray, shape (d,)
        The value at t = 0, and its derivative there.
    straight : bool
        Whether the value of a geodesic is start + t velocity.
    size : float
        The size of the points, if values are differences of them.
    coordinates : Coordinates or None
        Where the values are coordinates, these.
    """

    name: str
    value: Callable[[float, Any], Array]
    start: Array
    velocity: Array
    straight: bool
    size: float = 0.0
    coordinates: Coordinates | None = None


def chart_at(space: TangentSpace, Z: Any) -> Chart:
    """Return a way to follow curves on the manifold.

    Raises
    ------
    TypeError
        If the manifold has nothing by which to compare two points.
    """
    manifold, point = space.manifold, space.point
    coordinates = coordinates_of(manifold)
    if coordinates is not None:
        start = real(coordinates.point(point))
        velocity = real(coordinates.vector(point, Z))
        if start.shape == velocity.shape:
            value = coordinates.point
            return Chart(
                coordinates.name,
                lambda t, q: real(value(q)),
                start,
                velocity,
                False,
                0.0,
                coordinates,
            )
    by_log = chart_by_log(space, Z)
    if by_log is not None:
        return by_log
    if _works(lambda: manifold.dist(point, point)) and space.provides("exp", Z):
        return Chart(
            "their distances from the geodesic",
            lambda t, q: np.array(
                [float(manifold.dist(manifold.exp(point, space.combine([t], [Z])), q))]
            ),
            np.zeros(1),
            np.zeros(1),
            True,
            size_of(point, manifold.point_layout),
        )
    raise TypeError(
        f"nothing is known by which to compare two points of the {manifold}: it needs "
        "to_matrix(point) and tangent_to_matrix(point, Z), or log, or both dist and exp"
    )


def chart_by_log(space: TangentSpace, Z: Any) -> Chart | None:
    """Return the chart in which geodesics are straight, or None where there is no log."""
    manifold, point = space.manifold, space.point
    if not _works(lambda: manifold.log(point, manifold.retraction(point, Z))):
        return None
    velocity = _flat(Z, manifold.point_layout)
    return Chart(
        "their logarithms",
        lambda t, q: _flat(manifold.log(point, q), manifold.point_layout),
        np.zeros_like(velocity),
        velocity,
        True,
        size_of(point, manifold.point_layout),
    )


def real(array: NDArray[Any]) -> Array:
    """Return the entries of an array, and of a complex one the imaginary parts after the real."""
    flat = np.asarray(array).ravel()
    if np.iscomplexobj(flat):
        flat = np.concatenate((flat.real, flat.imag))
    return np.asarray(flat, dtype=float)


def _flat(vector: Any, layout: Any) -> Array:
    return np.concatenate([real(part) for part in parts(vector, layout)])


def _works(call: Callable[[], Any]) -> bool:
    try:
        call()
    except (AttributeError, NotImplementedError):
        return False
    return True
