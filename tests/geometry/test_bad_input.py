"""What is wrong is said, with sizes and values."""

import math

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

from fixedrank import DepthOperator, FixedRank, integral_inner_product

M, N, K = 6, 5, 2


@pytest.fixture
def manifold():
    return FixedRank(M, N, K, depth=3)


@pytest.fixture
def point(manifold):
    return manifold.random_point(rng=0)


@pytest.fixture
def Z(manifold, point):
    return manifold.random_tangent_vector(point, rng=1)


@pytest.fixture(autouse=True)
def no_warnings_on_the_way_to_the_error():
    with np.errstate(all="ignore"):
        yield


# Sizes and depths


@pytest.mark.parametrize(
    ("m", "n", "k", "error", "message"),
    [
        (3, 2, 3, ValueError, r"k = 3 exceeds min\(m, n\) = min\(3, 2\) = 2"),
        (0, 2, 1, ValueError, "m must be at least 1, got 0"),
        (3, -1, 1, ValueError, "n must be at least 1, got -1"),
        (3, 2, 0, ValueError, "k must be at least 1, got 0"),
        (3.0, 2, 1, TypeError, "m must be an integer, got 3.0"),
        (3, "2", 1, TypeError, "n must be an integer, got '2'"),
        (3, 2, True, TypeError, "k must be an integer, got True"),
        (3, 2, None, TypeError, "k must be an integer, got None"),
    ],
)
def test_sizes(m, n, k, error, message):
    with pytest.raises(error, match=message):
        FixedRank(m, n, k, depth=2)


@pytest.mark.parametrize(
    ("depth", "error"),
    [
        (0, ValueError),
        (0.999, ValueError),
        (-2, ValueError),
        (math.nan, ValueError),
        (-math.inf, ValueError),
        ("3", TypeError),
        (None, TypeError),
        (True, TypeError),
        (2 + 0j, TypeError),
        ([2], TypeError),
        (np.array([2.0]), TypeError),
    ],
)
def test_depths(depth, error, point, Z):
    for call in (
        lambda: FixedRank(M, N, K, depth=depth),
        lambda: DepthOperator(point, depth),
        lambda: integral_inner_product(point, Z, Z, depth),
    ):
        with pytest.raises(error, match=r"depth must be a real number N >= 1 or math.inf, got"):
            call()


def test_numpy_numbers_are_numbers():
    manifold = FixedRank(np.int64(4), np.int32(3), np.int8(2), depth=np.float32(2))
    assert repr(manifold) == "FixedRank(4, 3, 2, depth=2)"


@pytest.mark.parametrize(("m", "n", "k"), [(3, 3, 2), (4, 3, 3), (3, 4, 3)])
def test_infinite_depth_needs_invertible_matrices(m, n, k):
    message = f"k = m = n .*got m = {m}, n = {n}, k = {k}"
    with pytest.raises(ValueError, match=message):
        FixedRank(m, n, k, depth=math.inf)
    with pytest.raises(ValueError, match=message):
        DepthOperator(FixedRank(m, n, k, depth=2).random_point(rng=0), math.inf)


# Points


def changed(value, index, part):
    return tuple(part if i == index else old for i, old in enumerate(value))


def spoiled(array, entry):
    array = np.array(array)
    array.flat[1] = entry
    return array


