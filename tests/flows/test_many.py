"""Flows from many starts: each is what its single run is, and what an independent solver says."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import fixedrank


def stacked(starts):
    """Return starts, layers or points, with an axis of them in front."""
    parts = [np.array(several) for several in zip(*starts, strict=True)]
    return fixedrank.FixedRankPoint(*parts) if hasattr(starts[0], "vt") else parts


def regression(m, n, rank=None, *, condition=1.0, scale=1.0):
    """Return a regression with a best fit of a rank, and C of a condition."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((n, 4 * n)) / np.sqrt(4 * n)
    X *= np.geomspace(1, condition**-0.5, n)[:, None]
    u, v = (np.linalg.qr(rng.standard_normal((d, d)))[0] for d in (m, n))
    k = min(m, n) if rank is None else rank
    W = u[:, :k] * np.linspace(3, 1, k) @ v[:k]
    return fixedrank.LinearRegression(X, scale * W @ X)


def networks(widths, count, scale=0.4):
    """Return the layers of some random networks."""
    return [fixedrank.gaussian_factors(widths, scale=scale, rng=seed) for seed in range(count)]


def points(m, n, k, depth, count):
    """Return some random points."""
    manifold = fixedrank.FixedRank(m, n, k, depth=depth)
    return [manifold.random_point(rng=seed) for seed in range(count)]


def by_scipy(problem, layers, t, decay):
    """Return the products along the flow of layers, written out in full, by SciPy."""
    shapes, sizes = [W.shape for W in layers], np.cumsum([W.size for W in layers])[:-1]
    C, B = problem.C, problem.B

    def velocity(_, state):
        W = [
            part.reshape(shape) for part, shape in zip(np.split(state, sizes), shapes, strict=True)
        ]
        G = fixedrank.product(W) @ C - B
        found = []
        for j in range(len(W)):
            before, after = np.eye(W[0].shape[1]), np.eye(W[j].shape[0])
            for layer in W[:j]:
                before = layer @ before
            for layer in W[j + 1 :]:
                after = layer @ after
            found.append(-after.T @ G @ before.T - decay * W[j])
        return np.concatenate([part.ravel() for part in found])

    start = np.concatenate([W.ravel() for W in layers])
    solution = solve_ivp(velocity, t[[0, -1]], start, "DOP853", t_eval=t, rtol=1e-12, atol=1e-13)
    return [
        fixedrank.product(
            [p.reshape(s) for p, s in zip(np.split(state, sizes), shapes, strict=True)]
        )
        for state in solution.y.T
    ]


def gap(many, ones):
    """Return how far products are from others, relative to the largest."""
    largest = max(np.abs(one).max() for one in ones)
    return max(np.abs(a - b).max() for a, b in zip(many, ones, strict=True)) / largest


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize(
    "widths", [[3, 2, 5], [5, 2, 2, 3], [3, 4, 3], [4, 3], [2, 3, 1, 2, 4]], ids=str
)
def test_layers_are_those_of_the_equation(widths, decay):
    problem, t = regression(widths[-1], widths[0]), np.linspace(1.0, 4.0, 7)
    starts = networks(widths, 5)
    runs = fixedrank.factored_flow(problem, stacked(starts), t, weight_decay=decay)
    assert runs.loss.shape == (7, 5)
    assert runs.singular_values.shape == (7, 5, min(widths))
    for copy, layers in enumerate(starts):
        exact = by_scipy(problem, layers, t, decay)
        assert gap(runs[copy].product, exact) < 1e-6
        losses = [problem.loss(W) for W in exact]
        np.testing.assert_allclose(runs.loss[:, copy], losses, rtol=1e-5, atol=1e-9)
        values = [np.linalg.svd(W)[1][: min(widths)] for W in exact]
        np.testing.assert_allclose(runs.singular_values[:, copy], values, atol=1e-6)
        if decay:
            squares = [sum((W**2).sum() for W in layers) for layers in runs[copy].factors]
            np.testing.assert_allclose(runs.penalty[:, copy], decay / 2 * np.array(squares))
    np.testing.assert_array_equal(runs.factors[0][0], stacked(starts)[0])


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("depth", [1, 1.5, 3.5])
@pytest.mark.parametrize("sizes", [(5, 3, 1), (3, 5, 2), (4, 4, 2), (4, 4, 4)], ids=str)
def test_points_are_those_of_single_flows(sizes, depth, decay):
    m, n, k = sizes
    problem, t = regression(m, n), np.linspace(0.0, 3.0, 6)
    starts = points(m, n, k, depth, 3)
    runs = fixedrank.riemannian_flow(problem, stacked(starts), depth, t, weight_decay=decay)
    for copy, point in enumerate(starts):
        one = fixedrank.riemannian_flow(
            problem, point, depth, t, weight_decay=decay, method="DOP853", rtol=1e-11
        )
        assert gap(runs[copy].product, one.product) < 1e-6
        np.testing.assert_allclose(runs.gradient_norm[:, copy], one.gradient_norm, atol=1e-5)
        assert [c.rank for c in runs[copy].rank_changes] == [c.rank for c in one.rank_changes]


