"""Losses of some of the samples: the weighted sum over them, and an unbiased estimate of all."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import (
    LinearRegression,
    MatrixCompletion,
    MomentRegression,
    gaussian_factors,
    gradient_descent,
    random_balanced_factors,
)
from fixedrank.losses import as_loss
from tests.losses.members import SHAPE, SquaredLength
from tests.strategies import seeds


def data(seed, samples=7, unit=1.0):
    rng = np.random.default_rng(seed)
    m, n = SHAPE
    return unit * rng.standard_normal((n, samples)), unit * rng.standard_normal((m, samples)), rng


@given(
    seed=seeds,
    weighted=st.booleans(),
    sparse=st.booleans(),
    count=st.integers(1, 9),
    unit=st.sampled_from([1e-70, 1.0, 1e70]),
)
def test_a_batch_is_the_sum_over_its_samples(seed, weighted, sparse, count, unit):
    X, Y, rng = data(seed, unit=unit)
    weights = rng.random(7) if weighted else None
    kind = scipy.sparse.csr_array if sparse else np.asarray
    problem = LinearRegression(kind(X), kind(Y), sample_weight=weights)
    indices = rng.integers(7, size=count)
    batch = problem.batch(indices)
    W = rng.standard_normal(SHAPE)
    factors = gaussian_factors([SHAPE[1], 2, SHAPE[0]], rng=rng)
    each = 0.5 * ((Y - W @ X) ** 2).sum(0) * (1 if weights is None else weights)
    loss = sum(each[i] for i in indices) * 7 / count
    assert batch.loss(W) == pytest.approx(loss, rel=1e-9)
    G = sum(
        np.outer(W @ X[:, i] - Y[:, i], X[:, i]) * (1 if weights is None else weights[i])
        for i in indices
    )
    size = np.abs(G).max()
    np.testing.assert_allclose(
        np.asarray(batch.gradient(W)) / size, G * 7 / count / size, atol=1e-10
    )
    # The gradients in the layers, of the mean of all batches of one sample.
    whole = problem.network_gradient(factors)
    single = [problem.batch([i]).network_gradient(factors) for i in range(7)]
    for j, part in enumerate(whole):
        mean = sum(one[j] for one in single) / 7
        assert np.abs(mean - part).max() <= 1e-10 * np.abs(part).max()


def test_all_samples_make_the_problem():
    X, Y, rng = data(0)
    problem = LinearRegression(X, Y, sample_weight=rng.random(7))
    batch = problem.batch(np.arange(7))
    assert (problem.samples, batch.samples) == (7, 7)
    np.testing.assert_allclose(batch.Q, problem.Q, rtol=0, atol=1e-13)
    assert batch.residual == pytest.approx(problem.residual, rel=1e-12)
    assert batch.digest != problem.digest
    assert batch.digest == problem.batch(list(range(7))).digest
    again = batch.batch([3, 3])
    W = rng.standard_normal(SHAPE)
    assert again.loss(W) == pytest.approx(problem.batch([3]).loss(W), rel=1e-12)


def test_more_samples_than_are_held_at_once(monkeypatch):
    monkeypatch.setattr("fixedrank.losses.samples._MANY", 50)
    X, Y, rng = data(1, samples=40)
    weights = rng.random(40)
    batch = LinearRegression(X, Y, sample_weight=weights).batch([5, 17])
    expected = LinearRegression(X[:, [5, 17]], Y[:, [5, 17]], sample_weight=20 * weights[[5, 17]])
    W = rng.standard_normal(SHAPE)
    assert batch.loss(W) == pytest.approx(expected.loss(W), rel=1e-13)


def test_a_batch_on_the_range():
    X, Y, rng = data(2)
    X = np.vstack((X[:3], X[0] - X[1]))
    problem = LinearRegression.on_range(X, Y)
    batch = problem.batch([4, 0])
    assert batch.shape == (5, 3)
    W = rng.standard_normal(batch.shape)
    expected = LinearRegression(X, Y).batch([4, 0]).loss(W @ problem.basis.T)
    assert batch.loss(W) == pytest.approx(expected, rel=1e-12)
    assert batch.batch([0]).shape == (5, 3)


def test_sums_take_batches_of_what_has_samples():
    X, Y, rng = data(3)
    penalty = SquaredLength()
    problem = LinearRegression(X, Y)
    both = 2 * problem + 0.3 * penalty
    assert both.samples == 7
    point = tuple(np.linalg.svd(rng.standard_normal(SHAPE), full_matrices=False))
    expected = 2 * problem.batch([1, 2]).loss(point) + 0.3 * penalty.loss(point)
    assert both.batch([1, 2]).loss(point) == pytest.approx(expected, rel=1e-13)
    fewer = LinearRegression(X[:, :5], Y[:, :5])
    assert (problem + fewer).samples is None
    with pytest.raises(TypeError, match="a LossSum has no batches"):
        (problem + fewer).batch([0])


def test_an_object_with_batches():
    class Own(SquaredLength):
        samples = 3

        def batch(self, indices):
            return len(indices) * SquaredLength()

    class Plain:
        samples = 3
        loss, gradient, batch = SquaredLength.loss, SquaredLength.gradient, Own.batch

    class Through:
        samples, whole = 3, SquaredLength()

        def loss(self, W):
            return self.whole.loss(W)

        def gradient(self, W):
            return self.whole.gradient(W)

        def batch(self, indices):
            return Through()

    point = (np.eye(5, 1), np.array([2.0]), np.eye(1, 4))
    for problem in (Own(), as_loss(Plain())):
        assert problem.samples == 3
        assert problem.batch([0, 1]).loss(point) == 4.0
    layers = random_balanced_factors([4, 2, 5], rng=0)
    whole, steps = (
        gradient_descent(Through(), layers, 3, step_size=0.1, batch_size=size) for size in (None, 2)
    )
    np.testing.assert_allclose(steps.loss, whole.loss, rtol=1e-12)


def test_what_has_no_batches_says_so():
    X, Y, _ = data(4)
    problem = LinearRegression(X, Y)
    for refusing in (
        LinearRegression.from_chunks([(X, Y)]),
        pickle.loads(pickle.dumps(problem)),
        pickle.loads(pickle.dumps(problem.batch([1]))),
    ):
        assert refusing.samples is None
        with pytest.raises(TypeError, match=r"holds none: it was made of chunks"):
            refusing.batch([0])
    for refusing in (
        MomentRegression(X @ X.T, Y @ X.T, np.vdot(Y, Y)),
        MatrixCompletion(np.eye(3)),
        as_loss(SquaredLength()),
    ):
        assert refusing.samples is None
        with pytest.raises(TypeError, match=r"has no batches, as it is not known by samples"):
            refusing.batch([0])


def test_bad_indices():
    problem = LinearRegression(*data(5)[:2])
    for wrong in ([], 3, [0.0, 1.0], np.ones(7, dtype=bool), [[0, 1]]):
        with pytest.raises(TypeError, match="the numbers of at least one sample"):
            problem.batch(wrong)
    for wrong, told in (([0, 7], 7), ([-1], -1)):
        with pytest.raises(ValueError, match=f"samples 0 to 6, but indices has {told}"):
            problem.batch(wrong)
