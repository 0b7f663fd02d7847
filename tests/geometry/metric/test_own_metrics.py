"""A metric of a user's own is one class: everything that the geometry knows works with it."""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fixedrank
from fixedrank import DepthMetric, FixedRank, SpectralMetric
from tests.geometry.own_metrics import Logarithmic, TwoLayers
from tests.strategies import singular_values

METRICS = [Logarithmic(), TwoLayers(1.5), TwoLayers(-0.7)]


@pytest.fixture(params=METRICS, ids=["logarithm", "imbalance", "negative imbalance"])
def metric(request):
    return request.param


def test_the_logarithm_by_its_closed_form():
    s = np.array([3.0, 3.0, 0.5, 1e-3])
    x = s**2
    with np.errstate(invalid="ignore"):
        gaps = np.subtract.outer(x, x)
        expected = np.where(gaps == 0, 1 + x, gaps / np.log(np.divide.outer(1 + x, 1 + x)))
    np.testing.assert_allclose(Logarithmic().tangential(s), expected, rtol=1e-9)


@given(
    s=singular_values(3, 0.1, 10) | singular_values(3, 1, 1.1),
    depth=st.sampled_from([2, 3, 7, 2.5]),
)
def test_differences_of_one_order_more(s, depth):
    """What a metric gets by default, beside what the one of depth N knows of itself."""
    metric, rng = DepthMetric(depth), np.random.default_rng(0)
    m, x, y = (rng.standard_normal((3, 3)) for _ in range(3))
    x, y = x + x.T, y + y.T
    for by_default, known in zip(
        SpectralMetric.normal_second(metric, s), metric.normal_second(s), strict=True
    ):
        np.testing.assert_allclose(by_default, known, rtol=1e-8)
    # All terms of x = y = m^2 have one sign, so that nothing cancels.
    m = np.abs(m + m.T)
    by_default, known = (
        form(m, m, m) for form in (SpectralMetric.third(metric, s), metric.third(s))
    )
    assert by_default == pytest.approx(known, rel=1e-8)


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 20])
def test_what_is_read_off_the_tables_by_default(depth):
    metric = DepthMetric(depth)
    s = np.array([2.0, 0.5, 0.5])
    general = SpectralMetric
    np.testing.assert_allclose(general.normal_rates(metric, s), metric.normal_rates(s), rtol=1e-14)
    np.testing.assert_allclose(
        general.radial_weights(metric, s), metric.radial_weights(s), rtol=1e-13
    )
    assert general.boundary_power.fget(metric) == pytest.approx(metric.boundary_power, abs=1e-6)
    assert general.typical_dist(metric, 3) == pytest.approx(metric.typical_dist(3), rel=1e-6)


def test_layers_of_one_imbalance_move_as_the_metric_says():
    """W' = -A_W(G) where W_2^T W_2 - W_1 W_1^T is a multiple of I, which the flow keeps."""
    imbalance, rng = 1.5, np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((n, 2)))[0] for n in (4, 3))
    s = np.array([1.3, 0.6])
    x = (np.sqrt(imbalance**2 + 4 * s**2) - imbalance) / 2
    layers = [np.sqrt(x)[:, None] * v.T, u * np.sqrt(x + imbalance)]
    problem = fixedrank.LinearRegression(np.eye(3), rng.standard_normal((4, 3)))
    times = np.linspace(0, 2, 5)
    # The left weights are those of Up, x, and the right ones of Vp, x + imbalance.
    metric = TwoLayers(imbalance)
    moving = fixedrank.riemannian_flow(
        problem, fixedrank.FixedRankPoint(u, s, v.T), metric, times, rtol=1e-10
    )
    layered = fixedrank.factored_flow(problem, layers, times, rtol=1e-10)
    for W, (a, b, c) in zip(layered.product, moving.points, strict=True):
        np.testing.assert_allclose((a * b) @ c, W, atol=1e-7)


def test_a_flow_may_reach_the_boundary():
    """With f = ln(1 + x) a singular value near zero moves as in the embedded metric."""
    metric = Logarithmic()
    assert metric.boundary_power == 1
    problem = fixedrank.LinearRegression(np.eye(2), np.diag([1.0, -1.0]))
    start = FixedRank(3, 2, 2, metric=metric).random_point(rng=0)
    start = start._replace(u=np.eye(3, 2), s=np.array([1.0, 0.5]), vt=np.eye(2))
    problem = fixedrank.LinearRegression(np.eye(2), np.diag([1.0, -1.0, 0.0])[:, :2])
    flow = fixedrank.riemannian_flow(problem, start, metric, [0.0, 5.0])
    # s' = -(1 + s^2) (s + 1), so that s = 0 at the integral of 1 / ((1 + s^2)(1 + s)).
    expected = (math.atan(0.5) + math.log(1.5) - math.log(1.25) / 2) / 2
    (change,) = flow.rank_changes
    assert change.t == pytest.approx(expected, rel=1e-5)
    assert "in this metric the flow reaches the boundary" in change.reason


def test_one_metric_for_each_depth():
    metric = DepthMetric(3)
    for other in (DepthMetric(3.0), pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric)):
        assert other is metric
    assert DepthMetric(1).tangential(np.ones(2)).tolist() == [[1, 1], [1, 1]]
    assert FixedRank(3, 3, 3, metric=DepthMetric(math.inf)).depth == math.inf
    assert repr(DepthMetric(2.5)) == "DepthMetric(2.5)"


def test_bad_input(metric):
    with pytest.raises(ValueError, match="given twice, as depth=2 and as metric"):
        FixedRank(3, 2, 1, depth=2, metric=metric)
    with pytest.raises(TypeError, match="derived from SpectralMetric, got 2"):
        FixedRank(3, 2, 1, metric=2)
    manifold = FixedRank(3, 2, 1, metric=metric)
    assert repr(manifold) == f"FixedRank(3, 2, 1, metric={metric})"
    point = manifold.random_point(rng=0)
    Z = manifold.zero_vector(point)
    with pytest.raises(TypeError, match="the integral form is known for the metrics of depth N"):
        fixedrank.integral_inner_product(point, Z, Z, metric)
    with pytest.raises(TypeError, match="abstract"):
        SpectralMetric()
