"""One gradient of the loss of the network with respect to all layers, beside autodiff.

python docs/benchmarks/gradients.py [--quick]

Measured is processor time, that of all threads, the median over turns of several calls; jax has
compiled before.
"""

import time

import numpy as np
from autodiff import (
    differentiated,
    on_products,
    on_samples,
    own_arrays,
    packages,
    through_narrowest,
)
from problems import data
from timing import main

import fixedrank
from fixedrank.networks.gradients import network_gradient


def in_turn(functions, calls, seconds):
    """Return the median processor time of each function, called several times in each turn.

    2026-11-26: a single call right after one of another package took up to twice as long as in a
    row, as its instructions and data were no longer in the caches.
    """
    for function in functions:
        function()
    times = [[] for _ in functions]
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        for function, kept in zip(functions, times, strict=True):
            start = time.process_time()
            for _ in range(calls):
                function()
            kept.append((time.process_time() - start) / calls)
    return [float(np.median(kept)) for kept in times]


def one_gradient(d, rank, depth, calls, seconds=6.0):
    """Yield the lines of one setting, each way called `calls` times in a row."""
    X, Y, factors = data(d, rank, depth)
    problem = fixedrank.LinearRegression(X, Y)
    reference = problem.network_gradient(factors)
    size = np.sqrt(sum(np.vdot(g, g) for g in reference))
    products = problem.gradient_products
    names = ["network_gradient", "the same, layers unchecked"]
    functions = [
        lambda: problem.network_gradient(factors),
        lambda: network_gradient(products, factors),
    ]
    agreement = 0.0
    for package in packages():
        layers = own_arrays(package, factors)
        for kind, loss, arrays in (
            ("samples", on_samples, (X, Y)),
            ("C and B", on_products, (problem.C, problem.B)),
            ("C and B, narrow", through_narrowest, (problem.C, problem.B)),
        ):
            gradient = differentiated(package, loss, arrays)
            pairs = zip(gradient(layers), reference, strict=True)
            square = sum(np.sum((np.asarray(g) - r) ** 2) for g, r in pairs)
            agreement = max(agreement, np.sqrt(square) / size)
            names.append(f"{package}, {kind}")
            functions.append(lambda gradient=gradient, layers=layers: gradient(layers))
    times = in_turn(functions, calls, seconds)
    yield f"d = {d}, r = {rank}, N = {depth}, {X.shape[1]} samples; agree to {agreement:.0e}"
    for name, taken in zip(names, times, strict=True):
        yield f"  {name:26} {1e6 * taken:8.0f} us   {taken / times[0]:6.2f} x"
    yield ""


def run(quick=False):
    """Return the tables."""
    lines = list(one_gradient(20, 2, 10, 50, 0.1 if quick else 6.0))
    if not quick:
        lines += one_gradient(200, 20, 10, 5)
    return "\n".join(lines)


if __name__ == "__main__":
    main(run, __doc__)
