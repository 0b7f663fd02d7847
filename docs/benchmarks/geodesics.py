"""Connection, curvature and geodesics: at a large rank, and for small matrices.

python docs/benchmarks/geodesics.py [--quick]

At a large rank the Christoffel term stands beside the products that it cannot do without at whole
N, with the weights at hand: N - 1 of k x k matrices for each order of its two vectors, and those of
the tall blocks. Curvature and a short geodesic, one step of integration, are multiples of it. For
small matrices exp, which evaluates all times at once, stands beside the integration step by step
that took its place before, and log beside exp.
"""

from timing import interleaved, main, milliseconds

import fixedrank
from fixedrank.geometry.geodesics import exponential

RANK, SMALL_RANK = 400, 60
DEPTHS = (2, 3)
SMALL = [(3, 3, 2), (6, 5, 3)]


def products(manifold, point, x, y):
    """Return the bare products of the Christoffel term of x and y, one after the other."""
    s, p = point.s, point.s ** (2 / manifold.depth)
    weights, powers = manifold.metric.tangential(s), [p**b for b in range(int(manifold.depth) - 1)]
    a, b = x.M / weights, y.M / weights

    def run():
        total = 0
        for first, second in ((a * s, b), (b * s, a)):
            for power in powers:
                total = total + (first * power) @ second
        up, vp = x.Up @ b + y.Up @ a, x.Vp @ b.T + y.Vp @ a.T
        return up, total, vp

    return run


def moved(function, point):
    """Return a function that calls another one at points whose tables are not kept."""
    steps = iter(range(1, 1 << 30))
    return lambda: function(point._replace(s=point.s * (1 + 1e-9 * next(steps))))


def at_large_rank(k, depth, seconds):
    """Yield the lines of the table of one rank and depth."""
    manifold = fixedrank.FixedRank(2 * k, 2 * k, k, depth=depth)
    point = manifold.random_point(rng=0)
    x, y = (manifold.random_tangent_vector(point, rng=seed) for seed in (1, 2))
    bare, term = interleaved(
        products(manifold, point, x, y),
        moved(lambda at: manifold.christoffel(at, x, y), point),
        seconds=seconds,
    )
    curvature, short = interleaved(
        lambda: manifold.sectional_curvature(point, x, y),
        lambda: manifold.exp(point, 0.1 * x),
        seconds=seconds,
        least=1,
    )
    yield f"k = {k}, m = n = {2 * k}, N = {depth}"
    yield f"  bare products        {milliseconds(bare):>9}"
    yield f"  Christoffel term     {milliseconds(term):>9}  {term / bare:.2f} x the products"
    for name, time in (("sectional curvature", curvature), ("exp of length 0.1", short)):
        yield f"  {name:20} {milliseconds(time):>9}  {time / term:.1f} x the Christoffel term"
    yield ""


def of_small_matrices(m, n, k, depth, seconds):
    """Yield the line of the table of one size and depth."""
    manifold = fixedrank.FixedRank(m, n, k, depth=depth)
    point = manifold.random_point(rng=3)
    vector = 0.7 * manifold.random_tangent_vector(point, rng=53)
    frame = exponential.Frame([point.u, vector.Up], [point.vt.T, vector.Vp])
    start, direction = frame.point(point), frame.vector(vector)
    end = manifold.exp(point, vector)
    exp, stepwise, log = interleaved(
        lambda: manifold.exp(point, vector),
        lambda: exponential.follow(start, [direction], manifold.metric, 1e-10),
        lambda: manifold.log(point, end),
        seconds=seconds,
    )
    back = manifold.norm(point, manifold.log(point, end) - vector)
    yield (
        f"({m}, {n}, {k}), N = {depth:2}: exp {milliseconds(exp):>9}, step by step "
        f"{stepwise / exp:.1f} x; log {milliseconds(log):>9}, {log / exp:.1f} x exp, "
        f"off by {back:.0e}"
    )


def run(quick=False):
    """Return the tables."""
    seconds = 0.02 if quick else 3.0
    lines = []
    for depth in DEPTHS:
        lines += at_large_rank(SMALL_RANK if quick else RANK, depth, seconds)
    for shape in SMALL[:1] if quick else SMALL:
        for depth in (1, 2, 3, 20):
            lines += of_small_matrices(*shape, depth, seconds)
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main(run, __doc__)
