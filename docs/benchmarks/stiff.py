"""Integrators on stiff flows, at equal error: evaluations and time, in one run.

python docs/benchmarks/stiff.py [--quick]

The error is the largest of ||W - W*||_F / ||W*||_F over the output times, with W* from DOP853 at
rtol 1e-11. For each method the tolerance, rtol = 100 atol, is sought with which the error just
keeps below the target. The test for rest is switched off, so that all go to the final time.
"""

import time

import numpy as np
from problems import appendix_a, start
from timing import main

import fixedrank
from fixedrank.flows import stationarity

TARGETS = (1e-4, 1e-6, 1e-8)
TRIALS, LONGEST = 6, 40.0
LOOSER = (1.2, 1.5, 1.8, 2.2, 2.7)
FRACTIONS = np.array([0.0, 0.02, 0.1, 0.3, 1.0])


def tiny_start(depth, d=20, rank=4, size=1e-4):
    """Return a problem with singular values 4, 3, 2, 1, and a start of 1e-4: plateaus and jumps."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((d, 3 * d)) / np.sqrt(d)
    target = fixedrank.FixedRank(d, d, rank, depth=1).random_point(rng=rng)
    problem = fixedrank.LinearRegression(X, (target.u * np.arange(rank, 0, -1.0)) @ target.vt @ X)
    point = fixedrank.FixedRank(d, d, rank, depth=depth).random_point(rng=rng)
    point = point._replace(s=size * np.linspace(1.3, 1.0, rank))
    widths = [d] + [rank] * (depth - 1) + [d]
    return problem, fixedrank.balanced_factors(point, widths, rng=rng)


ALL = ("auto", "ROCK4", "RKC", "LSODA", "BDF")
# name: (the problem and its layers, final time, methods beside DOP853, errors)
SETTINGS = {
    "appendix A, d = 20, r = 2, N = 10": (lambda: appendix_a(20, 2, 10), 5.0, ALL, TARGETS),
    "appendix A, d = 200, r = 20, N = 10": (
        lambda: appendix_a(200, 20, 10),
        5.0,
        ("auto", "ROCK4", "RKC"),
        TARGETS,
    ),
    "tiny start, d = 20, r = 4, N = 3": (lambda: tiny_start(3), 100.0, ALL, TARGETS[1:2]),
    "tiny start, d = 20, r = 4, N = 5": (lambda: tiny_start(5), 300.0, ALL, TARGETS[1:2]),
    "appendix A, d = 200, r = 20, N = 20": (
        lambda: appendix_a(200, 20, 20),
        5.0,
        ("auto",),
        TARGETS[1:2],
    ),
    "appendix A, d = 1000, r = 10, N = 20": (
        lambda: appendix_a(1000, 10, 20),
        5.0,
        ("auto",),
        TARGETS[1:2],
    ),
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


def cheapest(flow, reference, target):
    """Return (evaluations, seconds, rtol, error) of the cheapest run that keeps to a target.

    Errors do not grow steadily with rtol: where one is just too large, looser ones are tried too.
    """
    low, high, best, spent = 0.0, np.inf, None, 0.0

    def attempt(rtol):
        nonlocal best, spent
        begun = time.perf_counter()
        trajectory = flow(rtol)
        seconds = time.perf_counter() - begun
        spent += seconds
        error = distance(trajectory.points, reference) if trajectory.complete else np.inf
        if error <= target:
            row = (trajectory.evaluations, seconds, rtol, error)
            best = min(best or row, row)
        return error

    rtol = target / 10
    for _ in range(TRIALS):
        error = attempt(rtol)
        low, high = (max(low, rtol), high) if error <= target else (low, min(high, rtol))
        if (low > 0 and high < 1.3 * low) or target / 1.3 <= error <= target or spent > LONGEST:
            break
        guess = rtol * min(30.0, max(1 / 30, 0.8 * target / error))
        rtol = guess if low < guess < high else np.sqrt(low * high)
        if not 1e-13 < rtol < 0.1:
            break
    for factor in LOOSER:
        if best is not None and spent < LONGEST and factor * low < 0.1:
            attempt(factor * low)
    return best


def compare(name, layers=False):
    """Return the lines for one setting."""
    build, end, methods, targets = SETTINGS[name]
    problem, factors = build()
    times = end * FRACTIONS
    _, point = start(factors)

    def flow(method, rtol):
        options = {"method": method, "rtol": rtol, "atol": rtol / 100}
        if layers:
            return fixedrank.factored_flow(problem, factors, times, **options)
        return fixedrank.riemannian_flow(problem, point, len(factors), times, **options)

    reference = flow("DOP853", 1e-11).points
    lines = [f"{name}, t <= {end:g}, {'layers' if layers else 'product'}"]
    for target in targets:
        base = None
        for method in ("DOP853", *methods):
            # Dense Jacobians of layers take too long, and so does second order at small errors.
            if (layers and method == "BDF") or (method == "RKC" and target < 1e-5):
                continue
            found = cheapest(lambda rtol, m=method: flow(m, rtol), reference, target)
            if found is None:
                lines.append(f"  error {target:.0e}  {method:7}  not reached")
                continue
            evaluations, seconds, rtol, error = found
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
    stationarity._PATIENCE = np.inf  # no test for rest
    return "\n\n".join("\n".join(compare(name, layers)) for name, layers in pairs)


if __name__ == "__main__":
    main(run, __doc__)
