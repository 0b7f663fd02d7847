"""Changes of the rank, beside dense singular value decompositions."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from fixedrank import (
    FixedRank,
    LinearRegression,
    MatrixCompletion,
    MatrixSum,
    global_minimizer,
    rank_increase,
    truncate,
)
from fixedrank.testing.strategies import fixed_rank_points
from tests.geometry.dense import matrix
from tests.recovery.problems import KINDS, dense, make
from tests.strategies import points, seeds, shapes

# The forms in which a gradient may come.
FORMS = {
    "array": lambda G: G,
    "sparse": scipy.sparse.csr_array,
    "pair": lambda G: (G, np.eye(G.shape[1])),
    "triple": lambda G: (np.eye(G.shape[0]), G, np.eye(G.shape[1])),
    "operator": aslinearoperator,
    "sum": lambda G: MatrixSum(G - 1, (np.ones((G.shape[0], 1)), np.ones((G.shape[1], 1)))),
}


def normal_part(G, point):
    u, _, vt = point
    m, n = G.shape
    return (np.eye(m) - u @ u.T) @ G @ (np.eye(n) - vt.T @ vt)


def least_squares(target, form="array"):
    """A problem of the user's with the loss |W - target|^2 / 2, without a line minimum."""
    return SimpleNamespace(
        loss=lambda point: np.sum((matrix(point) - target) ** 2) / 2,
        gradient=lambda point: FORMS[form](matrix(point) - target),
    )


@st.composite
def increases(draw):
    """Draw (shape, by) with k + by <= min(m, n)."""
    m, n, k = draw(shapes().filter(lambda shape: shape[2] < min(shape[:2])))
    return (m, n, k), draw(st.integers(1, min(m, n) - k))


