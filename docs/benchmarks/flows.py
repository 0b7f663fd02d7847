"""The Riemannian flow against the flow of the layers, same method and tolerances, in one run.

OMP_NUM_THREADS=1 python docs/benchmarks/flows.py
"""

import time

import numpy as np
from scipy.integrate import solve_ivp
from timing import describe, interleaved

import fixedrank
from fixedrank.flows.core import RiemannianSystem

RTOL, ATOL = 1e-8, 1e-10


def appendix_a(d, rank, depth, seed=0):
    """The paper's general supervised setting, with the balanced start of appendix B.1."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((d, 3 * d)) / np.sqrt(d)
    widths = fixedrank.layer_widths(d, rank, depth)
    true = fixedrank.product(fixedrank.gaussian_factors(widths, rng=rng))
    factors = fixedrank.random_balanced_factors(widths, rng=rng)
    return fixedrank.LinearRegression(X, true @ X), factors


def autodiff_order(problem, factors, times):
    """Integrate flow (5) with products as reverse-mode differentiation takes them.

    Forward W_1, W_2 W_1, ..., backward from the gradient at the product. To its advantage the
    samples are contracted beforehand, into C and B.
    """
    shapes = [factor.shape for factor in factors]
    bounds = np.cumsum([0, *(factor.size for factor in factors)])
    evaluations = 0

    def right_hand_side(t, state):
        nonlocal evaluations
        evaluations += 1
        layers = [
            state[a:b].reshape(shape)
            for a, b, shape in zip(bounds, bounds[1:], shapes, strict=False)
        ]
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

    start = np.concatenate([factor.ravel() for factor in factors])
    solution = solve_ivp(
        right_hand_side,
        (times[0], times[-1]),
        start,
        method="DOP853",
        t_eval=times,
        rtol=RTOL / len(factors),
        atol=ATOL / (10 * len(factors)),
    )
    last = solution.y[:, -1]
    layers = [
        last[a:b].reshape(shape) for a, b, shape in zip(bounds, bounds[1:], shapes, strict=False)
    ]
    return fixedrank.product(layers), evaluations


def timed(function):
    """Return the result and the seconds it took."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def whole_runs(d, rank, depth):
    """Time the three ways to the same curve."""
    problem, factors = appendix_a(d, rank, depth)
    times = np.linspace(0, 5, 11)
    manifold = fixedrank.FixedRank(d, d, rank, depth=depth)
    point = manifold.point(fixedrank.product(factors))
    chosen = {"rtol": RTOL, "atol": ATOL}
    riemannian, first = timed(
        lambda: fixedrank.riemannian_flow(problem, point, depth, times, **chosen)
    )
    factored, second = timed(lambda: fixedrank.factored_flow(problem, factors, times, **chosen))
    (product, evaluations), third = timed(lambda: autodiff_order(problem, factors, times))
    final = manifold.to_matrix(riemannian.points[-1])
    gaps = [
        np.linalg.norm(W - final) / np.linalg.norm(final) for W in (factored.product[-1], product)
    ]
    print(f"\nd = {d}, r = {rank}, N = {depth}, t <= 5, DOP853, rtol {RTOL:g}")
    print(
        f"  Riemannian flow                {first:8.2f} s  {riemannian.evaluations:6d} evaluations"
    )
    print(
        f"  layers, narrowest layer first  {second:8.2f} s  {factored.evaluations:6d} evaluations  "
        f"{second / first:6.1f} x  gap at t = 5: {gaps[0]:.0e}"
    )
    print(
        f"  layers, order of autodiff      {third:8.2f} s  {evaluations:6d} evaluations  "
        f"{third / first:6.1f} x  gap at t = 5: {gaps[1]:.0e}"
    )


def one_evaluation(d, rank, depth):
    """Time the right-hand side of the Riemannian flow against its products with C and B alone."""
    problem, factors = appendix_a(d, rank, depth)
    u, s, vt = fixedrank.FixedRank(d, d, rank, depth=depth).point(fixedrank.product(factors))
    system = RiemannianSystem(problem, (d, d), depth, RTOL)
    state = system.state(u, np.diag(s), vt.T)
    C, B = problem.C, problem.B
    v = np.ascontiguousarray(vt.T)
    whole, bare = interleaved(
        lambda: system.right_hand_side(0.0, state), lambda: (C @ v, B @ v, B.T @ u)
    )
    print(
        f"  d = {d}, r = {rank}, N = {depth}: {1e6 * whole:.0f} us, products with C and B alone "
        f"{1e6 * bare:.0f} us, ratio {whole / bare:.2f}"
    )


if __name__ == "__main__":
    print(describe())
    whole_runs(200, 20, 10)
    whole_runs(20, 2, 10)
    print("\nOne evaluation of the right-hand side")
    one_evaluation(2000, 20, 10)
    one_evaluation(200, 20, 10)
    one_evaluation(20, 2, 10)
