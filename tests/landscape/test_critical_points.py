"""Critical points of L^1 on M_k: all of them, in order, with the spectrum of their Hessian."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import (
    FixedRank,
    LinearRegression,
    critical_points,
    global_minimizer,
    riemannian_flow,
)
from fixedrank.landscape.subsets import best_subsets
from tests.geometry.dense import matrix
from tests.landscape.data import VALUES, problem_with


@given(
    values=st.lists(st.floats(0, 100) | st.sampled_from([1.0, 2.0]), max_size=7),
    data=st.data(),
)
def test_subsets_come_by_descending_sum_each_once(values, data):
    values = sorted(values, reverse=True)
    k = data.draw(st.integers(0, len(values)))
    found = list(best_subsets(values, k))
    assert sorted(found) == list(itertools.combinations(range(len(values)), k))
    sums = [math.fsum(values[i] for i in subset) for subset in found]
    assert all(a >= b - 1e-12 * sum(values) for a, b in itertools.pairwise(sums))


@pytest.mark.parametrize(("d_y", "d_x"), [(4, 6), (6, 4), (4, 4)])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_they_are_those_of_the_paper(d_y, d_x, k):
    problem, U, V, root = problem_with(VALUES, d_y, d_x)
    found = {critical.indices: critical for critical in critical_points(problem, k)}
    assert set(found) == set(itertools.combinations(range(4), k))
    for subset, critical in found.items():
        J = list(subset)
        W = (U[:, J] * VALUES[J]) @ V[:, J].T @ np.linalg.inv(root)
        np.testing.assert_allclose(matrix(critical.point), W, rtol=0, atol=1e-12)
        assert critical.loss == pytest.approx(problem.loss(W), rel=1e-12)
    losses = [critical.loss for critical in critical_points(problem, k)]
    assert losses == sorted(losses)
    assert global_minimizer(problem, k).indices == tuple(range(k))


def dense_spectrum(problem, critical, depth):
    """Eigenvalues of the form of second derivatives of the loss along geodesic-free curves.

    At a critical point the second derivative of the loss along any curve on M_k depends on its
    velocity only: here along best rank-k approximations of W + t Z, by finite differences.
    """
    m, n = problem.shape
    manifold = FixedRank(m, n, critical.point.s.size, depth=depth)
    W, k = matrix(critical.point), critical.point.s.size

    def loss(Z, t):
        u, s, vt = np.linalg.svd(W + t * Z)
        return problem.loss((u[:, :k] * s[:k]) @ vt[:k])

    def second(Z, h=2e-3):
        centre = -30 * loss(Z, 0) + 16 * (loss(Z, h) + loss(Z, -h))
        return (centre - loss(Z, 2 * h) - loss(Z, -2 * h)) / (12 * h**2)

    ambient = [manifold.projection(critical.point, unit.reshape(m, n)) for unit in np.eye(m * n)]
    gram = [[manifold.inner_product(critical.point, a, b) for b in ambient] for a in ambient]
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-9 * values[-1]
    dense = np.array([manifold.tangent_to_matrix(critical.point, a).ravel() for a in ambient]).T
    basis = (dense @ vectors[:, kept] / np.sqrt(values[kept])).T.reshape(-1, m, n)
    single = [second(Z) for Z in basis]
    form = np.diag(single)
    for i, j in itertools.combinations(range(len(basis)), 2):
        form[i, j] = form[j, i] = (second(basis[i] + basis[j]) - single[i] - single[j]) / 2
    return np.linalg.eigvalsh(form)


@pytest.mark.parametrize("depth", [1, 2, 3, 2.5, 20])
@pytest.mark.parametrize(("d_y", "d_x", "k"), [(2, 3, 1), (3, 2, 2), (3, 3, 2)])
def test_the_spectrum_is_that_of_second_derivatives(d_y, d_x, k, depth):
    problem, *_ = problem_with(VALUES[: min(d_y, d_x)], d_y, d_x)
    for critical in critical_points(problem, k):
        spectrum = critical.hessian_spectrum(depth)
        expected = dense_spectrum(problem, critical, depth)
        np.testing.assert_allclose(spectrum, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("depth", [1, 2, 1000])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_index_and_nullity_count_eigenvalues_with_ties(k, depth):
    problem, *_ = problem_with(np.array([3.0, 2.0, 2.0, 1.0]), 5, 6)
    for critical in critical_points(problem, k):
        spectrum = critical.hessian_spectrum(depth)
        size = np.abs(spectrum).max()
        assert spectrum.size == k * (11 - k)
        assert (spectrum < -1e-9 * size).sum() == critical.morse_index
        assert (np.abs(spectrum) <= 1e-9 * size).sum() == critical.nullity
        assert critical.kind == ("strict saddle" if critical.morse_index else "global minimum")


@pytest.mark.parametrize("depth", [2, 3])
def test_infinite_depth_where_the_metric_exists(depth):
    """The weights of large N, divided by N, tend to those of infinite depth."""
    problem, *_ = problem_with(VALUES[:depth], depth, depth)
    best = global_minimizer(problem, depth)
    np.testing.assert_allclose(
        best.hessian_spectrum(1e7) / 1e7, best.hessian_spectrum(math.inf), rtol=1e-5
    )


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_the_flow_ends_at_the_predicted_rate(depth):
    problem, *_ = problem_with(VALUES, 4, 5)
    best = global_minimizer(problem, 2)
    rate = best.convergence_rate(depth)
    start = FixedRank(4, 5, 2, depth=depth).point(matrix(best.point) + 0.05)
    t = np.array([0.0, 8.0, 12.0]) / rate
    flow = riemannian_flow(problem, start, depth, t, rtol=1e-12, atol=1e-14)
    away = [np.linalg.norm(matrix(point) - matrix(best.point)) for point in flow.points]
    assert np.log(away[1] / away[2]) / (t[2] - t[1]) == pytest.approx(rate, rel=1e-2)


def test_a_saddle_has_no_rate_of_convergence():
    problem, *_ = problem_with(VALUES, 4, 5)
    saddle = list(critical_points(problem, 1))[1]
    with pytest.raises(ValueError, match=r"J = \(1,\) is a strict saddle of index 1"):
        saddle.convergence_rate(2)


def test_above_the_rank_of_q_there_are_none():
    problem, *_ = problem_with(VALUES[:2], 4, 5)
    assert problem.rank == 2
    assert list(critical_points(problem, 3)) == []
    with pytest.raises(ValueError, match="rank k = 3: Q has rank q = 2"):
        global_minimizer(problem, 3)


@pytest.mark.parametrize("function", [critical_points, global_minimizer])
def test_bad_ranks(function):
    problem = LinearRegression(np.eye(3), np.eye(3)[:2])
    with pytest.raises(ValueError, match=r"k = 3 is larger than min\(d_y, d_x\) = 2"):
        function(problem, 3)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        function(problem, 0)
    with pytest.raises(TypeError, match=r"k must be an integer, got 1\.5"):
        function(problem, 1.5)
    with pytest.raises(ValueError, match=r"depth must be a real number N >= 1.*0"):
        global_minimizer(problem, 1).hessian_spectrum(0)
