"""How much memory may still be taken, and how much some results hold."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_SYSTEM = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def free_memory() -> float:
    """Return how many bytes may still be taken, at most; infinity where the system is silent."""
    return min(_of_the_system(), _of_the_group())


def held(value: Any) -> int:
    """Return the bytes of arrays in nested tuples, lists and mappings, and of other objects."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if isinstance(value, Mapping):
        return sum(map(held, value.values()))
    if isinstance(value, (tuple, list)):
        return sum(map(held, value))
    return sys.getsizeof(value)


def _of_the_system() -> float:
    try:
        lines = _SYSTEM.read_text().splitlines()
        return next(1024.0 * int(line.split()[1]) for line in lines if "MemAvailable" in line)
    except (OSError, ValueError, StopIteration):
        return _built_in()


def _built_in() -> float:
    """Return the memory of the machine, whoever has it."""
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(names):
        return math.inf
    return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _of_the_group() -> float:
    """Return what is left of the limit of a container; files in its cache give way."""
    try:
        limit, taken, known = (
            (_GROUP / name).read_text() for name in ("memory.max", "memory.current", "memory.stat")
        )
        cached = (int(line.split()[1]) for line in known.splitlines() if "inactive_file" in line)
        return float(int(limit) - int(taken) + sum(cached))
    except (OSError, ValueError):
        return math.inf
