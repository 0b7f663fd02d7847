"""States between the ends of a step of a stabilised method.

The error of such a method is mostly in the fast directions, and dies out during the next step.
2026-11, at d = 200, N = 10, t = 1.5: a fourth of it is left after a fourth of the step, a 60th
after all of it. So a time inside a step is reached by shorter steps of the method, the first of
them from where the error is damped. A cubic through the ends of a step would take the slopes there,
in which the errors of the fast directions are enlarged by their rates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.flows.contract import BetweenSteps

if TYPE_CHECKING:
    from fixedrank.flows.stabilised import Stabilised

# Parts of a step. Within DAMPED of the next one much of what it left in the fast directions dies
# out; a longer way than SHORT is gone in two steps, the first of them FIRST.
DAMPED, FIRST, SHORT = 0.3, 0.6, 0.7
# So steep are the ways from the polynomial to the states at the ends: over a 300th of the step.
_STEEPNESS = 300


class State(NamedTuple):
    """A state, f there if it is known, the largest rate, and the length of an ordinary step."""

    t: float
    y: Array
    f: Array | None
    rate: float
    step: float


def advanced(solver: Stabilised, state: State, target: float) -> State:
    """Return the state at a time, after one short step of the method or two."""
    way = target - state.t
    ends = [state.t + FIRST * way, target] if abs(way) > SHORT * state.step else [target]
    for end in ends:
        f = solver.fun(state.t, state.y).copy() if state.f is None else state.f
        y = solver._taken(end - state.t, state.t, state.y, f, state.rate)
        state = State(end, y, None, state.rate, state.step)
    return state


def reached(solver: Stabilised, begun: list[State], times: Array) -> Array:
    """Return the states at times in the last step, a column each, one reached from another."""
    before, state = begun[0], begun[-1]
    known = {state.t: state.y, solver.t: solver.y}
    values = np.empty((solver.n, times.size))
    for index in np.argsort(np.abs(times - state.t), kind="stable"):
        target = float(times[index])
        value = known.get(target)
        if value is None:
            if state is begun[-1] and abs(target - state.t) < DAMPED * before.step:
                state = before
            state = advanced(solver, state, target)
            value = state.y
        values[:, index] = value
    return values


class Damped(BetweenSteps):
    """A polynomial through damped states in the last step, and at its ends the states there."""

    def __init__(self, solver: Stabilised, begun: list[State]) -> None:
        last = begun[-1]
        super().__init__(last.t, solver.t, last.y, solver.y)
        state = advanced(solver, begun[0], last.t) if len(begun) > 1 else last
        state = state._replace(rate=last.rate, step=last.step)
        self.parts = np.linspace(0, 1, solver.parts_between + 1)
        nodes = [state.y]
        for part in self.parts[1:]:
            state = advanced(solver, state, last.t + float(part) * (solver.t - last.t))
            nodes.append(state.y)
        self.nodes = np.array(nodes)

    def _inside(self, times: Array) -> Array:
        part = (times - self.t_old) / (self.t - self.t_old)
        # Lagrange's polynomials.
        diagonal = np.eye(self.parts.size)
        gaps = self.parts[:, None] - self.parts + diagonal
        factors = (part[:, None, None] - self.parts) / gaps
        weights = np.where(diagonal > 0, 1.0, factors).prod(2)
        start, end = (np.clip(x, 0, None) ** _STEEPNESS for x in (1 - part, part))
        weights[:, 0] -= start
        weights[:, -1] -= end
        values = self.nodes.T @ weights.T + np.multiply.outer(self.y_old, start)
        return np.asarray(values + np.multiply.outer(self.y, end))
