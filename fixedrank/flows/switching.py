"""DOP853 where accuracy limits the step, ROCK4 or RKC where stability does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import DOP853, DenseOutput, OdeSolver

from fixedrank._checks import Array
from fixedrank._shared_docs import describe
from fixedrank.flows.chebyshev import RKC
from fixedrank.flows.contract import (
    INTEGRATORS,
    NOT_FINITE,
    BetweenSteps,
    checked_steps,
    checked_tolerances,
    solver_shown,
    velocity_within,
    warn_of_unused,
)
from fixedrank.flows.first_step import first_step
from fixedrank.flows.methods import MethodProperties, properties_of, put_back, remembered
from fixedrank.flows.rock import ROCK4
from fixedrank.flows.stabilised import Stabilised

# DOP853 is stable up to h rho = 6.39. At the first of these values of h rho, and at the second
# where steps have to be tried again, it counts as limited by stability, if that happens so often.
_LIMITED, _TREMBLING, _PATIENCE = 3.5, 2.5, 5
# A step of DOP853 with 12 evaluations, up to h rho = 6, beats one of ROCK4 with 5 below this.
_EASY = 2.5
# After so many steps of so many evaluations each the other stabilised method is tried for so many,
# of which the last ones count, and kept if an evaluation gets further by this factor.
_WHILE, _MANY, _TRIED, _COUNTED, _AHEAD = 200, 10, 20, 10, 1.1


def _inside(solver: Any, times: Array, rtol: float) -> list[Array]:
    stepped = solver.stepped
    return properties_of(type(stepped)).states_inside(stepped, times, rtol)


class AutoSwitching(OdeSolver):
    """DOP853 where accuracy limits the step, :class:`ROCK4` or :class:`RKC` where stability does.

    The largest rate rho is estimated from two stages of DOP853 at the end of each step, at no cost.
    Where h rho stays near the limit of stability the method changes to ROCK4, and back where its
    steps have become so short that nothing is stiff any more; each return makes the next change
    slower. Over times that are long beside the steps, where slow directions drive fast ones and the
    order of ROCK4 falls, RKC gets further: now and then the other one of both is tried.

    It is meant for spectra near the negative real axis, in part or at times; on imaginary ones it
    stays with DOP853 and is as good. Others, of oscillations that are fast and damped little, want
    an implicit method. Values between the steps are exactly the states at both ends of a step.

    A SciPy ``OdeSolver``, and with the name "auto" the method that the flows of this library use
    if no other is asked for. Between the steps of DOP853 its own interpolant serves, which near the
    limit of stability is less accurate than the steps; the flows reach output times otherwise.

    Parameters
    ----------
    stiff : bool or type
        Whether to begin with ROCK4, or which stabilised method to begin with.

    Raises
    ------
    ValueError
        If a step or a tolerance is not positive or does not fit, `y0` is complex, or `stiff` is
        no stabilised method.

    Warns
    -----
    UserWarning
        Of options that have no effect, such as `jac`.

    References
    ----------
    E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 2nd edition, section IV.2, for
    the estimate of rho.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> from scipy.integrate import solve_ivp
    >>> rates = np.array([1.0, 1e5])
    >>> solution = solve_ivp(
    ...     lambda t, y: -rates * (y - 1), (0, 1), [0.0, 0.0], fixedrank.AutoSwitching, rtol=1e-6
    ... )
    >>> round(float(solution.y[0, -1]), 5)  # 1 - 1/e
    0.63212
    >>> solution.nfev < 10_000  # DOP853 takes 188,000
    True
    """

    properties = MethodProperties(
        DOP853.error_estimator_order,
        tries_again=True,
        carried=("stiff",),
        stored=("inside", "count", "patience", "steps", "wait", "since", "rival"),
        states_inside=_inside,
    )

    __repr__ = solver_shown

    def __init__(
        self,
        fun: Callable[[float, Array], ArrayLike],
        t0: float,
        y0: ArrayLike,
        t_bound: float,
        rtol: float | Array = 1e-3,
        atol: float | Array = 1e-6,
        first_step: float | None = None,
        max_step: float = math.inf,
        vectorized: bool = False,
        stiff: bool | type[Stabilised] = False,
        **unused: Any,
    ) -> None:
        warn_of_unused(unused)
        super().__init__(velocity_within(fun, t0, t_bound), t0, y0, t_bound, vectorized)
        self.t: float
        self.y: Array
        rtol, atol = checked_tolerances(rtol, atol, self.n)
        whole = abs(t_bound - t0)
        checked_steps(first_step, max_step, whole)
        self.options = {"rtol": rtol, "atol": atol, "max_step": max_step}
        choose = first_step is None and not stiff and whole > 0 and self.n > 0
        step = whole if choose else first_step
        begin = {False: DOP853, True: ROCK4, ROCK4: ROCK4, RKC: RKC}.get(stiff)
        if begin is None:
            raise ValueError(f"stiff must be True, False, ROCK4 or RKC, got {stiff!r}")
        self.inner: Any = self._method(begin, step)
        if choose:
            self.inner.h_abs = self._first_step(min(whole, max_step))
        self.count, self.patience = 0, _PATIENCE
        # Steps since the last comparison of stabilised methods, and until the next; from where what
        # it gets is counted.
        self.steps, self.wait, self.since = 0, _WHILE, (self.t, self.nfev)
        self.rival: float | None = None  # how far the method before the one that is tried got

    def _method(self, method: type[OdeSolver], step: float | None) -> OdeSolver:
        def kept(t: float, y: Array) -> Array:
            # What f returns may be written over at its next call.
            return self.fun(t, y).copy()

        return method(kept, self.t, self.y, self.t_bound, first_step=step, **self.options)

    def _first_step(self, longest: float) -> float:
        """Return a first step of DOP853."""
        start, sign = self.t, self.direction

        def velocity(duration: float, y: Array) -> Array:
            return sign * self.fun(start + sign * duration, y)

        tolerances = self.options["rtol"], self.options["atol"]
        order = DOP853.error_estimator_order
        return first_step(velocity, self.y, sign * self.inner.f, tolerances, order, longest)

    @property
    def stiff(self) -> bool | type[Stabilised]:
        """The stabilised method of the next step, or False."""
        return type(self.inner) if isinstance(self.inner, Stabilised) else False

    @property
    def inside(self) -> dict[str, Any]:
        """The method of the next step, and what it hangs on."""
        method = type(self.inner)
        stored = remembered(self.inner, properties_of(method).stored or ())
        return {"method": method.__name__, "attributes": stored}

    @inside.setter
    def inside(self, content: dict[str, Any]) -> None:
        method = next(m for m in (DOP853, ROCK4, RKC) if m.__name__ == content["method"])
        self.inner = self._method(method, abs(self.t_bound - self.t))
        put_back(self.inner, content["attributes"])

    @property
    def h_abs(self) -> float:
        """The length of the next step."""
        return float(self.inner.h_abs)

    def _step_impl(self) -> tuple[bool, str | None]:
        if self.t_old is None and not np.isfinite(self.inner.f).all():
            return False, NOT_FINITE.format(self.t)
        before = self.inner.nfev
        message = self.inner.step()
        if self.inner.status == "failed":
            return False, message
        self.stepped, self.y_old = self.inner, self.y
        self.t, self.y = self.inner.t, self.inner.y
        if self.inner.status == "running":
            self._reconsider(tried_again=self.inner.nfev - before > DOP853.n_stages)
        return True, None

    def _reconsider(self, tried_again: bool) -> None:
        """Change the method where the other one would be cheaper."""
        if self.stiff:
            due = self.inner.h_abs * self.inner.rate < _EASY
        else:
            due = self._stiffness() > (_TREMBLING if tried_again else _LIMITED)
        self.count = self.count + 1 if due else max(0, self.count - 1)
        if self.count >= self.patience:
            self.count = 0
            self.patience *= 2 if self.stiff else 1
            self._change(DOP853 if self.stiff else ROCK4)
            self.rival = None
        elif self.stiff:
            self._compare()

    def _change(self, method: type[OdeSolver]) -> None:
        """Go on with another method, and the step as it was."""
        self.inner = self._method(method, min(self.h_abs, abs(self.t_bound - self.t)))
        self.steps = 0

    def _compare(self) -> None:
        """Change between ROCK4 and RKC where the other one gets further for an evaluation.

        A single step does not tell: what one method leaves in the fast directions holds up the
        other. So the other one is tried, and less and less often.
        """
        self.steps += 1
        most = self.wait if self.rival is None else _TRIED
        if self.steps == most - _COUNTED:
            self.since = self.t, self.nfev
        if self.steps < most:
            return
        spent = self.nfev - self.since[1]
        reached = abs(self.t - self.since[0]) / spent
        other = RKC if isinstance(self.inner, ROCK4) else ROCK4
        self.steps = 0
        if self.rival is None:
            if spent >= _COUNTED * _MANY:
                self.rival = reached
                self._change(other)
            return
        if reached < _AHEAD * self.rival:
            self._change(other)
        self.rival, self.wait = None, 2 * self.wait

    def _stiffness(self) -> float:
        """Return h rho from f at the end of the step and at the last stage, which is there too."""
        solver = self.inner
        h, last = solver.t - solver.t_old, solver.n_stages - 1
        stage = solver.y_old + h * (solver.K[:last].T @ solver.A[last, :last])
        distance = float(np.linalg.norm(solver.y - stage))
        if distance == 0:
            return 0.0
        return abs(h) * float(np.linalg.norm(solver.K[-1] - solver.K[last])) / distance

    def _dense_output_impl(self) -> DenseOutput:
        return _WithEnds(self.stepped.dense_output(), self.y_old, self.y)


describe(AutoSwitching, INTEGRATORS)


class _WithEnds(BetweenSteps):
    """What DOP853 says between the ends of a step; at them it is rounded."""

    def __init__(self, inside: DenseOutput, y_old: Array, y: Array) -> None:
        super().__init__(inside.t_old, inside.t, y_old, y)
        self.inside = inside

    def _inside(self, times: Array) -> Array:
        return np.asarray(self.inside(times))
