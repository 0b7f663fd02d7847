"""Options beyond sense, refused before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

# Layers cost a product each, at every step.
_DEEPEST = 10_000
# Singular values whose squares, cubes and their quotients stay within floating point.
_SMALLEST, _LARGEST = 1e-100, 1e100
_MOST_WORKERS = 1024
# Of the numbers that are kept in memory: 8 GB.
_MOST_NUMBERS = 10**9
_MOST_STEPS = 10**8


def at_most(option: str, value: float | None, limit: float, reason: str) -> None:
    """Raise ValueError where an option is above a limit."""
    if value is not None and value > limit:
        raise ValueError(f"--{option} must be at most {limit:g}, got {value:g}: {reason}")


def check_network(depth: int | None, scale: float | None, workers: int | None = None) -> None:
    """Check what the commands share."""
    at_most("depth", depth, _DEEPEST, "each layer takes part in every step")
    at_most("workers", workers, _MOST_WORKERS, "a process each")
    # What is no size at all is told by those who take it.
    if scale is not None and 0 < scale < math.inf and not _SMALLEST <= scale <= _LARGEST:
        raise ValueError(
            f"--scale must lie between {_SMALLEST:g} and {_LARGEST:g}, got {scale:g}: beyond, "
            "powers of the singular values leave floating point"
        )


def check_memory(widths: Sequence[int], copies: int, what: str) -> None:
    """Raise ValueError where so many copies of layers of some widths need too much memory."""
    numbers = sum(a * b for a, b in pairwise(widths))
    if numbers * copies > _MOST_NUMBERS:
        raise ValueError(
            f"layers of widths from {min(widths)} to {max(widths)} have {numbers:,} numbers, "
            f"{numbers * copies * 8e-9:,.0f} GB for {what}: fewer or smaller layers, or less of it"
        )


def check_steps(time: float, step: float | None) -> None:
    """Raise ValueError where a fixed step is too short for the time."""
    if step is not None and math.isfinite(time) and step > 0 and time / step > _MOST_STEPS:
        raise ValueError(
            f"--step {step:g} takes {time / step:.3g} steps to t = {time:g}, more than "
            f"{_MOST_STEPS:g}: a longer step, or a method with step size control"
        )
