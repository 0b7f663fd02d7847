"""The spectral initialisation, and values that are held out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import MatrixCompletion, RankLostError
from tests.recovery.problems import KINDS, combined, dense_loss, make, measured
from tests.strategies import seeds

every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@given(k=st.integers(1, 3), seed=seeds, shape=st.sampled_from([(4, 3), (3, 5), (3, 3)]))
def test_spectral_initialisation(kind, k, seed, shape):
    problem, A, y = make(kind, shape, 9, seed)
    u, s, vt = np.linalg.svd(combined(A, y), full_matrices=False)
    if s[k - 1] < 1e-8 * s[0]:
        return
    point = problem.initial_point(k)
    W = (point.u * point.s) @ point.vt
    if k == s.size or s[k] < 0.99 * s[k - 1]:
        best = (u[:, :k] * s[:k]) @ vt[:k]
        assert np.vdot(W, best) == pytest.approx(np.linalg.norm(W) * np.linalg.norm(best), rel=1e-9)
    loss = dense_loss(A, y, W)
    assert loss <= min(dense_loss(A, y, factor * W) for factor in (0.99, 1.01))
    assert loss < dense_loss(A, y, 0 * W)


def test_completion_from_half_of_the_entries_starts_near():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((300, 2)) @ rng.standard_normal((2, 200))
    rows, cols = np.nonzero(rng.random(truth.shape) < 0.5)
    problem = MatrixCompletion(rows, cols, truth[rows, cols], truth.shape)
    point = problem.initial_point(2)
    error = np.linalg.norm((point.u * point.s) @ point.vt - truth) / np.linalg.norm(truth)
    assert error < 0.25


@pytest.mark.parametrize("size", [1e-200, 1e150])
def test_values_of_any_unit(size):
    problem = MatrixCompletion([0, 1], [0, 1], [3 * size, size], (2, 2))
    np.testing.assert_allclose(problem.initial_point(2).s, [3 * size, size], rtol=1e-12)


def test_no_point_of_this_rank():
    problem = MatrixCompletion([0, 1], [0, 0], [3.0, 1.0], (2, 2))
    with pytest.raises(RankLostError, match="rank"):
        problem.initial_point(2)
    with pytest.raises(RankLostError, match="rank"):
        MatrixCompletion([0, 1], [0, 0], [0.0, 0.0], (2, 2)).initial_point(1)
    with pytest.raises(ValueError, match="3"):
        problem.initial_point(3)
    with pytest.raises(TypeError, match=r"k must be an integer, got 1\.5"):
        problem.initial_point(1.5)


@every_kind
@given(seed=seeds, fraction=st.floats(0.1, 0.9))
def test_a_split_is_a_partition(kind, seed, fraction):
    problem, _, y = make(kind, (4, 3), 10, seed)
    training, held_out = problem.split(fraction, rng=seed)
    assert held_out.values.size == round(10 * fraction)
    both = np.concatenate([training.values, held_out.values])
    np.testing.assert_array_equal(np.sort(both), np.sort(y))
    W = np.random.default_rng(seed).standard_normal((4, 3))
    assert training.loss(W) + held_out.loss(W) == pytest.approx(problem.loss(W), rel=1e-12)
    assert type(training) is type(problem)


@every_kind
def test_the_parts_measure_what_the_whole_does(kind):
    problem, A, y = make(kind, (4, 3), 10, 0)
    training, held_out = problem.split(0.3, rng=0)
    W = np.random.default_rng(1).standard_normal((4, 3))
    error = dict(zip(y, measured(A, W) - y, strict=True))
    for part in (training, held_out):
        expected = np.sqrt(np.mean([error[value] ** 2 for value in part.values]))
        assert part.root_mean_square_error(W) == pytest.approx(expected, rel=1e-12)


def test_splits_are_drawn_from_what_is_passed_in():
    problem, _, _ = make("entries", (4, 3), 12, 0)
    first, second, third = (problem.split(0.5, rng=rng)[1].values for rng in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    problem.split(0.5)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize(
    ("fraction", "error", "message"),
    [
        (0, ValueError, "between 0 and 1, got 0"),
        (1.5, ValueError, r"between 0 and 1, got 1\.5"),
        (float("nan"), ValueError, "between 0 and 1, got nan"),
        (0.01, ValueError, r"0\.01 holds out 0 of 12"),
        (0.99, ValueError, r"0\.99 holds out 12 of 12"),
        ("half", TypeError, "number between 0 and 1, got 'half'"),
        (True, TypeError, "got True"),
    ],
)
def test_bad_fractions(fraction, error, message):
    problem, _, _ = make("entries", (4, 3), 12, 0)
    with pytest.raises(error, match=message):
        problem.split(fraction)
