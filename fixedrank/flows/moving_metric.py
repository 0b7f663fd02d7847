"""The flow (9) of layers whose imbalance decays: in a metric that moves, with its share as state.

With weight decay the differences W_{j+1}^T W_{j+1} - W_j W_j^T = lambda_j I shrink by the factor
exp(-2 lambda t). One more number, the share that is left of them, makes the flow autonomous. Once
they are round-off of the largest layer they are set to zero, and the flow is that of balanced ones.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array
from fixedrank.flows.core import RiemannianSystem
from fixedrank.flows.integration import Restart, Stop
from fixedrank.flows.rank_change import RankChange
from fixedrank.geometry.factored.points import FixedRankPoint

# The share is kept to a tolerance beside so much of what it was at a restart.
_ABSOLUTE = 0.01


class MovingMetricSystem:
    """A flow (9) and the share that is left of its imbalance, the last number of the state.

    Parameters
    ----------
    inner : RiemannianSystem
        The flow in the metric that it is told to hold.
    """

    remembered = tuple(f"inner.{name}" for name in RiemannianSystem.remembered)

    def __init__(self, inner: RiemannianSystem) -> None:
        self.inner = inner

    @property
    def changes(self) -> list[RankChange]:
        """Where the rank fell."""
        return self.inner.changes

    def state(self, u: Array, core: Array, v: Array) -> Array:
        """Return the state of a point at the start."""
        return np.append(self.inner.state(u, core, v), 1.0)

    def _held(self, state: Array) -> Array:
        """Return the state of the inner flow, which holds the metric of this one."""
        self.inner.hold(float(state[-1]))
        return state[:-1]

    def right_hand_side(self, t: float, state: Array) -> Array:
        """Return the velocity; NaN where a trial step has overflowed."""
        share = float(state[-1])
        if not math.isfinite(share):
            return np.full_like(state, np.nan)
        velocity = self.inner.right_hand_side(t, self._held(state))
        return np.append(velocity, -2 * self.inner.weight_decay * share)

    def tolerances(self, state: Array, rtol: float, atol: float | None) -> tuple[float, Array]:
        """Return those of the inner flow, and of the share one relative to it."""
        relative, absolute = self.inner.tolerances(self._held(state), rtol, atol)
        share = max(_ABSOLUTE * rtol * abs(float(state[-1])), np.finfo(float).tiny)
        return relative, np.append(absolute, share)

    def inspect(self, t: float, state: Array) -> Restart | Stop | None:
        """Look at the inner flow; forget the imbalance where it is round-off."""
        inside = self._held(state)
        verdict = self.inner.inspect(t, inside)
        if isinstance(verdict, Restart):
            return Restart(np.append(verdict.state, state[-1]), verdict.step)
        if verdict is None and self.inner.without_imbalance():
            return Restart(np.append(self.inner.balanced(inside), 0.0))
        return verdict

    def moved(self, before: Array, after: Array) -> tuple[float, float]:
        """Return how far W moved, and its norm; it does not rest while there is imbalance."""
        distance, norm = self.inner.moved(before[:-1], after[:-1])
        return (math.inf if after[-1] else distance), norm

    def smallest(self, state: Array) -> float:
        """Return what the inner flow keeps to relative accuracy."""
        return self.inner.smallest(self._held(state))

    def linearisation(self, state: Array) -> tuple[LinearOperator, Array, Array]:
        """Return the rates, the gradient and the weights of the inner flow."""
        return self.inner.linearisation(self._held(state))

    def corrected(self, state: Array, displacement: Array) -> Array:
        """Return the state less a small tangent vector."""
        return np.append(self.inner.corrected(self._held(state), displacement), state[-1])

    def turned(self, state: Array, rotation: Array) -> Array:
        """Return the state of W E for that of W, with an orthogonal matrix E."""
        return np.append(self.inner.turned(state[:-1], rotation), state[-1])

    def points(self, states: Array) -> FixedRankPoint:
        """Return stacked states as stacked points."""
        return self.inner.points(states[:, :-1])

    def loss(self, state: Array) -> float:
        """Return the loss at a matrix."""
        return self.inner.loss(state[:-1])

    def measured(self, states: Array) -> tuple[FixedRankPoint, Array, Array | None]:
        """Return points, lengths of gradients and half the squared lengths of the layers."""
        each = [self.inner.measured(self._held(state)[None]) for state in states]
        points, lengths, halves = zip(*each, strict=True)
        stacked = FixedRankPoint(*(np.concatenate(parts) for parts in zip(*points, strict=True)))
        return stacked, np.concatenate(lengths), np.concatenate(halves)
