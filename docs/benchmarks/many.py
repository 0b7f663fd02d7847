"""Flows from many starts in one call, beside one call for each.

python docs/benchmarks/many.py [--quick]

The problem is that of appendix A; the starts of the layers are Gaussian, those of the points
random. Each flow has 101 output times, at the tolerances of the library.
"""

import time

import numpy as np
from problems import appendix_a
from timing import main

import fixedrank


def compare(d, r, depth, end, count, single):
    """Yield the lines of one setting: `count` starts at once, `single` of them one by one."""
    problem, factors = appendix_a(d, r, depth)
    widths = [factors[0].shape[1], *(len(factor) for factor in factors)]
    t, manifold = np.linspace(0, end, 101), fixedrank.FixedRank(d, d, r, depth=depth)
    layers = [fixedrank.gaussian_factors(widths, scale=0.3, rng=seed) for seed in range(count)]
    points = [manifold.random_point(rng=seed) for seed in range(count)]

    def of_layers(start):
        return fixedrank.factored_flow(problem, start, t, keep="last")

    def of_points(start):
        return fixedrank.riemannian_flow(problem, start, depth, t, keep="last")

    yield f"d = {d}, r = {r}, N = {depth}, t <= {end:g}"
    for name, flow, starts in (("layers", of_layers, layers), ("points", of_points, points)):
        stack = [np.array(several) for several in zip(*starts, strict=True)]
        began = time.perf_counter()
        runs = flow(tuple(stack) if name == "points" else stack)
        together = (time.perf_counter() - began) / count
        began = time.perf_counter()
        ones = [flow(start) for start in starts[:single]]
        alone = (time.perf_counter() - began) / single
        apart = max(
            np.abs(a.loss - b.loss).max() / b.loss[0]
            for a, b in zip(runs[:single], ones, strict=True)
        )
        yield (
            f"  {name}  {1e3 * together:6.1f} ms a start of {count}  "
            f"{1e3 * alone:6.1f} ms one by one  ratio {alone / together:4.1f}   "
            f"losses apart by {apart:.0e}"
        )


def run(quick=False):
    """Return the table."""
    cases = (
        [(20, 2, 3, 5.0, 16, 2)]
        if quick
        else [
            (20, 2, 3, 5.0, 256, 12),
            (20, 2, 3, 50.0, 256, 12),
            (5, 2, 3, 5.0, 256, 12),
        ]
    )
    return "\n".join([*(line for case in cases for line in compare(*case)), ""])


if __name__ == "__main__":
    main(run, __doc__)
