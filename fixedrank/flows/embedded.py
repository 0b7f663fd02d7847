r"""The flow of depth 1 at full rank: :math:`\dot W = -\nabla L^1(W)` on all matrices.

At k = min(m, n) every matrix is tangent to M_k and the embedded metric is that of all matrices. The
flow is smooth wherever the loss is, through singular matrices too, and W itself, of the size of
its factors, is integrated: nothing is divided by a singular value.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array
from fixedrank.flows.integration import Restart, Stop
from fixedrank.flows.rank_change import RankChange
from fixedrank.flows.scales import DECAYED, SMALLEST, binary_scale, length
from fixedrank.geometry.factored.orthonormal import svd_point
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.factored.stacks import transposed
from fixedrank.losses.adapted import as_loss

# A norm that has changed by so much asks for other absolute tolerances.
_CHANGED = 10.0


class EmbeddedSystem:
    """The gradient flow of a problem among all m x n matrices, with W / unit as its state.

    Parameters
    ----------
    problem : object
        With ``loss(W)`` and ``gradient(W)``.
    point : FixedRankPoint
        The start, of rank min(m, n).
    t : float
        The time of the start.
    weight_decay : float
        The rate at which the one layer decays.
    in_loss : float
        What of it is a part of the loss.
    """

    remembered: tuple[str, ...] = ("t", "unit", "framed", "norm", "peak")

    def __init__(
        self,
        problem: Any,
        point: FixedRankPoint,
        t: float,
        weight_decay: float = 0.0,
        in_loss: float = 0.0,
    ) -> None:
        self.problem, self.weight_decay, self.in_loss = as_loss(problem), weight_decay, in_loss
        self.products = self.problem.gradient_products
        self.shape = (point.u.shape[0], point.vt.shape[1])
        self.identity = np.eye(min(self.shape))
        self.changes: list[RankChange] = []
        self.unit = binary_scale(float(point.s[0]))
        self.start = self._framed((point.u * (point.s / self.unit)) @ point.vt)
        self.t, self.peak = t, self.norm

    def _framed(self, matrix: Array) -> Array:
        """Return a state, with its norm as the scale of what follows."""
        self.framed = length(matrix)
        self.norm = self.framed * self.unit
        return matrix.ravel()

    def gradient(self, matrix: Array) -> Array:
        """Return the gradient at a dense matrix, from products with the shorter identity."""
        if self.shape[0] <= self.shape[1]:
            gradient = self.products(self.identity, None, matrix.T)[1].T
        else:
            gradient = self.products(matrix, None, self.identity)[0]
        return gradient + self.weight_decay * matrix if self.weight_decay else gradient

    def right_hand_side(self, t: float, state: Array) -> Array:
        """Return the velocity of the state; NaN where a trial step has overflowed."""
        if not math.isfinite(state.sum()):
            return np.full_like(state, np.nan)
        return np.ravel(self.gradient(self.unit * state.reshape(self.shape))) / -self.unit

    def tolerances(
        self, state: Array, rtol: float, atol: float | None
    ) -> tuple[float, float | Array]:
        """Return the tolerances, by default absolute ones a hundredth of rtol times the norm."""
        return rtol, 1e-2 * rtol * self.framed if atol is None else atol / self.unit

    def inspect(self, t: float, state: Array) -> Restart | Stop | None:
        """Follow the size of W with the unit; stop where W has decayed to zero."""
        size, last, before = length(state), t - self.t, self.norm
        self.t, self.norm = t, size * self.unit
        self.peak = max(self.peak, self.norm)
        if self.norm < max(DECAYED * self.peak, SMALLEST) and self.norm < before:
            # Not so where W passes zero on its way, faster than the steps.
            speed = length(self.right_hand_side(t, state))
            if speed * last <= 100 * size:
                reason = f"stationary from t = {t:.6g} on: W has decayed to zero"
                return Stop(reason, rest=True)
        if size > 0 and not self.framed / _CHANGED <= size <= self.framed * _CHANGED:
            scale = binary_scale(size)
            self.unit *= scale
            return Restart(self._framed(state / scale))
        return None

    def moved(self, before: Array, after: Array) -> tuple[float, float]:
        """Return how far W moved, and its norm."""
        return self.unit * length(after - before), self.unit * length(after)

    def smallest(self, state: Array) -> float:
        """Return infinity: nothing is kept to a relative accuracy of its own."""
        return math.inf

    def linearisation(self, state: Array) -> tuple[LinearOperator, Array, Array]:
        """Return the Hessian by central differences of the gradient, the gradient, and the unit."""
        scale = 1e-5 * length(state)

        def hessian(direction: Array) -> Array:
            step = np.ravel(direction) * (scale / max(length(direction), np.finfo(float).tiny))
            ahead, behind = (self.right_hand_side(0.0, state + h) for h in (step, -step))
            return (behind - ahead) * (length(direction) / (2 * scale))

        operator = LinearOperator((state.size, state.size), matvec=hessian, dtype=np.float64)
        return operator, -self.right_hand_side(0.0, state), np.full(state.size, self.unit)

    def corrected(self, state: Array, displacement: Array) -> Array:
        """Return the state less a small displacement of W."""
        return state - displacement / self.unit

    def turned(self, state: Array, rotation: Array) -> Array:
        """Return the state of W E for that of W, with an orthogonal matrix E."""
        return np.ravel(state.reshape(self.shape) @ rotation)

    def points(self, states: Array) -> FixedRankPoint:
        """Return stacked W in factors, each with as many singular values as it has, also zero."""
        u, s, vt = svd_point(states.reshape(-1, *self.shape))
        return FixedRankPoint(u, s * self.unit, vt)

    def loss(self, state: Array) -> float:
        """Return the loss at a matrix."""
        points = self.points(state[None])
        loss = float(self.problem._losses(points)[0])
        return loss + self.in_loss * float(self.half_squares(points)[0]) if self.in_loss else loss

    def gradient_norms(self, points: FixedRankPoint) -> Array:
        """Return the lengths of the gradient at stacked points."""
        matrices = (points.u * points.s[:, None]) @ points.vt
        identities = np.broadcast_to(self.identity, (len(matrices), *self.identity.shape))
        if self.shape[0] <= self.shape[1]:
            _, products = self.problem._stacked_products(identities, None, transposed(matrices))
            gradients = transposed(products)
        else:
            gradients, _ = self.problem._stacked_products(matrices, None, identities)
        if self.weight_decay:
            gradients = gradients + self.weight_decay * matrices
        return np.array(list(map(length, gradients)))

    def half_squares(self, points: FixedRankPoint) -> Array:
        """Return half the squared length of W at stacked points."""
        return np.asarray((points.s**2).sum(-1) / 2)

    def measured(self, states: Array) -> tuple[FixedRankPoint, Array, Array | None]:
        """Return points, lengths of gradients and, with decay, half the squared length of W."""
        points = self.points(states)
        halves = self.half_squares(points) if self.weight_decay else None
        return points, self.gradient_norms(points), halves