@settings(max_examples=12)
@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6)),
    st.sampled_from([2, 2.5, 3, 20]),
    st.floats(-6, 6),
    st.floats(-8, 0),
)
def test_points_of_any_sizes_and_scales(sizes, depth, power, spread):
    # The unit of Y, and how far apart singular values are.
    m, n, k = *sizes[:2], min(sizes)
    problem, scale = regression(m, n, scale=10.0**power), 10.0**power
    t = np.linspace(0, 2, 3) * scale ** (2 / depth - 2)
    s = scale * np.geomspace(1, 10.0**spread, k)
    starts = [point._replace(s=s) for point in points(m, n, k, depth, 3)]
    runs = fixedrank.riemannian_flow(problem, stacked(starts), depth, t)
    for run, point in zip(runs, starts, strict=True):
        one = fixedrank.riemannian_flow(problem, point, depth, t, method="DOP853", rtol=1e-11)
        assert gap(run.product, one.product) < 1e-6
        assert run.last.s.size == one.last.s.size


@pytest.mark.parametrize("depth", [2, 3])
def test_points_of_widely_spread_singular_values(depth):
    # Cores are block diagonal there, of different blocks.
    problem, t = regression(6, 5), np.linspace(0, 3, 5)
    starts = [
        point._replace(s=np.array(s))
        for point, s in zip(
            points(6, 5, 3, depth, 4),
            [[1, 1e-5, 1e-6], [1, 0.5, 1e-5], [1, 1e-3, 1e-9], [1e-4, 0.9e-4, 0.8e-4]],
            strict=True,
        )
    ]
    runs = fixedrank.riemannian_flow(problem, stacked(starts), depth, t)
    for copy, point in enumerate(starts):
        one = fixedrank.riemannian_flow(problem, point, depth, t, method="DOP853", rtol=1e-11)
        np.testing.assert_allclose(runs.singular_values[:, copy], one.singular_values, rtol=1e-5)


@pytest.mark.parametrize("depth", [2, 3])
def test_ranks_that_fall(depth):
    # With decay above the smaller singular values of the best fit these go to zero.
    problem = fixedrank.LinearRegression(np.eye(5), np.diag([4.0, 3.0, 0.05, 0.0, 0.0]))
    t, how = np.array([0.0, 1.0, 10.0, 60.0]), {"weight_decay": 0.4}
    starts = points(5, 5, 3, depth, 5)
    runs = fixedrank.riemannian_flow(problem, stacked(starts), depth, t, **how)
    for copy, point in enumerate(starts):
        one = fixedrank.riemannian_flow(
            problem, point, depth, t, method="DOP853", rtol=1e-11, **how
        )
        # Near the saddle that it passes on its way a singular value is known to fewer digits.
        assert gap(runs[copy].product, one.product) < 1e-5
        assert [change.rank for change in runs[copy].rank_changes] == [2]
        assert runs[copy].last.s.size == one.last.s.size == 2
    assert runs.last.s.shape == (5, 2)
    np.testing.assert_array_equal(runs.singular_values[-1, :, 2], 0)


