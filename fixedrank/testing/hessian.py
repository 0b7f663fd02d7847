"""Check the Hessian of a cost against its values, and that it is linear and self-adjoint."""

from __future__ import annotations

from typing import Any

import pymanopt

from fixedrank._checks import Seed
from fixedrank._shared_docs import describe
from fixedrank.testing.arguments import CHECKS
from fixedrank.testing.costs import Retraction, along, begin, gradient_at
from fixedrank.testing.gradient import default_retraction, judge_first_order
from fixedrank.testing.hints import off_by
from fixedrank.testing.operators import judge_linear, judge_self_adjoint
from fixedrank.testing.recording import Record
from fixedrank.testing.reports import CheckReport
from fixedrank.testing.spaces import TangentSpace, judge_tangent
from fixedrank.testing.taylor import judge_model

_STEPS = 36
# With a gradient this small beside the Hessian, the acceleration of the curve does not matter.
_CRITICAL = 1e-9


def check_hessian(
    problem: pymanopt.Problem,
    *,
    point: Any = None,
    direction: Any = None,
    rng: Seed = None,
    retraction: Retraction | None = None,
    longest_step: float = 1.0,
    rtol: float = 1e-6,
) -> CheckReport:
    r"""Check that the Hessian of a problem is the Riemannian Hessian of its cost.

    Along a curve c(t) with velocity Z and no acceleration at t = 0, :math:`g(\mathrm{Hess} f[Z],
    Z)` is the second derivative of the cost, and the error of the second-order model falls like
    :math:`t^3`. The Hessian maps to tangent vectors, is linear, and self-adjoint in the metric.

    The curve is that of ``manifold.second_order_retraction``, which costs little, else of ``exp``,
    else of ``retraction``. The last may have an acceleration, which adds g(grad f, acceleration)
    to the second derivative: unless the gradient is zero, a model that fits is then right, but one
    that does not fit is left open, and the report is not ``conclusive``.

    Parameters
    ----------
    problem : pymanopt.Problem
        A cost on any manifold. The Hessian is ``problem.riemannian_hessian``.
    retraction : callable, optional
        ``retraction(point, tangent_vector)``, of second order, instead of the above.
    rtol : float
        Relative tolerance of derivatives, linearity and symmetry.

    Returns
    -------
    CheckReport
        Slopes, derivatives, and the defects of linearity and symmetry.

    Raises
    ------
    CheckFailedError
        If the Hessian is wrong: with the numbers, and the likely mistake.

    Examples
    --------
    >>> import autograd.numpy as anp, numpy as np, pymanopt
    >>> from fixedrank.testing import check_hessian
    >>> sphere = pymanopt.manifolds.Sphere(4)
    >>> @pymanopt.function.autograd(sphere)
    ... def cost(x):
    ...     return anp.sum(x**4)
    >>> report = check_hessian(pymanopt.Problem(sphere, cost), rng=0)
    >>> round(report["slope of the error of the second-order model"].measured)
    3
    """
    record, draw = begin("check_hessian", problem, rng, retraction, longest_step, rtol)
    space, Z = draw.place(point, direction)
    curve, second_order = (retraction, True) if retraction else _best_curve(record, space, Z)
    gradient = gradient_at(record, problem, space)

    def apply(vector: Any) -> Any:
        return space.returned(record, "Hess f[Z]", problem.riemannian_hessian(space.point, vector))

    image = apply(Z)
    judge_tangent(record, space, "Hess f[Z]", image, rtol)
    pairs = [(Z, draw.vector(space)), (draw.vector(space), draw.vector(space))]
    judge_linear(record, space, "Hess f", apply, pairs, rtol)
    judge_self_adjoint(record, space, "Hess f", apply, pairs, rtol)
    samples = along(record, problem, space, Z, curve, longest_step, _STEPS)
    if not judge_first_order(record, space, gradient, Z, samples, rtol):
        record.note("the second-order model was not judged, because the first-order one is wrong")
        return record.finish()
    size, model = space.norm(image), space.inner(image, Z)
    judge_model(
        record,
        "g(Hess f[Z], Z)",
        samples,
        [space.inner(gradient, Z), model],
        size,
        rtol,
        lambda measured: _mistake(space, gradient, Z, measured, model),
        known=second_order or space.norm(gradient) <= _CRITICAL * size,
    )
    return record.finish()


describe(check_hessian, CHECKS)


def _best_curve(record: Record, space: TangentSpace, Z: Any) -> tuple[Retraction, bool]:
    """Return the curve to go along, and whether it should have no acceleration."""
    for name in ("second_order_retraction", "exp"):
        if space.provides(name, space.combine([1e-6], [Z])):
            record.note(f"along the curve of {name}")
            method: Retraction = getattr(space.manifold, name)
            return method, True
    record.note("along the curve of retraction, which may be of first order")
    return default_retraction(space, Z), False


def _mistake(space: TangentSpace, gradient: Any, Z: Any, measured: float, model: float) -> str:
    christoffel = getattr(space.manifold, "christoffel", None)
    if christoffel is not None:
        close = 1e-4 * abs(measured)
        along_gradient = space.inner(christoffel(space.point, Z, gradient), Z)
        if abs(model + along_gradient - measured) <= close:
            return "the Christoffel term, christoffel(W, Z, grad f), is missing"
        if abs(model - space.inner(gradient, christoffel(space.point, Z, Z)) - measured) <= close:
            return (
                "it is the Hessian in the metric of the space around the manifold, without "
                "-g(grad f, christoffel(W, Z, Z))"
            )
    if measured == 0:
        return "the cost has no second derivative in this direction"
    return (
        f"{off_by('the Hessian', model / measured)} along Z; if the factor changes with Z, a term "
        "is missing: curvature of the manifold, or the derivative of the metric"
    )
