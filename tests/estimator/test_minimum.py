"""What is fitted is the minimum: against its conditions, least squares, and plain alternation."""

import numpy as np
import pytest

import fixedrank
from fixedrank.estimator import MatrixCompletionRegressor

EXACT = {"tol": 1e-13, "max_iter": 3000, "random_state": 0}


def dense(sample, model, weights=None):
    """Return ratings, weights and predictions as matrices, zero where nothing is known."""
    i, j = sample.X.T
    known, given = np.zeros(sample.truth.shape), np.zeros(sample.truth.shape)
    known[i, j], given[i, j] = sample.y, 1.0 if weights is None else weights
    u, s, vt = model.point_
    low_rank = (u * s) @ vt
    whole = model.mean_ + model.row_biases_[:, None] + model.column_biases_ + low_rank
    return known, given, whole, low_rank


def scales(sample, weights, power):
    """Return the diagonals by their definition."""
    found = []
    for which in sample.X.T:
        counts = np.bincount(which, weights) ** power
        found.append(np.sqrt(counts / (counts[which] @ weights / weights.sum())))
    return found


def objective(sample, model, weights, power):
    """Return the objective by its definition."""
    known, given, whole, low_rank = dense(sample, model, weights)
    d, e = scales(sample, weights, power)
    trace_norm = np.linalg.svd(d[:, None] * low_rank * e, compute_uv=False).sum()
    biases = np.sum(model.row_biases_**2) + np.sum(model.column_biases_**2)
    return (
        np.sum(given * (whole - known) ** 2) / 2
        + model.ridge_ * trace_norm
        + model.shrinkage_ * biases / 2
    )


@pytest.mark.parametrize(("power", "depth"), [(0, 1), (0.5, 3), (1, 1)])
def test_the_conditions_of_the_global_minimum_hold(sample, power, depth):
    # With a rank that the ridge does not use up, the problem is convex: nothing is below.
    weights = np.random.default_rng(1).uniform(0.5, 2, sample.y.size)
    options = {"ridge": 3.0, "shrinkage": 2.0, "ridge_power": power, "depth": depth}
    model = MatrixCompletionRegressor(15, **options, **EXACT).fit(sample.X, sample.y, weights)
    assert 1 < model.rank_ < 15
    known, given, whole, low_rank = dense(sample, model, weights)
    d, e = scales(sample, weights, power)
    errors = given * (whole - known)
    slopes = errors / d[:, None] / e
    assert np.linalg.norm(slopes, 2) <= 3.0 * (1 + 1e-4)
    u, _, vt = np.linalg.svd(d[:, None] * low_rank * e)
    u, vt = u[:, : model.rank_], vt[: model.rank_]
    np.testing.assert_allclose(slopes @ vt.T, -3.0 * u, atol=3e-3)
    np.testing.assert_allclose(u.T @ slopes, -3.0 * vt, atol=3e-3)
    np.testing.assert_allclose(errors.sum(axis=1), -2.0 * model.row_biases_, atol=3e-3)
    np.testing.assert_allclose(errors.sum(axis=0), -2.0 * model.column_biases_, atol=3e-3)


def alternated(sample, k, ridge, shrinkage, sweeps=3000):
    """Minimise over factors and biases, one row of one factor after the other."""
    rng = np.random.default_rng(0)
    i, j = sample.X.T
    m, n = sample.truth.shape
    y = sample.y - sample.y.mean()
    left, right = rng.standard_normal((m, k)), rng.standard_normal((n, k))
    b, c = np.zeros(m), np.zeros(n)
    penalty = np.diag([ridge] * k + [shrinkage])
    for _ in range(sweeps):
        for own, bias, others, other, mine, theirs in (
            (left, b, right, c, i, j),
            (right, c, left, b, j, i),
        ):
            for row in range(len(own)):
                here = mine == row
                features = np.column_stack((others[theirs[here]], np.ones(here.sum())))
                values = features.T @ (y[here] - other[theirs[here]])
                found = np.linalg.solve(features.T @ features + penalty, values)
                own[row], bias[row] = found[:-1], found[-1]
    errors = y - np.sum(left[i] * right[j], axis=1) - b[i] - c[j]
    factors = np.sum(left**2) + np.sum(right**2)
    return (errors @ errors + ridge * factors + shrinkage * (b @ b + c @ c)) / 2


