"""The entropy of a matrix: the volume of the balanced layers that have it as product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fixedrank._aliases import PointLike
from fixedrank._checks import Array, round_off
from fixedrank._shared_docs import LAYERS, describe
from fixedrank._shown import some
from fixedrank.flows.many.starts import flattened_points
from fixedrank.geometry.factored.points import (
    FixedRankPoint,
    FixedRankTangentVector,
)
from fixedrank.geometry.metric.christoffel import christoffel
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.loss import IN_METRIC
from fixedrank.losses.spectral_penalty import (
    SPECTRA,
    SpectralFunction,
    moved_core,
    positive_part,
)
from fixedrank.networks.initial import checked_widths, require_fitting
from fixedrank.thermodynamics.entropy import (
    entropy_drift,
    kept_slopes,
    log_slopes,
    log_volume,
)


def log_fibre_volume(point: PointLike, widths: Sequence[int]) -> Any:
    r"""Return the entropy S(W), ln of the volume of all balanced layers with the product W.

    They are one orbit of the orthogonal groups of the hidden layers, a product of Stiefel
    manifolds, in the space of the layers with its Euclidean metric. With :math:`p = s^{2/N}` and
    the weights :math:`c_{ab}` of the metric of depth N the volume is

    .. math:: \prod_{j=1}^{N-1} \Bigl( \operatorname{Vol} \mathrm{St}(d_j, k)
        \prod_a (2 p_a)^{(d_j - k)/2} \Bigr) \, 2^{(N-1) k (k-1)/4} \prod_{a<b} c_{ab}^{1/2}.

    Parameters
    ----------
    point : FixedRankPoint or tuple (u, s, vt)
        The point W; or many, arrays of shapes (..., m, k), (..., k), (..., k, n), as those of
        :meth:`FixedRank.random_gibbs` and :class:`LangevinTrajectory`.
    widths : sequence of int
        The widths [d_0, ..., d_N], each at least k, with d_0 = n and d_N = m: N layers.

    Returns
    -------
    float, or ndarray of shape (...)
        The logarithm of the volume, of dimension sum_j (d_j k - k (k+1) / 2). Without hidden layers
        it is 0: W has one layer, the fibre is a point.

    Raises
    ------
    TypeError, ValueError
        If the point is not one, or a width is below k or disagrees with W.

    Notes
    -----
    Under isotropic noise on balanced layers W moves as if S T were added to minus its loss: see
    :class:`FreeEnergy`.

    References
    ----------
    G. Menon, "The geometry of the deep linear network", 2024, where all widths are k = m = n.

    Examples
    --------
    >>> import math, fixedrank
    >>> point = fixedrank.FixedRank(1, 1, 1, depth=2).point([[4.0]])
    >>> S = fixedrank.log_fibre_volume(point, [1, 2, 1])  # a circle of radius sqrt(2 * 4)
    >>> round(math.exp(2 * S) / math.pi**2, 9)
    32.0
    """
    (u, s, vt), axes = flattened_points(point)
    sizes = checked_widths(widths)
    require_fitting(sizes, (u.shape[1], vt.shape[2]), s.shape[1])
    values = log_volume(s, sizes)
    return values.reshape(axes) if axes else float(values[0])


class FibreEntropy(SpectralFunction):
    r"""Minus the entropy S of :func:`log_fibre_volume`, as a loss.

    On a :class:`FixedRank` of the depth N, the number of layers, the gradient and the Hessian are
    formed without a negative power of a singular value: the gradient of S is

    .. math:: U \operatorname{diag}(2 s_a \, \partial S / \partial p_a) V^T, \qquad
        \frac{\partial S}{\partial p_a} = \frac12 \sum_{b \ne a} \frac{\partial \ln c_{ab}}
        {\partial p_a} + \sum_j \frac{d_j - k}{2 p_a}.

    It points to larger singular values. Hidden widths above k keep W from lower rank, where S
    tends to minus infinity. S of a matrix of another rank is the volume of a fibre of another
    dimension: where the rank changes it jumps, and singular values that are round-off beside the
    largest count as zero.

    Parameters
    ----------
    widths : sequence of int
        The widths [d_0, ..., d_N] of N layers.

    Attributes
    ----------
    widths : tuple of int
        The widths.
    depth : int
        The number N of layers.
    shape : tuple of int
        (m, n) = (d_N, d_0), the shape of W.

    Raises
    ------
    TypeError, ValueError
        If widths are not at least two positive integers; where a matrix has a higher rank than the
        smallest of them, or another shape.

    Examples
    --------
    >>> import fixedrank
    >>> entropy = fixedrank.FibreEntropy([3, 5, 4])
    >>> manifold = fixedrank.FixedRank(4, 3, 1, depth=2)
    >>> point = manifold.random_point(rng=0)
    >>> entropy.loss(point) == -fixedrank.log_fibre_volume(point, [3, 5, 4])
    True
    >>> entropy.riemannian_gradient(point, manifold.metric).M.round(9)  # -(d_1 - k) s^(1-2/N)
    array([[-4.]])
    """

    shape: tuple[int, int]

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = tuple(checked_widths(widths))
        self.depth = len(self.widths) - 1
        self.shape = (self.widths[-1], self.widths[0])

    def _shown_title(self) -> str:
        m, n = self.shape
        return f"{self._name}: minus the entropy of {m}x{n} matrices, N = {self.depth} layers"

    def _shown_facts(self) -> dict[str, str]:
        return {"widths": some([str(width) for width in self.widths])}

    # A matrix of lower rank has a fibre of lower dimension.
    @property
    def _price_of_rank(self) -> float:  # type: ignore[override]
        return math.inf if self.depth > 1 else 0.0

    # A function of singular values

    def value(self, s: Array) -> float:
        """Return minus the entropy, -S."""
        self._require_rank(s)
        return -float(log_volume(s, self.widths))

    def slopes(self, s: Array) -> Array:
        """Return the derivatives -dS/ds of minus the entropy."""
        self._require_rank(s)
        return np.asarray(-log_slopes(s, self.widths) / s)

    def _moved(self, s: Array, core: Array) -> Array:
        return -self._derivative(s, -1, core)

    def _derivative(self, s: Array, power: float, core: Array) -> Array:
        """Return the part C of the derivative of U diag(s^power dS/d(ln s)) V^T."""
        at = kept_slopes(s.tobytes(), self.widths, power)
        result = moved_core(s, at.values, at.divided, core)
        result.flat[:: s.size + 1] = at.along(core.diagonal())
        return result

    def _require_rank(self, s: Array) -> None:
        require_fitting(self.widths, self.shape, s.size)

    def _positive_part(self, W: Any) -> FixedRankPoint:
        # Layers may be wider than the rank of their product, whose round-off is left then.
        point = super()._positive_part(W)
        largest = float(point.s.max(initial=0.0))
        return self._checked(positive_part(point, round_off(max(self.shape), largest)))

    def _checked(self, point: FixedRankPoint) -> FixedRankPoint:
        u, s, vt = point
        require_fitting(self.widths, (u.shape[0], vt.shape[1]), s.size)
        return point

    # On its own depth

    def riemannian_gradient(
        self, point: FixedRankPoint, metric: SpectralMetric
    ) -> FixedRankTangentVector | None:
        """Return -U diag(2 s dS/dp) V^T in the metric of depth N, None in others."""
        return None if metric.depth != self.depth else -self._ascent(point)

    def riemannian_hessian(
        self, point: FixedRankPoint, metric: SpectralMetric, Z: FixedRankTangentVector
    ) -> FixedRankTangentVector | None:
        """Return the covariant derivative of the gradient in the metric of depth N, None in others.

        It is that of U diag(2 s dS/dp) V^T as a matrix, and the Christoffel term.
        """
        if metric.depth != self.depth:
            return None
        s, field = point.s, self._ascent(point)
        core = self.depth * self._derivative(s, 1 - 2 / self.depth, Z.M)
        ratios = field.M.diagonal() / s
        moved = FixedRankTangentVector(Z.Up * ratios, core, Z.Vp * ratios)
        return -moved - christoffel(point, Z, field, metric, may_vanish=True)

    def _ascent(self, point: FixedRankPoint) -> FixedRankTangentVector:
        """Return the Riemannian gradient of S."""
        u, s, vt = self._checked(point)
        core = np.diag(entropy_drift(s, self.widths))
        return FixedRankTangentVector(np.zeros(u.shape), core, np.zeros(vt.T.shape))


describe(FibreEntropy, SPECTRA, IN_METRIC, LAYERS)
