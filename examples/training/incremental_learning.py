r"""
Incremental learning without the waiting
========================================

**You learn** which saddles a completion visits when its layers start small, in which
order and for how long, from one short computation that waits for none of them.

**You need** :ref:`sphx_glr_gallery_flows_saddle_to_saddle.py`, where plateaus of a
regression are named; to run it, matplotlib.

Layers that start small learn a matrix one rank at a time. With most losses nobody knows
the plateaus in advance, and a simulation spends its time on waiting for the next one:
ever longer the smaller the start is, and blurred if it is not small. In the limit there
is a path without any waiting: from a critical point :math:`W` of rank :math:`\rho`
small singular values :math:`\sigma` of the layers grow as
:math:`\dot\sigma = \gamma\, \sigma^{N-1}`, the fastest ones along the top singular pair
:math:`(u, v)` of :math:`-\nabla L^1(W)`, with its singular value :math:`\gamma`. So the
flow starts anew from :math:`W + \delta u v^T` with one more singular value, and runs to
the next critical point.
"""

import matplotlib.pyplot as plt
import numpy as np

import fixedrank
from fixedrank.plotting import depth_style

rng = np.random.default_rng(2)
d, values = 10, np.array([10.0, 6.0, 3.5])
left, right = (np.linalg.qr(rng.standard_normal((d, 3)))[0] for _ in range(2))
target = (left * values) @ right.T
rows, cols = np.nonzero(rng.random((d, d)) < 0.92)
problem = fixedrank.MatrixCompletion(rows, cols, target[rows, cols], (d, d))

# %%
# Here is the path of two layers. Each stage knows its critical point, its escape rate
# and the orbit to the next stage; the status says why the path ends.

path = fixedrank.greedy_path(problem, 2, max_rank=4)
print(path)
for stage in path.stages:
    print(stage)

# %%
# Flows that do wait, from layers with all singular values :math:`\epsilon` and random
# singular vectors, come ever nearer to the path: to its plateaus, the dotted lines,
# and, up to a shift in time that has a limit, to its times.

scales = [1e-2, 1e-4, 1e-8]
start = fixedrank.FixedRank(d, d, d, depth=2).random_point(rng=1)
figure, panels = plt.subplots(1, 3, figsize=(12, 3.8), sharey=True)
for axes, scale in zip(panels, scales, strict=True):
    t = np.linspace(0, 1.4 * path.arrival_times(scale)[-1], 400)
    layers = (start.u, np.full(d, scale**2), start.vt)
    flow = fixedrank.riemannian_flow(problem, layers, 2, t)
    axes.plot(t, flow.loss, color="#e69f00", lw=4, alpha=0.7, label="flow from a start")
    path.plot(axes, scale=scale, ls="--", label="greedy path")
    axes.set(
        title=rf"$\epsilon = 10^{{{round(np.log10(scale))}}}$",
        xlim=(0, t[-1]),
        xlabel="time $t$",
    )
    halves = (path.loss[1:] + path.loss[:-1]) / 2
    arrivals = np.interp(-halves, -flow.loss, t)
    print(f"eps = {scale:.0e}: the flow arrives at", arrivals.round(3))
    print("              the path says      ", path.arrival_times(scale).round(3))
for axes in panels[1:]:
    axes.set_ylabel("")
panels[0].legend(frameon=False)
figure.suptitle(
    "Small starts follow the path: loss over time for layers of size $\\epsilon$"
)
figure.tight_layout()
plt.show()

# %%
# Smaller starts wait longer, but each of them by an amount that is known. For
# :math:`N = 2` the waiting is :math:`\ln(\theta / \epsilon) / \gamma`, and the next
# singular value grows during the plateaus before its own, which ``arrival_times`` takes
# into account. For deeper networks the waiting is
# :math:`\epsilon^{2-N} / ((N - 2) \gamma)`: what takes two layers four units of time
# takes four layers a billion.

figure, axes = plt.subplots(figsize=(6.2, 3.6), layout="constrained")
sizes = np.geomspace(1e-5, 1e-1, 60)
for depth in (2, 3, 4):
    deep = fixedrank.greedy_path(problem, depth, max_rank=3)
    last = [deep.arrival_times(size)[-1] for size in sizes]
    axes.loglog(sizes, last, markevery=8, label=f"$N = {depth}$", **depth_style(depth))
    print(
        f"N = {depth}: losses", deep.loss.round(4), "rates", deep.escape_rate.round(3)
    )
axes.set(
    title="When rank 3 is learned, by the size of the layers at the start",
    xlabel=r"singular values $\epsilon$ of the layers at the start",
    ylabel="time $t$ of arrival",
)
axes.legend(frameon=False)
plt.show()

# %%
# The saddles, their rates and their order are the same at all depths here; what depth
# changes is the time. Escape rates that are close to each other are another matter:
# then only tiny starts choose between the directions, and the status says so.

near = fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.99, 1.0]))
print(fixedrank.greedy_path(near, 2, max_rank=3).status)
