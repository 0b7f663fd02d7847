"""Weights of entries and of measurements: against the dense definition, and as they are given."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.sparse

from fixedrank import MatrixCompletion, MatrixSensing, recover
from fixedrank._fingerprint import fingerprint
from tests.recovery.problems import KINDS, combined, dense, make, measured

SHAPE = (4, 3)
every_kind = pytest.mark.parametrize("kind", KINDS)


def weighted(kind, unit=1.0):
    """A problem with weights, its measurement matrices, values and weights."""
    plain, A, y = make(kind, SHAPE, 9, 0)
    w = unit * np.random.default_rng(1).uniform(0.1, 10, len(y))
    if kind == "entries":
        where = [np.argwhere(matrix)[0] for matrix in A]
        return MatrixCompletion(*np.transpose(where), y, SHAPE, weights=w), A, y, w
    problem = MatrixSensing(A, y, weights=w)
    problem._measurements = plain._measurements
    return problem, A, y, w


@every_kind
@pytest.mark.parametrize("unit", [1e-150, 1.0, 1e150])
def test_the_loss_and_its_derivatives(kind, unit):
    problem, A, y, w = weighted(kind, unit)
    W, Z = np.random.default_rng(2).standard_normal((2, *SHAPE))
    residuals, along = measured(A, W) - y, measured(A, Z)
    assert problem.loss(W) == pytest.approx(sum(w * residuals**2) / 2, rel=1e-12)
    np.testing.assert_allclose(
        dense(problem.gradient(W)) / unit, combined(A, w / unit * residuals), atol=1e-11
    )
    np.testing.assert_allclose(
        dense(problem.hessian_product(W, Z)) / unit, combined(A, w / unit * along), atol=1e-11
    )
    gv, gtu = problem.gradient_products(W, None, np.eye(3))
    np.testing.assert_allclose(gv / unit, combined(A, w / unit * residuals), atol=1e-11)
    np.testing.assert_allclose(gtu / unit, combined(A, w / unit * residuals).T @ W, atol=1e-11)
    root = np.sqrt(w / unit)
    t = np.linalg.lstsq((root * along)[:, None], -root * residuals, rcond=None)[0][0]
    assert problem.line_minimum(W, Z) == pytest.approx(t, rel=1e-10)
    assert problem.line_minimum(W, 1e200 * Z) == pytest.approx(t / 1e200, rel=1e-10)
    mean = np.average(residuals**2, weights=w / unit)
    assert problem.root_mean_square_error(W) == pytest.approx(np.sqrt(mean), rel=1e-12)


@every_kind
def test_the_start_has_the_size_that_fits_best(kind):
    problem, A, y, w = weighted(kind)
    u, s, vt = problem.initial_point(1)
    U, _, VT = np.linalg.svd(combined(A, w * y))
    assert abs(U[:, 0] @ u[:, 0] * (vt[0] @ VT[0])) == pytest.approx(1, abs=1e-10)
    fit = scipy.optimize.minimize_scalar(
        lambda c: sum(w * (measured(A, c * np.outer(U[:, 0], VT[0])) - y) ** 2)
    )
    assert s[0] == pytest.approx(fit.x, rel=1e-6)


def test_a_weight_of_two_is_a_measurement_taken_twice():
    rng = np.random.default_rng(0)
    A, y, w = rng.standard_normal((20, 4, 3)), rng.standard_normal(20), rng.integers(0, 4, 20)
    twice = MatrixSensing(np.repeat(A, w, axis=0), np.repeat(y, w))
    once = MatrixSensing(A, y, weights=w)
    found, expected = (recover(problem, 1, rtol=1e-9, rng=0) for problem in (once, twice))
    np.testing.assert_allclose(found.point.s, expected.point.s, rtol=1e-6)
    assert once.loss(found.point) == pytest.approx(twice.loss(expected.point), rel=1e-10)
    assert once.root_mean_square_error(found.point) == pytest.approx(
        twice.root_mean_square_error(found.point), rel=1e-12
    )


def noisy(m=30, n=20, k=2):
    """A matrix of rank 2 with noise of different sizes, NaN where it is not known, and weights."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((m, k)) @ rng.standard_normal((k, n))
    spread = rng.choice([0.01, 1.0], truth.shape)
    values = truth + spread * rng.standard_normal(truth.shape)
    return truth, np.where(rng.random(truth.shape) < 0.6, values, np.nan), spread**-2


