"""Whatever holds an array is read as float64, or refused with a reason: no function guesses."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import fixedrank as fr
from fixedrank import FixedRank, FixedRankPoint, LinearRegression, MatrixCompletion, MatrixSensing

# Whole numbers everywhere, so that no precision or type changes a value.
M, N, K = 6, 5, 2
MANIFOLD = FixedRank(M, N, K, depth=2)
W = np.arange(1.0, 31).reshape(M, N) % 7 - 3
U, S, VT = np.eye(M)[:, [1, 4]], np.array([3.0, 2.0]), np.eye(N)[[0, 3]]
POINT = FixedRankPoint(U, S, VT)
Z = MANIFOLD.projection(POINT, W)
X = np.arange(40.0).reshape(N, 8) % 11 - 4
DATA = LinearRegression(X, W @ X)
PLACES = np.array([0, 1, 2, 5]), np.array([0, 3, 4, 1])
ENTRIES = MatrixCompletion(*PLACES, np.array([1.0, 2.0, 3.0, 4.0]), (M, N))
SENSED = np.stack((W, W[::-1], W**2))
SENSING = MatrixSensing(SENSED, np.array([1.0, 2.0, 3.0]))
LAYERS = [W[:K, :], W[:3, :K], W[:M, :3]]
TIMES = np.array([0.0, 1.0, 2.0])


class Duck:
    """Something that NumPy can read as an array, and nothing more."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype)


class Interface:
    def __init__(self, array):
        self.array, self.__array_interface__ = array, array.__array_interface__


def frame(array):
    return pd.Series(array) if array.ndim == 1 else pd.DataFrame(array)


def spoiled(array, value, dtype=None):
    result = np.array(array, dtype=dtype)
    result.flat[1] = value
    return result


def masked(array):
    return np.ma.masked_array(array, np.arange(array.size).reshape(array.shape) == 1)


def two_axes(make):
    return lambda array: make(array) if array.ndim == 2 else None


READ = {
    "float32": lambda a: a.astype(np.float32),
    "longdouble": lambda a: a.astype(np.longdouble),
    "int8": lambda a: a.astype(np.int8),
    "int64": lambda a: a.astype(np.int64),
    "objects": lambda a: a.astype(object),
    "columns first": np.asfortranarray,
    "nothing masked": np.ma.masked_array,
    "data frame": two_axes(frame),
    "data frame of Float64": two_axes(lambda a: frame(a).astype("Float64")),
    "__array__": Duck,
    "__array__ of float32": lambda a: Duck(a.astype(np.float32)),
    "__array_interface__": Interface,
}
REFUSED = {
    "masked": masked,
    "masked row in a list": lambda a: [masked(a[0].ravel())] * len(a) if a.ndim > 1 else None,
    "NaN": lambda a: spoiled(a, np.nan),
    "infinite": lambda a: spoiled(a, -np.inf),
    "beyond float64": lambda a: spoiled(a, "1e4000", np.longdouble),
    "complex": lambda a: a + 1j,
    "complex objects": lambda a: spoiled(a, 1j, object),
    "text": lambda a: a.astype(str),
    "text in a list": lambda a: a.astype(str).tolist(),
    "text in objects": lambda a: spoiled(a, "1", object),
    "text in a frame": two_axes(lambda a: frame(a.astype(str))),
    "dates": lambda a: a.astype("M8[D]"),
    "missing": lambda a: spoiled(a, None, object),
    "missing in a frame": two_axes(lambda a: frame(spoiled(a, None, object)).astype("Int64")),
    "None": lambda a: None if a.ndim == 0 else {"no": "array"},
    "a string": lambda a: "array",
    "ragged": lambda a: [[1.0], [1.0, 2.0]],
}
EITHER = {
    "lists": lambda a: a.tolist(),
    "tuples": lambda a: tuple(map(tuple, a.tolist())) if a.ndim == 2 else tuple(a.tolist()),
    "csr_array": two_axes(scipy.sparse.csr_array),
    "csc_matrix": two_axes(scipy.sparse.csc_matrix),
    "coo_array of float32": two_axes(lambda a: scipy.sparse.coo_array(a.astype(np.float32))),
    "sparse integers": two_axes(lambda a: scipy.sparse.csr_array(a.astype(np.int8))),
    "operator": two_axes(aslinearoperator),
    "operator of integers": two_axes(lambda a: aslinearoperator(a.astype(int))),
}

