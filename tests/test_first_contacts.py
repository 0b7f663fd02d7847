"""What a first attempt gets wrong is said together with what works, and what works was tried."""

import numpy as np
import pymanopt
import pytest
import scipy.sparse

import fixedrank
from fixedrank import FixedRank, FixedRankPoint, LinearRegression, MatrixCompletion, MatrixSum

M, N = 4, 3
MANIFOLD = FixedRank(M, N, 2, depth=2)
POINT = MANIFOLD.random_point(rng=0)
Z = MANIFOLD.random_tangent_vector(POINT, rng=1)
TARGET = np.random.default_rng(2).standard_normal((M, N))
PROBLEM = LinearRegression(np.eye(N), TARGET)
W = MANIFOLD.to_matrix(POINT)


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((3, 3, 1), {}, r"FixedRank\(m, n, k, \*, depth\): missing.*'depth'.*depth=1 is the embed"),
        ((3, 3, 1, 2), {}, "positional.*depth=2"),
        ((3, 3), {"depth": 2}, "missing.*'k'"),
        ((3, 3, 1), {"N": 2}, r"FixedRank\(m, n, k, \*, depth\)"),
    ],
)
def test_arguments_of_a_manifold(arguments, named, message):
    with pytest.raises(TypeError, match=message) as caught:
        FixedRank(*arguments, **named)
    assert "Matrices" not in str(caught.value)
    assert "__init__" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda start: fixedrank.riemannian_flow(PROBLEM, start, 2, [0, 1]),
        lambda start: MANIFOLD.exp(start, Z),
        lambda start: MANIFOLD.retraction(start, Z),
        MANIFOLD.to_matrix,
        lambda start: fixedrank.balanced_factors(start, [N, 2, M]),
        lambda start: fixedrank.rank_increase(PROBLEM, start),
        lambda start: pymanopt.optimizers.ConjugateGradient(verbosity=0).run(
            PROBLEM.to_pymanopt(MANIFOLD), initial_point=start
        ),
    ],
)
@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array, np.ndarray.tolist])
def test_a_matrix_where_a_point_is_meant(call, kind):
    with pytest.raises((TypeError, ValueError), match=r"manifold\.point\(W\)"):
        call(kind(W))


def test_a_matrix_of_three_rows_is_no_point_either():
    manifold = FixedRank(3, 3, 2, depth=2)
    problem = LinearRegression(np.eye(3), np.eye(3)).to_pymanopt(manifold)
    for call in (problem.cost, manifold.to_matrix, lambda A: manifold.to_matrix(A.tolist())):
        with pytest.raises((TypeError, ValueError), match=r"manifold\.point\(W\)"):
            call(np.eye(3))


def test_a_tangent_vector_where_a_point_is_meant():
    for vector in (Z, tuple(Z)):
        with pytest.raises((TypeError, ValueError), match=r"tangent_to_matrix\(point, Z\)"):
            MANIFOLD.to_matrix(vector)


def test_a_single_time():
    factors = fixedrank.balanced_factors(POINT, [N, 2, M], rng=0)
    for call in (
        lambda t: fixedrank.riemannian_flow(PROBLEM, POINT, 2, t),
        lambda t: fixedrank.factored_flow(PROBLEM, factors, t),
        lambda t: fixedrank.compare_flows(PROBLEM, factors, t),
    ):
        with pytest.raises(ValueError, match=r"t must have 1 axes.*linspace\(0, 1, 11\); got 1.0"):
            call(1.0)
        call(np.linspace(0, 1, 11))


