"""Positive matrices at depth two: sqrt 2 times the Bures-Wasserstein distance."""

import numpy as np
import pytest
import scipy.linalg

from fixedrank import FixedRank
from tests.geometry import dense


def root(matrix):
    """The square root of a positive semidefinite matrix."""
    values, frame = np.linalg.eigh(matrix)
    return (frame * np.sqrt(np.maximum(values, 0))) @ frame.T


def bures_wasserstein(a, b):
    """The distance sqrt(tr A + tr B - 2 tr (A^(1/2) B A^(1/2))^(1/2))."""
    half = root(a)
    return np.sqrt(np.trace(a) + np.trace(b) - 2 * np.trace(root(half @ b @ half)))


def positive(n, k, seed):
    factor = np.random.default_rng(seed).standard_normal((n, k))
    return factor @ factor.T


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("n", "k"), [(3, 3), (4, 2), (5, 3), (4, 1)])
def test_any_rank(n, k, seed):
    manifold = FixedRank(n, n, k, depth=2)
    a, b = positive(n, k, 2 * seed), positive(n, k, 2 * seed + 1)
    distance = manifold.dist(manifold.point(a), manifold.point(b))
    # A^(1/2) of a singular matrix has half of the digits where it is zero.
    assert distance == pytest.approx(np.sqrt(2) * bures_wasserstein(a, b), rel=1e-6)


@pytest.mark.parametrize("seed", range(2))
def test_the_midpoint_and_the_optimal_map(seed):
    """Full rank: the matrices ((1-t) I + t T) A ((1-t) I + t T), by SciPy's square root."""
    manifold = FixedRank(3, 3, 3, depth=2)
    a, b = positive(3, 3, seed) + np.eye(3) / 2, positive(3, 3, seed + 10) + np.eye(3) / 2
    half = scipy.linalg.sqrtm(a)
    inverse = np.linalg.inv(half)
    mean = (np.eye(3) + inverse @ scipy.linalg.sqrtm(half @ b @ half) @ inverse) / 2
    middle = manifold.pair_mean(manifold.point(a), manifold.point(b))
    np.testing.assert_allclose(dense.matrix(middle), mean @ a @ mean, rtol=0, atol=1e-6)


def test_orthogonal_ranges():
    """Every rotation of the factor is as good; the matrices keep their rank on the way."""
    manifold = FixedRank(4, 4, 2, depth=2)
    a, b = np.diag([2.0, 1.0, 0.0, 0.0]), np.diag([0.0, 0.0, 3.0, 0.5])
    points = manifold.point(a), manifold.point(b)
    assert manifold.dist(*points) == pytest.approx(np.sqrt(2 * np.trace(a + b)), rel=1e-7)
