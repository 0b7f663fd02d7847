"""How far layers are from balanced, one after the other, and layers of a given imbalance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import overload

import numpy as np

from fixedrank._aliases import LayersLike, PointLike
from fixedrank._checks import Array, Seed
from fixedrank._shared_docs import LAYERS, POINTS, RANDOM, describe
from fixedrank._shown import Displayed, counted, number, some
from fixedrank.geometry.factored.orthonormal import orthonormal_columns
from fixedrank.geometry.factored.points import checked_point
from fixedrank.geometry.metric.imbalanced import ImbalancedMetric
from fixedrank.networks.layers import BALANCED, checked_factors, differences, largest_norm


class Imbalances(Displayed, Sequence[Array]):
    r"""The matrices :math:`D_j = W_{j+1}^T W_{j+1} - W_j W_j^T` of layers, j = 1, ..., N - 1.

    It is a sequence of them, and what :func:`imbalance` returns. Gradient flow keeps them all.

    Attributes
    ----------
    homogeneous : tuple of float or None
        The numbers lambda_j where every D_j is lambda_j I, and zero where D_j is zero, both up to
        1e-10 of the square of the largest norm of a layer; else None. With hidden widths that are
        the rank of the product, it then moves by :class:`ImbalancedMetric`.
    defects : tuple of float
        The norms :math:`|D_j - \lambda_j I|_F`, with lambda_j the mean of the diagonal of D_j.

    Examples
    --------
    >>> import fixedrank
    >>> found = fixedrank.imbalance([[[1.0], [0.0]], [[2.0, 0.0]]])
    >>> found[0]
    array([[3., 0.],
           [0., 0.]])
    >>> found.homogeneous is None, round(found.defects[0], 4)
    (True, 2.1213)
    """

    def __init__(self, matrices: Sequence[Array], scale: float) -> None:
        self._matrices = tuple(matrices)
        means = [float(np.trace(part)) / len(part) for part in self._matrices]
        self.defects: tuple[float, ...] = tuple(
            float(np.linalg.norm(part - mean * np.eye(len(part))))
            for part, mean in zip(self._matrices, means, strict=True)
        )
        near = BALANCED * scale
        self.homogeneous: tuple[float, ...] | None = None
        if all(defect <= near for defect in self.defects):
            self.homogeneous = tuple(0.0 if abs(mean) <= near else mean for mean in means)

    def __len__(self) -> int:
        return len(self._matrices)

    @overload
    def __getitem__(self, index: int) -> Array: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Array, ...]: ...

    def __getitem__(self, index: int | slice) -> Array | tuple[Array, ...]:
        return self._matrices[index]

    def _shown_title(self) -> str:
        return f"Imbalances of {counted(len(self) + 1, 'layer')}"

    def _shown_facts(self) -> Mapping[str, str]:
        if self.homogeneous is None:
            return {"|D_j - lambda_j I|": some([number(defect) for defect in self.defects])}
        return {"lambda_j": some([number(value) for value in self.homogeneous])}


def imbalance(factors: LayersLike) -> Imbalances:
    r"""Return the matrices :math:`D_j = W_{j+1}^T W_{j+1} - W_j W_j^T` of layers.

    Gradient flow (5) keeps them, weight decay shrinks them; balanced layers (Definition 2) are
    those for which all are zero. :func:`balancedness` is the largest of their norms.

    Returns
    -------
    Imbalances
        A sequence of D_1, ..., D_{N-1}, which says whether they are multiples of the identity.

    Examples
    --------
    >>> import fixedrank
    >>> fixedrank.imbalance([[[1.0]], [[2.0]], [[2.0]]]).homogeneous
    (3.0, 0.0)
    """
    layers = checked_factors(factors)
    return Imbalances(differences(layers), largest_norm(layers) ** 2)


describe(imbalance, LAYERS)


def imbalanced_factors(
    point: PointLike, imbalance: Sequence[float], *, rng: Seed = None
) -> list[Array]:
    r"""Return layers of a given imbalance whose product is a given matrix of rank k.

    With W = U diag(s) V^T they are :math:`W_j = Q_j \operatorname{diag}(x + \mu_j)^{1/2}
    Q_{j-1}^T`, where Q_0 = V, Q_N = U, the k x k matrices between are random orthogonal ones,
    :math:`\mu_{j+1} = \mu_j + \lambda_j`, :math:`\mu_1 = 0`, and x is the largest root of
    :math:`\prod_j (x + \mu_j) = s^2`. All hidden widths are k: no wider layers with an imbalance
    other than zero have a product of this rank.

    Parameters
    ----------
    imbalance : sequence of float
        The N - 1 numbers lambda_j, in units of s^(2/N).

    Returns
    -------
    list of ndarray
        The layers [W_1, ..., W_N], with W_{j+1}^T W_{j+1} - W_j W_j^T = lambda_j I.

    Raises
    ------
    TypeError, ValueError
        If the point is not one, or the imbalance not a sequence of finite numbers, at least one.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> point = fixedrank.FixedRank(3, 4, 2, depth=3).random_point(rng=0)
    >>> factors = fixedrank.imbalanced_factors(point, [2.0, -0.5], rng=0)
    >>> bool(np.allclose(fixedrank.product(factors), (point.u * point.s) @ point.vt))
    True
    >>> np.round(fixedrank.imbalance(factors).homogeneous, 12)
    array([ 2. , -0.5])
    """
    u, s, vt = checked_point(point)
    roots = np.sqrt(ImbalancedMetric(imbalance).layer_squares(s))
    generator, k = np.random.default_rng(rng), s.size
    frames: list[Array] = [vt.T]
    frames += [orthonormal_columns(generator.standard_normal((k, k))) for _ in roots[1:]]
    frames.append(u)
    return [
        (outer * root) @ inner.T
        for root, (inner, outer) in zip(roots, pairwise(frames), strict=True)
    ]


describe(imbalanced_factors, POINTS, RANDOM)
