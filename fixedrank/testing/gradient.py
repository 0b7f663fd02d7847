"""Check the gradient of a cost against its values."""

from __future__ import annotations

from typing import Any

import pymanopt

from fixedrank._checks import Seed
from fixedrank._shared_docs import describe
from fixedrank.testing.arguments import CHECKS
from fixedrank.testing.coordinates import coordinates_of
from fixedrank.testing.costs import Retraction, along, begin, gradient_at
from fixedrank.testing.curves import Samples
from fixedrank.testing.hints import off_by
from fixedrank.testing.recording import Record
from fixedrank.testing.reports import CheckReport
from fixedrank.testing.spaces import TangentSpace, judge_tangent
from fixedrank.testing.taylor import judge_model

_STEPS = 36


def check_gradient(
    problem: pymanopt.Problem,
    *,
    point: Any = None,
    direction: Any = None,
    rng: Seed = None,
    retraction: Retraction | None = None,
    longest_step: float = 1.0,
    rtol: float = 1e-6,
) -> CheckReport:
    r"""Check that the gradient of a problem is the Riemannian gradient of its cost.

    Along the curve :math:`R(tZ)` of a retraction, :math:`g(\mathrm{grad} f, Z)` is the derivative
    of the cost at t = 0, and the error of the first-order model,
    :math:`|f(R(tZ)) - f(W) - t\, g(\mathrm{grad} f, Z)|`, falls like :math:`t^2`. The gradient is
    tangent.

    Parameters
    ----------
    problem : pymanopt.Problem
        A cost on any manifold. The gradient is ``problem.riemannian_gradient``.
    rtol : float
        Relative tolerance of the derivative.

    Returns
    -------
    CheckReport
        The slope of the error, the derivative, and how tangent the gradient is.

    Raises
    ------
    CheckFailedError
        If the gradient is wrong: with the numbers, and the likely mistake.

    Examples
    --------
    >>> import autograd.numpy as anp, pymanopt, fixedrank
    >>> from fixedrank.testing import check_gradient
    >>> manifold = fixedrank.FixedRank(5, 4, 2, depth=3)
    >>> @pymanopt.function.autograd(manifold)
    ... def cost(u, s, vt):
    ...     return anp.sum(((u * s) @ vt) ** 4)
    >>> report = check_gradient(pymanopt.Problem(manifold, cost), rng=0)
    >>> round(report["slope of the error of the first-order model"].measured)
    2
    """
    record, draw = begin("check_gradient", problem, rng, retraction, longest_step, rtol)
    space, Z = draw.place(point, direction)
    curve = retraction or default_retraction(space, Z)
    gradient = gradient_at(record, problem, space)
    judge_tangent(record, space, "grad f", gradient, rtol)
    samples = along(record, problem, space, Z, curve, longest_step, _STEPS)
    judge_first_order(record, space, gradient, Z, samples, rtol)
    return record.finish()


describe(check_gradient, CHECKS)


def default_retraction(space: TangentSpace, Z: Any) -> Retraction:
    """Return the retraction of the manifold, or its exponential map."""
    for name in ("retraction", "exp"):
        method: Retraction = getattr(space.manifold, name)
        if space.provides(name, space.combine([1e-6], [Z])):
            return method
    raise TypeError(
        f"the {space.manifold} has neither retraction nor exp: give a curve by retraction="
    )


def judge_first_order(
    record: Record, space: TangentSpace, gradient: Any, Z: Any, samples: Samples, rtol: float
) -> bool:
    """Record slope and derivative, and say whether they are right."""
    model = space.inner(gradient, Z)
    return judge_model(
        record,
        "g(grad f, Z)",
        samples,
        [model],
        space.norm(gradient),
        rtol,
        lambda measured: _mistake(space, gradient, Z, measured, model),
    )


def _mistake(space: TangentSpace, gradient: Any, Z: Any, measured: float, model: float) -> str:
    coordinates = coordinates_of(space.manifold)
    if coordinates is not None:
        frobenius = coordinates.inner(space.point, gradient, Z)
        if abs(frobenius - measured) <= 1e-4 * abs(measured):
            return (
                "it is the gradient in the Euclidean metric: "
                "euclidean_to_riemannian_gradient turns it into that of the manifold's metric"
            )
    if measured == 0:
        return "the cost does not change in this direction: is it the gradient of another cost?"
    return (
        f"{off_by('the gradient', model / measured)} along Z; "
        "if the factor changes with Z, it may be in another metric"
    )
