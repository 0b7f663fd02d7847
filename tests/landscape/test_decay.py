"""The landscape with weight decay on white data: against searches, and Hessians of other make."""

import itertools
import math

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st

import fixedrank
from fixedrank import (
    FixedRank,
    LinearRegression,
    NetworkHessian,
    SchattenDecay,
    balanced_factors,
    critical_points,
    global_minimizer,
    riemannian_flow,
)
from fixedrank.landscape.critical_values import critical_values
from tests.geometry.dense import matrix, orthonormal
from tests.landscape.test_critical_points import dense_spectrum

C = 1.7


def white(values, d_y, d_x, unit=1.0, noise=0.3):
    """A regression with X X^T = C I and the given singular values of B / C."""
    rng = np.random.default_rng(0)
    frame = orthonormal(rng, 3 * d_x + d_y, 2 * d_x)
    X, rest = math.sqrt(C) * frame[:, :d_x].T, frame[:, d_x:].T
    k = len(values)
    U, V = orthonormal(rng, d_y, k), orthonormal(rng, d_x, k)
    W = (U * np.array(values)) @ V.T
    return LinearRegression(X, unit * (W @ X + noise * rng.standard_normal((d_y, d_x)) @ rest))


def decay_for(depth, b):
    """A decay with b* / c = b, or with that soft threshold; below N = 2 any."""
    return 0.6 * C if depth < 2 else C * b ** (2 - 2 / depth) / threshold(depth)


def threshold(depth):
    """(b* at lambda = 1)^(2-2/N)."""
    return SchattenDecay(1.0, depth).spinodal[1] ** (2 - 2 / depth)


VALUES = [3.0, 2.2, 1.4, 0.5]
DEPTHS = [1.5, 2, 2.5, 3, 20]
EVERY_DEPTH = pytest.mark.parametrize("depth", DEPTHS)
SHAPES = pytest.mark.parametrize(("d_y", "d_x"), [(4, 6), (6, 4), (4, 4)])


def roots(b, decay, depth):
    """All roots of C s + lambda s^(2/N-1) = C b, by brackets on a grid."""
    grid = b * np.concatenate((np.geomspace(1e-9, 0.1, 300), np.linspace(0.1, 1, 300)))

    def excess(s):
        return C * (s - b) + decay * s ** (2 / depth - 1)

    signs = np.sign(excess(grid))
    places = np.flatnonzero(signs[1:] * signs[:-1] < 0)
    return [scipy.optimize.brentq(excess, grid[i], grid[i + 1], xtol=1e-14) for i in places]


def ascending(values):
    return all(a <= b * (1 + 1e-12) for a, b in itertools.pairwise(values))


@EVERY_DEPTH
@SHAPES
@pytest.mark.parametrize("k", [1, 2, 4])
def test_they_are_all_choices_of_roots(depth, d_y, d_x, k):
    """Here the last index has no root for N >= 2."""
    problem, decay = white(VALUES, d_y, d_x), decay_for(depth, 1.0)
    found = list(critical_points(problem, k, weight_decay=decay, depth=depth))
    possible = [roots(b, decay, depth) for b in VALUES]
    assert [len(p) for p in possible] == ([1] * 4 if depth < 2 else [1 + (depth > 2)] * 3 + [0])
    expected = sorted(
        sorted(sizes, reverse=True)
        for subset in itertools.combinations(range(4), k)
        for sizes in itertools.product(*(possible[i] for i in subset))
    )
    got = sorted(critical.point.s.tolist() for critical in found)
    np.testing.assert_allclose(np.array(got), np.array(expected), rtol=1e-7)
    total = problem + SchattenDecay(decay, depth)
    objectives = [critical.objective for critical in found]
    assert ascending(objectives)
    made = total.to_pymanopt(FixedRank(d_y, d_x, k, depth=depth))
    for critical in found:
        assert critical.objective == pytest.approx(total.loss(critical.point), rel=1e-12)
        assert critical.loss == pytest.approx(problem.loss(critical.point), rel=1e-12)
        gradient = made.riemannian_gradient(critical.point)
        assert made.manifold.norm(critical.point, gradient) <= 1e-11 * C * 3


