"""The squared singular values of all layers of one imbalance, from those of their product."""

from __future__ import annotations

import functools

import numpy as np

from fixedrank._checks import Array

# Newton's error after a step of this relative size is below its square.
_LAST_STEP = 1e-8
# From where it begins, less than ten steps lead there.
_STEPS = 60


# The tables of one point are asked for one after another.
@functools.lru_cache(maxsize=4)
def squares_of_layers(values: bytes, shape: tuple[int, ...], offsets: tuple[float, ...]) -> Array:
    """Return y + offset_j for the s whose bytes these are, with the axis of layers first."""
    y = _roots(np.frombuffer(values).reshape(shape), offsets)
    squares = np.asarray(y + np.array(offsets).reshape(-1, *[1] * y.ndim))
    squares.flags.writeable = False
    return squares


def _roots(s: Array, offsets: tuple[float, ...]) -> Array:
    """Return the positive root y of prod_j (y + offset_j) = s^2, with one offset of zero.

    In logarithms the product is convex and increasing, so that Newton's method falls to the root
    from above. It begins at the least of the roots where some factors are y and the others their
    offsets: there the product is at most 2^N times too large.
    """
    ascending = np.sort(offsets)
    with np.errstate(divide="ignore", invalid="ignore"):
        if ascending.size == 2:
            y = s * (2 * s / (np.hypot(ascending[1], 2 * s) + ascending[1]))
            return np.where(s == 0, 0, y)
        logs = np.log(ascending)
        behind = np.append(np.cumsum(logs[::-1])[-2::-1], 0.0)
        counts = np.arange(1, ascending.size + 1)
        y = np.exp(((2 * np.log(s)[..., None] - behind) / counts).min(axis=-1))
        mantissa, exponent = np.frexp(s)
        for _ in range(_STEPS):
            q = y[..., None] + ascending
            mantissas, exponents = np.frexp(q)
            ratio = mantissas.prod(axis=-1) / mantissa**2
            excess = np.log(np.ldexp(ratio, exponents.sum(axis=-1) - 2 * exponent))
            step = excess / (y[..., None] / q).sum(axis=-1)
            y = y * np.exp(-step)
            if not (np.abs(step) > _LAST_STEP).any():
                break
    return np.where(s == 0, 0, y)
