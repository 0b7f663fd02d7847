"""The guard notices what it is there for: each check meets a deliberately bad implementation."""

import sys

import numpy as np
import pytest
import scipy.linalg

import fixedrank
from fixedrank import _linear_algebra
from fixedrank.flows.core import RiemannianSystem
from fixedrank.geometry.factored import retraction, tangent
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.losses.moment_loss import MomentLoss
from tests.guard import (
    test_columns,
    test_evaluations,
    test_growth,
    test_outputs,
    test_steps,
    test_threads,
)

needs_monitoring = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12"
)


def dense_retraction(point, vector):
    """An SVD of the m x n matrix, by a basis of its range."""
    W = (point.u * point.s) @ point.vt + tangent.to_matrix(point, vector)
    k = point.s.size
    basis = np.linalg.qr(W @ np.hstack((point.vt.T, vector.Vp)))[0]
    left, s, right = np.linalg.svd(basis.T @ W, full_matrices=False)
    return FixedRankPoint(basis @ left[:, :k], s[:k], right[:k])


def square_transport(start, end, vector):
    """The projection with u @ u.T, m x m."""
    left = vector.Up + start.u @ vector.M
    right = vector.Vp
    gv = left @ (start.vt @ end.vt.T) + start.u @ (right.T @ end.vt.T)
    gtu = start.vt.T @ (left.T @ end.u) + right @ (start.u.T @ end.u)
    return FixedRankTangentVector(
        gv - (end.u @ end.u.T) @ gv, end.u.T @ gv, gtu - end.vt.T @ (end.vt @ gtu)
    )


def products_from_the_left(self, left, core, right):
    """The gradient W C - B as an m x n array, multiplied from the left."""
    W = left @ right.T if core is None else left @ core @ right.T
    G = (self.C @ W.T).T - self.B @ np.eye(self.shape[1])
    return G @ right, G.T @ left


def test_the_bad_implementations_are_right():
    """Only their cost is wrong."""
    arguments = test_growth.place(9, 7)
    manifold, p, q, Z = (arguments[name] for name in ("manifold", "p", "q", "Z"))
    near = dense_retraction(p, Z)
    assert np.allclose(manifold.to_matrix(near), manifold.to_matrix(manifold.retraction(p, Z)))
    for part, expected in zip(square_transport(p, q, Z), manifold.transport(p, q, Z), strict=True):
        assert np.allclose(part, expected)
    problem = fixedrank.LinearRegression(np.eye(7), np.ones((9, 7)))
    factors = p.u, np.diag(p.s), p.vt.T
    pairs = zip(
        products_from_the_left(problem, *factors), problem.gradient_products(*factors), strict=True
    )
    assert all(np.allclose(part, expected) for part, expected in pairs)


@pytest.mark.parametrize(
    ("module", "name", "bad"),
    [(retraction, "retract", dense_retraction), (tangent, "transport", square_transport)],
)
def test_large_arrays_are_noticed(monkeypatch, module, name, bad):
    operation, blocks = test_growth.OPERATIONS["retraction" if bad is dense_retraction else name]
    test_growth.check_growth(operation, blocks)
    monkeypatch.setattr(module, name, bad)
    with pytest.raises(AssertionError):
        test_growth.check_growth(operation, blocks)
    with pytest.raises(AssertionError):
        # Nor does it pass as growth, where the size is left out.
        test_growth.check_growth(operation, 1e9)


def test_dense_products_are_noticed(monkeypatch):
    test_columns.test_flow_of_the_product(9, 6, 2, 3)
    monkeypatch.setattr(MomentLoss, "gradient_products", products_from_the_left)
    with pytest.raises(AssertionError):
        test_columns.test_flow_of_the_product(9, 6, 2, 3)
    with pytest.raises(AssertionError):
        test_columns.test_flow_of_the_layers(9, 6, 2, 3)


@needs_monitoring
def test_a_loop_over_depth_is_noticed(monkeypatch):
    """Weights by a loop over N."""

    def in_a_loop(self, s):
        depth = int(self.depth)
        p, weights = s ** (2 / depth), 0
        for l in range(depth):
            weights += np.outer(p ** (depth - 1 - l), p**l)
        return weights

    operation, _ = test_steps.OPERATIONS["velocity"]
    test_steps.check_depths(operation, (3, 4))
    # A function of the library's own, as far as the count can tell.
    code = in_a_loop.__code__.replace(co_filename=RiemannianSystem.state.__code__.co_filename)
    in_a_loop.__code__ = code
    monkeypatch.setattr(fixedrank.DepthMetric, "tangential", in_a_loop)
    with pytest.raises(AssertionError):
        test_steps.check_depths(operation, (3, 4))


@needs_monitoring
def test_more_calls_are_noticed(monkeypatch):
    """A retraction that is checked once more by a few calls."""
    operation, most = test_steps.OPERATIONS["retraction"]
    test_steps.check_steps(operation, most)
    good = fixedrank.FixedRank.retraction

    def checked(self, point, vector):
        self.check_point(point)
        return good(self, point, vector)

    monkeypatch.setattr(fixedrank.FixedRank, "retraction", checked)
    with pytest.raises(AssertionError):
        test_steps.check_steps(operation, most)


@needs_monitoring
def test_more_calls_in_a_flow_are_noticed(monkeypatch):
    """A velocity that looks at its point as the record of an output does."""
    good = RiemannianSystem.right_hand_side

    def looked_at(self, t, state):
        self.point(state)
        return good(self, t, state)

    monkeypatch.setattr(RiemannianSystem, "right_hand_side", looked_at)
    with pytest.raises(AssertionError):
        test_steps.check_small_flow("product", *test_steps.FLOWS["product"])


@pytest.mark.parametrize(("kind", "setting", "most"), test_evaluations.CASES[::3])
def test_more_evaluations_are_noticed(kind, setting, most):
    """What is limited by stability takes more by an explicit method."""
    with pytest.raises(AssertionError):
        test_evaluations.check_flow(kind, setting, "DOP853", most)


@needs_monitoring
@pytest.mark.parametrize(("kind", "most"), test_outputs.CASES)
def test_records_of_single_states_are_noticed(monkeypatch, kind, most):
    monkeypatch.setattr(MomentLoss, "_at_once", 1)
    with pytest.raises(AssertionError):
        test_outputs.check_steps(kind, most)


def whole_product(sign, result, tall, thin):
    """A product added by one call, whatever its size."""
    scipy.linalg.blas.dgemm(sign, thin.T, tall.T, 1.0, result.T, overwrite_c=1)


def solve(triangle, right):
    """What wakes SciPy's threads at any size."""
    return scipy.linalg.lapack.dtrtrs(triangle, right)[0]


def one_svd(matrix):
    """The SVD by SciPy, at any size."""
    return scipy.linalg.svd(matrix)


@pytest.mark.parametrize(
    ("operation", "name", "bad"),
    [
        ("retraction", "triangular_solve", solve),
        ("transport", "add_product", whole_product),
        ("flow (9)", "divided_svd", one_svd),
    ],
)
def test_calls_that_wake_threads_are_noticed(monkeypatch, operation, name, bad):
    size = test_threads.SIZES[-2]
    test_threads.check_calls(operation, size, monkeypatch)
    monkeypatch.setattr(_linear_algebra, name, bad)
    with pytest.raises(AssertionError):
        test_threads.check_calls(operation, size, monkeypatch)


@pytest.mark.parametrize(("library", "name"), [("numpy", "transport"), ("scipy", "retraction")])
def test_threads_that_run_are_noticed(library, name):
    assert test_threads.names_that_wake(library, "bad") == [name]