def hessian_by_the_connection(total, point, depth):
    """Eigenvalues of the Riemannian Hessian, in an orthonormal basis of the tangent space."""
    m, n, k = len(point.u), point.vt.shape[1], point.s.size
    manifold = FixedRank(m, n, k, depth=depth)
    made = total.to_pymanopt(manifold)
    ambient = [manifold.projection(point, unit.reshape(m, n)) for unit in np.eye(m * n)]
    gram = np.array([[manifold.inner_product(point, a, b) for b in ambient] for a in ambient])
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-9 * values[-1]
    images = [made.riemannian_hessian(point, Z) for Z in ambient]
    form = np.array([[manifold.inner_product(point, a, b) for b in images] for a in ambient])
    frame = vectors[:, kept] / np.sqrt(values[kept])
    return np.linalg.eigvalsh(frame.T @ form @ frame)


@EVERY_DEPTH
@pytest.mark.parametrize(("d_y", "d_x", "k"), [(3, 4, 1), (4, 3, 2), (3, 3, 3)])
def test_the_spectrum_is_that_of_the_riemannian_hessian(depth, d_y, d_x, k):
    """Of the Hessian of L^1 with the connection plus lambda: a statement of its own."""
    problem, decay = white(VALUES[:3], d_y, d_x), decay_for(depth, 1.0)
    total = problem + SchattenDecay(decay, depth)
    found = list(critical_points(problem, k, weight_decay=decay, depth=depth))
    assert {"lower"} & {b for c in found for b in c.branches} == ({"lower"} if depth > 2 else set())
    for critical in found:
        spectrum = critical.hessian_spectrum(depth)
        expected = hessian_by_the_connection(total, critical.point, depth)
        assert spectrum.size == k * (d_y + d_x - k)
        np.testing.assert_allclose(spectrum, expected, rtol=0, atol=1e-8 * abs(expected).max())


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("k", [1, 2])
def test_the_spectrum_is_part_of_that_of_balanced_layers(depth, k):
    """Of the Hessian of L^N and lambda times the identity; the rest is not negative."""
    problem, decay = white(VALUES[:3], 3, 4), decay_for(depth, 1.0)
    for critical in critical_points(problem, k, weight_decay=decay, depth=depth):
        layers = balanced_factors(critical.point, [4, *[k] * (depth - 1), 3], rng=0)
        hessian = NetworkHessian(problem, layers)
        matrix = hessian @ np.eye(hessian.shape[0])
        expected = np.linalg.eigvalsh((matrix + matrix.T) / 2) + decay
        away = abs(np.subtract.outer(critical.hessian_spectrum(depth), expected)).min(axis=1)
        assert away.max() <= 1e-11 * expected.max()
        assert (expected < -1e-9 * expected.max()).sum() == critical.morse_index


class Objective:
    def __init__(self, problem, decay):
        self.shape, self.loss = problem.shape, (problem + decay).loss


@pytest.mark.parametrize("metric", [1, 2, 3])
def test_the_spectrum_is_that_of_second_derivatives(metric):
    """In other metrics too, by differences of the objective."""
    problem, decay = white(VALUES[:2], 2, 3), decay_for(3, 1.0)
    objective = Objective(problem, SchattenDecay(decay, 3))
    for critical in critical_points(problem, 1, weight_decay=decay, depth=3):
        spectrum = critical.hessian_spectrum(metric)
        if critical.branches == ("upper",):
            expected = dense_spectrum(objective, critical, metric)
            np.testing.assert_allclose(spectrum, expected, rtol=0, atol=1e-5 * expected.max())


@pytest.mark.parametrize("depth", [2.5, 3, 20])
def test_the_radial_eigenvalue_of_the_lower_root(depth):
    problem, decay = white(VALUES[:1], 3, 4), decay_for(depth, 1.0)
    upper, lower = critical_points(problem, 1, weight_decay=decay, depth=depth)
    for critical, sign in ((upper, 1), (lower, -1)):
        (s,) = critical.point.s
        radial = depth * (C * s ** (2 - 2 / depth) - decay * (1 - 2 / depth))
        assert sign * radial > 0
        assert abs(critical.hessian_spectrum(depth) - radial).min() <= 1e-10 * abs(radial)
    assert (upper.kind, lower.kind, lower.morse_index) == ("global minimum", "strict saddle", 1)


