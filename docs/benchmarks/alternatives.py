"""fixedrank beside automatic differentiation and pymanopt's FixedRankEmbedded, in one run.

OMP_NUM_THREADS=1 python docs/benchmarks/alternatives.py

Runs with NumPy, SciPy, autograd and pymanopt; jax, diffrax and torch take part where they can be
imported. All of them compute in double precision on one core, the first that the process may use.
Measured is processor time, that of all threads; compilation by jax is not in it, but printed below.
"""

import os

# Before jax starts its threads.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import time
from importlib.metadata import PackageNotFoundError, version

import autograd
import autograd.numpy as anp
import numpy as np
import pymanopt
from pymanopt.manifolds import FixedRankEmbedded
from pymanopt.optimizers import ConjugateGradient, TrustRegions
from scipy.integrate import solve_ivp
from timing import describe

import fixedrank
from fixedrank.networks.gradients import network_gradient, thin_gradient

try:
    import jax

    jax.config.update("jax_enable_x64", True)
except ImportError:
    jax = None
try:
    import diffrax
except ImportError:
    diffrax = None
try:
    import torch

    torch.set_num_threads(1)
except ImportError:
    torch = None

RTOL, ATOL = 1e-8, 1e-10


def versions():
    """Return the versions of what differentiates, as far as installed."""
    found = []
    for name in ("autograd", "jax", "diffrax", "torch"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


def appendix_a(d, rank, depth, seed=0):
    """The paper's general supervised setting, with the balanced start of appendix B.1."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((d, 3 * d)) / np.sqrt(d)
    widths = fixedrank.layer_widths(d, rank, depth)
    true = fixedrank.product(fixedrank.gaussian_factors(widths, rng=rng))
    factors = fixedrank.random_balanced_factors(widths, rng=rng)
    return X, true @ X, factors


# Automatic differentiation


def on_samples(xp, layers, X, Y):
    """The loss as training code has it: the samples run through the layers."""
    for layer in layers:
        X = layer @ X
    return 0.5 * xp.sum((Y - X) ** 2)


def on_products(xp, layers, C, B):
    """The loss up to a constant, from C = X X^T and B = Y X^T."""
    W = layers[0]
    for layer in layers[1:]:
        W = layer @ W
    return xp.sum(W * (0.5 * (W @ C) - B))


def through_narrowest(xp, layers, C, B):
    """The same, multiplied by hand so that what is formed has r rows or columns: d_1 = r."""
    first, P = layers[0], layers[1]
    for layer in layers[2:]:
        P = layer @ P
    return 0.5 * xp.sum((P.T @ P) * (first @ C @ first.T)) - xp.sum((P.T @ B) * first)


def differentiated(package, loss, data):
    """Return the gradient of a loss as a function of a list of layers."""
    if package == "autograd":
        gradient = autograd.grad(lambda layers: loss(anp, layers, *data))
        return lambda layers: gradient(list(layers))
    if package == "jax":
        arrays = [jax.numpy.asarray(array) for array in data]
        gradient = jax.jit(jax.grad(lambda layers: loss(jax.numpy, layers, *arrays)))
        return lambda layers: jax.block_until_ready(gradient(layers))
    tensors = [torch.from_numpy(array) for array in data]

    def gradient(layers):
        return torch.autograd.grad(loss(torch, layers, *tensors), layers)

    return gradient


def own_arrays(package, layers):
    """Return the layers in the arrays of a package, so that no conversion is timed."""
    if package == "jax":
        return [jax.device_put(layer) for layer in layers]
    if package == "torch":
        return [torch.from_numpy(layer.copy()).requires_grad_() for layer in layers]
    return layers


def in_turn(functions, calls, seconds=6.0):
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


def one_gradient(d, rank, depth, calls):
    """Time the gradient of L^N with respect to all layers, each way `calls` times in a row."""
    X, Y, factors = appendix_a(d, rank, depth)
    problem = fixedrank.LinearRegression(X, Y)
    reference = problem.network_gradient(factors)
    size = np.sqrt(sum(np.vdot(g, g) for g in reference))
    packages = ["autograd"]
    packages += ["jax"] if jax is not None else []
    packages += ["torch"] if torch is not None else []
    products = thin_gradient(problem)
    names = ["network_gradient", "the same, layers unchecked"]
    functions = [
        lambda: problem.network_gradient(factors),
        lambda: network_gradient(products, factors),
    ]
    agreement = 0.0
    for package in packages:
        layers = own_arrays(package, factors)
        for kind, loss, data in (
            ("samples", on_samples, (X, Y)),
            ("C and B", on_products, (problem.C, problem.B)),
            ("C and B, narrow", through_narrowest, (problem.C, problem.B)),
        ):
            gradient = differentiated(package, loss, data)
            pairs = zip(gradient(layers), reference, strict=True)
            square = sum(np.sum((np.asarray(g) - r) ** 2) for g, r in pairs)
            agreement = max(agreement, np.sqrt(square) / size)
            names.append(f"{package}, {kind}")
            functions.append(lambda gradient=gradient, layers=layers: gradient(layers))
    times = in_turn(functions, calls)
    print(f"\nd = {d}, r = {rank}, N = {depth}, {X.shape[1]} samples; agree to {agreement:.0e}")
    for name, taken in zip(names, times, strict=True):
        print(f"  {name:26} {1e6 * taken:8.0f} us   {taken / times[0]:6.2f} x")


# The same curve


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


def by_diffrax(problem, factors, loss, last):
    """Return a compiled function that integrates the flow of the layers with Dopri8."""
    C, B = jax.numpy.asarray(problem.C), jax.numpy.asarray(problem.B)
    gradient = jax.grad(lambda layers: loss(jax.numpy, layers, C, B))

    def field(t, layers, arguments):
        return jax.tree_util.tree_map(jax.numpy.negative, gradient(layers))

    @jax.jit
    def run(layers):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Dopri8(),
            t0=0.0,
            t1=last,
            dt0=None,
            y0=layers,
            stepsize_controller=diffrax.PIDController(
                rtol=RTOL / len(factors), atol=ATOL / (10 * len(factors))
            ),
            max_steps=None,
        )
        return [layer[-1] for layer in solution.ys], solution.stats["num_steps"]

    layers = own_arrays("jax", factors)
    compiled = run.lower(layers).compile()
    return lambda: jax.block_until_ready(compiled(layers))


def timed(function, runs=1):
    """Return the last result and the median of the seconds of processor time that it took."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return result, float(np.median(times))


def same_curve(d, rank, depth, last, *, runs, scipy_too):
    """Time the gradient flow until t = last, and compare where it ends."""
    X, Y, factors = appendix_a(d, rank, depth)
    problem = fixedrank.LinearRegression(X, Y)
    manifold = fixedrank.FixedRank(d, d, rank, depth=depth)
    start = manifold.point(fixedrank.product(factors))
    chosen = {"rtol": RTOL, "atol": ATOL}

    print(f"\nd = {d}, r = {rank}, N = {depth}, t <= {last:g}, rtol {RTOL:g}; median of {runs}")
    flow, base = timed(
        lambda: fixedrank.riemannian_flow(problem, start, depth, [0, last], **chosen), runs
    )
    final = manifold.to_matrix(flow.points[-1])

    def report(name, taken, count, W):
        gap = np.linalg.norm(W - final) / np.linalg.norm(final)
        print(f"  {name:34} {taken:7.3f} s   {taken / base:6.2f} x   {count:>17}   gap {gap:.0e}")

    report("riemannian_flow", base, f"{flow.evaluations} evaluations", final)
    layers, taken = timed(
        lambda: fixedrank.factored_flow(problem, factors, [0, last], **chosen), runs
    )
    report("factored_flow", taken, f"{layers.evaluations} evaluations", layers.product[-1])
    contracted = problem.C, problem.B
    if scipy_too:
        ways = [("autograd", "samples", on_samples, (X, Y))]
        ways += [("autograd", "C and B", on_products, contracted)]
        ways += [("jax", "C and B", on_products, contracted)] if jax is not None else []
        for package, kind, loss, data in ways:
            function = differentiated(package, loss, data)
            function(own_arrays(package, factors))
            (W, evaluations), taken = timed(
                lambda function=function: by_scipy(function, factors, last), runs
            )
            report(f"solve_ivp, {package}, {kind}", taken, f"{evaluations} evaluations", W)
    if jax is None or diffrax is None:
        return
    for kind, loss in (("C and B", on_products), ("C and B, narrow", through_narrowest)):
        run, compilation = timed(lambda loss=loss: by_diffrax(problem, factors, loss, last))
        (layers, steps), taken = timed(run, runs)
        W = fixedrank.product([np.asarray(layer) for layer in layers])
        report(f"diffrax Dopri8, {kind}", taken, f"{int(steps)} steps", W)
        print(f"    and {compilation:.2f} s to compile it")


# pymanopt's class


def iterations(starts):
    """Run pymanopt's optimisers on both classes, from the same points, in turn."""
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((20, 2)))[0] for _ in range(2))
    A = (left * [3.0, 2.0]) @ right.T + 0.05 * rng.standard_normal((20, 20))
    best = 0.5 * np.sum(np.linalg.svd(A, compute_uv=False)[2:] ** 2)
    ours, theirs = fixedrank.FixedRank(20, 20, 2, depth=1), FixedRankEmbedded(20, 20, 2)
    points = [ours.random_point(rng=rng) for _ in range(starts)]

    def problem(manifold):
        @pymanopt.function.autograd(manifold)
        def cost(u, s, vt):
            return 0.5 * anp.sum(((u * s) @ vt - A) ** 2)

        return pymanopt.Problem(manifold, cost)

    problems = problem(ours), problem(theirs)

    def run(optimizer, *chosen):
        """Take the problems in turn at each start; return counts, times, excess and gradients."""
        outcomes = [([], [], [], []) for _ in chosen]
        for point in points:
            for outcome, posed in zip(outcomes, chosen, strict=True):
                result, taken = timed(
                    lambda posed=posed, point=point: optimizer.run(posed, initial_point=point)
                )
                kept = (
                    result.iterations,
                    taken / result.iterations,
                    result.cost,
                    result.gradient_norm,
                )
                for values, value in zip(outcome, kept, strict=True):
                    values.append(value)
        return outcomes

    def line(name, outcome, base):
        counts, times, costs, norms = outcome
        taken = np.median(times)
        print(
            f"  {name:18} {1e3 * taken:6.2f} ms {taken / base:5.2f} x   "
            f"{f'{min(counts)} to {max(counts)}':>8} iterations   "
            f"excess {max(costs) / best - 1:8.0e}   gradient {max(norms):.0e}"
        )

    print(f"\n20 x 20, rank 2, {starts} starts, autograd; the minimum is {best:.6f}")
    print("Time of an iteration (median); at the end, largest relative excess of the cost")
    print("over the minimum, and largest norm of the gradient")
    print(" ConjugateGradient")
    gradient = ConjugateGradient(verbosity=0, min_gradient_norm=1e-8, max_iterations=500)
    first, second = run(gradient, *problems)
    base = np.median(first[1])
    line("FixedRank, N = 1", first, base)
    line("FixedRankEmbedded", second, base)
    print(" TrustRegions")
    trust = TrustRegions(verbosity=0, min_gradient_norm=1e-8, max_iterations=200)
    line("FixedRank, N = 1", *run(trust, problems[0]), base)
    try:
        line("FixedRankEmbedded", *run(trust, problems[1]), base)
    except (ValueError, NotImplementedError) as error:
        print(f"  FixedRankEmbedded  {type(error).__name__}: {error}")


