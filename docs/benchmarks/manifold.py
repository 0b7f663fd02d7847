"""Manifold operations against pymanopt's FixedRankEmbedded, side by side in one run.

python docs/benchmarks/manifold.py [--quick]

Needs about 8 GB of memory for pymanopt's class at m = n = 10000.
"""

import tracemalloc

import numpy as np
from pymanopt.manifolds import FixedRankEmbedded
from timing import interleaved, main, milliseconds

import fixedrank

SIZES = [(200, 200, 20), (2000, 2000, 20), (10000, 10000, 20)]
LARGE = (100000, 20000, 10)
OPERATIONS = ["retraction", "transport", "gradient conversion", "random tangent vector"]


def operations(manifold, point, other, vector, derivative):
    """The four operations on one manifold."""
    return [
        lambda: manifold.retraction(point, vector),
        lambda: manifold.transport(point, other, vector),
        lambda: manifold.euclidean_to_riemannian_gradient(point, derivative),
        lambda: manifold.random_tangent_vector(point),
    ]


def inputs(manifold):
    """Two points, a tangent vector, and derivatives with respect to the factors."""
    rng = np.random.default_rng(0)
    point, other = manifold.random_point(rng=rng), manifold.random_point(rng=rng)
    vector = 0.1 * manifold.random_tangent_vector(point, rng=rng)
    # What automatic differentiation gives for a cost of the product with gradient left @ right.T.
    u, s, vt = point
    left, right = rng.standard_normal((manifold.m, 3)), rng.standard_normal((manifold.n, 3))
    du, dvt = left @ (right.T @ vt.T) * s, s[:, None] * ((u.T @ left) @ right.T)
    return point, other, vector, (du, np.einsum("ij,ij->j", u, du) / s, dvt)


def compare(m, n, k, seconds=2.0):
    """Time both classes in turn and yield a table with ratios."""
    yield f"({m}, {n}, {k})"
    ours = fixedrank.FixedRank(m, n, k, depth=3)
    point, other, vector, derivative = inputs(ours)
    theirs = FixedRankEmbedded(m, n, k)
    own = theirs.zero_vector(point)
    their_vector = type(own)(*vector)
    pairs = zip(
        OPERATIONS,
        operations(ours, point, other, vector, derivative),
        operations(theirs, point, other, their_vector, derivative),
        strict=True,
    )
    total = np.zeros(2)
    for name, mine, reference in pairs:
        times = interleaved(mine, reference, seconds=seconds)
        total += times
        yield line(name, times)
    yield line("sum", total)
    yield ""


def line(name, times):
    """Return two times and their ratio."""
    return (
        f"  {name:22} {milliseconds(times[0]):>10} {milliseconds(times[1]):>10} "
        f"{times[1] / times[0]:8.1f} x"
    )


def large(m, n, k):
    """Yield time and memory where pymanopt's class would ask for m x m numbers."""
    yield f"({m}, {n}, {k}); pymanopt's class would ask for {8e-9 * (m * m + n * n):.0f} GB"
    manifold = fixedrank.FixedRank(m, n, k, depth=3)
    arguments = inputs(manifold)
    rng = np.random.default_rng(0)
    for name, mine in zip(OPERATIONS, operations(manifold, *arguments), strict=True):
        note = ""
        if name == "random tangent vector":
            draws = interleaved(lambda: rng.standard_normal((m + n + k, k)))
            note = f", of which drawing the random numbers {milliseconds(draws[0])}"
        (taken,) = interleaved(mine)
        tracemalloc.start()
        mine()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        yield f"  {name:22} {milliseconds(taken):>10}, peak {peak / 1e6:.0f} MB{note}"
    yield ""


def run(quick=False):
    """Return the tables."""
    lines = ["FixedRank, FixedRankEmbedded, ratio"]
    for size in SIZES[:1] if quick else SIZES:
        lines += compare(*size, seconds=0.4 if quick else 2.0)
    if not quick:
        lines += large(*LARGE)
    return "\n".join(lines)


if __name__ == "__main__":
    main(run, __doc__)
