"""Products of layers through the narrowest one, and the gradients of a loss of their product."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.stacks import squared_norms, transposed

# (left, core, right) -> (G right, G^T left), at W = left core right^T.
ThinGradient = Callable[[Array, Array | None, Array], tuple[Array, Array]]


def widths_of(layers: Sequence[Array]) -> list[int]:
    """Return the widths [d_0, ..., d_N]."""
    return [layers[0].shape[-1], *(layer.shape[-2] for layer in layers)]


def narrow_partial_products(
    layers: Sequence[Array], multiply: Callable[[Array, Array], Array] = np.ndarray.dot
) -> tuple[int, list[Array], list[Array]]:
    """Split W = W_N ... W_1 at its narrowest width d_c.

    Returns c, the products P_j = W_j ... W_{c+1} for j = c, ..., N (P_c is the identity) and
    R_j = W_c ... W_{j+1} for j = c, ..., 0 (R_c is the identity), so that W = P_N R_0.
    """
    widths = widths_of(layers)
    cut = widths.index(min(widths))
    identity = np.identity(widths[cut])
    left, right = [identity, *layers[cut : cut + 1]], [identity, *reversed(layers[:cut][-1:])]
    for layer in layers[cut + 1 :]:
        left.append(multiply(layer, left[-1]))
    for layer in reversed(layers[: max(cut - 1, 0)]):
        right.append(multiply(right[-1], layer))
    return cut, left, right


def norm_of(gradient: Sequence[Array]) -> float:
    """Return the length of a gradient in the space of layers."""
    return math.sqrt(sum(float(np.vdot(part, part)) for part in gradient))


def network_gradient(products: ThinGradient, layers: Sequence[Array]) -> list[Array]:
    r"""Return the gradients with respect to the layers, through the narrowest width r.

    With W = P R, all that the gradient G at W is asked for is G R^T and P^T G; what stands on
    the far side of the narrowest layer has r columns or rows throughout.
    """
    # As in problems' products, `dot` takes half the time of `@` for small layers.
    cut, left, right = narrow_partial_products(layers)
    outer, inner = products(left[-1], None, right[-1].T)
    gradients: list[Array] = [np.empty(0)] * len(layers)
    # W_j beyond the cut: W_{j+1}^T ... W_N^T (G R^T) times P_{j-1}^T.
    for j in range(len(layers) - 1, cut - 1, -1):
        gradients[j] = outer.dot(left[j - cut].T) if j > cut else outer
        if j > cut:
            outer = layers[j].T.dot(outer)
    # W_j up to the cut: R_j^T times (P^T G) W_1^T ... W_{j-1}^T.
    inner = inner.T
    for j in range(cut):
        gradients[j] = right[cut - 1 - j].T.dot(inner) if j < cut - 1 else inner
        if j < cut - 1:
            inner = inner.dot(layers[j].T)
    return gradients


class StackedProducts:
    """Products of stacked layers through their narrowest width, P R, and lengths of gradients."""

    def __init__(self, layers: Sequence[Array]) -> None:
        self.layers = layers
        self.cut, self._left, self._right = narrow_partial_products(layers, np.matmul)
        # One identity stands for all.
        self.left, self.right = (
            np.broadcast_to(parts[-1], (len(layers[0]), *parts[-1].shape[-2:]))
            for parts in (self._left, self._right)
        )

    def gradients(self, outer: Array, inner: Array, weight_decay: float = 0.0) -> list[Array]:
        """Return the gradients with respect to the layers, from G R^T and G^T P.

        With weight decay, plus so many times the layers.
        """
        layers, cut, left, right = self.layers, self.cut, self._left, self._right
        inner = transposed(inner)
        parts: list[Array] = [outer] * len(layers)
        for j in range(len(layers) - 1, cut - 1, -1):
            parts[j] = outer @ transposed(left[j - cut]) if j > cut else outer
            if j > cut:
                outer = transposed(layers[j]) @ outer
        for j in range(cut):
            parts[j] = transposed(right[cut - 1 - j]) @ inner if j < cut - 1 else inner
            if j < cut - 1:
                inner = inner @ transposed(layers[j])
        if not weight_decay:
            return parts
        return [part + weight_decay * layer for part, layer in zip(parts, layers, strict=True)]

    def gradient_norms(self, outer: Array, inner: Array, weight_decay: float = 0.0) -> Array:
        """Return the lengths of these gradients in the space of layers."""
        # So that no square underflows where the gradient is small alone, as that of a small loss.
        largest = np.maximum(*(np.abs(side).max((-1, -2)) for side in (outer, inner)))
        exponents = np.frexp(largest)[1] if not weight_decay else np.zeros(len(largest), dtype=int)
        outer, inner = (np.ldexp(side, -exponents[:, None, None]) for side in (outer, inner))
        squares = sum(map(squared_norms, self.gradients(outer, inner, weight_decay)))
        return np.asarray(np.ldexp(np.sqrt(squares), exponents))