OF_POINTS = {
    "to_matrix": MANIFOLD.to_matrix,
    "check_point": MANIFOLD.check_point,
    "retraction": lambda p: MANIFOLD.retraction(p, Z),
    "DepthOperator": lambda p: fr.DepthOperator(p, 2).eigenvalues(),
    "loss of a regression": DATA.loss,
    "loss of entries": ENTRIES.loss,
    "classify": lambda p: fr.classify(DATA, p).distance,
    "truncate": lambda p: fr.truncate(p, 1),
    "balanced_factors": lambda p: fr.balanced_factors(p, [N, K, M], rng=0),
    "imbalanced_factors": lambda p: fr.imbalanced_factors(p, [0.5], rng=0),
    "riemannian_flow": lambda p: fr.riemannian_flow(ENTRIES, p, 2, [0, 0.1]).points[-1],
}
OF_VECTORS = {
    "norm": lambda v: MANIFOLD.norm(POINT, v),
    "tangent_to_matrix": lambda v: MANIFOLD.tangent_to_matrix(POINT, v),
    "embedding": lambda v: MANIFOLD.embedding(POINT, v),
    "transport": lambda v: MANIFOLD.transport(POINT, POINT, v),
    "christoffel": lambda v: MANIFOLD.christoffel(POINT, v, Z),
    "solve": lambda v: MANIFOLD.operator(POINT).solve(v),
    "integral_inner_product": lambda v: fr.integral_inner_product(POINT, v, Z, 2),
    "projection": lambda v: MANIFOLD.projection(POINT, fr.FixedRankTangentVector(*v)),
    "hessian_product": lambda v: ENTRIES.hessian_product(POINT, v),
}
CALLS = {
    "point": (W, lambda A: MANIFOLD.to_matrix(MANIFOLD.point(A))),
    "projection": (W, lambda A: MANIFOLD.projection(POINT, A)),
    "gradient conversion": (W, lambda A: MANIFOLD.euclidean_to_riemannian_gradient(POINT, A)),
    "Hessian conversion": (W, lambda A: MANIFOLD.euclidean_to_riemannian_hessian(POINT, A, A, Z)),
    "apply": (W, MANIFOLD.operator(POINT).apply),
    "MatrixSum": (W, lambda A: MANIFOLD.projection(POINT, fr.MatrixSum(A, W))),
    "low-rank part": (W[:, :3], lambda A: MANIFOLD.projection(POINT, (A, W[:5, :3]))),
    "X": (X, lambda A: LinearRegression(A, W @ X).loss(W)),
    "Y": (X, lambda A: LinearRegression(X, A).loss(np.eye(N))),
    "X on its range": (X, lambda A: LinearRegression.on_range(A, X).C),
    "moments": (X @ X.T, lambda A: LinearRegression.from_moments(A, A, 1e4).gradient(np.eye(N))),
    "loss": (W, DATA.loss),
    "gradient": (W, DATA.gradient),
    "extend": (W, DATA.extend),
    "direction": (W, lambda A: DATA.line_minimum(0 * W, A)),
    "direction for entries": (W, lambda A: ENTRIES.line_minimum(POINT, A)),
    "loss of entries": (W, ENTRIES.loss),
    "loss of measurements": (W, SENSING.loss),
    "measured": (np.arange(3.0), lambda v: MatrixSensing(SENSED, v).values),
    "measurements": (SENSED, lambda A: MatrixSensing(A, np.ones(3)).loss(W)),
    "left of measurements": (W, lambda A: MatrixSensing((A, A), np.ones(M)).loss(np.eye(N))),
    "product": (LAYERS[0], lambda A: fr.product([A, LAYERS[1]])),
    "balancedness": (LAYERS[0], lambda A: fr.balancedness([A, LAYERS[1]])),
    "imbalance": (LAYERS[0], lambda A: fr.imbalance([A, LAYERS[1]])[0]),
    "layers of a kernel": (LAYERS[0], lambda A: fr.NetworkOperator([A, *LAYERS[1:]]).apply(W)),
    "kernel": (W, fr.NetworkOperator(LAYERS).apply),
    "network_loss": (LAYERS[0], lambda A: DATA.network_loss([A, *LAYERS[1:]])),
    "network_gradient": (LAYERS[0], lambda A: ENTRIES.network_gradient([A, *LAYERS[1:]])),
    "NetworkHessian": (
        LAYERS[0],
        lambda A: fr.NetworkHessian(DATA, [A, *LAYERS[1:]]) @ np.ones(34),
    ),
    "directions of layers": (
        LAYERS[0],
        lambda A: fr.NetworkHessian(DATA, LAYERS).apply([A, *LAYERS[1:]]),
    ),
    "classify": (W, lambda A: fr.classify(DATA, A).distance),
    "classify_factors": (LAYERS[0], lambda A: fr.classify_factors(DATA, [A, *LAYERS[1:]]).loss),
    "check_hypotheses": (
        LAYERS[0],
        lambda A: fr.check_hypotheses(DATA, [A, *LAYERS[1:]]).imbalance,
    ),
    "factored_flow": (
        LAYERS[0],
        lambda A: fr.factored_flow(ENTRIES, [A, *LAYERS[1:]], [0, 1e-3]).loss,
    ),
    "gradient_descent": (
        LAYERS[0],
        lambda A: fr.gradient_descent(ENTRIES, [A, *LAYERS[1:]], 2, step_size=1e-3).loss,
    ),
    "times": (TIMES, lambda t: fr.factored_flow(DATA, LAYERS, t, method="RK4", step=0.5).t),
    "times of closed forms": (TIMES, lambda t: fr.aligned_singular_value(1.0, 2.0, 1.0, 2, t)),
}


