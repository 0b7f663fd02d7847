"""Two metrics as users would write them: f(x) = ln(1 + x), and that of unbalanced two layers."""

import numpy as np

from fixedrank import SpectralMetric

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(60)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


class Logarithmic(SpectralMetric):
    """f(x) = ln(1 + x), whose differences are integrals of products of 1 / (1 + x t), t < 1."""

    def _resolvents(self, s):
        x = s**2
        largest = x.max(axis=-1, keepdims=True)
        growth = np.log1p(largest)
        t = np.expm1(growth * _NODES) / largest
        weights = _WEIGHTS * growth * (1 + largest * t) / largest
        return 1 / (1 + x[..., None] * t[..., None, :]), t, weights

    def tangential(self, s):
        r, _, weights = self._resolvents(s)
        return 1 / ((r * weights[..., None, :]) @ r.swapaxes(-1, -2))

    def normal(self, s):
        weights = s**2 / np.log1p(s**2)
        return weights, weights

    def second(self, s):
        r, t, weights = self._resolvents(s)
        return -np.einsum("...q,...iq,...jq,...lq->...ijl", weights * t, r, r, r)

    def first(self, s):
        r, t, weights = self._resolvents(s)
        differences = -(r * (weights * t)[..., None, :]) @ r.swapaxes(-1, -2)
        return differences, differences


class TwoLayers(SpectralMetric):
    """That of two layers with W_2^T W_2 - W_1 W_1^T = imbalance I: s^2 = x (x + imbalance)."""

    def __init__(self, imbalance):
        self.imbalance = imbalance

    def _sizes(self, s):
        return np.sqrt(self.imbalance**2 + 4 * s**2)

    def tangential(self, s):
        rho = self._sizes(s)
        return (rho[..., :, None] + rho[..., None, :]) / 2

    def normal(self, s):
        rho = self._sizes(s)
        return (rho - self.imbalance) / 2, (rho + self.imbalance) / 2

    def second(self, s):
        c = self.tangential(s)
        return -1 / (c[..., :, :, None] * c[..., None, :, :] * c[..., :, None, :])

    def first(self, s):
        rho, c = self._sizes(s), self.tangential(s)
        left, right = rho - self.imbalance, rho + self.imbalance
        return tuple(-4 / (side[..., :, None] * side[..., None, :] * c) for side in (left, right))
