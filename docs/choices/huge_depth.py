r"""
Huge and fractional depth
=========================

**You learn** how the weights of the metric are computed at depth a million, at depth
2.5, and in the limit.

**You need** the operator (7) of the
:ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it, matplotlib.

The weights :math:`c_{ij} = \sum_{l<N} p_i^{N-1-l} p_j^l`, :math:`p_i = \sigma_i^{2/N}`,
are sums of :math:`N` terms. For large :math:`N` the sum is slow, and for fractional
:math:`N` there is none. The quotient :math:`(\sigma_i^2 - \sigma_j^2) / (p_i - p_j)`
has neither fault, but loses digits even far from ties: as :math:`N` grows all
:math:`p_i` tend to one.
"""

import time
from decimal import Decimal, localcontext

import matplotlib.pyplot as plt
import numpy as np

import fixedrank

s = np.geomspace(1, 1e-3, 10)


def by_sum(s, depth):
    """Return c_ij by the sum, as one product of matrices with `depth` columns."""
    powers = s[:, None] ** (2 * np.arange(depth) / depth)
    return powers @ powers[:, ::-1].T


def by_quotient(s, depth):
    """Return c_ij by the quotient, and its limit on the diagonal."""
    p = s ** (2 / depth)
    gaps = np.subtract.outer(p, p)
    np.fill_diagonal(gaps, 1)
    weights = np.subtract.outer(s**2, s**2) / gaps
    np.fill_diagonal(weights, depth * p ** (depth - 1))
    return weights


def by_library(s, depth):
    """Return c_ij as the metric does."""
    return fixedrank.DepthMetric(depth).tangential(s)


# %%
# fixedrank adds up the terms up to :math:`N = 32`, the dotted line in the picture. For
# larger and for fractional :math:`N` it uses
# :math:`c_{ij} = \sigma_>^{2-2/N} (1 - e^{-d}) / (1 - e^{-d/N})` with the larger and
# the smaller one of both singular values, where
# :math:`d = \ln(\sigma_>^2 / \sigma_<^2)` is computed by ``log1p`` and both differences
# by ``expm1``. How long does each way take, and how far is it from the exact weights?
# For fractional :math:`N` (open symbols) two of the three remain.


def exact(s, depth):
    """Return c_ij with many digits, as a list of (i, j, value) for i < j."""
    with localcontext() as context:
        context.prec = 60
        values = [Decimal(float(value)) for value in s]
        powers = [value ** (2 / Decimal(depth)) for value in values]
        return [
            (i, j, (values[i] ** 2 - values[j] ** 2) / (powers[i] - powers[j]))
            for j in range(s.size)
            for i in range(j)
        ]


def largest_error(weights, reference):
    """Return the largest relative error off the diagonal."""
    return max(
        float(abs(Decimal(float(weights[i, j])) / value - 1))
        for i, j, value in reference
    )


def measured(method, s, depth):
    """Return the time in microseconds, the shortest of several runs, and the error."""
    times = []
    while sum(times) < 0.02:
        begun = time.perf_counter()
        weights = method(s, depth)
        times.append(time.perf_counter() - begun)
    return 1e6 * min(times), largest_error(weights, exact(s, depth))


methods = {
    "sum of $N$ terms": (by_sum, "#e69f00", "s"),
    "quotient": (by_quotient, "#b5332e", "^"),
    "fixedrank": (by_library, "#0b3c5d", "o"),
}
depths = [2, 5, 10, 20, 32, 50, 100, 1000, 10**4, 10**5, 10**6]
figure, (speed, accuracy) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
for name, (method, color, marker) in methods.items():
    times, errors = zip(*(measured(method, s, depth) for depth in depths), strict=True)
    speed.loglog(depths, times, marker + "-", ms=4, color=color, label=name)
    accuracy.loglog(depths, errors, marker + "-", ms=4, color=color, label=name)
    for depth in (2, 1000, 10**6):
        i = depths.index(depth)
        print(
            f"{name.replace('$', '')}, N = {depth}: {times[i]:.0f} microseconds, "
            f"error {errors[i]:.1e}"
        )
fractional = np.array([1.1, 1.5, 2.5, 7.3, 31.4, 99.5, 1234.5])
for name in ("quotient", "fixedrank"):
    method, color, marker = methods[name]
    errors = [largest_error(method(s, depth), exact(s, depth)) for depth in fractional]
    accuracy.loglog(fractional, errors, marker, color=color, mfc="none", ms=7)
    print(f"{name}, fractional N: largest error {max(errors):.1e}")
for axes in (speed, accuracy):
    axes.axvline(32, color="0.7", lw=1, ls=":", zorder=0)
    axes.set_xlabel("depth $N$")
speed.set(ylabel="time in microseconds", title="Time for 10 singular values")
accuracy.set(ylabel="largest relative error of $c_{ij}$", title="Error")
speed.legend(frameon=False, loc="upper center")
figure.suptitle(
    "fixedrank's weights at depth one million cost as much as at 50, and are as exact"
)
plt.show()

# %%
# The same formula has a limit: :math:`c_{ij} / N` tends to
# :math:`(\sigma_i^2 - \sigma_j^2) / (\ln \sigma_i^2 - \ln \sigma_j^2)`. On the
# invertible matrices this is a metric, that of ``depth=np.inf``.

point = (np.eye(10), s, np.eye(10))
limit = fixedrank.DepthOperator(point, np.inf).eigenvalues()
for depth in (10, 1000, 10**6):
    eigenvalues = fixedrank.DepthOperator(point, depth).eigenvalues() / depth
    print(
        f"N = {depth}: A/N differs from its limit by "
        f"{np.abs(eigenvalues / limit - 1).max():.1e}"
    )
