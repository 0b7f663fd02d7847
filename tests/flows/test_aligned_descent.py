"""The scalar maps of aligned descent: layers step by step, periodic orbits, what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fixedrank
from fixedrank import (
    AlignedDescent,
    LinearRegression,
    MatrixCompletion,
    aligned_descent,
    balanced_factors,
    edge_of_stability,
    gradient_descent,
)
from tests.geometry.dense import orthonormal
from tests.strategies import seeds


def aligned(seed, m, n, b, c):
    """B and C with common singular vectors, of which the first len(b) have a b."""
    rng = np.random.default_rng(seed)
    U, V = orthonormal(rng, m, len(b)), orthonormal(rng, n, n)
    X = (V * np.sqrt(c)) @ V.T
    return LinearRegression(X, (U * b) @ V[:, : len(b)].T @ np.linalg.inv(X)), U, V


def plain_descent(problem, layers, count, step, decay=0.0, momentum=0.0):
    """Dense gradients of |W_N ... W_1 X - Y|^2 / 2, one layer after the other."""
    moves, found = [0 * w for w in layers], []
    for _ in range(count + 1):
        W = np.linalg.multi_dot(layers[::-1]) if len(layers) > 1 else layers[0]
        found.append(W)
        G = W @ problem.C - problem.B
        parts = []
        for j in range(len(layers)):
            part = G
            for later in layers[:j:-1]:
                part = later.T @ part
            for earlier in layers[:j]:
                part = part @ earlier.T
            parts.append(part + decay * layers[j])
        moves = [momentum * v - step * g for v, g in zip(moves, parts, strict=True)]
        layers = [w + v for w, v in zip(layers, moves, strict=True)]
    return found


@given(
    seed=seeds,
    shape=st.sampled_from([(5, 4), (4, 4), (3, 5)]),
    depth=st.integers(2, 5),
    decay=st.sampled_from([0.0, 0.2]),
    momentum=st.sampled_from([0.0, 0.8]),
    as_layers=st.booleans(),
)
def test_layers_step_by_step(seed, shape, depth, decay, momentum, as_layers):
    m, n = shape
    problem, U, V = aligned(seed, m, n, np.array([3.0, 2.0, 0.5]), np.linspace(0.5, 2, n))
    start = (U[:, :2], np.array([0.7, 0.4]), V[:, :2].T)
    layers = balanced_factors(start, [n, *[3] * (depth - 1), m], rng=seed)
    options = {"step_size": 0.02, "weight_decay": decay, "momentum": momentum}
    origin = {"start": layers} if as_layers else {"start": start, "depth": depth}
    exact = aligned_descent(problem, steps=40, **origin, **options)
    expected = plain_descent(problem, layers, 40, 0.02, decay, momentum)
    for found, W in zip(exact.product, expected, strict=True):
        np.testing.assert_allclose(found, W, rtol=0, atol=1e-12)
    for i in (0, 7, 40):
        loss = problem.loss(expected[i])
        assert exact.loss[i] == pytest.approx(loss, rel=1e-10)
        # The least of lambda / 2 times the sum of squares of layers with this product.
        penalty = decay * depth / 2 * (np.linalg.svd(expected[i])[1] ** (2 / depth))[:2].sum()
        assert exact.objective[i] == pytest.approx(loss + penalty, rel=1e-10)
        s = np.linalg.svd(expected[i])[1][:2]
        np.testing.assert_allclose(np.sort(exact.singular_values[i]), s[::-1], rtol=1e-11)
    np.testing.assert_allclose(exact.t, 0.02 / (1 - momentum) * np.arange(41), rtol=1e-14)


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("factor", [0.98, 1.02])
def test_an_oracle_of_gradient_descent_past_the_edge(depth, factor):
    b = np.array([3.0, 2.0, 1.0])
    problem, U, V = aligned(0, 4, 4, b, np.ones(4))
    start = (U, np.array([2.9, 1.5, 1.2]), V[:, :3].T)
    step = factor * edge_of_stability((U, b, V[:, :3].T), depth)
    layers = balanced_factors(start, [4, *[3] * (depth - 1), 4], rng=1)
    exact = aligned_descent(problem, start, 60, depth=depth, step_size=step)
    descent = gradient_descent(problem, layers, 60, step_size=step)
    for found, W in zip(exact.product, descent.product, strict=True):
        np.testing.assert_allclose(W, found, rtol=0, atol=1e-12)
    assert exact.penalty is None
    np.testing.assert_array_equal(exact.objective, exact.loss)


@pytest.mark.parametrize("factor", [1.02, 1.1, 1.2])
def test_orbits_of_period_two(factor):
    """Past the edge, the roots of f(f(x)) = x, f(x) = x - eta x (x^2 - b), that are none of f."""
    b = 2.0
    problem = LinearRegression(np.eye(1), [[b]])
    step = factor * edge_of_stability((np.eye(1), np.array([b]), np.eye(1)), 2)
    f = np.polynomial.Polynomial([0, 1 + step * b, 0, -step])
    roots = (f(f) - np.polynomial.Polynomial([0, 1])).roots()
    real = roots[np.abs(roots.imag) < 1e-9].real
    orbit = [x for x in real if x > 0 and abs(f(x) - x) > 1e-6 and f(x) > 0]
    start = (np.eye(1), np.array([1.05 * b]), np.eye(1))
    found = aligned_descent(problem, start, 1000, depth=2, step_size=step)
    np.testing.assert_allclose(np.sort(found.sigma[-2:, 0]), np.sort(orbit), rtol=1e-9)
    np.testing.assert_allclose(found.sigma[-1], found.sigma[-3], rtol=1e-12)
    assert found.complete


def test_a_sign_that_changes():
    """A long step leads through zero: the entry of W is negative at odd depth, and so its loss."""
    problem = LinearRegression(np.eye(2), np.diag([1.0, 1.0]))
    start = (np.eye(2), np.array([8.0, 1.0]), np.eye(2))
    for depth in (2, 3):
        exact = aligned_descent(problem, start, 1, depth=depth, step_size=0.2)
        layers = balanced_factors(start, [2] * (depth + 1), rng=0)
        expected = plain_descent(problem, layers, 1, 0.2)[1]
        assert exact.sigma[1, 0] < 0
        np.testing.assert_allclose(exact.product[1], expected, rtol=1e-12, atol=1e-12)
        assert exact.loss[1] == pytest.approx(problem.loss(expected), rel=1e-12)
        assert (exact.singular_values >= 0).all()


def test_only_what_is_asked_for_and_divergence(tmp_path):
    problem = LinearRegression(np.eye(1), [[1.0]])
    start = (np.eye(1), np.array([3.0]), np.eye(1))
    some = aligned_descent(problem, start, [0, 5, 9], depth=3, step_size=0.01, weight_decay=0.1)
    assert some.iterations.tolist() == [0, 5, 9]
    assert (len(some), some.complete, some.status) == (3, True, "took 9 steps")
    some.save(tmp_path / "some")
    np.testing.assert_array_equal(AlignedDescent.load(tmp_path / "some").sigma, some.sigma)
    gone = aligned_descent(problem, start, 100, depth=3, step_size=1.0)
    assert not gone.complete
    assert "the step size 1 is too long" in gone.status
    assert np.isfinite(gone.sigma).all()


@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_units(unit):
    """With W in a unit and B in units of B, at a step of unit^(1 - 2/N) of those of b."""
    for depth in (2, 3):
        here = LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        there = LinearRegression(np.eye(2), unit * np.diag([3.0, 1.0]))
        start = (np.eye(2), np.array([1.0, 0.5]), np.eye(2))
        scaled = (np.eye(2), unit * start[1], np.eye(2))
        one = aligned_descent(here, start, 20, depth=depth, step_size=0.05)
        two = aligned_descent(
            there, scaled, 20, depth=depth, step_size=0.05 * unit ** (2 / depth - 2)
        )
        np.testing.assert_allclose(
            two.singular_values[-1] / unit, one.singular_values[-1], rtol=1e-11
        )


def test_what_is_no_aligned_start_is_refused():
    problem, U, V = aligned(0, 4, 4, np.array([3.0, 2.0, 1.0]), np.ones(4))
    start = (U[:, :2], np.array([2.0, 1.0]), V[:, :2].T)
    options = {"steps": 3, "step_size": 0.1}
    with pytest.raises(TypeError, match="does not tell the number of layers: give depth=N"):
        aligned_descent(problem, start, **options)
    layers = balanced_factors(start, [4, 2, 4], rng=0)
    with pytest.raises(ValueError, match="depth is 3, but there are 2 layers"):
        aligned_descent(problem, layers, depth=3, **options)
    with pytest.raises(ValueError, match=r"not balanced: their imbalance is .* gradient_descent"):
        aligned_descent(problem, [2 * layers[0], layers[1]], **options)
    with pytest.raises(ValueError, match="one layer does not keep the rank"):
        aligned_descent(problem, start, depth=1, **options)
    assert aligned_descent(problem, start, depth=2.0, **options).depth == 2
    with pytest.raises(ValueError, match=r"N layers, a whole number, got depth 2\.5"):
        aligned_descent(problem, start, depth=2.5, **options)
    other = fixedrank.FixedRank(4, 4, 2, depth=2).random_point(rng=0)
    with pytest.raises(ValueError, match=r"not aligned.*use gradient_descent"):
        aligned_descent(problem, other, depth=2, **options)
    with pytest.raises(TypeError, match=r"aligned_descent needs a LinearRegression"):
        aligned_descent(MatrixCompletion(np.eye(4)), start, depth=2, **options)
    with pytest.raises(ValueError, match="step_size must be positive"):
        aligned_descent(problem, start, 3, depth=2, step_size=0.0)
    with pytest.raises(ValueError, match="weight_decay must be"):
        aligned_descent(problem, start, depth=2, weight_decay=-1, **options)