@pytest.mark.parametrize(
    ("index", "change", "error", "message"),
    [
        (0, lambda u: np.vstack((u, 0 * u)), ValueError, r"\(12, 2\)"),
        (0, lambda u: u[:, :1], ValueError, r"\(6, 1\), \(2,\), \(2, 5\)"),
        (0, lambda u: u[0], ValueError, r"u, s, vt have shapes \(2,\), \(2,\), \(2, 5\)"),
        (1, lambda s: s[:1], ValueError, r"\(1,\)"),
        (1, np.diag, ValueError, r"u, s, vt have shapes \(6, 2\), \(2, 2\)"),
        (1, lambda s: -s, ValueError, "singular values must be positive, .* smallest is -"),
        (1, lambda s: 0 * s, ValueError, "singular values must be positive, .* 0.000e"),
        (0, lambda u: spoiled(u, np.nan), ValueError, r"u has 1 entries .* index \(0, 1\): nan"),
        (1, lambda s: spoiled(s, np.inf), ValueError, r"s has 1 entries .* index \(1,\): inf"),
        (2, lambda vt: spoiled(vt, -np.inf), ValueError, r"vt has 1 entries .* -inf"),
        (0, lambda u: 1.001 * u, ValueError, "columns of u must be orthonormal, .* 2.001e-03"),
        (2, lambda vt: 2 * vt, ValueError, r"rows of vt must be orthonormal, .* 3.000e\+00"),
        (0, lambda u: u[:, [0, 0]], ValueError, r"columns of u must be orthonormal, .* 1.000e\+00"),
        (0, lambda u: u.astype(complex), TypeError, "u must be real, but has dtype complex128"),
        (1, lambda s: np.array(["a", "b"]), TypeError, "s must be an array of real numbers"),
        (2, lambda vt: "vt", TypeError, "vt must be an array of real numbers"),
    ],
)
def test_points(manifold, point, index, change, error, message):
    bad = changed(point, index, change(point[index]))
    with pytest.raises(error, match=message):
        manifold.check_point(bad)
    if "12" not in message:  # an operator takes its sizes from the point
        with pytest.raises(error, match=message):
            DepthOperator(bad, 3)


@pytest.mark.parametrize("bad", [None, 3.0, "point", np.eye(6, 5), (np.eye(6, 2), np.ones(2))])
def test_not_a_point(manifold, bad):
    for call in (manifold.check_point, lambda value: DepthOperator(value, 3)):
        with pytest.raises(TypeError, match=r"a point is a tuple \(u, s, vt\)"):
            call(bad)


def test_a_point_of_another_manifold(manifold):
    other = FixedRank(5, 6, 2, depth=3).random_point(rng=0)
    message = r"6x5 matrices of rank 2 has shapes \(6, 2\), \(2,\), \(2, 5\), got .*\(2, 6\)"
    with pytest.raises(ValueError, match=message):
        manifold.check_point(other)
    with pytest.raises(ValueError, match=message):
        manifold.operator(other)


# Methods with a point, a second point and a tangent vector

METHODS = {
    "inner_product": lambda m, p, q, Z: m.inner_product(p, Z, Z),
    "norm": lambda m, p, q, Z: m.norm(p, Z),
    "to_tangent_space": lambda m, p, q, Z: m.to_tangent_space(p, Z),
    "embedding": lambda m, p, q, Z: m.embedding(p, Z),
    "retraction": lambda m, p, q, Z: m.retraction(p, Z),
    "transport": lambda m, p, q, Z: m.transport(p, q, Z),
    "tangent_to_matrix": lambda m, p, q, Z: m.tangent_to_matrix(p, Z),
    "apply": lambda m, p, q, Z: m.operator(p).apply(Z),
    "solve": lambda m, p, q, Z: m.operator(p).solve(Z),
    "integral_inner_product": lambda m, p, q, Z: integral_inner_product(p, Z, Z, 3),
}
POINT_METHODS = {
    "projection": lambda m, p: m.projection(p, np.ones((M, N))),
    "gradient": lambda m, p: m.euclidean_to_riemannian_gradient(p, np.ones((M, N))),
    "to_matrix": lambda m, p: m.to_matrix(p),
    "random_tangent_vector": lambda m, p: m.random_tangent_vector(p, rng=0),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("entry", [np.nan, np.inf])
@pytest.mark.parametrize("index", range(3))
def test_vectors_that_are_not_finite(manifold, point, Z, name, entry, index):
    bad = changed(Z, index, spoiled(Z[index], entry))
    with pytest.raises(ValueError, match=r"(?i)nan|infinite"):
        METHODS[name](manifold, point, point, bad)


def call_at(bad, manifold, name, point, Z):
    """Call a method by name at a bad point."""
    if name in METHODS:
        return METHODS[name](manifold, bad, point, Z)
    return POINT_METHODS[name](manifold, bad)


# An inner product reads s alone, a projection only u and vt.
READ_BY = dict.fromkeys([*METHODS, *POINT_METHODS], (0, 1, 2))
READ_BY |= dict.fromkeys(["inner_product", "norm"], (1,))
READ_BY |= dict.fromkeys(
    ["to_tangent_space", "projection", "tangent_to_matrix", "transport"], (0, 2)
)


@pytest.mark.parametrize(
    ("name", "index"), [(name, index) for name, indices in READ_BY.items() for index in indices]
)
@pytest.mark.parametrize("entry", [np.nan, np.inf])
def test_points_that_are_not_finite(manifold, point, Z, name, index, entry):
    bad = changed(point, index, spoiled(point[index], entry))
    with pytest.raises(ValueError, match=r"(?i)nan|infinite"):
        call_at(bad, manifold, name, point, Z)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("index", "shape", "shown"),
    [
        (0, (N, K), r"\(5, 2\)"),
        (1, (K, K + 1), r"\(2, 3\)"),
        (2, (N,), r"\(5,\)"),
        (2, (N, 1), r"\(5, 1\)"),
        (0, (0, K), r"\(0, 2\)"),
    ],
)
def test_shapes_of_vectors(manifold, point, Z, name, index, shape, shown):
    with pytest.raises(ValueError, match=shown):
        METHODS[name](manifold, point, point, changed(Z, index, np.zeros(shape)))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("bad", [None, "Z", (np.zeros((M, K)), np.zeros((K, K)))])
