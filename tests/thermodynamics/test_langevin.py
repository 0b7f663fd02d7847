"""What goes into Langevin dynamics and comes out, and what does not depend on chance."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fixedrank
from fixedrank.thermodynamics.law import Law
from tests.thermodynamics.sampled import deviates, matrices, squared_radii

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((3, 9)), RNG.standard_normal((4, 9))
REGRESSION = fixedrank.LinearRegression(X, Y)


def start_of(k=2, depth=3, m=4, n=3):
    return fixedrank.FixedRank(m, n, k, depth=depth).random_point(rng=5)


class Own(fixedrank.Loss):
    """The same loss, one matrix after another."""

    def loss(self, W):
        return REGRESSION.loss(W)

    def gradient(self, W):
        return REGRESSION.gradient(W)


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 20])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("method", ["splitting", "euler"])
def test_without_noise_it_is_the_flow_of_first_order(depth, tied, method):
    u, _, vt = start_of(depth=depth)
    point = (u, np.array([0.7, 0.7 if tied else 0.4]), vt)
    problem = 0.1 * REGRESSION
    end = fixedrank.riemannian_flow(problem, point, depth, [0, 0.3], weight_decay=0.4).last
    W, gaps = matrices(end), []
    for steps in (50, 100):
        run = fixedrank.langevin(
            problem,
            point,
            depth,
            [0, 0.3],
            temperature=1e-30,
            weight_decay=0.4,
            rng=0,
            method=method,
            step=0.3 / steps,
        )
        gaps.append(np.linalg.norm(matrices(run.last) - W))
    assert gaps[1] < 0.05 * np.linalg.norm(W - matrices(fixedrank.FixedRankPoint(*point)))
    assert 1.7 < gaps[0] / gaps[1] < 2.4


@pytest.mark.parametrize("s", [[2.0, 0.7, 0.1], [2.0, 2.0, 0.1]])
def test_the_force_of_the_entropy_of_pairs(s):
    """It is T/N times the derivative of S in sigma, less its normal part, by differences of S."""
    sigma = np.array(s)
    law = Law(REGRESSION, 4, 3, 3, 4.0, 0.3, 0.0, (3, 5, 3, 6, 4))

    def entropy(sigma):
        return fixedrank.log_fibre_volume((np.eye(4, 3), sigma**4, np.eye(3)), [3, 3, 3, 3, 4])

    moves = 1e-5 * np.diag(sigma)
    slopes = [(entropy(sigma + move) - entropy(sigma - move)) / 2e-5 for move in moves]
    force = law.pair_force(sigma[None])[0]
    np.testing.assert_allclose(force, 0.3 / 4 * np.array(slopes) / sigma, rtol=1e-7)


def test_euler_s_steps_know_the_entropy():
    """At N = 2, far from zero: E[r^2] = T (m + n - 1 + sum (d_j - 1)) / lambda of rank one."""
    start = fixedrank.FixedRank(3, 2, 1, depth=2).random_point(rng=0)
    run = fixedrank.langevin(
        fixedrank.SchattenDecay(1.0, 2),
        start,
        2,
        [0, 4],
        temperature=0.5,
        widths=[2, 7, 3],
        copies=1000,
        rng=1,
        step=0.04,
        method="euler",
    )
    assert abs(deviates(squared_radii(run.last.s, 2), 0.5 * 10)) < 5


@pytest.mark.parametrize("exponent", [-498, 498])
@pytest.mark.parametrize("widths", [None, [3, 2, 5, 4]])
def test_units_of_the_matrix_and_of_temperature(exponent, widths):
    """W times c = 2^(3j), with L and T times c^(2/N), takes the same steps by the same numbers."""
    root = 2.0 ** (exponent // 3)
    c, start = root**3, start_of()
    other = fixedrank.LinearRegression(X * root / c, Y * root)
    how = {"copies": 20, "weight_decay": 0.3, "widths": widths, "rng": 3}
    one = fixedrank.langevin(REGRESSION, start, 3, [0, 0.02, 0.04], temperature=0.5, **how)
    two = fixedrank.langevin(
        other,
        (start.u, c * start.s, start.vt),
        3,
        [0, 0.02, 0.04],
        temperature=0.5 * root**2,
        **how,
    )
    assert two.step == pytest.approx(one.step, rel=1e-6)
    np.testing.assert_allclose(two.points.s / c, one.points.s, rtol=1e-6)
    np.testing.assert_allclose(two.points.u, one.points.u, atol=1e-6)
    np.testing.assert_allclose(two.loss / root**2, one.loss, rtol=1e-6)


def test_the_step_by_default():
    """A twentieth of the shortest time scale, at the minimum of c |W - B|^2 / 2."""
    c, s, temperature, depth = 7.0, 2.0, 0.3, 3
    problem = fixedrank.LinearRegression(np.sqrt(c) * np.eye(2), [[s * np.sqrt(c), 0.0]])
    start = fixedrank.FixedRank(1, 2, 1, depth=depth).point([[s, 0.0]])
    how = {"temperature": temperature, "weight_decay": 0.4, "rng": 0}
    run = fixedrank.langevin(problem, start, depth, [0, 1e-6], **how)
    scale = s + np.sqrt(temperature / c)
    rate = depth * c * scale ** (4 / 3) + 3 * temperature / scale ** (2 / 3) + 0.4
    assert run.step == pytest.approx(0.05 / rate, rel=1e-6)


def test_any_loss_goes_copy_by_copy_as_the_library_s_go_together():
    start = start_of()
    how = {"temperature": 0.5, "copies": 7, "rng": 1, "step": 0.01}
    one, other = (
        fixedrank.langevin(problem, start, 3, [0, 0.1], **how) for problem in (REGRESSION, Own())
    )
    np.testing.assert_allclose(one.points.s, other.points.s, rtol=1e-8)
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-8)


@pytest.mark.parametrize(
    "problem",
    [
        fixedrank.MatrixCompletion([0, 1, 3], [0, 2, 1], [1.0, 2.0, 0.5], (4, 3)),
        fixedrank.MatrixSensing(RNG.standard_normal((5, 4, 3)), RNG.standard_normal(5)),
        fixedrank.Classification(X, [0, 1, 2, 3, 0, 1, 2, 3, 0]),
        fixedrank.LinearRegression(X[:, :2], Y[:, :2]),
    ],
    ids=["completion", "sensing", "classification", "singular"],
)
def test_losses_that_do_not_grow_need_decay(problem):
    start = start_of()
    with pytest.raises(ValueError, match=r"does not grow in all directions.*weight_decay > 0"):
        fixedrank.langevin(problem, start, 3, [0, 1], temperature=0.1, rng=0)
    with pytest.raises(ValueError, match="does not grow"):
        fixedrank.langevin(2 * problem, start, 3, [0, 1], temperature=0.1, rng=0)
    how = {"temperature": 0.1, "rng": 0, "copies": 3, "step": 0.01}
    run = fixedrank.langevin(problem, start, 3, [0, 0.2], weight_decay=0.1, **how)
    decay = fixedrank.SchattenDecay(0.1, 3)
    same = fixedrank.langevin(problem + decay, start, 3, [0, 0.2], **how)
    assert np.isfinite(run.loss).all()
    np.testing.assert_allclose(run.points.s, same.points.s, rtol=1e-12)
    assert same.weight_decay == 0.1


def test_penalties_that_grow_are_enough():
    start = start_of()
    completion = fixedrank.MatrixCompletion([0, 1], [0, 2], [1.0, 2.0], (4, 3), ridge=0.1)
    for problem in (completion, fixedrank.SchattenDecay(0.1, 2), REGRESSION + completion, Own()):
        run = fixedrank.langevin(problem, start, 3, [0, 0.1], temperature=0.1, step=0.01)
        assert run.complete, problem


def test_square_matrices_of_full_rank_keep_the_sign_of_their_determinant():
    """And as Euler's steps pass zero, those of the splitting are reflected there."""
    signs = {}
    for method in ("splitting", "euler"):
        run = fixedrank.langevin(
            fixedrank.LinearRegression(np.eye(2), -np.eye(2)),
            fixedrank.FixedRank(2, 2, 2, depth=1).point(np.diag([0.4, -0.3])),
            1,
            [0, 2],
            temperature=0.5,
            copies=200,
            rng=0,
            step=0.05,
            method=method,
        )
        signs[method] = np.sign(np.linalg.det(matrices(run.last)))
        assert run.singular_values.min() > 0
    assert (signs["splitting"] == -1).all()
    assert 20 < (signs["euler"] == 1).sum() < 180


