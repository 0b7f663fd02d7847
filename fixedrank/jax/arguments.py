"""Checks of numbers that may be traced: then of their shape only."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from fixedrank._checks import nonnegative_number


def require_nonnegative(name: str, value: Any) -> None:
    """Raise an error unless this is a finite number >= 0, as far as it is known.

    Raises
    ------
    TypeError, ValueError
        If it is not.
    """
    if isinstance(value, jax.core.Tracer):
        if value.shape != ():
            raise TypeError(f"{name} must be a number, got an array of the shape {value.shape}")
        return
    scalar = isinstance(value, jax.Array | np.ndarray) and value.ndim == 0
    nonnegative_number(name, value.item() if scalar else value)
