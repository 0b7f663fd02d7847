"""Check that a retraction starts where and as it should, and whether it is of second order."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import Array, Seed
from fixedrank._shared_docs import describe
from fixedrank.testing.acceleration import judge_second_order
from fixedrank.testing.arguments import CHECKS
from fixedrank.testing.charts import Chart, chart_at
from fixedrank.testing.costs import Retraction, require_curve
from fixedrank.testing.curves import Samples, sample
from fixedrank.testing.derivatives import Derivative, derivative
from fixedrank.testing.drawing import Draw
from fixedrank.testing.gradient import default_retraction
from fixedrank.testing.hints import off_by
from fixedrank.testing.recording import Record
from fixedrank.testing.reports import CheckReport
from fixedrank.testing.slopes import ModelError
from fixedrank.testing.spaces import TangentSpace
from fixedrank.testing.taylor import compare, judge_slope, require_decision

_STEPS = 36
# R(0) is the point up to so many times the round-off.
_START = 1e4 * float(np.finfo(float).eps)


def check_retraction(
    manifold: Manifold,
    *,
    retraction: Retraction | None = None,
    order: int = 1,
    point: Any = None,
    direction: Any = None,
    rng: Seed = None,
    longest_step: float = 1.0,
    rtol: float = 1e-6,
) -> CheckReport:
    r"""Check that a retraction is one, of first or of second order.

    R(0) is the point W, the derivative of :math:`R(tZ)` at t = 0 is Z, and the distance of
    :math:`R(tZ)` from :math:`W + tZ` falls like :math:`t^2`. At ``order=2`` the curve has no
    covariant acceleration at t = 0: measured by ``manifold.christoffel``, or by projection where
    the metric is that of the space around the manifold; or else its distance from the geodesic
    ``manifold.exp``, or that of its logarithm from t Z, falls like :math:`t^3`.

    Points are compared as arrays: as matrices where the manifold has ``to_matrix`` and
    ``tangent_to_matrix``, as they are where points and tangent vectors are single arrays, up to
    rotations on pymanopt's quotient manifolds. Else they are compared by ``log``, or by ``dist``
    and ``exp``.

    Parameters
    ----------
    order : {1, 2}
        Which order to check.
    rtol : float
        Relative tolerance of derivatives.

    Returns
    -------
    CheckReport
        The distance of R(0) from the point, the slopes, and the relative errors of derivatives.

    Raises
    ------
    CheckFailedError
        If it is no such retraction: with the numbers, and the likely mistake.
    TypeError, ValueError
        If an argument is of the wrong kind, shape or sign, a direction is given without a point,
        or the manifold lacks what is needed to compare points.

    Examples
    --------
    >>> import pymanopt
    >>> from fixedrank.testing import CheckFailedError, check_retraction
    >>> stiefel = pymanopt.manifolds.Stiefel(5, 2)  # by QR decomposition
    >>> check_retraction(stiefel, rng=0).passed
    True
    >>> try:
    ...     check_retraction(stiefel, order=2, rng=0)
    ... except CheckFailedError as error:
    ...     print(round(error.report["slope of |R(t Z) - exp(t Z)| over t"].measured))
    2
    """
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order!r}")
    require_curve(retraction, longest_step, rtol)
    draw = Draw(manifold, rng)
    space, Z = draw.place(point, direction)
    record = Record("check_retraction", str(manifold), draw.seed)
    move = retraction or default_retraction(space, Z)
    chart = chart_at(space, Z)
    record.note(f"what is compared of points: {chart.name}")

    def along(t: float) -> Array:
        return chart.value(t, move(space.point, space.combine([t], [Z])))

    _judge_start(record, along(0.0), chart)
    samples, remark = sample(along, chart.start, longest_step, _STEPS, chart.size)
    if remark:
        record.note(remark)
    _judge_membership(record, space, Z, move, samples)
    if _judge_velocity(record, samples, chart, rtol) and order == 2:
        judge_second_order(record, space, Z, chart, move, samples, rtol)
    return record.finish()


describe(check_retraction, CHECKS)


def _judge_start(record: Record, start: Array, chart: Chart) -> None:
    if start.shape != chart.start.shape:
        record.stop("parts of R(0) with a wrong shape", 1, "R does not return points")
    size = float(np.linalg.norm(chart.start)) or float(np.linalg.norm(chart.velocity)) or 1.0
    record.add(
        "|R(0) - W| / |W|",
        float(np.linalg.norm(start - chart.start)) / size,
        "<=",
        _START,
        hint="R does not start at the point",
    )


def _judge_membership(
    record: Record, space: TangentSpace, Z: Any, move: Retraction, samples: Samples
) -> None:
    check_point = getattr(space.manifold, "check_point", None)
    if check_point is None:
        return
    try:
        for t in (samples.steps[0], samples.steps[-1]):
            check_point(move(space.point, space.combine([float(t)], [Z])))
    except (TypeError, ValueError) as error:
        record.stop("points R(t Z) that are not on the manifold", 1, str(error))


def _judge_velocity(record: Record, samples: Samples, chart: Chart, rtol: float) -> bool:
    measured = derivative(samples, 1)
    comparison = compare(measured, chart.velocity, 0.0, rtol)
    line = chart.start + samples.steps[:, None] * chart.velocity
    errors = np.linalg.norm(samples.forward - line, axis=1)
    slope = judge_slope(
        record,
        "slope of |R(t Z) - W - t Z| over t",
        ModelError(samples.steps, errors, samples.noise, samples.round_off),
        2,
        lambda slope: "R does not move along Z" if slope > 0.5 else "R does not start at the point",
        comparison,
    )
    speed = float(np.linalg.norm(chart.velocity))
    if speed:
        record.add(
            "|d/dt R(t Z) - Z| / |Z| at t = 0",
            comparison.difference / speed,
            "<=",
            comparison.tolerance / speed,
            decided=comparison.decided,
            hint="" if comparison.agrees else _mistake(measured, chart, speed),
        )
        require_decision(record, slope, comparison)
    return comparison.agrees and slope is not False


def _mistake(measured: Derivative, chart: Chart, speed: float) -> str:
    ratio = float(measured.value @ chart.velocity) / speed**2
    if np.linalg.norm(measured.value - ratio * chart.velocity) <= 1e-4 * speed:
        return off_by("the velocity", ratio)
    return "the velocity has another direction than Z"
