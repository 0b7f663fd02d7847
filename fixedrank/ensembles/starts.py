"""Random initial layers of given widths: what the names of initialisations stand for.

A start is called with widths and a generator and returns layers. Its fields are part of the
fingerprint of an experiment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from fixedrank._checks import Array
from fixedrank.networks.initial import balanced_factors, gaussian_layers


@dataclass(frozen=True)
class GaussianStart:
    """Independent entries of standard deviation `scale`, for None 1/sqrt(d_j)."""

    scale: float | None = None

    def __call__(self, widths: Sequence[int], rng: np.random.Generator) -> list[Array]:
        """Return random layers."""
        scales = repeat(self.scale) if self.scale else (1 / math.sqrt(d) for d in widths[1:])
        return gaussian_layers(widths, scales, rng)


@dataclass(frozen=True)
class BalancedStart:
    """Balanced layers over a random W(0) of a rank, the smallest width for None.

    The singular values are uniform in [scale / 2, 3 scale / 2], for None with scale 1.
    """

    scale: float | None = None
    rank: int | None = None

    def __call__(self, widths: Sequence[int], rng: np.random.Generator) -> list[Array]:
        """Return random layers, of any widths from the rank on over the same W(0)."""
        k = self.rank or min(widths)
        u, v = (np.linalg.qr(rng.standard_normal((d, k)))[0] for d in (widths[-1], widths[0]))
        s = np.sort((self.scale or 1.0) * rng.uniform(0.5, 1.5, k))[::-1]
        return balanced_factors((u, s, v.T), list(widths), rng=rng)

    def narrowest(self, widths: Sequence[int]) -> tuple[int, ...]:
        """Return the least widths for the same product.

        It hangs on its start and the depth only (Theorem 4), and its rank stays: so all layers
        between may be as wide as the rank, and errors cannot raise it. One layer is free to.
        """
        inner = (self.rank or min(widths),) * (len(widths) - 2)
        return (widths[0], *inner, widths[-1])
