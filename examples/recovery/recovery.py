r"""
Recovery: from data to a matrix
===============================

**You learn** to complete a matrix in one call, to choose its rank, and to read from the
result how far to trust it.

**You need** entries of a matrix, and nothing of geometry; to run it, matplotlib.

:func:`fixedrank.recover` takes entries or measurements and a rank, and returns the
matrix, how it got there, and in words what to think of it.
"""

import matplotlib.pyplot as plt
import numpy as np

import fixedrank

rng = np.random.default_rng(0)
m, n, k = 200, 150, 4


def known_entries(truth, share, noise=0.0):
    """Return a random share of the entries, with noise."""
    rows, cols = np.nonzero(rng.random(truth.shape) < share)
    values = truth[rows, cols] + noise * rng.standard_normal(rows.size)
    return fixedrank.MatrixCompletion(rows, cols, values, truth.shape)


def matrix(condition):
    """Return a matrix of rank k with singular values from 1 down to 1 / condition."""
    point = fixedrank.FixedRank(m, n, k, depth=1).random_point(rng=rng)
    return (point.u * np.geomspace(1, 1 / condition, k)) @ point.vt


# %%
# Small singular values beside large ones
# ---------------------------------------
#
# A fifth of the entries is known, without noise. The usual way, ``method="direct"``,
# starts from the spectral initialisation, which puts zero for each unknown entry and
# cuts the matrix to rank 4, and descends. The default adds singular values where the
# residual, what is left of the data, shows them. The condition is the quotient of the
# largest and the smallest singular value.

histories = {}
for condition in (1, 100, 10_000):
    problem = known_entries(matrix(condition), 1 / 5)
    for method in ("auto", "direct"):
        found = fixedrank.recover(problem, k, method=method, rng=0)
        histories[condition, method] = found.residuals
        print(f"condition {condition:>6}, {method:6}: {found.status}")

# %%
# What the rank should be
# -----------------------
#
# With noise no rank fits exactly. Entries that are held out tell which one to take: the
# rank with the smallest error on them. A ridge, the weight of the sum of the singular
# values in the loss, forgives a rank that is too high.

noisy = known_entries(20 * matrix(10), 0.25, noise=0.02)
ranks = range(1, 10)
errors = {
    ridge: [
        fixedrank.recover(noisy, r, ridge=ridge, held_out=0.1, rng=0).held_out
        for r in ranks
    ]
    for ridge in (0.0, 0.2)
}
for ridge, found in errors.items():
    print(f"ridge {ridge}: " + "  ".join(f"{error:.4f}" for error in found))

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
colors = {1: "#0b3c5d", 100: "#e69f00", 10_000: "#b5332e"}
markers = {1: "o", 100: "s", 10_000: "^"}
for (condition, method), residuals in histories.items():
    line = "-" if method == "auto" else ":"
    left.loglog(
        np.arange(1, residuals.size + 1),
        residuals,
        line,
        color=colors[condition],
        marker=markers[condition],
        markevery=0.07,
        ms=5,
        label=f"condition {condition}" + ("" if method == "auto" else ", direct"),
    )
left.set(xlabel="points", ylabel="relative residual", title="Without noise")
left.legend(frameon=False, fontsize="small")
for (ridge, found), color, style in zip(
    errors.items(), ("#b5332e", "#0b3c5d"), ("o-", "s--"), strict=True
):
    right.semilogy(ranks, found, style, color=color, label=f"ridge {ridge}")
right.axhline(0.02, color="0.5", lw=1, ls=":", label="noise")
right.set(
    xlabel="rank",
    ylabel="error on entries held out",
    title="With noise",
    xticks=list(ranks),
)
right.legend(frameon=False)
figure.suptitle(
    "A completion is solved at any condition, and entries held out show the rank"
)
plt.show()

# %%
# Left: the default solves all three problems, the direct way only the one whose
# singular values are equal. Right: without a ridge the error is smallest at rank 4,
# which is right, and grows beyond it; with the ridge it stays.
#
# What the entries do not say
# ---------------------------
#
# A row with fewer entries than the rank may be completed in many ways; a rank that is
# too high fits anything. The result says so.

truth = matrix(1)
known = rng.random(truth.shape) < 0.3
known[7, 3:], known[7, :3] = False, True
partial = fixedrank.MatrixCompletion(np.where(known, truth, np.nan))
for rank in (k, k + 2):
    print(f"rank {rank}: {fixedrank.recover(partial, rank, rng=0).status}")
