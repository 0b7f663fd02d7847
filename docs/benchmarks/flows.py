"""The same curve by the flow of the product and by flows of the layers, in one run.

python docs/benchmarks/flows.py [--quick]

The paper's general supervised setting, from a balanced start. What is integrated: flow (9) of the
product; flow (5) of the layers, multiplied through the narrowest layer first as `factored_flow`
does it, and in the order in which reverse-mode differentiation takes the products; and, where jax
and diffrax can be imported, flow (5) as compiled by them. All are held to the same tolerances, the
layers to rtol / N and atol / (10 N), so that the product meets them. Errors are relative distances,
at the end, to flow (9) by DOP853 at rtol 1e-11. Compilation is not counted.
"""

import time

import numpy as np
from autodiff import by_diffrax, diffrax, on_products, through_narrowest
from problems import appendix_a, start
from scipy.integrate import solve_ivp
from timing import main

import fixedrank

RTOL, ATOL = 1e-6, 1e-8
# How often, and from how many seconds on but once.
RUNS, LONG = 3, 10.0


def autodiff_order(problem, factors, last):
    """Integrate flow (5) with products as reverse-mode differentiation takes them.

    Forward W_1, W_2 W_1, ..., backward from the gradient at the product. To its advantage the
    samples are contracted beforehand, into C and B. Returns the product and the evaluations.
    """
    shapes = [factor.shape for factor in factors]
    bounds = np.cumsum([0, *(factor.size for factor in factors)])

    def split(state):
        return [
            state[a:b].reshape(shape)
            for a, b, shape in zip(bounds, bounds[1:], shapes, strict=False)
        ]

    def right_hand_side(t, state):
        layers = split(state)
        forward = [None, layers[0]]
        for layer in layers[1:]:
            forward.append(layer @ forward[-1])
        backward = forward[-1] @ problem.C - problem.B
        velocity = np.empty_like(state)
        for j in range(len(layers) - 1, -1, -1):
            gradient = backward if j == 0 else backward @ forward[j].T
            np.negative(gradient.ravel(), out=velocity[bounds[j] : bounds[j + 1]])
            backward = layers[j].T @ backward
        return velocity

    solution = solve_ivp(
        right_hand_side,
        (0.0, last),
        np.concatenate([factor.ravel() for factor in factors]),
        method="DOP853",
        t_eval=[last],
        rtol=RTOL / len(factors),
        atol=ATOL / (10 * len(factors)),
    )
    return fixedrank.product(split(solution.y[:, -1])), solution.nfev


def ways(problem, factors, last):
    """Yield (name, function that returns W at the end and what it took)."""
    depth = len(factors)
    manifold, point = start(factors)
    chosen = {"rtol": RTOL, "atol": ATOL}

    def riemannian(method):
        flow = fixedrank.riemannian_flow(problem, point, depth, [0, last], method=method, **chosen)
        return manifold.to_matrix(flow.points[-1]), f"{flow.evaluations} evaluations"

    def factored(method):
        flow = fixedrank.factored_flow(problem, factors, [0, last], method=method, **chosen)
        return flow.product[-1], f"{flow.evaluations} evaluations"

    def by_hand():
        product, evaluations = autodiff_order(problem, factors, last)
        return product, f"{evaluations} evaluations"

    yield "flow (9), auto", lambda: riemannian("auto")
    yield "flow (9), DOP853", lambda: riemannian("DOP853")
    yield "flow (5), narrowest layer first, auto", lambda: factored("auto")
    yield "flow (5), narrowest layer first, DOP853", lambda: factored("DOP853")
    yield "flow (5), order of autodiff, DOP853", by_hand
    if diffrax is None:
        return
    for order, loss in (("narrowest first", through_narrowest), ("order of autodiff", on_products)):
        compiled = by_diffrax(problem, factors, loss, last, rtol=RTOL, atol=ATOL)

        def run(compiled=compiled):
            layers, steps = compiled()
            return fixedrank.product([np.asarray(x) for x in layers]), f"{int(steps)} steps"

        yield f"flow (5), diffrax Dopri8, {order}", run


def compare(d, rank, depth, last):
    """Yield the lines of one setting: the least time of some runs in turn, of long ones one."""
    problem, factors = appendix_a(d, rank, depth)
    names, functions = zip(*ways(problem, factors, last), strict=True)
    best, results = [np.inf] * len(names), [None] * len(names)
    for run in range(RUNS):
        for place, function in enumerate(functions):
            if run == 0 or best[place] < LONG:
                began = time.perf_counter()
                results[place] = function()
                best[place] = min(best[place], time.perf_counter() - began)
    manifold, point = start(factors)
    flow = fixedrank.riemannian_flow(
        problem, point, depth, [0, last], method="DOP853", rtol=1e-11, atol=1e-13
    )
    reference = manifold.to_matrix(flow.points[-1])
    yield f"d = {d}, r = {rank}, N = {depth}, t <= {last:g}, rtol {RTOL:g}"
    for name, taken, (W, count) in zip(names, best, results, strict=True):
        gap = np.linalg.norm(W - reference) / np.linalg.norm(reference)
        yield (f"  {name:42} {taken:8.3f} s {taken / best[0]:7.2f} x {count:>18}   error {gap:.0e}")
    yield ""


def run(quick=False):
    """Return the tables."""
    settings = [(20, 2, 10, 1.0)] if quick else [(20, 2, 10, 5.0), (200, 20, 10, 5.0)]
    if diffrax is None:
        note = ["jax and diffrax cannot be imported here: no compiled solver", ""]
    else:
        note = []
    return "\n".join(note + [line for setting in settings for line in compare(*setting)])


if __name__ == "__main__":
    main(run, __doc__)