def test_decay_takes_some_to_zero():
    problem, t = fixedrank.LinearRegression(np.eye(3), 0.1 * np.eye(3)), np.array([0, 1.0, 200.0])
    starts = points(3, 3, 2, 3, 3)
    runs = fixedrank.riemannian_flow(problem, stacked(starts), 3, t, weight_decay=0.5)
    for copy, point in enumerate(starts):
        one = fixedrank.riemannian_flow(problem, point, 3, t, weight_decay=0.5)
        assert "zero" in runs[copy].status
        assert "zero" in one.status
        np.testing.assert_array_equal(runs.singular_values[-1, copy], 0)
        np.testing.assert_allclose(runs.loss[:, copy], one.loss, rtol=1e-6)


@pytest.mark.parametrize("widths", [[1, 1, 1], [3, 2, 2, 4]])
def test_rest_at_zero_long_before_the_end(widths):
    """It takes no more steps to t = 1e5 than to t = 10, and layers may leave floating point."""
    starts, problem = networks(widths, 3), regression(widths[-1], widths[0])
    starts[0] = [1e-200 * layer for layer in starts[0]]
    for end in (10, 1e5):
        runs = fixedrank.factored_flow(problem, stacked(starts), [0, 1, end], weight_decay=100.0)
        assert all(status.startswith("stationary") for status in runs.status[1:])
        assert (runs.steps < 1000).all()
        assert (runs.singular_values[1:] < 1e-12).all()


def test_ranks_that_fall_in_finite_time():
    # The third direction of the starts is opposed to that of the best fit.
    problem = fixedrank.LinearRegression(np.eye(4), np.diag([4.0, 3.0, -1.0, 0.0]))
    t, eye = np.linspace(0, 2, 5), np.eye(4)
    starts = [
        fixedrank.FixedRankPoint(eye[:, :3], np.array([1.0, 0.9, least]), eye[:3])
        for least in (0.8, 0.5, 0.1, 1e-3)
    ]
    runs = fixedrank.riemannian_flow(problem, stacked(starts), 1.5, t)
    for copy, point in enumerate(starts):
        one = fixedrank.riemannian_flow(problem, point, 1.5, t, method="DOP853", rtol=1e-11)
        (here,), (there,) = runs[copy].rank_changes, one.rank_changes
        assert here.rank == there.rank == 2
        assert abs(here.t - there.t) < 1e-5
        assert gap(runs[copy].product, one.product) < 1e-6


def test_rest_long_before_the_end():
    problem, t = regression(4, 3), np.array([0.0, 1.0, 1e5])
    runs = fixedrank.factored_flow(problem, stacked(networks([3, 3, 4], 4)), t)
    assert all(run.status.startswith("stationary") for run in runs)
    assert runs.complete.all()
    np.testing.assert_allclose(runs.loss[-1], problem.infimum, atol=1e-12)
    runs = fixedrank.riemannian_flow(problem, stacked(points(4, 3, 3, 3, 4)), 3, t)
    assert all(run.status.startswith("stationary") for run in runs)
    np.testing.assert_allclose(runs.loss[-1], problem.infimum, atol=1e-12)


def test_a_saddle_is_no_rest():
    # From rank one in layers that could have two: what is a millionth grows in the end.
    problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    small = [np.diag([1.0, 10.0**-power]) for power in (3, 6, 9)]
    runs = fixedrank.factored_flow(problem, [np.array(small)] * 2, [0.0, 0.5, 60.0])
    np.testing.assert_allclose(runs.loss[-1], 0, atol=1e-12)


def test_stiff_flows_go_on_alone(monkeypatch):
    monkeypatch.setattr("fixedrank.flows.many.loop._AHEAD", 100)
    problem, t = regression(4, 6, condition=1e3), np.array([0.0, 1.0, 1e3])
    starts = networks([6, 3, 4], 2)
    runs = fixedrank.factored_flow(problem, stacked(starts), t)
    for copy, layers in enumerate(starts):
        one = fixedrank.factored_flow(problem, layers, t)
        assert gap(runs[copy].product, one.product) < 1e-5
        assert runs.evaluations[copy] < 2 * one.evaluations


