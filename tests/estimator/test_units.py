"""Predictions follow the unit of the ratings, and where they begin."""

import numpy as np
import pytest

from fixedrank.estimator import MatrixCompletionRegressor


@pytest.fixture(scope="module")
def base(sample):
    """Return the model in the unit of the sample."""
    return MatrixCompletionRegressor(3, random_state=0).fit(sample.X, sample.y)


@pytest.mark.parametrize("unit", [1e-300, 1e-150, -1e-7, 1e150, 1e305])
def test_predictions_follow_the_unit(sample, base, unit):
    model = MatrixCompletionRegressor(3, random_state=0).fit(sample.X, unit * sample.y)
    expected = base.predict(sample.X)
    np.testing.assert_allclose(model.predict(sample.X) / unit, expected, atol=1e-6)
    assert model.ridge_ / abs(unit) == pytest.approx(base.ridge_, rel=1e-6)
    assert model.shrinkage_ == pytest.approx(base.shrinkage_, rel=1e-6)
    np.testing.assert_allclose(model.ridges_ / abs(unit), base.ridges_, rtol=1e-6)


@pytest.mark.parametrize("shift", [-3.0, 1e5])
def test_predictions_follow_a_shift(sample, base, shift):
    model = MatrixCompletionRegressor(3, random_state=0).fit(sample.X, sample.y + shift)
    np.testing.assert_allclose(model.predict(sample.X) - shift, base.predict(sample.X), atol=1e-6)


def test_a_common_weight_changes_nothing(sample, base):
    model = MatrixCompletionRegressor(3, random_state=0)
    model.fit(sample.X, sample.y, np.full(sample.y.size, 1e-3))
    np.testing.assert_allclose(model.predict(sample.X), base.predict(sample.X), atol=1e-6)
    assert model.ridge_ == pytest.approx(1e-3 * base.ridge_, rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 3.5])
def test_ratings_that_are_all_the_same(sample, value):
    model = MatrixCompletionRegressor(random_state=0).fit(sample.X, np.full(len(sample.X), value))
    assert model.rank_ == 0
    np.testing.assert_allclose(model.predict(sample.X), value)


@pytest.mark.parametrize("values", [np.zeros(3), np.array([1e-308, 2e-308, 3e-308])])
def test_a_ridge_far_above_the_ratings_leaves_biases(values):
    model = MatrixCompletionRegressor(1, ridge=1.0, shrinkage=0.0)
    pairs = [(0, 0), (1, 1), (2, 2)]
    assert model.fit(pairs, values).rank_ == 0
    np.testing.assert_allclose(model.predict(pairs), values, atol=1e-320)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_very_few_ratings(sample, count):
    model = MatrixCompletionRegressor(random_state=0).fit(sample.X[:count], sample.y[:count])
    assert np.isfinite(model.predict(sample.X)).all()


def test_a_single_rating_needs_penalties(sample):
    with pytest.raises(ValueError, match="give ridge and shrinkage as numbers"):
        MatrixCompletionRegressor().fit(sample.X[:1], sample.y[:1])
    model = MatrixCompletionRegressor(ridge=1.0, shrinkage=1.0).fit(sample.X[:1], sample.y[:1])
    np.testing.assert_allclose(model.predict(sample.X[:1]), sample.y[:1])
