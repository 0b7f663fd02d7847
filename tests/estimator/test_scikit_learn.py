"""It is an estimator of scikit-learn: its searches, pipelines and checks take it."""

import pickle
import sys

import numpy as np
import pytest
import sklearn
from sklearn.base import clone, is_regressor
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

from fixedrank.estimator import MatrixCompletionRegressor, one_standard_error

NEWER = tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 6)


def test_parameters_are_kept_and_cloned():
    model = MatrixCompletionRegressor(3, ridge=0.5, clip=(1, 5))
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(rank=4, biases=False).rank == 4
    assert repr(model).startswith("MatrixCompletionRegressor(")
    assert is_regressor(model)


def test_a_search_over_ranks_takes_the_lowest_within_one_error(sample):
    search = GridSearchCV(
        MatrixCompletionRegressor(ridge=0.8, shrinkage=1.0, tol=1e-3, random_state=0),
        {"rank": [6, 1, 2, 3]},
        cv=KFold(4, shuffle=True, random_state=0),
        refit=one_standard_error,
    ).fit(sample.X, sample.y)
    assert search.best_params_ == {"rank": 2}
    assert search.predict(sample.X[:3]).shape == (3,)


def test_a_pipeline_and_its_folds(sample):
    pipeline = make_pipeline(
        FunctionTransformer(lambda X: X + 1000),
        MatrixCompletionRegressor(2, ridge=0.8, shrinkage=1.0, tol=1e-3, random_state=0),
    )
    scores = cross_val_score(
        pipeline, sample.X, sample.y, cv=KFold(3, shuffle=True, random_state=1)
    )
    assert scores.min() > 0.5
    assert pipeline.fit(sample.X, sample.y)[-1].row_ids_.min() == 1000


def test_it_can_be_pickled(sample):
    model = MatrixCompletionRegressor(2, random_state=0).fit(sample.X, sample.y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(sample.X), model.predict(sample.X))


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("fixedrank.estimator")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(ModuleNotFoundError, match=r"fixedrank\.estimator.*fixedrank\[data\]"):
        import fixedrank.estimator  # noqa: F401


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ({"param_depth": [1]}, "one parameter rank.*param_depth"),
        ({"param_rank": [1], "split0_test_score": [0.5]}, "at least two folds, got 1"),
    ],
)
def test_a_search_without_ranks_or_folds(results, words):
    with pytest.raises(ValueError, match=words):
        one_standard_error(results)


def test_the_standard_error_is_that_of_the_mean_over_the_folds():
    scores = np.array([[0.1, 0.2, 0.3, 0.2], [0.48, 0.52, 0.5, 0.5], [0.3, 0.7, 0.5, 0.55]])
    results = {f"split{fold}_test_score": scores[:, fold] for fold in range(4)}
    results |= {
        "param_regressor__rank": [1, 2, 3],
        "mean_test_score": scores.mean(axis=1),
        "std_test_score": scores.std(axis=1),
    }
    error = np.std(scores[2], ddof=1) / 2
    assert scores[1].mean() > scores[2].mean() - error > scores[0].mean()
    assert one_standard_error(results) == 1


class TwoOfManyColumns(MatrixCompletionRegressor):
    """The estimator on data of any number of columns, of which whole parts of two are ids."""

    def fit(self, X, y, sample_weight=None):
        """Fit to the ids."""
        return super().fit(_ids(X), y, sample_weight)

    def predict(self, X):
        """Predict for the ids."""
        return super().predict(_ids(X))


def _ids(X):
    return np.floor(np.asarray(X, dtype=float)[:, [0, -1]])
