r"""States at output times inside a step, many of them at the price of a few.

A step of a Runge-Kutta method to the output time itself is as good as any other step, but takes its
evaluations for each time. Where more times fall into a step the interpolant P of the method serves
them all, if its defect :math:`h\, |P' - f(P)|` is small; if not, the step is taken again in two
halves. 2026-11: at steps limited by stability the interpolant of DOP853 was off by 30 times the
error of the step, at rtol 1e-10 by 5e-7, and the defect was 5 to 10 times the error of P.

Stabilised methods reach times inside a step by shorter steps, each for a step's evaluations or
nearly so. Where there are more times in a step the next one is held to a smaller tolerance, so that
a polynomial through the ends of the last steps serves them all; where that one is not good, one
through a few states inside the step, if it meets another one.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from fixedrank._checks import Array

# Up to so many times are reached by a step each; where a step holds more it is crowded.
FEW = 2
# Where the defect is looked at, in parts of the step, and how large it may be, in tolerances.
LOOKS, DEFECT = (0.3, 0.7), 2.0
# How often a step is halved before all its times are reached by a step each.
_HALVINGS = 4
# A polynomial of this degree replaces the shorter steps of stabilised methods, if it is off by
# less than this, in tolerances; so may be one through the ends of so many steps at least.
_DEGREE, _MISS, _LEAST_ENDS = 6, 0.5, 4


def by_interpolation(solver: Any, times: Array, rtol: float) -> list[Array]:
    """Return the states at times within the last step of a solver, as it interpolates them."""
    if times.size == 1 and times[0] == solver.t:
        return [np.asarray(solver.y)]
    return list(solver.dense_output()(times).T)


def by_parts(solver: Any, times: Array, rtol: float) -> list[Array]:
    """Return the states within a step of a Runge-Kutta method that is like SciPy's.

    It has a tableau A, B, C of n_stages stages, and after a step y_old, their slopes K, and f.
    """
    inside = times[times < solver.t]
    found = _by_steps(solver, inside, rtol, _HALVINGS) if inside.size else []
    return found + [np.asarray(solver.y)] * (times.size - inside.size)


def by_shorter_steps(solver: Any, times: Array, rtol: float) -> list[Array]:
    """Return the states within a step of a method that reaches times itself, few or many."""
    if times.size == 1 and times[0] == solver.t:
        return [np.asarray(solver.y)]
    through = None
    if times.size > FEW:
        solver.crowded_at = solver.t
        through = _through_ends(solver, times, rtol)
    if through is None and times.size > 2 * _DEGREE:
        through = _through_nodes(solver, times, rtol)
    return list(solver.reach(times).T if through is None else through)


def _by_steps(step: Any, times: Array, rtol: float, halvings: int) -> list[Array]:
    """Return the states at times inside a step of a Runge-Kutta method."""
    start = float(step.t_old)
    if times.size <= FEW or halvings == 0:
        return [_part(step, t - start).y for t in times.tolist()]
    _finish(step)
    dense = step.dense_output()
    if _defect(step, dense, rtol) < DEFECT:
        return list(dense(times).T)
    middle = start + (step.t - start) / 2
    cut = int(np.searchsorted(times, middle, side="right"))
    first = _part(step, middle - start)
    found = _by_steps(first, times[:cut], rtol, halvings - 1) if cut else []
    if cut < times.size:
        _finish(first)
        second = _part(first, float(step.t) - middle, onwards=True)
        found += _by_steps(second, times[cut:], rtol, halvings - 1)
    return found


def _part(step: Any, h: float, *, onwards: bool = False) -> Any:
    """Return another step of a method, without error control: from where a step began, or ended.

    It looks like a solver after that step.
    """
    part = copy.copy(step)
    part.t_old = step.t if onwards else step.t_old
    part.t = part.t_old + h
    part.y_old, slope = (step.y, step.f) if onwards else (step.y_old, step.K[0])
    stages = step.n_stages
    if hasattr(step, "K_extended"):
        part.K_extended = np.empty_like(step.K_extended)
        part.K = part.K_extended[: stages + 1]
    else:
        part.K = np.empty_like(step.K)
    part.K[0] = slope
    for i in range(1, stages):
        increment = np.dot(part.K[:i].T, step.A[i, :i])
        part.K[i] = step.fun(part.t_old + step.C[i] * h, part.y_old + h * increment)
    part.y = part.y_old + h * np.dot(part.K[:-1].T, step.B)
    part.h_previous, part.f = h, None
    return part


def _finish(part: Any) -> None:
    """Evaluate the velocity at the end of a part, which goes on or is interpolated from there."""
    if part.f is None:
        part.K[-1] = part.f = part.fun(part.t, part.y)


def _defect(step: Any, dense: Callable[[Array], Array], rtol: float) -> float:
    """Return how far an interpolant is from solving the equation, in tolerances."""
    nodes, weights, values = at_looks()
    h = step.t - step.t_old
    samples = dense(step.t_old + h * nodes)
    scale = _scale(step, rtol)
    worst = 0.0
    for slope, state, part in zip((samples @ weights).T, (samples @ values).T, LOOKS, strict=True):
        miss = (slope - h * step.fun(step.t_old + part * h, state)) / scale
        worst = max(worst, float(np.linalg.norm(miss)))
    return worst / math.sqrt(step.y.size)


def _scale(step: Any, rtol: float) -> Array:
    """Return the tolerance of each entry of the state."""
    size = np.abs(step.y)
    atol = getattr(step, "atol", None)
    if atol is None:
        atol = rtol * float(np.linalg.norm(size)) / math.sqrt(size.size)
    return np.asarray(atol + getattr(step, "rtol", rtol) * size)


@cache
def at_looks() -> tuple[Array, Array, Array]:
    """Return nodes, and what takes the derivative, and the value, of polynomials at the looks."""
    nodes = (1 - np.cos(np.pi * np.arange(9) / 8)) / 2
    powers = np.linalg.inv(np.vander(nodes, increasing=True))
    looks, degrees = np.array(LOOKS), np.arange(nodes.size)[:, None]
    values = np.vander(looks, nodes.size, increasing=True).T
    slopes = degrees * looks ** np.maximum(degrees - 1, 0)
    return nodes, powers.T @ slopes, powers.T @ values


def _through_ends(step: Any, times: Array, rtol: float) -> Array | None:
    """Return the states on a polynomial through the ends of the last steps, if it is good.

    In the middle of the last step it is to be what the one without the oldest end is.
    """
    if len(step.ends) < _LEAST_ENDS:
        return None
    nodes, values = (np.array(part) for part in zip(*step.ends, strict=True))
    wanted = np.append(times, (step.t_old + step.t) / 2)
    states, other = (
        _polynomial(nodes, values, wanted),
        _polynomial(nodes[1:], values[1:], wanted[-1:]),
    )
    return states[:-1] if _distance(step, states[-1], other[0], rtol) < _MISS else None


def _through_nodes(step: Any, times: Array, rtol: float) -> Array | None:
    """Return the states on a polynomial through a few states in the step, if it is good."""
    first, last = float(times[0]), float(times[-1])
    nodes = first + (last - first) * (1 - np.cos(np.pi * np.arange(_DEGREE + 1) / _DEGREE)) / 2
    nodes[-1] = last
    # The asked time nearest to a third: between two nodes.
    judge = float(times[np.abs(times - first - (last - first) / 3).argmin()])
    order = np.argsort([*nodes, judge], kind="stable")
    exact = np.empty((nodes.size + 1, step.y.size))
    exact[order] = step.reach(np.append(nodes, judge)[order]).T
    states = _polynomial(nodes, exact[:-1], np.append(times, judge))
    return states[:-1] if _distance(step, states[-1], exact[-1], rtol) < _MISS else None


def _polynomial(nodes: Array, values: Array, times: Array) -> Array:
    """Return the polynomial through values at nodes at all times, a row each."""
    weights = np.empty((times.size, nodes.size))
    for index, node in enumerate(nodes):
        others = nodes[nodes != node]
        weights[:, index] = ((times[:, None] - others) / (node - others)).prod(1)
    return np.asarray(weights @ values)


def _distance(step: Any, state: Array, other: Array, rtol: float) -> float:
    """Return how far two states are from each other, in tolerances."""
    distance = float(np.linalg.norm((state - other) / _scale(step, rtol)))
    return distance / math.sqrt(state.size)
