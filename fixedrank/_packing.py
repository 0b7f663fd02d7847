"""Arrays in one vector, one after another, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fixedrank._checks import Array


def joined(arrays: Sequence[Array]) -> Array:
    """Return the entries of arrays in one vector, each array in C order."""
    return np.concatenate([array.ravel() for array in arrays])


def bounds_of(shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """Return where arrays of these shapes begin in their vector, and where it ends."""
    return np.cumsum([0, *(math.prod(shape) for shape in shapes)]).tolist()


def split(vector: Array, shapes: Sequence[tuple[int, ...]], bounds: Sequence[int]) -> list[Array]:
    """Return views of the arrays in a vector, or of stacks of them in the last axis of an array."""
    leading = vector.shape[:-1]
    return [
        vector[..., start:end].reshape(*leading, *shape)
        for start, end, shape in zip(bounds, bounds[1:], shapes, strict=False)
    ]
