"""Initial layers: balanced lifts of a matrix, and the paper's random initialisations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fixedrank._aliases import PointLike
from fixedrank._checks import (
    Array,
    RankLostError,
    Seed,
    integer_sequence,
    numerical_rank,
    real_array,
)
from fixedrank._shared_docs import LAYERS, RANDOM, describe
from fixedrank.geometry.factored.orthonormal import orthonormal_columns, point_of
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point
from fixedrank.geometry.metric.imbalanced import layer_offsets
from fixedrank.networks.gradients import narrow_partial_products
from fixedrank.networks.layers import checked_factors


def checked_widths(widths: Sequence[int]) -> list[int]:
    """Return the widths of at least one layer as ints."""
    checked = integer_sequence("widths", widths)
    if len(checked) < 2:
        raise ValueError(f"widths must be [d_0, ..., d_N] with N >= 1 layers, got {checked}")
    return checked


def require_fitting(widths: Sequence[int], shape: tuple[int, int], rank: int) -> None:
    """Raise a ValueError unless layers of these widths can have a product of this kind."""
    d_y, d_x = shape
    if (widths[0], widths[-1]) != (d_x, d_y):
        raise ValueError(
            f"widths must run from d_0 = {d_x} to d_N = {d_y} for a {d_y}x{d_x} matrix, got "
            f"{list(widths)}"
        )
    if min(widths) < rank:
        raise ValueError(
            f"widths {list(widths)} do not admit a matrix of rank {rank}: "
            f"the smallest, {min(widths)}, is below the rank"
        )


def balanced_factors(
    point: PointLike,
    widths: Sequence[int],
    *,
    rng: Seed = None,
) -> list[Array]:
    r"""Return balanced layers whose product is a given matrix of rank k.

    With W = U diag(s) V^T the layers are :math:`W_j = O_j \operatorname{diag}(s^{1/N}) O_{j-1}^T`,
    where O_0 = V, O_N = U, and the d_j x k matrices between have random orthonormal columns.

    Parameters
    ----------
    point : FixedRankPoint or tuple (u, s, vt)
        The matrix W, with arrays of shapes (d_N, k), (k,), (k, d_0).
    widths : sequence of int
        The widths [d_0, ..., d_N], each at least k; d_0 and d_N as W has them.

    Returns
    -------
    list of ndarray
        The layers [W_1, ..., W_N]; W_j has shape (d_j, d_{j-1}).

    Raises
    ------
    TypeError, ValueError
        If the point is not one, or a width is below k or disagrees with W.

    References
    ----------
    Definition 2 of the paper.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> point = fixedrank.FixedRank(3, 4, 2, depth=3).random_point(rng=0)
    >>> factors = fixedrank.balanced_factors(point, [4, 2, 5, 3], rng=0)
    >>> bool(np.allclose(fixedrank.product(factors), (point.u * point.s) @ point.vt))
    True
    >>> fixedrank.balancedness(factors) < 1e-14
    True
    """
    u, s, vt = checked_point(point)
    sizes = checked_widths(widths)
    require_fitting(sizes, (u.shape[0], vt.shape[1]), s.size)
    generator = np.random.default_rng(rng)
    depth = len(sizes) - 1
    roots = s ** (1 / depth)
    frames = [orthonormal_columns(generator.standard_normal((d, s.size))) for d in sizes[1:-1]]
    frames = [vt.T, *frames, u]
    return [(outer * roots) @ inner.T for inner, outer in pairwise(frames)]


describe(balanced_factors, RANDOM)


def random_balanced_factors(widths: Sequence[int], *, rng: Seed = None) -> list[Array]:
    r"""Return the paper's random balanced layers, all of whose nonzero singular values are 1.

    :math:`W_j(0) = V_j I_{d_j r} U_{j-1}^T` with random orthogonal V_j, of which U_j holds the
    first r = min(widths) columns (appendix B.1, where d_1 = r).

    Returns
    -------
    list of ndarray
        The layers [W_1, ..., W_N]; W_j has shape (d_j, d_{j-1}) and rank r.

    Raises
    ------
    TypeError, ValueError
        If widths are not at least two positive integers.

    References
    ----------
    Appendix B.1 of the paper.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> factors = fixedrank.random_balanced_factors([4, 2, 3], rng=0)
    >>> np.round(np.linalg.svd(fixedrank.product(factors))[1], 12)
    array([1., 1., 0.])
    """
    sizes = checked_widths(widths)
    generator = np.random.default_rng(rng)
    rank = min(sizes)
    frames = [orthonormal_columns(generator.standard_normal((d, rank))) for d in sizes]
    return [outer @ inner.T for inner, outer in pairwise(frames)]


describe(random_balanced_factors, LAYERS, RANDOM)


def gaussian_factors(
    widths: Sequence[int], *, scale: float | Sequence[float] | None = None, rng: Seed = None
) -> list[Array]:
    """Return layers with independent Gaussian entries of mean zero: in general not balanced.

    Parameters
    ----------
    scale : float, sequence of N floats, or None
        The standard deviation of the entries, one for all layers or one each; None takes
        1/sqrt(d_j) for W_j, as appendix A does for the true parameters.

    Returns
    -------
    list of ndarray
        The layers [W_1, ..., W_N]; W_j has shape (d_j, d_{j-1}).

    Raises
    ------
    TypeError, ValueError
        If widths are not at least two positive integers, or scales are not N finite
        numbers >= 0.

    References
    ----------
    Appendices A and B.2 of the paper.

    Examples
    --------
    >>> import fixedrank
    >>> [factor.shape for factor in fixedrank.gaussian_factors([4, 2, 3], scale=0.1, rng=0)]
    [(2, 4), (3, 2)]
    """
    sizes = checked_widths(widths)
    depth = len(sizes) - 1
    if scale is None:
        scales = 1 / np.sqrt(sizes[1:])
    else:
        scales = real_array("scale", scale)
        if scales.shape not in ((), (depth,)) or not (np.isfinite(scales) & (scales >= 0)).all():
            raise ValueError(
                f"scale must be one finite number >= 0 or {depth} of them, one a layer, got {scale}"
            )
        scales = np.broadcast_to(scales, depth)
    return gaussian_layers(sizes, scales, np.random.default_rng(rng))


describe(gaussian_factors, LAYERS, RANDOM)


def gaussian_layers(
    widths: Sequence[int], scales: Iterable[float], rng: np.random.Generator
) -> list[Array]:
    """Return what :func:`gaussian_factors` does, of arguments that are known to be right."""
    return [
        scale * rng.standard_normal((outer, inner))
        for scale, inner, outer in zip(scales, widths, widths[1:], strict=False)
    ]


def product_point(factors: Sequence[Any], *, balanced: bool) -> FixedRankPoint:
    """Return the product W = W_N ... W_1 as a point of M_k, with k its numerical rank.

    For balanced layers the singular values are the N-th powers of those of any layer, and the
    singular vectors on the right are those of W_1. So small ones, which the product itself
    would lose to round-off, come out to full relative accuracy.

    Raises
    ------
    RankLostError
        If the product is zero.
    """
    layers = checked_factors(factors)
    if balanced:
        return imbalanced_product_point(layers, (0.0,) * (len(layers) - 1))
    _, left, right = narrow_partial_products(layers)
    u, s, vt = point_of(left[-1], None, right[-1].T)
    k = _rank(s, max(u.shape[0], vt.shape[1]))
    return FixedRankPoint(u[:, :k], s[:k], vt[:k])


def imbalanced_product_point(layers: Sequence[Array], imbalance: Sequence[float]) -> FixedRankPoint:
    """Return the product as a point, for layers with W_{j+1}^T W_{j+1} - W_j W_j^T = lambda_j I.

    All layers have the same singular vectors, from one to the next, and squared singular values
    that differ by constants. Those of the layer with the smallest ones give all others, and small
    ones to the relative accuracy in which that layer has them.
    """
    offsets = np.sqrt(layer_offsets(imbalance))
    least = int(np.argmin(offsets))
    u, roots, vt = np.linalg.svd(layers[least], full_matrices=False)
    k = _rank(roots, max(layers[least].shape))
    left: Array = u[:, :k]
    right: Array = vt[:k].T
    # Largest first: what round-off adds of larger directions to smaller ones, and the next layer
    # would enlarge, goes out again.
    for layer in layers[least + 1 :]:
        left = orthonormal_columns(layer @ left)
    for layer in reversed(layers[:least]):
        right = orthonormal_columns(layer.T @ right)
    return FixedRankPoint(left, np.hypot(roots[:k], offsets[:, None]).prod(axis=0), right.T)


def _rank(values: Array, size: int) -> int:
    rank, tolerance = numerical_rank(values, size)
    if rank == 0:
        raise RankLostError(
            "the product of the layers is zero: no point of any M_k, k >= 1", values, tolerance
        )
    return rank
