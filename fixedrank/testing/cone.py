"""Check that a manifold is a cone: its geodesics are straight lines in planes through the rays."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import Seed, positive_integer
from fixedrank._shared_docs import describe
from fixedrank.geometry import GeodesicNotFoundError
from fixedrank.geometry.factored.points import FixedRankTangentVector
from fixedrank.geometry.manifold import FixedRank
from fixedrank.testing.arguments import CHECKS
from fixedrank.testing.costs import require_positive
from fixedrank.testing.curves import reach
from fixedrank.testing.drawing import Draw
from fixedrank.testing.hints import off_by
from fixedrank.testing.recording import Record
from fixedrank.testing.reports import CheckReport
from fixedrank.testing.spaces import TangentSpace

Radius = Callable[[Any], float]
Euler = Callable[[Any], Any]


def check_cone(
    manifold: Manifold,
    radius: Radius | None = None,
    euler: Euler | None = None,
    *,
    point: Any = None,
    trials: int = 3,
    rng: Seed = None,
    longest_step: float = 0.5,
    rtol: float = 1e-6,
) -> CheckReport:
    r"""Check that geodesics and distances are those of a cone.

    The radius r of a cone has the velocity E of the rays for the gradient of :math:`r^2/2`, and
    half of its square has the metric for its Hessian. So along every geodesic exp(tZ)

    .. math:: r^2(t) = r^2 + 2t\, g(E, Z) + t^2 g(Z, Z),

    :math:`g(E, E) = r^2`, and no distance is less than the difference of radii. All of this is
    exact, for steps of any length. :math:`\mathcal{M}_k` with the metric of depth N is a cone, with
    :math:`r^2 = N \sum s_i^{2/N}` and :math:`E = N W`.

    Parameters
    ----------
    manifold : pymanopt manifold
        Any manifold with ``exp``; distances are checked where it has ``dist``.
    radius : callable, optional
        ``radius(point)`` returns r; by default that of a FixedRank of finite depth.
    euler : callable, optional
        ``euler(point)`` returns the tangent vector E, likewise.
    point : point of the manifold, optional
        Where geodesics start; by default a random point.
    trials : int
        How many directions Z to draw.
    longest_step : float
        Length of a geodesic, in units of the radius. Where the manifold ends earlier, it is half
        of it, and so on.
    rtol : float
        Relative tolerance, of squared radii and of distances.

    Returns
    -------
    CheckReport
        The squares of E and of the radii at both ends of geodesics, and distances.

    Raises
    ------
    CheckFailedError
        If metric, geodesics or distances are not those of the cone: with the numbers.
    TypeError, ValueError
        If an argument is of the wrong kind, shape or sign, the manifold has no ``exp``, or radius
        and E are not known.

    Examples
    --------
    >>> import fixedrank
    >>> from fixedrank.testing import CheckFailedError, check_cone
    >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=3)
    >>> check_cone(manifold, rng=0).passed
    True
    >>> class Stretched(fixedrank.FixedRank):
    ...     def inner_product(self, point, a, b):
    ...         return 1.01 * super().inner_product(point, a, b)
    >>> try:
    ...     check_cone(Stretched(4, 3, 2, depth=3), rng=0)
    ... except CheckFailedError as error:
    ...     print(error.report.findings[0])
    FAILED  g(E, E) / r^2: 1.01, should be 1 (tolerance 1e-06)
            the metric along the rays is off by a factor 1.010
    """
    draw = Draw(manifold, rng)
    positive_integer("trials", trials)
    require_positive(longest_step=longest_step, rtol=rtol)
    radius = _known("radius", radius, manifold, _radius)
    euler = _known("euler", euler, manifold, _euler)
    record = Record("check_cone", str(manifold), draw.seed)
    space = TangentSpace(manifold, draw.point(point))
    r, E = float(radius(space.point)), space.returned(record, "E", euler(space.point))
    if not 0 < r < math.inf:
        record.stop("radii that are not positive and finite", 1, f"radius returned {r}")
    if not space.norm(E) > 0:
        record.stop("velocities of rays that are zero", 1, "euler returned the zero vector")
    square = space.inner(E, E) / r**2
    hint = "" if abs(square - 1) <= rtol else off_by("the metric along the rays", square)
    record.add("g(E, E) / r^2", square, "=", 1.0, rtol, hint=hint)
    probe = space.combine([1e-6], [E])
    if not space.provides("exp", probe):
        raise TypeError(f"the {manifold} has no exp, along which radii are known")
    for direction in (E, *(draw.vector(space) for _ in range(trials))):
        Z = space.combine([r / space.norm(direction)], [direction])
        _judge_geodesic(record, space, radius, (r, E, Z), longest_step, rtol)
    if not hasattr(manifold, "dist"):
        record.note("distances were not checked: the manifold has no dist")
    return record.finish()


describe(check_cone, CHECKS)


def _judge_geodesic(
    record: Record,
    space: TangentSpace,
    radius: Radius,
    parts: tuple[float, Any, Any],
    longest: float,
    rtol: float,
) -> None:
    """Record the radii at both ends of a geodesic, and that it is no shortcut between radii."""
    (r, E, Z), manifold = parts, space.manifold

    def end(t: float) -> Any:
        return manifold.exp(space.point, space.combine([t], [Z]))

    length, remark = reach(end, longest)
    if remark:
        record.note(remark)
    along, square = space.inner(E, Z) / r**2, space.inner(Z, Z) / r**2
    for t in (length, -length / 2):
        there = end(t)
        measured, model = (radius(there) / r) ** 2, 1 + 2 * t * along + t**2 * square
        record.add(
            "r^2 along a geodesic, over that at its start",
            measured,
            "=",
            model,
            rtol * max(1.0, model),
            hint="exp is not the geodesic of this metric, or the manifold is no cone of this "
            "radius",
        )
        try:
            distance = float(manifold.dist(space.point, there))
        except (AttributeError, NotImplementedError):
            continue
        except GeodesicNotFoundError as error:
            record.note(f"a distance was not checked: {error}")
            continue
        record.add(
            "dist beside |r_1 - r_2|, over r",
            distance / r,
            ">=",
            abs(math.sqrt(measured) - 1),
            rtol,
            hint="dist is less than the difference of radii: it is not that of this metric",
        )
        record.add(
            "dist beside the length of a geodesic, over r",
            distance / r,
            "<=",
            abs(t) * math.sqrt(square) * (1 + rtol),
            hint="dist is more than the length of a geodesic between the points",
        )


def _known(name: str, given: Any, manifold: Manifold, default: Any) -> Any:
    if given is not None:
        if not callable(given):
            raise TypeError(f"{name} must be callable, got {type(given).__name__}")
        return given
    if not isinstance(manifold, FixedRank) or manifold.depth is None or math.isinf(manifold.depth):
        raise TypeError(
            "radius and rays are known of a FixedRank of finite depth, not of the "
            f"{manifold}: give radius and euler, as functions of the point"
        )
    return lambda point: default(point, manifold.depth)


def _radius(point: Any, depth: float) -> float:
    return math.sqrt(depth * float((point[1] ** (2 / depth)).sum()))


def _euler(point: Any, depth: float) -> FixedRankTangentVector:
    u, s, vt = point
    return FixedRankTangentVector(np.zeros_like(u), depth * np.diag(s), np.zeros_like(vt.T))