@pytest.mark.parametrize("depth", [1.5, 2, 3, 20])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_index_and_nullity_count_eigenvalues_with_ties(depth, k):
    problem, decay = white([3.0, 2.0, 2.0, 1.1], 5, 6), decay_for(depth, 1.0)
    count = 0
    for critical in critical_points(problem, k, weight_decay=decay, depth=depth):
        spectrum, count = critical.hessian_spectrum(depth), count + 1
        size = abs(spectrum).max()
        assert (spectrum < -1e-9 * size).sum() == critical.morse_index
        assert (abs(spectrum) <= 1e-9 * size).sum() == critical.nullity
        assert (critical.kind == "strict saddle") == (critical.morse_index > 0)
    assert count == math.comb(4, k) * (2**k if depth > 2 else 1)


def test_at_the_spinodal_roots_meet():
    problem, decay = white([3.0, 1.0], 3, 3), decay_for(3, 1.0)
    found = list(critical_points(problem, 2, weight_decay=decay, depth=3))
    assert [(c.kind, c.branches) for c in found] == [
        ("degenerate saddle", ("upper", "upper")),
        ("strict saddle", ("lower", "upper")),
    ]
    spectrum = found[0].hessian_spectrum(3)
    assert found[0].nullity == (abs(spectrum) <= 1e-6 * spectrum.max()).sum() == 1


@EVERY_DEPTH
@given(
    values=st.lists(st.floats(0.2, 3), min_size=3, max_size=3),
    decay=st.floats(0.1, 2),
    k=st.integers(1, 3),
)
def test_the_global_minimum_is_below_what_von_neumann_allows(depth, values, decay, k):
    """The least of all sums of k of the energies of a grid of singular values, and zero."""
    values = sorted(values, reverse=True)
    problem = white(values, 3, 4)
    best = global_minimizer(problem, k, weight_decay=decay, depth=depth)
    s = np.concatenate((np.geomspace(1e-7, 1e-2, 500), np.linspace(1e-2, 3.1, 4000)))
    energies = [
        min(0.0, (C * s * (s / 2 - b) + decay * depth / 2 * s ** (2 / depth)).min()) for b in values
    ]
    allowed = problem.loss(np.zeros((3, 4))) + sum(sorted(energies)[:k])
    assert best.objective <= allowed + 1e-9
    # A grid of this width misses the least by its square.
    assert best.objective >= allowed - 1e-5
    assert best.kind == "global minimum"
    assert best.point.s.size <= k


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("k", [1, 4])
def test_no_flow_ends_below_the_global_minimum(depth, k):
    problem, decay = white(VALUES, 4, 5), decay_for(depth, 1.0)
    best = global_minimizer(problem, k, weight_decay=decay, depth=depth)
    total = problem + SchattenDecay(decay, depth)
    for seed in range(3):
        start = FixedRank(4, 5, k, depth=depth).random_point(rng=seed)
        flow = riemannian_flow(total, start, depth, [0, 20])
        assert flow.loss[-1] >= best.objective * (1 - 1e-12)
    near = FixedRank(4, 5, best.point.s.size, depth=depth).point(matrix(best.point) + 0.01)
    flow = riemannian_flow(total, near, depth, [0, 60])
    assert flow.loss[-1] == pytest.approx(best.objective, rel=1e-10)


def test_local_minima_between_spinodal_and_maxwell():
    """b* < 1.05 b* < b_t: nearby all is higher, and zero is lower."""
    problem, decay = white([3.0, 1.05], 3, 3), decay_for(3, 1.0)
    first, *rest = critical_points(problem, 2, weight_decay=decay, depth=3)
    assert (first.kind, first.morse_index) == ("local minimum", 0)
    best = global_minimizer(problem, 2, weight_decay=decay, depth=3)
    assert best.indices == (0,)
    assert best.objective < first.objective < min(c.objective for c in rest)
    total = problem + SchattenDecay(decay, 3)
    for seed in range(20):
        Z = np.random.default_rng(seed).standard_normal((3, 3))
        assert total.loss(matrix(first.point) + 1e-3 * Z / np.linalg.norm(Z)) > first.objective


