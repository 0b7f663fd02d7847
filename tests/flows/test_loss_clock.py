"""The clock of the loss: L - L_inf falls as exp(-tau), through the same matrices as in time."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from fixedrank import (
    Classification,
    FactoredTrajectory,
    FixedRank,
    LinearRegression,
    Loss,
    MatrixCompletion,
    RiemannianTrajectory,
    balanced_factors,
    factored_flow,
    gaussian_factors,
    imbalanced_factors,
    riemannian_flow,
)

RNG = np.random.default_rng(3)
LABELS = np.arange(12) % 4
CENTRES = np.array([[1, 0, -1, 0], [0, 1, 0, -1], [0.5, -0.5, 0.5, -0.5], [0, 0, 0, 1]])
X = 3 * CENTRES[:, LABELS] + 0.3 * RNG.standard_normal((4, 12))
EASY = Classification(X, LABELS)
TARGET = RNG.standard_normal((4, 4))


class LogCosh(Loss):
    """The sum of log cosh(W - T), with a known infimum: zero."""

    shape, infimum = (4, 4), 0.0

    def loss(self, W):
        misfit = np.abs((W[0] * W[1]) @ W[2] - TARGET)
        return (misfit + np.log1p(np.expm1(-2 * misfit) / 2)).sum()

    def gradient(self, W):
        return np.tanh((W[0] * W[1]) @ W[2] - TARGET)


def start_of(depth, k=4, unit=1.0, shape=(4, 4), seed=1):
    point = FixedRank(*shape, k, depth=depth).random_point(rng=seed)
    return point._replace(s=unit * np.linspace(0.5, 0.3, k))


def layers_of(point, depth):
    widths = [point.vt.shape[1]] + [point.s.size] * (depth - 1) + [point.u.shape[0]]
    return balanced_factors(point, widths) if depth > 1 else [(point.u * point.s) @ point.vt]


def both(problem, depth, tau, k=4, unit=1.0, **options):
    start = start_of(depth, k, unit)
    yield riemannian_flow(problem, start, depth, tau, clock="loss", **options)
    yield factored_flow(problem, layers_of(start, depth), tau, clock="loss", **options)


def drift(flow, infimum=0.0):
    excess = flow.loss - infimum
    return np.abs(np.log(excess / excess[0]) + flow.clock - flow.clock[0]).max()


# Law, orbit and time


@pytest.mark.parametrize(("depth", "k"), [(1, 3), (1, 4), (2, 4), (3, 3), (5, 4)])
def test_a_loss_of_1e_100_in_about_a_thousand_evaluations(depth, k):
    flows = list(both(EASY, depth, np.linspace(0, 230, 7), k, rtol=1e-6))
    for flow in flows:
        assert flow.status == "reached the last time clock = 230"
        assert flow.loss[-1] < 1e-98
        assert drift(flow) < 3e-3
        assert flow.evaluations < 2500
        assert flow.complete
    # With layers of one matrix the rank is not bounded.
    if depth > 1 or k == 4:
        np.testing.assert_allclose(flows[0].t, flows[1].t, rtol=0.02)
        products = flows[0].product[-1], flows[1].product[-1]
        np.testing.assert_allclose(*products, rtol=0, atol=1e-3 * np.abs(products[0]).max())


@given(
    depth=st.sampled_from([1, 1.5, 2, 3, 20]),
    k=st.integers(1, 3),
    shape=st.sampled_from([(3, 4), (3, 3), (5, 3)]),
    start=st.sampled_from([0.0, -7.0, 100.0]),
    seed=st.integers(0, 100),
)
def test_the_loss_falls_as_the_clock_says(depth, k, shape, start, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(2 * shape[1]) % shape[0]
    data = rng.standard_normal((shape[1], labels.size))
    problem = Classification(data, labels, classes=shape[0])
    tau = start + np.array([0.0, 0.02, 0.05])
    # Wherever it ends, as where no W of this rank tells the classes apart: so far it holds.
    flow = riemannian_flow(
        problem, start_of(depth, k, 1.0, shape, seed), depth, tau, clock="loss", infimum=0.0
    )
    assert drift(flow) < 1e-6
    assert flow.t[0] == 0
    assert (np.diff(flow.t) > 0).all()


@pytest.mark.parametrize("depth", [1, 1.5, 3])
def test_the_time_of_a_scalar(depth):
    """W of one entry and two samples on its side: dw/dt = N w^(2 - 2/N) 2 / (1 + e^w)."""
    problem = Classification([[1.0, -1.0]], [1, -1])
    tau, begin = [0.0, 1e-6, 1.0, 30.0, 600.0], 0.5
    point = FixedRank(1, 1, 1, depth=2).point([[0.5]])
    flow = riemannian_flow(problem, point, depth, tau, clock="loss", rtol=1e-10)
    assert flow.t[0] == 0
    for i, passed in enumerate(tau[1:], start=1):
        w = -math.log(math.expm1(math.log1p(math.exp(-begin)) * math.exp(-passed)))
        assert flow.singular_values[i, 0] == pytest.approx(w, rel=1e-10)
        # The integral of dt, times exp(-w).
        nodes = sorted({begin, *(x for x in (w - 40, w - 10, w - 2) if x > begin), w})
        scaled = sum(
            quad(lambda s, w=w: (math.exp(-w) + math.exp(s - w)) / s ** (2 - 2 / depth), a, b)[0]
            for a, b in pairwise(nodes)
        )
        # The time is known to the tolerance times tau, relative, though it is up to 1e260.
        assert flow.t[i] == pytest.approx(scaled / (2 * depth) * math.exp(w), rel=1e-6)
        if depth == 1:
            closed = (math.exp(w) * -math.expm1(begin - w) + w - begin) / 2
            assert flow.t[i] == pytest.approx(closed, rel=1e-6)


@pytest.mark.parametrize(
    "problem",
    [
        EASY,
        0.3 * EASY,
        LogCosh(),
        LinearRegression(X, TARGET @ X + RNG.standard_normal((4, 12))),
        LinearRegression(X[:, :2], TARGET @ X[:, :2]),
        MatrixCompletion(np.where(np.eye(4) > 0, np.nan, TARGET)),
    ],
    ids=["classes", "multiple", "own", "regression", "few samples", "completion"],
)
@pytest.mark.parametrize("depth", [1, 3])
def test_the_matrices_are_those_of_the_flow_in_time(problem, depth):
    tau = np.linspace(0, 8, 3)
    start = start_of(depth)
    flows = both(problem, depth, tau, rtol=1e-8)
    in_time = (
        lambda t: riemannian_flow(problem, start, depth, t, rtol=1e-8),
        lambda t: factored_flow(problem, layers_of(start, depth), t, rtol=1e-8),
    )
    for flow, plain in zip(flows, in_time, strict=True):
        excess = [problem._excess(p.u * p.s, p.vt.T, problem.infimum) for p in flow.points]
        np.testing.assert_allclose(np.log(excess), np.log(excess[0]) - tau, rtol=0, atol=1e-4)
        expected = plain(flow.t)
        for found, W in zip(flow.product, expected.product, strict=True):
            np.testing.assert_allclose(found, W, rtol=0, atol=1e-5 * np.abs(W).max())
        bound = 1e-4 * expected.gradient_norm
        # A flow in time at rest has no gradient to the last digits.
        bound += 1e-6 * expected.gradient_norm[0]
        assert (np.abs(flow.gradient_norm - expected.gradient_norm) <= bound).all()


@pytest.mark.parametrize(("depth", "unit"), [(1, 1e150), (3, 1e-150)])
def test_the_clock_knows_no_unit(depth, unit):
    """W and 1 / X in a unit: the same at each tau, while the time has that of W^(2/N)."""
    plain = both(EASY, depth, [0, 20, 120], rtol=1e-5)
    scaled = both(Classification(X / unit, LABELS), depth, [0, 20, 120], 4, unit, rtol=1e-5)
    for one, other in zip(plain, scaled, strict=True):
        np.testing.assert_allclose(other.loss, one.loss, rtol=1e-2)
        largest = one.singular_values.max()
        np.testing.assert_allclose(
            other.singular_values / unit, one.singular_values, rtol=0, atol=1e-4 * largest
        )
        # At depth 1 and in units of 1e150 t overflows.
        logarithm = np.log10(one.t[1:]) + 2 / depth * np.log10(unit)
        held = logarithm < 308
        np.testing.assert_allclose(np.log10(other.t[1:][held]), logarithm[held], atol=1e-3)
        assert np.isinf(other.t[1:][~held]).all()
        if depth == 3:
            norms = np.log10(one.gradient_norm) - np.log10(unit) / 3
            np.testing.assert_allclose(np.log10(other.gradient_norm), norms, atol=1e-3)


def test_unbalanced_layers():
    layers = gaussian_factors([4, 6, 3, 4], rng=0)
    flow = factored_flow(EASY, layers, [0, 5, 40], clock="loss", rtol=1e-9)
    assert drift(flow) < 1e-6
    np.testing.assert_allclose(flow.balancedness, flow.balancedness[0], rtol=1e-4)
    expected = factored_flow(EASY, layers, flow.t[:2], rtol=1e-9)
    for found, W in zip(flow.factors[1], expected.factors[1], strict=True):
        np.testing.assert_allclose(found, W, rtol=0, atol=1e-6)


def test_an_imbalanced_metric():
    point = start_of(2)
    layers = imbalanced_factors(point, [0.7], rng=0)
    flow = factored_flow(EASY, layers, [0, 5, 20], clock="loss", rtol=1e-9)
    other = riemannian_flow(EASY, point, 2, [0, 5, 20], imbalance=[0.7], clock="loss", rtol=1e-9)
    np.testing.assert_allclose(flow.t, other.t, rtol=1e-5)
    for found, W in zip(flow.product, other.product, strict=True):
        np.testing.assert_allclose(found, W, rtol=0, atol=1e-6 * np.abs(W).max())


def test_beyond_what_floating_point_has():
    """A loss of exp(-2000): margins grow on, and so does what is known of directions."""
    for flow, cosine in zip(
        both(EASY, 2, [0, 200, 2000], rtol=1e-5),
        (lambda W: EASY.alignment(W, 2), EASY.alignment),
        strict=True,
    ):
        assert flow.status == "reached the last time clock = 2000"
        assert flow.loss[-1] == flow.gradient_norm[-1] == 0
        assert flow.t[-1] == np.inf
        assert EASY.margin(flow.points[2]) == pytest.approx(2000, abs=30)
        assert cosine(flow.last) > 0.9999


def test_past_a_saddle():
    """W = diag(3, 0) is one: the flow stays there long, and the clock does not notice."""
    problem = LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    point = FixedRank(2, 2, 2, depth=2).point(np.diag([1.0, 1e-7]))
    tau = [0, 1, 1.5, 3, 10]
    flow = riemannian_flow(problem, point, 2, tau, clock="loss", rtol=1e-9)
    assert flow.status == "reached the last time clock = 10"
    assert drift(flow) < 1e-5
    # s' = 2 s (b - s), for each singular value alone.
    b, t = np.array([3.0, 1.0]), flow.t[:, None]
    exact = b / (1 + (b / np.array([1.0, 1e-7]) - 1) * np.exp(-2 * b * t))
    np.testing.assert_allclose(flow.singular_values, exact, rtol=1e-5)
    assert flow.t[3] > 8


def test_a_lower_rank_in_finite_time():
    problem = LinearRegression(np.eye(2), np.diag([3.0, -1.0]))
    point = FixedRank(2, 2, 2, depth=1.5).point(np.diag([1.0, 0.1]))
    options = {"clock": "loss", "infimum": 0.5 - 1e-9, "rtol": 1e-9}
    flow = riemannian_flow(problem, point, 1.5, np.linspace(0, 6, 121), **options)
    plain = riemannian_flow(problem, point, 1.5, flow.t, rtol=1e-9)
    (change,), (expected,) = flow.rank_changes, plain.rank_changes
    assert np.interp(change.t, flow.clock, flow.t) == pytest.approx(expected.t, rel=1e-3)
    for found, W in zip(flow.product, plain.product, strict=True):
        np.testing.assert_allclose(found, W, rtol=0, atol=1e-6)
    assert f"at clock = {change.t:.6g} a singular value reached zero" in flow.status


# Where it ends


@pytest.mark.parametrize("depth", [1, 3])
def test_it_ends_where_the_flow_rests_above_the_infimum(depth):
    rng = np.random.default_rng(0)
    mixed = Classification(rng.standard_normal((4, 40)), rng.integers(4, size=40))
    start = start_of(depth)
    rest = riemannian_flow(mixed, start, depth, [0, 1e5], rtol=1e-9)
    assert rest.status.startswith("stationary")
    for flow in both(mixed, depth, [0, 0.1, 230], infimum=0.0):
        assert "the flow comes to rest at the loss" in flow.status
        assert "above the infimum 0" in flow.status
        assert not flow.complete
        assert len(flow) == 3
        assert flow.loss[-1] == pytest.approx(rest.loss[-1], rel=1e-9)
        assert flow.clock[-1] == pytest.approx(np.log(flow.loss[0] / flow.loss[-1]), abs=1e-6)
        W, expected = flow.product[-1], rest.product[-1]
        # A step of all scores of a sample changes nothing.
        np.testing.assert_allclose(W - W.mean(0), expected - expected.mean(0), rtol=0, atol=1e-3)


def test_it_ends_at_round_off():
    noise = np.random.default_rng(0).standard_normal((3, 12))
    problem = LinearRegression(X, TARGET[:3] @ X + noise)
    start = start_of(2, 3, shape=(3, 4))
    flow = riemannian_flow(problem, start, 2, [0, 20, 300], clock="loss", rtol=1e-6)
    assert "falls no more as the clock says" in flow.status
    assert "within round-off" in flow.status
    assert flow.loss[-1] == pytest.approx(problem.infimum, rel=1e-12)
    assert 40 < flow.clock[-1] < 100


ONE = LinearRegression(np.eye(2), np.eye(2))
TWO = [np.ones((2, 2)), np.ones((2, 2))]


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"clock": "steps"}, ValueError, "clock must be 'time' or 'loss', got 'steps'"),
        ({"infimum": 0.0}, ValueError, "infimum=0.0 is for clock='loss'"),
        (
            {"clock": "loss", "weight_decay": 0.1},
            ValueError,
            "flows with weight decay, here 0.1",
        ),
        ({"clock": "loss", "infimum": np.nan}, ValueError, "infimum must be finite, got nan"),
        ({"clock": "loss", "infimum": "0"}, TypeError, "infimum must be a number, got '0'"),
        ({"clock": "loss", "infimum": 99.0}, ValueError, "is not above the infimum 99"),
    ],
)
def test_mistakes(options, kind, words):
    point = FixedRank(2, 2, 2, depth=2).point(np.diag([2.0, 3.0]))
    with pytest.raises(kind, match=words):
        factored_flow(ONE, TWO, [0, 1], **options)
    with pytest.raises(kind, match=words):
        riemannian_flow(ONE, point, 2, [0, 1], **options)


def test_where_the_infimum_is_not_known():
    xor = np.array([[1.0, -1.0, 1.0, -1.0], [1.0, -1.0, -1.0, 1.0]])
    problem = Classification(xor, [1, 1, -1, -1])
    with pytest.raises(ValueError, match="this Classification does not know: say infimum="):
        factored_flow(problem, [np.ones((1, 2))], [0, 1], clock="loss")
    with pytest.raises(ValueError, match="the gradient vanishes at the start, where the loss 1 "):
        factored_flow(ONE, [np.zeros((2, 2))] * 2, [0, 1], clock="loss")


# What goes with it


@pytest.mark.parametrize("flow_of", [riemannian_flow, factored_flow])
def test_a_store_goes_on_to_the_last_bit(flow_of, tmp_path):
    start = (start_of(2), 2) if flow_of is riemannian_flow else (layers_of(start_of(2), 2),)
    tau, seen = [0.0, 2.0, 20.0, 60.0], []

    def stop(t, where, loss):
        seen.append(t)
        return len(seen) == 30

    whole = flow_of(EASY, *start, tau, clock="loss")
    path = tmp_path / "run"
    part = flow_of(EASY, *start, tau, clock="loss", callback=stop, store=path)
    assert "stopped by the callback at clock = " in part.status
    # The callback sees the time, as the trajectory has it.
    assert part.t[-1] == seen[-1]
    assert part.clock[-1] < 60
    again = flow_of(EASY, *start, tau, clock="loss", store=path)
    for name in ("t", "clock", "loss", "singular_values", "gradient_norm"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    assert (again.status, again.evaluations) == (whole.status, whole.evaluations)
    longer = flow_of(EASY, *start, [*tau, 80.0], clock="loss", store=path)
    assert drift(longer) < 1e-5
    assert np.isfinite(longer.t).all()
    with pytest.raises(ValueError, match="another run"):
        flow_of(EASY, *start, tau, store=path)


def test_a_store_of_a_run_that_came_to_rest(tmp_path):
    rng = np.random.default_rng(0)
    mixed = Classification(rng.standard_normal((4, 40)), rng.integers(4, size=40))
    run = [
        riemannian_flow(
            mixed, start_of(2), 2, tau, clock="loss", infimum=0.0, store=tmp_path / "run"
        )
        for tau in ([0, 0.1, 50], [0, 0.1, 50], [0, 0.1, 50, 60])
    ]
    for again in run[1:]:
        assert again.status == run[0].status
        np.testing.assert_array_equal(again.clock, run[0].clock)
        np.testing.assert_array_equal(again.loss, run[0].loss)


def test_files_tables_and_pictures(tmp_path):
    pytest.importorskip("pandas")
    for flow, kind in zip(
        both(EASY, 2, [0, 1, 30]), (RiemannianTrajectory, FactoredTrajectory), strict=True
    ):
        flow.save(tmp_path / "flow")
        again = kind.load(tmp_path / "flow")
        np.testing.assert_array_equal(again.clock, flow.clock)
        np.testing.assert_array_equal(again.t, flow.t)
        assert list(flow.to_dataframe())[:3] == ["t", "clock", "loss"]
        assert "clock" in repr(flow)
        assert ">clock</th>" in flow._repr_html_()
    plain = riemannian_flow(EASY, start_of(2), 2, [0, 1])
    assert plain.clock is None
    assert list(plain.to_dataframe())[:2] == ["t", "loss"]


def test_it_is_drawn_over_the_clock():
    pytest.importorskip("matplotlib")
    flow = next(both(EASY, 2, [0, 1, 30]))
    axes = flow.plot(quantities=["loss"]).axes[0]
    assert axes.get_xlabel() == r"clock $\tau$"
    assert axes.lines[0].get_xdata().max() == 30
