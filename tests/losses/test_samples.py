"""Samples gathered block by block into a triangular factor, against all of them at once."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import LinearRegression, RankLostError, critical_points
from fixedrank.losses import samples
from tests.strategies import seeds

CONDITION = 1e9


def ill_conditioned(rng, features, outputs, count, unit):
    """Samples of which Q and the residual are known, with singular values down to 1e-9."""
    axes = np.linalg.qr(rng.standard_normal((features, features)))[0]
    frame = np.linalg.qr(rng.standard_normal((count, features + outputs)))[0].T
    Q = rng.standard_normal((outputs, features))
    left = rng.standard_normal((outputs, outputs))
    X = axes * np.geomspace(unit, unit / CONDITION, features) @ frame[:features]
    Y = unit * (Q @ axes.T @ frame[:features] + left @ frame[features:])
    return X, Y, unit * np.linalg.svd(Q)[1], unit * np.linalg.norm(left)


def cut(rng, X, Y, pieces):
    ends = np.sort(rng.integers(1, X.shape[1], pieces - 1)) if pieces > 1 else []
    pairs = zip(np.split(X, ends, axis=1), np.split(Y, ends, axis=1), strict=True)
    return [pair for pair in pairs if pair[0].size]


@given(
    seed=seeds,
    features=st.integers(1, 6),
    outputs=st.integers(1, 5),
    pieces=st.integers(1, 6),
    block=st.sampled_from([1, 20, 200]),
    unit=st.sampled_from([1e-120, 1.0, 1e120]),
)
def test_chunks_are_as_accurate_as_all(seed, features, outputs, pieces, block, unit):
    """Q of data with condition 1e9, of which X X^T, with 1e18, tells nothing in its small axes."""
    rng = np.random.default_rng(seed)
    X, Y, s, residual = ill_conditioned(rng, features, outputs, 40, unit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "_BLOCK", block)
        patch.setattr(samples, "_PANEL", 3)
        problem = LinearRegression.from_chunks(cut(rng, X, Y, pieces))
    whole = LinearRegression(X, Y)
    scale = np.linalg.norm(Y)
    # Y itself is rounded when it is made; X in its small axes with it, by 1e-16 in 1e-9.
    np.testing.assert_allclose(problem.svd[1], s[: problem.svd[1].size], rtol=0, atol=1e-5 * scale)
    np.testing.assert_allclose(problem.svd[1], whole.svd[1], rtol=0, atol=1e-5 * scale)
    assert problem.residual == pytest.approx(residual, rel=1e-5)
    np.testing.assert_allclose(problem.C / unit**2, X @ X.T / unit**2, rtol=0, atol=1e-13)
    np.testing.assert_allclose(problem.B / unit / scale, Y @ X.T / unit / scale, rtol=0, atol=1e-13)
    W = rng.standard_normal((outputs, features))
    expected = 0.5 * np.sum((W @ (X / unit) - Y / unit) ** 2)
    assert problem.loss(W) / unit**2 == pytest.approx(expected, rel=1e-12)
    assert problem.squared_norm == pytest.approx(scale**2, rel=1e-12)


def plain(rng, features=4, outputs=3, count=60):
    return rng.standard_normal((features, count)), rng.standard_normal((outputs, count))


def agree(problem, other):
    """Whether two problems have the same losses, best fit and critical points."""
    assert problem.shape == other.shape
    assert problem.residual == pytest.approx(other.residual, rel=1e-12)
    assert problem.tolerance == pytest.approx(other.tolerance, rel=1e-12)
    for name in ("C", "B", "root", "Q"):
        np.testing.assert_allclose(getattr(problem, name), getattr(other, name), atol=1e-11)


@pytest.mark.parametrize("weights", [None, np.arange(60.0)], ids=["", "weights"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_many_samples_are_gathered_by_themselves(monkeypatch, weights, order):
    X, Y = plain(np.random.default_rng(0))
    whole = LinearRegression(X, Y, sample_weight=weights)
    monkeypatch.setattr(samples, "_MANY", 70)
    monkeypatch.setattr(samples, "_BLOCK", 70)
    monkeypatch.setattr(samples, "_PANEL", 2)
    X, Y = np.array(X, order=order), np.array(Y, order=order)
    given = X.copy(), Y.copy()
    problem = LinearRegression(X, Y, sample_weight=weights)
    np.testing.assert_array_equal(X, given[0])
    np.testing.assert_array_equal(Y, given[1])
    assert problem._decomposed.half.shape == (4, 4)
    agree(problem, whole)
    assert problem.digest != LinearRegression(X, 2 * Y, sample_weight=weights).digest
    losses = [point.loss for point in critical_points(problem, 2)]
    assert losses == pytest.approx([point.loss for point in critical_points(whole, 2)], rel=1e-10)


def test_weights_and_problems_stand_for_samples():
    rng = np.random.default_rng(1)
    X, Y = plain(rng)
    weights = rng.random(60)
    parts = [slice(0, 3), slice(3, 40), slice(40, 60)]
    first, second, third = ((X[:, part], Y[:, part], weights[part]) for part in parts)
    inner = LinearRegression.from_chunks([second, third])
    # Three samples in four dimensions: a problem without Q of its own.
    chunks = [LinearRegression(first[0], first[1], sample_weight=first[2]), inner]
    agree(LinearRegression.from_chunks(chunks), LinearRegression(X, Y, sample_weight=weights))


def test_a_generator_that_uses_its_memory_again():
    X, Y = plain(np.random.default_rng(2))
    here, there = np.empty((4, 5)), np.empty((3, 5))

    def chunks():
        for start in range(0, 60, 5):
            here[:], there[:] = X[:, start : start + 5], Y[:, start : start + 5]
            yield here, there

    agree(LinearRegression.from_chunks(chunks()), LinearRegression(X, Y))


def test_on_the_range():
    rng = np.random.default_rng(3)
    X, Y = plain(rng)
    X = np.vstack((X, X[0] + X[1], np.zeros(60)))
    chunks = [(X[:, :30], Y[:, :30]), (X[:, 30:], Y[:, 30:])]
    with pytest.raises(RankLostError, match=r"rank 4, and full rank is 6.*on_range"):
        _ = LinearRegression.from_chunks(chunks).Q
    problem = LinearRegression.from_chunks(chunks, on_range=True)
    whole = LinearRegression.on_range(X, Y)
    assert problem.shape == whole.shape == (3, 4)
    np.testing.assert_allclose(problem.svd[1], whole.svd[1], rtol=1e-12)
    best = problem.B @ np.linalg.inv(problem.C)
    np.testing.assert_allclose(problem.extend(best), Y @ np.linalg.pinv(X), atol=1e-12)
    with pytest.raises(ValueError, match=r"chunk 0: a problem on the range.*on_range=True"):
        LinearRegression.from_chunks([whole])
    nothing = np.zeros((2, 5))
    with pytest.raises(ValueError, match="5 samples with 2 features is zero"):
        LinearRegression.from_chunks([(nothing, nothing)], on_range=True)


@pytest.mark.parametrize(
    ("second", "error", "words"),
    [
        ((np.ones((3, 2)), np.ones((1, 2))), ValueError, r"chunk 1 has \(3, 1\).*before \(2, 1\)"),
        ((np.ones((2, 2)), np.ones((1, 3))), ValueError, "chunk 1: X and Y must have one column"),
        ((np.full((2, 2), np.nan), np.ones((1, 2))), ValueError, "chunk 1: X has 4 entries"),
        (np.ones((2, 2)), TypeError, r"chunk 1: it must be a pair \(X, Y\).*got a ndarray"),
        ((np.ones((2, 2)),), TypeError, "chunk 1: it must be a pair"),
    ],
)
def test_what_no_chunk_is(second, error, words):
    with pytest.raises(error, match=words):
        LinearRegression.from_chunks([(np.ones((2, 2)), np.ones((1, 2))), second])


def test_no_and_sparse_chunks():

    with pytest.raises(ValueError, match="no chunks"):
        LinearRegression.from_chunks([])
    sparse = scipy.sparse.eye_array(3, format="csr")
    with pytest.raises(TypeError, match=r"chunk 0: X and Y must be arrays.*toarray"):
        LinearRegression.from_chunks([(sparse, sparse)])
    with pytest.raises(TypeError, match=r"chunk 0: a chunk needs the singular value decomposition"):
        LinearRegression.from_chunks([LinearRegression(sparse, sparse)])


def test_memory_hangs_on_the_dimensions_only(monkeypatch):
    monkeypatch.setattr(samples, "_BLOCK", 1 << 15)
    rng = np.random.default_rng(4)
    block = rng.standard_normal((5, 20_000))
    peaks = []
    for number in (10, 100):
        tracemalloc.start()
        LinearRegression.from_chunks((block, block[:2]) for _ in range(number))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.filterwarnings("default")
def test_machines_that_reduce_their_own_samples():
    distributed = pytest.importorskip("distributed")
    X, Y = plain(np.random.default_rng(5), count=160)
    chunks = list(zip(np.split(X, 8, axis=1), np.split(Y, 8, axis=1), strict=True))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        problems = client.map(lambda chunk: LinearRegression(*chunk), chunks)
        while len(problems) > 1:
            pairs = [problems[i : i + 2] for i in range(0, len(problems), 2)]
            problems = client.map(LinearRegression.from_chunks, pairs)
        problem = problems[0].result()
    agree(problem, LinearRegression(X, Y))
