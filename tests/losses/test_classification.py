"""Cross-entropy against its definition in many digits, and what it says of directions."""

import tracemalloc

import mpmath as mp
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from fixedrank import (
    Classification,
    FixedRank,
    FixedRankPoint,
    balanced_factors,
    gaussian_factors,
    riemannian_flow,
)
from fixedrank.losses.alignment import alignment_of_layers
from tests.strategies import seeds

DIGITS = 60


def random_problem(seed, classes=3, features=4, samples=9, *, separable=True):
    """Data that a random matrix tells apart, or labels at random; -1 and +1 for one class."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((features, samples))
    scores = rng.standard_normal((max(classes, 2), features)) @ X
    labels = scores.argmax(0) if separable else rng.integers(max(classes, 2), size=samples)
    labels = 2 * labels - 1 if classes == 1 else labels
    if np.unique(labels).size == 1:
        return random_problem(seed + 1, classes, features, samples, separable=separable)
    return Classification(X, labels, classes=None if classes == 1 else classes)


def exact(problem, W):
    """The loss, its gradient and its second derivative along Z, in many digits."""
    mp.mp.dps = DIGITS
    K, samples = problem.shape[0], problem.samples
    X = [[mp.mpf(x) for x in row] for row in problem.X.tolist()]
    rows = [[mp.mpf(x) for x in row] for row in np.asarray(W).tolist()]
    loss, slopes = mp.mpf(0), [[mp.mpf(0)] * samples for _ in range(K)]
    for i in range(samples):
        y = int(problem.labels[i])
        z = [mp.fsum(a * X[j][i] for j, a in enumerate(row)) for row in rows]
        if K == 1:
            loss += mp.log1p(mp.exp(-y * z[0]))
            slopes[0][i] = -y / (1 + mp.exp(y * z[0]))
            continue
        wrong = [mp.exp(z[c] - z[y]) if c != y else mp.mpf(0) for c in range(K)]
        total = mp.fsum(wrong)
        loss += mp.log1p(total)
        for c in range(K):
            slopes[c][i] = wrong[c] / (1 + total) if c != y else -total / (1 + total)
    gradient = [[mp.fsum(s[i] * x[i] for i in range(samples)) for x in X] for s in slopes]
    return loss, gradient, slopes


def relative(found, expected):
    return max(
        float(abs(mp.mpf(float(a)) - b) / (abs(b) if b else 1))
        for a, b in zip(np.ravel(found), [x for row in expected for x in row], strict=True)
    )


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("size", [1e-200, 1e-8, 1.0, 30.0, 300.0])
@pytest.mark.parametrize("side", [1, -1])
def test_loss_and_slopes_to_relative_accuracy(classes, size, side):
    """At margins from nothing to 384, on the right side and on the wrong one."""
    rng = np.random.default_rng(classes)
    # Scores that floating point has without rounding: samples are axes, gaps are whole numbers.
    samples, scores = 6, np.rint(rng.uniform(64, 128, (classes, 6))) / 128
    labels = np.arange(samples) % max(classes, 2)
    if classes == 1:
        labels = 2 * labels - 1
        scores = side * scores * labels
    else:
        scores[labels, np.arange(samples)] += 1.0 * side
    W = scores * 2.0 ** np.rint(np.log2(size))
    problem = Classification(np.eye(samples), labels, classes=None if classes == 1 else classes)
    loss, gradient, _ = exact(problem, W)
    assert abs(problem.loss(W) - loss) <= 1e-12 * loss
    found = problem.gradient(W)
    assert relative(found, gradient) < 1e-12
    if classes > 1:
        # To relative accuracy, although some are as small as the loss.
        sums = np.abs(found.sum(0))
        assert (sums <= 1e-14 * np.abs(found).sum(0)).all()


def test_a_loss_of_1e_300():
    problem = Classification(np.eye(3), [0, 1, 2])
    W = 691.0 * np.eye(3)
    loss, gradient, _ = exact(problem, W)
    assert 1e-300 < loss < 1e-299
    assert abs(problem.loss(W) - loss) <= 1e-12 * loss
    assert relative(problem.gradient(W), gradient) < 1e-12
    # Beyond what floating point has, the logarithm and the direction of the gradient are there.
    value, gv, _ = problem._logarithmic(1e5 * np.eye(3), None, np.eye(3), 0.0)
    assert value == pytest.approx(np.log(6) - 1e5, rel=1e-15)
    np.testing.assert_allclose(gv, (1 - 3 * np.eye(3)) / 6, rtol=1e-10)


@given(seed=seeds, classes=st.sampled_from([1, 2, 4]), rank=st.sampled_from([1, 2]))
def test_the_second_derivative(seed, classes, rank):
    """X^T (diag(p) - p p^T) X by its definition, at a point and at an array."""
    problem = random_problem(seed, classes, separable=False)
    K, n = problem.shape
    rng = np.random.default_rng(seed)
    rank = min(rank, K)
    W, Z = rng.standard_normal((K, rank)) @ rng.standard_normal((rank, n)), rng.normal(size=(K, n))
    scores, moved = W @ problem.X, Z @ problem.X
    p = 1 / (1 + np.exp(-scores)) if K == 1 else np.exp(scores) / np.exp(scores).sum(0)
    inner = p * moved * (1 - p) if K == 1 else p * (moved - (p * moved).sum(0))
    expected = inner @ problem.X.T
    u, s, vt = np.linalg.svd(W, full_matrices=False)
    point = FixedRankPoint(u[:, :rank], s[:rank], vt[:rank])
    pair = (Z, np.eye(n))
    for at, along in ((W, Z), (point, Z), (point, pair), (point, scipy.sparse.csr_array(Z))):
        found = np.asarray(problem.hessian_product(at, along))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("operator", [False, True])
def test_sparse_data_are_dense_data(operator):
    dense = random_problem(0)
    sparse = Classification(scipy.sparse.coo_array(dense.X), dense.labels)
    W, Z = (np.random.default_rng(s).standard_normal(dense.shape) for s in (1, 2))
    along = scipy.sparse.linalg.aslinearoperator(Z) if operator else scipy.sparse.csr_array(Z)
    assert sparse.loss(W) == pytest.approx(dense.loss(W), rel=1e-14)
    np.testing.assert_allclose(sparse.gradient(W), dense.gradient(W), rtol=1e-12)
    np.testing.assert_allclose(
        sparse.hessian_product(W, along), dense.hessian_product(W, Z), rtol=0, atol=1e-12
    )
    assert sparse.dual_bound(W) == pytest.approx(dense.dual_bound(W), rel=1e-12)
    assert sparse.separable


def test_no_array_of_the_size_of_W():
    features, classes, samples = 50_000, 200, 240
    rng = np.random.default_rng(0)
    X = scipy.sparse.random_array((features, samples), density=1e-4, rng=rng)
    problem = Classification(X, np.arange(samples) % classes)
    point = FixedRankPoint(
        np.linalg.qr(rng.standard_normal((classes, 2)))[0],
        np.array([2.0, 1.0]),
        np.linalg.qr(rng.standard_normal((features, 2)))[0].T,
    )
    tracemalloc.start()
    problem.loss(point)
    problem.gradient_products(point.u, np.diag(point.s), point.vt.T)
    image = problem.hessian_product(point, (point.u, point.vt.T))
    image.matmat(point.vt.T)
    problem.alignment(point, 2)
    problem.dual_bound(point)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # W alone would take 80 MB.
    assert peak < 20e6


@given(seed=seeds, classes=st.sampled_from([1, 2, 4]))
def test_the_margin(seed, classes):
    problem = random_problem(seed, classes, separable=False)
    W = np.random.default_rng(seed).standard_normal(problem.shape)
    margins = []
    for x, y in zip(problem.X.T, problem.labels, strict=True):
        z = W @ x
        margins.append(y * z[0] if classes == 1 else z[y] - np.delete(z, y).max())
    assert problem.margin(W) == pytest.approx(min(margins), rel=1e-12, abs=1e-12)
    assert (problem.margin(W) > 0) == (min(margins) > 0)


@given(
    seed=seeds,
    depth=st.sampled_from([1, 2, 3, 20]),
    shape=st.sampled_from([(1, 4), (3, 2), (3, 3), (3, 5)]),
    unit=st.sampled_from([1e-150, 1e-3, 1.0, 1e150]),
)
def test_the_alignment_is_the_cosine_of_layers(seed, depth, shape, unit):
    classes, features = shape
    problem = random_problem(seed, classes, features, separable=False)
    problem = Classification(problem.X / unit, problem.labels, classes=problem.classes)
    k = min(shape)
    point = FixedRank(*shape, k, depth=2).random_point(rng=seed)
    # As if the layers were in their unit, the gradient of which has the inverse one.
    layers = balanced_factors(point, [features] + [k] * (depth - 1) + [classes])
    plain = Classification(problem.X * unit, problem.labels, classes=problem.classes)
    gradient = plain.network_gradient(layers)
    flat = [np.concatenate([part.ravel() for part in parts]) for parts in (gradient, layers)]
    expected = -flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1])
    found = problem.alignment(point._replace(s=unit * point.s), depth)
    assert found == pytest.approx(expected, abs=1e-11)
    assert plain.alignment(layers) == pytest.approx(expected, abs=1e-11)


def test_the_alignment_of_unbalanced_layers_and_of_tiny_losses():
    problem = random_problem(0)
    layers = gaussian_factors([4, 5, 2, 3], rng=0)
    gradient = problem.network_gradient(layers)
    inner = sum(np.vdot(g, w) for g, w in zip(gradient, layers, strict=True))
    norms = [np.sqrt(sum(np.vdot(a, a) for a in parts)) for parts in (gradient, layers)]
    assert problem.alignment(layers) == pytest.approx(-inner / norms[0] / norms[1], rel=1e-12)
    # Where the loss underflows the cosine is that of the samples of the least margin.
    axes = Classification(np.eye(2), [0, 1])
    point = FixedRank(2, 2, 2, depth=2).point(np.diag([1e4, 2e4]))
    # G is -(e_1 - e_2) e_1^T up to a factor, whatever its size; c_ij = s_i + s_j.
    weights = np.array([[2e4, 3e4], [3e4, 4e4]])
    G = np.array([[-1.0, 0.0], [1.0, 0.0]])
    expected = 2 * 1e4 / np.sqrt((weights * G**2).sum() * 2 * 3e4)
    assert axes.alignment(point, 2) == pytest.approx(expected, rel=1e-12)
    assert axes.loss(point) == 0.0


def test_the_alignment_of_nothing():
    problem = random_problem(0)
    assert np.isnan(problem.alignment([np.zeros((2, 4)), np.ones((3, 2))]))
    assert np.isnan(alignment_of_layers([np.ones((1, 1))], lambda a, b, c: (0 * a, 0 * c)))


def least_nuclear_norm(problem):
    """The least nuclear norm with margins of at least 1, by a general solver, in factors."""
    K, n = problem.shape
    width = min(K, n)
    normals = []
    for x, y in zip(problem.X.T, problem.labels, strict=True):
        for c in range(K):
            if K == 1:
                normals.append(y * x[None])
            elif c != y:
                normals.append(np.outer(np.eye(K)[y] - np.eye(K)[c], x))
    normals = np.array(normals)

    def split(theta):
        return theta[: K * width].reshape(K, width), theta[K * width :].reshape(width, n)

    def margins(theta):
        A, B = split(theta)
        return (normals * (A @ B)).sum((1, 2)) - 1

    def slopes(theta):
        A, B = split(theta)
        return np.array([np.r_[(M @ B.T).ravel(), (A.T @ M).ravel()] for M in normals])

    best = np.inf
    for seed in range(3):
        start = np.random.default_rng(seed).standard_normal(width * (K + n))
        found = minimize(
            lambda theta: theta @ theta / 2,
            start,
            jac=lambda theta: theta,
            constraints={"type": "ineq", "fun": margins, "jac": slopes},
            options={"maxiter": 1000, "ftol": 1e-14},
        )
        if margins(found.x).min() > -1e-8:
            A, B = split(found.x)
            W = A @ B / (1 + margins(found.x).min())
            best = min(best, np.linalg.norm(W, "nuc"))
    return best


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_the_dual_bound_and_the_flow_meet_at_the_least_nuclear_norm(classes):
    rng, labels = np.random.default_rng(classes), np.arange(12) % max(classes, 2)
    X = 3 * np.eye(4)[:, labels] + 0.5 * rng.standard_normal((4, 12))
    problem = Classification(X, 2 * labels - 1 if classes == 1 else labels)
    least, k = least_nuclear_norm(problem), min(problem.shape)
    for seed in range(20):
        size = 10.0 ** (seed % 5 - 2)
        W = size * np.random.default_rng(seed).standard_normal(problem.shape)
        assert 0 < problem.dual_bound(W) <= least * (1 + 1e-7)
    start = FixedRank(*problem.shape, k, depth=2).random_point(rng=0)
    start = start._replace(s=0.1 * start.s / start.s[0])
    last = riemannian_flow(problem, start, 2, [0, 1000], clock="loss", rtol=1e-6).last
    bound, reached = problem.dual_bound(last), last.s.sum() / problem.margin(last)
    assert bound <= least * (1 + 1e-7)
    assert least <= reached * (1 + 1e-7)
    assert reached - bound < 0.01 * bound
    assert problem.alignment(last, 2) > 0.999


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_the_dual_bound_has_the_unit_of_one_over_the_data(unit, kind):
    X, W = np.array([[3.0, 1.0, 0.5], [1.0, 2.0, -1.0]]), np.array([[0.2, -0.1], [0.4, 0.3]])
    bound = Classification(X, [0, 1, 0]).dual_bound(W)
    there = Classification(kind(unit * X), [0, 1, 0]).dual_bound(W / unit)
    assert there * unit == pytest.approx(bound, rel=1e-12)


@given(seed=seeds, classes=st.sampled_from([1, 2, 3]), samples=st.integers(3, 14))
def test_separable_is_what_a_program_with_bounded_entries_says(seed, classes, samples):
    problem = random_problem(seed, classes, 3, samples, separable=False)
    K, n = problem.shape
    rows = []
    for x, y in zip(problem.X.T, problem.labels, strict=True):
        for c in range(K):
            if K == 1:
                rows.append(y * x)
            elif c != y:
                rows.append(np.kron(np.eye(K)[y] - np.eye(K)[c], x))
    # The largest t with all margins at least t, entries of W up to one.
    A = np.hstack((-np.array(rows), np.ones((len(rows), 1))))
    cost = np.r_[np.zeros(K * n), -1.0]
    bounds = [(-1, 1)] * (K * n) + [(None, 1)]
    t = -linprog(cost, A_ub=A, b_ub=np.zeros(len(rows)), bounds=bounds).fun
    # What is separated by less than this is separated by round-off.
    if t > 1e-6 or t < 1e-12:
        assert problem.separable == (t > 1e-6)
        assert problem.infimum == (0.0 if t > 1e-6 else None)


@pytest.mark.parametrize("unit", [1e-150, 1.0, 1e150])
def test_separable_in_any_unit(unit):
    xor = unit * np.array([[1.0, -1.0, 1.0, -1.0], [1.0, -1.0, -1.0, 1.0]])
    assert not Classification(xor, [1, 1, -1, -1]).separable
    assert Classification(np.vstack((xor, xor[0] * xor[1] / unit)), [1, 1, -1, -1]).separable
    # More features than samples, and a sample at zero, which nothing tells apart.
    many = unit * np.random.default_rng(0).standard_normal((9, 5))
    assert Classification(many, [0, 1, 2, 1, 0]).separable
    many[:, 2] = 0
    assert not Classification(many, [0, 1, 2, 1, 0]).separable


def test_batches():
    problem = random_problem(1)
    W = np.random.default_rng(0).standard_normal(problem.shape)
    single = [problem.batch([i]) for i in range(problem.samples)]
    assert np.mean([one.loss(W) for one in single]) == pytest.approx(problem.loss(W), rel=1e-13)
    np.testing.assert_allclose(
        np.mean([one.gradient(W) for one in single], axis=0), problem.gradient(W), rtol=1e-12
    )
    # A sample that comes twice counts twice, and classes stay though labels are missing.
    twice = problem.batch(np.array([0, 0, 3]))
    expected = 3 * (2 * single[0].loss(W) / 9 + single[3].loss(W) / 9)
    assert twice.loss(W) == pytest.approx(expected, rel=1e-13)
    assert twice.shape == problem.shape
    assert problem.samples == 9
    signs = Classification([[1.0, -2.0, 3.0]], [1, -1, 1])
    assert signs.batch([1]).loss([[2.0]]) == pytest.approx(3 * np.log1p(np.exp(-4.0)), rel=1e-13)


X = np.eye(3)


@pytest.mark.parametrize(
    ("labels", "classes", "kind", "words"),
    [
        ([0, 1], None, ValueError, "one label for each of the 3 samples .* got 2 labels"),
        ([0, 1, 0.5], None, ValueError, "whole numbers.* at index 2 there is 0.5"),
        ([0, 1, np.nan], None, ValueError, "labels has 1 entries that are NaN"),
        ([-1, 1, 0], None, ValueError, r"or -1 and \+1 and nothing else, .*\[-1,  0,  1\]"),
        ([-2, 1, 0], None, ValueError, "or -1 and"),
        ([1, 1, 1], None, ValueError, "all 3 labels are 1, but there must be two classes"),
        ([-1, -1, -1], None, ValueError, "all 3 labels are -1"),
        ([0, 1, 3], 3, ValueError, "between 0 and classes - 1 = 2, but the largest is 3"),
        ([0, 1, 1], 0, ValueError, "classes must be at least 1"),
        ([0, 1, 1], 2.0, TypeError, "classes must be an integer"),
        ([-1, 1, 1], 3, ValueError, "are 2 classes, but classes=3"),
        ([1, 2, 3], None, ValueError, "from 0 on, but the least label is 1: take labels - 1"),
        ([0, 1, 2024], None, ValueError, "the largest label is 2024, but there are 3 samples"),
        (["a", "b", "a"], None, TypeError, "labels must be an array of real numbers"),
        (np.eye(3), None, ValueError, "labels must have 1 axis.*argmax"),
        (3, None, ValueError, "labels must have 1 axes"),
    ],
)
def test_labels_that_are_none(labels, classes, kind, words):
    with pytest.raises(kind, match=words):
        Classification(X, labels, classes=classes)


def test_data_that_are_none():
    with pytest.raises(ValueError, match=r"X has one sample a column, so X.T may be meant"):
        Classification(np.ones((5, 2)), [0, 1, 0, 1, 0])
    with pytest.raises(ValueError, match="X has 1 entries that are NaN"):
        Classification([[1.0, np.nan]], [0, 1])
    with pytest.raises(ValueError, match="X must not be empty"):
        Classification(np.ones((0, 2)), [0, 1])
    with pytest.raises(ValueError, match="X must have 2 axes"):
        Classification([1.0, 2.0], [0, 1])


def test_labels_of_other_kinds():
    signs = Classification(X, np.sign([0.3, -2.0, 1.0]))
    assert (signs.shape, signs.classes) == ((1, 3), 2)
    assert Classification(X, np.array([True, False, True])).shape == (2, 3)
    assert Classification(X, [1, 2, 3], classes=4).shape == (4, 3)
    assert Classification(X, [0, 1, 1], classes=5).shape == (5, 3)


def test_other_mistakes():
    problem = random_problem(0)
    W = np.ones(problem.shape)
    with pytest.raises(ValueError, match=r"W must have shape \(K, d_x\) = \(3, 4\)"):
        problem.loss(W.T)
    with pytest.raises(ValueError, match="NaN"):
        problem.margin(np.nan * W)
    point = FixedRank(3, 4, 2, depth=2).random_point(rng=0)
    with pytest.raises(TypeError, match=r"alignment\(point, 3\)"):
        problem.alignment(point)
    with pytest.raises(ValueError, match="finite depth"):
        problem.alignment(point, np.inf)
    with pytest.raises(ValueError, match="N >= 1"):
        problem.alignment(point, 0.5)
    with pytest.raises(TypeError, match="got layers and depth=2"):
        problem.alignment([W], 2)
    with pytest.raises(TypeError, match="numbers of at least one sample"):
        problem.batch([0.5])
    with pytest.raises(TypeError, match="at least one sample"):
        problem.batch([])
    with pytest.raises(ValueError, match="samples 0 to 8, but indices has 9"):
        problem.batch([0, 9])


def test_a_class_of_its_own_is_asked():
    class Doubled(Classification):
        def loss(self, W):
            return 2 * super().loss(W)

        def gradient_products(self, left, core, right):
            return tuple(2 * part for part in super().gradient_products(left, core, right))

    base = random_problem(0)
    own, plain = (kind(base.X, base.labels) for kind in (Doubled, Classification))
    W = np.ones(base.shape)
    points = FixedRankPoint(*(part[None] for part in np.linalg.svd(W, full_matrices=False)))
    left, right = points.u * points.s[:, None], points.vt.swapaxes(1, 2)
    np.testing.assert_allclose(own._losses(points), 2 * plain._losses(points))
    assert own.network_loss([W]) == pytest.approx(2 * plain.network_loss([W]))
    value, *_ = own._logarithmic(left[0], None, right[0], 0.0)
    assert value == pytest.approx(np.log(own.loss(W)))
    for found, once in zip(
        own._stacked_products(left, None, right),
        plain._stacked_products(left, None, right),
        strict=True,
    ):
        np.testing.assert_allclose(found, 2 * once)
