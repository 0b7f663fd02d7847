r"""
Many starts, drawn over time
============================

**You learn** how to follow hundreds of random starts in one call, and to draw how they
learn, not only where they end.

**You need** :ref:`an ensemble <sphx_glr_gallery_landscape_ensembles.py>`; to run
it, matplotlib.

An ensemble says where runs end. How they come there differs more: small random layers
learn one singular value after the other, and the start decides when.
"""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

import fixedrank
from fixedrank.plotting import depth_style

rng = np.random.default_rng(0)
d, values = 8, np.array([3.0, 2.0, 1.0])
left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
problem = fixedrank.LinearRegression(np.eye(d), (left[:, :3] * values) @ right[:, :3].T)

# %%
# Losses of 100 starts at three depths
# ------------------------------------
#
# Layers get an axis more, in front: one copy of the network for each start. What comes
# back is a sequence of trajectories with arrays over all of them.

count, sizes, runs = 100, {2: 0.05, 3: 0.15, 4: 0.25}, {}
t = np.linspace(0, 30, 121)
for depth, size in sizes.items():
    widths = [d] + [4] * (depth - 1) + [d]
    starts = [size * rng.standard_normal((count, b, a)) for a, b in pairwise(widths)]
    runs[depth] = fixedrank.factored_flow(problem, starts, t, keep="last")
    print(runs[depth])

# %%
# The line is the median of all starts, the band holds eight of ten. The deeper the
# network, the further apart the starts are in time, though they all fall by the same
# steps.

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for depth, some in runs.items():
    some.plot(axes, quantities="loss", label=f"$N = {depth}$")
for k in range(3):
    level = (values[k:] ** 2).sum() / 2
    axes.axhline(level, color="0.6", lw=1, ls=":")
    axes.annotate(f"rank {k}", (t[-1], level), fontsize=8, ha="right", va="bottom")
axes.set(title="Median and band of 100 starts", yscale="linear", xlim=(0, t[-1]))
plt.show()

# %%
# A median over starts is the curve of none of them: where some are on a plateau and
# others have left it, it is smooth, and every single run has a step. Ten of them:

figure = runs[4][:10].plot(quantities=["loss", "singular_values"])
for axes, title in zip(figure.axes, ("Loss", "Singular values"), strict=True):
    axes.set(title=f"{title} of ten starts, $N = 4$", yscale="linear")
figure.set_size_inches(7, 2.8)
plt.figure(figure)
plt.show()

# %%
# When each singular value is learned
# -----------------------------------
#
# From the array of all singular values, shape (times, copies, 4), one reads when each
# start comes to half of the first, the second and the third. The first comes at nearly
# the same time in all of them; of deep networks the third comes soon or late.

figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), sharey=True, layout="constrained")
for axes, (depth, some) in zip(panels, runs.items(), strict=True):
    look = depth_style(depth)
    for i, value in enumerate(values):
        learned = some.singular_values[:, :, i] > value / 2
        when = np.sort(t[learned.argmax(axis=0)][learned.any(axis=0)])
        part = np.arange(1, when.size + 1) / count
        style = {"color": look["color"], "lw": 2.4 - 0.6 * i, "ls": ("-", "--", ":")[i]}
        axes.step(when, part, where="post", label=rf"$\sigma_{i + 1}$", **style)
        middle = f"{np.median(when):.1f}" if when.size else "never"
        print(f"N = {depth}: the median start learns sigma_{i + 1} at t = {middle}")
    axes.set(title=f"$N = {depth}$", xlabel="time $t$", xlim=(0, t[-1]))
panels[0].set_ylabel("part of the starts that have learned it")
panels[0].legend(frameon=False, loc="lower right")
plt.show()

# %%
# With weight decay
# -----------------
#
# In deep networks weight decay keeps some starts from learning the smallest singular
# value at all: it decays before its turn comes. With a line for each start one sees
# them, at the bottom; an experiment with the same decay counts them, and says which
# runs are certain to come to the minimum.

decay, depth = 0.15, 3
widths = [d, 4, 4, d]
starts = [0.35 * rng.standard_normal((count, b, a)) for a, b in pairwise(widths)]
decaying = fixedrank.factored_flow(problem, starts, t, weight_decay=decay, keep="last")
figure = decaying.plot(quantities=["loss", "singular_values"], lines=True, alpha=0.3)
figure.set_size_inches(7, 2.8)
plt.figure(figure)
plt.show()

ranks = (decaying.singular_values[-1] > 1e-2).sum(axis=1)
print("ranks of W(30):", dict(enumerate(np.bincount(ranks).tolist())))
experiment = fixedrank.Experiment(
    problem, widths, scale=0.35, weight_decay=decay, end=100.0
)
print(fixedrank.run_ensemble(experiment, range(count), workers=1).summary())
