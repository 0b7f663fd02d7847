"""The metric under the names that it has elsewhere."""

import mpmath
import numpy as np
import pytest

import fixedrank

RNG = np.random.default_rng(20)


def semidefinite_pair(n, k, distance):
    """Factors L of two positive semidefinite matrices L L^T of rank k."""
    left = np.linalg.qr(RNG.standard_normal((n, k)))[0] * RNG.uniform(1, 2, k)
    return left, left + distance * RNG.standard_normal((n, k))


def test_depth_two_is_twice_the_bures_wasserstein_metric():
    """By definition the least |D|^2 of all D that move L L^T by the tangent vector."""
    left, _ = semidefinite_pair(5, 3, 0.0)
    manifold = fixedrank.FixedRank(5, 5, 3, depth=2)
    point = manifold.point(left @ left.T)
    symmetric = RNG.standard_normal((5, 5))
    Z = manifold.projection(point, symmetric + symmetric.T)
    dense = manifold.tangent_to_matrix(point, Z)
    moves = np.eye(15).reshape(15, 5, 3)
    columns = [(D @ left.T + left @ D.T).ravel() for D in moves]
    least = np.linalg.lstsq(np.array(columns).T, dense.ravel(), rcond=None)[0]
    assert manifold.inner_product(point, Z, Z) == pytest.approx(2 * least @ least, rel=1e-11)


def test_distances_of_depth_two_between_semidefinite_matrices():
    """Distances of factors up to rotations: |L|^2 + |R|^2 - 2 (nuclear norm of L^T R)."""
    left, right = semidefinite_pair(5, 3, 0.2)
    manifold = fixedrank.FixedRank(5, 5, 3, depth=2)
    squared = np.sum(left**2) + np.sum(right**2) - 2 * np.linalg.norm(left.T @ right, "nuc")
    found = manifold.dist(manifold.point(left @ left.T), manifold.point(right @ right.T))
    assert found**2 == pytest.approx(2 * squared, rel=1e-6)


@pytest.mark.parametrize("depth", [2, 3])
def test_the_operator_is_the_neural_tangent_kernel(depth):
    manifold = fixedrank.FixedRank(3, 4, 2, depth=depth)
    point = manifold.point(RNG.standard_normal((3, 4)))
    factors = fixedrank.balanced_factors(point, [4] * depth + [3], rng=0)
    first, second, v = RNG.standard_normal(4), RNG.standard_normal(4), RNG.standard_normal(3)

    def jacobian(x):
        """Derivatives of the output by all entries of all layers, by complex steps."""
        rows = []
        for j, factor in enumerate(factors):
            for index in np.ndindex(factor.shape):
                moved = [np.array(other, dtype=complex) for other in factors]
                moved[j][index] += 1e-30j
                output = x
                for layer in moved:
                    output = layer @ output
                rows.append(np.imag(output) / 1e-30)
        return np.array(rows)

    kernel = jacobian(first).T @ jacobian(second)
    image = manifold.tangent_to_matrix(point, manifold.operator(point).apply(np.outer(v, second)))
    np.testing.assert_allclose(image @ first, kernel @ v, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_weight_decay_is_a_penalty_on_singular_values(depth):
    point = fixedrank.FixedRank(4, 6, 3, depth=depth).point(RNG.standard_normal((4, 6)))
    factors = fixedrank.balanced_factors(point, [6] * depth + [4], rng=0)
    least = depth * np.sum(point.s ** (2 / depth))
    assert sum(np.sum(factor**2) for factor in factors) == pytest.approx(least, rel=1e-11)
    # Other layers with the same product.
    for _ in range(20):
        change = np.eye(6) + 0.3 * RNG.standard_normal((6, 6))
        others = [change @ factors[0], factors[1] @ np.linalg.inv(change), *factors[2:]]
        np.testing.assert_allclose(
            fixedrank.product(others), fixedrank.product(factors), rtol=1e-7, atol=1e-7
        )
        assert sum(np.sum(factor**2) for factor in others) > least


@pytest.mark.parametrize(("depth", "monotone"), [(2, True), (3, True), (10, True), (1.5, False)])
def test_weights_are_operator_monotone_means_from_two_layers_on(depth, monotone):
    """The Loewner matrix of f(t) = M(t, 1), by 50 digits, is positive semidefinite or is not."""
    t = [mpmath.mpf(j + 1) / 3 for j in range(6)]
    with mpmath.workdps(50):
        # Normal weights u are s^(2-2/N): their means are what c_ij / N is.
        power = mpmath.mpf(depth) / (depth - 1)

        def mean(x):
            if x == 1:
                return mpmath.mpf(1)
            return (x**power - 1) / (x ** (power - 1) - 1) / depth

        matrix = [[mpmath.diff(mean, a) if a == b else 0 for b in t] for a in t]
        for i, a in enumerate(t):
            for j, b in enumerate(t):
                if i != j:
                    matrix[i][j] = (mean(a) - mean(b)) / (a - b)
        lowest = min(mpmath.eigsy(mpmath.matrix(matrix), eigvals_only=True))
    assert lowest > -1e-20 if monotone else lowest < -1e-12
    s = np.array([float(a) for a in t]) ** (depth / (2 * depth - 2))
    found = fixedrank.DepthMetric(depth).tangential(s)[:, 2] / depth
    np.testing.assert_allclose(found, [float(mean(a)) for a in t], rtol=1e-13)


@pytest.mark.parametrize("depth", [2, 3, 20, 2.5, 1000])
def test_weights_are_between_the_logarithmic_and_the_arithmetic_mean(depth):
    s = np.exp(RNG.uniform(-3, 3, 8))
    means = fixedrank.DepthMetric(depth).tangential(s) / depth
    u = s ** (2 - 2 / depth)
    logs = np.subtract.outer(np.log(u), np.log(u)) + np.eye(8)
    logarithmic = np.subtract.outer(u, u) / logs + np.diag(u)
    assert (logarithmic <= means * (1 + 1e-10)).all()
    assert (means <= np.add.outer(u, u) / 2 * (1 + 1e-10)).all()
