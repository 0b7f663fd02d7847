"""Check that distances of matrices lie between those of their roots."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fixedrank._checks import Seed, positive_integer
from fixedrank._shared_docs import describe
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point, distance
from fixedrank.geometry.manifold import FixedRank
from fixedrank.geometry.metric.depth import known_depth
from fixedrank.testing.arguments import CHECKS
from fixedrank.testing.costs import require_positive
from fixedrank.testing.drawing import Draw
from fixedrank.testing.recording import Record
from fixedrank.testing.reports import CheckReport
from fixedrank.testing.spaces import TangentSpace


def check_root_bounds(
    manifold: Any,
    depth: float | None = None,
    *,
    point: Any = None,
    trials: int = 3,
    rng: Seed = None,
    longest_step: float = 0.25,
    rtol: float = 1e-6,
) -> CheckReport:
    r"""Check that the distances of depth N lie between bounds by the roots of the matrices.

    With the root :math:`R = U S^{1/N} V^T` the metric is between 1/N and N times the embedded one
    of R. So

    .. math:: \|R_A - R_B\|_F / \sqrt N \le \operatorname{dist}(A, B) \le \sqrt N\, \ell

    with the length :math:`\ell` of any path of roots of rank k, here of the shortest one. On a ray
    the upper bound is an equality:
    :math:`\operatorname{dist}(A, c A) = \sqrt N\, \|R_A - R_{cA}\|_F`.

    Parameters
    ----------
    manifold : pymanopt manifold
        A manifold whose points are (u, s, vt) and which has ``retraction`` and ``dist``.
    depth : float, optional
        The depth N; by default that of the manifold.
    point : point of the manifold, optional
        The matrix A; by default a random one.
    trials : int
        How many matrices B to draw.
    longest_step : float
        The distance, in the metric, up to which B is drawn, over the length of balanced layers
        of A.
    rtol : float
        Relative tolerance.

    Returns
    -------
    CheckReport
        Distances and their bounds.

    Raises
    ------
    CheckFailedError
        If a distance is out of bounds: with the numbers.
    TypeError, ValueError
        If an argument is of the wrong kind, shape or sign, or the manifold has no depth or no
        ``dist``.

    Examples
    --------
    >>> import fixedrank
    >>> from fixedrank.testing import CheckFailedError, check_root_bounds
    >>> check_root_bounds(fixedrank.FixedRank(4, 3, 2, depth=3), rng=0).passed
    True
    >>> try:
    ...     check_root_bounds(fixedrank.FixedRank(4, 3, 2, depth=3), depth=2, rng=0)
    ... except CheckFailedError:
    ...     print("distances of another depth")
    distances of another depth
    """
    draw = Draw(manifold, rng)
    positive_integer("trials", trials)
    require_positive(longest_step=longest_step, rtol=rtol)
    n = _depth(manifold, depth)
    record = Record("check_root_bounds", str(manifold), draw.seed)
    space = TangentSpace(manifold, draw.point(point))
    A = checked_point(space.point)
    radius = math.sqrt(n * float((A.s ** (2 / n)).sum()))
    for c in (0.5, 0.9):
        _judge_ray(record, manifold, (A, c, n), rtol)
    roots = FixedRank(A.u.shape[0], A.vt.shape[1], A.s.size, depth=1)
    for share in np.linspace(0, 1, trials + 1)[1:]:
        vector = draw.vector(space)
        length = longest_step * float(share) * radius / space.norm(vector)
        B = checked_point(manifold.retraction(A, space.combine([length], [vector])))
        _judge_pair(record, manifold, roots, (A, B, n), rtol)
    return record.finish()


describe(check_root_bounds, CHECKS)


def _judge_ray(
    record: Record, manifold: Any, parts: tuple[FixedRankPoint, float, float], rtol: float
) -> None:
    A, c, n = parts
    B = A._replace(s=c * A.s)
    record.add(
        "dist(A, c A) over sqrt(N) |R_A - R_cA|",
        _distance(manifold, A, B) / (math.sqrt(n) * _between(A, B, n)),
        "=",
        1.0,
        rtol,
        hint="the distance along a ray is not that of depth N",
    )


def _judge_pair(
    record: Record,
    manifold: Any,
    roots: FixedRank,
    parts: tuple[FixedRankPoint, FixedRankPoint, float],
    rtol: float,
) -> None:
    A, B, n = parts
    found = _distance(manifold, A, B)
    path = float(roots.dist(_root(A, n), _root(B, n)))
    record.add(
        "sqrt(N) dist over |R_A - R_B|",
        math.sqrt(n) * found / _between(A, B, n),
        ">=",
        1.0,
        rtol,
        hint="the distance is shorter than any path can be",
    )
    record.add(
        "dist over sqrt(N) times the length of a path of roots",
        found / (math.sqrt(n) * path),
        "<=",
        1.0,
        rtol,
        hint="the distance is longer than a path of roots",
    )


def _depth(manifold: Any, depth: float | None) -> float:
    found = getattr(manifold, "depth", None) if depth is None else depth
    if found is None:
        raise TypeError(f"the {manifold} has no depth: give the depth N of its metric")
    number = known_depth(found, "a bound by roots")
    if math.isinf(number):
        raise ValueError("bounds by roots need a finite depth, got infinity")
    return number


def _distance(manifold: Any, A: FixedRankPoint, B: FixedRankPoint) -> float:
    try:
        return float(manifold.dist(A, B))
    except (AttributeError, NotImplementedError) as error:
        raise TypeError(f"the {manifold} has no dist, which is what is checked") from error


def _root(point: FixedRankPoint, n: float) -> FixedRankPoint:
    return point._replace(s=point.s ** (1 / n))


def _between(A: FixedRankPoint, B: FixedRankPoint, n: float) -> float:
    """Return |R_A - R_B|."""
    return distance(_root(A, n), _root(B, n))
