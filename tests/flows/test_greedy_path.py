"""The path of small starts, against known critical points, closed forms and flows that do wait."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.sparse.linalg import LinearOperator

import fixedrank
from fixedrank import (
    DepthMetric,
    FixedRank,
    LinearRegression,
    Loss,
    MatrixCompletion,
    MatrixSensing,
    SchattenDecay,
    greedy_path,
    riemannian_flow,
)
from fixedrank.flows.stages import growth
from tests.flows.exact import DenseProblem
from tests.geometry.dense import matrix, orthonormal
from tests.strategies import seeds

VALUES = np.array([4.0, 2.5, 1.0])


def white(c=1.0, values=VALUES, m=5, n=4, seed=0):
    """A regression with C = c I and B of given singular values, and their vectors."""
    rng = np.random.default_rng(seed)
    u, v = orthonormal(rng, m, len(values)), orthonormal(rng, n, len(values))
    X = math.sqrt(c) * np.eye(n)
    return LinearRegression(X, (u * values) @ v.T / math.sqrt(c)), u, v


def completion(seed=3, share=0.95):
    """Entries of an 8 x 8 matrix of rank 2 with singular values of one size."""
    rng = np.random.default_rng(seed)
    target = orthonormal(rng, 8, 2) * [10.0, 6.0] @ orthonormal(rng, 8, 2).T
    rows, cols = np.nonzero(rng.random((8, 8)) < share)
    return MatrixCompletion(rows, cols, target[rows, cols], (8, 8))


@cache
def path_of_white_data(depth):
    return greedy_path(white(0.5)[0], depth, 3)


@cache
def path_of_completion(depth):
    return greedy_path(completion(), depth, 4)


@cache
def flow_of_size(eps, depth):
    """A flow that waits, from a random balanced start of rank 4 with layers of size eps."""
    u, _, vt = FixedRank(8, 8, 4, depth=2).random_point(rng=1)
    end = 2 * path_of_completion(depth).arrival_times(eps)[-1]
    start = u, np.full(4, eps**depth), vt
    return riemannian_flow(completion(), start, depth, np.linspace(0, end, 801))


# ------------------------------------------------------------------------- white data, in full


@pytest.mark.parametrize("depth", [2, 2.5, 3, 20])
def test_white_data_are_learned_one_singular_value_after_the_other(depth):
    c = 0.5
    _, u, v = white(c)
    path = path_of_white_data(depth)
    assert [stage.rank for stage in path.stages] == [0, 1, 2, 3]
    for k, stage in enumerate(path.stages):
        # Independent of the library: the first singular values of B / c.
        best = (u[:, :k] * VALUES[:k] / c) @ v[:, :k].T
        assert np.linalg.norm(matrix(stage.point) - best) < 1e-6
        assert stage.loss == pytest.approx((VALUES[k:] ** 2).sum() / (2 * c), abs=1e-9)
        if k < 3:
            assert stage.escape_rate == pytest.approx(VALUES[k], rel=1e-6)
            assert abs(stage.direction[0] @ u[:, k] * (stage.direction[1] @ v[:, k])) > 1 - 1e-9
    assert path.stages[-1].direction is None
    assert path.stages[-1].plateau(1e-3) == math.inf
    assert path.status.startswith("ended at rank 3")


def time_between(start, end, b, c, depth):
    """The time that s' = N s^(2-2/N) (b - c s) takes, with s = exp(x)."""
    return quad(
        lambda x: np.exp((2 / depth - 1) * x) / (depth * (b - c * np.exp(x))),
        math.log(start),
        math.log(end),
        epsabs=0,
        epsrel=1e-12,
        limit=500,
    )[0]


@pytest.mark.parametrize(("depth", "scale"), [(2, 1e-5), (2.5, 1e-3), (3, 1e-4), (20, 0.1)])
def test_plateaus_and_arrivals_of_aligned_starts(depth, scale):
    c = 0.5
    path = path_of_white_data(depth)
    # Halfway in the loss s is at 1 - 1/sqrt 2 of its limit; all start at once, and none turns.
    times = [
        time_between(scale**depth, (1 - 0.5**0.5) * b / c, b, c, depth) for b in VALUES.tolist()
    ]
    np.testing.assert_allclose(path.arrival_times(scale), times, rtol=1e-3)
    for stage, expected in zip(path.stages, times, strict=False):
        # The gradient changes by half a thousandth over the start of the orbit.
        off = 1e-3 * depth * stage.half_time
        assert stage.plateau(scale) == pytest.approx(expected, abs=off, rel=1e-6)


