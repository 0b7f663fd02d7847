"""Many small networks at once against one by one.

python docs/benchmarks/ensembles.py [--quick]

The same runs, to the same tolerances: Gaussian starts of networks, integrated until they are within
1e-6 of the minimum. One by one they are integrated by `factored_flow`, to the times at which the
batch has stopped them. Beside both, what a run would take if it were nothing but its steps: six
velocities each, of as many networks together. All of this is in NumPy; where numba is installed,
the batch is followed with compiled steps, too.
"""

import time
from unittest import mock

import numpy as np
from timing import interleaved, main

import fixedrank
from fixedrank.ensembles import compiled
from fixedrank.ensembles.stacked import StackedNetworks


def whitened_regression(d):
    """Return a problem whose Q has singular values from 2 to 1."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((d, 5 * d)) / np.sqrt(5 * d)
    left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    values, frame = np.linalg.eigh(X @ X.T)
    whitened = (frame / np.sqrt(values)) @ frame.T
    return fixedrank.LinearRegression(X, (left * np.linspace(2, 1, d)) @ right.T @ whitened @ X)


def velocities(problem, widths, count):
    """Return the time of one velocity, of one network among `count` together."""
    networks = StackedNetworks(problem, widths)
    state = networks.state([fixedrank.gaussian_factors(widths, rng=seed) for seed in range(count)])
    (calls,) = networks.calls(state, [np.empty_like(state)])
    (least,) = interleaved(lambda: [call() for call in calls], seconds=0.2)
    return least / count


def compare(widths, runs, single):
    """Return the line of some widths: `runs` networks at once, `single` of them one by one."""
    problem = whitened_regression(widths[0])
    experiment = fixedrank.Experiment(problem, widths)

    def followed():
        began = time.perf_counter()
        found = fixedrank.run_ensemble(experiment, range(runs), workers=1)
        return found, (time.perf_counter() - began) / runs

    with mock.patch.object(compiled, "kernels", return_value=None):
        ensemble, together = followed()
    beside = ""
    if compiled.stepper_of(StackedNetworks(problem, widths)) is compiled.CompiledStepper:
        followed()  # it compiles, or loads what it has compiled
        beside = f" ({1 / followed()[1]:.0f} compiled)"
    began = time.perf_counter()
    for record in ensemble.records[:single]:
        start = experiment.start(record.seed)
        fixedrank.factored_flow(problem, start, [0, record.t], rtol=1e-6, atol=1e-9)
    alone = (time.perf_counter() - began) / single
    steps = ensemble.column("steps").mean()
    bare = 6 * steps * velocities(problem, widths, 64)
    return (
        f"d = {widths[0]:2}, N = {len(widths) - 1}: {1 / together:5.0f} runs/s{beside}, "
        f"{1e3 * together:.2f} ms a run at once, {1e3 * bare:.2f} its velocities, "
        f"{1e3 * alone:.1f} one by one, ratio {alone / together:.0f}; {steps:.0f} steps; "
        f"{ensemble.limits}"
    )


def run(quick=False):
    """Return the table."""
    cases = [([5] * (depth + 1), 1000, 10) for depth in (2, 3, 4)] + [([20] * 3, 200, 5)]
    if quick:
        cases = [([5] * 3, 100, 5)]
    return "\n".join([*(compare(*case) for case in cases), ""])


if __name__ == "__main__":
    main(run, __doc__)
