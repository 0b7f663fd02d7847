"""Penalties of singular values: against differences on matrices of one rank, and closed forms."""

import numpy as np
import pytest

from fixedrank import FixedRank, FixedRankPoint
from fixedrank.losses.spectral_penalty import NuclearNorm, SpectralPenalty

M, N = 6, 5
SPECTRA = [[3.0, 1.0], [2.0, 2.0], [2.0, 2.0 - 1e-9], [5.0, 3.0, 3.0, 1.0, 1e-3]]


class HalfSquares(SpectralPenalty):
    """Half the squared Frobenius norm, whose gradient is W and whose Hessian projects."""

    def values(self, s):
        return s**2 / 2

    def slopes(self, s):
        return s

    def divided_slopes(self, s):
        return np.ones((s.size, s.size))


class Cubes(SpectralPenalty):
    """The sum of cubes."""

    def values(self, s):
        return s**3

    def slopes(self, s):
        return 3 * s**2

    def divided_slopes(self, s):
        return 3 * np.add.outer(s, s)


PENALTIES = [NuclearNorm(1.5), HalfSquares(), Cubes()]
every_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=lambda p: type(p).__name__)


def point_with(s, seed=0):
    u, _, vt = FixedRank(M, N, len(s), depth=1).random_point(rng=seed)
    return FixedRankPoint(u, np.array(s), vt)


def matrix(point):
    return (point.u * point.s) @ point.vt


def nearest(W, k):
    u, s, vt = np.linalg.svd(W)
    return FixedRankPoint(u[:, :k], s[:k], vt[:k])


def tangent(point, seed):
    manifold = FixedRank(M, N, point.s.size, depth=1)
    Z = manifold.random_tangent_vector(point, rng=seed)
    return Z, manifold.tangent_to_matrix(point, Z)


def dense(pair):
    return pair[0] @ pair[1].T


@every_penalty
@pytest.mark.parametrize("s", SPECTRA)
def test_values_and_derivatives(penalty, s):
    point = point_with(s)
    W, k = matrix(point), len(s)
    Z, direction = tangent(point, 1)
    assert penalty.loss(point) == pytest.approx(sum(penalty.values(np.array(s))), rel=1e-12)
    assert penalty.loss(W) == pytest.approx(penalty.loss(point), rel=1e-12)
    h = 1e-4 * min(s)
    ahead, behind = nearest(W + h * direction, k), nearest(W - h * direction, k)
    slope = (penalty.loss(ahead) - penalty.loss(behind)) / (2 * h)
    assert np.vdot(dense(penalty.gradient(point)), direction) == pytest.approx(slope, rel=1e-6)
    assert penalty.slope_along(point, Z) == pytest.approx(slope, rel=1e-6)
    change = (dense(penalty.gradient(ahead)) - dense(penalty.gradient(behind))) / (2 * h)
    for place in (point, W):
        found = dense(penalty.hessian_product(place, direction))
        np.testing.assert_allclose(found, change, rtol=0, atol=1e-6 * np.abs(change).max())


@every_penalty
def test_normal_directions_leave_the_gradient(penalty):
    point = point_with([3.0, 1.0])
    left, right = (np.random.default_rng(1).standard_normal((size, 2)) for size in (M, N))
    left -= point.u @ (point.u.T @ left)
    right -= point.vt.T @ (point.vt @ right)
    found = dense(penalty.hessian_product(point, (left, right)))
    np.testing.assert_allclose(found, 0, atol=1e-13)


def test_half_squares_project():
    point = point_with([3.0, 1.0])
    Z = np.random.default_rng(1).standard_normal((M, N))
    P, Q = point.u @ point.u.T, point.vt.T @ point.vt
    expected = P @ Z + Z @ Q - P @ Z @ Q
    found = dense(HalfSquares().hessian_product(point, Z))
    np.testing.assert_allclose(found, expected, atol=1e-13)
    np.testing.assert_allclose(dense(HalfSquares().gradient(point)), matrix(point), atol=1e-13)


def test_the_nuclear_norm_is_dual_to_the_spectral_norm():
    W = np.random.default_rng(0).standard_normal((M, N))
    penalty = NuclearNorm(2.0)
    G = dense(penalty.gradient(W))
    assert np.linalg.norm(G, 2) == pytest.approx(2.0, rel=1e-12)
    assert np.vdot(G, W) == pytest.approx(penalty.loss(W), rel=1e-12)
    assert penalty.loss(W) == pytest.approx(2 * np.linalg.norm(W, "nuc"), rel=1e-12)


@pytest.mark.parametrize("rank", [1, 3])
def test_the_slope_from_lower_rank(rank):
    """|W + t Z|_* = |W|_* + t slope from t = 0 up, where Z adds to the rank."""
    point = point_with([3.0, 2.0, 1.0][:rank])
    left, right = (np.random.default_rng(1).standard_normal((size, 2)) for size in (M, N))
    t = 1e-7
    ahead = np.linalg.norm(matrix(point) + t * left @ right.T, "nuc")
    slope = (ahead - point.s.sum()) / t
    assert NuclearNorm(1.0).slope_along(point, (left, right)) == pytest.approx(slope, rel=1e-5)


@every_penalty
def test_at_zero_nothing_counts(penalty):
    zero = np.zeros((M, N))
    assert penalty.loss(zero) == 0
    for found in (
        dense(penalty.gradient(zero)),
        dense(penalty.hessian_product(zero, np.ones((M, N)))),
        penalty.gradient_products(np.zeros((M, 2)), None, np.ones((N, 2)))[0],
    ):
        np.testing.assert_array_equal(found, 0)
