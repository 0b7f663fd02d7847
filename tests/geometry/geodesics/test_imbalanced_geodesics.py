"""Geodesics of layers out of balance, against the layers and against lengths of one mode."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import ortho_group

import fixedrank
from fixedrank import FixedRank


def one_mode(imbalance, start, end):
    """The length of a path on which one singular value moves alone, from its definition.

    The layers' singular values sqrt(x + mu_j) move along the curve of their product: with x as the
    parameter, |theta'|^2 is the sum of 1 / (4 (x + mu_j)).
    """
    mu = np.concatenate(([0.0], np.cumsum(imbalance)))
    mu -= mu.min()

    def x_of(s):
        low, high = 0.0, s ** (2 / mu.size)
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if np.prod(middle + mu) < s**2 else (low, middle)
        return high

    return quad(lambda x: np.sqrt((1 / (x + mu)).sum()) / 2, x_of(start), x_of(end))[0]


@pytest.mark.parametrize("imbalance", [[1.5], [-0.3, 1.0], [1.0, -2.0, 0.5]])
@pytest.mark.parametrize("shape", [(4, 3, 2), (2, 3, 2), (3, 3, 1)])
def test_modes_that_move_alone(imbalance, shape):
    manifold = FixedRank(*shape, depth=len(imbalance) + 1, imbalance=imbalance)
    a = manifold.random_point(rng=0)._replace(s=np.array([1.0, 0.4])[: shape[2]])
    b = a._replace(s=np.array([2.5, 0.3])[: shape[2]])
    lengths = [one_mode(imbalance, *ends) for ends in zip(a.s, b.s, strict=True)]
    assert manifold.dist(a, b) == pytest.approx(float(np.hypot.reduce(lengths)), rel=1e-7)
    end = manifold.exp(a, manifold.log(a, b))
    np.testing.assert_allclose(end.s, b.s, rtol=1e-7)


@pytest.mark.parametrize("imbalance", [[1.5], [-0.3, 1.0], [1.0, -2.0, 0.5]])
def test_layers_are_no_farther_apart(imbalance):
    """A geodesic lifts to layers at its own length, so that no pair of them is farther apart.

    The closest pair of layers is sought among all changes of the hidden ones, from random ones.
    """
    manifold = FixedRank(4, 3, 2, depth=len(imbalance) + 1, imbalance=imbalance)
    a = manifold.random_point(rng=0)._replace(s=np.array([2.0, 1.2]))
    for size in (0.1, 0.5):
        Z = manifold.random_tangent_vector(a, rng=1) * size
        b = manifold.exp(a, Z)
        distance = manifold.dist(a, b)
        assert distance <= size * (1 + 1e-8)
        first = fixedrank.imbalanced_factors(a, imbalance, rng=2)
        second = fixedrank.imbalanced_factors(b, imbalance, rng=3)
        assert distance >= closest(first, second) * (1 - 1e-8)


def closest(first, second):
    """The least distance of layers up to changes of the hidden ones, one after another."""
    best = np.inf
    for seed in range(6):
        frames = [ortho_group.rvs(2, random_state=100 * seed + j) for j in range(len(first) - 1)]
        for _ in range(200):
            for j in range(len(frames)):
                inner = frames[j - 1] if j else np.eye(second[0].shape[1])
                outer = frames[j + 1] if j + 1 < len(frames) else np.eye(second[-1].shape[0])
                A = first[j] @ inner @ second[j].T + first[j + 1].T @ outer @ second[j + 1]
                u, _, vt = np.linalg.svd(A)
                frames[j] = u @ vt
        turned = [np.eye(second[0].shape[1]), *frames, np.eye(second[-1].shape[0])]
        gaps = (
            np.linalg.norm(layer - outer @ other @ inner.T)
            for layer, other, inner, outer in zip(first, second, turned, turned[1:], strict=False)
        )
        best = min(best, float(np.hypot.reduce(list(gaps))))
    return best
