"""Steps of Langevin dynamics by Euler's method in W, as a warning: near zero it is biased."""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.stacks import transposed
from fixedrank.geometry.metric.depth import DepthMetric
from fixedrank.thermodynamics.entropy import entropy_drift
from fixedrank.thermodynamics.law import Law
from fixedrank.thermodynamics.roots import Roots


class Euler:
    r"""Steps W + h drift + sqrt(2 T h) A^(1/2) xi, back to the nearest matrix of rank k.

    The drift is -A(G) + T (N - 1) U s^(1-2/N) V^T, less N lambda W, plus T times the gradient of
    the entropy.

    Parameters
    ----------
    law : Law
        The law.
    start : Roots
        The roots at the start.

    Attributes
    ----------
    shortened : ndarray, shape (copies,)
        Zeros: no step is shortened.
    """

    def __init__(self, law: Law, start: Roots) -> None:
        self.law, self.metric = law, DepthMetric(law.depth)
        self.shortened = np.zeros(len(start.sigma), dtype=np.int64)

    def step(self, roots: Roots, h: float, generator: np.random.Generator) -> Roots:
        """Return the roots after a step of size h."""
        law, (u, sigma, v) = self.law, roots
        depth = law.depth
        s = sigma**depth
        gv, gtu = law.gradient(u, sigma, v)
        weights, normal = self.metric.tangential(s), self.metric.normal(s)[0][:, None, :]
        unit = math.sqrt(2 * law.temperature) * math.sqrt(h)
        middle = transposed(u) @ gv
        core = unit * np.sqrt(weights) * generator.standard_normal(weights.shape)
        core -= h * weights * middle
        np.einsum("cii->ci", core)[:] += s + h * (
            law.temperature * (depth - 1) * sigma ** (depth - 2) - depth * law.weight_decay * s
        )
        if law.widths is not None:
            np.einsum("cii->ci", core)[:] += h * law.temperature * entropy_drift(s, law.widths)
        sides = []
        for frame, along in ((u, gv - u @ middle), (v, gtu - v @ transposed(middle))):
            away = generator.standard_normal(frame.shape)
            away -= frame @ (transposed(frame) @ away)
            sides.append(unit * np.sqrt(normal) * away - h * normal * along)
        u, s, v = _nearest(u, v, core, *sides)
        return Roots(u, s ** (1 / depth), v)


def _nearest(u: Array, v: Array, core: Array, up: Array, vp: Array) -> tuple[Array, Array, Array]:
    """Return the best approximation of rank k of U core V^T + Up V^T + U Vp^T."""
    k = core.shape[1]
    (left, on_left), (right, on_right) = np.linalg.qr(up), np.linalg.qr(vp)
    zero = np.zeros((len(core), on_left.shape[1], on_right.shape[1]))
    inner = np.concatenate(
        (
            np.concatenate((core, transposed(on_right)), axis=2),
            np.concatenate((on_left, zero), axis=2),
        ),
        axis=1,
    )
    first, s, second = np.linalg.svd(inner)
    first, second = first[:, :, :k], transposed(second)[:, :, :k]
    u = u @ first[:, :k] + left @ first[:, k:]
    v = v @ second[:, :k] + right @ second[:, k:]
    return u, s[:, :k], v