def test_euler_is_biased_near_zero():
    """Of deep networks, where the splitting is exact: E[r^2] = T k (m + n - k) / lambda."""
    depth, temperature, decay = 3, 0.5, 0.8
    start = fixedrank.FixedRank(3, 2, 2, depth=depth).random_gibbs(
        decay / temperature, size=2000, rng=0
    )
    exact = temperature * 2 * 3 / decay
    off = {}
    for method in ("splitting", "euler"):
        run = fixedrank.langevin(
            fixedrank.SchattenDecay(decay, depth),
            start,
            depth,
            [0, 1],
            temperature=temperature,
            rng=1,
            step=0.02,
            method=method,
        )
        off[method] = deviates(squared_radii(run.last.s, depth), exact)
    assert abs(off["splitting"]) < 4.5
    assert off["euler"] > 6


def test_rare_large_matrices_do_not_diverge():
    """Where the loss is like |W|^2 and N = 3, its force on W^(1/N) grows with the fifth power."""
    start = start_of()
    large = (start.u, 50 * start.s, start.vt)
    how = {"temperature": 0.5, "rng": 0, "step": 0.02}
    run = fixedrank.langevin(REGRESSION, large, 3, [0, 1], **how)
    assert run.complete
    assert 0 < run.shortened < 0.5
    assert run.loss[-1] < run.loss[0] / 10
    assert "shortened" in repr(run)
    with np.errstate(all="ignore"):
        euler = fixedrank.langevin(REGRESSION, large, 3, [0, 1], method="euler", **how)
    assert not euler.complete
    assert "diverged at t = " in euler.status


