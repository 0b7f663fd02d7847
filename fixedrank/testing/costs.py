"""The cost of a pymanopt problem, its gradient, and its values along a curve."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pymanopt

from fixedrank._checks import Array, Seed
from fixedrank.testing.coordinates import coordinates_of
from fixedrank.testing.curves import Samples, sample
from fixedrank.testing.drawing import Draw
from fixedrank.testing.recording import Record
from fixedrank.testing.spaces import TangentSpace, size_of

Retraction = Callable[[Any, Any], Any]


def begin(
    check: str,
    problem: Any,
    rng: Seed,
    retraction: Retraction | None,
    longest_step: float,
    rtol: float,
) -> tuple[Record, Draw]:
    """Check the arguments that all checks of a problem share."""
    if not isinstance(problem, pymanopt.Problem):
        raise TypeError(f"problem must be a pymanopt.Problem, got {type(problem).__name__}")
    require_curve(retraction, longest_step, rtol)
    draw = Draw(problem.manifold, rng)
    return Record(check, str(problem.manifold), draw.seed), draw


def require_curve(retraction: Retraction | None, longest_step: float, rtol: float) -> None:
    """Raise unless these tell which curve to follow, and how far."""
    if not callable(retraction) and retraction is not None:
        raise TypeError(f"retraction must be callable, got {type(retraction).__name__}")
    require_positive(longest_step=longest_step, rtol=rtol)


def require_positive(**numbers: float) -> None:
    """Raise unless all numbers are positive and finite."""
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise ValueError(f"{name} must be a positive number, got {number!r}")


def gradient_at(record: Record, problem: pymanopt.Problem, space: TangentSpace) -> Any:
    """Return the Riemannian gradient at the point of the check."""
    return space.returned(record, "grad f", problem.riemannian_gradient(space.point))


def along(
    record: Record,
    problem: pymanopt.Problem,
    space: TangentSpace,
    Z: Any,
    curve: Retraction,
    longest_step: float,
    count: int,
) -> Samples:
    """Return the cost along a curve, with its value at the point of the check at t = 0."""
    start = _cost(problem, space.point)
    if not np.isfinite(start).all():
        record.stop(
            "costs at the point that are NaN or infinite", 1, f"the cost is {float(start[0])}"
        )
    samples, remark = sample(
        lambda t: _cost(problem, curve(space.point, space.combine([t], [Z]))),
        start,
        longest_step,
        count,
        blur=_blur(space, Z),
    )
    if remark:
        record.note(remark)
    return samples


def _blur(space: TangentSpace, Z: Any) -> float:
    """Return what the round-off of points amounts to in multiples of Z."""
    coordinates = coordinates_of(space.manifold)
    if coordinates is not None:
        point = float(np.linalg.norm(coordinates.point(space.point)))
        vector = float(np.linalg.norm(coordinates.vector(space.point, Z)))
    else:
        layout = space.manifold.point_layout
        point, vector = size_of(space.point, layout), size_of(Z, layout)
    return float(np.finfo(float).eps) * point / vector


def _cost(problem: pymanopt.Problem, point: Any) -> Array:
    value = np.asarray(problem.cost(point))
    if value.ndim or not np.issubdtype(value.dtype, np.number) or np.iscomplexobj(value):
        raise TypeError(
            f"the cost must be a real number, got shape {value.shape} and dtype {value.dtype}"
        )
    return value.reshape(1).astype(float)