class Walled(fixedrank.Loss):
    """A loss that falls as W grows, and is not defined where its norm is above one."""

    def loss(self, W):
        """Return minus half the square of the norm."""
        return -float((W[1] ** 2).sum()) / 2

    def gradient(self, W):
        """Return its gradient, NaN beyond the wall."""
        inside = np.linalg.norm(W[1]) <= 1
        return (-1.0 if inside else np.nan) * (W[0] * W[1]) @ W[2]


def test_what_collapses_is_cut_short():
    starts = [np.array([0.1 * np.eye(2), 1e-5 * np.eye(2)])]
    runs = fixedrank.factored_flow(Walled(), starts, np.linspace(0, 4, 9))
    # The norm is 0.1 sqrt(2) exp(t).
    assert runs[0].status.startswith(f"step size collapsed at t = {np.log(10 / np.sqrt(2)):.4g}")
    assert runs.complete.tolist() == [False, True]
    assert len(runs[0]) == 4
    assert np.isnan(runs.loss[4:, 0]).all()
    exact = -((1e-5 * np.exp(runs.t)) ** 2)
    np.testing.assert_allclose(runs.loss[:, 1], exact, rtol=1e-6)
    assert len(runs.to_dataframe()) == 13


class LogCosh(fixedrank.Loss):
    """A loss of one's own, with nothing that is made for many."""

    target = np.diag([3.0, 1.0, 0.5])

    def loss(self, W):
        """Return the loss."""
        return float(np.log(np.cosh((W[0] * W[1]) @ W[2] - self.target)).sum())

    def gradient(self, W):
        """Return the gradient."""
        return np.tanh((W[0] * W[1]) @ W[2] - self.target)


def completion():
    """Return a completion of a 6 x 5 matrix."""
    rng = np.random.default_rng(5)
    rows, cols = np.nonzero(rng.uniform(size=(6, 5)) < 0.7)
    values = (rng.standard_normal((6, 2)) @ rng.standard_normal((2, 5)))[rows, cols]
    return fixedrank.MatrixCompletion(rows, cols, values, (6, 5))


def classification():
    """Return a classification of 12 samples into three classes."""
    X = np.random.default_rng(5).standard_normal((4, 12))
    return fixedrank.Classification(X, np.arange(12) % 3)


@pytest.mark.parametrize(
    "problem",
    [LogCosh(), completion(), classification()],
    ids=["own", "completion", "classification"],
)
def test_other_losses(problem):
    m, n = problem.shape or (3, 3)
    t = np.linspace(0, 2, 5)
    layers = networks([n, 2, 2, m], 3)
    many = fixedrank.factored_flow(problem, stacked(layers), t)
    for run, start in zip(many, layers, strict=True):
        one = fixedrank.factored_flow(problem, start, t, method="DOP853", rtol=1e-11)
        assert gap(run.product, one.product) < 1e-6
    starts = points(m, n, 2, 3, 3)
    many = fixedrank.riemannian_flow(problem, stacked(starts), 3, t)
    for run, start in zip(many, starts, strict=True):
        one = fixedrank.riemannian_flow(problem, start, 3, t, method="DOP853", rtol=1e-11)
        assert gap(run.product, one.product) < 1e-6


@pytest.mark.parametrize("power", [-150, -40, 40, 150])
def test_units(power):
    # Of Y in other units and layers in theirs the flow is the same, at other times.
    scale = 10.0**power
    plain, scaled = (
        fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.0, 1.0]) * c) for c in (1.0, scale)
    )
    starts, root = networks([3, 2, 3], 3), scale**0.5
    t = np.linspace(0, 3, 4)
    one = fixedrank.factored_flow(plain, stacked(starts), t)
    other = fixedrank.factored_flow(scaled, [root * W for W in stacked(starts)], t / scale)
    assert gap(other.product / scale, one.product) < 1e-6
    manifold = points(3, 3, 2, 2, 3)
    one = fixedrank.riemannian_flow(plain, stacked(manifold), 2, t)
    moved = stacked([point._replace(s=scale * point.s) for point in manifold])
    other = fixedrank.riemannian_flow(scaled, moved, 2, t / scale)
    assert gap(other.product / scale, one.product) < 1e-6


