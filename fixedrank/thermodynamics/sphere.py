"""Frames whose columns turn out of their range, as by Brownian motion on a sphere."""

from __future__ import annotations

import numpy as np
from scipy.special import hyp0f1

from fixedrank._checks import Array
from fixedrank.geometry.factored.stacks import transposed

# Angles that are rho to 1e-6; and dimensions in which Bessel functions go by their asymptotics.
_SMALL, _MANY = 1e-3, 100


def spread_out(frame: Array, spread: Array, generator: np.random.Generator) -> Array:
    """Return frames whose columns have left their range, by Gaussian angles so wide each."""
    if frame.shape[1] > frame.shape[2]:
        away = generator.standard_normal(frame.shape)
        away -= frame @ (transposed(frame) @ away)
        away *= spread[:, None, :]
        lengths = np.linalg.norm(away, axis=1, keepdims=True)
        cosines, sines = turned(lengths, frame.shape[1] - frame.shape[2])
        frame = cosines * frame + sines / np.maximum(lengths, np.finfo(float).tiny) * away
    # Column after column, the least noisy first; and what rounding has moved is put right.
    frame, triangle = np.linalg.qr(frame)
    return frame * np.copysign(1.0, np.einsum("cii->ci", triangle))[:, None, :]


def turned(rho: Array, d: int) -> tuple[Array, Array]:
    """Return the cosines and sines of the angles by which columns turn in d directions.

    With the length rho of d Gaussian numbers of the variance v the mean of the function
    0F1(d/2; -d rho^2 / 4), which is cos rho for d = 1, is exp(-d v / 2): that of the cosine of
    Brownian motion on the sphere at the time v.
    """
    if d > _MANY:
        # Its logarithm, to the order 1/d.
        cosines = np.exp(-(rho**2) / 2 - rho**4 / (4 * (d + 2)))
    else:
        cosines = hyp0f1(d / 2, -d / 4 * rho**2)
    cosines = np.where(rho < _SMALL, np.cos(rho), cosines)
    sines = np.sqrt(np.maximum((1 - cosines) * (1 + cosines), 0))
    return cosines, np.where(rho < _SMALL, np.sin(rho), sines)
