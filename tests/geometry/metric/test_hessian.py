"""The Riemannian Hessian: by definition, as a derivative, and the laws that it obeys."""

import math
import tracemalloc

import autograd
import autograd.numpy as anp
import mpmath
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from fixedrank import FixedRank, FixedRankPoint
from tests.geometry import dense
from tests.geometry.chart import chart, exact
from tests.geometry.dense import hessian
from tests.strategies import depths, points, seeds, shapes

# Costs of W, of floats or of numbers with many digits, with a target and a matrix of data.


def determinant(matrix):
    if len(matrix) == 1:
        return matrix[0, 0]
    minors = (np.delete(np.arange(len(matrix)), i) for i in range(len(matrix)))
    return sum(
        (-1) ** i * matrix[i, 0] * determinant(matrix[rows, 1:]) for i, rows in enumerate(minors)
    )


def logarithm(x):
    return mpmath.log(x) if isinstance(x, mpmath.mpf) else anp.log(x)


def regression(W, target, data):
    return (((W - target) @ data) ** 2).sum() / 2


def quartic(W, target, data):
    del data
    return ((W.T @ W - target.T @ target) ** 2).sum() / 4 + (W * target).sum()


def log_determinant(W, target, data):
    del data
    return logarithm(determinant(W.T @ W + 2 * np.eye(W.shape[1], dtype=int))) + (W * target).sum()


COSTS = {"regression": regression, "quartic": quartic, "log det": log_determinant}


def target_and_data(m, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, n)), rng.standard_normal((n, n + 1))


def hessian_from_factors(manifold, point, function, Z):
    """Hess f[Z] from the derivatives of (u, s, vt) -> f((u * s) @ vt)."""
    pair = dense.factor_derivatives(
        lambda u, s, vt: function((u * s) @ vt), point, manifold.embedding(point, Z)
    )
    return manifold.euclidean_to_riemannian_hessian(point, *pair, Z)


FORMS = {"matrices": hessian, "factors": hessian_from_factors}


@st.composite
def places(draw, vectors=1, low=1e-12, high=10.0):
    """Draw a manifold, infinite depth included, a point, tangent vectors of length 1, a cost."""
    m, n, k = shape = draw(shapes(square=draw(st.booleans())))
    limit = st.just(math.inf) if m == n == k else st.nothing()
    manifold = FixedRank(m, n, k, depth=draw(depths() | limit))
    point = draw(points(shape, low, high))
    rng = np.random.default_rng(draw(seeds))
    unit = [manifold.random_tangent_vector(point, rng=rng) for _ in range(vectors)]
    target, data = rng.standard_normal((m, n)), rng.standard_normal((n, n + 1))
    cost = draw(st.sampled_from([regression, quartic]))
    return manifold, point, *unit, lambda W: cost(W, target, data)


# By definition

CASES = [
    *dense.CASES,
    ((1e3, 1e-3), 3, 2, 3),
    ((1.0, 1e-12), 3, 2, 3),
    ((1e-12, 1.0), 2, 3, 20),
    ((1e-6, 1e-12), 2, 2, 1.3),
    ((1.0, 1e-12), 2, 2, math.inf),
]


WELL_CONDITIONED = [case for case in CASES if min(case[0]) >= 1]


@pytest.mark.parametrize(
    ("s", "m", "n", "depth", "name"),
    [(*case, name) for case in CASES for name in ("regression", "quartic")]
    # Automatic differentiation of a determinant of large and small numbers loses digits.
    + [(*case, "log det") for case in WELL_CONDITIONED],
)
def test_covariant_hessian_in_the_chart(s, m, n, depth, name):
    reference = chart(s, m, n, depth)
    manifold = FixedRank(m, n, len(s), depth=depth)
    target, data = target_and_data(m, n)
    parts = exact(target), exact(data)
    expected = reference.hessian(lambda W: COSTS[name](W, *parts))
    # The form in a basis that is orthonormal in the metric; round-off of entry (i, j) in relation
    # to the largest entries of row i and of row j.
    lengths = reference.lengths
    form = (expected / np.outer(lengths, lengths)).astype(float)
    largest = np.sqrt(np.abs(form).max(axis=1))
    for compute in FORMS.values():
        computed = [
            reference.coordinates(
                compute(manifold, reference.point, lambda W: COSTS[name](W, target, data), unit)
            )
            for unit in map(reference.vector, np.diag(1 / lengths))
        ]
        error = np.abs(np.array(computed) * lengths - form)
        assert (error <= 100 * dense.EPS * np.outer(largest, largest)).all()


