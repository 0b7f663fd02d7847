"""recover: from data to a matrix, compared with the matrix that the data are of."""

import numpy as np
import pytest

from fixedrank import FixedRank, MatrixCompletion, MatrixSensing, recover
from tests.recovery.problems import KINDS, make


def truth(m, n, s, seed=0):
    """A matrix with these singular values, and Haar distributed vectors."""
    u, _, vt = FixedRank(m, n, len(s), depth=1).random_point(rng=seed)
    return (u * s) @ vt


def uniform(W, oversampling, seed=1, unit=1.0):
    """Entries at uniform places, so many times the dimension of the manifold."""
    rng, (m, n), k = np.random.default_rng(seed), W.shape, np.linalg.matrix_rank(W)
    places = rng.permutation(W.size)[: round(oversampling * k * (m + n - k))]
    rows, cols = np.divmod(places, n)
    return MatrixCompletion(rows, cols, unit * W[rows, cols], W.shape)


def skewed(W, oversampling, seed=1):
    """The same number of entries, most of them in a few rows and columns."""
    rng, (m, n), k = np.random.default_rng(seed), W.shape, np.linalg.matrix_rank(W)
    weights = np.outer(np.arange(1, m + 1) ** -0.6, np.arange(1, n + 1) ** -0.6).ravel()
    count = round(oversampling * k * (m + n - k))
    rows, cols = np.divmod(rng.choice(W.size, count, replace=False, p=weights / weights.sum()), n)
    return MatrixCompletion(rows, cols, W[rows, cols], W.shape)


def matrix(found):
    u, s, vt = found.point
    return (u * s) @ vt


def error(found, W):
    return np.linalg.norm(matrix(found) - W) / np.linalg.norm(W)


@pytest.mark.parametrize("oversampling", [3.5, 5])
@pytest.mark.parametrize("condition", [1, 1e1, 1e3, 1e5])
def test_any_condition(condition, oversampling):
    W = truth(300, 250, np.geomspace(1, 1 / condition, 5))
    found = recover(uniform(W, oversampling), 5, rng=0)
    assert found.converged
    assert found.status.startswith("solved: ")
    assert found.residuals[-1] <= 1e-6 < found.residuals[:-1].min()
    # The error in all entries is a few times that in the known ones.
    assert error(found, W) < 1e-4
    FixedRank(300, 250, 5, depth=1).check_point(found.point)


@pytest.mark.parametrize("condition", [1, 1e3])
def test_entries_spread_unevenly(condition):
    W = truth(300, 250, np.geomspace(1, 1 / condition, 4))
    problem = skewed(W, 5)
    found = recover(problem, 4, rng=0, rtol=1e-8)
    assert found.converged
    # Nothing is known of a row or column with fewer entries than the rank.
    few = np.bincount(problem.rows, minlength=300) < 4, np.bincount(problem.cols, minlength=250) < 4
    named = (
        np.isin(np.arange(300), found.undetermined_rows),
        np.isin(np.arange(250), found.undetermined_cols),
    )
    occurring = np.bincount(problem.rows, minlength=300) > 0
    assert (few[0] & occurring <= named[0]).all()
    determined = ~(few[0] | named[0]), ~(few[1] | named[1])
    part = np.ix_(*determined)
    assert np.linalg.norm((matrix(found) - W)[part]) < 1e-4 * np.linalg.norm(W[part])


@pytest.mark.parametrize("method", ["auto", "ranks", "direct"])
@pytest.mark.parametrize("depth", [1, 2, 3.5])
def test_methods_and_depths(method, depth):
    W = truth(60, 50, [1.0, 0.5, 0.2])
    found = recover(uniform(W, 4), 3, depth=depth, method=method, rng=0, rtol=1e-8)
    assert found.converged
    assert error(found, W) < 1e-6


@pytest.mark.parametrize("unit", [1e-300, 1e-150, 1e150, 1e300])
@pytest.mark.parametrize("ridge", [0.0, 1e-2])
def test_units_of_entries(unit, ridge):
    W = truth(40, 30, [1.0, 0.1])
    problem = uniform(W, 5, unit=unit)
    found = recover(problem, 2, rng=0, ridge=ridge * unit, held_out=0.1)
    expected = recover(uniform(W, 5), 2, rng=0, ridge=ridge, held_out=0.1)
    # The unit is no power of two: both have converged, but not to the same round-off.
    np.testing.assert_allclose(found.point.s / unit, expected.point.s, rtol=1e-4)
    assert found.held_out / unit == pytest.approx(expected.held_out, rel=1e-2, abs=1e-6)
    assert found.converged
    assert expected.converged


