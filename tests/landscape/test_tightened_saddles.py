"""Saddles of three layers that are not strict: their Hessian, and the flow on its kernel."""

import numpy as np
import pytest

from fixedrank import classify_factors, imbalance
from fixedrank.losses.hessian import NetworkHessian
from tests.landscape.data import deficient_point


def flat_directions(problem, layers):
    """The Hessian, and an orthonormal basis of its kernel."""
    hessian = NetworkHessian(problem, layers)
    matrix = hessian @ np.eye(hessian.shape[0])
    rates, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    assert rates[0] > -1e-10 * rates[-1]
    return hessian, vectors[:, rates < 1e-10 * rates[-1]]


def frames(problem, layers, rank):
    u, values, vt = np.linalg.svd(problem.B @ np.linalg.inv(problem.root))
    q, w = np.linalg.svd(layers[1].T)[2][-1], np.linalg.svd(layers[1])[2][-1]
    return u[:, rank:], q, w, vt[rank:].T, values[rank:]


@pytest.mark.parametrize(("h", "d"), [(2, 2), (2, 4), (3, 3), (3, 4)])
def test_the_kernel_of_the_hessian(h, d):
    """It is that of the tightened points, of dimension 2 h^2 - 2, and 2 e + 1 directions more."""
    for seed in range(3):
        problem, layers = deficient_point([d, h, h, d], h - 1, {1, 2, 3}, seed)
        assert classify_factors(problem, layers).kind == "non-strict saddle"
        _, kernel = flat_directions(problem, layers)
        assert kernel.shape[1] == 2 * h * h - 2 + 2 * (d - h + 1) + 1
        for matrix in imbalance(layers):
            rates = np.linalg.eigvalsh(matrix)
            assert rates[0] < 0 < rates[-1]


@pytest.mark.parametrize(("h", "d"), [(2, 2), (2, 4), (3, 3)])
def test_they_lie_on_an_open_set_of_leaves(h, d):
    """The h (h + 1) imbalances have independent differentials on the tightened points."""
    problem, layers = deficient_point([d, h, h, d], h - 1, {1, 2, 3}, 1)
    u, q, w, v, _ = frames(problem, layers, h - 1)
    hessian, kernel = flat_directions(problem, layers)
    across, differentials = [], []
    for vector in kernel.T:
        first, middle, last = hessian.split(vector)
        x, y = u.T @ last @ q, v.T @ problem.root @ first.T @ w
        across.append(np.concatenate([x, [q @ middle @ w], y]))
        up = layers[1].T @ middle - first @ layers[0].T
        down = layers[2].T @ last - middle @ layers[1].T
        rows = np.triu_indices(h)
        differentials.append(np.concatenate([(part + part.T)[rows] for part in (up, down)]))
    tangent = np.linalg.svd(np.transpose(across))[2][2 * (d - h + 1) + 1 :]
    assert len(tangent) == 2 * h * h - 2
    moved = np.linalg.svd(tangent @ differentials)[1]
    assert (moved > 1e-6 * moved[0]).sum() == h * (h + 1)


@pytest.mark.parametrize(("h", "d"), [(2, 2), (2, 4), (3, 3)])
def test_the_flow_on_the_kernel(h, d):
    """Its second order is x' = z S y, z' = x^T S y / m, y' = z (V^T C V) S x."""
    rng = np.random.default_rng(0)
    problem, layers = deficient_point([d, h, h, d], h - 1, {1, 2, 3}, 1)
    u, q, w, v, values = frames(problem, layers, h - 1)
    hessian, kernel = flat_directions(problem, layers)

    def parts(vector):
        first, middle, last = hessian.split(vector)
        return u.T @ last @ q, q @ middle @ w, v.T @ problem.root @ first.T @ w

    middle = np.concatenate([np.zeros(layers[0].size), np.outer(q, w).ravel(), np.zeros(d * h)])
    projected = kernel @ (kernel.T @ middle)
    for _ in range(5):
        vector = kernel @ rng.standard_normal(kernel.shape[1])
        x, z, y = parts(vector)
        step, field = 1e-4, np.zeros(vector.size)
        for sign in (1, -1):
            there = [
                a + sign * step * b for a, b in zip(layers, hessian.split(vector), strict=True)
            ]
            slope = [part.ravel() for part in problem.network_gradient(there)]
            field -= np.concatenate(slope) / (2 * step**2)
        found = parts(kernel @ (kernel.T @ field))
        expected = (
            z * values * y,
            x @ (values * y) * (projected @ projected),
            z * v.T @ problem.C @ v @ (values * x),
        )
        scale = max(np.abs(part).max() for part in expected)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4 * scale)