def test_executors_make_no_difference():
    problem, t = regression(3, 3), np.linspace(0, 1, 3)
    starts = stacked(networks([3, 30, 3], 20))
    alone = fixedrank.factored_flow(problem, starts, t, keep="last")
    for workers in (1, 3):
        with ThreadPoolExecutor(workers) as executor:
            runs = fixedrank.factored_flow(problem, starts, t, keep="last", executor=executor)
        np.testing.assert_array_equal(runs.loss, alone.loss)
        np.testing.assert_array_equal(runs.last[0], alone.last[0])
        assert runs.status == alone.status
    pickle.loads(pickle.dumps(alone))


def test_one_by_one_with_another_method():
    problem, t = regression(3, 4), np.linspace(0, 1, 3)
    starts = networks([4, 2, 3], 3)
    with ThreadPoolExecutor(2) as executor:
        runs = fixedrank.factored_flow(
            problem, stacked(starts), t, method="RK45", max_step=0.05, executor=executor
        )
    one = fixedrank.factored_flow(problem, starts[1], t, method="RK45", max_step=0.05)
    np.testing.assert_array_equal(runs[1].loss, one.loss)
    assert runs.steps[1] == one.steps


def test_the_clock_of_the_loss_goes_one_by_one():
    problem, tau = regression(4, 3), np.linspace(0, 5, 3)
    starts = networks([3, 3, 4], 2)
    runs = fixedrank.factored_flow(problem, stacked(starts), tau, clock="loss")
    one = fixedrank.factored_flow(problem, starts[1], tau, clock="loss")
    np.testing.assert_array_equal(runs.loss[:, 1], one.loss)
    np.testing.assert_array_equal(runs.clock, tau)
    assert "3, clock = 0 to 5" in repr(runs)
    assert "2 reached the last time clock = 5" in repr(runs)


def test_the_clock_in_tables_and_pictures():
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    problem, starts = regression(4, 3), stacked(networks([3, 3, 4], 2))
    in_clock, in_time = (
        fixedrank.factored_flow(problem, starts, [0, 1], **how) for how in ({"clock": "loss"}, {})
    )
    assert in_clock.to_dataframe()["clock"].tolist() == [0, 1, 0, 1]
    assert in_clock.to_dataframe()["t"].tolist() == np.ravel([run.t for run in in_clock]).tolist()
    assert in_clock.plot(quantities="loss").axes[0].get_xlabel() == r"clock $\tau$"
    assert in_time.clock is None
    assert "clock" not in in_time.to_dataframe()
    assert in_time.plot(quantities="loss").axes[0].get_xlabel() == "time $t$"


def test_ends_between_times_of_the_clock():
    """A flow that comes to rest above the infimum ends at a clock of its own."""
    problem, tau = regression(4, 3), np.linspace(0, 5, 11)
    starts = networks([3, 2, 4], 3)
    runs = fixedrank.factored_flow(problem, stacked(starts), tau, clock="loss", infimum=0.0)
    assert not runs.complete.any()
    for copy, run in enumerate(runs):
        reached = tau <= run.clock[-1]
        assert not np.isin(run.clock[-1], tau)
        expected = run.loss[0] * np.exp(-tau[reached])
        np.testing.assert_allclose(runs.loss[reached, copy], expected, rtol=1e-6)
        assert np.isnan(runs.loss[~reached, copy]).all()
        assert np.isnan(runs.factors[0][~reached, copy]).all()
    table = runs.to_dataframe()
    assert len(table) == sum(map(len, runs))
    chosen = table[table["copy"] == 1].drop(columns="copy").reset_index(drop=True)
    assert chosen.equals(runs[1].to_dataframe())
    assert "3 stopped\n" in repr(runs)
    assert "clock = 0 to 5" in repr(runs)
    assert {axes.get_xlabel() for axes in runs.plot().figure.axes} >= {r"clock $\tau$"}


def test_several_of_many():
    runs = fixedrank.factored_flow(regression(4, 3), stacked(networks([3, 2, 4], 4)), [0, 1])
    for index in (runs.loss[-1] > np.median(runs.loss[-1]), [2, 0], slice(1, None), [-1]):
        several = runs[index]
        assert type(several) is type(runs)
        np.testing.assert_array_equal(several.loss, runs.loss[:, index])
    assert runs[-1] is runs.runs[3]
    assert runs[np.int64(2)] is runs.runs[2]
    with pytest.raises(IndexError, match="of the 4 starts none is left"):
        runs[4:]
    with pytest.raises(IndexError, match="index 4 is out of bounds"):
        runs[4]


