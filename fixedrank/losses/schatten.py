r"""Weight decay as a loss of the product: :math:`\tfrac{\lambda N}{2} \sum_j s_j^{2/N}`.

It is (lambda/2) times the least |W_1|^2 + ... + |W_N|^2 of all layers with the product W, that of
balanced ones. In the metric of depth N its gradient is N lambda W and its Hessian lambda times the
identity, since (M_k, g) is a cone on which it is half the squared distance from the apex.
"""

from __future__ import annotations

import numpy as np

from fixedrank._aliases import LayersLike
from fixedrank._checks import Array, nonnegative_number
from fixedrank._shared_docs import describe
from fixedrank._shown import number
from fixedrank.geometry.factored.ambient import LowRankPair
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.metric.powers import first_differences
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.loss import IN_METRIC, LAYERS, Loss, LossSum
from fixedrank.losses.schatten_roots import finite_depth, maxwell, spinodal
from fixedrank.losses.spectral_penalty import SPECTRA, SpectralPenalty
from fixedrank.networks.layers import BALANCED, relative_imbalance


class SchattenDecay(SpectralPenalty):
    r"""Weight decay of N balanced layers, :math:`R(W) = \tfrac{\lambda N}{2} \sum_j s_j^{2/N}`.

    The Schatten-2/N quasi-norm of W, which is (lambda/2) times the least sum of the squared norms
    of layers with the product W. ``problem + SchattenDecay(weight_decay, depth)`` goes wherever a
    problem does. At N = 2 it is lambda times the nuclear norm, at N = 1 half of lambda times the
    squared Frobenius norm.

    On a :class:`FixedRank` of its own depth the gradient :math:`N \lambda W` and the Hessian,
    lambda times the identity, are closed forms without a negative power of a singular value. At
    another depth the Euclidean gradient :math:`\lambda U \operatorname{diag}(s^{2/N-1}) V^T` is
    formed, which for N > 2 is unbounded as a singular value goes to zero. A flow of a smaller depth
    comes to zero in finite time there.

    Parameters
    ----------
    weight_decay : float
        lambda >= 0: every layer has the force -lambda W_j.
    depth : float
        The depth N, a real number >= 1.

    Attributes
    ----------
    weight_decay, depth : float
        lambda and N.

    Raises
    ------
    TypeError, ValueError
        If the decay is negative or not finite, or the depth is not a finite number >= 1.

    Notes
    -----
    Of N layers :meth:`network_gradient` returns lambda W_j, the gradient where they are balanced;
    of others there is an error, as ``weight_decay=`` of flows and of descent is meant: it needs no
    balance, and of layers that are not balanced it is not a function of their product.

    Decay lowers ranks. On a manifold of a higher rank than that of the minimum optimisers come to
    the boundary: pymanopt's line searches may step onto it, a :class:`RankLostError`, trust regions
    take many steps, and :class:`~fixedrank.optimizers.LBFGS`, which goes by the embedded metric,
    may end short of the minimum. :func:`riemannian_flow` goes on at lower rank; take the rank that
    it leaves for the manifold. At N = 2 :func:`dual_certificate` says how far from the minimum of
    all ranks a matrix is.

    References
    ----------
    F. Shang, Y. Liu, J. Cheng, "Unified scalable equivalent formulations for Schatten
    quasi-norms", 2016, for the least sum of squares.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> decay = fixedrank.SchattenDecay(0.5, 2)
    >>> decay.loss(np.diag([3.0, 1.0]))
    2.0
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0])) + decay
    >>> start = fixedrank.FixedRank(2, 2, 2, depth=2).point(np.eye(2))
    >>> fixedrank.riemannian_flow(problem, start, 2, [0, 50]).singular_values[-1].round(6)
    array([2.5, 0.5])
    """

    infimum = 0.0

    def __init__(self, weight_decay: float, depth: float) -> None:
        self.weight_decay = nonnegative_number("weight_decay", weight_decay)
        self.depth = finite_depth(depth)

    @property
    def spinodal(self) -> tuple[float, float]:
        r"""(s*, b*) on white data with c = 1: the least b with a minimum at s > 0, and this s.

        For N > 2 :math:`s^* = (\lambda (N-2)/N)^{N/(2N-2)}`,
        :math:`b^* = s^* (2N-2)/(N-2)`; at N = 2 (0, lambda), below (0, 0). For other c divide
        lambda and b by c.
        """
        return spinodal(self.weight_decay, self.depth)

    @property
    def maxwell(self) -> tuple[float, float]:
        r"""(s_t, b_t) on white data with c = 1: the b from which on a singular value is kept.

        There zero and s_t are as good. For N > 2 :math:`s_t = (\lambda (N-2))^{N/(2N-2)}`,
        :math:`b_t = s_t (N-1)/(N-2)`; at N = 2 (0, lambda), below (0, 0). For other c divide
        lambda and b by c.
        """
        return maxwell(self.weight_decay, self.depth)

    def _shown_title(self) -> str:
        return f"{self._name}: weight decay {number(self.weight_decay)} at depth {self.depth:g}"

    # A penalty of singular values

    def values(self, s: Array) -> Array:
        """Return (lambda N / 2) s^(2/N)."""
        return np.asarray(self.weight_decay * self.depth / 2 * s ** (2 / self.depth))

    def slopes(self, s: Array) -> Array:
        """Return lambda s^(2/N - 1)."""
        return np.asarray(self.weight_decay * s ** (2 / self.depth - 1))

    def divided_slopes(self, s: Array) -> Array:
        """Return the first divided differences of the slopes, without a difference at ties."""
        # They are those of squares: of s^2 and a power half as large they would overflow.
        return self.weight_decay * first_differences(np.sqrt(s), 2 / self.depth - 1)

    @property
    def _price_of_rank(self) -> float:  # type: ignore[override]
        if self.depth < 2 or self.weight_decay == 0:
            return 0.0
        return self.weight_decay if self.depth == 2 else np.inf

    # On its own depth

    def riemannian_gradient(
        self, point: FixedRankPoint, metric: SpectralMetric
    ) -> FixedRankTangentVector | None:
        """Return N lambda W in the metric of depth N, None in others."""
        if metric.depth != self.depth:
            return None
        u, s, vt = point
        core = np.diag(self.depth * self.weight_decay * s)
        return FixedRankTangentVector(np.zeros(u.shape), core, np.zeros(vt.T.shape))

    def riemannian_hessian(
        self, point: FixedRankPoint, metric: SpectralMetric, Z: FixedRankTangentVector
    ) -> FixedRankTangentVector | None:
        """Return lambda Z in the metric of depth N, None in others."""
        return None if metric.depth != self.depth else self.weight_decay * Z

    def network_gradient(self, factors: LayersLike) -> list[Array]:
        """Return lambda W_j for N balanced layers; of another number the gradient by the product.

        Raises
        ------
        ValueError
            If N layers are not balanced.
        """
        layers = self.checked_layers(factors)
        if len(layers) != self.depth:
            return super().network_gradient(layers)
        imbalance = relative_imbalance(layers)
        if imbalance > BALANCED:
            raise ValueError(
                f"the gradient of a SchattenDecay of depth {len(layers)} is lambda W_j for "
                f"balanced layers only, and these are not: their imbalance is {imbalance:.1e} "
                "relative to the largest layer (steps of descent make some); use "
                f"weight_decay={self.weight_decay:g} of the flow or of gradient_descent in place "
                "of a loss"
            )
        return [self.weight_decay * layer for layer in layers]


