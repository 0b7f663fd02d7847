r"""The law exp(-(L + lambda r^2/2 - T S)/T) dvol_g on M_k, as its dynamics ask for it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fixedrank._checks import Array
from fixedrank.losses.loss import Loss
from fixedrank.thermodynamics.entropy import log_slopes


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

    def gradient(self, u: Array, sigma: Array, v: Array) -> tuple[Array, Array]:
        """Return the products G V and G^T U of the gradients of the loss at some roots."""
        s = sigma**self.depth
        core = np.zeros((*s.shape, s.shape[1]))
        np.einsum("cii->ci", core)[:] = s
        return self.problem._stacked_products(u, core, v)

    def pair_force(self, sigma: Array) -> Array | None:
        """Return by what the entropy of pairs moves sigma, None where there is none.

        It is T/N times the derivative of ln prod_(a<b) c_ab^(1/2), and T/sigma that in ln s.
        """
        if self.widths is None or self.k == 1:
            return None
        pairs = (self.k,) * len(self.widths)
        return self.temperature / sigma * log_slopes(sigma**self.depth, pairs)
