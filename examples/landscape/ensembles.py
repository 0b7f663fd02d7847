r"""
Ensembles
=========

**You learn** to run the flow from many random starts, and to read where they ended and
why.

**You need** the :ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it,
matplotlib.

Theorem 5 of the paper says where the flow (5) of the layers ends from almost all
starts. Of a single start it says nothing. ``run_ensemble`` integrates the flow from as
many starts as you like, small networks many at once, and says for each where it ends.

A flow cannot be followed for ever, and need not: once its loss is below the second
smallest critical value, the run is decided. The loss only falls, and by Theorem 1 the
limit is a critical point, so that it must be the global minimum.
"""

import matplotlib.pyplot as plt
import numpy as np

import fixedrank

rng = np.random.default_rng(0)
d, count = 5, 30
X = rng.standard_normal((d, 5 * d)) / np.sqrt(5 * d)
left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
root = np.linalg.cholesky(X @ X.T)
problem = fixedrank.LinearRegression(
    X, (left * np.linspace(2, 1, d)) @ right.T @ np.linalg.inv(root) @ X
)
print("singular values of Q:", problem.svd[1].round(2))

# %%
# Theorem 5(b) says that for :math:`N = 2` almost all starts lead to a global minimum of
# :math:`L^2`. For :math:`N \ge 3` the paper conjectures the same. Large, small and very
# small Gaussian starts:

scales = {"large": 0.7, "small": 0.1, "near zero": 0.03}
colors = {"large": "#0b3c5d", "small": "#e69f00", "near zero": "#b5332e"}
figure, panels = plt.subplots(
    1, 3, figsize=(12, 4), sharex=True, sharey=True, layout="constrained"
)
for panel, depth in zip(panels, (2, 3, 4), strict=True):
    for name, scale in scales.items():
        experiment = fixedrank.Experiment(
            problem, [d] * (depth + 1), scale=scale, end=300.0, tolerance=1e-4
        )
        ensemble = fixedrank.run_ensemble(experiment, range(count), workers=1)
        print(
            f"N = {depth}, {name} starts: {ensemble.limits}, "
            f"ranks of the limits {ensemble.ranks}"
        )
        times = np.sort(ensemble.column("time_to_tolerance"))
        times = times[np.isfinite(times)]
        panel.step(
            times,
            np.arange(1, times.size + 1) / count,
            color=colors[name],
            label=f"{name}: {times.size} of {count}",
        )
    panel.set(
        xscale="log",
        xlabel="time $t$ to the tolerance",
        title=f"$N = {depth}$",
        ylim=(-0.02, 1.5),
        yticks=np.linspace(0, 1, 6),
    )
    panel.legend(
        frameon=False, fontsize="small", title="reached the minimum", loc="upper left"
    )
panels[0].set_ylabel("part of the runs")
figure.suptitle(
    "The deeper the network, the longer it takes from a small start to the minimum"
)
plt.show()

# %%
# The curves count the runs that came within the tolerance of the minimum in time, 1e-4
# here; the lines below the picture count as decided some that were still farther away.
#
# At depth 4 a start near zero takes very long to leave it: its gradient is of the order
# of the third power of its layers. Runs that are not decided at the end say what they
# are near:

undecided = [record for record in ensemble.records if record.limit == "not decided"]
print(undecided[0].status if undecided else "all are decided")

# %%
# Theorem 6: balanced layers over a matrix of rank :math:`k > q` stay on the matrices of
# rank :math:`k` for all times, and tend to one of rank :math:`q`.

low = fixedrank.LinearRegression(
    X, (left[:, :2] * np.array([2.0, 1.0])) @ right[:, :2].T @ np.linalg.inv(root) @ X
)
experiment = fixedrank.Experiment(low, [d] * 4, "balanced", rank=4, end=50.0)
ensemble = fixedrank.run_ensemble(experiment, range(100), workers=1)
print(f"q = {low.rank}, k = 4:", ensemble.summary())

# %%
# For thousands of runs give it processes (``workers``), a cluster
# (``executor=client.get_executor()`` of Dask), and a file to keep records in
# (``store``), from which it goes on when it was interrupted.
# ``fixedrank ensemble --theorem 5b`` does all this for 10,000 starts.