describe(SchattenDecay, SPECTRA, IN_METRIC, LAYERS)


class _Zero(Loss):
    """The loss that is zero."""

    infimum = 0.0

    def loss(self, W: object) -> float:
        return 0.0

    def gradient(self, W: object) -> LowRankPair:
        u, _, vt = FixedRankPoint(*W)  # type: ignore[misc]
        return LowRankPair(np.zeros((len(u), 1)), np.zeros((vt.shape[1], 1)))

    def gradient_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        return (
            np.zeros((left.shape[0], right.shape[1])),
            np.zeros((right.shape[0], left.shape[1])),
        )


def split_decay(problem: Loss, depth: float) -> tuple[Loss, float]:
    """Return the loss without its terms of weight decay of this depth, and their total decay."""
    terms = problem.terms if isinstance(problem, LossSum) else ((1.0, problem),)
    decay, rest = 0.0, []
    for factor, loss in terms:
        if isinstance(loss, SchattenDecay) and loss.depth == depth:
            decay += factor * loss.weight_decay
        else:
            rest.append((factor, loss))
    if len(rest) == len(terms):
        return problem, 0.0
    if not rest:
        return _Zero(), decay
    if len(rest) == 1 and rest[0][0] == 1:
        return rest[0][1], decay
    return LossSum(*rest), decay
