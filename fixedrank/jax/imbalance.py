"""The squared singular values of imbalanced layers, from those of their product."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from fixedrank._checks import finite_array

# Newton's method falls to the root from above, quadratically in the end.
_STEPS = 60


def checked_imbalance(imbalance: Any, depth: Any) -> Array:
    """Return the imbalance as a vector of N - 1 numbers.

    Raises
    ------
    TypeError, ValueError
        If there are not N - 1 of them, or the depth is not a known whole number.
    """
    if not isinstance(imbalance, jax.core.Tracer) and not _traced_inside(imbalance):
        finite_array("imbalance", imbalance, 1)
    array = jnp.asarray(imbalance) * 1.0
    known = not isinstance(depth, jax.core.Tracer)
    if not (known and depth == int(depth) and array.shape == (int(depth) - 1,) and depth > 1):
        raise ValueError(
            "imbalance must be the N - 1 numbers of layers whose number N is known, the depth; "
            f"got the shape {array.shape} and {f'depth {depth:g}' if known else 'a traced depth'}"
        )
    return array


def _traced_inside(values: Any) -> bool:
    return isinstance(values, list | tuple) and any(
        isinstance(value, jax.core.Tracer) for value in values
    )


def layer_offsets(imbalance: Array) -> Array:
    """Return mu_j - min mu of all layers, where mu_(j+1) - mu_j are the imbalances."""
    mu = jnp.concatenate([jnp.zeros(1, imbalance.dtype), jnp.cumsum(imbalance)])
    return mu - mu.min()


def layer_squares(offsets: Array, s: Array) -> Array:
    """Return the q_i + mu_j, shape (N, k), with prod_j (q_i + mu_j) = s_i^2."""
    return jnp.exp(_log_roots(len(offsets), offsets, s)) + offsets[:, None]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _log_roots(layers: int, offsets: Array, s: Array) -> Array:
    """Return the logarithms of the roots, in which the product is convex and increasing."""
    target = 2 * jnp.log(s)
    # The least of the roots where some factors are q and the others their offsets: at most 2^N
    # times too large a product.
    logs = jnp.log(jnp.sort(offsets))
    behind = jnp.concatenate([jnp.cumsum(logs[:0:-1])[::-1], jnp.zeros(1, logs.dtype)])
    counts = jnp.arange(1, layers + 1)
    start = ((target[:, None] - behind) / counts).min(axis=1)

    def step(state: tuple[Array, Any, Any]) -> tuple[Array, Any, Any]:
        log_q, _, count = state
        log_squares = jnp.logaddexp(log_q[:, None], jnp.log(offsets))
        slope = jnp.exp(log_q[:, None] - log_squares).sum(axis=1)
        change = (log_squares.sum(axis=1) - target) / slope
        return log_q - change, jnp.abs(change).max(), count + 1

    def goes_on(state: tuple[Array, Any, Any]) -> Array:
        _, change, count = state
        return (change > jnp.finfo(s.dtype).eps ** 0.5) & (count < _STEPS)

    first = (start, jnp.full((), jnp.inf, s.dtype), 0)
    return jax.lax.while_loop(goes_on, step, first)[0]


@_log_roots.defjvp
def _log_roots_jvp(layers: int, primals: Any, tangents: Any) -> tuple[Array, Array]:
    (offsets, s), (doffsets, ds) = primals, tangents
    log_q = _log_roots(layers, offsets, s)
    q = jnp.exp(log_q)
    squares = q[:, None] + offsets
    change = 2 * ds / s - (doffsets / squares).sum(axis=1)
    return log_q, change / (q[:, None] / squares).sum(axis=1)
