"""fixedrank beside automatic differentiation and pymanopt's FixedRankEmbedded, in one run.

python docs/benchmarks/alternatives.py [--quick]

Runs with NumPy, SciPy, autograd and pymanopt; jax, diffrax and torch take part where they can be
imported. All of them compute in double precision on one core, the first that the process may use.
Measured is processor time, that of all threads; compilation by jax is not in it, but printed below.
"""

import time

import gradients
import numpy as np
import optimisers
from autodiff import (
    by_diffrax,
    differentiated,
    diffrax,
    jax,
    on_products,
    on_samples,
    own_arrays,
    through_narrowest,
)
from problems import data, start
from scipy.integrate import solve_ivp
from timing import main

import fixedrank

RTOL, ATOL = 1e-8, 1e-10


def flat(function, shapes):
    """Return minus the gradient as a right-hand side for a vector that holds all layers."""
    bounds = np.cumsum([0, *(rows * columns for rows, columns in shapes)])

    def right_hand_side(t, state):
        layers = [
            state[a:b].reshape(shape)
            for a, b, shape in zip(bounds, bounds[1:], shapes, strict=False)
        ]
        return -np.concatenate([np.asarray(g).ravel() for g in function(layers)])

    return right_hand_side


def by_scipy(function, factors, last):
    """Integrate the flow of the layers with solve_ivp; return the product and evaluations."""
    shapes = [factor.shape for factor in factors]
    solution = solve_ivp(
        flat(function, shapes),
        (0.0, last),
        np.concatenate([factor.ravel() for factor in factors]),
        method="DOP853",
        t_eval=[last],
        rtol=RTOL / len(factors),
        atol=ATOL / (10 * len(factors)),
    )
    splits = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
    parts = np.split(solution.y[:, -1], splits)
    product = fixedrank.product([x.reshape(s) for x, s in zip(parts, shapes, strict=True)])
    return product, solution.nfev


def timed(function, runs=1):
    """Return the last result and the median of the seconds of processor time that it took."""
    times = []
    for _ in range(runs):
        began = time.process_time()
        result = function()
        times.append(time.process_time() - began)
    return result, float(np.median(times))


def same_curve(d, rank, depth, last, *, runs, scipy_too):
    """Yield the times of the gradient flow until t = last, and how far apart it ends."""
    X, Y, factors = data(d, rank, depth)
    problem = fixedrank.LinearRegression(X, Y)
    manifold, point = start(factors)
    chosen = {"rtol": RTOL, "atol": ATOL}

    yield f"d = {d}, r = {rank}, N = {depth}, t <= {last:g}, rtol {RTOL:g}; median of {runs}"
    flow, base = timed(
        lambda: fixedrank.riemannian_flow(problem, point, depth, [0, last], **chosen), runs
    )
    final = manifold.to_matrix(flow.points[-1])

    def line(name, taken, count, W):
        gap = np.linalg.norm(W - final) / np.linalg.norm(final)
        return f"  {name:34} {taken:7.3f} s   {taken / base:6.2f} x   {count:>17}   gap {gap:.0e}"

    yield line("riemannian_flow", base, f"{flow.evaluations} evaluations", final)
    layers, taken = timed(
        lambda: fixedrank.factored_flow(problem, factors, [0, last], **chosen), runs
    )
    yield line("factored_flow", taken, f"{layers.evaluations} evaluations", layers.product[-1])
    contracted = problem.C, problem.B
    if scipy_too:
        ways = [("autograd", "samples", on_samples, (X, Y))]
        ways += [("autograd", "C and B", on_products, contracted)]
        ways += [("jax", "C and B", on_products, contracted)] if jax is not None else []
        for package, kind, loss, arrays in ways:
            function = differentiated(package, loss, arrays)
            function(own_arrays(package, factors))
            (W, evaluations), taken = timed(
                lambda function=function: by_scipy(function, factors, last), runs
            )
            yield line(f"solve_ivp, {package}, {kind}", taken, f"{evaluations} evaluations", W)
    if diffrax is None:
        return
    for kind, loss in (("C and B", on_products), ("C and B, narrow", through_narrowest)):
        compiled, compilation = timed(
            lambda loss=loss: by_diffrax(problem, factors, loss, last, rtol=RTOL, atol=ATOL)
        )
        (layers, steps), taken = timed(compiled, runs)
        W = fixedrank.product([np.asarray(layer) for layer in layers])
        yield line(f"diffrax Dopri8, {kind}", taken, f"{int(steps)} steps", W)
        yield f"    and {compilation:.2f} s to compile it"


def run(quick=False):
    """Return the tables."""
    lines = ["One gradient of the loss of the network", "", gradients.run(quick)]
    lines += ["The same curve; gaps to riemannian_flow at the end", ""]
    if quick:
        lines += [*same_curve(20, 2, 5, 0.5, runs=1, scipy_too=True), ""]
    else:
        lines += [*same_curve(20, 2, 5, 5.0, runs=5, scipy_too=True), ""]
        lines += [*same_curve(200, 20, 10, 0.2, runs=1, scipy_too=False), ""]
    lines += ["Optimisers of pymanopt, the same cost", "", optimisers.run(quick)]
    return "\n".join(lines)


if __name__ == "__main__":
    main(run, __doc__)
