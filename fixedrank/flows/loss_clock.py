r"""A flow in the clock of its loss: tau, in which L - L_inf falls as exp(-tau).

Along W' = -A(G) the loss falls at the rate q = <G, A(G)>, so

    dW/dtau = -A(G) (L - L_inf) / q,   dt/dtau = (L - L_inf) / q

runs through the same matrices, and d(L - L_inf)/dtau = -(L - L_inf). Where a loss has no minimum,
as cross-entropy, the time t grows like 1 / (L - L_inf) and more; the clock like its logarithm.

What is formed is the gradient of f = ln(L - L_inf), which is neither large nor small however small
the loss is: dW/dtau = -A(grad f) / <grad f, A(grad f)>. The time is kept as
s = ln(1 + t / t_0), where t_0 is dt/dtau at the start: it grows like tau.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array
from fixedrank.flows.core import RiemannianSystem
from fixedrank.flows.integration import Run
from fixedrank.flows.scales import length
from fixedrank.flows.system import Restart, Stop
from fixedrank.losses.loss import Loss

ClockName = Literal["time", "loss"]

# A flow that comes to rest above the infimum is there where so little of the clock is left: there
# the distance to rest is the root of that.
_AT_REST = 1e-12
# The tolerance of s beside the relative one.
_ABSOLUTE = 1e-2
# Where ln(L - L_inf) differs by so much from what the clock says, round-off has taken over.
_ASTRAY = 0.5


def checked_clock(clock: Any, infimum: Any, weight_decay: float, problem: Loss) -> float | None:
    """Return the infimum for the clock of the loss; None for the time.

    Raises
    ------
    TypeError, ValueError
        If the clock is none of the two, the infimum is no finite number, or is needed and not
        known, or there is weight decay, with which it is not the loss that falls.
    """
    if clock not in get_args(ClockName):
        raise ValueError(f"clock must be 'time' or 'loss', got {clock!r}")
    if clock == "time":
        if infimum is not None:
            raise ValueError(
                f"infimum={infimum!r} is for clock='loss'; a flow in time needs none: leave it out"
            )
        return None
    if weight_decay:
        raise ValueError(
            f"clock='loss' is not for flows with weight decay, here {weight_decay:g}, along which "
            "loss and penalty fall together: take clock='time'"
        )
    if infimum is None:
        infimum = problem.infimum
        if infimum is None:
            raise ValueError(
                f"clock='loss' needs the infimum of the loss, which this {problem._name} does not "
                "know: say infimum=, the infimum or a number below all losses, such as 0.0; a flow "
                "that comes to rest above it ends there and says so"
            )
    if isinstance(infimum, bool) or not isinstance(infimum, (int, float, np.number)):
        raise TypeError(f"infimum must be a number, got {infimum!r}")
    if not math.isfinite(infimum):
        raise ValueError(f"infimum must be finite, got {infimum!r}")
    return float(infimum)


class LossClock:
    """A flow of ln(L - L_inf) in the clock of the loss L, with s after its state.

    Parameters
    ----------
    system : System
        The flow of a LogExcess, in time.
    state : ndarray
        Its state at the start.
    start : float
        The clock at the start.

    Raises
    ------
    ValueError
        If the loss at the start is not above the infimum, or its gradient vanishes there.
    """

    def __init__(self, system: Any, state: Array, start: float) -> None:
        self.system, self.problem = system, system.problem
        self.state, self.start = np.append(state, 0.0), start
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            velocity = system.right_hand_side(0.0, state)
            self.first = self.problem.value
            if not self.first > -math.inf:
                raise ValueError(
                    f"the loss at the start, {system.loss(state):.6g}, is not above the infimum "
                    f"{self.problem.lowest:g}: in the clock of the loss there is nowhere to go"
                )
            if not velocity.any():
                raise ValueError(
                    f"the gradient vanishes at the start, where the loss {system.loss(state):.6g} "
                    f"is above the infimum {self.problem.lowest:g}: in the clock of the loss "
                    "nothing moves; start elsewhere, or take clock='time'"
                )
            # The logarithm of dt/dtau at the start.
            self.unit = -self.first - self._by_fall(velocity, state)[1]
        self.before: tuple[float, float] | None = None
        # Names of the attributes that change, also those of the flow in time.
        self.remembered = ("before", *(f"system.{name}" for name in system.remembered))

    def times(self, states: Array) -> Array:
        """Return the times t of stacked states; infinite where they overflow."""
        s = states[:, -1]
        with np.errstate(over="ignore"):
            return np.exp(self.unit + s) * -np.expm1(-s)

    def right_hand_side(self, t: float, state: Array) -> Array:
        """Return the velocity in the clock of the loss; NaN where a trial step has overflowed."""
        result = np.full_like(state, np.nan)
        velocity = self.system.right_hand_side(t, state[:-1])
        if math.isfinite(velocity.sum()):
            result[:-1], rate = self._by_fall(velocity, state[:-1])
            result[-1] = np.exp(-self.problem.value - rate - self.unit - state[-1])
        return result

    def _by_fall(self, velocity: Array, state: Array) -> tuple[Array, float]:
        """Return the velocity over q = <grad f, A(grad f)>, and ln q, of a velocity of any size."""
        unit = getattr(self.system, "unit", 1.0)
        if isinstance(self.system, RiemannianSystem):
            size = float(np.abs(velocity).max())
            velocity = velocity / size
            u, core, _ = self.system.split(state)
            du, dcore, dv = self.system.split(velocity)
            gv, gtu = self.problem.products
            other = float(max(np.abs(gv).max(), np.abs(gtu).max()))
            gv, gtu = gv / other, gtu / other
            fall = np.vdot(gv, du @ core) + np.vdot(u.T @ gv, dcore) + np.vdot(gtu, dv @ core.T)
            logarithm = np.log(size) + np.log(other) + np.log(unit) + np.log(-fall)
            return velocity / (-fall * other * unit), float(logarithm)
        size = length(velocity)
        return velocity / size / (size * unit) / unit, float(2 * (np.log(size) + np.log(unit)))

    def tolerances(self, state: Array, rtol: float, atol: float | None) -> tuple[float, Any]:
        """Return the tolerances of the flow in time, and an absolute one of s."""
        relative, absolute = self.system.tolerances(state[:-1], rtol, atol)
        size = state.size - 1
        return relative, np.append(np.broadcast_to(absolute, size), _ABSOLUTE * rtol)

    def inspect(self, t: float, state: Array) -> Restart | Stop | None:
        """Look at the flow in time, and whether it comes to rest above the infimum."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            velocity = self.right_hand_side(t, state)
            ending = self._ending(t, state, velocity)
            if ending is not None:
                return ending
            # 1 / <grad f, A(grad f)>, so that what it tells from rates it tells in the clock.
            rate = self.problem.value + np.log(velocity[-1]) + self.unit + state[-1]
            self.problem.pace = float(np.exp(rate))
        verdict = self.system.inspect(t, state[:-1])
        self.problem.pace = 1.0
        if isinstance(verdict, Restart):
            return Restart(np.append(verdict.state, state[-1]), verdict.step)
        return verdict

    def _ending(self, t: float, state: Array, velocity: Array) -> Stop | None:
        """Return why the flow cannot go on in this clock, if it cannot.

        Towards a point of rest q falls as exp(-2 r t), and L is q / 2 r above what it tends to:
        that is how much of the clock is left.
        """
        value, s = self.problem.value, float(state[-1])
        if not abs(value - self.first + t - self.start) < _ASTRAY:
            return Stop(
                f"stopped at t = {t:.6g}: the loss, {math.exp(value):.2g} above the infimum "
                f"{self.problem.lowest:.6g}, falls no more as the clock says: what is left of it "
                "is within round-off, or the tolerance",
                rest=False,
                kept=True,
            )
        # ln q of the loss, from ds/dtau = (L - L_inf) / (q t_0 exp(s)).
        rate = float(value - np.log(velocity[-1]) - self.unit - s)
        before, self.before = self.before, (s, rate)
        if before is None or not rate < before[1]:
            return None
        left = -math.expm1(before[0] - s) / (float(velocity[-1]) * (before[1] - rate))
        if not left < _AT_REST:
            return None
        return Stop(
            f"stopped at t = {t:.6g}: the flow comes to rest at the loss "
            f"{self.system.loss(state[:-1]):.6g}, {math.exp(value):.3g} above the infimum "
            f"{self.problem.lowest:.6g}",
            rest=False,
            kept=True,
        )

    def loss(self, state: Array) -> float:
        """Return the loss, for the progress bar."""
        return float(self.system.loss(state[:-1]))

    def moved(self, before: Array, after: Array) -> tuple[float, float]:
        """Return infinity: in this clock nothing rests."""
        return math.inf, self.system.moved(before[:-1], after[:-1])[1]

    def smallest(self, state: Array) -> float:
        """Return what is kept to relative accuracy and may tend to zero."""
        return float(self.system.smallest(state[:-1]))

    def linearisation(self, state: Array) -> tuple[LinearOperator, Array, Array]:
        """Return that of the flow in time."""
        return self.system.linearisation(state[:-1])

    def corrected(self, state: Array, displacement: Array) -> Array:
        """Return the state less a small displacement."""
        return np.append(self.system.corrected(state[:-1], displacement), state[-1])

    def turned(self, state: Array, rotation: Array) -> Array:
        """Return the state of W E for that of W, with an orthogonal matrix E."""
        return np.append(self.system.turned(state[:-1], rotation), state[-1])

    def seen(
        self, watch: Callable[[float, Array], object] | None
    ) -> Callable[[float, Array], object] | None:
        """Return what shows a watch the time in place of the clock, and the state in time."""
        if watch is None:
            return None
        return lambda t, state: watch(float(self.times(state[None])[0]), state[:-1])


def over_times(run: Run, asked: Array, clock: str) -> dict[str, Any]:
    """Return the times, and the clock if it is that of the loss, of the records of a run."""
    if clock == "time":
        return {"t": run.times(asked)}
    return {"t": np.array([one.time for one in run.records]), "clock": run.times(asked)}


def told(status: str, clock: str) -> str:
    """Return a status, which in the clock of the loss tells the clock and not the time."""
    return status if clock == "time" else re.sub(r"\bt = ", "clock = ", status)
