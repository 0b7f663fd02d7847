"""Public operations with no thread variable set, and with 1, 2 and 8 threads.

python docs/benchmarks/threads.py [--quick] [NAME ...]

NumPy and SciPy each bring an OpenBLAS with threads of its own, as many as the machine has cores
where no variable says otherwise. Every setting gets processes of its own, in turn; of each
operation the least time of all its processes counts. A NAME is a part of the names of operations.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np
import pymanopt
import scipy.sparse
from ensembles import whitened_regression
from problems import appendix_a, start
from timing import THREADS, describe, milliseconds

import fixedrank

SETTINGS = {"default": None, "one": "1", "two": "2", "eight": "8"}
SIZES, SMALL = [(2000, 2000, 20), (10000, 10000, 20)], [(600, 500, 6)]


def manifold_operations(m, n, k):
    """Yield the operations of a manifold."""
    rng = np.random.default_rng(0)
    manifold = fixedrank.FixedRank(m, n, k, depth=3)
    p, q = manifold.random_point(rng=rng), manifold.random_point(rng=rng)
    a, b = (0.1 * manifold.random_tangent_vector(p, rng=rng) for _ in range(2))
    pair = tuple(rng.standard_normal((size, 20)) for size in (m, n))
    sparse = scipy.sparse.random_array((m, n), density=min(1, 20 / n), rng=rng, format="csr")
    # Derivatives with respect to the factors, of the inner product of W with the pair.
    (left, right), (du, ds, dvt) = pair, manifold.embedding(p, a)
    gv, gtu, hv, htu = (
        x @ (y.T @ z)
        for x, y, z in (
            (left, right, p.vt.T),
            (right, left, p.u),
            (left, right, dvt.T),
            (right, left, du),
        )
    )
    first = gv * p.s, np.einsum("ij,ij->j", p.u, gv), (gtu * p.s).T
    second = (
        hv * p.s + gv * ds,
        np.einsum("ij,ij->j", p.u, hv) + np.einsum("ij,ij->j", du, gv),
        (htu * p.s + gtu * ds).T,
    )
    operations = {
        "retraction": lambda: manifold.retraction(p, a),
        "second-order retraction": lambda: manifold.second_order_retraction(p, a),
        "transport": lambda: manifold.transport(p, q, a),
        "random tangent vector": lambda: manifold.random_tangent_vector(p, rng=rng),
        "random point": lambda: manifold.random_point(rng=rng),
        "inner product": lambda: manifold.inner_product(p, a, b),
        "norm": lambda: manifold.norm(p, a),
        "a + 0.3 b": lambda: a + 0.3 * b,
        "projection, low rank": lambda: manifold.projection(p, pair),
        "projection, sparse": lambda: manifold.projection(p, sparse),
        "to tangent space": lambda: manifold.to_tangent_space(p, a),
        "embedding": lambda: manifold.embedding(p, a),
        "gradient, low rank": lambda: manifold.euclidean_to_riemannian_gradient(p, pair),
        "gradient, factors": lambda: manifold.euclidean_to_riemannian_gradient(p, first),
        "Hessian, low rank": lambda: manifold.euclidean_to_riemannian_hessian(p, pair, pair, a),
        "Hessian, factors": lambda: manifold.euclidean_to_riemannian_hessian(p, first, second, a),
        "Christoffel term": lambda: manifold.christoffel(p, a, b),
        "sectional curvature": lambda: manifold.sectional_curvature(p, a, b),
        "point, low rank": lambda: manifold.point(pair),
        "retraction, then dot": lambda: (manifold.retraction(p, a), pair[0].T.dot(p.u)),
    }
    for name, function in operations.items():
        yield f"{name} ({m}, {n}, {k})", function


def geodesics(m, n, k):
    """Yield exp, log and parallel transport."""
    manifold = fixedrank.FixedRank(m, n, k, depth=3)
    p = manifold.random_point(rng=0)
    a, b = (0.1 * manifold.random_tangent_vector(p, rng=seed) for seed in (1, 2))
    q = manifold.exp(p, a)
    yield f"exp ({m}, {n}, {k})", lambda: manifold.exp(p, a)
    yield f"parallel transport ({m}, {n}, {k})", lambda: manifold.parallel_transport(p, a, b)
    yield f"log ({m}, {n}, {k})", lambda: manifold.log(p, q)


def optimisers(size, k):
    """Yield runs of pymanopt's optimisers on a completion, and what they call."""
    rng = np.random.default_rng(0)
    truth = fixedrank.FixedRank(size, size, k, depth=2).random_point(rng=rng)
    places = np.unique(rng.integers(0, size * size, 6 * 2 * size * k))
    rows, cols = np.unravel_index(places, (size, size))
    values = np.einsum("ij,ij->i", (truth.u * truth.s)[rows], truth.vt.T[cols])
    problem = fixedrank.MatrixCompletion(rows, cols, values, (size, size))
    manifold = fixedrank.FixedRank(size, size, k, depth=2)
    first = problem.initial_point(k)
    posed = problem.to_pymanopt(manifold)
    Z = manifold.random_tangent_vector(first, rng=rng)
    label = f"({size}, {size}, {k})"
    yield f"completion, loss {label}", lambda: problem.loss(first)
    yield f"completion, gradient {label}", lambda: posed.riemannian_gradient(first)
    yield f"completion, line minimum {label}", lambda: problem.line_minimum(first, Z)
    yield f"completion, initial point {label}", lambda: problem.initial_point(k)

    def run(kind, limit, **options):
        optimizer = kind(max_iterations=limit, verbosity=0, log_verbosity=0, **options)
        return lambda: optimizer.run(posed, initial_point=first)

    exact = {"line_searcher": fixedrank.ExactStartLineSearcher(problem)}
    yield f"conjugate gradient {label}", run(pymanopt.optimizers.ConjugateGradient, 15)
    yield (
        f"conjugate gradient, exact start {label}",
        run(pymanopt.optimizers.ConjugateGradient, 15, **exact),
    )
    yield f"steepest descent {label}", run(pymanopt.optimizers.SteepestDescent, 15)
    yield f"trust regions {label}", run(pymanopt.optimizers.TrustRegions, 4)


