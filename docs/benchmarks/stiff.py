"""Integrators on stiff flows, at equal error: evaluations and time, in one run.

OMP_NUM_THREADS=1 python docs/benchmarks/stiff.py [--quick]

For each setting and method the tolerance goes down in steps of sqrt(10), with rtol = 100 atol. A
row is the cheapest of these runs whose error, the largest over the output times of
||W - W*||_F / ||W*||_F, is at most the target; W* comes from DOP853 with rtol 1e-11.
"""

import argparse
import time

import numpy as np
from flows import appendix_a
from timing import describe

import fixedrank

TARGETS = (1e-4, 1e-6, 1e-8)
FRACTIONS = np.array([0.0, 0.02, 0.1, 0.3, 1.0])


def tiny_start(depth, d=20, rank=4, size=1e-4):
    """Return a problem with singular values 4, 3, 2, 1, and a start of 1e-4: plateaus and jumps."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((d, 3 * d)) / np.sqrt(d)
    target = fixedrank.FixedRank(d, d, rank, depth=1).random_point(rng=rng)
    problem = fixedrank.LinearRegression(X, (target.u * np.arange(rank, 0, -1.0)) @ target.vt @ X)
    start = fixedrank.FixedRank(d, d, rank, depth=depth).random_point(rng=rng)
    start = start._replace(s=size * np.linspace(1.3, 1.0, rank))
    widths = [d] + [rank] * (depth - 1) + [d]
    return problem, fixedrank.balanced_factors(start, widths, rng=rng)


def product_point(factors):
    """Return the product of layers as a point."""
    W = fixedrank.product(factors)
    rank = min(len(factor) for factor in factors[:-1])
    return fixedrank.FixedRank(*W.shape, rank, depth=len(factors)).point(W)


# name: (the problem and its layers, final time, methods beside DOP853)
SETTINGS = {
    "appendix A, d = 20, r = 2, N = 10": (
        lambda: appendix_a(20, 2, 10),
        5.0,
        ("auto", "ROCK4", "RKC", "LSODA", "BDF"),
    ),
    "appendix A, d = 200, r = 20, N = 10": (
        lambda: appendix_a(200, 20, 10),
        5.0,
        ("auto", "ROCK4", "RKC"),
    ),
    "tiny start, d = 20, r = 4, N = 3": (
        lambda: tiny_start(3),
        100.0,
        ("auto", "ROCK4", "RKC", "LSODA", "BDF"),
    ),
    "tiny start, d = 20, r = 4, N = 5": (
        lambda: tiny_start(5),
        1000.0,
        ("auto", "ROCK4", "RKC", "LSODA", "BDF"),
    ),
    "appendix A, d = 200, r = 20, N = 20": (lambda: appendix_a(200, 20, 20), 5.0, ("auto",)),
    "appendix A, d = 1000, r = 10, N = 20": (lambda: appendix_a(1000, 10, 20), 1.0, ("auto",)),
}


def distance(points, expected):
    """Return the largest relative distance of matrices in factors."""
    errors = []
    for a, b in zip(points, expected, strict=True):
        # In factors: ||A - B||^2 from thin QR decompositions.
        left = np.linalg.qr(np.hstack((a.u * a.s, b.u * b.s)))[1]
        right = np.linalg.qr(np.vstack((a.vt, -b.vt)).T)[1]
        errors.append(np.linalg.norm(left @ right.T) / np.linalg.norm(b.s))
    return max(errors)


def run_until(flow, reference, smallest, limit):
    """Return (error, evaluations, seconds, rtol) at falling tolerances, to an error or a time."""
    rows, spent = [], 0.0
    for rtol in 10.0 ** -np.arange(3, 11, 0.5):
        begun = time.perf_counter()
        trajectory = flow(rtol)
        seconds = time.perf_counter() - begun
        spent += seconds
        if trajectory.complete:
            error = distance(trajectory.points, reference)
            rows.append((error, trajectory.evaluations, seconds, rtol))
            if error <= smallest:
                break
        if spent > limit:
            break
    return rows


def compare(name, layers=False, limit=60.0):
    """Return the lines for one setting."""
    build, end, methods = SETTINGS[name]
    problem, factors = build()
    times = end * FRACTIONS
    if layers:
        methods = [method for method in methods if method != "BDF"]

    def flow(method, rtol):
        options = {"method": method, "rtol": rtol, "atol": rtol / 100}
        if layers:
            return fixedrank.factored_flow(problem, factors, times, **options)
        start = product_point(factors)
        return fixedrank.riemannian_flow(problem, start, len(factors), times, **options)

    large = len(factors) == 20
    reference = flow("DOP853", 1e-10 if large else 1e-11)
    lines = [f"{name}, t <= {end:g}, {'layers' if layers else 'product'}"]
    found = {}
    for method in ("DOP853", *methods):
        start_at = 1e-6 if large else 1e-8
        rows = run_until(lambda rtol, m=method: flow(m, rtol), reference.points, start_at, limit)
        found[method] = rows
    if large:
        # Its steps are limited by stability at every tolerance: the reference run is a row as well.
        found["DOP853"].append((0.0, reference.evaluations, float("nan"), 1e-10))
    for target in TARGETS[1:2] if large else TARGETS:
        base = None
        for method, rows in found.items():
            fitting = [row for row in rows if row[0] <= target]
            if not fitting:
                lines.append(f"  error {target:.0e}  {method:7}  not reached")
                continue
            error, evaluations, seconds, rtol = min(fitting, key=lambda row: row[1])
            base = base or (evaluations, seconds)
            lines.append(
                f"  error {target:.0e}  {method:7} {evaluations:8d} evaluations {seconds:8.2f} s"
                f"   {base[0] / evaluations:5.1f} x fewer {base[1] / seconds:5.1f} x faster"
                f"   (rtol {rtol:.0e}, error {error:.0e})"
            )
    return lines


def run(quick=False):
    """Return the table of all settings, the layers' flow on the first."""
    names = list(SETTINGS)[:1] if quick else list(SETTINGS)
    pairs = [*((name, False) for name in names), *((name, True) for name in names[:1])]
    return "\n\n".join("\n".join(compare(name, layers)) for name, layers in pairs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the smallest setting only")
    print(describe())
    print(run(parser.parse_args().quick))
