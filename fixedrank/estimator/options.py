"""The parameters of the estimator, checked."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Self

import numpy as np

from fixedrank._checks import positive_integer, real_depth


class Options(NamedTuple):
    """Parameters in the form in which they are used; None is what is to be chosen."""

    rank: int
    depth: float
    ridge: float | None
    ridge_power: float
    shrinkage: float | None
    held_out: float
    tol: float
    max_iter: int
    warm_start: bool

    @classmethod
    def of(cls, estimator: Any) -> Self:
        """Return the parameters of an estimator.

        Raises
        ------
        TypeError, ValueError
            If one is of the wrong kind or out of range.
        """
        _check_clip(estimator.clip)
        held_out = _number("held_out", estimator.held_out)
        if not 0 < held_out < 1:
            raise ValueError(
                f"held_out must be a share of the ratings, between 0 and 1, got {held_out}"
            )
        shrinkage = _number_or_auto("shrinkage", estimator.shrinkage)
        return cls(
            rank=positive_integer("rank", estimator.rank),
            depth=real_depth(estimator.depth),
            ridge=_number_or_auto("ridge", estimator.ridge),
            ridge_power=_number("ridge_power", estimator.ridge_power),
            # Without biases they are shrunk to nothing.
            shrinkage=shrinkage if estimator.biases else math.inf,
            held_out=held_out,
            tol=_number("tol", estimator.tol),
            max_iter=positive_integer("max_iter", estimator.max_iter),
            warm_start=bool(estimator.warm_start),
        )


def generator(random_state: Any) -> np.random.Generator:
    """Return a generator for what scikit-learn calls a random state."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31))
    return np.random.default_rng(random_state)


def _number_or_auto(name: str, value: Any) -> float | None:
    if isinstance(value, str):
        if value != "auto":
            raise ValueError(f"{name} must be 'auto' or a number of at least 0, got {value!r}")
        return None
    return _number(name, value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be finite and at least 0, got {value!r}")
    return float(value)


def _check_clip(clip: Any) -> None:
    if clip is None or (isinstance(clip, str) and clip == "auto"):
        return
    if isinstance(clip, str) or np.shape(clip) != (2,):
        raise ValueError(
            f"clip must be None, 'auto' or the least and the greatest rating, got {clip!r}"
        )
    low, high = clip
    if not low < high:
        raise ValueError(f"clip must be the least and the greatest rating, got {clip!r}")
