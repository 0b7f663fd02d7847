r"""
Rank after rank, or a ridge that falls
======================================

**You learn** which of two ways to find small singular values beside large ones solves
more completions.

**You need** the :ref:`page on recovery <sphx_glr_gallery_recovery_recovery.py>`; to run
it, matplotlib.

From a start with all singular values at once, as the spectral initialisation,
optimizers hardly find small ones beside large ones: what is left of the large ones
hides them. Two ways around it are known. One adds singular values where the residual
shows them, the largest first. The other has all of them from the start, and a ridge
:math:`\rho (\|L\|^2 + \|R\|^2) / 2` on the factors of :math:`W = L R^\top`, which keeps
those at zero that it outweighs, and falls from sweep to sweep of alternating least
squares. :func:`fixedrank.recover` does the first. Here both have the same sweeps; how
far conjugate gradients get from the spectral initialisation, the page on recovery
shows.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

import fixedrank

# Internal; behind `recover`.
from fixedrank.recovery.alternating import AlternatingSweeps

m, n, k, seeds = 150, 120, 4, 3
conditions = [1.0, 1e1, 1e3, 1e5]
oversamplings = [2.5, 3.5, 5.0]


def completion(condition, oversampling, seed):
    """Return a problem with so many entries for each degree of freedom."""
    rng = np.random.default_rng(seed)
    point = fixedrank.FixedRank(m, n, k, depth=1).random_point(rng=rng)
    truth = (point.u * np.geomspace(1, 1 / condition, k)) @ point.vt
    places = rng.permutation(m * n)[: round(oversampling * k * (m + n - k))]
    rows, cols = np.divmod(places, n)
    return fixedrank.MatrixCompletion(rows, cols, truth[rows, cols], truth.shape)


def falling_ridge(problem, factor):
    """Say whether a falling ridge gets to a residual of 1e-6 in 60 sweeps."""
    norm, point = np.linalg.norm(problem.values), problem.initial_point(k)
    ridge = 0.3 * problem.values.size / (m * n) * point.s[0]
    for _ in range(60):
        sweeps = AlternatingSweeps(problem._measurements, problem.values, None, ridge)
        point = sweeps.sweep(point, 0.0)
        if np.sqrt(2 * problem.loss(point)) < 1e-6 * norm:
            return True
        ridge *= factor
    return False


ways = {
    "rank after rank": lambda problem: fixedrank.recover(problem, k, rng=0).converged,
    "ridge falls by 0.5": lambda problem: falling_ridge(problem, 0.5),
    "ridge falls by 0.2": lambda problem: falling_ridge(problem, 0.2),
}

# %%
# Each way gets the same problems. Those that are not solved count with the time that
# they took.

solved = {name: np.zeros((len(oversamplings), len(conditions)), int) for name in ways}
seconds = {name: np.zeros((len(oversamplings), len(conditions))) for name in ways}
for i, oversampling in enumerate(oversamplings):
    for j, condition in enumerate(conditions):
        for seed in range(seeds):
            problem = completion(condition, oversampling, seed)
            for name, way in ways.items():
                began = time.process_time()
                solved[name][i, j] += way(problem)
                seconds[name][i, j] += (time.process_time() - began) / seeds
for name in ways:
    print(f"{name}: solved, of {seeds}, and milliseconds")
    for i, oversampling in enumerate(oversamplings):
        cells = [
            f"{count} {1e3 * taken:6.0f}"
            for count, taken in zip(solved[name][i], seconds[name][i], strict=True)
        ]
        print(f"  oversampling {oversampling}:  " + "   ".join(cells))

# %%
figure, panels = plt.subplots(
    2, 3, figsize=(12, 6), sharex=True, sharey="row", layout="constrained"
)
styles = {
    "rank after rank": ("#0b3c5d", "-", "o"),
    "ridge falls by 0.5": ("#e69f00", "-", "s"),
    "ridge falls by 0.2": ("#e69f00", "--", "^"),
}
for i, oversampling in enumerate(oversamplings):
    for name, (color, line, marker) in styles.items():
        style = {
            "color": color,
            "ls": line,
            "marker": marker,
            "label": name,
            "mfc": "none",
        }
        # Rings around what they coincide with.
        style["ms"] = 11 if marker == "o" else 6
        panels[0, i].semilogx(conditions, solved[name][i] / seeds, **style)
        panels[1, i].loglog(conditions, seconds[name][i], **style)
    panels[0, i].set(
        title=f"{oversampling} entries for each degree of freedom", ylim=(-0.05, 1.05)
    )
    panels[1, i].set(xlabel="condition of the matrix")
panels[0, 0].set(ylabel="share that is solved")
panels[1, 0].set(ylabel="seconds")
panels[1, 2].legend(frameon=False)
figure.suptitle("Rank after rank solves ill-conditioned completions from fewer entries")
plt.show()

# %%
# A slow fall of the ridge does well where entries are many, at all conditions up to the
# inverse of the tolerance; where they are few, rank after rank solves more: of a lower
# rank there are so many more entries for each degree of freedom, and what it leaves out
# is small beside it.