# As a derivative

# Differences of sixth order.
SLOPE = {-3: -1 / 60, -2: 9 / 60, -1: -45 / 60, 1: 45 / 60, 2: -9 / 60, 3: 1 / 60}
SECOND = np.array([2, -27, 270, -490, 270, -27, 2]) / 180


@given(place=places(low=0.5, high=2))
def test_covariant_derivative_of_the_gradient(place):
    manifold, point, Z, function = place
    Z = Z / (4 * dense.factor_norm(Z))
    gradient = autograd.grad(function)

    def vector(t):
        end = manifold.retraction(point, t * Z)
        W = manifold.to_matrix(end)
        return manifold.tangent_to_matrix(
            end, manifold.euclidean_to_riemannian_gradient(end, gradient(W))
        )

    # Sixth order in the step: relative errors of its sixth power, with constants of some hundred
    # for singular values in [1/2, 2], and of EPS / step.
    step = 0.005
    rate = sum(c * vector(i * step) for i, c in SLOPE.items()) / step
    here = manifold.euclidean_to_riemannian_gradient(point, gradient(dense.matrix(point)))
    expected = manifold.projection(point, rate) + manifold.christoffel(point, Z, here)
    error = manifold.norm(point, hessian(manifold, point, function, Z) - expected)
    scale = manifold.norm(point, manifold.projection(point, rate)) + manifold.norm(point, here)
    assert error <= 1e-9 * scale


@given(place=places(low=0.5, high=2))
def test_second_derivative_along_geodesics(place):
    # The second-order retraction leaves along a geodesic; what it adds in third order is odd.
    manifold, point, Z, function = place
    Z = Z / (4 * dense.factor_norm(Z))
    step = 0.01
    values = [
        function(manifold.to_matrix(manifold.second_order_retraction(point, i * step * Z)))
        for i in range(-3, 4)
    ]
    second = SECOND @ values / step**2
    form = manifold.inner_product(point, hessian(manifold, point, function, Z), Z)
    # Round-off of the values is divided by the square of the step.
    scale = np.abs(values).max() + abs(form)
    assert abs(form - second) <= 1e-8 * scale


@pytest.mark.parametrize(("m", "n", "k"), [(5, 4, 2), (4, 4, 4)])
@pytest.mark.parametrize("depth", [2, 3, 20, 2.5])
def test_second_derivative_along_the_exponential(m, n, k, depth):
    manifold = FixedRank(m, n, k, depth=depth)
    point = manifold.random_point(rng=0)._replace(s=np.linspace(2, 1, k))
    target, data = target_and_data(m, n)
    Z = manifold.random_tangent_vector(point, rng=1)
    Z = Z * (0.05 / dense.factor_norm(Z))

    def function(W):
        return regression(W, target, data)

    values = [
        function(manifold.to_matrix(manifold.exp(point, i * Z, rtol=1e-12))) for i in range(-3, 4)
    ]
    second = SECOND @ values
    form = manifold.inner_product(point, hessian(manifold, point, function, Z), Z)
    assert form == pytest.approx(second, rel=1e-6)


