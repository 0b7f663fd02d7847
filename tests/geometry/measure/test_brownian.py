"""The drift of Brownian motion: the Laplacian of W in coordinates, by differences of the metric."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import FixedRank, ImbalancedMetric
from tests.geometry.chart import (
    chart,
    first_derivatives,
    inverse,
    second_derivatives,
    with_many_digits,
)
from tests.geometry.own_metrics import Logarithmic
from tests.strategies import depths, frames, points, shapes


@with_many_digits
def laplacian(reference):
    """g^ij (d_i d_j W - Gamma_ij^l d_l W) at the base point."""
    metric = inverse(reference.metric)
    second = second_derivatives(reference.matrix, reference.dim)
    first = first_derivatives(reference.matrix, reference.dim)
    bent = np.tensordot(reference.christoffel, first, (2, 0))
    return np.einsum("ij,ijab->ab", metric, second - bent).astype(float)


@pytest.mark.parametrize(
    ("s", "m", "n", "depth"),
    [
        ((2.0,), 3, 2, 3),
        ((2.0, 1.0), 3, 3, 2),
        ((2.0, 1.0), 2, 3, 2.5),
        ((2.0, 2.0), 3, 2, 20),
        ((1.0, 1 + 1e-12), 2, 2, 3),
        ((2.0, 1e-3), 3, 3, 1),
        ((2.0, 1.0), 3, 2, 1.01),
        ((2.0, 1.0), 2, 2, math.inf),
    ],
)
def test_laplacian_in_coordinates(s, m, n, depth):
    reference = chart(s, m, n, depth)
    manifold = FixedRank(m, n, len(s), depth=depth)
    drift = manifold.tangent_to_matrix(
        reference.point, manifold.brownian_drift(reference.point, 0.5)
    )
    expected = laplacian(reference) / 2
    # The ways around a tie in the reference change W by 1e-12.
    bound = 1e-11 * max(np.abs(expected).max(), 1)
    np.testing.assert_allclose(drift, expected, rtol=0, atol=bound)


@given(data=st.data(), shape=shapes(), depth=depths(), unit=st.sampled_from([1e-150, 1.0, 1e150]))
def test_scaling_transposition_and_turns(data, shape, depth, unit):
    m, n, k = shape
    u, s, vt = data.draw(points(shape))
    manifold = FixedRank(m, n, k, depth=depth)
    core = manifold.brownian_drift((u, s, vt), 0.7).M
    left, right = data.draw(frames(m, m)), data.draw(frames(n, n))
    other = FixedRank(n, m, k, depth=depth)
    moved = other.brownian_drift((right @ vt.T, unit * s, u.T @ left), 0.7 * unit ** (2 / depth))
    np.testing.assert_allclose(moved.M, unit * core, rtol=1e-10)
    assert not moved.Up.any()
    assert not moved.Vp.any()


@pytest.mark.parametrize("metric", [Logarithmic(), ImbalancedMetric([0.5])])
def test_other_metrics_are_refused(metric):
    manifold = FixedRank(3, 3, 3, metric=metric)
    with pytest.raises(TypeError, match="drift of Brownian motion is known for the metrics of dep"):
        manifold.brownian_drift(manifold.random_point(rng=0), 1.0)


@pytest.mark.parametrize(
    ("temperature", "kind", "message"),
    [
        (0.0, ValueError, r"temperature must be positive and finite, got 0\.0"),
        (-1.0, ValueError, r"temperature must be positive and finite, got -1\.0"),
        (math.nan, ValueError, "temperature must be positive and finite, got nan"),
        (math.inf, ValueError, "temperature must be positive and finite, got inf"),
        ("hot", TypeError, "temperature must be a number, got 'hot'"),
    ],
)
def test_bad_temperatures(temperature, kind, message):
    manifold = FixedRank(3, 2, 1, depth=2)
    with pytest.raises(kind, match=message):
        manifold.brownian_drift(manifold.random_point(rng=0), temperature)


def test_beyond_floating_point():
    manifold = FixedRank(2, 2, 1, depth=3)
    point = manifold.point(1e200 * np.eye(2, 1) @ np.ones((1, 2)))
    with pytest.raises(OverflowError, match=r"above the range.*1\.4e\+200.*divide W by its unit"):
        manifold.brownian_drift(point, 1e300)
    # Without layers between there is no drift, however large the temperature.
    flat = FixedRank(2, 2, 1, depth=1)
    assert not flat.brownian_drift(point, 1e300).M.any()