def test_the_time_of_growth_for_every_real_depth():
    # sigma' = sigma^(N-1), by quadrature; at N = 2 and next to it as well.
    for depth in (2, 2 + 1e-12, 2 + 1e-5, 2.7, 3, 9):
        exact = quad(lambda x, N=depth: np.exp((2 - N) * x), math.log(1e-4), math.log(0.7))[0]
        assert growth(1e-4, 0.7, depth) == pytest.approx(exact, rel=1e-9)
        assert growth(0.7, 1e-4, depth) == pytest.approx(-exact, rel=1e-9)
    assert growth(1e-3, 1.0, 500) == math.inf
    assert growth(0.5, 0.5, 3) == 0


def test_orbits_follow_the_scalar_equation():
    path = greedy_path(white()[0], 3, 2)
    for stage, b in zip(path.stages, VALUES[:2], strict=False):
        orbit = stage.orbit
        # The one that is added grows, the others stand still.
        grown = orbit.singular_values[:, stage.rank]
        exact = fixedrank.aligned_singular_value(stage.theta**3, b, 1.0, 3, orbit.t)
        np.testing.assert_allclose(grown, exact, rtol=1e-6)
        assert len(orbit) < 400
        assert np.diff(orbit.loss).max() <= 1e-12


# --------------------------------------------------------------- other data and other losses


def test_data_that_are_not_white():
    rng = np.random.default_rng(1)
    X, Y = rng.standard_normal((4, 9)) * [[2.0], [1.0], [0.7], [0.5]], rng.standard_normal((5, 9))
    path = greedy_path(LinearRegression(X, Y), 2, 3)
    C, B = X @ X.T, Y @ X.T
    values, frame = np.linalg.eigh(C)
    root = (frame * np.sqrt(values)) @ frame.T
    u, s, vt = np.linalg.svd(B @ np.linalg.inv(root))
    assert len(path) == 4
    for k, stage in enumerate(path.stages):
        best = (u[:, :k] * s[:k]) @ vt[:k] @ np.linalg.inv(root)
        assert np.linalg.norm(matrix(stage.point) - best) < 1e-6 * np.linalg.norm(best) + 1e-12
        rate = np.linalg.norm(B - best @ C, 2)
        assert stage.escape_rate == pytest.approx(rate, rel=1e-6)
    assert "reached max_rank = 3" in path.status