@given(place=places(vectors=2, low=0.1))
def test_at_critical_points_no_connection_matters(place):
    # At the best rank-k approximation W of a target T the second derivative of |W - T|^2 / 2 is
    # |Z|^2 + 2 <Up S^{-1} Vp^T, W - T> for every metric.
    manifold, point, X, Z, _ = place
    m, n, k = manifold.m, manifold.n, manifold.k
    u, s, vt = point
    rest = np.random.default_rng(0).standard_normal((m, n))
    rest = rest - u @ (u.T @ rest)
    rest = rest - (rest @ vt.T) @ vt if min(m, n) > k else 0 * rest
    target = dense.matrix(point) + rest

    def function(W):
        return ((W - target) ** 2).sum() / 2

    turned = [(a.Up / s) @ b.Vp.T for a, b in ((X, Z), (Z, X))]
    expected = np.vdot(dense.tangent(point, X), dense.tangent(point, Z))
    expected -= sum(np.vdot(rest, part) for part in turned)
    for compute in FORMS.values():
        computed = compute(manifold, point, function, Z)
        error = abs(manifold.inner_product(point, computed, X) - expected)
        assert error <= 1e-13 * manifold.norm(point, computed)


# Depth one


@given(place=places(low=0.1))
def test_embedded_hessian(place):
    # P_T D^2 f[Z] and the curvature of M_k, G_n Z^T W^{+T} + W^{+T} Z^T G_n with the normal part
    # G_n of the gradient (Absil, Mahony, Trumpf, 2013).
    manifold, point, Z, function = place
    k = manifold.k
    W, ambient = dense.matrix(point), dense.tangent(point, Z)
    G, second = dense.euclidean_derivatives(function, W, ambient)
    left, right = dense.projectors(W, k)
    normal = (np.eye(manifold.m) - left) @ G @ (np.eye(manifold.n) - right)
    pseudo = np.linalg.pinv(W).T
    expected = dense.projection(W, k, second)
    expected += normal @ ambient.T @ pseudo + pseudo @ ambient.T @ normal
    embedded = FixedRank(manifold.m, manifold.n, k, depth=1)
    scale = np.linalg.norm(second)
    scale += np.linalg.norm(G) * np.linalg.norm(ambient) / point.s.min()
    for compute in FORMS.values():
        computed = dense.tangent(point, compute(embedded, point, function, Z))
        assert np.linalg.norm(computed - expected) <= 1e-12 * scale


# Laws


def of_the_gradient(place, form):
    """What derivatives with respect to factors hold beside the Hessian: the gradient over s.

    It is subtracted; what is left has the weights of the metric, s^(2-2/N) beside two vectors.
    """
    manifold, point, *_, function = place
    size = np.linalg.norm(autograd.grad(function)(dense.matrix(point)))
    return size * point.s.min() ** min(0, 1 - 2 / manifold.depth) if form == "factors" else 0.0


@given(place=places(vectors=2), form=st.sampled_from(list(FORMS)))
def test_self_adjoint(place, form):
    manifold, point, X, Z, function = place
    of_x, of_z = (FORMS[form](manifold, point, function, vector) for vector in (X, Z))
    difference = manifold.inner_product(point, of_x, Z) - manifold.inner_product(point, X, of_z)
    scale = manifold.norm(point, of_x) + manifold.norm(point, of_z) + of_the_gradient(place, form)
    assert abs(difference) <= 1e-13 * scale


@given(
    place=places(vectors=2),
    form=st.sampled_from(list(FORMS)),
    numbers=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
)
def test_linear(place, form, numbers):
    manifold, point, X, Z, function = place
    a, b = numbers
    of_x, of_z, of_sum = (
        FORMS[form](manifold, point, function, vector) for vector in (X, Z, a * X + b * Z)
    )
    error = manifold.norm(point, of_sum - (a * of_x + b * of_z))
    scale = abs(a) * manifold.norm(point, of_x) + abs(b) * manifold.norm(point, of_z)
    assert error <= 1e-13 * (scale + (abs(a) + abs(b)) * of_the_gradient(place, form))


@given(place=places())
def test_both_forms_agree(place):
    manifold, point, Z, function = place
    expected = hessian(manifold, point, function, Z)
    error = manifold.norm(point, hessian_from_factors(manifold, point, function, Z) - expected)
    scale = manifold.norm(point, expected) + of_the_gradient(place, "factors")
    assert error <= 1e-13 * scale


