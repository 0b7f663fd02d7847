"""The Hessian of L^N against the second derivative that autograd computes of the plain loss."""

import numpy as np
import pytest
from hypothesis import given

from fixedrank import LinearRegression, NetworkHessian
from tests.networks.data import autograd_hessian, data_pairs, gaussian_layers, inner_widths
from tests.strategies import seeds


@given(data=data_pairs(largest=4), between=inner_widths(largest=4, deepest=4), seed=seeds)
def test_it_is_the_second_derivative(data, between, seed):
    X, Y = data
    layers = gaussian_layers(seed, [len(X), *between, len(Y)])
    hessian = NetworkHessian(LinearRegression(X, Y), layers)
    expected = autograd_hessian(X, Y, layers)
    np.testing.assert_allclose(
        hessian @ np.eye(hessian.shape[0]),
        expected,
        rtol=0,
        atol=1e-12 * max(1.0, np.abs(expected).max()),
    )


@given(between=inner_widths(largest=6, deepest=5), seed=seeds)
def test_it_is_self_adjoint(between, seed):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((5, 9)), rng.standard_normal((3, 9))
    hessian = NetworkHessian(LinearRegression(X, Y), gaussian_layers(seed, [5, *between, 3]))
    a, b = rng.standard_normal((2, hessian.shape[0]))
    size = np.linalg.norm(hessian @ a) * np.linalg.norm(b)
    assert abs(b @ (hessian @ a) - a @ (hessian @ b)) <= 1e-13 * size


def test_apply_and_products_with_vectors_are_the_same():
    rng = np.random.default_rng(0)
    layers = gaussian_layers(1, [4, 2, 3, 5])
    problem = LinearRegression(rng.standard_normal((4, 9)), rng.standard_normal((5, 9)))
    hessian = NetworkHessian(problem, layers)
    vector = rng.standard_normal(hessian.shape[0])
    image = hessian.apply(hessian.split(vector))
    assert [part.shape for part in image] == [layer.shape for layer in layers]
    np.testing.assert_array_equal(
        np.concatenate([part.ravel() for part in image]), hessian @ vector
    )


def test_bad_directions():
    hessian = NetworkHessian(LinearRegression(np.eye(2), np.eye(2)), [np.eye(2), np.eye(2)])
    with pytest.raises(ValueError, match=r"shapes of the layers.*\(2, 2\).*got.*\(2, 3\)"):
        hessian.apply([np.ones((2, 3)), np.ones((2, 2))])
    with pytest.raises(ValueError, match="NaN or infinite"):
        hessian.apply([np.full((2, 2), np.nan), np.ones((2, 2))])
    with pytest.raises(ValueError, match="size 3"):
        hessian.split(np.ones(3))
