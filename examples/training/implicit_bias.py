r"""
Implicit bias of classification
===============================

**You learn** to which classifier a deep linear network tends, out of all that make no
mistake, and how to follow its flow down to a loss of :math:`e^{-3000}`.

**You need** the :ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it,
matplotlib.

Cross-entropy of classes that can be told apart has no minimum: :math:`W` grows for
ever, and what is learned is its direction. Theory says which: a stationary point of

.. math::

    \min_W \sum_i s_i(W)^{2/N} \quad \text{subject to margins of at least 1},

where the margin of a sample is the score of its label less the largest of the others.
At :math:`N = 1` this is the support vector machine, at :math:`N = 2` the least nuclear
norm, and beyond a quasi-norm that is not convex and prefers low rank all the more. But
the loss at the time :math:`t` is about :math:`1/t`, and the direction settles like
:math:`1 / \ln t`: in time there is nothing to be seen. In the clock of the loss there
is.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import fixedrank
from fixedrank.plotting import depth_style

# %%
# Six classes on a circle. Neighbours differ by a third feature too, and each class has
# a weak one of its own: there are more and less thrifty ways to tell them apart.

rng = np.random.default_rng(0)
K, per_class = 6, 3
labels = np.arange(K * per_class) % K
angles = 2 * np.pi * np.arange(K) / K
centres = np.vstack(
    [
        3 * np.cos(angles),
        3 * np.sin(angles),
        np.cos(3 * angles),
        0.75 * np.eye(K),
    ]
)
X = centres[:, labels] + 0.06 * rng.standard_normal((len(centres), labels.size))
problem = fixedrank.Classification(X, labels)
print(problem)
print("separable:", problem.separable)

# %%
# With ``clock="loss"`` the times that are asked for are those of a clock
# :math:`\tau` in which the loss falls as :math:`e^{-\tau}` exactly; the trajectory has
# the time in its ``t``. Three depths, from the same small start.

tau = np.concatenate(([0.0], np.geomspace(1, 3000, 60)))
frames = fixedrank.FixedRank(*problem.shape, K, depth=1).random_point(rng=1)
start = frames._replace(s=0.03 * np.linspace(1, 0.7, K))
flows = {
    depth: fixedrank.riemannian_flow(
        problem, start, depth, tau, clock="loss", rtol=1e-6
    )
    for depth in (1, 2, 3)
}
for depth, flow in flows.items():
    at = int(np.searchsorted(tau, 230))
    fall = np.log(flow.loss[0] / flow.loss[at]) / tau[at]
    print(
        f"N = {depth}: {flow.evaluations} evaluations; at tau = {tau[at]:.0f} the loss "
        f"is {flow.loss[at]:.1e}, ln(L(0)/L)/tau = {fall:.7f}, and t = {flow.t[at]:.0e}"
    )

# %%
# Ranks by depth
# --------------
#
# Singular values over the margin, once it is positive. The deeper the network, the
# fewer of them stay: all that there can be at :math:`N = 1` (adding the same to all
# scores changes nothing, which leaves five), three at :math:`N = 2`, two at
# :math:`N = 3`.


def normalised(flow):
    """Return the clock and singular values over margins, where these are positive."""
    margins = np.array([problem.margin(W) for W in flow.points])
    right = margins > 0
    return flow.clock[right], flow.singular_values[right] / margins[right, None]


figure, panels = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
for axes, (depth, flow) in zip(panels, flows.items(), strict=True):
    clock, values = normalised(flow)
    axes.semilogx(clock, values, **depth_style(depth), markevery=8)
    rank = int((values[-1] > 0.02 * values[-1, 0]).sum())
    axes.set(
        title=f"$N = {depth}$: rank {rank}", xlabel=r"clock $\tau = \ln(L(0) / L)$"
    )
    for place, value in enumerate(values[-1][:rank], start=1):
        print(f"N = {depth}: s_{place} / margin = {value:.4f}")
panels[0].set(ylabel=r"$\sigma_i(W) \,/\, \mathrm{margin}(W)$", ylim=(-0.05, 2.0))
figure.suptitle(
    "What stays of W, divided by its margin: the deeper, the lower the rank"
)
plt.show()

# %%
# How near the limit is
# ---------------------
#
# At :math:`N = 2` the problem is convex, and the flow brings its own proof: the
# probabilities of the wrong classes make multipliers of the dual problem, so
# ``dual_bound`` is below every nuclear norm with margins of at least 1. At any depth
# ``alignment`` tells how far from stationary a direction is: it is the cosine between
# layers and the negative gradient of their loss.

W = flows[2].last
primal, dual = W.s.sum() / problem.margin(W), problem.dual_bound(W)
print(
    f"{dual:.4f} <= least nuclear norm <= {primal:.4f}, "
    f"a gap of {primal / dual - 1:.2%}"
)

figure, (bounds, cosines) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
clock, values = normalised(flows[2])
points = flows[2].points[-len(clock) :]
look = depth_style(2) | {"marker": ""}
bounds.semilogx(clock, values.sum(1), **look, label=r"$\|W\|_* / \mathrm{margin}(W)$")
look |= {"linestyle": ":", "lw": 2.5}
bounds.semilogx(
    clock,
    [problem.dual_bound(W) for W in points],
    **look,
    label=r"dual bound $\sum p_{ci} / \|G\|_2$",
)
bounds.axhspan(dual, primal, color="0.85", zorder=0)
bounds.set(
    xlabel=r"clock $\tau$", ylabel="nuclear norm", ylim=(0.5, 4), title="$N = 2$"
)
for depth, flow in flows.items():
    gap = [1 - problem.alignment(W, depth) for W in flow.points[1:]]
    cosines.loglog(
        tau[1:], gap, **depth_style(depth), markevery=8, label=f"$N = {depth}$"
    )
cosines.set(xlabel=r"clock $\tau$", ylabel="1 - alignment", title="Towards stationary")
for axes in (bounds, cosines):
    axes.legend(frameon=False)
figure.suptitle("Two bounds that meet, and the cosine that tends to one")
plt.show()

# %%
# At :math:`N = 1` an independent solver finds the support vector machine, the least
# Frobenius norm with margins of at least 1.

rivals = [(i, c) for i in range(labels.size) for c in range(K) if c != labels[i]]
normals = np.zeros((len(rivals), *problem.shape))
for normal, (i, c) in zip(normals, rivals, strict=True):
    normal[labels[i]], normal[c] = X[:, i], -X[:, i]
normals = normals.reshape(len(rivals), -1)
machine = minimize(
    lambda w: w @ w / 2,
    normals.mean(0),
    jac=lambda w: w,
    constraints={
        "fun": lambda w: normals @ w - 1,
        "jac": lambda w: normals,
        "type": "ineq",
    },
)
W = flows[1].last
direction = (W.u * W.s) @ W.vt / problem.margin(W)
distance = np.linalg.norm(direction - machine.x.reshape(problem.shape))
distance /= np.linalg.norm(direction)
print(f"relative distance to the support vector machine: {distance:.1e}")

# %%
# More than one limit
# -------------------
#
# From :math:`N = 3` on the problem is not convex, and the start decides which of its
# stationary points the flow finds. From the small start three layers keep two singular
# values. Started in the direction that two layers found they keep all three, and the
# quasi-norm is smaller: small starts prefer low rank by more than the quasi-norm asks.

W = flows[2].last
start = W._replace(s=0.3 * W.s / W.s[0])
again = fixedrank.riemannian_flow(problem, start, 3, tau, clock="loss", rtol=1e-6)
starts = {"the small start": flows[3], "that direction": again}
for name, flow in starts.items():
    values = flow.last.s / problem.margin(flow.last)
    print(
        f"N = 3 from {name}: s / margin = {values[:3].round(3)}, sum of s^(2/3) = "
        f"{(values ** (2 / 3)).sum():.3f}, "
        f"alignment {problem.alignment(flow.last, 3):.4f}"
    )