@given(place=places(), seed=seeds)
def test_transposition_and_order_of_the_singular_values(place, seed):
    manifold, (u, s, vt), Z, function = place
    order = np.random.default_rng(seed).permutation(s.size)
    other = FixedRankPoint(vt.T[:, order], s[order], u.T[order])
    turned = manifold.zero_vector((u, s, vt))._replace(
        Up=Z.Vp[:, order], M=Z.M.T[np.ix_(order, order)], Vp=Z.Up[:, order]
    )
    transposed = FixedRank(manifold.n, manifold.m, manifold.k, depth=manifold.depth)
    expected = hessian(manifold, (u, s, vt), function, Z)
    up, core, vp = hessian(transposed, other, lambda W: function(W.T), turned)
    back = np.argsort(order)
    difference = expected - (vp[:, back], core.T[np.ix_(back, back)], up[:, back])
    assert manifold.norm((u, s, vt), difference) <= 1e-13 * manifold.norm((u, s, vt), expected)


def test_the_zero_vector():
    manifold = FixedRank(5, 4, 2, depth=3)
    point = manifold.random_point(rng=0)
    target, data = target_and_data(5, 4)
    for compute in FORMS.values():
        result = compute(
            manifold, point, lambda W: regression(W, target, data), manifold.zero_vector(point)
        )
        assert not any(part.any() for part in result)


# Kinds of matrices


def test_every_kind_of_matrix():
    manifold = FixedRank(6, 5, 2, depth=3)
    point = manifold.random_point(rng=0)
    Z = manifold.random_tangent_vector(point, rng=1)
    rng = np.random.default_rng(2)
    low_rank = [
        tuple(rng.standard_normal(shape) for shape in ((6, 2), (2, 3), (5, 3))) for _ in range(2)
    ]
    arrays = [left @ core @ right.T for left, core, right in low_rank]
    expected = manifold.euclidean_to_riemannian_hessian(point, *arrays, Z)
    kinds = [
        lambda array, _: array,
        lambda array, _: scipy.sparse.csc_array(array),
        lambda array, _: aslinearoperator(array),
        lambda _, parts: (parts[0] @ parts[1], parts[2]),
        lambda _, parts: parts,
    ]
    for first in kinds:
        for second in kinds:
            pair = first(arrays[0], low_rank[0]), second(arrays[1], low_rank[1])
            computed = manifold.euclidean_to_riemannian_hessian(point, *pair, Z)
            assert manifold.norm(point, computed - expected) <= 1e-14 * manifold.norm(
                point, expected
            )


SIZE, RANK = 20_000, 3
# The factors of a point and of a vector take 2 MB, an m x n array 3200 MB.
LIMIT = 40e6


@pytest.mark.parametrize("kind", ["sparse", "pair", "operator", "factors"])
def test_peak_memory(kind):
    manifold = FixedRank(SIZE, SIZE, RANK, depth=3)
    point = u, s, vt = manifold.random_point(rng=0)
    Z = manifold.random_tangent_vector(point, rng=1)
    # The derivatives of |W|^2 / 2: W, and the identity on Z.
    identity = scipy.sparse.eye_array(SIZE, format="csr")
    matrices = {
        "sparse": (identity, identity),
        "operator": (aslinearoperator(identity), aslinearoperator(identity)),
        "pair": ((u * s, vt.T), (np.hstack((u @ Z.M + Z.Up, u)), np.hstack((vt.T, Z.Vp)))),
        "factors": dense.factor_derivatives(
            lambda u, s, vt: anp.sum(((u * s).T @ (u * s)) * (vt @ vt.T)) / 2,
            point,
            manifold.embedding(point, Z),
        ),
    }[kind]
    tracemalloc.start()
    try:
        manifold.euclidean_to_riemannian_hessian(point, *matrices, Z)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < LIMIT
