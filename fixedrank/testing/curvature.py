"""Check sectional curvatures by the distances of the ends of two geodesics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import Array, Seed, positive_integer
from fixedrank._shared_docs import describe
from fixedrank.testing.arguments import CHECKS
from fixedrank.testing.costs import require_positive
from fixedrank.testing.curves import reach
from fixedrank.testing.derivatives import Derivative, derivative_with_few_steps
from fixedrank.testing.drawing import Draw
from fixedrank.testing.hints import off_by
from fixedrank.testing.recording import Record
from fixedrank.testing.reports import CheckReport
from fixedrank.testing.spaces import TangentSpace, of_manifold
from fixedrank.testing.taylor import compare, require_decision

SectionalCurvature = Callable[[Any, Any, Any], float]


def check_curvature(
    manifold: Manifold,
    sectional_curvature: SectionalCurvature | None = None,
    *,
    point: Any = None,
    trials: int = 1,
    rng: Seed = None,
    longest_step: float = 0.5,
    rtol: float = 1e-3,
) -> CheckReport:
    r"""Check sectional curvatures against distances.

    For orthonormal x and y the law of cosines on a curved surface says, in the mean over both
    signs of t,

    .. math:: d\bigl(\exp(t x), \exp(t y)\bigr)^2 = 2 t^2 - \tfrac13 K t^4 + O(t^6),

    so that K is measured with nothing but ``exp`` and ``dist``. It must be a function of the plane,
    whatever vectors span it.

    Parameters
    ----------
    manifold : pymanopt manifold
        Any manifold with ``exp`` and ``dist``.
    sectional_curvature : callable, optional
        ``sectional_curvature(point, a, b)`` returns the curvature of the plane of two tangent
        vectors; by default ``manifold.sectional_curvature``.
    trials : int
        How many planes to draw.
    longest_step : float
        Length, in the metric, of the longest geodesics; each of the others is half the one before.
        Where the manifold ends earlier, they begin with half of it, and so on. Distances must be
        those of shortest geodesics.
    rtol : float
        Relative tolerance.

    Returns
    -------
    CheckReport
        The curvatures beside those by distances, and by other vectors of the same plane.

    Raises
    ------
    CheckFailedError
        If a curvature is wrong: with the numbers, and the likely mistake.
    TypeError, ValueError
        If an argument is of the wrong kind, shape or sign, the manifold lacks a method or has the
        dimension one.

    Examples
    --------
    >>> import pymanopt
    >>> from fixedrank.testing import CheckFailedError, check_curvature
    >>> sphere = pymanopt.manifolds.Sphere(4)
    >>> check_curvature(sphere, lambda point, a, b: 1.0, rng=0).passed
    True
    >>> try:
    ...     check_curvature(sphere, lambda point, a, b: 0.0, rng=0)
    ... except CheckFailedError as error:
    ...     print(round(error.report["K by distances"].measured, 3))
    1.0
    """
    draw = Draw(manifold, rng)
    positive_integer("trials", trials)
    require_positive(longest_step=longest_step, rtol=rtol)
    curvature = of_manifold(
        manifold, "sectional_curvature", sectional_curvature, "the point and two tangent vectors"
    )
    if manifold.dim < 2:
        raise ValueError(f"the {manifold} has the dimension {manifold.dim}, and no planes")
    record = Record("check_curvature", str(manifold), draw.seed)
    space = TangentSpace(manifold, draw.point(point))
    for _ in range(trials):
        plane = _orthonormal(space, draw.vector(space), draw.vector(space))
        K = float(curvature(space.point, *plane))
        negligible = _judge_value(record, space, plane, K, longest_step, rtol)
        _judge_plane(record, space, curvature, plane, K, rtol * (abs(K) + negligible))
    return record.finish()


describe(check_curvature, CHECKS)


def _orthonormal(space: TangentSpace, a: Any, b: Any) -> tuple[Any, Any]:
    x = space.combine([1 / space.norm(a)], [a])
    rest = space.combine([1, -space.inner(x, b)], [b, x])
    return x, space.combine([1 / space.norm(rest)], [rest])


def _judge_plane(
    record: Record,
    space: TangentSpace,
    curvature: SectionalCurvature,
    plane: tuple[Any, Any],
    K: float,
    tolerance: float,
) -> None:
    first, second = (space.combine(parts, plane) for parts in ([2.0, 1.0], [1.0, -3.0]))
    record.add(
        "K of other vectors of the same plane",
        float(curvature(space.point, first, second)),
        "=",
        K,
        tolerance,
        hint="K must be divided by the squared area of the parallelogram of the two vectors",
    )


def _judge_value(
    record: Record,
    space: TangentSpace,
    plane: tuple[Any, Any],
    K: float,
    longest_step: float,
    rtol: float,
) -> float:
    """Judge K, and return what changes distances by less than rtol over the longest step."""
    manifold = space.manifold

    def square(t: float) -> Array:
        ends = (manifold.exp(space.point, space.combine([t], [v])) for v in plane)
        return np.array([float(manifold.dist(*ends)) ** 2 / t**2])

    try:
        longest, remark = reach(square, longest_step)
    except NotImplementedError as error:
        raise TypeError(f"the {manifold} needs exp and dist: {error}") from error
    if remark:
        record.note(remark)
    negligible = rtol / longest**2
    # K is 3/2 of the derivative, and ten times its estimated error are allowed.
    wanted = max(rtol * abs(K), negligible) / 15
    second = derivative_with_few_steps(square, np.array([2.0]), longest, 2, wanted)
    measured = Derivative(-1.5 * second.value, 1.5 * second.error)
    comparison = compare(measured, np.array([K]), 0.0, rtol, negligible)
    number = float(measured.value[0])
    record.add(
        "K by distances",
        number,
        "=",
        K,
        comparison.tolerance,
        decided=comparison.decided,
        hint="" if comparison.agrees else off_by("K", K / number if number else np.inf),
    )
    require_decision(record, None, comparison)
    return negligible
