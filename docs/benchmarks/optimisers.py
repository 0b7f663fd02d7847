"""pymanopt's optimisers on FixedRank and on FixedRankEmbedded, where overhead is all that counts.

python docs/benchmarks/optimisers.py [--quick]

Half the squared distance to a 20 x 20 matrix, on the matrices of rank 2, with autograd.
Both classes get the same starts, in turn; measured is the processor time of an iteration.
"""

import time

import autograd
import autograd.numpy as anp
import numpy as np
import pymanopt
from pymanopt.manifolds import FixedRankEmbedded
from pymanopt.optimizers import ConjugateGradient, SteepestDescent, TrustRegions
from timing import main

import fixedrank

SIZE, RANK = 20, 2


def target(rng):
    """Return a matrix near one of rank 2, and the least cost."""
    left, right = (np.linalg.qr(rng.standard_normal((SIZE, RANK)))[0] for _ in range(2))
    A = (left * [3.0, 2.0]) @ right.T + 0.05 * rng.standard_normal((SIZE, SIZE))
    return A, 0.5 * np.sum(np.linalg.svd(A, compute_uv=False)[RANK:] ** 2)


def posed(manifold, A):
    """Return the problem on a manifold."""

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        return 0.5 * anp.sum(((u * s) @ vt - A) ** 2)

    return pymanopt.Problem(manifold, cost)


def outcomes(optimizer, problems, points):
    """Take the problems in turn at each start; return counts, times, costs and gradients."""
    for problem in problems:
        optimizer.run(problem, initial_point=points[0])
    kept = [([], [], [], []) for _ in problems]
    for point in points:
        for outcome, problem in zip(kept, problems, strict=True):
            began = time.process_time()
            result = optimizer.run(problem, initial_point=point)
            taken = time.process_time() - began
            values = (
                result.iterations,
                taken / result.iterations,
                result.cost,
                result.gradient_norm,
            )
            for column, value in zip(outcome, values, strict=True):
                column.append(value)
    return kept


def iterations(starts):
    """Yield the lines of the comparison."""
    rng = np.random.default_rng(0)
    A, best = target(rng)
    manifolds = {
        "FixedRank, N = 1": fixedrank.FixedRank(SIZE, SIZE, RANK, depth=1),
        "FixedRank, N = 3": fixedrank.FixedRank(SIZE, SIZE, RANK, depth=3),
        "FixedRankEmbedded": FixedRankEmbedded(SIZE, SIZE, RANK),
    }
    points = [manifolds["FixedRank, N = 1"].random_point(rng=rng) for _ in range(starts)]
    problems = {name: posed(manifold, A) for name, manifold in manifolds.items()}
    yield f"{SIZE} x {SIZE}, rank {RANK}, {starts} starts, autograd; the minimum is {best:.6f}"
    yield "Median time of an iteration, and its ratio to FixedRankEmbedded; at the end, the largest"
    yield "relative excess of the cost over the minimum, and the largest norm of the gradient"
    for method, limit in ((SteepestDescent, 100), (ConjugateGradient, 500), (TrustRegions, 200)):
        optimizer = method(verbosity=0, min_gradient_norm=1e-8, max_iterations=limit)
        chosen, failure = list(problems), None
        try:
            results = outcomes(optimizer, [problems[name] for name in chosen], points)
        except (ValueError, NotImplementedError) as error:
            # pymanopt's class has no Hessian.
            failure = f"  FixedRankEmbedded    {type(error).__name__}: {error}"
            chosen.remove("FixedRankEmbedded")
            results = outcomes(optimizer, [problems[name] for name in chosen], points)
        base = np.median(results[-1][1])
        yield f" {method.__name__}"
        for name, (counts, times, costs, norms) in zip(chosen, results, strict=True):
            taken = np.median(times)
            ratio = "" if failure else f"{taken / base:5.2f} x"
            yield (
                f"  {name:18} {1e3 * taken:6.2f} ms {ratio:7}   "
                f"{f'{min(counts)} to {max(counts)}':>10} iterations   "
                f"excess {max(costs) / best - 1:8.0e}   gradient {max(norms):.0e}"
            )
        if failure:
            yield failure
    yield ""


def ties():
    """Yield the errors of the gradients where singular values are close."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((SIZE, SIZE))
    ours = fixedrank.FixedRank(SIZE, SIZE, RANK, depth=1)
    theirs = FixedRankEmbedded(SIZE, SIZE, RANK)
    u, _, vt = ours.random_point(rng=rng)
    yield "Relative error of M in the gradient where s = (1 + gap, 1)"
    yield "  gap        FixedRank   FixedRankEmbedded"
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
        yield f"  {gap:<8g} {errors[0]:11.0e} {errors[1]:19.0e}"


def run(quick=False):
    """Return the tables."""
    return "\n".join([*iterations(3 if quick else 20), *ties()])


if __name__ == "__main__":
    main(run, __doc__)
