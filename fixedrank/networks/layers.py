"""The factors [W_1, ..., W_N] of a linear network: product, balancedness, widths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from fixedrank._aliases import LayersLike
from fixedrank._checks import Array, finite_array, positive_integer
from fixedrank._shared_docs import LAYERS, describe
from fixedrank.geometry.factored.points import is_triple
from fixedrank.geometry.factored.stacks import transposed
from fixedrank.networks.gradients import narrow_partial_products

# Layers count as balanced up to this, relative to the square of the largest of their norms.
BALANCED = 1e-10


def checked_factors(factors: Any) -> list[Array]:
    """Return the factors W_1, ..., W_N as arrays whose shapes fit together."""
    if isinstance(factors, np.ndarray) and factors.ndim != 3:
        raise TypeError(f"factors must be a list [W_1, ..., W_N], got an array {factors.shape}")
    if is_triple(factors):
        raise TypeError(
            "factors must be a list [W_1, ..., W_N], got a point (u, s, vt); "
            "balanced_factors(point, widths) are layers with this product"
        )
    several = isinstance(factors, Iterable) and not isinstance(factors, (str, Mapping))
    if not several or len(getattr(factors, "shape", ())) == 2:
        kind = type(factors).__name__
        raise TypeError(f"factors must be a list [W_1, ..., W_N] of matrices, got a {kind}")
    layers = [finite_array(f"W_{j}", factor, 2) for j, factor in enumerate(factors, start=1)]
    if not layers:
        raise ValueError("factors must be a list [W_1, ..., W_N] of at least one matrix, got none")
    for j, (inner, outer) in enumerate(pairwise(layers), start=1):
        if outer.shape[1] != inner.shape[0]:
            raise ValueError(
                f"W_{j + 1} W_{j} is not defined: W_{j + 1} has shape {outer.shape}, "
                f"W_{j} has shape {inner.shape} (factors come in the order W_1, ..., W_N)"
            )
    return layers


def checked_layers(factors: Sequence[Any], shape: tuple[int, int] | None) -> list[Array]:
    """Return the factors as arrays that fit together, and to a problem of this shape if known."""
    layers = checked_factors(factors)
    found = (layers[-1].shape[0], layers[0].shape[1])
    if shape is not None and tuple(shape) != found:
        raise ValueError(
            f"the layers map R^{found[1]} to R^{found[0]}, their product has shape {found}, "
            f"but the problem asks for R^{shape[1]} to R^{shape[0]}, shape {tuple(shape)}"
        )
    return layers


def product(factors: LayersLike) -> Array:
    """Return the product W = W_N ... W_1 of the layers, equation (1).

    Returns
    -------
    ndarray, shape (d_N, d_0)
        The product, multiplied outwards from the narrowest width.

    Examples
    --------
    >>> import fixedrank
    >>> fixedrank.product([[[1.0, 2.0]], [[3.0], [4.0]]])
    array([[3., 6.],
           [4., 8.]])
    """
    layers = checked_factors(factors)
    if len(layers) == 1:
        return layers[0].copy()
    _, left, right = narrow_partial_products(layers)
    return left[-1] @ right[-1]


describe(product, LAYERS)


def balancedness(factors: LayersLike) -> float:
    """Return how far the layers are from balanced (Definition 2).

    Returns
    -------
    float
        The largest Frobenius norm of W_{j+1}^T W_{j+1} - W_j W_j^T over j = 1, ..., N - 1;
        zero for balanced layers, and constant along the flow (5) layer by layer.

    Examples
    --------
    >>> import fixedrank
    >>> fixedrank.balancedness([[[2.0]], [[2.0]]])
    0.0
    >>> fixedrank.balancedness([[[1.0]], [[2.0]]])
    3.0
    """
    return float(imbalances(checked_factors(factors)))


describe(balancedness, LAYERS)


def imbalances(layers: Sequence[Array]) -> Array:
    """Return the balancedness of layers, along axes in front."""
    largest = np.zeros(layers[0].shape[:-2])
    for difference in differences(layers):
        largest = np.maximum(largest, np.linalg.norm(difference, axis=(-2, -1)))
    return largest


def differences(layers: Sequence[Array]) -> list[Array]:
    """Return all W_{j+1}^T W_{j+1} - W_j W_j^T, j = 1, ..., N - 1, along axes in front."""
    return [
        transposed(outer) @ outer - inner @ transposed(inner) for inner, outer in pairwise(layers)
    ]


def largest_norm(layers: Sequence[Array]) -> float:
    """Return the largest spectral norm of the layers."""
    return max(float(np.linalg.norm(layer, 2)) for layer in layers)


def relative_imbalance(layers: Sequence[Array]) -> float:
    """Return the balancedness over the square of the largest norm; zero for zero layers."""
    largest = largest_norm(layers)
    return balancedness(layers) / largest**2 if largest else 0.0


def layer_widths(
    d: int | tuple[int, int],
    rank: int,
    depth: int,
    *,
    rounding: Literal["up", "nearest"] = "up",
) -> list[int]:
    """Return the widths [d_0, ..., d_N] of the paper's integer grid between rank and d.

    d_1 = rank, and d_j = rank + (d_N - rank)(j - 1)/(N - 1), rounded, up to d_N = d.

    Parameters
    ----------
    d : int or tuple of int
        The dimension d_0 = d_N, or the pair (d_0, d_N) = (d_x, d_y).
    rank : int
        The smallest width, d_1, which bounds the rank of the product.
    depth : int
        The number N >= 2 of layers; N = 1 only if rank = min(d).
    rounding : {"up", "nearest"}
        The paper rounds up in appendices A and B.3, to the nearest integer (halves up) in B.1.

    Returns
    -------
    list of int
        The N + 1 widths.

    Raises
    ------
    TypeError, ValueError
        If the numbers are not positive integers, the rank exceeds min(d), or one layer
        would not have the rank asked for.

    References
    ----------
    Appendices A and B of the paper.

    Examples
    --------
    >>> import fixedrank
    >>> fixedrank.layer_widths(20, 2, 5)
    [20, 2, 7, 11, 16, 20]
    """
    ends = tuple(d) if isinstance(d, (tuple, list)) else (d, d)
    if len(ends) != 2:
        raise ValueError(f"d must be a dimension or the pair (d_x, d_y), got {d!r}")
    first, last = (positive_integer("d", end) for end in ends)
    rank, depth = positive_integer("rank", rank), positive_integer("depth", depth)
    if rank > min(first, last):
        raise ValueError(f"the rank {rank} exceeds the dimension {min(first, last)}")
    if rounding not in ("up", "nearest"):
        raise ValueError(f"rounding must be 'up' or 'nearest', got {rounding!r}")
    if depth == 1:
        if rank < min(first, last):
            raise ValueError(
                f"one layer of shape {(last, first)} does not bound the rank by {rank}: "
                "use a depth of at least 2"
            )
        return [first, last]
    grid = []
    for j in range(1, depth + 1):
        numerator, steps = (last - rank) * (j - 1), depth - 1
        grid.append(
            rank
            + (
                -(-numerator // steps)
                if rounding == "up"
                else (2 * numerator + steps) // (2 * steps)
            )
        )
    return [first, *grid]