def test_plain_alternation_reaches_the_same_objective(sample):
    model = MatrixCompletionRegressor(2, ridge=1.0, shrinkage=1.0, ridge_power=0, **EXACT)
    model.fit(sample.X, sample.y)
    found = objective(sample, model, np.ones(sample.y.size), 0)
    assert found == pytest.approx(alternated(sample, 2, 1.0, 1.0, sweeps=100), rel=1e-6)


def test_biases_alone_are_those_of_ridge_regression(sample):
    model = MatrixCompletionRegressor(ridge=1e9, shrinkage=0.7, **EXACT).fit(sample.X, sample.y)
    assert model.rank_ == 0
    assert model.point_.s.size == 0
    i, j = sample.X.T
    m, n = sample.truth.shape
    design = np.hstack((np.eye(m)[i], np.eye(n)[j]))
    rows = np.vstack((design, np.sqrt(0.7) * np.eye(m + n)))
    values = np.append(sample.y - sample.y.mean(), np.zeros(m + n))
    expected = np.linalg.lstsq(rows, values, rcond=None)[0]
    found = np.append(model.row_biases_, model.column_biases_)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert model.mean_ == pytest.approx(sample.y.mean())


def test_the_matrix_is_where_the_loss_of_the_library_is_stationary(sample):
    model = MatrixCompletionRegressor(2, ridge=1.0, shrinkage=1.0, ridge_power=0, **EXACT)
    model.fit(sample.X, sample.y)
    i, j = sample.X.T
    rest = sample.y - model.mean_ - model.row_biases_[i] - model.column_biases_[j]
    loss = fixedrank.MatrixCompletion(i, j, rest, sample.truth.shape, ridge=model.ridge_)
    manifold = fixedrank.FixedRank(*sample.truth.shape, 2, depth=1)
    problem = loss.to_pymanopt(manifold)
    gradient = problem.riemannian_gradient(model.point_)
    unit = problem.riemannian_gradient(loss.initial_point(2))
    assert manifold.norm(model.point_, gradient) < 1e-4 * manifold.norm(model.point_, unit)


def test_exact_data_are_found_without_a_ridge_in_their_unit(sample):
    i, j = sample.X.T
    model = MatrixCompletionRegressor(4, shrinkage=0.01, random_state=0)
    model.fit(sample.X, sample.truth[i, j])
    pairs = np.indices(sample.truth.shape).reshape(2, -1).T
    error = model.predict(pairs) - sample.truth.ravel()
    assert np.sqrt(np.mean(error**2)) < 0.05 * sample.truth.std()


def test_noise_alone_is_not_fitted(sample):
    noise = np.random.default_rng(2).standard_normal(sample.y.size)
    model = MatrixCompletionRegressor(5, random_state=0).fit(sample.X, noise)
    assert model.score(sample.X, noise) < 0.5


def test_the_chosen_ridge_is_where_held_out_errors_are_least(sample):
    model = MatrixCompletionRegressor(5, random_state=0).fit(sample.X, sample.y)
    best = model.ridges_[model.held_out_errors_.argmin()]
    assert 0.7 * best <= model.ridge_ <= best / 0.7
    assert (np.diff(model.ridges_) < 0).all()


def test_more_is_predicted_than_by_biases_alone(sample):
    pairs = np.indices(sample.truth.shape).reshape(2, -1).T
    unseen = np.setdiff1d(pairs @ [20, 1], sample.X @ [20, 1])
    errors = []
    for ridge in ("auto", 1e9):
        model = MatrixCompletionRegressor(5, ridge=ridge, random_state=0).fit(sample.X, sample.y)
        error = (model.predict(pairs) - sample.truth.ravel())[unseen]
        errors.append(np.sqrt(np.mean(error**2)))
    assert errors[0] < 0.5 * errors[1]
