"""Steps of Langevin dynamics: of many copies at once beside one after another, and of large W.

python docs/benchmarks/langevin.py [--quick]

The losses are a regression with 3 n samples and, of large matrices, a completion with five times as
many entries as the manifold has dimensions. Times are the least of a few runs.
"""

import numpy as np
from timing import interleaved, main

import fixedrank


def of_copies(m, n, k, copies, steps, seconds):
    """Return the line of small matrices, all copies at once and one."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 3 * n)) / np.sqrt(3 * n)
    problem = fixedrank.LinearRegression(X, rng.standard_normal((m, 3 * n)))
    together, alone = interleaved(
        *(runs(problem, m, n, k, count, steps) for count in (copies, 1)), seconds=seconds
    )
    each, one = together / (copies * steps), alone / steps
    return (
        f"({m}, {n}, {k}), {copies} copies   {1 / (copies * each):6.1f} steps/s   "
        f"{1e6 * each:6.1f} us a step of each   {1e6 * one:6.0f} us one by one   "
        f"ratio {one / each:4.1f}"
    )


def of_one(m, n, k, steps, seconds):
    """Return the line of one large matrix."""
    rng = np.random.default_rng(0)
    count = 5 * k * (m + n - k)
    places = np.unique(rng.integers(0, (m, n), (count, 2)), axis=0).T
    values = rng.standard_normal(places.shape[1])
    problem = fixedrank.MatrixCompletion(*places, values, (m, n))
    (time,) = interleaved(runs(problem, m, n, k, 1, steps), seconds=seconds)
    point = fixedrank.FixedRank(m, n, k, depth=3).random_point(rng=0)
    (gradient,) = interleaved(
        lambda: problem.gradient_products(point.u * point.s, None, point.vt.T), seconds=seconds / 4
    )
    return (
        f"({m}, {n}, {k}), 1 copy        {steps / time:6.1f} steps/s   "
        f"{1e3 * time / steps:6.2f} ms a step   {1e3 * gradient:6.2f} ms its gradient"
    )


def runs(problem, m, n, k, copies, steps):
    """Return a function that takes some steps."""
    point = fixedrank.FixedRank(m, n, k, depth=3).random_point(rng=0)
    how = {"temperature": 0.1, "weight_decay": 0.1, "copies": copies, "rng": 0, "step": 1e-3}
    return lambda: fixedrank.langevin(problem, point, 3, [0, 1e-3 * steps], **how)


def run(quick=False):
    """Return the table."""
    if quick:
        return "\n".join([of_copies(6, 5, 2, 5, 2, 0.1), of_one(100, 100, 3, 2, 0.1), ""])
    return "\n".join([of_copies(10, 10, 3, 1000, 50, 4), of_one(2000, 2000, 10, 50, 4), ""])


if __name__ == "__main__":
    main(run, __doc__)