def test_infinite_depth_at_every_rank():
    problem, t = regression(4, 3), np.linspace(0, 3, 4)
    starts = points(4, 3, 2, 3, 3)
    runs = fixedrank.riemannian_flow(problem, stacked(starts), math.inf, t)
    for copy, start in enumerate(starts):
        one = fixedrank.riemannian_flow(problem, start, math.inf, t)
        np.testing.assert_allclose(runs.loss[:, copy], one.loss, rtol=1e-6)
        np.testing.assert_allclose(runs.gradient_norm[:, copy], one.gradient_norm, atol=1e-6)
        np.testing.assert_allclose(runs[copy].points[-1].s, one.points[-1].s, rtol=1e-6)


def test_imbalance_goes_one_by_one():
    problem, t = regression(4, 3), np.linspace(0, 1, 3)
    starts = points(4, 3, 2, 2, 2)
    how = {"imbalance": [0.5], "weight_decay": 0.1}
    runs = fixedrank.riemannian_flow(problem, stacked(starts), 2, t, **how)
    one = fixedrank.riemannian_flow(problem, starts[1], 2, t, **how)
    np.testing.assert_array_equal(runs.loss[:, 1], one.loss)


def test_decay_in_the_loss_goes_one_by_one():
    problem, t = regression(4, 3) + fixedrank.SchattenDecay(0.1, 2), np.linspace(0, 1, 3)
    starts = points(4, 3, 2, 2, 2)
    runs = fixedrank.riemannian_flow(problem, stacked(starts), 2, t)
    one = fixedrank.riemannian_flow(problem, starts[1], 2, t)
    np.testing.assert_array_equal(runs.loss[:, 1], one.loss)


class Interrupting(LogCosh):
    """A loss at which Ctrl-C comes after some gradients."""

    left = 0

    def gradient(self, W):
        """Return the gradient."""
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super().gradient(W)


@pytest.mark.parametrize("count", [3, 40])
def test_an_interrupt_keeps_what_is_there(count):
    # Of 40 starts the first go together, and others have not begun.
    starts = stacked(networks([3, 300, 3], count))
    problem = Interrupting()
    problem.left = 500 * min(count, 18)
    many = fixedrank.factored_flow(problem, starts, np.linspace(0, 50, 101))
    assert all("interrupted" in status for status in many.status)
    assert 1 < len(many[0]) < 101
    assert not many.complete.any()
    assert np.isnan(many.loss[-1]).all()
    np.testing.assert_array_equal(many.factors[0][0], starts[0])
    if count == 40:
        assert many.status[-1] == "interrupted before it began: 1 of 101 output times is kept"


@pytest.mark.parametrize("kind", ["layers", "points"])
def test_results_are_saved_shown_and_drawn(tmp_path, kind):
    problem, t = regression(4, 3), np.linspace(0, 2, 11)
    if kind == "layers":
        starts = stacked(networks([3, 2, 4], 12))
        runs = fixedrank.factored_flow(problem, starts, t, weight_decay=0.1)
    else:
        starts = stacked(points(4, 3, 2, 3, 12))
        runs = fixedrank.riemannian_flow(problem, starts, 3, t, weight_decay=0.1)
    runs.save(tmp_path / "runs.npz")
    again = type(runs).load(tmp_path / "runs.npz")
    for name in ("t", "loss", "gradient_norm", "singular_values", "product", "penalty"):
        np.testing.assert_array_equal(getattr(again, name), getattr(runs, name))
    assert again.status == runs.status
    assert repr(again) == repr(runs)
    assert "12 starts" in repr(runs)
    table = runs.to_dataframe()
    assert len(table) == 12 * 11
    chosen = table[table["copy"] == 5].drop(columns="copy").reset_index(drop=True)
    assert chosen.equals(runs[5].to_dataframe())
    np.testing.assert_allclose(runs.objective, runs.loss + runs.penalty)
    assert len(runs[2:5]) == 3
    figure = runs.plot(label="N")
    loss = figure.axes[0]
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), np.median(runs.loss, axis=1))
    assert len(loss.collections) == 1
    assert len(runs[:4].plot(quantities="loss").axes[0].lines) == 4
    assert len(fixedrank.plot_trajectories([runs[:2], runs[3]]).axes[0].lines) == 3
    restarted = type(runs[0])
    last = runs.last
    more = (
        fixedrank.factored_flow(problem, last, [2.0, 3.0])
        if kind == "layers"
        else fixedrank.riemannian_flow(problem, last, 3, [2.0, 3.0])
    )
    assert isinstance(more[0], restarted)
    np.testing.assert_allclose(more.loss[0], runs.loss[-1])


