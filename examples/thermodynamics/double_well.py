r"""
A double well
=============

**You learn** which of two minima noise prefers, how long it stays in one, and how to
compute both from the critical points alone.

**You need** :ref:`weight decay <sphx_glr_gallery_training_weight_decay.py>`; to run
it, matplotlib.

In networks of three layers and more weight decay leaves two minima: one that has
learned, and zero. A flow ends at the one that it comes to. With noise of temperature T
it leaves each after a while, and in the long run the product is distributed as
:math:`e^{-F/T} \, d\mathrm{vol}_g`, where F is the loss and the penalty of the decay.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import ive

import fixedrank
from fixedrank.plotting import depth_style

# %%
# Two minima and a saddle
# -----------------------
#
# One singular value b = 1 is to be learned, by matrices of rank 1. The decay lies below
# that of ``SchattenDecay.maxwell``, at which both minima are as good: here the learned
# one is the better. Between them lies a saddle. Zero is no point of the manifold: it is
# the tip of the cone that the matrices of rank 1 are.

depth, decay = 3, 0.37
problem = fixedrank.LinearRegression(np.eye(2), np.diag([1.0, 0.0]))
found = fixedrank.critical_points(problem, 1, depth=depth, weight_decay=decay)
for critical in found:
    spectrum = np.round(critical.hessian_spectrum(depth), 3)
    print(f"{critical.kind}: F = {critical.objective:.4f}, eigenvalues {spectrum}")
learned, saddle = sorted(found, key=lambda critical: critical.objective)
tip = 0.5  # the loss of W = 0
print(f"zero: F = {tip}; as good at {fixedrank.SchattenDecay(1.0, 3).maxwell}")


def start(temperature, copies, seed):
    """Return points of which one half is learned, and one half has the law near 0."""
    manifold = fixedrank.FixedRank(2, 2, 1, depth=depth)
    half = copies // 2
    tips = manifold.random_gibbs(decay / temperature, size=half, rng=seed)
    wells = (np.repeat(part[None], half, axis=0) for part in learned.point)
    return fixedrank.FixedRankPoint(*map(np.concatenate, zip(wells, tips, strict=True)))


options = {"depth": depth, "weight_decay": decay, "step": 0.05}
run = fixedrank.langevin(
    problem,
    start(0.02, 2, seed=0),
    t=np.linspace(0, 400, 1601),
    temperature=0.02,
    copies=2,
    rng=1,
    **options,
)

colour = depth_style(depth)["color"]
figure, (well, path) = plt.subplots(
    1, 2, figsize=(11, 4), width_ratios=(1, 2), layout="constrained", sharey=True
)
s = np.linspace(0, 0.95, 400)
objective = (s - 1) ** 2 / 2 + decay * depth / 2 * s ** (2 / depth)
well.plot(objective, s, color=colour)
marks = {"o": (tip, 0.0), "s": (learned.objective, learned.point.s[0])}
marks["x"] = (saddle.objective, saddle.point.s[0])
for (mark, place), name in zip(marks.items(), ("zero", "learned", "saddle")):
    well.plot(*place, mark, color="k", ms=8, label=name, ls="none")
well.set(xlabel="$F(s)$", ylabel="singular value $s$", title="The landscape")
well.legend(loc="upper left")
path.plot(run.t, run.singular_values[:, 0], color=colour, lw=0.8, label="from the learned one")
path.plot(run.t, run.singular_values[:, 1], color="0.45", lw=0.8, label="from zero")
path.axhline(saddle.point.s[0], color="k", ls=":", lw=1)
path.set(xlabel="time $t$", title="Two copies at $T = 0.02$")
path.legend(loc="upper right")
figure.suptitle("Noise goes over the saddle, from either minimum to the other")
plt.show()

# %%
# Where it is
# -----------
#
# On the matrices of rank 1 and of 2 x 2 the law of the singular value is known: with
# :math:`r = \sqrt{3} s^{1/3}` its density is
# :math:`r^2 I_0(s / 2T)^2 e^{-(s^2 + \lambda r^2) / 2T}`, where the Bessel functions are
# what is left of the angles. Against it the counts of 600 copies, one half started in
# each minimum.