def sensing(size, k):
    """Yield gradients of sensing problems."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((20 * size, size)) for _ in range(2))
    problem = fixedrank.MatrixSensing((left, right), rng.standard_normal(20 * size))
    manifold = fixedrank.FixedRank(size, size, k, depth=2)
    point, posed = manifold.random_point(rng=rng), problem.to_pymanopt(manifold)
    yield f"sensing, gradient ({size}, {size}, {k})", lambda: posed.riemannian_gradient(point)


def flows(d, rank, depth, last):
    """Yield both flows in the paper's general setting, their comparison, and descent."""
    problem, factors = appendix_a(d, rank, depth)
    _, point = start(factors)
    label = f"d = {d}, r = {rank}, N = {depth}, t <= {last:g}"
    for method, rtol in (("auto", 1e-6), ("DOP853", 1e-6), ("ROCK4", 1e-4)):
        options = {"method": method, "rtol": rtol, "atol": rtol / 100}
        yield (
            f"flow (9), {method}, {label}",
            lambda options=options: fixedrank.riemannian_flow(
                problem, point, depth, [0, last], **options
            ),
        )
        yield (
            f"flow (5), {method}, {label}",
            lambda options=options: fixedrank.factored_flow(problem, factors, [0, last], **options),
        )
    yield (
        f"gradient descent, {label}",
        lambda: fixedrank.gradient_descent(problem, factors, 100),
    )


def graded_flow(d, rank, last):
    """Yield flow (9) from singular values that are spread widely."""
    rng = np.random.default_rng(0)
    problem, _ = appendix_a(d, rank, 3)
    manifold = fixedrank.FixedRank(d, d, rank, depth=3)
    point = manifold.random_point(rng=rng)._replace(s=np.geomspace(1, 1e-6, rank))
    yield (
        f"flow (9), graded start, d = {d}, r = {rank}",
        lambda: fixedrank.riemannian_flow(problem, point, 3, [0, last], rtol=1e-6),
    )


def landscape(d):
    """Yield what looks at critical points, and ensembles."""
    problem = whitened_regression(d)
    point = fixedrank.global_minimizer(problem, d).point
    yield f"global minimizer, d = {d}", lambda: fixedrank.global_minimizer(problem, d)
    yield f"classify, d = {d}", lambda: fixedrank.classify(problem, point)
    experiment = fixedrank.Experiment(problem, [d] * 3)
    yield (
        f"ensemble, d = {d}",
        lambda: fixedrank.run_ensemble(experiment, range(20), workers=1),
    )


def cases(quick):
    """Yield the parts, each a generator of (name, function)."""
    for size in SMALL if quick else SIZES:
        yield manifold_operations, size
    yield geodesics, ((50, 40, 2) if quick else (1000, 800, 5))
    yield optimisers, ((300, 4) if quick else (1500, 10))
    yield sensing, ((30, 2) if quick else (100, 5))
    yield flows, ((20, 2, 5, 0.1) if quick else (200, 20, 10, 0.05))
    yield graded_flow, ((20, 6, 0.2) if quick else (200, 20, 0.3))
    yield landscape, (5,)


def measure(quick, wanted, seconds):
    """Return the least time of each operation in this process."""
    least = {}
    for part, arguments in cases(quick):
        for name, function in part(*arguments):
            if not any(word in name for word in wanted or [""]):
                continue
            function()
            began, times = time.perf_counter(), []
            while len(times) < (1 if quick else 3) or time.perf_counter() - began < seconds:
                before = time.perf_counter()
                function()
                times.append(time.perf_counter() - before)
            least[name] = min(times)
    return least


def in_a_process(threads, quick, wanted, seconds):
    """Return the same from a process with this many threads."""
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    if threads is not None:
        environment.update(dict.fromkeys(THREADS, threads))
    command = [sys.executable, __file__, "--measure", str(seconds), *["--quick"] * quick, *wanted]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def run(quick=False, wanted=()):
    """Return the table."""
    rounds, seconds = (1, 0.01) if quick else (3, 0.15)
    settings = dict(list(SETTINGS.items())[:2]) if quick else SETTINGS
    least = {setting: {} for setting in settings}
    for _ in range(rounds):
        for setting, threads in settings.items():
            for name, taken in in_a_process(threads, quick, wanted, seconds).items():
                least[setting][name] = min(taken, least[setting].get(name, taken))
    lines = [f"{'':60}" + "".join(f"{setting:>10}" for setting in settings)]
    for name, one in least["one"].items():
        ratios = (
            f"{milliseconds(one) if setting == 'one' else f'{found[name] / one:.2f}':>10}"
            for setting, found in least.items()
        )
        lines.append(f"{name:60}" + "".join(ratios))
    return "\n".join(lines)


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="small sizes and short times")
    parser.add_argument("--measure", type=float, metavar="SECONDS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        print(json.dumps(measure(options.quick, options.names, options.measure)))
        return
    print(describe())
    print(run(options.quick, options.names))


if __name__ == "__main__":
    main()
