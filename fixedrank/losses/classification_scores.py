r"""Cross-entropy as a function of scores, to relative accuracy at any margin.

For a sample with the label y let g_c = z_c - z_y be the gaps of its scores, c any other class. Then

    loss = ln(1 + sum_c exp(g_c)),   p_c = exp(g_c - loss),

where p_c is the probability of a wrong class. All that is asked for is a sum of positive terms: the
slopes with respect to the scores are p_c and, at the label, -sum_c p_c; no probability near one is
subtracted from one. Of labels -1 and +1 there is one score z and one gap, -y z.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array

# Below it ln(1 + e^x) is e^x in floating point.
_FAINT = -38.0


class Labels(NamedTuple):
    """The labels of samples, and how many scores there are; scores may have axes in front."""

    values: NDArray[np.intp]
    rows: int

    @property
    def signs(self) -> bool:
        """Whether labels are -1 and +1, with one score for both."""
        return self.rows == 1

    def gaps(self, scores: Array) -> Array:
        """Return the scores of the classes less that of the label, which leaves a zero there."""
        if self.signs:
            return -self.values * scores
        index = np.broadcast_to(self.values, (*scores.shape[:-2], 1, self.values.size))
        return scores - np.take_along_axis(scores, index, -2)

    def slopes(self, weights: Array) -> Array:
        """Return the slopes with respect to the scores of the sum of gaps times weights."""
        if self.signs:
            return -self.values * weights
        slopes = weights.copy()
        slopes[..., self.values, np.arange(self.values.size)] = -weights.sum(-2)
        return slopes

    def wrong(self, gaps: Array) -> Array:
        """Return gaps, of the labels themselves minus infinity."""
        if not self.signs:
            gaps[..., self.values, np.arange(self.values.size)] = -np.inf
        return gaps


class Entropy:
    """The cross-entropy of scores with labels.

    Attributes
    ----------
    gaps : ndarray, shape (..., K, samples)
        The gaps, minus infinity at the label.
    losses : ndarray, shape (..., samples)
        The losses of the samples.
    """

    def __init__(self, labels: Labels, scores: Array) -> None:
        self.labels, self.gaps = labels, labels.wrong(labels.gaps(scores))
        largest = self.gaps.max(-2)
        # With the largest gap taken out the sum is at least one.
        total = np.exp(self.gaps - largest[..., None, :]).sum(-2)
        self.exponents = largest + np.log(total)
        self.losses = np.logaddexp(0.0, self.exponents)

    def wrong(self, unit: float = 0.0) -> Array:
        """Return the probabilities of wrong classes, divided by exp(unit)."""
        return np.exp(self.gaps - self.losses[..., None, :] - unit)

    def slopes(self, unit: float = 0.0) -> Array:
        """Return the slopes with respect to the scores, divided by exp(unit)."""
        return self.labels.slopes(self.wrong(unit))

    def moved(self, directions: Array) -> Array:
        """Return the derivative of the slopes along directions of the scores."""
        gaps, wrong = self.labels.gaps(directions), self.wrong()
        return self.labels.slopes(wrong * (gaps - (wrong * gaps).sum(-2, keepdims=True)))

    def logarithm(self) -> float:
        """Return the logarithm of the sum of the losses, which itself may underflow."""
        x = self.exponents
        logarithms = np.where(x < _FAINT, x, np.log(np.logaddexp(0.0, np.maximum(x, _FAINT))))
        return float(np.logaddexp.reduce(logarithms))
