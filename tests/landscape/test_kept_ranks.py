"""Pivots that the imbalances keep loose: on constructed critical points, along flows, by widths."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fixedrank import (
    LinearRegression,
    check_hypotheses,
    classify_factors,
    factored_flow,
    gaussian_factors,
    imbalance,
    product,
    random_balanced_factors,
)
from fixedrank.landscape.kept_ranks import kept_loose_pivot
from fixedrank.losses.hessian import NetworkHessian
from tests.geometry.dense import orthonormal
from tests.landscape.data import deficient_point, problem_with


def lowest_rate(problem, layers):
    hessian = NetworkHessian(problem, layers)
    matrix = hessian @ np.eye(hessian.shape[0])
    return np.linalg.eigvalsh((matrix + matrix.T) / 2)[[0, -1]]


SHAPES = [
    [2, 2, 2, 2],
    [3, 3, 3, 3],
    [2, 4, 4, 3],
    [4, 3, 3, 2],
    [3, 2, 3, 3, 3],
    [2, 2, 2, 2, 2, 2],
]


@given(st.sampled_from(SHAPES), st.integers(0, 2**20), st.data())
def test_on_critical_points_below_the_best_rank(widths, seed, data):
    """No tightened pivot is said to be kept loose, and where one is kept the saddle is strict."""
    depth = len(widths) - 1
    rank = data.draw(st.integers(0, min(widths) - 1))
    zeros = data.draw(st.sets(st.integers(1, depth), min_size=2, max_size=depth))
    problem, layers = deficient_point(widths, rank, zeros, seed)
    found = classify_factors(problem, layers)
    kept = kept_loose_pivot(layers)
    lowest, highest = lowest_rate(problem, layers)
    assert found.gradient_norm <= found.tolerance
    assert found.rank == rank
    if len(zeros) > 2:
        assert found.kind == "non-strict saddle"
        assert kept is None
        assert lowest > -1e-9 * max(highest, 1)
    if kept:
        assert found.kind == "strict saddle"
        assert lowest < -1e-9 * highest
        i, j = kept
        between = product([np.eye(widths[j]), *layers[j : i - 1]])
        outside = product([*layers[i:], problem.B.T, *layers[: j - 1]])
        assert np.linalg.matrix_rank(between, 1e-9) > rank
        assert np.linalg.matrix_rank(outside, 1e-9) > rank


def test_the_middle_layer_of_three_is_kept_invertible():
    """Strict saddles of rank below the best, on leaves with D_1 > 0, and W_2 along flows there."""
    rng = np.random.default_rng(0)
    for seed in range(4):
        problem, layers = deficient_point([3, 3, 3, 3], 1, {1, 3}, seed)
        # The same product with a smaller first layer.
        size = 1.5 * np.linalg.norm(layers[0], 2) / np.linalg.svd(layers[1])[1][-1]
        layers = [layers[0] / size, layers[1], layers[2] * size]
        assert np.linalg.eigvalsh(imbalance(layers)[0])[0] > 0
        assert kept_loose_pivot(layers) == (3, 1)
        assert lowest_rate(problem, layers)[0] < 0
        assert classify_factors(problem, layers).kind == "strict saddle"

        start = gaussian_factors([3, 3, 3, 3], scale=0.3, rng=rng)
        start[1] = start[1] + 2 * orthonormal(rng, 3, 3)
        least = np.linalg.eigvalsh(imbalance(start)[0])[0]
        assert least > 0.1
        flow = factored_flow(problem, start, np.linspace(0, 5, 11))
        for there in flow.factors:
            assert kept_loose_pivot(there) == (3, 1)
            assert np.linalg.svd(there[1])[1][-1] ** 2 > least * (1 - 1e-6)


@given(
    st.sampled_from([[2, 2, 2, 2], [3, 4, 4, 3], [2, 3, 3, 3, 2], [3, 1, 1, 1, 1, 2]]),
    st.integers(0, 2**20),
)
def test_kept_along_flows(widths, seed):
    problem, *_ = problem_with(np.array([2.0, 1.0]), widths[-1], widths[0])
    start = gaussian_factors(widths, scale=0.7, rng=seed)
    squares = [np.linalg.eigvalsh(matrix) for matrix in imbalance(start)]
    assume(min(abs(values).min() for values in squares) > 1e-4)
    end = factored_flow(problem, start, [0, 2.0], rtol=1e-10).factors[-1]
    assert kept_loose_pivot(end) == kept_loose_pivot(start)


def gathered(widths, seeds=200):
    return [
        kept_loose_pivot(gaussian_factors(widths, rng=seed)) is not None for seed in range(seeds)
    ]


@pytest.mark.parametrize(
    "widths",
    [
        # N = 3 and a hidden width of at least 2 r - 1, next to the smaller one of d_x and d_y.
        [2, 3, 3, 2],
        [2, 2, 3, 2],
        [3, 3, 5, 3],
        [4, 2, 3, 3],
        [3, 3, 2, 5],
        # N = 4 and hidden widths of at least 3 r - 2 + |d_x - d_y|.
        [2, 4, 4, 4, 2],
        [3, 7, 7, 7, 3],
        [3, 5, 5, 5, 2],
        # Hidden widths of one.
        [3, 1, 1, 2],
        [2, 1, 1, 1, 1, 1, 3],
    ],
)
def test_widths_of_which_almost_every_start_is_covered(widths):
    assert all(gathered(widths))


def test_other_widths_are_covered_in_part():
    shapes = [[2, 2, 2, 2], [3, 4, 4, 3], [2, 3, 3, 3, 2]]
    # Three layers with d_x other than d_y, to which theorem 2 was not carried over.
    shapes += [[3, 2, 2, 4], [3, 3, 2, 2]]
    for widths in shapes:
        assert {True, False} == set(gathered(widths))


@given(st.sampled_from([*SHAPES, [2, 5, 3, 4]]), st.integers(0, 2**20), st.floats(-150, 150))
def test_units_and_transposition(widths, seed, power):
    layers = gaussian_factors(widths, rng=seed)
    kept = kept_loose_pivot(layers)
    assert kept_loose_pivot([10**power * layer for layer in layers]) == kept
    other = kept_loose_pivot([layer.T for layer in reversed(layers)])
    assert (other is None) == (kept is None)


@pytest.mark.parametrize("widths", SHAPES)
def test_balanced_and_zero_layers_keep_nothing(widths):
    for seed in range(20):
        assert kept_loose_pivot(random_balanced_factors(widths, rng=seed)) is None
    assert kept_loose_pivot([np.zeros((2, 2))] * 3) is None


def test_definite_imbalances_in_unimodal_order():
    """The layers between have full rank whatever the layers at the free imbalance D_a are."""
    rng = np.random.default_rng(0)
    for free in range(1, 5):
        scales = [1.5 ** -abs(j - (free + 0.5)) * 4 for j in range(1, 6)]
        layers = [
            scale * orthonormal(rng, 3, 3) @ np.diag(rng.uniform(0.95, 1.05, 3)) for scale in scales
        ]
        signs = [np.sign(np.linalg.eigvalsh(matrix)) for matrix in imbalance(layers)]
        assert all((sign == 1).all() for sign in signs[: free - 1])
        assert all((sign == -1).all() for sign in signs[free:])
        assert kept_loose_pivot(layers) == (5, 1)


def test_the_report_says_what_is_promised_or_why_nothing_is():
    problem, *_ = problem_with(np.array([2.0, 1.0]), 2, 3)
    start = gaussian_factors([3, 2, 3, 2], rng=0)
    row = check_hypotheses(problem, start).theorems[-1]
    assert row.applies
    assert row.kind == "partial answer"
    assert "not refereed" in row.statement
    assert "global minimum of L^N" in row.statement

    square, *_ = problem_with(np.array([3.0, 2.0, 1.0]), 3, 3)
    for h in (2, 3):
        open_ones = (gaussian_factors([3, h, h, 3], rng=seed) for seed in range(50))
        start_there = next(layers for layers in open_ones if kept_loose_pivot(layers) is None)
        row = check_hypotheses(square, start_there).theorems[-1]
        assert row.applies
        assert f"have rank {h - 1} with" in row.statement
    for widths in ([3, 3, 3, 3], [3, 4, 4, 3], [3, 2, 2, 2, 3]):
        open_ones = (gaussian_factors(widths, rng=seed) for seed in range(50))
        start_there = next(layers for layers in open_ones if kept_loose_pivot(layers) is None)
        # A leaf of lower tightened points has a singular D_2.
        start_there[2][:, 0] = start_there[1][0] = 0
        row = check_hypotheses(square, start_there).theorems[-1]
        assert (row.applies, row.statement.split(",")[0]) == (
            False,
            "the imbalances keep no pivot from being tightened",
        )

    balanced = random_balanced_factors([3, 2, 3, 2], rng=0)
    row = check_hypotheses(problem, balanced).theorems[-1]
    assert (row.applies, row.kind) == (False, "partial answer")
    assert "keep no pivot" in row.statement

    for values in ([1.0, 1.0], [1.0]):
        tied, *_ = problem_with(np.array(values), 2, 3)
        row = check_hypotheses(tied, start).theorems[-1]
        assert not row.applies
        assert "singular values of Q are equal" in row.statement
    names = [
        t.name
        for t in check_hypotheses(LinearRegression(np.eye(2), np.eye(2)), [np.eye(2)] * 2).theorems
    ]
    assert "Conjecture" not in names
