"""Derivatives of c |W - T|^2 / 2 with respect to (u, s, vt), computed in a precision of choice."""

import numpy as np


def cast(arrays, dtype):
    return [np.asarray(array, dtype=dtype) for array in arrays]


def residual(point, target, c, dtype):
    """The factors, c and c (W - T), in this precision."""
    u, s, vt = cast(point, dtype)
    (target,) = cast([target], dtype)
    return (u, s, vt), dtype(c), dtype(c) * ((u * s) @ vt - target)


def value(point, target, c=1.0, dtype=np.float32):
    _, c, G = residual(point, target, c, dtype)
    return np.sum(G * G) / c / dtype(2)


def first(point, target, c=1.0, dtype=np.float32):
    (u, s, vt), _, G = residual(point, target, c, dtype)
    along = G @ vt.T
    return along * s, np.sum(u * along, axis=0), s[:, None] * (u.T @ G)


def second(point, direction, target, c=1.0, dtype=np.float32):
    (u, s, vt), c, G = residual(point, target, c, dtype)
    du, ds, dvt = cast(direction, dtype)
    H = c * ((du * s + u * ds) @ vt + (u * s) @ dvt)
    along, moved = G @ vt.T, H @ vt.T + G @ dvt.T
    return (
        moved * s + along * ds,
        np.sum(u * moved + du * along, axis=0),
        (u * s).T @ H + (du * s + u * ds).T @ G,
    )
