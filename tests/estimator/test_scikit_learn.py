"""It is an estimator of scikit-learn: its searches, pipelines and checks take it."""

import importlib
import pickle
import sys

import numpy as np
import pytest
import sklearn
from sklearn.base import clone, is_regressor
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from fixedrank.estimator import MatrixCompletionRegressor, one_standard_error

NEWER = tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 6)
if NEWER:
    from sklearn.utils.validation import check_is_fitted, validate_data


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
    folds = KFold(3, shuffle=True, random_state=1)
    scores = cross_val_score(pipeline, sample.X, sample.y, cv=folds)
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
    again = importlib.import_module("fixedrank.estimator")
    with pytest.raises(ModuleNotFoundError, match=r"fixedrank\.estimator.*fixedrank\[data\]"):
        _ = again.MatrixCompletionRegressor


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


# What these fit has three features or more.
OTHER_FEATURES = [
    "check_all_zero_sample_weights_error",
    "check_array_api_input",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in_after_fitting",
    "check_non_transformer_estimators_n_iter",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_regressor_data_not_an_array",
    "check_regressors_int",
    "check_regressors_no_decision_function",
    "check_regressors_train",
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weights_list",
    "check_supervised_y_2d",
]


@pytest.mark.skipif(not NEWER, reason="expected failures are told to the checks from 1.6 on")
def test_the_checks_of_scikit_learn():
    check_estimator(
        MatrixCompletionRegressor(2, ridge=1.0, shrinkage=1.0, random_state=0),
        expected_failed_checks=dict.fromkeys(OTHER_FEATURES, "X must have two columns of ids"),
        on_skip=None,
    )


class OnFeatures(MatrixCompletionRegressor):
    """The estimator on numbers in any number of columns, which it makes ids of."""

    def fit(self, X, y, sample_weight=None):
        """Fit to the ids."""
        X, y = validate_data(self, X, y, y_numeric=True)
        super().fit(_ids(X), y, sample_weight)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        """Predict for the ids."""
        check_is_fitted(self)
        return super().predict(_ids(validate_data(self, X, reset=False)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Two columns of rounded features say little of the target.
        tags.regressor_tags.poor_score = True
        return tags


def _ids(X):
    return np.floor(np.column_stack((X[:, 0], X[:, -1])))


@pytest.mark.skipif(not NEWER, reason="expected failures are told to the checks from 1.6 on")
def test_the_other_checks_of_scikit_learn():
    check_estimator(
        OnFeatures(2, ridge=1.0, shrinkage=1.0, random_state=0),
        expected_failed_checks={},
        on_skip=None,
    )
