"""Judge whether a retraction is of second order: its curves start without acceleration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank.testing.charts import Chart, chart_by_log, real
from fixedrank.testing.coordinates import Coordinates
from fixedrank.testing.costs import Retraction
from fixedrank.testing.curves import Samples, sample
from fixedrank.testing.derivatives import Derivative, derivative
from fixedrank.testing.recording import Record
from fixedrank.testing.slopes import ModelError
from fixedrank.testing.spaces import TangentSpace
from fixedrank.testing.taylor import Comparison, compare, judge_slope, require_decision


def judge_second_order(
    record: Record,
    space: TangentSpace,
    Z: Any,
    chart: Chart,
    retraction: Retraction,
    samples: Samples,
    rtol: float,
) -> None:
    """Record the covariant acceleration of the curve, or how far it is from a geodesic.

    Raises
    ------
    TypeError
        If the manifold has neither a connection nor geodesics other than the curve itself.
    """
    coordinates = chart.coordinates
    if chart.straight:
        _judge_deviation(record, samples, _line(samples, chart), chart, rtol)
        return
    ambient = coordinates is not None and coordinates.ambient
    if not (ambient and hasattr(space.manifold, "christoffel")):
        geodesic = _geodesic(space, Z, chart, samples)
        if geodesic is not None:
            _judge_deviation(record, samples, geodesic, chart, rtol)
            return
    if coordinates is not None and ambient and _connection_is_known(space, Z, coordinates):
        _judge_acceleration(record, space, Z, chart, coordinates, samples, rtol)
        return
    chart_of_logs = chart_by_log(space, Z)
    if chart_of_logs is None:
        raise TypeError(
            f"order=2 needs geodesics or a connection to compare with: the {space.manifold} has no "
            "other exp, no log, no christoffel, and not the metric of a space around it"
        )
    value = chart_of_logs.value
    logs, _ = sample(
        lambda t: value(t, retraction(space.point, space.combine([t], [Z]))),
        chart_of_logs.start,
        float(samples.steps[0]),
        samples.steps.size,
        chart_of_logs.size,
    )
    _judge_deviation(record, logs, _line(logs, chart_of_logs), chart_of_logs, rtol)


def _geodesic(space: TangentSpace, Z: Any, chart: Chart, samples: Samples) -> Samples | None:
    """Return the geodesic along Z, or None if there is none, or it is the curve in question."""
    if not space.provides("exp", space.combine([1e-6], [Z])):
        return None
    geodesic, _ = sample(
        lambda t: chart.value(t, space.manifold.exp(space.point, space.combine([t], [Z]))),
        chart.start,
        float(samples.steps[0]),
        samples.steps.size,
    )
    size = geodesic.steps.size
    return None if np.array_equal(samples.forward[-size:], geodesic.forward) else geodesic


def _line(samples: Samples, chart: Chart) -> Samples:
    change = samples.steps[:, None] * chart.velocity
    return Samples(samples.steps, chart.start, chart.start + change, chart.start - change)


def _judge_deviation(
    record: Record, samples: Samples, geodesic: Samples, chart: Chart, rtol: float
) -> None:
    size = min(samples.steps.size, geodesic.steps.size)
    ours, theirs = _shortest(samples, size), _shortest(geodesic, size)
    found, wanted = derivative(ours, 2), derivative(theirs, 2)
    bend = Derivative(found.value - wanted.value, found.error + wanted.error)
    scale = max(float(np.linalg.norm(wanted.value)), _natural(chart))
    comparison = compare(bend, np.zeros_like(bend.value), scale, rtol)
    errors = np.linalg.norm(ours.forward - theirs.forward, axis=1)
    slope = judge_slope(
        record,
        "slope of |R(t Z) - exp(t Z)| over t",
        ModelError(
            ours.steps, errors, ours.noise + theirs.noise, ours.round_off + theirs.round_off
        ),
        3,
        lambda slope: "the retraction is of first order: it leaves the geodesic like t^2",
        comparison,
    )
    _record_acceleration(record, comparison, scale, slope)


def _shortest(samples: Samples, size: int) -> Samples:
    last = slice(samples.steps.size - size, None)
    return replace(
        samples,
        steps=samples.steps[last],
        forward=samples.forward[last],
        backward=samples.backward[last],
    )


def _connection_is_known(space: TangentSpace, Z: Any, coordinates: Coordinates) -> bool:
    """Say whether projection, and the Christoffel term if any, make the connection."""
    if hasattr(space.manifold, "christoffel"):
        return True
    # The metric is that of the space around the manifold, at this point and at another.
    moved = space.manifold.retraction(space.point, space.combine([0.1], [Z]))
    for point in (space.point, moved):
        vector = space.manifold.projection(point, coordinates.vector(space.point, Z))
        square = space.manifold.inner_product(point, vector, vector)
        if not np.isclose(square, coordinates.inner(point, vector, vector), rtol=1e-8):
            return False
    return True


def _judge_acceleration(
    record: Record,
    space: TangentSpace,
    Z: Any,
    chart: Chart,
    coordinates: Coordinates,
    samples: Samples,
    rtol: float,
) -> None:
    found = derivative(samples, 2)
    shape = coordinates.point(space.point).shape
    bend = space.manifold.projection(space.point, _unreal(found.value, shape))
    scale = max(float(np.linalg.norm(found.value)), _natural(chart))
    if hasattr(space.manifold, "christoffel"):
        term = space.manifold.christoffel(space.point, Z, Z)
        bend = space.combine([1, 1], [bend, term])
        scale = max(scale, float(np.linalg.norm(coordinates.vector(space.point, term))))
    value = real(coordinates.vector(space.point, bend))
    comparison = compare(Derivative(value, found.error), np.zeros_like(value), scale, rtol)
    t = samples.steps[:, None]
    parabola = chart.start + t * chart.velocity + t**2 / 2 * found.value
    errors = np.linalg.norm(samples.forward - parabola, axis=1)
    noise = samples.noise + samples.steps**2 * found.error
    slope = judge_slope(
        record,
        "slope of |R(t Z) - W - t Z - t^2 R''/2| over t",
        ModelError(samples.steps, errors, noise, samples.round_off),
        3,
        lambda slope: "the curve has no second derivative at t = 0",
        comparison,
    )
    _record_acceleration(record, comparison, scale, slope)


def _unreal(values: Array, shape: tuple[int, ...]) -> Any:
    """Undo `real`."""
    half = values.size // 2
    if values.size == 2 * int(np.prod(shape)):
        return (values[:half] + 1j * values[half:]).reshape(shape)
    return values.reshape(shape)


def _natural(chart: Chart) -> float:
    """Return the acceleration that turns a curve by as much as it is long in units of W."""
    size = float(np.linalg.norm(chart.start)) or chart.size
    speed = float(np.linalg.norm(chart.velocity))
    return speed**2 / size if size else speed**2


def _record_acceleration(
    record: Record, comparison: Comparison, scale: float, slope: bool | None
) -> None:
    record.add(
        "covariant acceleration at t = 0, relative",
        comparison.difference / scale if scale else 0.0,
        "<=",
        comparison.tolerance / scale if scale else 0.0,
        decided=comparison.decided,
        hint="the retraction is of first order: its curves bend where a geodesic does not",
    )
    require_decision(record, slope, comparison)
