"""The layers' Hessian of losses that are no regression, against autograd on the plain loss."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given

from fixedrank import MatrixCompletion, MatrixSensing, NetworkHessian
from tests.networks.data import gaussian_layers, inner_widths
from tests.strategies import seeds

M, N = 4, 3
TARGET = np.random.default_rng(0).standard_normal((M, N))
KNOWN = np.random.default_rng(1).random((M, N)) < 0.6
LEFT, RIGHT = (np.random.default_rng(2).standard_normal((7, size)) for size in (M, N))


class LogCosh:
    """The sum of log cosh(W - A), whose Hessian is not the same everywhere."""

    shape = (M, N)

    def loss(self, W):
        return float(np.log(np.cosh((W[0] * W[1]) @ W[2] - TARGET)).sum())

    def gradient(self, W):
        return np.tanh((W[0] * W[1]) @ W[2] - TARGET)

    def hessian_product(self, W, pair):
        return (1 - self.gradient(W) ** 2) * (pair[0] @ pair[1].T)


MEASURED = np.einsum("pi,ij,pj->p", LEFT, TARGET, RIGHT)
LOSSES = {
    "completion": (
        MatrixCompletion(np.where(KNOWN, TARGET, np.nan)),
        lambda W: anp.sum(KNOWN * (W - TARGET) ** 2) / 2,
    ),
    "sensing": (
        MatrixSensing((LEFT, RIGHT), MEASURED),
        lambda W: anp.sum((anp.einsum("pi,ij,pj->p", LEFT, W, RIGHT) - MEASURED) ** 2) / 2,
    ),
    "own": (LogCosh(), lambda W: anp.sum(anp.log(anp.cosh(W - TARGET)))),
}


def hessian_by_autograd(loss, layers):
    bounds = np.cumsum([0, *(layer.size for layer in layers)])

    def of_vector(vector):
        result = np.eye(N)
        for layer, start, end in zip(layers, bounds, bounds[1:], strict=False):
            result = anp.reshape(vector[start:end], layer.shape) @ result
        return loss(result)

    return autograd.hessian(of_vector)(np.concatenate([layer.ravel() for layer in layers]))


@pytest.mark.parametrize("name", LOSSES)
@given(between=inner_widths(largest=4, deepest=3), seed=seeds)
def test_it_is_the_second_derivative(name, between, seed):
    problem, plain = LOSSES[name]
    layers = gaussian_layers(seed, [N, *between, M])
    hessian = NetworkHessian(problem, layers)
    expected = hessian_by_autograd(plain, layers)
    bound = 1e-12 * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(hessian @ np.eye(len(expected)), expected, rtol=0, atol=bound)


@pytest.mark.parametrize("name", LOSSES)
def test_where_layers_vanish(name):
    """At zero layers the product has no singular vectors; the Hessian exists all the same."""
    problem, plain = LOSSES[name]
    layers = [np.zeros((2, N)), np.zeros((M, 2))]
    found = NetworkHessian(problem, layers) @ np.eye(14)
    np.testing.assert_allclose(found, hessian_by_autograd(plain, layers), rtol=0, atol=1e-12)


@pytest.mark.parametrize("between", [[], [2], [4, 3]])
def test_a_loss_without_second_derivatives(between):
    """Differences of gradients, of which some ten digits are right."""

    class Own:
        loss, gradient = LogCosh.loss, LogCosh.gradient

    layers = gaussian_layers(0, [N, *between, M])
    expected = hessian_by_autograd(LOSSES["own"][1], layers)
    found = NetworkHessian(Own(), layers) @ np.eye(len(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7 * np.abs(expected).max())
