"""The metric of a flow as it is now: in the unit of a frame, with what is left of an imbalance."""

from __future__ import annotations

import numpy as np

from fixedrank._checks import Array
from fixedrank.flows.scales import binary_scale
from fixedrank.geometry.metric.imbalanced import ImbalancedMetric, layer_offsets
from fixedrank.geometry.metric.spectral import SpectralMetric

# Numbers up to this leave room for what is made of them.
_LARGE = 1e290
_EPS = float(np.finfo(float).eps)


class CurrentMetric:
    """A metric, of which an imbalance of layers scales with W and decays.

    Parameters
    ----------
    metric : SpectralMetric
        The metric at the start.

    Attributes
    ----------
    imbalanced : bool
        Whether it is that of imbalanced layers, and some of it is left.
    share : float
        The part of the imbalance that is left.
    """

    def __init__(self, metric: SpectralMetric) -> None:
        self.first, self.share = metric, 1.0
        self._imbalance = metric.imbalance if isinstance(metric, ImbalancedMetric) else ()
        self._kept = 1.0, metric
        # Whether it hangs on the unit of W or the time.
        self.varies = bool(self._imbalance)
        # The N by which W may have a unit of its own, as far as it is known.
        self.homogeneity = metric.layers if self._imbalance else metric.homogeneity

    @property
    def imbalanced(self) -> bool:
        """Whether the metric is one of imbalanced layers."""
        return self.varies and self.share != 0

    def unit(self, size: float) -> tuple[float, float]:
        """Return a unit for W of this size, and by what rates differ in it.

        Without homogeneity nothing is known of the metric in another unit.
        """
        if self.homogeneity is None:
            return 1.0, 1.0
        unit = np.float64(binary_scale(size))
        with np.errstate(over="ignore"):
            rate = unit ** (1 - 2 / self.homogeneity)
            if self.varies:
                largest = max(map(abs, self._imbalance)) * unit ** (-2 / self.homogeneity)
                # Beside such an imbalance W is as good as zero.
                if largest > _LARGE:
                    return 1.0, 1.0
        return float(unit), float(rate)

    def within(self, unit: float) -> SpectralMetric:
        """Return the metric of W / unit."""
        if not self._imbalance:
            return self.first
        assert isinstance(self.first, ImbalancedMetric)
        factor = self.share * unit ** (-2 / self.first.layers)
        if factor != self._kept[0]:
            self._kept = factor, self.first.decayed(factor)
        return self._kept[1]

    def passes_zero(self, m: int, n: int, k: int) -> bool:
        """Say whether singular values pass zero as smoothly as the layers do.

        They do where one layer alone has the smallest ones, and it is square.
        """
        if not self.imbalanced:
            return False
        offsets = layer_offsets(self._imbalance)
        least = offsets.index(0)
        widths = n if least == 0 else k, m if least == len(offsets) - 1 else k
        return offsets.count(0) == 1 and widths == (k, k)

    def negligible(self, s: Array, tolerance: float) -> bool:
        """Say whether what is left of the imbalance is round-off of the largest singular value.

        Or if it is within a tolerance for the smallest one.
        """
        metric = self.within(1.0)
        if not isinstance(metric, ImbalancedMetric):
            return False
        squares = metric.layer_squares(s[[0, -1]])
        allowed = squares.min(axis=0) * (_EPS, tolerance)
        return bool(np.ptp(squares[:, 0]) <= allowed.max())

    def pull(self, size: float) -> float | None:
        """Return how many times the gradient at W the gradient of a layer is at most, beside it.

        It is q^(N/2-1) with the largest square q of a layer with the singular value `size`, and
        None where it grows towards zero.
        """
        metric = self.within(1.0)
        layers = metric.layers or 0.0
        if layers < 2:
            return None
        if isinstance(metric, ImbalancedMetric):
            return float(metric.layer_squares(np.array([size])).max() ** (layers / 2 - 1))
        return float(size ** (1 - 2 / layers))

    def squared_norms(self, s: Array, width: int) -> Array:
        """Return the squared length of layers of this width with singular values s."""
        metric, missing = self.within(1.0), width - s.shape[-1]
        if not isinstance(metric, ImbalancedMetric):
            layers = metric.layers or 0.0
            return np.asarray(layers**2 * metric.radial_weights(s).sum(-1))
        return metric.squared_norms(s).sum(-1) + missing * sum(layer_offsets(metric.imbalance))

    def beside_the_product(self, s: Array, width: int) -> Array:
        """Return what the squared length of layers has beyond that of N W in this metric.

        It is zero for balanced layers.
        """
        metric = self.within(1.0)
        along = (metric.layers or 0.0) ** 2 * metric.radial_weights(s).sum(-1)
        return np.maximum(self.squared_norms(s, width) - along, 0.0)
