"""The density of the Riemannian volume: -1/2 ln det A on the tangent space."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from fixedrank import FixedRank
from tests.geometry import dense
from tests.geometry.chart import DIGITS, chart
from tests.strategies import depths, frames, points, shapes, well_conditioned_points


def round_off(manifold, point):
    """A few ulp of each of the logarithms that are summed."""
    logs = 1 + 2 * np.abs(np.log(point.s)).max() + math.log(min(manifold.depth, 1e3))
    return 20 * dense.EPS * manifold.dim * logs


@given(data=st.data(), shape=shapes(), depth=st.sampled_from([1, 2, 3, 5, 20]))
def test_determinant_of_the_restricted_operator(data, shape, depth):
    point = data.draw(well_conditioned_points(shape))
    sign, logdet = np.linalg.slogdet(
        dense.restricted_operator(dense.matrix(point), shape[2], depth)
    )
    assert sign == 1
    density = FixedRank(*shape, depth=depth).log_volume_density(point)
    assert density == pytest.approx(-logdet / 2, abs=1e-12)


@given(data=st.data(), shape=shapes(largest=5, square=True))
def test_infinite_depth(data, shape):
    # A/N is a mean over t of (W W^T)^(1-t) Z (W^T W)^t; its limit is the integral over [0, 1].
    n = shape[0]
    point = data.draw(well_conditioned_points((n, n, n)))
    W = dense.matrix(point)
    nodes, weights = np.polynomial.legendre.leggauss(12)

    def limit(Z):
        return sum(
            weight * dense.power(W @ W.T, n, (1 - t) / 2) @ Z @ dense.power(W.T @ W, n, (1 + t) / 2)
            for t, weight in zip(nodes, weights / 2, strict=True)
        )

    logdet = np.linalg.slogdet(dense.as_matrix(limit, (n, n)))[1]
    density = FixedRank(n, n, n, depth=math.inf).log_volume_density(point)
    assert density == pytest.approx(-logdet / 2, abs=1e-12)


@pytest.mark.parametrize("depth", [2, 20, 1000, 2.5, 1.0001, math.inf])
@pytest.mark.parametrize("s", [(2.0, 1.0), (2.0, 2.0), (1 + 1e-12, 1.0), (1e6, 1e-12)])
def test_determinant_of_the_metric_in_many_digits(s, depth):
    m, n = (2, 2) if math.isinf(depth) else (4, 3)
    reference = chart(s, m, n, depth)
    with mpmath.workdps(DIGITS):
        expected = mpmath.log(mpmath.det(mpmath.matrix(reference.metric.tolist()))) / 2
    manifold = FixedRank(m, n, 2, depth=depth)
    density = manifold.log_volume_density(reference.point)
    assert abs(density - float(expected)) <= round_off(manifold, reference.point)


@pytest.mark.parametrize("depth", [1, 2, 3, 20, 2.5])
def test_volume_of_a_ball(depth):
    # On R^3 without zero, as 3 x 1 matrices, the metric is dr^2 + (r^2 / N) dOmega^2 with
    # r = sqrt(N) s^(1/N): the ball s <= 2 has the volume 4 pi r^3 / (3 N).
    manifold = FixedRank(3, 1, 1, depth=depth)

    def shell(s):
        point = (np.eye(3, 1), np.array([s]), np.ones((1, 1)))
        return 4 * math.pi * s**2 * math.exp(manifold.log_volume_density(point))

    r = math.sqrt(depth) * 2 ** (1 / depth)
    volume, _ = quad(shell, 0, 2, epsabs=0, epsrel=1e-9, limit=200)
    assert volume == pytest.approx(4 * math.pi * r**3 / (3 * depth), rel=1e-8)


@given(data=st.data(), shape=shapes(), depth=depths(), exponent=st.integers(-20, 20))
def test_scaling(data, shape, depth, exponent):
    manifold = FixedRank(*shape, depth=depth)
    point = data.draw(points(shape))
    scaled = point._replace(s=2.0**exponent * point.s)
    expected = manifold.log_volume_density(point)
    expected -= manifold.dim * (1 - 1 / depth) * exponent * math.log(2)
    bound = round_off(manifold, point) + round_off(manifold, scaled)
    assert abs(manifold.log_volume_density(scaled) - expected) <= bound


@given(data=st.data(), shape=shapes(), depth=depths())
def test_transposition_and_changes_of_the_frames(data, shape, depth):
    m, n, k = shape
    u, s, vt = point = data.draw(points(shape))
    manifold = FixedRank(m, n, k, depth=depth)
    left, right = data.draw(frames(m, m)), data.draw(frames(n, n))
    moved = FixedRank(n, m, k, depth=depth).log_volume_density((right @ vt.T, s, u.T @ left))
    assert abs(moved - manifold.log_volume_density(point)) <= round_off(manifold, point)


@given(data=st.data(), shape=shapes())
def test_zero_at_depth_one(data, shape):
    assert FixedRank(*shape, depth=1).log_volume_density(data.draw(points(shape))) == 0


def test_a_point_that_is_none():
    manifold = FixedRank(3, 2, 2, depth=2)
    u, s, vt = manifold.random_point(rng=0)
    with pytest.raises(ValueError, match="positive"):
        manifold.log_volume_density((u, s * [1, 0], vt))