def sensing(seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((25, 4, 5))
    target = rng.standard_normal((4, 2)) @ rng.standard_normal((2, 5))
    return MatrixSensing(A, np.einsum("aij,ij->a", A, target))


def gradient_at(problem, point):
    return np.asarray(fixedrank.MatrixSum(problem.gradient(point)).toarray())


def check_stages(problem, path):
    """What every path keeps, by dense gradients."""
    size = np.linalg.norm(gradient_at(problem, path.stages[0].point), 2)
    for stage, after in zip(path.stages, [*path.stages[1:], None], strict=True):
        G = gradient_at(problem, stage.point)
        u, vt = stage.point.u[:, : stage.rank], stage.point.vt[: stage.rank]
        # At rest on M_k the gradient is normal, and its norm is the rate.
        assert np.linalg.norm(u.T @ G) <= 1e-6 * size
        assert np.linalg.norm(G @ vt.T) <= 1e-6 * size
        rate = np.linalg.norm(G, 2) if stage.rank < min(G.shape) else 0.0
        assert abs(stage.escape_rate - rate) <= 1e-6 * size
        if after is None:
            continue
        left, right = stage.direction
        assert np.linalg.norm(G @ right + stage.escape_rate * left) <= 1e-6 * size
        assert after.loss < stage.loss
        assert stage.orbit.loss[-1] == after.loss
        assert (np.diff(stage.orbit.loss) <= 1e-9 * stage.loss).all()
        added = matrix(stage.orbit.points[0]) - matrix(stage.point)
        delta = stage.theta**stage.depth
        off = np.linalg.norm(added - delta * np.outer(left, right))
        assert off <= 1e-12 * (delta + stage.point.s[0])
        assert matrix(stage.orbit.last) == pytest.approx(matrix(after.point))


@pytest.mark.parametrize("depth", [2, 3])
def test_sensing(depth):
    path = greedy_path(sensing(), depth, 4)
    check_stages(sensing(), path)
    assert [stage.rank for stage in path.stages] == [0, 1, 2]
    assert path.loss[-1] < 1e-12 * path.loss[0]
    assert "gradient vanishes" in path.status


@given(
    seeds,
    st.sampled_from([(4, 3), (3, 5), (3, 3), (1, 4)]),
    st.sampled_from([2, 2.5, 3, 20]),
    st.sampled_from([1e-100, 1e-9, 1.0, 1e100]),
)
@settings(max_examples=5)
def test_every_path(seed, sizes, depth, unit):
    m, n = sizes
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, 3 * n)), rng.standard_normal((m, 3 * n))
    problem = LinearRegression(X, unit * Y)
    path = greedy_path(problem, depth, 2 if min(sizes) > 2 else 1)
    assert len(path) == (3 if min(sizes) > 2 else 2), path.status
    check_stages(problem, path)
    # In another unit it is the same path.
    other = greedy_path(LinearRegression(X, Y), depth, 1)
    assert path.stages[1].point.s[0] / unit == pytest.approx(other.stages[1].point.s[0], rel=1e-9)
    np.testing.assert_allclose(path.loss[:2] / unit / unit, other.loss, rtol=1e-9)


class Cosh(Loss):
    """The sum of ln cosh of the entries of W - T, with a dense gradient."""

    shape = (3, 4)

    def __init__(self, seed=0):
        self.target = 2 * np.random.default_rng(seed).standard_normal(self.shape)

    def loss(self, W):
        off = np.abs((W[0] * W[1]) @ W[2] - self.target)
        return float((off + np.log1p(np.exp(-2 * off)) - np.log(2)).sum())

    def gradient(self, W):
        return np.tanh((W[0] * W[1]) @ W[2] - self.target)


def test_a_loss_of_ones_own():
    path = greedy_path(Cosh(), 3, 2)
    check_stages(Cosh(), path)
    assert "max_rank = 2" in path.status


class ThinGradient(Loss):
    """Half the squared distance from a matrix of rank 2, with a gradient of thin products only."""

    shape = (60, 50)

    def __init__(self):
        rng = np.random.default_rng(0)
        self.left, self.right = orthonormal(rng, 60, 2) * [3.0, 1.0], orthonormal(rng, 50, 2)

    def loss(self, W):
        inner = np.sum((W[0].T @ self.left) * (W[2] @ self.right) * W[1][:, None])
        return float((W[1] ** 2).sum() / 2 - inner + 5)

    def gradient(self, W):
        u, s, vt = W

        def product(block):
            assert block.size <= 60 * 6
            block = block.reshape(50, -1)
            return (u * s) @ (vt @ block) - self.left @ (self.right.T @ block)

        def transposed(block):
            assert block.size <= 60 * 6
            block = block.reshape(60, -1)
            return vt.T @ (s[:, None] * (u.T @ block)) - self.right @ (self.left.T @ block)

        return LinearOperator(self.shape, product, transposed, product, np.float64, transposed)


def test_of_the_gradient_thin_products_are_formed():
    path = greedy_path(ThinGradient(), 2, 2)
    np.testing.assert_allclose(path.loss, [5.0, 0.5, 0.0], atol=1e-9)
    np.testing.assert_allclose(path.escape_rate, [3.0, 1.0, 0.0], atol=1e-6)


def test_a_problem_that_derives_from_nothing():
    problem = DenseProblem(np.eye(3), np.diag([3.0, 1.0, 0.0])[:2])
    problem.shape = (2, 3)
    assert greedy_path(problem, 2, 2).loss == pytest.approx([5.0, 0.5, 0.0], abs=1e-9)


