"""A stabilised explicit method of fourth order, as a solver of diffrax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from fixedrank.jax.lengths import length
from fixedrank.jax.rock_tables import rock_tables

# The estimate of the largest rate is enlarged by this; from one step to the next it falls by no
# more than that, as one iteration from a direction that has lost the fastest part finds too little.
_MARGIN, _FALL = 1.1, 0.9
# Iterations of the first estimate.
_ITERATIONS = 30

Velocity = Callable[[Any, Array], Array]


class ROCK4(diffrax.AbstractAdaptiveSolver):
    """A stabilised Runge-Kutta method of fourth order for ``diffrax.diffeqsolve``.

    It spends s >= 5 evaluations on a step of length up to 0.353 s^2 / rho, where rho is the largest
    rate of an equation whose Jacobian has real negative eigenvalues; a classical explicit method
    gets s times less far. Gradient flows are of this kind near a limit and on plateaus. The rate is
    estimated by a power iteration that goes on from step to step, one evaluation each.

    Parameters
    ----------
    reverse : bool
        Whether derivatives are taken backwards through the stages, as the adjoints of diffrax do
        but for ``ForwardMode``: for that one, and for ``jax.jvp``, pass False.

    Notes
    -----
    The method is that of :class:`fixedrank.ROCK4`, with the same coefficients for 5 to 250 stages.
    Steps that would need more are rejected. Between steps values are cubic polynomials, which may
    be less precise than the steps are long: :func:`integrate` ends steps at the output times.
    No derivative is taken of the number of stages.

    References
    ----------
    A. Abdulle, Fourth order Chebyshev methods with recurrence relation, SIAM Journal on Scientific
    Computing 23, 2002.

    Examples
    --------
    >>> import diffrax
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import ROCK4
    >>> rates = jnp.array([1.0, 1e4])
    >>> solution = diffrax.diffeqsolve(
    ...     diffrax.ODETerm(lambda t, y, args: -rates * (y - 1)),
    ...     ROCK4(),
    ...     t0=0.0,
    ...     t1=1.0,
    ...     dt0=None,
    ...     y0=jnp.zeros(2),
    ...     stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-6),
    ... )
    >>> round(float(solution.ys[0, 0]), 5)  # 1 - 1/e
    0.63212
    """

    reverse: bool = eqx.field(default=True, static=True)
    term_structure: ClassVar[Any] = diffrax.ODETerm
    interpolation_cls: ClassVar[Any] = diffrax.ThirdOrderHermitePolynomialInterpolation

    def order(self, terms: Any) -> int:
        """Return the order of the method, 4."""
        return 4

    def func(self, terms: Any, t0: Any, y0: Any, args: Any) -> Any:
        """Return the velocity at a time and a state."""
        return terms.vf(t0, y0, args)

    def init(self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any) -> Any:
        """Return the velocity, the largest rate and its direction at the start."""
        velocity, y, _ = _raveled(terms, y0, args)
        f = velocity(t0, y)
        rate, direction = _first_rate(_without_derivatives(velocity, t0, y), t0, y, f)
        return f, rate, direction

    def step(
        self,
        terms: Any,
        t0: Any,
        t1: Any,
        y0: Any,
        args: Any,
        solver_state: Any,
        made_jump: Any,
    ) -> Any:
        """Return the state a step later, an estimate of its error, and what is kept."""
        velocity, y, unravel = _raveled(terms, y0, args)
        f, rate, direction = solver_state
        if made_jump is not False:
            f = jax.lax.cond(made_jump, lambda: velocity(t0, y), lambda: f)
        frozen = _without_derivatives(velocity, t0, y)
        newer, direction = _iterated(frozen, t0, y, f, direction)
        rate = jnp.maximum(newer, _FALL * rate)
        # With the sign of a flow backwards, of which diffrax turns the time.
        h = jnp.asarray(terms.contr(t0, t1)).astype(y.dtype)
        following, f_following, error = self._taken(
            velocity, (t0, t1 - t0), h, y, f, _MARGIN * rate
        )
        error = jnp.where(jnp.isfinite(f_following).all(), error, jnp.inf)
        following_tree = unravel(following)
        between = {
            "y0": y0,
            "y1": following_tree,
            "k0": unravel(h * f),
            "k1": unravel(h * f_following),
        }
        state = (f_following, rate, direction)
        return following_tree, unravel(error), between, state, diffrax.RESULTS.successful

    def _taken(
        self, velocity: Velocity, span: Any, h: Array, y: Array, f: Array, rate: Array
    ) -> tuple[Array, Array, Array]:
        """Return the state a step later, the velocity there, and an estimate of the error."""
        begin, length = span
        tables = rock_tables()
        lengths = jnp.asarray(tables.lengths, y.dtype)
        index = jnp.searchsorted(lengths, jax.lax.stop_gradient(jnp.abs(h) * rate))
        stable = index < len(lengths)
        # Nothing may overflow in a step that is too long: derivatives backwards would be NaN.
        index, h = jnp.where(stable, index, 0), jnp.where(stable, h, 0.0)
        steps = jnp.asarray(tables.steps)[index]
        recurrence, abscissae, inner, estimate = (
            jnp.asarray(table, y.dtype)[index] for table in tables[2:]
        )

        def goes_on(state: Any) -> Any:
            return state[0] < steps

        def stage(state: Any) -> Any:
            j, older, newest, _ = state
            mu, nu, time = recurrence[j]
            value = velocity(begin + time * length, newest)
            return j + 1, newest, nu * newest + (1 - nu) * older + mu * h * value, value

        _, _, base, before = eqxi.while_loop(
            goes_on,
            stage,
            (1, y, y + recurrence[0, 0] * h * f, f),
            max_steps=tables.recurrence.shape[1],
            kind="checkpointed" if self.reverse else "lax",
        )

        def last(values: Array, row: Any) -> tuple[Array, Array]:
            j, time, weights = row
            state = base + h * (weights @ values)
            return values.at[j].set(velocity(begin + time * length, state)), state

        nothing = jnp.zeros((5, y.size), y.dtype)
        values, states = jax.lax.scan(last, nothing, (jnp.arange(5), abscissae, inner))
        error = jnp.abs(h * (estimate[0] * before + estimate[1:] @ values[:4]))
        error = jnp.where(stable & jnp.isfinite(error).all(), error, jnp.inf)
        return states[-1], values[-1], error


def _raveled(terms: Any, y0: Any, args: Any) -> tuple[Velocity, Array, Callable[[Array], Any]]:
    """Return the velocity of states in one vector, and the state as one."""
    y, unravel = ravel_pytree(y0)

    def velocity(t: Any, state: Array) -> Array:
        return ravel_pytree(terms.vf(t, unravel(state), args))[0].astype(y.dtype)

    return velocity, y, unravel


def _without_derivatives(velocity: Velocity, t: Any, y: Array) -> Velocity:
    """Return the velocity through which no derivative goes, nor by what it closes over."""
    converted, constants = jax.closure_convert(velocity, t, y)
    constants = jax.lax.stop_gradient(constants)

    def frozen(t: Any, state: Array) -> Array:
        return converted(t, jax.lax.stop_gradient(state), *constants)

    return frozen


def _iterated(
    velocity: Velocity, t: Any, y: Array, f: Array, direction: Array
) -> tuple[Array, Array]:
    """Return a better estimate of the largest rate, and its direction, by differences."""
    t, y, f = jax.lax.stop_gradient((t, y, f))
    eps = float(jnp.finfo(y.dtype).eps)
    # From a state of zero, a difference as long as a way in the unit of time.
    size, speed, norm = length(y), length(f), length(direction)
    size = jnp.where(size > 0, size, jnp.where(speed > 0, speed, 1.0))
    distance = eps**0.5 * size
    known = jnp.isfinite(norm) & (norm > 0)
    # Where nothing moves any direction is as good.
    unit = jnp.where(known, direction / jnp.where(known, norm, 1.0), y.size**-0.5)
    change = velocity(t, y + distance * unit) - f
    rate = length(change) / distance
    fits = jnp.isfinite(rate)
    return jnp.where(fits, rate, 0.0), jnp.where(fits, change, unit)


def _first_rate(velocity: Velocity, t: Any, y: Array, f: Array) -> tuple[Array, Array]:
    """Return the largest rate at the start, by iterations until it changes by a percent."""

    def goes_on(state: Any) -> Any:
        count, before, rate, _ = state
        return (count < _ITERATIONS) & ~(jnp.abs(rate - before) <= 0.01 * rate)

    def iterate(state: Any) -> Any:
        count, _, before, direction = state
        return (count + 1, before, *_iterated(velocity, t, y, f, direction))

    # Not along f alone, which may hold nothing of the fastest directions.
    spread = jnp.cos(1.0 + jnp.arange(y.size, dtype=y.dtype))
    f = jax.lax.stop_gradient(f)
    speed = length(f)
    start = spread / length(spread) + jnp.where(speed > 0, f / speed, 0.0)
    none, unknown = jnp.zeros((), y.dtype), jnp.full((), jnp.nan, y.dtype)
    first = (0, none, unknown, start)
    _, _, rate, direction = jax.lax.while_loop(goes_on, iterate, first)
    return rate, direction
