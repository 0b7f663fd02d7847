r"""
Tightened saddles
=================

**You learn** where the conjecture of the paper could fail, that of three layers it does
not fail there, and how long flows stay.

**You need** :ref:`critical points <sphx_glr_gallery_landscape_critical_points.py>`; to
run it, matplotlib.

For :math:`N = 2` almost every start leads to a global minimum of :math:`L^N`, as all
saddles are strict. For :math:`N \ge 3` some are not: those that are *tightened* have no
direction in which the loss falls to second order. The imbalances :math:`D_j` of the
start, which the flow keeps, often exclude them; the proof is not refereed.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import elliprf

import fixedrank

rng = np.random.default_rng(0)
problem = fixedrank.LinearRegression(np.eye(2), np.diag([2.0, 1.0]))
wide = fixedrank.gaussian_factors([2, 3, 3, 2], rng=rng)
print(fixedrank.check_hypotheses(problem, wide).theorems[-1].statement)

# %%
# With hidden widths of 3 that is so for almost every start, with 2 for a third of the
# Gaussian ones. The others share their imbalances with saddles like this one: three
# layers of rank 1 with the best product of rank 1. Each :math:`D_j` has a positive and
# a negative eigenvalue.


def unit(angle):
    """Return a unit vector of the plane."""
    return np.array([np.cos(angle), np.sin(angle)])


into, left, right, out = unit(0.5), unit(1.1), unit(-0.2), unit(0.4)
size = (2 / ((out @ left) * (right @ into))) ** (1 / 3)
saddle = [
    1.1 * size * np.outer(into, unit(0)),
    size * np.outer(left, right),
    size / 1.1 * np.outer(unit(0), out),
]
print(fixedrank.classify_factors(problem, saddle).verdict)
for j, matrix in enumerate(fixedrank.imbalance(saddle), start=1):
    print(f"eigenvalues of D_{j}:", np.linalg.eigvalsh(matrix).round(2))
print(fixedrank.check_hypotheses(problem, saddle).theorems[-1].statement)

# %%
# What the layers have beside rank 1, a number :math:`b_i` for each, moves by
# :math:`\dot b_i = s\, b_j b_k` to leading order, the flow of a cubic form. It comes
# back to zero along four rays only: a set of measure zero. From all other starts it
# leaves, ten times later from ten times nearer.


def beside(layers):
    """Return the length of b: the second row, second singular value, second column."""
    first, middle, last = layers
    second = np.linalg.svd(middle)[1][1]
    return np.sqrt((first[:, 1] ** 2).sum() + second**2 + (last[1] ** 2).sum())


figure, orbits = plt.subplots(figsize=(7, 4.4), layout="constrained")
for epsilon, color, style in ((0.1, "#e69f00", "--"), (0.03, "#0b3c5d", "-")):
    starts = [w + epsilon * rng.standard_normal((8, 2, 2)) for w in saddle]
    scaled = np.linspace(0, 5, 81)
    flow = fixedrank.factored_flow(problem, starts, scaled / epsilon, rtol=1e-6)
    for i, run in enumerate(flow.runs):
        sizes = [beside(layers) / epsilon for layers in run.factors]
        label = rf"$\varepsilon = {epsilon:g}$" if i == 0 else None
        orbits.plot(scaled, sizes, color=color, ls=style, lw=1, label=label)
    ends = [fixedrank.classify_factors(problem, run.last).kind for run in flow.runs]
    print(f"epsilon = {epsilon}: {ends.count('global minimum')} of 8 arrived by then")
orbits.set(
    yscale="log",
    xlabel=r"scaled time $\varepsilon t$",
    ylabel=r"distance from rank 1, $|b| / \varepsilon$",
    title="Flows from a tightened saddle",
)
orbits.legend(frameon=False)
plt.show()

# %%
# Of :math:`b_i^2 - b_j^2` the flow keeps all, so :math:`|b|` is least when the least of
# the three vanishes, and how few starts come much closer can be counted without a flow.
# The points are flows of the layers, as are all those below: they come from
# ``python docs/results/tightened_saddles.py`` (six minutes).

b = rng.standard_normal((400_000, 3))
share = (b.prod(axis=1) < 0) * 3 * (b**2).min(axis=1) / (b**2).sum(axis=1)
factors = np.geomspace(1.05, 8, 30)
figure, closer = plt.subplots(figsize=(7, 4.4), layout="constrained")
closer.loglog(
    factors,
    [(1 - share < f**-2).mean() for f in factors],
    color="#0b3c5d",
    label=r"flow of $b$",
)
closer.loglog(factors, 0.2067 * factors**-4, "k:", label=r"$0.207\, \kappa^{-4}$")
measured = {1.1: 0.187, 1.5: 0.040, 2: 0.0125, 3: 0.0033}
closer.loglog(
    *zip(*measured.items(), strict=True), "o", color="#e69f00", label="layers"
)
closer.set_xticks([1, 2, 3, 4, 6, 8], ["1", "2", "3", "4", "6", "8"], minor=False)
closer.set_xticks([], minor=True)
closer.set(
    xlabel=r"factor $\kappa$",
    ylabel="part of the starts",
    title=r"Starts that come closer by a factor of $\kappa$",
)
closer.legend(frameon=False)
plt.show()


def time_to_leave(b):
    """Return when the solution of b_i' = b_j b_k from b is infinite."""
    least, middle, largest = np.take_along_axis(b, np.argsort(b**2, axis=1), 1).T
    least = least * np.sign(middle * largest)
    p, q = middle**2 - least**2, largest**2 - least**2
    tail = elliprf(least**2, least**2 + p, least**2 + q)
    return np.where(least >= 0, tail, 2 * elliprf(0 * p, p, q) - tail)


