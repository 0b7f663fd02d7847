"""What errors of a state are compared with, and the precision that a tolerance asks for."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from fixedrank.jax.lengths import length
from fixedrank.jax.points import CorePoint

# Beside the numbers themselves, this part of the norm of a column of frames, or of a layer.
_ABSOLUTE = 0.01
# What is zero is held to so small a part of the largest.
_LITTLE = 1e-8
# A tolerance below so many round-offs, times the number of layers, is out of reach.
_REACH = 10


def sizes(state: Any) -> Any:
    """Return the size of each number of a state, to which its error is relative.

    Entry (i, j) of a core has that of the singular values it couples, sqrt(|row i| |column j|), so
    that small singular values are kept to relative accuracy in the frame of a diagonal core. The
    errors of N layers add up in their product: each has a part 1/N.
    """
    if isinstance(state, CorePoint):
        rows, columns = length(state.core, axis=1), length(state.core, axis=0)
        of_core = jnp.sqrt(rows[:, None]) * jnp.sqrt(columns) + _tiny(state.core)
        return CorePoint(jnp.abs(state.u) + _ABSOLUTE, of_core, jnp.abs(state.v) + _ABSOLUTE)
    parts = jax.tree.leaves(state)
    norms = [length(part) for part in parts]
    largest = jnp.stack(norms).max() if norms else 0.0
    share = len(parts) if isinstance(state, list | tuple) else 1

    def size(part: Array) -> Array:
        norm = length(part)
        least = jnp.maximum(_ABSOLUTE * norm, _LITTLE * largest)
        return (jnp.abs(part) + least) / share + _tiny(part)

    return jax.tree.map(size, state)


def checked_tolerance(rtol: Any, state: Any) -> float:
    """Return a relative tolerance, with a warning if the precision of the state is below it.

    Raises
    ------
    TypeError, ValueError
        If it is not a number in (0, 1).

    Warns
    -----
    UserWarning
        If single precision does not reach it.
    """
    if isinstance(rtol, bool) or not isinstance(rtol, numbers.Real):
        raise TypeError(f"rtol must be a number in (0, 1), got {rtol!r}")
    tolerance = float(rtol)
    if not 0 < tolerance < 1:
        raise ValueError(f"rtol must be a number in (0, 1), got {rtol!r}; 1e-6 is usual")
    eps = float(jnp.finfo(jnp.result_type(*jax.tree.leaves(state))).eps)
    layers = len(state) if isinstance(state, list | tuple) else 1
    layers = 1 if isinstance(state, CorePoint) else layers
    reached = _REACH * layers * eps
    if tolerance < reached:
        of_layers = f" for {layers} layers" if layers > 1 else ""
        warnings.warn(
            f"rtol={tolerance:g} asks for more than these numbers have, of which {reached:.1e} is "
            f"in reach{of_layers}: set jax.config.update('jax_enable_x64', True) and use float64, "
            "or raise rtol",
            UserWarning,
            stacklevel=3,
        )
    return tolerance


def checked_times(times: Any, dtype: Any) -> Array:
    """Return output times in a precision, those of the start first.

    Raises
    ------
    TypeError, ValueError
        If they are not two or more numbers in strict order, as far as their values are known.
    """
    array = jnp.asarray(times)
    if not jnp.issubdtype(array.dtype, jnp.number) or jnp.iscomplexobj(array):
        raise TypeError(f"times must be real numbers, got the dtype {array.dtype}")
    if array.ndim != 1 or len(array) < 2:
        raise ValueError(
            f"times must be two or more numbers, that of the start first, got the shape "
            f"{array.shape}"
        )
    if not isinstance(array, jax.core.Tracer):
        # In the precision of the state, in which they are told apart.
        steps = np.diff(np.asarray(array.astype(dtype)))
        if not ((steps > 0).all() or (steps < 0).all()):
            raise ValueError(
                f"times must be in strict order and finite, got {_some(np.asarray(array))}"
            )
        if not math.isfinite(float(np.abs(array).max())):
            raise ValueError(f"times must be finite, got {_some(np.asarray(array))}")
    return array.astype(dtype)


def _tiny(part: Array) -> float:
    return float(jnp.finfo(part.dtype).tiny)


def _some(values: np.ndarray) -> str:
    return np.array2string(values, threshold=6)