def test_not_a_vector(manifold, point, name, bad):
    message = r"tangent vector|\(Up, M, Vp\)|ambient matrix (is|must)|low-rank"
    with pytest.raises((TypeError, ValueError), match=message):
        METHODS[name](manifold, point, point, bad)


@pytest.mark.parametrize("name", METHODS)
def test_complex_vectors(manifold, point, Z, name):
    with pytest.raises(TypeError, match=r"real.*complex128"):
        METHODS[name](manifold, point, point, changed(Z, 1, 1j * Z.M))


@pytest.mark.parametrize("name", METHODS)
def test_strings_in_vectors(manifold, point, Z, name):
    with pytest.raises((TypeError, ValueError), match=r"real numbers|convert string"):
        METHODS[name](manifold, point, point, changed(Z, 1, "ab"))


@pytest.mark.parametrize("name", [*METHODS, *POINT_METHODS])
@pytest.mark.parametrize("bad", [None, "point", (np.eye(M, K), np.ones(K))])
def test_not_a_point_in_any_method(manifold, Z, point, name, bad):
    with pytest.raises((TypeError, ValueError), match=r"a point (is|of)"):
        call_at(bad, manifold, name, point, Z)


@pytest.mark.parametrize("name", [*METHODS, *POINT_METHODS])
def test_complex_points(manifold, Z, point, name):
    bad = changed(point, 0, point.u * 1j)
    with pytest.raises(TypeError, match=r"real.*complex128"):
        call_at(bad, manifold, name, point, Z)


def test_the_integral_names_the_vector(point, Z):
    with pytest.raises(
        ValueError, match=r"Z2 at a 6x5 matrix of rank 2 has shapes \(6, 2\), \(2, 2\), \(5, 2\)"
    ):
        integral_inner_product(point, Z, changed(Z, 0, np.zeros((3, 2))), 3)


# Ambient matrices

TAKES_AMBIENT = {
    "point": lambda m, p, W: m.point(W),
    "projection": lambda m, p, W: m.projection(p, W),
    "gradient": lambda m, p, W: m.euclidean_to_riemannian_gradient(p, W),
    "apply": lambda m, p, W: m.operator(p).apply(W),
}
DENSE = np.random.default_rng(0).standard_normal((M, N))
KINDS = {
    "array": np.asarray,
    "sparse": scipy.sparse.csr_array,
    "operator": aslinearoperator,
}


@pytest.mark.parametrize("name", TAKES_AMBIENT)
@pytest.mark.parametrize("kind", KINDS)
def test_shapes_of_ambient_matrices(manifold, point, name, kind):
    with pytest.raises(ValueError, match=r"\(6, 5\), got \(5, 6\)"):
        TAKES_AMBIENT[name](manifold, point, KINDS[kind](DENSE.T))


