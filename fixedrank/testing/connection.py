"""Check that a connection is that of Levi and Civita: symmetric and compatible with the metric."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import Array, Seed, positive_integer
from fixedrank._shared_docs import describe
from fixedrank.testing.arguments import CHECKS
from fixedrank.testing.costs import Retraction, require_positive
from fixedrank.testing.curves import sample
from fixedrank.testing.derivatives import derivative
from fixedrank.testing.drawing import Draw
from fixedrank.testing.gradient import default_retraction
from fixedrank.testing.hints import off_by
from fixedrank.testing.recording import Record
from fixedrank.testing.reports import CheckReport
from fixedrank.testing.spaces import TangentSpace, judge_tangent
from fixedrank.testing.taylor import compare, require_decision

Christoffel = Callable[[Any, Any, Any], Any]
_STEPS = 34


def check_connection(
    manifold: Manifold,
    christoffel: Christoffel | None = None,
    *,
    point: Any = None,
    trials: int = 3,
    rng: Seed = None,
    longest_step: float = 0.25,
    rtol: float = 1e-6,
) -> CheckReport:
    r"""Check that a Christoffel term makes the Levi-Civita connection of a metric.

    The term :math:`\Gamma(a, b)` is what the connection has beyond the one in which
    ``manifold.transport`` has no derivative: with transport by projection, the projected
    derivative. It must be bilinear, symmetric (no torsion), and agree with the metric: along a
    curve c(t) through W with velocity X, with a and b transported,

    .. math:: \tfrac{d}{dt} g_{c(t)}(a(t), b(t)) = g(\Gamma(X, a), b) + g(a, \Gamma(X, b)).

    Parameters
    ----------
    manifold : pymanopt manifold
        Any manifold with ``retraction`` (or ``exp``) and ``transport``.
    christoffel : callable, optional
        ``christoffel(point, a, b)`` returns a tangent vector; by default
        ``manifold.christoffel``, and zero where there is none, which is right for submanifolds
        with the metric of the space around them.
    trials : int
        How many triples X, a, b to draw.
    longest_step : float
        Length, in the metric, of the longest step of the differences; each of the others is half
        the one before.
    rtol : float
        Relative tolerance.

    Returns
    -------
    CheckReport
        The defects of bilinearity and symmetry, and the derivatives of the metric.

    Raises
    ------
    CheckFailedError
        If the connection is not that of Levi and Civita: with the numbers, and the likely mistake.
    TypeError, ValueError
        If an argument is of the wrong kind, shape or sign, or the manifold lacks a method.

    Examples
    --------
    >>> import numpy as np, pymanopt
    >>> from fixedrank.testing import CheckFailedError, check_connection
    >>> check_connection(pymanopt.manifolds.Sphere(4), rng=0).passed
    True
    >>> def gamma(P, a, b):
    ...     return -(a @ np.linalg.solve(P, b) + b @ np.linalg.solve(P, a)) / 2
    >>> manifold = pymanopt.manifolds.SymmetricPositiveDefinite(3)
    >>> check_connection(manifold, gamma, rng=0).passed
    True
    >>> try:
    ...     check_connection(manifold, rng=0)
    ... except CheckFailedError:
    ...     print("the flat connection does not fit this metric")
    the flat connection does not fit this metric
    """
    draw = Draw(manifold, rng)
    positive_integer("trials", trials)
    require_positive(longest_step=longest_step, rtol=rtol)
    record = Record("check_connection", str(manifold), draw.seed)
    space = TangentSpace(manifold, draw.point(point))
    gamma = christoffel_term(record, space, christoffel)
    triples = [tuple(draw.vector(space) for _ in range(3)) for _ in range(trials)]
    _judge_algebra(record, space, gamma, triples, rtol)
    curve = default_retraction(space, triples[0][0])
    for X, a, b in triples:
        _judge_metric(record, space, gamma, curve, (X, a, b), longest_step, rtol)
    return record.finish()


describe(check_connection, CHECKS)


def christoffel_term(
    record: Record, space: TangentSpace, christoffel: Christoffel | None
) -> Callable[[Any, Any], Any]:
    """Return the Christoffel term at the point, by default that of the manifold, or zero."""
    if christoffel is None:
        christoffel = getattr(space.manifold, "christoffel", None)
    elif not callable(christoffel):
        raise TypeError(f"christoffel must be callable, got {type(christoffel).__name__}")
    if christoffel is None:
        record.note("no Christoffel term was given, and the manifold has none: it is zero")
        return lambda a, b: space.zero
    return lambda a, b: space.returned(record, "Gamma(a, b)", christoffel(space.point, a, b))


def _judge_algebra(
    record: Record,
    space: TangentSpace,
    gamma: Callable[[Any, Any], Any],
    triples: list[tuple[Any, ...]],
    rtol: float,
) -> None:
    judge_tangent(record, space, "Gamma(a, b)", gamma(*triples[0][:2]), rtol)
    torsion = bilinearity = 0.0
    for X, a, b in triples:
        torsion = max(torsion, space.relative_norm([1, -1], [gamma(X, a), gamma(a, X)]))
        mixed = space.combine([2, -3], [a, b])
        for first in (True, False):
            terms = [gamma(v, X) if first else gamma(X, v) for v in (mixed, a, b)]
            bilinearity = max(bilinearity, space.relative_norm([1, -2, 3], terms))
    record.add(
        "asymmetry Gamma(a, b) - Gamma(b, a)",
        torsion,
        "<=",
        rtol,
        hint="the connection has torsion: Gamma must be symmetric",
    )
    record.add(
        "defect of bilinearity", bilinearity, "<=", rtol, hint="Gamma must be linear in both"
    )


def _judge_metric(
    record: Record,
    space: TangentSpace,
    gamma: Callable[[Any, Any], Any],
    curve: Retraction,
    triple: tuple[Any, Any, Any],
    longest_step: float,
    rtol: float,
) -> None:
    manifold, (X, a, b) = space.manifold, triple

    def metric(t: float) -> Array:
        end = curve(space.point, space.combine([t], [X]))
        moved = [manifold.transport(space.point, end, v) for v in (a, b)]
        return np.array([float(np.real(manifold.inner_product(end, *moved)))])

    try:
        samples, remark = sample(
            metric, np.array([space.inner(a, b)]), longest_step / space.norm(X), _STEPS
        )
    except NotImplementedError as error:
        raise TypeError(f"the {manifold} needs a transport: {error}") from error
    if remark:
        record.note(remark)
    measured = derivative(samples, 1)
    along_a, along_b = gamma(X, a), gamma(X, b)
    model = space.inner(along_a, b) + space.inner(a, along_b)
    scale = space.norm(along_a) * space.norm(b) + space.norm(a) * space.norm(along_b)
    negligible = rtol * space.norm(X) * space.norm(a) * space.norm(b)
    comparison = compare(measured, np.array([model]), scale, rtol, negligible)
    number = float(measured.value[0])
    hint = ""
    if not comparison.agrees:
        ratio = model / number if number else np.inf
        hint = (
            f"{off_by('Gamma', ratio)}; if the factor changes with the vectors, it belongs to "
            "another metric, or to another reference than manifold.transport"
        )
    record.add(
        "g(Gamma(X, a), b) + g(a, Gamma(X, b))",
        model,
        "=",
        number,
        comparison.tolerance,
        decided=comparison.decided,
        hint=hint,
    )
    require_decision(record, None, comparison)