def ties():
    """Compare the gradients where singular values are close with the projection of G."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((20, 20))
    ours, theirs = fixedrank.FixedRank(20, 20, 2, depth=1), FixedRankEmbedded(20, 20, 2)
    u, _, vt = ours.random_point(rng=rng)
    print("\nRelative error of M in the gradient where s = (1 + gap, 1)")
    print("  gap        FixedRank   FixedRankEmbedded")
    for gap in (1e-4, 1e-8, 1e-12, 0.0):
        s = np.array([1 + gap, 1.0])
        derivative = autograd.grad(
            lambda parts: 0.5 * anp.sum(((parts[0] * parts[1]) @ parts[2] - A) ** 2)
        )([u, s, vt])
        exact = u.T @ ((u * s) @ vt - A) @ vt.T
        errors = []
        for manifold in (ours, theirs):
            with np.errstate(all="ignore"):
                gradient = manifold.euclidean_to_riemannian_gradient((u, s, vt), derivative)
            errors.append(np.linalg.norm(gradient[1] - exact) / np.linalg.norm(exact))
        print(f"  {gap:<8g} {errors[0]:11.0e} {errors[1]:19.0e}")


if __name__ == "__main__":
    print(describe())
    print(versions())
    print("\nOne gradient of the loss of the network")
    one_gradient(20, 2, 10, 50)
    one_gradient(200, 20, 10, 5)
    print("\nThe same curve; gaps to riemannian_flow at the end")
    same_curve(20, 2, 5, 5.0, runs=5, scipy_too=True)
    same_curve(200, 20, 10, 0.2, runs=1, scipy_too=False)
    print("\nOptimisers of pymanopt, the same cost")
    iterations(20)
    ties()