def test_what_is_kept():
    problem, t = regression(4, 3), np.linspace(0, 1, 3)
    starts = stacked(networks([3, 2, 4], 2))
    products = fixedrank.factored_flow(problem, starts, t, keep="products")
    assert products.product.shape == (3, 2, 4, 3)
    norms = fixedrank.factored_flow(problem, starts, t, keep=lambda W: float(np.linalg.norm(W[0])))
    assert norms[1].kept[0] == np.linalg.norm(starts[0][1])
    np.testing.assert_allclose(norms.balancedness, products.balancedness)
    with pytest.raises(AttributeError, match="the layers were not kept"):
        _ = products.factors


def test_memory_is_checked_before_the_run(monkeypatch):
    monkeypatch.setattr("fixedrank.flows.many.starts.free_memory", lambda: 1e4)
    problem, starts = regression(4, 3), stacked(networks([3, 2, 4], 50))
    with pytest.raises(MemoryError, match="50 starts at 100 output times"):
        fixedrank.factored_flow(problem, starts, np.linspace(0, 1, 100))


def test_bad_starts_get_one_sentence():
    problem, t = regression(4, 3), [0.0, 1.0]
    layers = stacked(networks([3, 2, 4], 5))

    def refused(kind, match, factors=None, **how):
        with pytest.raises(kind, match=match):
            fixedrank.factored_flow(problem, layers if factors is None else factors, t, **how)

    refused(ValueError, "hold 5, 4 copies", [layers[0], layers[1][:4]])
    refused(ValueError, "W_1 has 3 axes, W_2 has 2 axes", [layers[0], layers[1][0]])
    refused(ValueError, "hold 0, 0 copies", [layer[:0] for layer in layers])
    refused(ValueError, "W_2 W_1 is not defined", [layers[0], layers[1][:, :, :1]])
    refused(ValueError, "NaN", [np.nan * layers[0], layers[1]])
    refused(TypeError, "callback is for the flow of one start", callback=print)
    refused(TypeError, "store is for the flow of one start", store="file")
    refused(ValueError, "rtol must lie in", rtol=2.0)
    refused(ValueError, "atol must be positive", atol=-1.0)
    with pytest.raises(TypeError, match="executor is for the flows of many starts"):
        fixedrank.factored_flow(problem, [W[0] for W in layers], t, executor=object())
    u, s, vt = stacked(points(4, 3, 2, 3, 5))
    for bad, match in (
        ((u, s[:4], vt), "hold 5, 4, 5 copies"),
        ((u, s * np.array([1.0, 0.0]), vt), "point 0 of 5: the singular values must be positive"),
        ((2 * u, s, vt), "point 0 of 5: the columns of u must be orthonormal"),
        ((u, s[0], vt), "s must have 2 axes"),
        ((u[:, :3], s, vt), "orthonormal"),
    ):
        with pytest.raises(ValueError, match=match):
            fixedrank.riemannian_flow(problem, bad, 3, t)
    with pytest.raises(ValueError, match=r"about \(4, 3\) ones"):
        fixedrank.riemannian_flow(problem, stacked(points(3, 4, 2, 3, 2)), 3, t)
    with pytest.raises(ValueError, match="band must be a share"):
        fixedrank.factored_flow(problem, layers, t).plot(band=2.0)


def test_progress_is_shown(capsys):
    problem, t = regression(4, 3), np.linspace(0, 1, 3)
    fixedrank.factored_flow(problem, stacked(networks([3, 2, 4], 3)), t, progress=True)
    assert "3.0/3 starts" in capsys.readouterr().err
