"""Shapes, depths and singular values that the tests of the companion share."""

import numpy as np

import fixedrank

EPS = float(np.finfo(np.float64).eps)
SHAPES = [(6, 5, 3), (4, 7, 2), (4, 4, 4), (5, 3, 1), (3, 5, 3)]
DEPTHS = [1, 1.5, 2, 2.5, 3, 20, 1000]
SPECTRA = {
    "distinct": [3.0, 2.0, 1.0, 0.7],
    "tied": [2.0, 2.0, 2.0, 2.0],
    "a pair": [2.0, 2.0, 1.0, 1.0],
    "near": [1.0, 1.0 - 1e-12, 1.0 - 2e-12, 0.5],
    "close": [1.0, 0.95, 0.9, 0.85],
    "spread": [1e6, 1.0, 1e-6, 1e-12],
}


def spectrum(name, k):
    """Return k singular values of one kind."""
    return np.array(SPECTRA[name][:k])


def point_and_vectors(shape, depth, name="distinct", seed=0):
    """Return a point of the library, and two tangent vectors at it."""
    manifold = fixedrank.FixedRank(*shape, depth=depth)
    point = manifold.random_point(rng=seed)._replace(s=spectrum(name, shape[2]))
    return point, *(manifold.random_tangent_vector(point, rng=seed + i) for i in (1, 2))


def rotation(k, seed):
    """Return a random orthogonal matrix."""
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((k, k)))[0]
