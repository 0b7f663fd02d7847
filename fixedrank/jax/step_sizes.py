"""Step sizes for states whose parts have sizes of their own, which change on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp

from fixedrank.jax.lengths import length

# The first step changes the state by this part of its size, times the tolerance to the power 1/4:
# so long that a method of order 4 has an error of the size of the tolerance.
_FIRST = 0.1


def root_mean_square(state: Any) -> Any:
    """Return the root mean square of all numbers of a state."""
    parts = jax.tree.leaves(state)
    lengths = jnp.stack([length(part) for part in parts])
    return length(lengths) / sum(part.size for part in parts) ** 0.5


class SizedSteps(diffrax.AbstractAdaptiveStepSizeController):
    """The step sizes of a ``diffrax.PIDController``, for errors relative to sizes of a state.

    Parameters
    ----------
    rtol : float
        The tolerance.
    sizes : callable
        Maps a state to the size of each of its numbers, a pytree of the same structure.
    """

    rtol: float = eqx.field(static=True)
    sizes: Callable[[Any], Any] = eqx.field(static=True)
    # What diffrax asks of every controller of this kind.
    atol: float = eqx.field(default=0.0, static=True)
    norm: Callable[[Any], Any] = eqx.field(default=root_mean_square, static=True)

    def wrap(self, direction: Any) -> SizedSteps:
        """Return the controller itself."""
        return self

    def init(
        self,
        terms: Any,
        t0: Any,
        t1: Any,
        y0: Any,
        dt0: Any,
        args: Any,
        func: Callable[..., Any],
        error_order: Any,
    ) -> tuple[Any, Any]:
        """Return the end of the first step, and the state of the controller."""
        if dt0 is None:
            velocity = func(terms, t0, y0, args)
            speed = self.norm(jax.tree.map(jnp.divide, velocity, self.sizes(y0)))
            way = t1 - t0
            share = jnp.asarray(_FIRST * self.rtol**0.25, way.dtype)
            moves = jnp.isfinite(speed) & (speed * way > share)
            dt0 = jnp.where(moves, share / jnp.where(moves, speed, 1.0), way)
            # A start of zero has no size: not so short that no step would be seen in the time.
            dt0 = jnp.maximum(dt0, way * jnp.finfo(way.dtype).eps ** 0.75)
            dt0 = jax.lax.stop_gradient(dt0.astype(way.dtype))
        return self._inner().init(terms, t0, t1, y0, dt0, args, func, error_order)

    def adapt_step_size(
        self,
        t0: Any,
        t1: Any,
        y0: Any,
        y1_candidate: Any,
        args: Any,
        y_error: Any,
        error_order: Any,
        controller_state: Any,
    ) -> Any:
        """Return whether a step is taken, and the ends of the next one."""
        scales = jax.tree.map(jnp.maximum, self.sizes(y0), self.sizes(y1_candidate))
        scaled = jax.tree.map(
            lambda error, scale: jnp.where(jnp.isfinite(scale), error / scale / self.rtol, jnp.inf),
            y_error,
            scales,
        )
        return self._inner().adapt_step_size(
            t0, t1, y0, y1_candidate, args, scaled, error_order, controller_state
        )

    def _inner(self) -> Any:
        return diffrax.PIDController(rtol=0.0, atol=1.0, norm=self.norm)