def test_weight_decay_of_two_layers_is_a_price():
    decay = 1.5
    path = greedy_path(white()[0] + SchattenDecay(decay, 2), 2, 3)
    # The soft threshold: singular values above the decay are learned, less it.
    assert [stage.rank for stage in path.stages] == [0, 1, 2]
    np.testing.assert_allclose(path.stages[-1].point.s, [2.5, 1.0], atol=1e-6)
    np.testing.assert_allclose(path.escape_rate, VALUES - decay, atol=1e-6)
    assert path.escape_rate[-1] < 0
    assert path.stages[-1].plateau(1e-3) == math.inf
    assert "costs more than it gains" in path.status


def test_weight_decay_of_more_layers_keeps_small_starts_at_zero():
    path = greedy_path(white()[0] + SchattenDecay(1e-3, 3), 3, 3)
    assert len(path) == 1
    assert "costs more than it gains" in path.status


# ------------------------------------------------------------------ against flows that do wait


@pytest.mark.parametrize(
    ("depth", "scales", "bounds"),
    [(2, (1e-3, 1e-5), (0.02, 0.004)), (3, (3e-2, 1e-2), (0.005, 1e-5))],
)
def test_small_starts_come_near_the_plateau(depth, scales, bounds):
    path = path_of_completion(depth)
    assert [stage.rank for stage in path.stages] == [0, 1, 2]
    assert path.loss[-1] < 1e-13 * path.loss[0]
    plateau = matrix(path.stages[1].point)
    for scale, bound in zip(scales, bounds, strict=True):
        points = flow_of_size(scale, depth).points
        nearest = min(np.linalg.norm(matrix(point) - plateau) for point in points)
        assert nearest <= bound * np.linalg.norm(plateau)


def half_times(flow, path):
    """When the loss of a flow is halfway between stages."""
    halves = (path.loss[1:] + path.loss[:-1]) / 2
    return np.interp(-halves, -flow.loss, flow.t)


def test_times_grow_with_the_logarithm_as_said():
    # Off by what has a limit as starts get smaller, so that differences are exact.
    path = path_of_completion(2)
    found = [half_times(flow_of_size(scale, 2), path) for scale in (1e-3, 1e-5)]
    said = [path.arrival_times(scale) for scale in (1e-3, 1e-5)]
    np.testing.assert_allclose(found[1] - found[0], said[1] - said[0], rtol=5e-3)
    # By the last plateau alone it would be wrong: the second mode grows during the first one, too.
    alone = math.log(100) / path.escape_rate[:2]
    assert (found[1] - found[0])[1] < 0.8 * alone.sum()


def test_the_first_time_is_a_lower_bound_beyond_two_layers():
    path = path_of_completion(3)
    first = path.arrival_times(1e-2)[0]
    assert first < half_times(flow_of_size(1e-2, 3), path)[0] < 3 * first


@pytest.mark.parametrize("depth", [2, 3])
def test_the_path_does_not_depend_on_the_size_of_its_starts(depth):
    problem, path = completion(), path_of_completion(depth)
    theta = path.stages[1].theta
    other = greedy_path(problem, depth, 2, scale=0.5 ** (1 / depth) * theta)
    assert other.stages[0].theta == pytest.approx(0.5 ** (1 / depth) * theta)
    for a, b in zip(path.stages, other.stages, strict=True):
        assert np.linalg.norm(matrix(a.point) - matrix(b.point)) <= 1e-7 * path.stages[1].point.s[0]
    np.testing.assert_allclose(other.arrival_times(1e-3), path.arrival_times(1e-3), rtol=2e-3)


# --------------------------------------------------------------------------- where paths end


def test_ties_are_said():
    for second, near in ((3.0, True), (3.0 - 1e-12, True), (2.99, True), (2.0, False)):
        path = greedy_path(LinearRegression(np.eye(3), np.diag([3.0, second, 1.0])), 2, 1)
        assert len(path) == 2
        assert ("near each other" in path.status) == near
        assert path.stages[0].gap == pytest.approx(1 - second / 3, abs=1e-9)


def test_nothing_to_learn():
    path = greedy_path(LinearRegression(np.eye(3), np.zeros((2, 3))), 2, 2)
    assert len(path) == 1
    assert path.stages[0].plateau(0.1) == math.inf
    assert path.arrival_times(0.1).size == 0
    assert "gradient vanishes" in path.status