OTHERS = {
    "array": 0.1 * W,
    "sparse": scipy.sparse.csr_array(W),
    "point": POINT,
    "pair": (POINT.u * POINT.s, POINT.vt.T),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_gradient_plus_something(name):
    gradient, other = PROBLEM.gradient(POINT), OTHERS[name]
    for add in (
        lambda: gradient + other,
        lambda: other + gradient,
        lambda: gradient - other,
        lambda: other - gradient,
    ):
        with pytest.raises(TypeError, match=r"MatrixSum\(G, "):
            add()


def test_what_is_advised_is_the_sum():
    G, c = PROBLEM.gradient(POINT), 0.1
    u, s, vt = POINT
    expected = G.toarray() + c * W
    for total in (MatrixSum(G, c * W), MatrixSum(G, (c * u * s, vt.T))):
        np.testing.assert_allclose(total.toarray(), expected, rtol=0, atol=1e-14)
    # Sums of operators go on as they were.
    np.testing.assert_allclose((G + G - 3 * G) @ np.eye(N), -G.toarray(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("factor", [0.1, 2, np.float64(0.1), np.array(0.1)])
def test_points_do_not_add_or_scale(factor):
    """Those of tuples would repeat and join their arrays."""
    for call in (
        lambda: factor * POINT,
        lambda: POINT * factor,
        lambda: POINT / factor,
        lambda: POINT + POINT,
        lambda: POINT - POINT,
        lambda: TARGET + POINT,
        lambda: MatrixCompletion(TARGET).gradient(POINT) + POINT,
    ):
        with pytest.raises(TypeError, match=r"MatrixSum\(G, \(c \* u \* s, vt\.T\)\)"):
            call()


@pytest.mark.parametrize("size", [3, 4])
def test_pairs_do_not_add_or_scale(size):
    """A pair of as many columns as there are rows would broadcast with a square matrix."""
    A = np.random.default_rng(0).standard_normal((3, size, size))
    L, R = A[:2]
    problem = fixedrank.MatrixSensing((L, R), np.ones(size))
    gradient = problem.gradient(A[2])
    for call in (
        lambda: gradient + 0.1 * A[2],
        lambda: 0.1 * A[2] + gradient,
        lambda: gradient - A[2],
        lambda: 2 * gradient,
    ):
        with pytest.raises(TypeError, match=r"MatrixSum\(\(L, R\), c \* W\)"):
            call()
    left, right = gradient
    np.testing.assert_allclose(
        MatrixSum(gradient, 0.1 * A[2]).toarray(), left @ right.T + 0.1 * A[2], atol=1e-14
    )


def test_derivatives_and_points_where_a_tangent_vector_is_meant():
    for call, message in (
        (lambda: MANIFOLD.norm(POINT, POINT), "euclidean_to_riemannian_gradient"),
        (lambda: MANIFOLD.exp(POINT, MANIFOLD.embedding(POINT, Z)), r"projection\(point, dir"),
        (lambda: MANIFOLD.to_matrix(MANIFOLD.embedding(POINT, Z)), "a way of moving a point"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ma.masked_array(TARGET, TARGET > 0), r"masked entries.*\.filled\(value\).*Completion"),
        (scipy.sparse.csr_array(TARGET), r"csr_array.*FixedRank\(m, n, k, depth=N\)\.point\(W\)"),
        ((np.ones((M, 1)), np.ones((N, 1))), r"factors.*\.point\(W\) is a point"),
        (TARGET.astype(str), "real numbers.*dtype <U"),
        (Z, "tangent_to_matrix"),
    ],
)
@pytest.mark.parametrize("problem", [PROBLEM, MatrixCompletion(TARGET)], ids=["X, Y", "entries"])
def test_a_loss_of_something_else(problem, value, message):
    for ask in (problem.loss, problem.gradient):
        with pytest.raises(TypeError, match=message):
            ask(value)


@pytest.mark.parametrize(
    "factors", [None, 3.0, "layers", {"W": np.eye(2)}, W, scipy.sparse.csr_array(W), POINT]
)
def test_factors_that_are_no_list(factors):
    with pytest.raises(TypeError, match=r"factors must be a list \[W_1, \.\.\., W_N\]"):
        fixedrank.product(factors)


def test_a_point_where_layers_are_meant():
    with pytest.raises(TypeError, match=r"balanced_factors\(point, widths\)"):
        fixedrank.factored_flow(PROBLEM, POINT, [0, 1])


def test_a_named_point_in_another_shape():
    with pytest.raises(ValueError, match=r"\(4, 3\), got \(3, 4\)"):
        MANIFOLD.projection(POINT, FixedRankPoint(POINT.vt.T, POINT.s, POINT.u.T))