def best_factors(values, weights, k, ridge=0.0, start=None):
    """The least weighted loss over factors, by SciPy's BFGS, and its matrix."""
    m, n = values.shape
    known = np.isfinite(values)
    start = np.random.default_rng(0).standard_normal((m + n) * k) if start is None else start

    def cost(x):
        L, R = x[: m * k].reshape(m, k), x[m * k :].reshape(n, k)
        misfit = np.where(known, L @ R.T - np.nan_to_num(values), 0)
        G = weights * misfit
        value = np.sum(G * misfit) / 2 + ridge * (x @ x) / 2
        return value, np.concatenate([(G @ R).ravel(), (G.T @ L).ravel()]) + ridge * x

    options = {"maxiter": 5000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-7}
    found = scipy.optimize.minimize(cost, start, jac=True, method="L-BFGS-B", options=options)
    x = found.x
    return found.fun, x[: m * k].reshape(m, k) @ x[m * k :].reshape(n, k).T


@pytest.mark.parametrize("method", ["auto", "ranks"])
def test_a_recovery_is_the_least_weighted_loss(method):
    truth, values, weights = noisy()
    u, s, vt = np.linalg.svd(truth)
    start = np.concatenate([(u[:, :2] * s[:2]).ravel(), vt[:2].T.ravel()])
    least, W = best_factors(values, weights, 2, start=start)
    problem = MatrixCompletion(values, weights=weights)
    found = recover(problem, 2, rng=0, method=method)
    assert problem.loss(found.point) == pytest.approx(least, rel=1e-6)
    u, s, vt = found.point
    assert np.linalg.norm((u * s) @ vt - W) < 1e-3 * np.linalg.norm(W)
    # With the weights of the noise it is nearer than without.
    plain = recover(MatrixCompletion(values), 2, rng=0).point
    errors = [np.linalg.norm((a * b) @ c - truth) for a, b, c in (found.point, plain)]
    assert errors[0] < errors[1] / 5


@pytest.mark.parametrize(("unit", "of_weights"), [(1e-150, 1.0), (1.0, 1e150), (1e100, 1e-150)])
def test_units(unit, of_weights):
    _, values, weights = noisy(12, 10)
    weights **= 0.25
    expected = recover(MatrixCompletion(values, weights=weights, ridge=0.5), 3, rng=0)
    problem = MatrixCompletion(
        unit * values, weights=of_weights * weights, ridge=0.5 * unit * of_weights
    )
    found = recover(problem, 3, rng=0)
    np.testing.assert_allclose(found.point.s / unit, expected.point.s, rtol=1e-4)


def test_forms():
    _, values, weights = noisy(6, 5)
    known = np.isfinite(values)
    rows, cols = np.nonzero(known)
    expected = MatrixCompletion(
        rows[::-1], cols[::-1], values[known][::-1], (6, 5), weights=weights[known][::-1]
    )
    holes, given = np.where(known, weights, np.nan), np.where(known, values, 0)
    entries = scipy.sparse.coo_array((values[known], (rows, cols)), (6, 5))
    sparse = scipy.sparse.csr_array((weights[known], (rows, cols)), (6, 5))
    masked = np.ma.masked_array(given, ~known)
    for matrix in (values, entries, masked, pd.DataFrame(values)):
        for each in (weights, holes, sparse, np.ma.masked_array(weights, ~known), weights.tolist()):
            found = MatrixCompletion(matrix, weights=each)
            for name in ("rows", "cols", "values", "weights"):
                np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        frame = pd.DataFrame(holes).astype("Float64")
        np.testing.assert_array_equal(
            MatrixCompletion(matrix, weights=frame).weights, expected.weights
        )