class Slope(Loss):
    """ln(1 + exp(-<T, W>)), which has no minimiser."""

    shape = (2, 3)
    target = np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

    def loss(self, W):
        return float(np.logaddexp(0, -np.sum(self.target * ((W[0] * W[1]) @ W[2]))))

    def gradient(self, W):
        value = np.sum(self.target * ((W[0] * W[1]) @ W[2]))
        return -self.target / (1 + np.exp(value))


def test_a_loss_without_a_minimiser():
    path = greedy_path(Slope(), 2, 2)
    assert len(path) == 1
    assert path.stages[0].escape_rate == pytest.approx(1.0)
    assert path.stages[0].orbit.loss[-1] < 1e-3
    assert "did not come to rest" in path.status
    with pytest.raises(ValueError, match="time from there to the next critical point is not known"):
        path.stages[0].plateau(1e-3)


class Line(Slope):
    """-<T, W>, which falls without end."""

    def loss(self, W):
        return float(-np.sum(self.target * ((W[0] * W[1]) @ W[2])))

    def gradient(self, W):
        return -self.target


class Kink(Line):
    """1.5 sum |W| - <T, W>, whose gradient jumps at W = 0."""

    def loss(self, W):
        return 1.5 * float(np.abs((W[0] * W[1]) @ W[2]).sum()) + super().loss(W)

    def gradient(self, W):
        return 1.5 * np.sign((W[0] * W[1]) @ W[2]) - self.target


@pytest.mark.parametrize(("problem", "text"), [(Line(), "without end"), (Kink(), "jumps")])
def test_losses_that_have_no_rate_or_no_end(problem, text):
    path = greedy_path(problem, 2, 2)
    assert len(path) == 1
    assert path.stages[0].orbit is None
    assert text in path.status


@pytest.mark.parametrize(("rank", "size"), [(2, 0.1), (1, 0.1)])
def test_an_interrupted_path_keeps_its_stages(rank, size):
    class Interrupted(Cosh):
        def gradient(self, W):
            if np.count_nonzero(W[1]) == rank and np.min(W[1]) > size:
                raise KeyboardInterrupt
            return super().gradient(W)

    path = greedy_path(Interrupted(), 2, 3)
    assert [stage.rank for stage in path.stages] == list(range(rank))
    assert path.status.startswith("interrupted")
    np.testing.assert_allclose(path.loss, greedy_path(Cosh(), 2, 1).loss[:rank])
    with pytest.raises(ValueError, match=rf"path ends at rank {rank - 1}.*larger max_rank"):
        path.stages[-1].plateau(1e-3)
    assert path.arrival_times(1e-3).shape == (rank - 1,)
    assert path.plot(scale=1e-3).axes


def test_interrupted_at_once():
    class Interrupted(Cosh):
        def gradient(self, W):
            raise KeyboardInterrupt

    path = greedy_path(Interrupted(), 2, 3)
    assert len(path) == 1
    assert math.isnan(path.escape_rate[0])
    assert path.status == "interrupted at rank 0"


# ------------------------------------------------------------------------------ what is shown


def test_tables_and_pictures():
    pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    path = path_of_completion(2)
    table = path.to_dataframe()
    assert list(table["rank"]) == [0, 1, 2]
    assert list(table.columns) == ["rank", "loss", "escape_rate", "gap", "sigma_1", "sigma_2"]
    assert table["sigma_2"][1] == 0
    figure = path.plot(scale=1e-3, color="black")
    (axes,) = figure.axes
    curve = axes.lines[0]
    t, loss = curve.get_xdata(), curve.get_ydata()
    assert curve.get_color() == "black"
    assert (np.diff(t) > 0).all()
    assert (np.diff(loss) <= 1e-9 * path.loss[0]).all()
    halves = (path.loss[1:] + path.loss[:-1]) / 2
    arrivals = path.arrival_times(1e-3)
    np.testing.assert_allclose(np.interp(-halves, -loss, t), arrivals, rtol=1e-2)
    assert t[-1] < 2 * arrivals[-1]
    levels = [line.get_ydata()[0] for line in axes.lines[1:4]]
    assert levels == pytest.approx(path.loss)
    assert {text.get_text().strip() for text in axes.texts} == {"rank 0", "rank 1", "rank 2"}
    assert path.plot(axes) is figure


