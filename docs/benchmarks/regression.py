"""Set-up of a regression beside the factorisations that it cannot do without.

python docs/benchmarks/regression.py [--quick]

The sketch is a QR of X^T by LAPACK, all samples at once, and an SVD of its small factor; the SVD of
X is what gives the same numbers in one call. C = X X^T alone gives half of their digits.
"""

import numpy as np
import scipy.linalg
from timing import interleaved, main

import fixedrank

SIZES, QUICK = [(64, 200_000), (784, 20_000)], [(32, 40_000)]


def run(quick: bool) -> str:
    """Return the table."""
    lines = [f"{'d_x x samples':>16} {'set-up':>10} {'QR, SVD of R':>13} {'SVD of X':>10}"]
    for features, samples in QUICK if quick else SIZES:
        rng = np.random.default_rng(0)
        X, Y = rng.standard_normal((features, samples)), rng.standard_normal((10, samples))

        def sketch(X=X, Y=Y):
            labels, upper = scipy.linalg.qr_multiply(X.T, Y, mode="right")
            return labels, scipy.linalg.svd(upper)

        times = interleaved(
            lambda X=X, Y=Y: fixedrank.LinearRegression(X, Y),
            sketch,
            lambda X=X: np.linalg.svd(X, full_matrices=False),
            seconds=0.2 if quick else 10.0,
            least=1,
        )
        cells = [f"{times[0]:8.2f} s", *(f"{time / times[0]:10.2f} x" for time in times[1:])]
        lines.append(f"{f'{features} x {samples}':>16} " + " ".join(cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main(run, __doc__)
