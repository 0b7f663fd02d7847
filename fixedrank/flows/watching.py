"""A look of the user's at each step of a run, which may end it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from fixedrank._checks import Array

# What a user gives: it sees the time, the point or the layers, and the loss, and may return True.
Callback: TypeAlias = Callable[[float, Any, float], object]
# The same, of a state.
Watch: TypeAlias = Callable[[float, Array], object]


def checked_callback(callback: Any) -> None:
    """Raise a TypeError if a callback is neither None nor a function."""
    if callback is not None and not callable(callback):
        raise TypeError(
            "callback must be a function of (t, point or layers, loss) that returns True to stop "
            f"the run, got a {type(callback).__name__}"
        )


def watching(callback: Callback | None, seen: Callable[[Array], tuple[Any, float]]) -> Watch | None:
    """Return what shows a callback, if there is one, the time of a state and what is seen of it."""
    checked_callback(callback)
    if callback is None:
        return None
    return lambda t, state: callback(t, *seen(state))