def test_without_points_in_the_orbits():
    path = greedy_path(white()[0], 2, 1, keep="last")
    assert path.stages[0].orbit.keep == "last"
    assert len(path.stages[0].orbit) == len(path.stages[0].orbit.kept)
    assert path.stages[1].point.s == pytest.approx(VALUES[:1])


def test_progress_is_shown(capsys, monkeypatch):
    monkeypatch.setattr("fixedrank._progress._LINES", 0.0)
    greedy_path(white()[0], 2, 1, progress="lines")
    assert "1 of 1 ranks, loss 3.625" in capsys.readouterr().err


# ------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("depth", "most", "options", "error", "text"),
    [
        (1.5, 2, {}, ValueError, "depth N >= 2, got 1.5: below"),
        (1, 2, {}, ValueError, "depth N >= 2, got 1"),
        (math.inf, 2, {}, ValueError, "at infinite depth singular vectors stand still"),
        ("two", 2, {}, TypeError, "depth must be a real number"),
        (2, 5, {}, ValueError, r"max_rank = 5 exceeds min\(m, n\) = min\(5, 4\) = 4"),
        (2, 0, {}, ValueError, "max_rank must be at least 1"),
        (2, 2.0, {}, TypeError, "max_rank must be an integer"),
        (2, 2, {"scale": -1.0}, ValueError, "scale must be positive"),
        (2, 2, {"scale": "small"}, TypeError, "scale must be a positive number"),
        (2, 2, {"scale": 10.0}, ValueError, "scale = 10 does not begin near its critical point"),
        (2, 2, {"scale": 1e-200}, ValueError, "scale = 1e-200 to the power of N = 2 is zero"),
        (2, 2, {"rtol": 0.0}, ValueError, "rtol must"),
        (2, 2, {"method": "Euler"}, ValueError, "unknown method"),
        (2, 2, {"keep": "all"}, ValueError, "keep must be one of"),
        (2, 2, {"weight_decay": 0.1}, TypeError, r"problem \+ SchattenDecay\(weight_decay, 2\)"),
        (2, 2, {"imbalance": [1.0]}, TypeError, "the greedy path is that of balanced layers"),
        (
            2,
            2,
            {"clock": "loss"},
            TypeError,
            "clock is for the flows .* path is one in time",
        ),
        (2, 2, {"store": "path.npz"}, TypeError, "store is for the flows one by one"),
    ],
)
def test_bad_input(depth, most, options, error, text):
    with pytest.raises(error, match=text):
        greedy_path(white()[0], depth, most, **options)


def test_metrics_and_problems_that_do_not_do():
    class Doubled(fixedrank.SpectralMetric):
        tangential = normal = second = first = None

    with pytest.raises(TypeError, match="known for the metrics of depth N only"):
        greedy_path(white()[0], Doubled(), 2)
    assert greedy_path(white()[0], DepthMetric(2), 1).depth == 2
    with pytest.raises(ValueError, match=r"attribute shape = \(m, n\)"):
        greedy_path(DenseProblem(np.eye(2), np.eye(2)), 2, 1)
    with pytest.raises(TypeError, match="methods loss"):
        greedy_path(3, 2, 1)


@pytest.mark.parametrize(
    ("scale", "error"), [(0.0, ValueError), (-1.0, ValueError), ("1", TypeError)]
)
def test_sizes_of_starts(scale, error):
    path = path_of_completion(2)
    with pytest.raises(error, match="scale must be"):
        path.arrival_times(scale)
    with pytest.raises(error, match="scale must be"):
        path.stages[0].plateau(scale)


@pytest.mark.parametrize("depth", [2, 3])
def test_starts_beyond_the_first_plateau_have_no_times(depth):
    """At the limit sigma^N = b / c and beyond nothing is left to wait for."""
    path, limit = path_of_white_data(depth), (VALUES[0] / 0.5) ** (1 / depth)
    assert path.stages[0].plateau(0.5 * limit) > 0
    for times in (path.stages[0].plateau, path.arrival_times):
        for scale in (limit, 100.0):
            with pytest.raises(ValueError, match="is no small start at rank 0: it is beyond"):
                times(scale)
