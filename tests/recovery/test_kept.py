"""What is kept of the last point is that of the arrays that are asked about, as they are now."""

import copy
import pickle

import numpy as np
import pytest

from fixedrank import FixedRank, MatrixCompletion
from tests.recovery.problems import KINDS, dense, dense_loss, make

SHAPE, K = (6, 5), 2


@pytest.fixture(params=KINDS)
def made(request):
    problem, matrices, values = make(request.param, SHAPE, 20, 0)
    point = FixedRank(*SHAPE, K, depth=1).random_point(rng=1)
    return problem, lambda u, s, vt: dense_loss(matrices, values, (u * s) @ vt), point


def test_arrays_that_are_changed_in_place(made):
    problem, expected, point = made
    u, s, vt = (np.array(part) for part in point)
    for change in (
        lambda: None,
        lambda: u.__imul__(2),
        lambda: u.__setitem__(slice(None), u[::-1].copy()),  # the same sum
        lambda: s.__setitem__(0, 7),
        lambda: vt.__setitem__((0, 0), -1),
    ):
        change()
        assert problem.loss((u, s, vt)) == pytest.approx(expected(u, s, vt), rel=1e-12)
        problem.gradient((u, s, vt))
        problem.line_minimum((u, s, vt), (u, vt.T))


def test_two_points_in_turn(made):
    problem, expected, point = made
    other = FixedRank(*SHAPE, K, depth=1).random_point(rng=2)
    for _ in range(2):
        for here in (point, other, (point.u, other.s, point.vt)):
            assert problem.loss(here) == pytest.approx(expected(*here), rel=1e-12)


def test_arrays_that_take_the_place_of_others_in_memory(made):
    problem, expected, point = made
    for factor in range(1, 20):
        # Freed at once, so that the next ones lie where they lay.
        here = (point.u * factor, point.s.copy(), point.vt.copy())
        assert problem.loss(here) == pytest.approx(expected(*here), rel=1e-12)
        del here


def test_a_gradient_belongs_to_its_caller(made):
    problem, expected, point = made
    for _ in range(2):
        gradient = problem.gradient(point)
        before = dense(gradient).copy()
        # The second part of a pair is the caller's own array of measurements.
        part = gradient[0] if isinstance(gradient, tuple) else getattr(gradient, "data", gradient)
        np.asarray(part)[...] = 0
        np.testing.assert_array_equal(dense(problem.gradient(point)), before)
        assert problem.loss(point) == pytest.approx(expected(*point), rel=1e-12)


def test_copies_and_parts_have_their_own():
    problem, _, _ = make("entries", SHAPE, 20, 0)
    point = FixedRank(*SHAPE, K, depth=1).random_point(rng=1)
    loss = problem.loss(point)
    training, held_out = problem.split(0.5, rng=0)
    assert training.loss(point) + held_out.loss(point) == pytest.approx(loss, rel=1e-12)
    for other in (copy.copy(problem), copy.deepcopy(problem), pickle.loads(pickle.dumps(problem))):
        assert other.loss(point) == loss
        with pytest.raises(ValueError, match="read-only"):
            other.values[0] = 5
    doubled = MatrixCompletion(problem.rows, problem.cols, 2 * problem.values, SHAPE)
    assert doubled.loss((point.u, 2 * point.s, point.vt)) == pytest.approx(4 * loss, rel=1e-12)


def test_the_callers_values_stay_its_own():
    values = np.array([1.0, 2.0])
    problem = MatrixCompletion([0, 1], [0, 1], values, (2, 2))
    values[0] = 5
    assert problem.values[0] == 1