@pytest.mark.parametrize("name", TAKES_AMBIENT)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entry", [np.nan, np.inf])
def test_ambient_matrices_that_are_not_finite(manifold, point, name, kind, entry):
    with pytest.raises(ValueError, match=r"(?i)nan|infinite"):
        TAKES_AMBIENT[name](manifold, point, KINDS[kind](spoiled(DENSE, entry)))


@pytest.mark.parametrize("name", TAKES_AMBIENT)
@pytest.mark.parametrize("kind", KINDS)
def test_complex_ambient_matrices(manifold, point, name, kind):
    with pytest.raises(TypeError, match=r"real.*complex128"):
        TAKES_AMBIENT[name](manifold, point, KINDS[kind](DENSE * (1 + 1j)))


@pytest.mark.parametrize("name", TAKES_AMBIENT)
@pytest.mark.parametrize("bad", [None, "matrix", 3.0, {1: 2}])
def test_unknown_ambient_kinds(manifold, point, name, bad):
    with pytest.raises((TypeError, ValueError), match=r"(ambient matrix is|W must)"):
        TAKES_AMBIENT[name](manifold, point, bad)


LOW_RANK = ["point", "projection", "gradient"]


@pytest.mark.parametrize("name", LOW_RANK)
@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        (((M, 2), (N, 3)), r"\(6, 2\).*\(5, 3\)"),
        (((N, 2), (M, 2)), r"\(6, 5\), got \(5, 6\)"),
        (((M, 2), (3, 2), (N, 2)), r"\(6, 2\).*\(3, 2\).*\(5, 2\)"),
    ],
)
def test_low_rank_matrices_of_wrong_shapes(manifold, point, name, parts, shown):
    with pytest.raises(ValueError, match=shown):
        TAKES_AMBIENT[name](manifold, point, tuple(np.ones(shape) for shape in parts))


@pytest.mark.parametrize("name", LOW_RANK)
def test_low_rank_matrices_that_are_not_finite(manifold, point, name):
    with pytest.raises(ValueError, match=r"(?i)nan|infinite"):
        TAKES_AMBIENT[name](manifold, point, (np.full((M, 1), np.nan), np.ones((N, 1))))


# Derivatives with respect to the factors


def test_factor_derivatives_of_wrong_shapes(manifold, point):
    u, s, vt = point
    message = r"shapes \(6, 2\), \(2,\), \(2, 5\), got \(6, 2\), \(2,\), \(5, 2\)"
    with pytest.raises(ValueError, match=message):
        manifold.euclidean_to_riemannian_gradient(point, (u, s, vt.T))


@pytest.mark.parametrize("entry", [np.nan, np.inf])
@pytest.mark.parametrize("index", range(3))
def test_factor_derivatives_that_are_not_finite(manifold, point, entry, index):
    u, s, vt = point
    triple = (u * s, s, s[:, None] * vt)
    with pytest.raises(ValueError, match=r"(?i)nan|infinite"):
        manifold.euclidean_to_riemannian_gradient(
            point, changed(triple, index, spoiled(triple[index], entry))
        )


def test_complex_factor_derivatives(manifold, point):
    u, s, vt = point
    with pytest.raises(TypeError, match=r"real.*complex128"):
        manifold.euclidean_to_riemannian_gradient(point, (u * s * 1j, s, s[:, None] * vt))


# Arguments without a place


def test_the_depth_has_to_be_named():
    with pytest.raises(TypeError, match="depth"):
        FixedRank(M, N, K)
    with pytest.raises(TypeError, match="positional"):
        FixedRank(M, N, K, 3)


@pytest.mark.parametrize("rng", ["seed", -1, 1.5])
def test_seeds(manifold, point, rng):
    for call in (manifold.random_point, lambda rng: manifold.random_tangent_vector(point, rng=rng)):
        with pytest.raises((TypeError, ValueError), match=r"(?i)seed|non-negative|integer"):
            call(rng=rng)
