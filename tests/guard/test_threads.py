"""Hot paths give SciPy nothing that wakes the threads of its OpenBLAS.

Calls are counted, and the processor time of SciPy's threads is read where there is one: nothing
depends on how long anything takes.
"""

import functools
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg

import fixedrank
from fixedrank.flows.core import RiemannianSystem
from fixedrank.flows.stabilised import combine
from fixedrank.networks.gradients import network_gradient

ROOT = Path(fixedrank.__file__).parent.parent
# Each of the two modules has a type of its own.
FORTRAN = type(scipy.linalg.blas.dgemm), type(scipy.linalg.lapack.dpotrf)
# What stays in the calling thread, as measured with SciPy 1.15 and 1.18: rows of a square matrix,
# or numbers in the largest array. A routine that is not named here may not be called at all.
ROWS = {"dpotrf": 64, "dtrtri": 64, "dgesvd": 64, "dgesdd": 32}
NUMBERS = {"dgeqrf": 10_000, "dormqr": 10_000, "daxpy": 10_000, "dscal": 10**6}


def stays(name, arrays, options):
    """Say whether a call of a routine stays in the thread that makes it."""
    if name == "dgemm":
        first, second = (
            np.shape(part)[:: -1 if options.get(turned) else 1]
            for part, turned in zip(arrays, ("trans_a", "trans_b"), strict=False)
        )
        return first[0] * first[1] * second[1] < 1 << 19
    if name == "dtrsm":
        return arrays[1].size < 1024
    if name == "dgejsv":
        # With joba = 2 rows are exchanged in a way that wakes the threads at any size. From 32 rows
        # on they wake at joba = 0 too: the one exception, as NumPy has nothing in its place.
        return options["joba"] == 0
    if name in ("daxpy", "dscal") and options["length"]:
        return options["length"] <= NUMBERS[name]
    if name in ROWS:
        return arrays[0].shape[0] <= ROWS[name]
    return name in NUMBERS and max(part.size for part in arrays) <= NUMBERS[name]


