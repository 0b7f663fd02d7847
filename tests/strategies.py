"""Hypothesis strategies for shapes, depths, singular values, points and tangent vectors."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fixedrank import FixedRankPoint, FixedRankTangentVector

seeds = st.integers(0, 2**32 - 1)


@st.composite
def shapes(draw, largest=6, square=False):
    """Draw (m, n, k): tall, wide or square, with k = 1, in between, or min(m, n)."""
    low = draw(st.integers(1, largest - 1))
    high = draw(st.integers(low + 1, largest))
    m, n = (low, low) if square else draw(st.sampled_from([(high, low), (low, high), (low, low)]))
    k = draw(st.sampled_from(sorted({1, (low + 1) // 2, low})))
    return m, n, k


def depths(smallest=1.0):
    """Draw a depth N: the usual integers, a large one, or a real number up to 50."""
    usual = [depth for depth in (1, 2, 3, 20, 1000) if depth >= smallest]
    return st.sampled_from(usual) | st.floats(smallest, 50)


@st.composite
def singular_values(draw, k, low=1e-12, high=1e6):
    """Draw k values in [low, high]: distinct, tied, partly tied, or 1e-12 apart; in any order."""
    exponents = st.floats(np.log(low), np.log(high))
    s = np.exp(draw(hnp.arrays(float, k, elements=exponents)))
    pattern = draw(st.sampled_from(["as drawn", "tied", "partly tied", "near ties"]))
    if pattern == "tied":
        s[:] = s[0]
    elif pattern == "partly tied":
        s[1::2] = s[: k // 2 * 2 : 2]
    elif pattern == "near ties":
        s = s[0] * (1 + 1e-12 * np.arange(k))
    s = np.clip(np.sort(s)[::-1], low, high)
    return s if draw(st.integers(0, 3)) else s[::-1].copy()


@st.composite
def frames(draw, rows, columns):
    """Draw a matrix with orthonormal columns: random, or columns of the identity."""
    seed = draw(seeds)
    if seed == 0:
        return np.eye(rows, columns)
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((rows, columns)))[0]


@st.composite
def points(draw, shape=None, low=1e-12, high=1e6):
    """Draw a point (u, s, vt) with singular values in [low, high]."""
    m, n, k = shape or draw(shapes())
    u, v = draw(frames(m, k)), draw(frames(n, k))
    return FixedRankPoint(u, draw(singular_values(k, low, high)), v.T.copy())


def well_conditioned_points(shape=None):
    """Draw a point with singular values in [1/2, 2]."""
    return points(shape, low=0.5, high=2.0)


def entries(low=1e-30, high=1e30):
    """Draw a number: zero, or of either sign and any magnitude in [low, high]."""
    return st.just(0.0) | st.floats(low, high) | st.floats(-high, -low)


def arrays(shape, low=1e-30, high=1e30):
    """Draw an array with entries of all magnitudes in [low, high], and zeros."""
    return hnp.arrays(float, shape, elements=entries(low, high))


@st.composite
def tangent_vectors(draw, point, low=1e-30, high=1e30):
    """Draw a tangent vector (Up, M, Vp) at a point, with U^T Up = 0 and V^T Vp = 0."""
    u, s, vt = point
    k = s.size
    up, vp = (_orthogonal_to(basis, draw(arrays(basis.shape, low, high))) for basis in (u, vt.T))
    return FixedRankTangentVector(up, draw(arrays((k, k), low, high)), vp)


def _orthogonal_to(basis, block):
    if basis.shape[0] == basis.shape[1]:
        return np.zeros_like(block)
    for _ in range(2):
        block = block - basis @ (basis.T @ block)
    return block
