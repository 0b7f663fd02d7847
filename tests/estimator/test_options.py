"""What the parameters do, and what is said of wrong ones."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from fixedrank.estimator import MatrixCompletionRegressor


def test_clip(sample):
    options = {"ridge": 50.0, "shrinkage": 1.0, "random_state": 0}
    plain = MatrixCompletionRegressor(3, **options).fit(sample.X, 100 * sample.y)
    pairs = np.indices(sample.truth.shape).reshape(2, -1).T
    free = plain.predict(pairs)
    low, high = 100 * sample.y.min(), 100 * sample.y.max()
    assert free.min() < 0
    assert free.max() > 50
    for clip, ends in (("auto", (low, high)), ((0.0, 50.0), (0.0, 50.0))):
        model = MatrixCompletionRegressor(3, clip=clip, **options)
        model.fit(sample.X, 100 * sample.y)
        np.testing.assert_array_equal(model.predict(pairs), np.clip(free, *ends))


def test_a_warm_start_goes_on_with_the_same_penalties(sample):
    model = MatrixCompletionRegressor(1, warm_start=True, random_state=0).fit(sample.X, sample.y)
    ridge, first = model.ridge_, model.score(sample.X, sample.y)
    model.set_params(rank=4).fit(sample.X, sample.y)
    assert model.ridge_ == ridge
    assert model.rank_ > 1
    assert model.score(sample.X, sample.y) > first
    # At the minimum there is nothing to do any more, also in another unit.
    model.set_params(tol=1e-10, max_iter=1000).fit(sample.X, sample.y)
    there = model.predict(sample.X)
    model.set_params(max_iter=1).fit(sample.X, sample.y)
    np.testing.assert_allclose(model.predict(sample.X), there, atol=1e-3)
    # Down again, and on to other ids, where nothing is warm.
    assert model.set_params(rank=2).fit(sample.X, sample.y).rank_ <= 2
    model.fit(sample.X + 100, sample.y)
    assert model.row_ids_.min() == 100


def test_the_same_seed_gives_the_same_model_and_numpys_state_stays(sample):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    for seed in (5, np.random.RandomState(5)):
        one = MatrixCompletionRegressor(2, random_state=seed).fit(sample.X, sample.y)
        assert one.rank_ <= 2
    again = MatrixCompletionRegressor(2, random_state=5).fit(sample.X, sample.y)
    first = MatrixCompletionRegressor(2, random_state=5).fit(sample.X, sample.y)
    np.testing.assert_array_equal(again.predict(sample.X), first.predict(sample.X))
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_ranks_beyond_the_table_are_those_of_the_table(sample):
    model = MatrixCompletionRegressor(500, ridge=0.5, random_state=0).fit(sample.X, sample.y)
    assert model.rank_ <= 20


@pytest.mark.parametrize("method", ["predict", "predict_row"])
def test_it_says_where_it_is_not_fitted(method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(MatrixCompletionRegressor(), method)([(1, 2)])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"rank": 0}, ValueError, "rank must be at least 1"),
        ({"rank": "auto"}, TypeError, "rank must be an integer"),
        ({"depth": 0.5}, ValueError, "N >= 1"),
        ({"ridge": "best"}, ValueError, "ridge must be 'auto' or a number"),
        ({"ridge": -1.0}, ValueError, "ridge must be finite and at least 0"),
        ({"ridge": None}, TypeError, "ridge must be a number"),
        ({"shrinkage": np.inf}, ValueError, "shrinkage must be finite"),
        ({"ridge_power": "x"}, TypeError, "ridge_power must be a number"),
        ({"held_out": 1.0}, ValueError, "held_out must be a share"),
        ({"clip": "both"}, ValueError, "clip must be None, 'auto' or"),
        ({"clip": (1, 2, 3)}, ValueError, "clip must be None, 'auto' or"),
        ({"clip": (5, 1)}, ValueError, "the least and the greatest"),
        ({"tol": -1.0}, ValueError, "tol must be finite"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1"),
    ],
)
def test_wrong_parameters(sample, options, error, words):
    with pytest.raises(error, match=words):
        MatrixCompletionRegressor(**options).fit(sample.X, sample.y)