def large_calls(function, monkeypatch):
    """Return what a function calls of scipy.linalg that may wake threads, and how often."""
    found = Counter()

    def watched(name, routine):
        @functools.wraps(routine, updated=())
        def call(*arguments, **options):
            arrays = [part for part in arguments if np.ndim(part)]
            # Vectors may be taken in pieces: the length is the first number after the arrays.
            numbers = [part for part in arguments if isinstance(part, int)]
            known = {"length": numbers[0] if numbers else None, **options}
            if not isinstance(routine, FORTRAN) or not stays(name, arrays, known):
                found[f"{name} of {[np.shape(part) for part in arrays]}"] += 1
            return routine(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        originals = {}
        for module in (scipy.linalg, scipy.linalg.blas, scipy.linalg.lapack):
            for name, routine in list(vars(module).items()):
                public = isinstance(routine, FORTRAN) or name in getattr(module, "__all__", ())
                if callable(routine) and public and not isinstance(routine, type):
                    originals[id(routine)] = name, routine
                    patch.setattr(module, name, watched(name, routine))
        # What modules of the library have under a name of their own.
        for name, module in list(sys.modules.items()):
            if name.startswith("fixedrank"):
                for own, value in list(vars(module).items()):
                    if id(value) in originals:
                        patch.setattr(module, own, watched(*originals[id(value)]))
        function()
    return found


@functools.cache
def place(m, n, k):
    """What the operations need."""
    rng = np.random.default_rng(0)
    manifold = fixedrank.FixedRank(m, n, k, depth=3)
    p, q = manifold.random_point(rng=rng), manifold.random_point(rng=rng)
    a = manifold.random_tangent_vector(p, rng=rng)
    pair = rng.standard_normal((m, k)), rng.standard_normal((n, k))
    # Derivatives of |W|^2 / 2 with respect to the factors, and along the vector.
    u, s, vt = p
    du, ds, dvt = manifold.embedding(p, a)
    W, Z = manifold.to_matrix(p), manifold.tangent_to_matrix(p, a)
    first = u * s**2, s, s[:, None] ** 2 * vt
    second = (
        (Z @ vt.T + W @ dvt.T) * s + W @ vt.T * ds,
        np.einsum("ij,ij->j", u, Z @ vt.T + W @ dvt.T) + np.einsum("ij,ij->j", du, W @ vt.T),
        s[:, None] * (u.T @ Z + du.T @ W) + ds[:, None] * (u.T @ W),
    )
    places = np.unique(rng.integers(0, m * n, 20 * (m + n)))
    rows, cols = np.unravel_index(places, (m, n))
    completion = fixedrank.MatrixCompletion(rows, cols, rng.standard_normal(rows.size), (m, n))
    regression = fixedrank.LinearRegression.from_moments(
        (pair[1], pair[1]), (pair[0], pair[1]), 1e9
    )
    system = RiemannianSystem(regression, (m, n), fixedrank.DepthMetric(3), 1e-8)
    return {
        "manifold": manifold,
        "p": p,
        "q": q,
        "Z": a,
        "pair": pair,
        "first": first,
        "second": second,
        "completion": completion,
        "posed": completion.to_pymanopt(manifold),
        "regression": regression,
        "system": system,
        "state": system.state(p.u, np.diag(p.s), p.vt.T),
        "graded": system.state(p.u, np.diag(np.geomspace(1, 1e-4, k)), p.vt.T),
    }


def velocity(system, state):
    """The right-hand side of flow (9), with the state as the start of a frame."""
    system.state(*system.split(state))
    system.right_hand_side(0.0, state)


def line_search(manifold, p, completion, posed):
    """One search along the descent direction."""
    direction = -1 * posed.riemannian_gradient(p)
    slope = -(manifold.norm(p, direction) ** 2)
    fixedrank.ExactStartLineSearcher(completion).search(
        posed.cost, manifold, p, direction, posed.cost(p), slope
    )


OPERATIONS = {
    "retraction": lambda manifold, p, Z, **_: manifold.retraction(p, Z),
    "second-order retraction": lambda manifold, p, Z, **_: manifold.second_order_retraction(
        p, 0.01 * Z
    ),
    "transport": lambda manifold, p, q, Z, **_: manifold.transport(p, q, Z),
    "projection": lambda manifold, p, pair, **_: manifold.projection(p, pair),
    "to_tangent_space": lambda manifold, p, Z, **_: manifold.to_tangent_space(p, Z),
    "embedding": lambda manifold, p, Z, **_: manifold.embedding(p, Z),
    "gradient, ambient": lambda manifold, p, pair, **_: manifold.euclidean_to_riemannian_gradient(
        p, pair
    ),
    "gradient, factors": lambda manifold, p, first, **_: manifold.euclidean_to_riemannian_gradient(
        p, first
    ),
    "Hessian, ambient": lambda manifold, p, pair, Z, **_: manifold.euclidean_to_riemannian_hessian(
        p, pair, pair, Z
    ),
    "Hessian, factors": lambda manifold, p, first, second, Z, **_: (
        manifold.euclidean_to_riemannian_hessian(p, first, second, Z)
    ),
    "random tangent vector": lambda manifold, p, **_: manifold.random_tangent_vector(p, rng=0),
    "random point": lambda manifold, **_: manifold.random_point(rng=0),
    "point of a pair": lambda manifold, pair, **_: manifold.point(pair),
    "inner product": lambda manifold, p, Z, **_: manifold.inner_product(p, Z, Z),
    "norm": lambda manifold, p, Z, **_: manifold.norm(p, Z),
    "flow (9)": lambda system, state, **_: velocity(system, state),
    "flow (9), graded": lambda system, graded, **_: velocity(system, graded),
    "point of flow (9)": lambda system, graded, **_: system.point(graded),
    "flow (5)": lambda p, regression, **_: network_gradient(
        regression.gradient_products, [p.vt, np.diag(p.s), p.u]
    ),
    "stages of a step": lambda state, **_: combine(state.copy(), 0.5, (0.1, state), (0.2, state)),
    "gradient of completion": lambda posed, p, **_: posed.riemannian_gradient(p),
    "line search of completion": lambda manifold, p, completion, posed, **_: line_search(
        manifold, p, completion, posed
    ),
}
# Thin ones on both sides of where Cholesky passes begin, and cores of all kinds of SVD.
SIZES = [(2000, 700, 3), (1100, 900, 5), (1500, 700, 20), (700, 600, 40)]


def check_calls(name, size, monkeypatch):
    """Raise an AssertionError if an operation calls SciPy with what may wake its threads."""
    operation = functools.partial(OPERATIONS[name], **place(*size))
    assert large_calls(operation, monkeypatch) == {}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_calls(name, size, monkeypatch):
    check_calls(name, size, monkeypatch)


def names_that_wake(library, *options):
    """Return the operations during which its threads ran, in a process without variables."""
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in variables}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-m", "tests.guard.library_threads", library, *options],
        cwd=Path(__file__).parents[2],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    names = json.loads(done.stdout)
    if names is None:
        pytest.skip(f"{library} has no threads here, or their times cannot be read")
    return names


def test_no_thread_of_scipy_runs():
    assert names_that_wake("scipy") == []


def test_threads_of_numpy_run_in_flows_only():
    """Here a product takes 600,000 multiplications, and those with C are left to NumPy."""
    assert [name for name in names_that_wake("numpy") if "flow" not in name] == []
