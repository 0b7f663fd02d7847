r"""The law exp(-(L + lambda r^2/2 - T S)/T) dvol_g on M_k, as its dynamics ask for it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fixedrank._checks import Array
from fixedrank.losses.loss import Loss


@dataclass(frozen=True)
class Law:
    """A law on the m x n matrices of rank k, in the metric of depth N.

    Attributes
    ----------
    problem : Loss
        The loss L, without decay.
    m, n, k : int
        The sizes and the rank.
    depth, temperature, weight_decay : float
        N, T and lambda.
    widths : tuple of int or None
        The widths of the layers whose entropy counts, None where none does.
    """

    problem: Loss
    m: int
    n: int
    k: int
    depth: float
    temperature: float
    weight_decay: float
    widths: tuple[int, ...] | None = None

    @property
    def further_columns(self) -> int:
        """How many more columns than rows the Gaussian matrix has whose singular values r has.

        The widths add their normal part to it: the factor prod_a p_a^((d_j - k)/2) of the volume
        of the fibre raises the dimension, as if there were so many columns more.
        """
        hidden = () if self.widths is None else self.widths[1:-1]
        return self.m + self.n - 2 * self.k + sum(width - self.k for width in hidden)

    def memory(self, h: float) -> tuple[float, float]:
        """Return what a radial step keeps, a = exp(-lambda h), and the deviation of its noise.

        This is sqrt(T (1 - a^2) / lambda), sqrt(2 T h) without decay.
        """
        rate = self.weight_decay
        variance = -math.expm1(-2 * rate * h) / rate if rate else 2 * h
        return math.exp(-rate * h), math.sqrt(self.temperature) * math.sqrt(variance)

    def slopes(self, u: Array, sigma: Array, v: Array) -> tuple[Array | None, Array, Array]:
        """Return the force on sigma that comes of the entropy, and thin products of the gradient.

        The first is -T times d/d(sigma) of ln prod_(a<b) c_ab^(1/2), over N; None without widths.
        """
        s = sigma**self.depth
        core = np.zeros((*s.shape, s.shape[1]))
        np.einsum("cii->ci", core)[:] = s
        gv, gtu = self.problem._stacked_products(u, core, v)
        return None, gv, gtu