@pytest.mark.parametrize("kind", [*KINDS, "regression"])
@given(case=increases(), seed=seeds, data=st.data())
def test_the_rank_increases_along_the_normal_part(kind, case, seed, data):
    (m, n, k), by = case
    rng = np.random.default_rng(seed)
    if kind == "regression":
        problem = LinearRegression(rng.standard_normal((n, 9)), rng.standard_normal((m, 9)))
    else:
        problem, _, _ = make(kind, (m, n), 2 * m * n, seed)
    point = data.draw(fixed_rank_points((m, n, k), 0.1, 10))
    left, sizes, right = np.linalg.svd(-normal_part(dense(problem.gradient(point)), point))
    assume(sizes[by - 1] > 1e-6 * sizes[0])
    found = rank_increase(problem, point, by)
    FixedRank(m, n, k + by, depth=2).check_point(found)
    assert (np.diff(found.s) <= 0).all()
    assert problem.loss(found) < problem.loss(point)
    # Where the next singular value is as large, there is no single best approximation.
    assume(by == sizes.size or sizes[by] < (1 - 1e-6) * sizes[by - 1])
    Z = (left[:, :by] * sizes[:by]) @ right[:by]
    step = np.vdot(matrix(found) - matrix(point), Z) / np.vdot(Z, Z)
    np.testing.assert_allclose(
        matrix(found), matrix(point) + step * Z, atol=1e-8 * (step * sizes[0] + point.s.max())
    )
    # A parabola is as high at the start as at twice its vertex.
    twice = problem.loss(matrix(point) + 2 * step * Z)
    assert twice == pytest.approx(problem.loss(point), rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
@given(case=increases(), seed=seeds)
def test_a_gradient_may_be_an_ambient_matrix_of_any_kind(form, case, seed):
    shape, by = case
    target = np.random.default_rng(seed).standard_normal(shape[:2])
    point = FixedRank(*shape, depth=1).random_point(rng=seed)
    # The target in the normal directions is reached at t = 1.
    left, sizes, right = np.linalg.svd(normal_part(target, point))
    best = (left[:, :by] * sizes[:by]) @ right[:by]
    found = rank_increase(least_squares(target, form), point, by, step=1)
    np.testing.assert_allclose(matrix(found), matrix(point) + best, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_of_large_matrices_with_krylov_spaces(form):
    rng = np.random.default_rng(0)
    target, point = rng.standard_normal((60, 50)), FixedRank(60, 50, 3, depth=1).random_point(rng=1)
    left, sizes, right = np.linalg.svd(normal_part(target, point), full_matrices=False)
    best = (left[:, :4] * sizes[:4]) @ right[:4]
    found = rank_increase(least_squares(target, form), point, 4, step=1)
    FixedRank(60, 50, 7, depth=1).check_point(found)
    np.testing.assert_allclose(matrix(found), matrix(point) + best, atol=1e-10)


@given(case=increases(), seed=seeds, scale=st.integers(-8, 8))
def test_without_a_line_minimum_the_step_is_found_by_the_loss(case, seed, scale):
    shape, by = case
    target = np.random.default_rng(seed).standard_normal(shape[:2])
    point = FixedRank(*shape, depth=1).random_point(rng=seed)
    scale = 10.0**scale
    problem = SimpleNamespace(
        loss=lambda point: scale * np.sum((matrix(point) - target) ** 2) / 2,
        gradient=lambda point: scale * (matrix(point) - target),
    )
    sizes = np.linalg.svd(normal_part(target, point))[1][:by]
    fallen = (problem.loss(point) - problem.loss(rank_increase(problem, point, by))) / scale
    # A power of two is within a factor of sqrt(2) of the best step 1/scale, or else not halved
    # below where the loss falls by a ten-thousandth of its slope.
    assert fallen <= np.sum(sizes**2) / 2 * (1 + 1e-9)
    assert fallen > (0.6 if scale <= 1 else 1e-4) * np.sum(sizes**2) / 2


@pytest.mark.parametrize("beyond", [np.inf, np.nan])
@pytest.mark.parametrize("largest", [0.3, 5.0])
def test_no_step_is_taken_to_where_the_loss_is_not_finite(beyond, largest):
    """The loss falls by a trace without end, but is defined for small s only."""
    problem = SimpleNamespace(
        loss=lambda point: beyond if point[1].max() > largest else -np.trace(matrix(point)),
        gradient=lambda point: -np.eye(6),
    )
    point = (np.eye(6, 1), np.array([0.1]), np.eye(1, 6))
    found = rank_increase(problem, point)
    # The largest power of two that is allowed.
    np.testing.assert_allclose(np.sort(found.s), [0.1, 2.0 ** np.floor(np.log2(largest))])


def test_the_point_stays_as_it_is():
    problem, _, _ = make("entries", (12, 10), 60, 0)
    point = FixedRank(12, 10, 2, depth=1).random_point(rng=0)
    copies = [part.copy() for part in point]
    found = rank_increase(problem, point)
    for part, copy in zip(point, copies, strict=True):
        np.testing.assert_array_equal(part, copy)
    # Its singular values and vectors are among those of the new point.
    for j, value in enumerate(point.s):
        at = int(np.flatnonzero(found.s == value)[0])
        np.testing.assert_array_equal(found.u[:, at], point.u[:, j])
        np.testing.assert_array_equal(found.vt[at], point.vt[j])


def test_where_the_normal_part_is_a_small_part_of_the_gradient():
    rng = np.random.default_rng(0)
    point = FixedRank(60, 50, 3, depth=1).random_point(rng=1)
    normal = 1e-10 * normal_part(rng.standard_normal((60, 50)), point)
    problem = least_squares(matrix(point) + 100 * (point.u @ point.vt) + normal)
    found = rank_increase(problem, point, 2, step=1)
    FixedRank(60, 50, 5, depth=1).check_point(found)
    sizes = np.linalg.svd(normal)[1][:2]
    np.testing.assert_allclose(found.s[3:], sizes, rtol=1e-3)


@given(seed=seeds, k=st.integers(1, 4))
def test_from_best_to_best_of_a_regression_with_white_data(seed, k):
    rng = np.random.default_rng(seed)
    problem = LinearRegression(np.eye(6), rng.standard_normal((7, 6)))
    found = rank_increase(problem, global_minimizer(problem, k).point, 6 - k)
    np.testing.assert_allclose(matrix(found), problem.B, atol=1e-9)


def test_memory():
    size, rank, count = 20_000, 5, 200_000
    rng = np.random.default_rng(0)
    rows, cols = np.divmod(np.unique(rng.integers(0, size**2, count)), size)
    # Of rank 2, so that the Krylov space soon has it.
    values = 1 + 3.0 * ((rows < size / 2) == (cols < size / 3))
    problem = MatrixCompletion(rows, cols, values, (size, size))
    point = FixedRank(size, size, rank, depth=1).random_point(rng=1)
    tracemalloc.start()
    found = rank_increase(problem, point, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.s.size == rank + 2
    # Factors of 0.8 MB, some 40 vectors of 0.2 MB for the Krylov space, a gradient of 5 MB.
    assert peak < 25e6


@given(data=st.data(), point=points())
@example(data=None, point=(np.eye(3), np.array([1.0, 3.0, 2.0]), np.eye(3)))
def test_truncation(data, point):
    u, s, vt = point
    k = data.draw(st.integers(1, s.size)) if data else 2
    found = truncate(point, k)
    FixedRank(u.shape[0], vt.shape[1], k, depth=1).check_point(found)
    left, values, right = np.linalg.svd(matrix(point), full_matrices=False)
    order = np.sort(s)[::-1]
    np.testing.assert_array_equal(found.s, order[:k])
    # The distance that no matrix of rank k is below, by Eckart and Young.
    rest = np.linalg.norm(order[k:])
    atol = 1e-13 * order[0]
    assert np.linalg.norm(matrix(found) - matrix(point)) == pytest.approx(rest, rel=1e-9, abs=atol)
    if k == s.size or order[k] < 0.999 * order[k - 1]:
        best = (left[:, :k] * values[:k]) @ right[:k]
        np.testing.assert_allclose(matrix(found), best, atol=1e-11 * order[0])


@given(case=increases(), seed=seeds)
def test_truncation_takes_back_a_small_increase(case, seed):
    shape, by = case
    target = np.random.default_rng(seed).standard_normal(shape[:2])
    point = FixedRank(*shape, depth=1).random_point(rng=seed)
    step = point.s[-1] / (2 * np.linalg.norm(target - matrix(point)))
    found = truncate(rank_increase(least_squares(target), point, by, step=step), shape[2])
    for part, expected in zip(found, point, strict=True):
        np.testing.assert_array_equal(part, expected)


POINT = FixedRank(5, 4, 2, depth=1).random_point(rng=0)
TARGET = np.random.default_rng(1).standard_normal((5, 4))


@pytest.mark.parametrize(
    ("by", "error", "message"),
    [
        (3, ValueError, r"5x4.*rank 4: from k = 2 the rank can increase by 2, not by 3"),
        (0, ValueError, "by must be at least 1, got 0"),
        (-1, ValueError, "by must be at least 1, got -1"),
        (1.0, TypeError, r"by must be an integer, got 1\.0"),
        (True, TypeError, "by must be an integer, got True"),
    ],
)
def test_ranks(by, error, message):
    with pytest.raises(error, match=message):
        rank_increase(least_squares(TARGET), POINT, by)


@pytest.mark.parametrize(
    ("k", "error", "message"),
    [
        (3, ValueError, "k = 3 exceeds that of the point, 2; rank_increase"),
        (0, ValueError, "k must be at least 1, got 0"),
        (2.0, TypeError, r"k must be an integer, got 2\.0"),
    ],
)
def test_ranks_of_truncation(k, error, message):
    with pytest.raises(error, match=message):
        truncate(POINT, k)


@pytest.mark.parametrize(
    ("step", "error", "message"),
    [
        (0, ValueError, "step must be a positive number, got 0"),
        (-1.0, ValueError, r"step must be a positive number, got -1\.0"),
        (np.nan, ValueError, "step must be a positive number, got nan"),
        (np.inf, ValueError, "step must be a positive number, got inf"),
        ("1", TypeError, "step must be a positive number, got '1'"),
    ],
)
def test_steps(step, error, message):
    with pytest.raises(error, match=message):
        rank_increase(least_squares(TARGET), POINT, step=step)


U, S, VT = POINT


@pytest.mark.parametrize(
    ("point", "error", "message"),
    [
        ((U, S), TypeError, r"a point is a tuple \(u, s, vt\)"),
        ((U, S[:1], VT), ValueError, r"\(5, 2\), \(1,\), \(2, 4\)"),
        ((2 * U, S, VT), ValueError, "columns of u must be orthonormal"),
        ((U, -S, VT), ValueError, "singular values must be positive"),
        ((U, S * np.nan, VT), ValueError, "s has 2 entries that are NaN"),
    ],
)
def test_points(point, error, message):
    with pytest.raises(error, match=message):
        rank_increase(least_squares(TARGET), point)
    with pytest.raises(error, match=message):
        truncate(point, 1)


@pytest.mark.parametrize("size", [5, 50])
@pytest.mark.parametrize("form", FORMS)
def test_gradients_that_are_not_finite(form, size):
    point = FixedRank(size, size, 1, depth=1).random_point(rng=0)
    for bad in (np.nan, np.inf):
        G = np.ones((size, size))
        G[3, 2] = bad
        problem = SimpleNamespace(loss=lambda _: 1.0, gradient=lambda _, G=G: FORMS[form](G))
        with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="NaN or infinite"):
            rank_increase(problem, point)


def problem_with(gradient, loss=lambda _: 1.0, **methods):
    return SimpleNamespace(loss=loss, gradient=lambda _: gradient, **methods)


NORMAL = normal_part(TARGET, POINT)
LEFT, SIZES, RIGHT = np.linalg.svd(NORMAL)


@pytest.mark.parametrize(
    ("problem", "error", "message"),
    [
        (problem_with(TARGET.T), ValueError, r"shape \(5, 4\), got \(4, 5\)"),
        (problem_with(1j * TARGET), TypeError, "must be real"),
        (problem_with("G"), TypeError, "an ambient matrix is an array.*got str"),
        (problem_with(0 * TARGET), ValueError, "has rank 0.*no direction of descent"),
        (problem_with(U @ VT), ValueError, "has rank 0.*no direction of descent"),
        (problem_with(TARGET - NORMAL), ValueError, "has rank 0.*no direction of descent"),
        (problem_with(np.outer(LEFT[:, 0], RIGHT[0])), ValueError, "has rank 1.*take by=1"),
        (problem_with(TARGET), ValueError, r"no descent is left.*from 1\.0 to 1\.0"),
        (problem_with(TARGET, lambda _: np.nan), ValueError, "loss of a matrix of rank 2 is nan"),
        (
            problem_with(TARGET, lambda point: np.inf if point[1].size > 2 else 1.0),
            ValueError,
            "loss of a matrix of rank 4 is inf",
        ),
        (
            problem_with(TARGET, line_minimum=lambda *_: -1.0),
            ValueError,
            r"line_minimum returns.*positive number, got -1\.0",
        ),
        (
            problem_with(TARGET, line_minimum=lambda *_: "far"),
            TypeError,
            "line_minimum returns.*positive number, got 'far'",
        ),
    ],
)
def test_problems(problem, error, message):
    with pytest.raises(error, match=message):
        rank_increase(problem, POINT, 2)


@pytest.mark.parametrize("size", [6, 60])
def test_a_gradient_within_the_range_of_the_point(size):
    rows, cols = np.divmod(np.arange(size**2), size)
    problem = MatrixCompletion(rows, cols, np.zeros(size**2), (size, size))
    with pytest.raises(ValueError, match=r"rank 0.*no direction of descent leaves"):
        rank_increase(problem, FixedRank(size, size, 2, depth=1).random_point(rng=0))
