"""Check that a transport along geodesics is parallel: isometric, with no covariant derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import Array, Seed, positive_integer
from fixedrank._shared_docs import describe
from fixedrank.testing.arguments import CHECKS
from fixedrank.testing.connection import Christoffel, christoffel_term
from fixedrank.testing.coordinates import coordinates_of
from fixedrank.testing.costs import require_positive
from fixedrank.testing.curves import reach
from fixedrank.testing.derivatives import derivative_with_few_steps
from fixedrank.testing.drawing import Draw
from fixedrank.testing.recording import Record
from fixedrank.testing.reports import CheckReport
from fixedrank.testing.spaces import TangentSpace, judge_tangent, of_manifold
from fixedrank.testing.taylor import compare, require_decision

ParallelTransport = Callable[[Any, Any, Any], Any]
# A derivative that changes a product by less than this part over the whole way says enough.
_RESOLVED = 1e-2


def check_parallel_transport(
    manifold: Manifold,
    parallel_transport: ParallelTransport | None = None,
    christoffel: Christoffel | None = None,
    *,
    point: Any = None,
    trials: int = 1,
    rng: Seed = None,
    longest_step: float = 0.25,
    rtol: float = 1e-6,
) -> CheckReport:
    r"""Check that a transport along geodesics is the parallel one.

    With :math:`P_t` the transport along :math:`\exp(tX)` and :math:`T_t` ``manifold.transport``,
    it must be linear, keep inner products, and have no covariant derivative at t = 0,

    .. math:: \tfrac{d}{dt} g(P_t a, T_t b) = g(a, \Gamma(X, b)).

    That it has none later on either follows from two halves of the way, of which the second starts
    with what the first one makes of X: both together must make what the whole way does, and arrive
    where it does. The last is compared in the arrays of :func:`check_retraction`.

    Parameters
    ----------
    manifold : pymanopt manifold
        Any manifold with ``exp`` and ``transport``.
    parallel_transport : callable, optional
        ``parallel_transport(point, direction, vector)`` returns a tangent vector at
        ``exp(point, direction)``; by default ``manifold.parallel_transport``.
    christoffel : callable, optional
        The term of the connection that :func:`check_connection` checks:
        ``christoffel(point, a, b)``, by default ``manifold.christoffel``, and zero where there
        is none.
    point : point of the manifold, optional
        Where the ways start; by default a random point.
    trials : int
        How many triples X, a, b to draw.
    longest_step : float
        Length, in the metric, of the longest way; each of the others is half the one before.
        Where the manifold ends earlier, it begins with half of it, and so on.
    rtol : float
        Relative tolerance.

    Returns
    -------
    CheckReport
        The defects of linearity and isometry, the derivatives, and how far the halves are from the
        whole.

    Raises
    ------
    CheckFailedError
        If the transport is not parallel: with the numbers, and the likely mistake.
    TypeError, ValueError
        If an argument is of the wrong kind, shape or sign, or the manifold lacks a method.

    Examples
    --------
    >>> import fixedrank, pymanopt
    >>> from fixedrank.testing import CheckFailedError, check_parallel_transport
    >>> check_parallel_transport(fixedrank.FixedRank(4, 3, 2, depth=3), rng=0).passed
    True
    >>> sphere = pymanopt.manifolds.Sphere(4)
    >>> def by_projection(x, direction, vector):
    ...     return sphere.transport(x, sphere.exp(x, direction), vector)
    >>> try:
    ...     check_parallel_transport(sphere, by_projection, rng=0)
    ... except CheckFailedError:
    ...     print("projections make vectors shorter")
    projections make vectors shorter
    """
    draw = Draw(manifold, rng)
    positive_integer("trials", trials)
    require_positive(longest_step=longest_step, rtol=rtol)
    move = of_manifold(
        manifold,
        "parallel_transport",
        parallel_transport,
        "the point, the direction and the vector",
    )
    record = Record("check_parallel_transport", str(manifold), draw.seed)
    space = TangentSpace(manifold, draw.point(point))
    gamma = christoffel_term(record, space, christoffel)
    for _ in range(trials):
        X, a, b = (draw.vector(space) for _ in range(3))
        X = space.combine([1 / space.norm(X)], [X])
        way = _Way(record, space, move, X)
        length = way.length(longest_step)
        _judge_derivative(record, way, length, (a, b, gamma(X, b)), rtol)
        whole = space.combine([length], [X])
        _judge_isometry(record, way, whole, a, b, rtol)
        _judge_halves(record, way, whole, a, rtol)
    return record.finish()


describe(check_parallel_transport, CHECKS)


class _Way:
    """A geodesic, and the transport along it."""

    def __init__(
        self, record: Record, space: TangentSpace, move: ParallelTransport, X: Any
    ) -> None:
        if not space.provides("exp", space.combine([1e-6], [X])):
            raise TypeError(f"the {space.manifold} has no exp, along which to transport")
        self.record, self.space, self.move, self.X = record, space, move, X

    def end(self, space: TangentSpace, direction: Any) -> TangentSpace:
        """Return the tangent space at the end of a geodesic."""
        return TangentSpace(space.manifold, space.manifold.exp(space.point, direction))

    def moved(self, space: TangentSpace, direction: Any, end: TangentSpace, vector: Any) -> Any:
        """Return a vector moved along a geodesic."""
        return end.returned(self.record, "P(a)", self.move(space.point, direction, vector))

    def length(self, longest: float) -> float:
        """Return the longest length for which the geodesic exists on both sides."""
        space = self.space
        step, remark = reach(
            lambda t: space.manifold.exp(space.point, space.combine([t], [self.X])), longest
        )
        if remark:
            self.record.note(remark)
        return step

    def product(self, a: Any, b: Any, t: float) -> Array:
        """Return g(P_t a, T_t b)."""
        space, manifold = self.space, self.space.manifold
        direction = space.combine([t], [self.X])
        end = self.end(space, direction)
        try:
            beside = manifold.transport(space.point, end.point, b)
        except NotImplementedError as error:
            raise TypeError(f"the {manifold} needs a transport: {error}") from error
        return np.array([end.inner(self.moved(space, direction, end, a), beside)])


def _judge_derivative(
    record: Record, way: _Way, length: float, vectors: tuple[Any, Any, Any], rtol: float
) -> None:
    (a, b, along_b), space = vectors, way.space
    model, rate = space.inner(a, along_b), space.norm(a) * space.norm(b) / length
    measured = derivative_with_few_steps(
        lambda t: way.product(a, b, t),
        np.array([space.inner(a, b)]),
        length,
        1,
        rtol * max(abs(model), rate),
    )
    comparison = compare(
        measured,
        np.array([model]),
        space.norm(a) * space.norm(along_b),
        rtol,
        _RESOLVED * rate,
    )
    record.add(
        "d/dt g(P_t a, T_t b) at t = 0",
        float(measured.value[0]),
        "=",
        model,
        comparison.tolerance,
        decided=comparison.decided,
        hint="P has a covariant derivative: it belongs to another connection, or another curve",
    )
    require_decision(record, None, comparison)


def _judge_isometry(record: Record, way: _Way, whole: Any, a: Any, b: Any, rtol: float) -> None:
    space, end = way.space, way.end(way.space, whole)
    moved = [way.moved(space, whole, end, v) for v in (a, b, space.combine([2, -3], [a, b]))]
    judge_tangent(record, end, "P(a)", moved[0], rtol)
    defect = end.relative_norm([2, -3, -1], moved)
    record.add("defect of linearity", defect, "<=", rtol, hint="P must be linear")
    for name, i, j in (("g(P a, P a)", 0, 0), ("g(P a, P b)", 0, 1)):
        before = space.inner((a, b)[i], (a, b)[j])
        size = space.norm((a, b)[i]) * space.norm((a, b)[j])
        record.add(
            name,
            end.inner(moved[i], moved[j]),
            "=",
            before,
            rtol * size,
            hint="P does not keep lengths and angles: a transport by projection does not",
        )


def _judge_halves(record: Record, way: _Way, whole: Any, a: Any, rtol: float) -> None:
    coordinates = coordinates_of(way.space.manifold)
    if coordinates is None:
        record.note("the halves of the way were not checked: points cannot be compared as arrays")
        return
    start, half = way.space, way.space.combine([0.5], [whole])
    end, middle = way.end(start, whole), way.end(start, half)
    rest = way.moved(start, half, middle, half)
    last = way.end(middle, rest)
    at_once = coordinates.vector(end.point, way.moved(start, whole, end, a))
    in_two = coordinates.vector(
        last.point, way.moved(middle, rest, last, way.moved(start, half, middle, a))
    )
    ends = [coordinates.point(place.point) for place in (start, end, last)]
    for name, defect, size in (
        ("|exp of both halves - exp|, over the way", ends[2] - ends[1], ends[1] - ends[0]),
        ("|P of both halves - P|, relative", in_two - at_once, at_once),
    ):
        record.add(
            name,
            float(np.linalg.norm(defect) / (np.linalg.norm(size) or 1.0)),
            "<=",
            rtol,
            hint="the second half is another geodesic: P of the velocity is not the velocity, or P "
            "is parallel at its start only",
        )
