"""Many small networks at once against one by one.

python docs/benchmarks/ensembles.py [--quick]

The same runs, to the same tolerances: Gaussian starts of d = 5 networks, integrated until they are
within 1e-6 of the minimum. One by one they are integrated by `factored_flow`, to the times at which
the batch has stopped them.
"""

import time

import numpy as np
from timing import main

import fixedrank


def whitened_regression(d):
    """Return a problem whose Q has singular values from 2 to 1."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((d, 5 * d)) / np.sqrt(5 * d)
    left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    values, frame = np.linalg.eigh(X @ X.T)
    whitened = (frame / np.sqrt(values)) @ frame.T
    return fixedrank.LinearRegression(X, (left * np.linspace(2, 1, d)) @ right.T @ whitened @ X)


def compare(problem, depth, runs, single):
    """Return the line of one depth: `runs` networks at once, `single` of them one by one."""
    d = problem.shape[0]
    experiment = fixedrank.Experiment(problem, [d] * (depth + 1))
    began = time.perf_counter()
    ensemble = fixedrank.run_ensemble(experiment, range(runs), workers=1)
    together = (time.perf_counter() - began) / runs
    began = time.perf_counter()
    for record in ensemble.records[:single]:
        start = experiment.start(record.seed)
        fixedrank.factored_flow(problem, start, [0, record.t], rtol=1e-6, atol=1e-9)
    alone = (time.perf_counter() - began) / single
    return (
        f"N = {depth}: {1e3 * together:.2f} ms a run at once, {1e3 * alone:.1f} ms one by one, "
        f"ratio {alone / together:.0f}; {ensemble.limits}"
    )


def run(quick=False):
    """Return the table."""
    problem = whitened_regression(5)
    runs, single, depths = (100, 5, (2,)) if quick else (1000, 10, (2, 3, 4))
    return "\n".join([*(compare(problem, depth, runs, single) for depth in depths), ""])


if __name__ == "__main__":
    main(run, __doc__)