def flat(result):
    """Return all numbers of a result in one array."""
    if isinstance(result, (tuple, list)):
        return np.concatenate([flat(part) for part in result])
    if isinstance(result, LinearOperator):
        return flat(result @ np.eye(result.shape[1]))
    return np.ravel(result.toarray() if scipy.sparse.issparse(result) else result)


def outcome(call, value):
    """Return the answer, or the message of the error that is allowed."""
    try:
        with np.errstate(all="ignore"):
            return flat(call(value))
    except (TypeError, ValueError) as error:
        return str(error)
    except Exception as error:
        return error


def check(array, call, name=""):
    expected = flat(call(array))
    assert expected.dtype == np.float64
    wrong = []
    for kinds in (READ, REFUSED, EITHER):
        for kind, convert in kinds.items():
            value = convert(np.array(array))
            if value is None:
                continue
            found = outcome(call, value)
            said = isinstance(found, str)
            if isinstance(found, Exception):
                wrong.append(f"{name} {kind}: {found!r}")
            elif said and kinds is READ:
                wrong.append(f"{name} {kind}: refused: {found}")
            elif said and len(found) < 20:
                wrong.append(f"{name} {kind}: says no more than {found!r}")
            elif not said and kinds is REFUSED:
                wrong.append(f"{name} {kind}: accepted")
            elif not said and not (
                found.shape == expected.shape
                and np.allclose(found, expected, rtol=1e-11, atol=1e-11)
            ):
                wrong.append(f"{name} {kind}: {found} instead of {expected}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", CALLS)
def test_arrays(name):
    check(*CALLS[name])


def parts_of(triple, call):
    """Yield each part of a triple, and the call as a function of it alone."""
    for i, part in enumerate(triple):
        yield part, lambda value, i=i: call((*triple[:i], value, *triple[i + 1 :]))


@pytest.mark.parametrize("name", OF_POINTS)
def test_points(name):
    for i, (part, call) in enumerate(parts_of(POINT, OF_POINTS[name])):
        check(part, call, POINT._fields[i])


@pytest.mark.parametrize("name", OF_VECTORS)
def test_tangent_vectors(name):
    for i, (part, call) in enumerate(parts_of(Z, OF_VECTORS[name])):
        check(part, call, Z._fields[i])
