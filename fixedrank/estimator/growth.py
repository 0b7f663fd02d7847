"""The rank of the model: directions come where they gain more than they cost, and go otherwise."""

from __future__ import annotations

import numpy as np

from fixedrank._linear_algebra import inner
from fixedrank.estimator.objective import Model, Table
from fixedrank.geometry.factored.orthonormal import point_of
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.recovery.directions import leading_triples


def raised(
    table: Table, model: Model, ridge: float, rank: int, rng: np.random.Generator
) -> Model | None:
    """Return a model of higher rank and lower objective, or None where there is none to be seen.

    A direction u v^T gains what the residuals have along it, and costs the ridge.
    """
    point = model.point
    most = rank - point.s.size
    if most <= 0:
        return None
    slopes = table.entries.adjoint(table.slopes(table.residuals(model)))
    off = point if point.s.size else None
    u, gains, v = leading_triples(slopes, most, rng, passes=4, off=off)
    count = int((gains > ridge).sum())
    if count == 0:
        return None
    u, v, steps = -u[:, :count], v[:, :count], gains[:count] - ridge
    along = table.entries.of_product(u * steps, v) / table.divisors
    steps = steps * (inner(steps, steps) / inner(table.weights * along, along))
    # The new directions may be made of round-off, and not orthogonal to the others.
    left = np.hstack((point.u * point.s, u * steps))
    return model._replace(point=point_of(left, None, np.hstack((point.vt.T, v))))


def without_idle(table: Table, model: Model, ridge: float) -> Model:
    """Return the model without the last singular values, as far as they are on their way to zero.

    Along its direction the objective is convex in a singular value: it is least at zero where the
    ridge outweighs what the others leave there.
    """
    while model.point.s.size:
        u, s, vt = model.point
        fewer = model._replace(point=FixedRankPoint(u[:, :-1], s[:-1], vt[:-1]))
        along = table.entries.of_product(u[:, -1:], vt[-1:].T)
        gain = -inner(table.slopes(table.residuals(fewer)), along)
        if gain > ridge:
            break
        model = fewer
    return model