def test_a_free_energy_is_the_loss_and_the_entropy_of_its_widths():
    """So the curvature of the entropy near zero makes no small steps."""
    widths, start = [3, 4, 5, 4], start_of()
    decay = fixedrank.SchattenDecay(0.3, 3)
    how = {"temperature": 0.5, "copies": 3, "rng": 1}
    for problem, total, rate in (
        (REGRESSION, REGRESSION, 0.0),
        (REGRESSION, REGRESSION + decay, 0.3),
        (0.0 * REGRESSION, decay, 0.3),
    ):
        energy = fixedrank.FreeEnergy(total, widths, 0.5)
        one = fixedrank.langevin(energy, start, 3, [0, 0.01], **how)
        two = fixedrank.langevin(
            problem, start, 3, [0, 0.01], widths=widths, weight_decay=rate, **how
        )
        np.testing.assert_allclose(one.points.s, two.points.s, rtol=1e-10)
        np.testing.assert_allclose(one.loss, two.loss, rtol=1e-10, atol=1e-10)
        assert one.widths == two.widths == tuple(widths)
    with pytest.raises(ValueError, match=r"the loss is a free energy.*leave widths out"):
        fixedrank.langevin(energy, start, 3, [0, 1], widths=widths, **how)


def test_a_step_at_which_one_copy_of_many_goes_off_is_told():
    """What the sample does not see grows until curvature times step is beyond what Euler bears."""
    sample = np.eye(3)[:, :1]
    problem = fixedrank.LinearRegression(sample, sample)
    start = (np.eye(3, 2), np.array([1.0, 1e-3]), np.eye(2, 3))
    how = {"temperature": 0.05, "weight_decay": 0.1, "widths": [3, 4, 4, 3], "copies": 100}
    with pytest.warns(RuntimeWarning, match=r"step 0\.1 is too long.*of one copy .*far off"):
        run = fixedrank.langevin(problem, start, 3, [0, 40], rng=0, step=0.1, **how)
    assert run.last.s.max() > 1000
    assert "too long" in str(run)
    run = fixedrank.langevin(problem, start, 3, [0, 10], rng=0, step=0.05, **how)
    assert "too long" not in run.status


