"""Many small networks at once against one by one: python docs/benchmarks/ensembles.py.

The same runs, to the same tolerances: Gaussian starts of d = 5 networks, integrated until they are
within 1e-6 of the minimum. One by one they are integrated by `factored_flow`, to the times at which
the batch has stopped them.
"""

import argparse
import time

import numpy as np

import fixedrank


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="runs in the ensemble")
    parser.add_argument("--single", type=int, default=20, help="of them one by one")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    d = 5
    X = rng.standard_normal((d, 5 * d)) / np.sqrt(5 * d)
    left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    values, frame = np.linalg.eigh(X @ X.T)
    whitened = (frame / np.sqrt(values)) @ frame.T
    problem = fixedrank.LinearRegression(X, (left * np.linspace(2, 1, d)) @ right.T @ whitened @ X)
    for depth in (2, 3, 4):
        experiment = fixedrank.Experiment(problem, [d] * (depth + 1))
        began = time.perf_counter()
        ensemble = fixedrank.run_ensemble(experiment, range(options.runs), workers=1)
        together = (time.perf_counter() - began) / options.runs
        began = time.perf_counter()
        for record in ensemble.records[: options.single]:
            fixedrank.factored_flow(
                problem, experiment.start(record.seed), [0, record.t], rtol=1e-6, atol=1e-9
            )
        alone = (time.perf_counter() - began) / options.single
        print(
            f"N = {depth}: {1e3 * together:.2f} ms a run at once, {1e3 * alone:.1f} ms one by one, "
            f"ratio {alone / together:.0f}; {ensemble.limits}"
        )


if __name__ == "__main__":
    main()
