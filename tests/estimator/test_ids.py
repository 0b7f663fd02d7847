"""Ids of any kind, in any container and order; those that are not known; and what is refused."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from fixedrank.estimator import MatrixCompletionRegressor

FIXED = {"rank": 2, "ridge": 1.0, "shrinkage": 1.0, "tol": 1e-12, "max_iter": 500}
PAIRS = [(0, 0), (0, 1), (1, 0), (1, 2), (2, 1), (2, 2), (3, 0), (3, 1), (3, 2)]
STARS = np.array([5.0, 3.0, 4.0, 1.0, 2.0, 2.0, 5.0, 4.0, 1.0])


def fitted(X, y=STARS, **options):
    """Return a model of the pairs."""
    return MatrixCompletionRegressor(**FIXED | {"random_state": 0} | options).fit(X, y)


EXPECTED = fitted(PAIRS).predict(PAIRS)

NAMES = {
    "text": (["ann", "ben", "cem", "dea"], ["x", "y", "z"]),
    "numbers and text": (["ann", 7, "cem", 1.5], ["x", 2, ("a", "tuple")]),
    "tuples": ([(0, "a"), (0, "b"), (1, "a"), (1, "b")], [frozenset([1]), 0, None.__class__]),
    "large integers": ([2**70, 2**63, -1, 0], [2**80, 5, 6]),
    "floats": ([0.5, 1.5, 2.5, 3.5], [0.1, 0.2, 0.3]),
    "dates": (list(pd.date_range("2026-01-01", periods=4)), [True, 5, 6]),
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("container", ["pairs", "lists", "array", "frame"])
def test_ids_of_any_kind(kind, container):
    rows, columns = NAMES[kind]
    X = [(rows[i], columns[j]) for i, j in PAIRS]
    if container == "lists":
        X = [list(pair) for pair in X]
    elif container != "pairs":
        array = np.empty((len(X), 2), dtype=object)
        for place, pair in enumerate(X):
            array[place, 0], array[place, 1] = pair
        X = array if container == "array" else pd.DataFrame(array, columns=["user", "film"])
    model = fitted(X)
    np.testing.assert_allclose(model.predict(X), EXPECTED, atol=1e-6)
    assert set(model.row_ids_.tolist()) == set(rows)
    assert set(model.column_ids_.tolist()) == set(columns)


def test_arrays_of_numbers_and_of_text_and_categories():
    numbers = np.array(PAIRS)
    frame = pd.DataFrame(numbers, columns=["user", "film"])
    for X in (numbers, numbers.astype(np.float32), numbers.astype(str), frame.astype("category")):
        np.testing.assert_allclose(fitted(X).predict(X), EXPECTED, atol=1e-6)
    assert fitted(numbers).row_ids_.dtype.kind == "i"
    assert fitted(numbers.astype(str)).row_ids_.dtype.kind == "U"
    # A number is the same id in every kind of container.
    np.testing.assert_array_equal(fitted(numbers).predict(PAIRS), fitted(PAIRS).predict(frame))


def test_the_order_of_rows_does_not_matter():
    order = np.random.default_rng(0).permutation(len(PAIRS))
    automatic = {"ridge": "auto", "shrinkage": "auto"}
    one = fitted(np.array(PAIRS), **automatic)
    other = fitted(np.array(PAIRS)[order], STARS[order], **automatic)
    np.testing.assert_allclose(one.predict(PAIRS), other.predict(PAIRS), atol=1e-8)
    assert one.ridge_ == pytest.approx(other.ridge_, rel=1e-8)


def test_ids_that_are_not_known_get_what_the_biases_know():
    model = fitted(PAIRS)
    found = model.predict([(0, "?"), ("?", 1), ("?", "?")])
    expected = [model.mean_ + model.row_biases_[0], model.mean_ + model.column_biases_[1]]
    np.testing.assert_allclose(found, [*expected, model.mean_])
    np.testing.assert_allclose(fitted(PAIRS, biases=False).predict([(0, "?")]), STARS.mean())


def test_a_row_with_all_columns():
    model = fitted([(f"u{i}", f"f{j}") for i, j in PAIRS])
    ids, values = model.predict_row("u2")
    assert ids.tolist() == ["f0", "f1", "f2"]
    np.testing.assert_array_equal(values, model.predict([("u2", name) for name in ids]))
    np.testing.assert_allclose(
        model.predict_row("nobody")[1], model.mean_ + model.column_biases_, rtol=1e-12
    )


def test_the_point_is_the_matrix_of_what_is_predicted():
    model = fitted(PAIRS)
    u, s, vt = model.point_
    np.testing.assert_allclose(u.T @ u, np.eye(s.size), atol=1e-12)
    whole = model.mean_ + model.row_biases_[:, None] + model.column_biases_ + (u * s) @ vt
    np.testing.assert_allclose(whole[tuple(np.transpose(PAIRS))], model.predict(PAIRS))


def test_a_weight_is_a_number_of_repetitions():
    weights = np.array([1, 2, 0, 3, 1, 1, 2, 1, 0])
    automatic = {"ridge": "auto", "shrinkage": "auto"}
    weighted = MatrixCompletionRegressor(2, **automatic, random_state=0)
    weighted.fit(PAIRS, STARS, sample_weight=weights)
    repeated = fitted(np.repeat(PAIRS, weights, axis=0), np.repeat(STARS, weights), **automatic)
    again = MatrixCompletionRegressor(2, **automatic, random_state=0)
    again.fit(np.repeat(PAIRS, weights, axis=0), np.repeat(STARS, weights))
    np.testing.assert_allclose(weighted.predict(PAIRS), again.predict(PAIRS), atol=1e-8)
    assert weighted.ridge_ == pytest.approx(repeated.ridge_, rel=1e-6)
    # A row without weight is no row: its ids may be unknown.
    lonely = fitted([*PAIRS, ("?", "?")], [*STARS, 9.0])
    assert "?" in lonely.row_ids_.tolist()
    model = MatrixCompletionRegressor(**FIXED)
    model.fit([*PAIRS, ("?", "?")], [*STARS, 9.0], [*np.ones(len(PAIRS)), 0.0])
    assert "?" not in model.row_ids_.tolist()


def test_a_pair_given_twice_is_its_mean():
    twice = fitted([*PAIRS, PAIRS[0]], [4.0, *STARS[1:], 6.0])
    weights = np.ones(len(PAIRS))
    weights[0] = 2
    once = MatrixCompletionRegressor(**FIXED).fit(PAIRS, STARS, weights)
    np.testing.assert_allclose(twice.predict(PAIRS), once.predict(PAIRS), atol=1e-6)


@pytest.mark.parametrize(
    ("X", "y", "error", "words"),
    [
        (np.zeros((3, 1)), [1, 2, 3], ValueError, r"\(3, 1\).*two columns"),
        (np.zeros((3, 3)), [1, 2, 3], ValueError, r"two columns.*\(3, 3\)"),
        (np.zeros(3), [1, 2, 3], ValueError, r"two columns.*\(3,\)"),
        (pd.DataFrame({"user": [1]}), [1], ValueError, r"\(1, 1\).*two columns"),
        (["ab", "cd"], [1, 2], ValueError, "pairs.*index 0.*'ab'"),
        ([(1, 2), (1, 2, 3)], [1, 2], ValueError, r"pairs.*index 1.*\(1, 2, 3\)"),
        ([(1, 2), 3], [1, 2], ValueError, "pairs.*index 1.*3"),
        (scipy.sparse.eye_array(3), [1, 2, 3], TypeError, r"sparse \(3, 3\)"),
        ([(1, 2), (None, 3)], [1, 2], ValueError, "row id at index 1 is None"),
        ([(1, 2), (3, np.nan)], [1, 2], ValueError, "column id at index 1 is nan"),
        (
            pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [1, 2]}),
            [1, 2],
            ValueError,
            "row id at index 1 is <NA>",
        ),
        ([(1, [2])], [1], TypeError, r"column ids must be hashable.*index 0.*list \[2\]"),
        (np.zeros((3, 0)), [1, 2, 3], ValueError, r"0 feature\(s\).*two columns"),
        (PAIRS, None, ValueError, "the target y is None"),
        (PAIRS, STARS[1:], ValueError, "X has 9 rows, but y has 8"),
        (PAIRS, [*STARS[1:], np.nan], ValueError, "y has 1 entries that are NaN"),
        (PAIRS, [*STARS[1:], np.inf], ValueError, "y has 1 entries that are NaN or infinite"),
        (PAIRS, ["good"] * 9, TypeError, "y must be an array of real numbers"),
        (np.zeros((0, 2)), [], ValueError, "at least one"),
    ],
)
def test_what_is_refused(X, y, error, words):
    with pytest.raises(error, match=words):
        MatrixCompletionRegressor().fit(X, y)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.ones(3), "sample_weight has 3 values, but X has 9 rows"),
        (-np.ones(9), "must not be negative, but is -1.0 at index 0"),
        (np.zeros(9), "zero everywhere"),
        (np.full(9, np.nan), "sample_weight has 9 entries that are NaN"),
    ],
)
def test_weights_that_are_refused(weights, words):
    with pytest.raises(ValueError, match=words):
        MatrixCompletionRegressor().fit(PAIRS, STARS, weights)


def test_columns_of_other_names_are_refused():
    frame = pd.DataFrame(PAIRS, columns=["user", "film"])
    model = fitted(frame)
    assert model.feature_names_in_.tolist() == ["user", "film"]
    with pytest.raises(ValueError, match=r"\['user', 'film'\], and are \['film', 'user'\]"):
        model.predict(frame[["film", "user"]])
    np.testing.assert_array_equal(model.predict(PAIRS), model.predict(frame))
    assert not hasattr(model.fit(PAIRS, STARS), "feature_names_in_")
