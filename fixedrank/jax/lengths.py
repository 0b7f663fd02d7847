"""Lengths of vectors of any size: neither squares nor what is not a number spoil them."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array


def length(values: Array, axis: Any = None) -> Array:
    """Return the root of the sum of squares along axes, infinite where an entry is."""
    largest = jnp.abs(values).max(axis=axis, keepdims=True, initial=0.0)
    unit = jnp.where(jnp.isfinite(largest) & (largest > 0), largest, 1.0)
    squares = jnp.sum((values / unit) ** 2, axis=axis, keepdims=True)
    return jnp.squeeze(unit * jnp.sqrt(squares), axis=axis)
