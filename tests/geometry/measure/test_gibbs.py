"""The law exp(-rate r^2/2) dvol_g: quadrature of the volume, and samples against other ways."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, ks_2samp, kstest

from fixedrank import FixedRank, ImbalancedMetric
from fixedrank.geometry.measure.stiefel import log_stiefel_volume
from tests.geometry.own_metrics import Logarithmic
from tests.strategies import shapes

DEPTHS = [1, 1.5, 2, 3, 20]
rates = st.floats(-2, 2).map(lambda x: 10.0**x)


@pytest.mark.parametrize(
    ("d", "k", "volume"),
    [
        (1, 1, 2),
        (2, 1, 2 * math.pi),
        (3, 1, 4 * math.pi),
        (4, 1, 2 * math.pi**2),
        (2, 2, 2 * 2 * math.pi),
        # Rotations of R^3 are half of a sphere of radius 2 in R^4.
        (3, 3, 2 * 8 * math.pi**2),
        (3, 2, 8 * math.pi**2),
    ],
)
def test_stiefel_volumes(d, k, volume):
    assert math.exp(log_stiefel_volume(d, k)) == pytest.approx(volume, rel=1e-13)


def log_embedded_density(s, m, n):
    """The volume of the embedding at U diag(s) V^T, for unit volumes of the frames and of ds."""
    gaps = np.subtract.outer(s**2, s**2)[np.triu_indices(s.size, 1)]
    return np.log(np.abs(gaps)).sum() + (m + n - 2 * s.size) * np.log(s).sum()


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 1, 1), (4, 3, 1), (2, 2, 2), (3, 2, 2), (4, 5, 2)]
)
def test_partition_by_quadrature(shape, depth):
    """Over ordered singular values, times the volume of the frames, of which 2^k are one W."""
    m, n, k = shape
    manifold, rate = FixedRank(m, n, k, depth=depth), 1.7
    nodes, weights = np.polynomial.legendre.leggauss(28)
    nodes, weights = (nodes + 1) / 2, weights / 2
    far = math.sqrt(2 * 40 / (rate * depth))  # exp(-40) is left out
    u, vt = np.eye(m, k), np.eye(k, n)
    total = 0.0
    for ratio, of_ratio in zip(nodes, weights, strict=True) if k == 2 else [(0.0, 1.0)]:
        for root, weight in zip(far * nodes, far * weights, strict=True):
            sigma = root * np.array([1.0, ratio][:k])
            s = sigma**depth
            density = np.log(depth * sigma ** (depth - 1)).sum() + (k - 1) * math.log(root)
            density += manifold.log_volume_density((u, s, vt)) + log_embedded_density(s, m, n)
            total += weight * of_ratio * math.exp(density - rate * depth / 2 * (sigma @ sigma))
    frames = log_stiefel_volume(m, k) + log_stiefel_volume(n, k) - k * math.log(2)
    assert manifold.log_partition(rate) == pytest.approx(math.log(total) + frames, abs=1e-11)


@given(shapes(), st.sampled_from([*DEPTHS, 1000]), rates, st.sampled_from([1e-150, 1.0, 1e150]))
def test_partition_in_other_units(shape, depth, rate, unit):
    """The volume of c W is c^(dim/N) times that of W; transposed matrices have the same."""
    m, n, k = shape
    manifold, other = FixedRank(m, n, k, depth=depth), FixedRank(n, m, k, depth=depth)
    expected = manifold.log_partition(rate) + manifold.dim / depth * math.log(unit)
    found = other.log_partition(rate * unit ** (-2 / depth))
    size = manifold.dim * (1 + abs(math.log(unit)) + math.log(depth))
    assert abs(found - expected) <= 1e-12 * size


def roots(manifold, s):
    """The r_a, each with the square N s_a^(2/N)."""
    return math.sqrt(manifold.depth) * s ** (1 / manifold.depth)


def gaussian_values(shape, rate, size, rng, start=None):
    """Singular values of Gaussian k x (m+n-k) matrices, added to [diag(start) 0]."""
    m, n, k = shape
    matrices = rng.standard_normal((size, k, m + n - k)) / math.sqrt(rate)
    if start is not None:
        matrices[:, range(k), range(k)] += start
    return np.linalg.svd(matrices, compute_uv=False)


SHAPES = [(4, 3, 1), (4, 3, 2), (3, 3, 3), (2, 5, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("depth", [1, 2.5, 20])
def test_radii_are_those_of_matrix_brownian_motion(shape, depth):
    """At any time from the apex, and from a Gibbs law to a wider one."""
    manifold, size = FixedRank(*shape, depth=depth), 4000
    # A rate at which singular values fit into floating point at N = 20.
    rate, wider, rng = 8 / depth, 5 / depth, np.random.default_rng(0)
    from_apex = gaussian_values(shape, rate, size, rng)
    first = roots(manifold, manifold.random_gibbs(rate, size=size, rng=1).s)
    later = gaussian_values(shape, 1 / (1 / wider - 1 / rate), size, rng, first)
    second = roots(manifold, manifold.random_gibbs(wider, size=size, rng=2).s)
    for a in range(shape[2]):
        for found, expected in ((first, from_apex), (later, second)):
            assert ks_2samp(found[:, a], expected[:, a]).pvalue > 1e-3
        # So many samples show an error of a twentieth in the largest.
    assert ks_2samp(1.05 * first[:, 0], from_apex[:, 0]).pvalue < 1e-3


@pytest.mark.parametrize("shape", SHAPES)
def test_frames_are_uniform(shape):
    m, n, k = shape
    u, s, vt = FixedRank(m, n, k, depth=3).random_gibbs(1.0, size=4000, rng=3)
    identity = np.broadcast_to(np.eye(k), (4000, k, k))
    np.testing.assert_allclose(u.swapaxes(1, 2) @ u, identity, atol=1e-13)
    np.testing.assert_allclose(vt @ vt.swapaxes(1, 2), identity, atol=1e-13)
    for rows, entry in ((m, u[:, 0, 0]), (m, u[:, -1, -1]), (n, vt[:, 0, 0]), (n, vt[:, -1, -1])):
        # The sign, and the square of an entry of a unit vector.
        assert abs(np.sign(entry).mean()) < 4 / math.sqrt(4000)
        if rows > 1:
            assert kstest(entry**2, beta(0.5, (rows - 1) / 2).cdf).pvalue > 1e-3
    # And independent of each other.
    pairs = u[:, 0, 0] * vt[:, 0, 0]
    assert abs(pairs.mean()) < 4 * pairs.std() / math.sqrt(4000)
    if m == n == k:
        signs = np.sign(np.linalg.det(u) * np.linalg.det(vt))
        assert abs(signs.mean()) < 4 / math.sqrt(4000)
    assert (np.diff(s) <= 0).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("depth", [1, 2.5, 3])
def test_stein_identity(shape, depth):
    """E[Lap phi] = rate E[dphi(N W)], as the law falls by rate times the gradient N W of r^2/2.

    Of phi = f(w), w = W_11, the Laplacian is f'(w) (Lap W)_11 + f''(w) |grad w|^2, and grad w is
    the operator A of the tangential part of a unit matrix.
    """
    manifold, size, rate = FixedRank(*shape, depth=depth), 40_000, 3.0
    u, s, vt = manifold.random_gibbs(rate, size=size, rng=4)
    x, y = u[:, 0], vt[:, :, 0]
    w, bent = ((x * values * y).sum(axis=1) for values in (s, (depth - 1) * s ** (1 - 2 / depth)))
    square = np.einsum("ta,tab,tb->t", x**2, manifold.metric.tangential(s), y**2)
    for one, other in ((x, y), (y, x)):
        square += (1 - (one**2).sum(axis=1)) * (other**2 * s ** (2 - 2 / depth)).sum(axis=1)
    # f = (1 + w^2)^(1/2)
    first, second = w / np.sqrt(1 + w**2), (1 + w**2) ** -1.5
    left, right = first * bent + second * square, rate * first * depth * w
    error = (left - right).std() / math.sqrt(size)
    assert abs((left - right).mean()) < 3 * error
    # So many samples show an error of a twentieth of one side.
    assert 3 * error < 0.05 * left.mean()


@given(shapes(), st.sampled_from([*DEPTHS, 2.5]), st.sampled_from([1e-150, 1e150]))
def test_samples_in_other_units(shape, depth, unit):
    manifold, rate = FixedRank(*shape, depth=depth), 5 / depth
    u, s, vt = manifold.random_gibbs(rate, rng=0)
    other = manifold.random_gibbs(rate * unit ** (-2 / depth), rng=0)
    np.testing.assert_allclose(other.s, unit * s, rtol=1e-10)
    np.testing.assert_array_equal(other.u, u)
    np.testing.assert_array_equal(other.vt, vt)
    manifold.check_point(other)
    stack = manifold.random_gibbs(rate, size=3, rng=0)
    assert [part.shape[0] for part in stack] == [3, 3, 3]
    again = manifold.random_gibbs(rate, size=3, rng=0)
    assert all((a == b).all() for a, b in zip(stack, again, strict=True))


def test_the_generator_of_the_manifold():
    first, second = (FixedRank(4, 3, 2, depth=3, rng=5) for _ in range(2))
    drawn = [manifold.random_gibbs(1.0).s for manifold in (first, second)]
    np.testing.assert_array_equal(*drawn)
    assert (first.random_gibbs(1.0).s != drawn[0]).any()


def test_at_a_thousand_layers():
    """Where r^2 is about its dimension, so that singular values are about one, they fit."""
    manifold = FixedRank(40, 30, 2, depth=1000)
    s = manifold.random_gibbs(68 / 1000, size=500, rng=0).s
    r = roots(manifold, s)
    squares = (r**2).sum(axis=1)
    assert abs(squares.mean() * 68 / 1000 - manifold.dim) < 4 * math.sqrt(2 * manifold.dim / 500)
    with pytest.raises(OverflowError, match=r"rate 1 singular values are from 10\^-\d+ .*0\.068"):
        manifold.random_gibbs(1.0, size=3, rng=0)
    with pytest.raises(OverflowError, match=r"to 10\^\d+, beyond the range"):
        manifold.random_gibbs(1e-3, rng=0)


@pytest.mark.parametrize("metric", [Logarithmic(), ImbalancedMetric([0.5])])
def test_other_metrics_are_refused(metric):
    manifold = FixedRank(3, 3, 3, metric=metric)
    for method in (manifold.log_partition, manifold.random_gibbs):
        with pytest.raises(TypeError, match="dvol_g is known for the metrics of depth N only"):
            method(1.0)


def test_bad_input():
    manifold, infinite = FixedRank(3, 2, 1, depth=2), FixedRank(2, 2, 2, depth=math.inf)
    for method in (infinite.log_partition, infinite.random_gibbs):
        with pytest.raises(ValueError, match="needs a finite depth N: at infinite depth the man"):
            method(1.0)
    for method in (manifold.log_partition, manifold.random_gibbs):
        with pytest.raises(ValueError, match=r"rate must be positive and finite, got 0\.0"):
            method(0.0)
        with pytest.raises(ValueError, match="rate must be positive and finite, got nan"):
            method(math.nan)
        with pytest.raises(TypeError, match="rate must be a number, got None"):
            method(None)
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        manifold.random_gibbs(1.0, size=0)
    with pytest.raises(TypeError, match=r"size must be an integer, got 2\.0"):
        manifold.random_gibbs(1.0, size=2.0)