@pytest.mark.parametrize("of_values", [1.0, 1e150, 1e-150])
@pytest.mark.parametrize("of_matrices", [1.0, 1e150, 1e-150])
@pytest.mark.parametrize("kind", ["dense", "pair"])
def test_units_of_measurements(kind, of_matrices, of_values):
    rng, W = np.random.default_rng(0), truth(15, 12, [1.0, 1e-2])
    if kind == "dense":
        measurements = rng.standard_normal((300, 15, 12))
        values = np.einsum("pij,ij->p", measurements, W)
        measurements *= of_matrices
    else:
        left, right = rng.standard_normal((300, 15)), rng.standard_normal((300, 12))
        values, measurements = np.sum((left @ W) * right, axis=1), (of_matrices * left, right)
    found = recover(MatrixSensing(measurements, of_values * values), 2, rng=0)
    assert found.converged
    u, s, vt = found.point
    assert np.abs((u * (s / of_values * of_matrices)) @ vt - W).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_measurements(kind):
    problem, matrices, _ = make(kind, (9, 8), 70, 0)
    W = truth(9, 8, [3.0, 1.0])
    problem = type(problem)(*_arguments(kind, problem, matrices, W))
    found = recover(problem, 2, rng=0, rtol=1e-9)
    assert found.converged
    assert error(found, W) < 1e-6


def _arguments(kind, problem, matrices, W):
    values = np.tensordot(matrices, W, 2)
    if kind == "entries":
        return problem.rows, problem.cols, W[problem.rows, problem.cols], W.shape
    if kind == "dense":
        return matrices, values
    if kind == "rank one":
        measurements = problem._measurements
        return (measurements.left, measurements.right), values
    return problem._measurements._matrix, values, W.shape


def objective(problem, point, ridge):
    return problem.loss(point) + ridge * point.s.sum()


def test_a_ridge_reaches_the_convex_minimum():
    """Of rank min(m, n) the problem is convex in W: soft thresholding of W - G finds it."""
    rng = np.random.default_rng(0)
    W = truth(12, 10, [2.0, 1.0]) + 0.05 * rng.standard_normal((12, 10))
    known = rng.random(W.shape) < 0.6
    problem, ridge = MatrixCompletion(*np.nonzero(known), W[known], W.shape), 0.05
    found = recover(problem, 10, ridge=ridge, rng=0)
    X = np.zeros_like(W)
    for _ in range(3000):
        u, s, vt = np.linalg.svd(X - known * (X - W), full_matrices=False)
        X = (u * np.maximum(s - ridge, 0)) @ vt
    assert found.converged
    assert "of 10 singular values" in found.status
    assert found.point.s.size == np.linalg.matrix_rank(X, tol=1e-6)
    np.testing.assert_allclose(matrix(found), X, atol=1e-4)


def test_noise():
    W, rng = truth(80, 60, [1.0, 0.5, 0.1]), np.random.default_rng(2)
    problem = uniform(W, 5)
    values = problem.values + 2e-3 * rng.standard_normal(problem.values.size)
    noisy = MatrixCompletion(problem.rows, problem.cols, values, W.shape)
    found = recover(noisy, 3, rng=0, held_out=0.1)
    assert found.converged
    assert found.status.startswith("stationary at a relative residual of")
    assert found.held_out == pytest.approx(2e-3, rel=0.3)
    # The gradient on the manifold is what remains of round-off.
    exact = recover(noisy, 3, rng=0, rtol=1e-7)
    manifold = FixedRank(80, 60, 3, depth=1)
    gradient = noisy.to_pymanopt(manifold).riemannian_gradient(exact.point)
    size = np.sqrt(2 * noisy.loss(exact.point))
    assert manifold.norm(exact.point, gradient) < 1e-4 * size


def test_held_out_may_be_another_problem():
    W = truth(40, 30, [1.0, 0.5])
    problem, other = uniform(W, 4), uniform(W, 3, seed=5)
    found = recover(problem, 2, rng=0, held_out=other)
    residuals = matrix(found)[other.rows, other.cols] - other.values
    assert found.held_out == pytest.approx(np.sqrt(np.mean(residuals**2)), rel=1e-9)
    assert recover(problem, 2, rng=0).held_out is None


def test_a_rank_that_is_too_high():
    W = truth(50, 40, [1.0, 0.5])
    found = recover(uniform(W, 6), 4, rng=0)
    assert found.point.s.size == 2
    assert "the rank 4 is too high for the data: the first 2 singular values fit" in found.status
    assert error(found, W) < 1e-5


def test_fewer_values_than_unknowns():
    W = truth(30, 20, [1.0, 0.5, 0.2])
    # Two entries in each row at least, and in each column.
    known = np.zeros(W.shape, bool)
    known[np.arange(30), np.arange(30) % 20] = known[np.arange(30), np.arange(3, 33) % 20] = True
    found = recover(MatrixCompletion(*np.nonzero(known), W[known], W.shape), 3, rng=0)
    assert "2 singular values have 96 unknowns, and there are 60 values" in found.status
    # One has 49.
    assert "the first one fits them, and more mean nothing" in found.status