def test_what_has_no_weight_is_left_out():
    for values, weights in (
        ([1.0, np.nan, 3.0], [2, 0, 1]),
        ([1.0, 2.0, 3.0], np.ma.masked_array([2, 5, 1], [False, True, False])),
    ):
        problem = MatrixCompletion([0, 1, 2], [0, 1, 0], values, (3, 2), weights=weights)
        assert (problem.rows.tolist(), problem.values.tolist()) == ([0, 2], [1.0, 3.0])
        np.testing.assert_array_equal(problem.weights, [2.0, 1.0])
    matrix = np.arange(6.0).reshape(3, 2)
    problem = MatrixCompletion(matrix, weights=matrix > 2)
    np.testing.assert_array_equal(problem.values, [3.0, 4.0, 5.0])
    sensing = MatrixSensing(np.eye(6).reshape(6, 3, 2), matrix.ravel(), weights=[0, 0, 0, 1, 1, 1])
    assert sensing.loss(matrix) == 0
    assert sensing.values.size == sensing.weights.size == 3


def test_where_they_go():
    _, values, weights = noisy(12, 8)
    problem = MatrixCompletion(values, weights=weights, ridge=0.5)
    table = dict(zip(problem.values, problem.weights, strict=True))
    training, held_out = problem.split(0.3, rng=0)
    part = training.occurring().problem
    for some in (training, held_out, part, pickle.loads(pickle.dumps(problem))):
        assert [table[value] for value in some.values] == some.weights.tolist()
    # What is held out measures: a ridge is for training.
    assert (training.ridge, held_out.ridge, part.ridge) == (0.5, 0.0, 0.5)
    assert held_out.infimum == 0
    assert problem.infimum is None
    prints = [
        fingerprint(MatrixCompletion(values, weights=w, ridge=ridge))
        for w, ridge in ((None, 0), (weights, 0), (2 * weights, 0), (weights, 0.5))
    ]
    assert len(set(prints)) == 4
    with pytest.raises(ValueError, match="read-only"):
        problem.weights[0] = 0


def test_problems_of_before_can_be_unpickled():
    problem = MatrixCompletion([0, 1], [0, 1], [3.0, 1.0], (2, 2))
    state = problem.__getstate__()
    del state["weights"], state["ridge"]
    old = MatrixCompletion.__new__(MatrixCompletion)
    old.__setstate__(state)
    assert (old.weights, old.ridge) == (None, 0.0)
    assert old.loss(np.eye(2)) == problem.loss(np.eye(2)) == 2.0


MATRIX = np.array([[1.0, np.nan], [3.0, 4.0]])
STORED = scipy.sparse.csr_array(([1.0], ([0], [0])), (2, 2))


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1.0, 2.0], ValueError, r"a matrix of this shape too, got the shape \(2,\)"),
        (np.ones((2, 3)), ValueError, r"\(2, 2\) matrix.*\(2, 3\)"),
        (np.where(MATRIX == 3, np.nan, 1), ValueError, r"weights has 1 entries that are NaN"),
        (np.where(MATRIX == 3, -2.0, 1), ValueError, r"at least 0, but at index 1 it is -2\.0"),
        (np.zeros((2, 2)), ValueError, "all 3 weights are 0"),
        (STORED, ValueError, r"no stored entry at 2 of the 3 known entries, such as \(1, 0\)"),
        (1j * np.ones((2, 2)), TypeError, "weights must be real"),
        ("a", ValueError, "a matrix of this shape too"),
    ],
)
def test_bad_weights_of_a_matrix(weights, error, message):
    with pytest.raises(error, match=message):
        MatrixCompletion(MATRIX, weights=weights)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1.0], ValueError, "a weight for each value, got 1"),
        ([[1.0, 2.0]], ValueError, r"weights must have 1 axes, but has shape \(1, 2\)"),
        ([1.0, np.inf], ValueError, "weights has 1 entries that are NaN or infinite"),
        ([1.0, -1.0], ValueError, r"weights must be at least 0, but at index 1 it is -1\.0"),
        ([0, 0], ValueError, "all 2 weights are 0"),
        (["a", "b"], TypeError, "weights must be an array of real numbers"),
    ],
)
def test_bad_weights(weights, error, message):
    with pytest.raises(error, match=message):
        MatrixCompletion([0, 1], [0, 1], [3.0, 1.0], (2, 2), weights=weights)
    with pytest.raises(error, match=message):
        MatrixSensing(np.ones((2, 3, 3)), [3.0, 1.0], weights=weights)
