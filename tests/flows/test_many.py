"""Flows from many starts: each is what its single run is, and what an independent solver says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import fixedrank

RNG = np.random.default_rng(5)


def stacked(starts):
    """Return starts, layers or points, with an axis of them in front."""
    parts = [np.array(several) for several in zip(*starts, strict=True)]
    return fixedrank.FixedRankPoint(*parts) if hasattr(starts[0], "vt") else parts


def regression(m, n, rank=None, *, condition=1.0, scale=1.0):
    """Return a regression with a best fit of a rank, and C of a condition."""
    X = RNG.standard_normal((n, 4 * n)) / np.sqrt(4 * n)
    X *= np.geomspace(1, condition**-0.5, n)[:, None]
    u, v = (np.linalg.qr(RNG.standard_normal((d, d)))[0] for d in (m, n))
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
        W = [part.reshape(shape) for part, shape in zip(np.split(state, sizes), shapes, strict=True)]
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
@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 4.5])
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
        np.testing.assert_allclose(
            runs.singular_values[:, copy], one.singular_values, rtol=1e-5
        )


@pytest.mark.parametrize("depth", [1.5, 2, 3])
def test_ranks_that_fall(depth):
    # With decay above the smaller singular values of the best fit these go to zero; at N < 2 in
    # finite time.
    problem = fixedrank.LinearRegression(np.eye(5), np.diag([4.0, 3.0, 0.05, 0.0, 0.0]))
    t, decay = np.array([0.0, 1.0, 10.0, 60.0]), 0.4
    starts = points(5, 5, 3, depth, 6)
    runs = fixedrank.riemannian_flow(problem, stacked(starts), depth, t, weight_decay=decay)
    fallen = 0
    for copy, point in enumerate(starts):
        one = fixedrank.riemannian_flow(problem, point, depth, t, weight_decay=decay)
        assert gap(runs[copy].product, one.product) < 1e-6
        assert runs[copy].last.s.size == one.last.s.size
        fallen += len(runs[copy].rank_changes) > 0
        for here, there in zip(runs[copy].rank_changes, one.rank_changes, strict=True):
            assert here.rank == there.rank
            assert abs(here.t - there.t) < (1e-4 if depth < 2 else 5.0)
    assert fallen > 0
    if len({run.last.s.size for run in runs}) == 1:
        assert runs.last.s.shape[0] == 6


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


def test_stiff_flows_go_on():
    problem, t = regression(4, 6, condition=1e5), np.array([0.0, 1.0, 3e4])
    starts = networks([6, 3, 4], 3)
    runs = fixedrank.factored_flow(problem, stacked(starts), t)
    for copy, layers in enumerate(starts):
        one = fixedrank.factored_flow(problem, layers, t)
        assert gap(runs[copy].product, one.product) < 1e-5
        # Steps of DOP853 alone would be 20 times as many.
        assert runs.evaluations[copy] < 10 * one.evaluations


class Falling(fixedrank.Loss):
    """A loss without a lower bound, along which flows leave all numbers in finite time."""

    def loss(self, W):
        """Return minus the fourth power of the norm."""
        return -float((W[1] ** 2).sum() ** 2)

    def gradient(self, W):
        """Return its gradient."""
        return -4 * (W[1] ** 2).sum() * (W[0] * W[1]) @ W[2]


def test_what_collapses_is_cut_short():
    starts = [np.array([np.eye(2), 1e-3 * np.eye(2)])]
    runs = fixedrank.factored_flow(Falling(), starts, np.linspace(0, 1, 11))
    # |W|' = 4 |W|^3 from sqrt(2): 1 / (8 |W|^2) is the time that is left.
    assert runs[0].status.startswith("step size collapsed at t = 0.0625")
    assert runs.complete.tolist() == [False, True]
    assert len(runs[0]) == 1
    assert np.isnan(runs.loss[1:, 0]).all()
    assert np.isfinite(runs.loss[:, 1]).all()


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
    rows, cols = np.nonzero(RNG.uniform(size=(6, 5)) < 0.7)
    values = (RNG.standard_normal((6, 2)) @ RNG.standard_normal((2, 5)))[rows, cols]
    return fixedrank.MatrixCompletion(rows, cols, values, (6, 5))


@pytest.mark.parametrize("problem", [LogCosh(), completion()], ids=["own", "completion"])
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
