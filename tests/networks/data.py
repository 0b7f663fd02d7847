"""Regression data and layers for the tests, and strategies that draw them."""

from itertools import pairwise

import autograd
import autograd.numpy as anp
import numpy as np
from hypothesis import strategies as st

from tests.strategies import seeds


def regression_data(seed, d_x, d_y, samples):
    """X and Y with independent Gaussian entries."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((d_x, samples)), rng.standard_normal((d_y, samples))


def gaussian_layers(seed, widths):
    """Layers with Gaussian entries of size about 1/sqrt(width)."""
    rng = np.random.default_rng(seed)
    return [
        rng.standard_normal((outer, inner)) / np.sqrt(inner) for inner, outer in pairwise(widths)
    ]


def flat(layers):
    """The entries of all layers, one after another."""
    return np.concatenate([layer.ravel() for layer in layers])


def multiplied(layers):
    """W_N ... W_1, from the left."""
    result = np.eye(layers[-1].shape[0])
    for layer in layers[::-1]:
        result = result @ layer
    return result


def dense_loss(X, Y, W):
    """Equation (4), sample by sample."""
    return 0.5 * sum(np.sum((y - W @ x) ** 2) for x, y in zip(X.T, Y.T, strict=True))


def autograd_hessian(X, Y, layers):
    """The dense Hessian of ||Y - W_N ... W_1 X||^2 / 2."""
    shapes = [layer.shape for layer in layers]
    bounds = np.cumsum([0, *(layer.size for layer in layers)])

    def loss(flat):
        result = X
        for (start, end), shape in zip(pairwise(bounds), shapes, strict=True):
            result = flat[start:end].reshape(shape) @ result
        return anp.sum((Y - result) ** 2) / 2

    return autograd.hessian(loss)(flat(layers))


@st.composite
def data_pairs(draw, largest=5):
    """Draw (X, Y) with at least twice as many samples as features, so that X X^T is regular."""
    d_x, d_y = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    return regression_data(draw(seeds), d_x, d_y, 2 * d_x + draw(st.integers(1, 5)))


@st.composite
def inner_widths(draw, largest=5, deepest=5, smallest=1):
    """Draw the widths d_1, ..., d_{N-1} between the ends of a network."""
    return draw(st.lists(st.integers(smallest, largest), max_size=deepest - 1))