def test_rows_that_nothing_pins_down_are_named():
    W = truth(30, 20, [1.0, 0.5])
    known = np.ones(W.shape, bool)
    known[7, 1:] = known[9] = known[:, 4] = False
    problem = MatrixCompletion(*np.nonzero(known), W[known], W.shape)
    found = recover(problem, 2, rng=0)
    np.testing.assert_array_equal(found.undetermined_rows, [7])
    assert found.undetermined_cols.size == 0
    assert "too few entries to determine 1 row (7)" in found.status
    assert "1 row and 1 column without entries are zero" in found.status
    assert not matrix(found)[9].any()
    assert not matrix(found)[:, 4].any()


def test_parts_without_a_common_row_or_column():
    """The parts have values of different sizes, so that the larger one alone comes first."""
    W = np.zeros((12, 10))
    W[:6, :5], W[6:, 5:] = truth(6, 5, [1.0], 1), truth(6, 5, [5.0], 2)
    known = W != 0
    found = recover(MatrixCompletion(*np.nonzero(known), W[known], W.shape), 1, rng=0)
    assert found.converged
    assert "2 parts without a common row or column" in found.status
    np.testing.assert_allclose(matrix(found)[known], W[known], atol=1e-4)


def test_a_huge_matrix_with_few_entries():
    rng, size = np.random.default_rng(0), 2_000_000
    W = truth(50, 4, [1.0])
    rows, cols = np.sort(rng.choice(size, 50, replace=False)), np.arange(4)
    i, j = np.nonzero(rng.random(W.shape) < 0.8)
    found = recover(MatrixCompletion(rows[i], cols[j], W[i, j], (size, 4)), 1, rng=0)
    u, s, vt = found.point
    assert np.abs((u[rows] * s) @ vt - W).max() < 1e-5
    assert np.count_nonzero(u) == np.unique(rows[i]).size


def test_a_point_that_does_not_fit_in_memory():
    problem = MatrixCompletion([5, 2**40], [7, 2], [1.0, 2.0], (2**41, 10))
    with pytest.raises(MemoryError, match=r"GiB.*problem\.occurring\(\)"):
        recover(problem, 1)


def test_an_interrupt_keeps_the_last_point(monkeypatch):
    W = truth(60, 50, np.geomspace(1, 1e-3, 4))
    problem = uniform(W, 4)
    residuals, calls = type(problem)._residuals, []

    def interrupted(self, point):
        calls.append(point)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return residuals(self, point)

    monkeypatch.setattr(type(problem), "_residuals", interrupted)
    found = recover(problem, 4, rng=0)
    assert found.status.startswith("interrupted after")
    assert not found.converged
    monkeypatch.undo()
    assert np.sqrt(2 * problem.loss(found.point)) == pytest.approx(
        found.residuals[-1] * np.linalg.norm(problem.values), rel=1e-6
    )
    monkeypatch.setattr(type(problem), "_residuals", interrupted)
    calls[:] = [None] * 11
    with pytest.raises(KeyboardInterrupt):
        recover(problem, 4, rng=0)


def test_the_seed_decides():
    problem = uniform(truth(60, 50, [1.0, 0.5]), 8)
    first, second = (recover(problem, 2, rng=3, held_out=0.2) for _ in range(2))
    np.testing.assert_array_equal(first.point.s, second.point.s)
    assert first.held_out == second.held_out


def test_progress(capsys):
    recover(uniform(truth(60, 50, [1.0, 0.5]), 4), 2, rng=0, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "rank 2, residual" in shown.err


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"problem": np.eye(3)}, TypeError, "MatrixCompletion or a MatrixSensing, got a ndarray"),
        ({"rank": 0}, ValueError, "rank must be at least 1, got 0"),
        ({"rank": 31}, ValueError, "the rank 31 exceeds min"),
        ({"rank": 2.0}, TypeError, r"rank must be an integer, got 2\.0"),
        ({"rtol": 0}, ValueError, "rtol must be between 0 and 1, got 0"),
        ({"rtol": "small"}, TypeError, "rtol must be a number, got 'small'"),
        ({"ridge": -1.0}, ValueError, r"ridge must be finite and at least 0, got -1\.0"),
        ({"ridge": np.nan}, ValueError, "ridge must be finite"),
        ({"ridge": 1e3}, ValueError, "with this ridge the best matrix is zero"),
        ({"method": "best"}, ValueError, "one of auto, ranks, direct, got 'best'"),
        ({"depth": 0.5}, ValueError, "depth must be a real number N >= 1"),
        ({"depth": np.inf}, ValueError, "at infinite depth"),
        ({"held_out": 1.5}, ValueError, r"held_out must be a share.*got 1\.5"),
        ({"held_out": True}, TypeError, "held_out must be a share"),
        ({"held_out": MatrixCompletion(np.eye(2))}, ValueError, "held out is of \\(2, 2\\)"),
        ({"problem": MatrixCompletion(np.zeros((3, 3)))}, ValueError, "all values are zero"),
    ],
)
def test_bad_arguments(change, error, words):
    arguments = {"problem": uniform(truth(40, 30, [1.0, 0.5]), 4), "rank": 2} | change
    with pytest.raises(error, match=words):
        recover(arguments.pop("problem"), arguments.pop("rank"), **arguments)