@pytest.mark.parametrize("depth", [1.5, 2, 3])
def test_zero_where_nothing_is_worth_it(depth):
    problem = white([1.0], 3, 4)
    best = global_minimizer(problem, 3, weight_decay=100.0, depth=depth)
    if depth < 2:
        assert best.indices == (0,)
        return
    assert (best.indices, best.point.s.size, best.kind) == ((), 0, "global minimum")
    assert best.objective == pytest.approx(problem.loss(np.zeros((3, 4))), rel=1e-12)
    assert list(critical_points(problem, 1, weight_decay=100.0, depth=depth)) == []


@pytest.mark.parametrize("depth", [1.5, 2, 3])
@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_units(depth, unit):
    """W in other units: losses times the square, decay times the power 2 - 2/N, the same points."""
    decay = decay_for(depth, 1.0)
    one = list(critical_points(white(VALUES, 4, 5), 2, weight_decay=decay, depth=depth))
    scaled = critical_points(
        white(VALUES, 4, 5, unit), 2, weight_decay=decay * unit ** (2 - 2 / depth), depth=depth
    )
    for a, b in zip(one, scaled, strict=True):
        assert (a.kind, a.indices, a.branches) == (b.kind, b.indices, b.branches)
        np.testing.assert_allclose(b.point.s / unit, a.point.s, rtol=1e-9)
        assert b.objective / unit / unit == pytest.approx(a.objective, rel=1e-9)
        rates = b.hessian_spectrum(depth) / unit ** (2 - 2 / depth)
        expected = a.hessian_spectrum(depth)
        np.testing.assert_allclose(rates, expected, rtol=0, atol=1e-9 * expected.max())


@EVERY_DEPTH
@pytest.mark.parametrize("most", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "values", [VALUES, [3.0, 2.0, 2.0, 1.05], [1.1, 1.1, 1.1, 1.1], [0.9, 0.8, 0.7, 0.6], [5, 4, 3]]
)
def test_the_critical_values_that_ranks_reach(depth, most, values):
    """The two least of the objectives of all critical points of rank 0 to r."""
    problem, decay = white(values, 4, 5), decay_for(depth, 1.0)
    found = critical_values(problem, most, weight_decay=decay, depth=depth)
    objectives = [problem.loss(np.zeros((4, 5)))] + [
        critical.objective
        for k in range(1, most + 1)
        for critical in critical_points(problem, k, weight_decay=decay, depth=depth)
    ]
    size = max(objectives)
    assert found.least == pytest.approx(min(objectives), rel=1e-12)
    above = [value for value in objectives if value > min(objectives) + 1e-9 * size]
    assert found.least + found.gap == pytest.approx(min(above, default=math.inf), rel=1e-9)
    several = sum(value <= min(objectives) + 1e-9 * size for value in objectives) > 1
    assert (found.minimizer is None) == several
    if not several:
        best = global_minimizer(problem, most, weight_decay=decay, depth=depth)
        assert found.minimizer.indices == best.indices
    residual = problem.residual**2 / 2
    assert found.unreached == pytest.approx(found.least - residual, rel=1e-12)


def test_at_the_jump_there_are_two_minima():
    problem = white([3.0, 2.0, 0.1], 4, 5)
    assert SchattenDecay(1.0, 3).maxwell == pytest.approx((1, 2), rel=1e-14)
    found = critical_values(problem, 3, weight_decay=C, depth=3)
    assert found.minimizer is None
    assert found.gap > 1e-3
    values = [c.objective for c in critical_points(problem, 2, weight_decay=C, depth=3)]
    assert values[0] == pytest.approx(found.least, rel=1e-12)


