"""Sharpness against dense spectra and the closed form at critical points; the edge of stability."""

import itertools

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import ArpackNoConvergence

import fixedrank.losses.stability
from fixedrank import (
    LinearRegression,
    MatrixCompletion,
    NetworkHessian,
    balanced_factors,
    balancedness,
    edge_of_stability,
    gradient_descent,
    sharpness,
)
from tests.geometry.dense import orthonormal
from tests.networks.data import (
    autograd_hessian,
    data_pairs,
    gaussian_layers,
    inner_widths,
    regression_data,
)
from tests.strategies import seeds


@given(
    data=data_pairs(largest=5),
    between=inner_widths(largest=5, deepest=4),
    seed=seeds,
    decay=st.sampled_from([0.0, 0.7]),
    dense=st.booleans(),
)
def test_the_largest_eigenvalue(data, between, seed, decay, dense):
    """By Lanczos' method and by the matrix, against autograd."""
    X, Y = data
    layers = gaussian_layers(seed, [len(X), *between, len(Y)])
    expected = np.linalg.eigvalsh(autograd_hessian(X, Y, layers))
    if expected.size == 1:
        dense = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixedrank.losses.stability, "_DENSE", 1000 if dense else 1)
        found = sharpness(LinearRegression(X, Y), layers, weight_decay=decay, rtol=1e-10)
    assert found == pytest.approx(expected[-1] + decay, abs=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("unit", [1e-140, 1e-20, 1e20, 1e140])
def test_units(unit):
    """With X in units of u^(1/2) and layers of one unit the Hessian is in units of u."""
    X, Y = regression_data(0, 6, 5, 12)
    layers = gaussian_layers(1, [6, 4, 5])
    here = sharpness(LinearRegression(X, Y), layers)
    there = LinearRegression(X * np.sqrt(unit), Y * np.sqrt(unit))
    assert sharpness(there, layers) == pytest.approx(unit * here, rel=1e-7)


def test_losses_without_a_hessian_and_without_entries():
    X, Y = regression_data(0, 6, 5, 12)
    layers = gaussian_layers(1, [6, 4, 5])
    whole = LinearRegression(X, Y)

    class Plain:
        loss, gradient = staticmethod(whole.loss), staticmethod(whole.gradient)

    expected = sharpness(whole, layers)
    assert sharpness(Plain(), layers, rtol=1e-6) == pytest.approx(expected, rel=1e-6)
    sparse = LinearRegression(scipy.sparse.csr_array(X), Y)
    assert sharpness(sparse, layers) == pytest.approx(expected, rel=1e-7)


def test_zero_layers():
    problem = LinearRegression(np.eye(6), np.ones((5, 6)))
    zeros = [np.zeros(size) for size in ((4, 6), (4, 4), (5, 4))]
    assert sharpness(problem, zeros) == 0.0
    assert sharpness(problem, zeros, weight_decay=0.3) == 0.3
    # At N = 2 the Hessian has the singular values of B, of both signs.
    zeros = [np.zeros(size) for size in ((4, 6), (5, 4))]
    assert sharpness(problem, zeros) == pytest.approx(np.sqrt(30), rel=1e-7)


def critical_layers(rng, m, n, q, J, depth, wider):
    """White data with given singular values q of B, and balanced layers of the product W_J."""
    U, V = orthonormal(rng, m, len(q)), orthonormal(rng, n, len(q))
    problem = LinearRegression(np.eye(n), (U * q) @ V.T)
    k = len(J)
    point = (U[:, J], q[J], V[:, J].T)
    widths = [n, *[k + wider] * (depth - 1), m]
    return problem, point, balanced_factors(point, widths, rng=rng)


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("wider", [0, 2])
@pytest.mark.parametrize(("m", "n"), [(5, 4), (4, 4), (3, 6)])
def test_the_spectrum_at_critical_points(depth, wider, m, n):
    """All eigenvalues at all balanced W_J, with ties, and the sharpness as the largest one."""
    rng = np.random.default_rng(depth)
    q = np.array([3.0, 2.0, 2.0])[: min(m, n)]
    for k in (1, 2, 3):
        for J in itertools.combinations(range(q.size), k):
            problem, point, layers = critical_layers(rng, m, n, q, list(J), depth, wider)
            s, others = point[1], np.delete(q, J)
            p = s ** (2 / depth)
            powers = range(depth)
            expected = [sum(a ** (depth - 1 - l) * b**l for l in powers) for a in p for b in p]
            for si in s:
                expected += [
                    si ** (2 - 2 / depth) * (1 + sign * other / si)
                    for other in others
                    for sign in (1, -1)
                ]
                expected += [si ** (2 - 2 / depth)] * (m + n - 2 * k - 2 * others.size)
            if depth == 2:
                expected += [sign * x for x in others for sign in (1, -1) for _ in range(wider)]
            hessian = NetworkHessian(problem, layers)
            expected += [0.0] * (hessian.shape[0] - len(expected))
            found = np.linalg.eigvalsh(hessian @ np.eye(hessian.shape[0]))
            np.testing.assert_allclose(found, np.sort(expected), rtol=0, atol=1e-10)
            assert sharpness(problem, layers) == pytest.approx(max(expected), rel=1e-7)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize("c", [1.0, 0.09])
def test_the_edge_is_that_of_balanced_layers_and_least_for_others(depth, c):
    """No factorisation W_j -> A_j W_j A_(j-1)^(-1) of a solution is less sharp."""
    rng = np.random.default_rng(depth)
    U, V, s = orthonormal(rng, 6, 4), orthonormal(rng, 5, 4), np.array([2.0, 1.5, 0.7, 0.1])
    problem = LinearRegression(np.sqrt(c) * np.eye(5), np.sqrt(c) * (U * s) @ V.T)
    layers = balanced_factors((U, s, V.T), [5, *[5] * (depth - 1), 6], rng=0)
    least = 2 / edge_of_stability((U, s, V.T), depth, c=c)
    assert sharpness(problem, layers) == pytest.approx(least, rel=1e-7)
    for size in (0.05, 1.0):
        for _ in range(10 if depth > 1 else 0):
            frames = [
                np.eye(len(layer)) + size * rng.standard_normal((len(layer), len(layer)))
                for layer in layers[:-1]
            ]
            before, after = [np.eye(5), *frames], [*frames, np.eye(6)]
            other = [
                A @ W @ np.linalg.inv(B) for A, W, B in zip(after, layers, before, strict=True)
            ]
            assert sharpness(problem, other) >= least * (1 - 1e-7)


def test_layers_out_of_balance_where_singular_values_are_small_are_as_sharp():
    problem = LinearRegression(np.eye(2), np.diag([4.0, 0.01]))
    layers = [np.diag([2.0, 0.05]), np.diag([2.0, 0.2])]
    least = 2 / edge_of_stability((np.eye(2), np.array([4.0, 0.01]), np.eye(2)), 2)
    assert balancedness(layers) > 0.01
    assert sharpness(problem, layers) == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize("depth", [2, 3])
def test_descent_stays_below_the_edge_and_not_above(depth):
    rng = np.random.default_rng(0)
    U, V, s = orthonormal(rng, 5, 2), orthonormal(rng, 4, 2), np.array([2.0, 1.0])
    problem = LinearRegression(np.eye(4), (U * s) @ V.T)
    layers = balanced_factors((U, s, V.T), [4, *[2] * (depth - 1), 5], rng=0)
    near = [layer + 1e-6 * rng.standard_normal(layer.shape) for layer in layers]
    edge = edge_of_stability((U, s, V.T), depth)
    stays, leaves = (
        gradient_descent(problem, near, [0, 400], step_size=factor * edge).loss
        for factor in (0.97, 1.03)
    )
    assert stays[1] < 1e-3 * stays[0]
    assert leaves[1] > 1e3 * leaves[0]


def test_bad_input(monkeypatch):
    problem, layers = LinearRegression(np.eye(7), np.eye(7)), [np.eye(7)] * 2
    for wrong in (0.0, 1.0, -1e-3, np.nan):
        with pytest.raises(ValueError, match="rtol must lie between 0 and 1"):
            sharpness(problem, layers, rtol=wrong)
    with pytest.raises(ValueError, match="weight_decay must be finite and at least 0, got -1"):
        sharpness(problem, layers, weight_decay=-1)
    with pytest.raises(ValueError, match="the problem asks for"):
        sharpness(MatrixCompletion(np.eye(3)), layers)
    with pytest.raises(ValueError, match=r"leave balance: give weight_decay=0.3 in place"):
        sharpness(problem + fixedrank.SchattenDecay(0.3, 2), layers)

    def failing(*args, **options):
        raise ArpackNoConvergence("no", np.empty(0), np.empty(0))

    monkeypatch.setattr(fixedrank.losses.stability, "eigsh", failing)
    with pytest.raises(RuntimeError, match=r"with 98 entries did not come to rtol = 1e-08: allow"):
        sharpness(problem, layers)
    point = (np.eye(2), np.ones(2), np.eye(2))
    with pytest.raises(ValueError, match="finitely many layers"):
        edge_of_stability(point, np.inf)
    with pytest.raises(ValueError, match="c must be positive, got 0"):
        edge_of_stability(point, 2, c=0)
    with pytest.raises(ValueError, match="c must be finite and at least 0"):
        edge_of_stability(point, 2, c=-1)
    with pytest.raises(ValueError, match="singular values must be positive"):
        edge_of_stability((np.eye(2), np.array([1.0, 0.0]), np.eye(2)), 2)
