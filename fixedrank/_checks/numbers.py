"""Checks of single numbers that users hand in, and of sequences of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

Seed = np.random.Generator | int | None


def positive_integer(name: str, value: Any) -> int:
    """Return `value` as an int of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value)


def nonnegative_number(name: str, value: Any) -> float:
    """Return `value` as a finite float of at least 0."""
    number = _number(name, value)
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} must be finite and at least 0, got {value!r}")
    return number


def positive_number(name: str, value: Any) -> float:
    """Return `value` as a finite float above 0."""
    number = _number(name, value)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
    return number


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    return float(value)


def sizes_and_rank(m: int, n: int, k: int) -> tuple[int, int, int]:
    """Return the sizes of m x n matrices of rank k, checked, as ints."""
    rows, columns, rank = (
        positive_integer(name, value) for name, value in (("m", m), ("n", n), ("k", k))
    )
    if rank > min(rows, columns):
        raise ValueError(f"the rank k = {k} exceeds min(m, n) = min({m}, {n}) = {min(m, n)}")
    return rows, columns, rank


def real_depth(depth: Any) -> float:
    """Return the depth N, a real number of at least 1 or infinity."""
    if isinstance(depth, bool) or not isinstance(depth, (int, float, np.integer, np.floating)):
        raise TypeError(f"depth must be a real number N >= 1 or math.inf, got {depth!r}")
    number = float(depth)
    if math.isnan(number) or number < 1:
        raise ValueError(f"depth must be a real number N >= 1 or math.inf, got {depth!r}")
    return number


def integer_sequence(name: str, values: Any) -> list[int]:
    """Return `values` as a list of positive integers."""
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise TypeError(f"{name} must be a sequence of integers, got {values!r}")
    return [positive_integer(f"{name}[{i}]", value) for i, value in enumerate(values)]