@pytest.mark.parametrize("largest", [3.0, 1e8])
def test_each_index_by_its_own_energy(largest):
    """Kept above b_t = 2 and not below, also beside one whose round-off exceeds their energy."""
    options = {"weight_decay": 1.0, "depth": 3}
    for b, kind, kept in ((1.95, "local minimum", (0,)), (2.05, "global minimum", (0, 1))):
        problem = LinearRegression(np.eye(2), np.diag([largest, b]))
        assert global_minimizer(problem, 2, **options).indices == kept
        first, *_ = critical_points(problem, 2, **options)
        assert first.kind == kind
        other = first if len(kept) == 1 else global_minimizer(problem, 1, **options)
        verdict = str(fixedrank.classify(problem, other.point, **options, rtol=1e-10))
        assert f"minimum of all ranks has rank {len(kept)} and an objective lower" in verdict


def test_at_the_jump_the_lower_rank_is_taken():
    # Of any lambda, however b_t is rounded.
    for decay in np.linspace(0.1, 3, 30):
        b = SchattenDecay(decay, 3).maxwell[1]
        problem = LinearRegression(np.eye(2), np.diag([b, 0.1 * b]))
        assert global_minimizer(problem, 2, weight_decay=decay, depth=3).indices == ()


def test_lower_roots_that_underflow_are_left_out():
    """At N = 2.001 they are some (lambda / b)^1000."""
    problem, options = white(VALUES, 4, 5), {"weight_decay": C, "depth": 2.001}
    found = list(critical_points(problem, 2, **options))
    assert [(c.indices, c.branches) for c in found] == [
        (J, ("upper", "upper")) for J in ((0, 1), (0, 2), (1, 2))
    ]
    values = critical_values(problem, 4, **options)
    assert values.minimizer.indices == (0, 1, 2)
    least = global_minimizer(problem, 2, **options).objective - values.least
    assert values.gap == pytest.approx(least, rel=1e-9)


def test_the_spectrum_at_a_very_small_lower_root():
    problem = LinearRegression(np.eye(2), np.diag([60.0, 1e-3]))
    *_, last = critical_points(problem, 2, weight_decay=1e-3 * 0.978, depth=2.0001)
    assert last.branches[1] == "lower"
    assert last.point.s[1] < 1e-180
    found = last.hessian_spectrum(2.0001)
    assert np.isfinite(found).all()
    # The radial one, where c s is nothing beside lambda.
    assert found[0] == pytest.approx(-1e-4 * 1e-3 * 0.978, rel=1e-6)


def test_the_first_of_very_many_cost_little():
    X = np.sqrt(C) * np.eye(60)
    problem = LinearRegression(X, np.diag(np.linspace(2, 3, 60)) @ X)
    points = critical_points(problem, 30, weight_decay=0.5, depth=4)
    first = list(itertools.islice(points, 200))
    objectives = [c.objective for c in first]
    assert ascending(objectives)
    assert len({(c.indices, c.branches) for c in first}) == 200


@pytest.mark.parametrize("function", [critical_points, global_minimizer])
def test_bad_input(function):
    data = white(VALUES, 4, 5)
    rng = np.random.default_rng(0)
    other = LinearRegression(rng.standard_normal((3, 9)), rng.standard_normal((2, 9)))
    with pytest.raises(ValueError, match="with weight decay is known for white data only, and"):
        function(other, 1, weight_decay=1.0, depth=3)
    with pytest.raises(ValueError, match=r"at depth 2 dual_certificate\(problem, point, weight"):
        function(other, 1, weight_decay=1.0, depth=2)
    with pytest.raises(TypeError, match=r"say depth=N beside weight_decay=1"):
        function(data, 1, weight_decay=1.0)
    with pytest.raises(ValueError, match=r"weight_decay must be finite and at least 0, got -1"):
        function(data, 1, weight_decay=-1.0, depth=3)
    with pytest.raises(ValueError, match="weight decay needs a finite depth N"):
        function(data, 1, weight_decay=1.0, depth=math.inf)
    with pytest.raises(ValueError, match=r"k = 5 is larger than min\(d_y, d_x\) = 4"):
        function(data, 5, weight_decay=1.0, depth=3)


def test_without_decay_depth_says_nothing():
    problem = white(VALUES, 4, 5)
    one, other = (global_minimizer(problem, 2, **o) for o in ({}, {"weight_decay": 0, "depth": 3}))
    assert (one.weight_decay, one.penalty, one.branches) == (0.0, None, None)
    assert one.objective == one.loss == other.objective