@given(
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    rank=st.integers(1, 5),
    depth=st.sampled_from([1, 1.5, 2, 3, 20]),
    spread=st.sampled_from([0.0, 1e-12, 0.3, 3.0]),
    unit=st.sampled_from([1e-150, 1.0, 1e150]),
    entropic=st.booleans(),
)
def test_points_stay_points(sizes, rank, depth, spread, unit, entropic):
    """Of any sizes, depths, ties and units, at steps of a tenth of the time of the noise."""
    (m, n), k = sizes, min(rank, *sizes)
    rng = np.random.default_rng(m + 10 * n)
    frames = (np.linalg.qr(rng.standard_normal((size, k)))[0] for size in sizes)
    u, v = frames
    start = (u, unit * np.exp(-spread * np.arange(k)), v.T)
    widths = [n, *[k + 1] * (depth - 1), m] if entropic and depth == int(depth) else None
    run = fixedrank.langevin(
        fixedrank.SchattenDecay(1.0, depth),
        start,
        depth,
        [0, 0.5],
        temperature=0.1 * unit ** (2 / depth),
        widths=widths,
        copies=3,
        rng=0,
        step=0.1,
    )
    assert run.complete
    for frame in (run.last.u, run.last.vt.swapaxes(1, 2)):
        gram = frame.swapaxes(1, 2) @ frame
        assert np.abs(gram - np.eye(k)).max() < 1e-12
    assert (run.singular_values > 0).all()
    assert (np.diff(run.singular_values[1], axis=-1) < 0).all()
    assert np.isfinite(run.singular_values).all()


def test_axes():
    start, how = start_of(), {"temperature": 0.5, "rng": 0, "step": 0.05}
    times = [0, 0.02, 0.04]
    one = fixedrank.langevin(REGRESSION, start, 3, times, **how)
    assert (one.points.u.shape, one.loss.shape, one.copies) == ((3, 4, 2), (3,), 1)
    many = fixedrank.langevin(REGRESSION, start, 3, times, copies=5, **how)
    assert many.points.vt.shape == (3, 5, 2, 3)
    assert many.singular_values.shape == (3, 5, 2)
    assert many.loss.shape == (3, 5)
    again = fixedrank.langevin(REGRESSION, many.last, 3, times, **how)
    assert again.copies == 5
    np.testing.assert_array_equal(again.points.u[0], many.last.u)
    single = fixedrank.langevin(REGRESSION, [part[:1] for part in many.last], 3, times, **how)
    assert single.loss.shape == (3, 1)
    # The first output is the start as it came in.
    np.testing.assert_array_equal(one.points.s[0], start.s)
    np.testing.assert_allclose(one.loss[0], REGRESSION.loss(start), rtol=1e-12)


def test_no_matrix_is_formed():
    size = 4000
    rows, cols = np.random.default_rng(0).integers(0, size, (2, 5000))
    kept = np.unique(np.column_stack((rows, cols)), axis=0).T
    problem = fixedrank.MatrixCompletion(*kept, np.ones(kept.shape[1]), (size, size))
    start = fixedrank.FixedRank(size, size, 3, depth=2).random_point(rng=0)
    tracemalloc.start()
    how = {"temperature": 0.1, "weight_decay": 0.1, "rng": 0}
    run = fixedrank.langevin(problem, start, 2, [0, 1], step=0.5, **how)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert run.complete
    assert peak < 8 * size * size / 4


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"temperature": 0}, ValueError, "temperature must be positive and finite, got 0"),
        ({"temperature": "hot"}, TypeError, "temperature must be a number"),
        ({"weight_decay": -1}, ValueError, "weight_decay must be finite and at least 0"),
        ({"depth": np.inf}, ValueError, "finite depth"),
        ({"method": "rk4"}, ValueError, "'splitting' or 'euler', got 'rk4'"),
        ({"step": 0}, ValueError, "step must be positive"),
        ({"copies": 0}, ValueError, "copies must be at least 1"),
        ({"t": [0]}, ValueError, "at least two strictly increasing"),
        ({"widths": [3, 2, 4]}, ValueError, "those of 2 layers, the depth is 3"),
        ({"widths": [3, 1, 2, 4]}, ValueError, "1"),
        ({"point": start_of(m=5)}, ValueError, r"\(5, 3\) matrix, the problem is about \(4, 3\)"),
        (
            {"point": [np.repeat(part[None], 3, 0) for part in start_of()], "copies": 2},
            ValueError,
            "copies is 2, but the start is 3 points",
        ),
        ({"problem": -1 * fixedrank.SchattenDecay(1, 3)}, ValueError, "-1 together"),
    ],
)
def test_errors(changed, error, words):
    given = {"problem": REGRESSION, "point": start_of(), "depth": 3, "t": [0, 1]}
    with pytest.raises(error, match=words):
        fixedrank.langevin(**{**given, "temperature": 0.1, "rng": 0, **changed})