# %%
# How long they stay is an elliptic integral, of order :math:`1 / \varepsilon`. Starts
# on the rays miss the way back by :math:`\varepsilon^2`, and stay for
# :math:`\varepsilon^{-3/2}`.
#
# On leaves where :math:`D_1` is positive definite, with least eigenvalue
# :math:`\delta^2`, the saddles are strict, and flows leave at a rate of about
# :math:`\delta`: near the edge of these leaves, from :math:`\delta = \varepsilon` on,
# this is no faster than elsewhere.

epsilons = np.array([0.1, 0.05, 0.02, 0.01, 0.005])
random, rays = [16.9, 35.7, 90.7, 183, 364], [300, 808, 2992, 8353]
figure, (times, definite) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
times.loglog(epsilons, random, "o", color="#0b3c5d", label="random, median of 400")
times.loglog(epsilons, 1.83 / epsilons, color="#0b3c5d", label=r"$\varepsilon^{-1}$")
times.loglog(epsilons[:4], rays, "s", color="#e69f00", label="on the rays")
times.loglog(
    epsilons, 8.4 * epsilons**-1.5, "--", color="#e69f00", label=r"$\varepsilon^{-3/2}$"
)
times.set(
    xlabel=r"distance $\varepsilon$ of the start from the saddle",
    ylabel="time to leave $t$",
    title="Time to leave",
)
times.legend(frameon=False)
deltas = np.geomspace(0.004, 0.5, 30)
b = 0.01 * rng.standard_normal((4000, 3))
definite.loglog(
    deltas / 0.01,
    [np.median(time_to_leave(b + delta * np.eye(3)[1])) for delta in deltas],
    color="#0b3c5d",
    label=r"flow of $b$",
)
leaving = {0.4: 11.6, 0.2: 21.0, 0.1: 36.6, 0.05: 61.4, 0.02: 115, 0.01: 156}
definite.loglog(
    [delta / 0.01 for delta in leaving],
    leaving.values(),
    "o",
    color="#e69f00",
    label="layers, median of 200",
)
definite.set(
    xlabel=r"$\sqrt{\lambda_{\min}(D_1)} / \varepsilon$",
    ylabel="median time to leave $t$",
    title=r"Time to leave where $D_1$ is definite, $\varepsilon = 0.01$",
)
definite.legend(frameon=False)
figure.suptitle(
    "Flows leave saddles that are not strict as well, but not at an exponential rate"
)
plt.show()
