r"""
Infinite depth: frozen frames
=============================

**You learn** what a linear network does as it gets ever deeper: its singular spaces
freeze, and what is left is a flow of a small matrix.

**You need** the :ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it,
matplotlib.

The deeper the layers, the faster their product moves: at the rate :math:`N` in the
core of :math:`W = U S V^T`, and at a rate without :math:`N` in the normal directions,
in which :math:`U` and :math:`V` turn. So in the time :math:`\tau = N t` the frames
stand still as :math:`N \to \infty`, and the core moves by

.. math:: \frac{dS}{d\tau} = -\mathcal{A}_{\infty,S}(U^T \nabla L^1(W)\, V),

the limit of the operator over :math:`N`, among the invertible :math:`k \times k`
matrices. ``riemannian_flow`` takes ``depth=math.inf`` for it; there ``t`` is
:math:`\tau`.
"""

import math

import matplotlib.pyplot as plt
import numpy as np

import fixedrank
from fixedrank.plotting import depth_style

rng = np.random.default_rng(0)
m, n, k = 6, 5, 2
X = rng.standard_normal((n, 20)) / 4
problem = fixedrank.LinearRegression(X, rng.standard_normal((m, n)) @ X)
start = fixedrank.FixedRank(m, n, k, depth=2).random_point(rng=0)
tau = np.linspace(0, 12, 121)
limit = fixedrank.riemannian_flow(problem, start, math.inf, tau)
print(limit)

# %%
# Networks of depth :math:`N` come near it: the distance at equal :math:`\tau`, and how
# far the columns of :math:`W` have turned out of the space where they began.


def turned(point):
    """Return the sine of the largest angle to the column space of the start."""
    outside = point.u - start.u @ (start.u.T @ point.u)
    return np.linalg.norm(outside, 2)


def distance(a, b):
    """Return the distance of two points."""
    return np.linalg.norm((a.u * a.s) @ a.vt - (b.u * b.s) @ b.vt)


figure, (losses, angles, gaps) = plt.subplots(
    1, 3, figsize=(12, 3.8), layout="constrained"
)
deep = [5, 20, 80, 320, 1280]
largest = []
for depth in deep:
    flow = fixedrank.riemannian_flow(problem, start, depth, tau / depth)
    largest.append(max(map(distance, flow.points, limit.points)))
    if depth <= 80:
        look = {"markevery": 20, "label": f"$N = {depth}$", **depth_style(depth)}
        losses.plot(tau, flow.loss, **look)
        angles.plot(tau, [turned(point) for point in flow.points], **look)
look = {"markevery": 20, "label": r"$N = \infty$", **depth_style(math.inf), "lw": 3}
losses.plot(tau, limit.loss, **look)
angles.plot(tau, [turned(point) for point in limit.points], **look)
gaps.loglog(deep, largest, "o-", color="#2336ab", label="largest distance")
gaps.loglog(
    deep,
    largest[-1] * deep[-1] / np.array(deep),
    ":",
    color="0.4",
    label=r"$\propto 1/N$",
)
losses.set(title="The loss", xlabel=r"$\tau = N t$", ylabel="loss $L^1(W)$")
angles.set(
    title="How far $U$ has turned",
    xlabel=r"$\tau = N t$",
    ylabel="sine of the largest angle",
)
gaps.set(
    title="Distance to infinite depth",
    xlabel="depth $N$",
    ylabel=r"$\max_\tau \|W_N - W_\infty\|_F$",
)
figure.legend(*losses.get_legend_handles_labels(), loc="outside lower left", ncols=4)
gaps.legend(frameon=False)
figure.suptitle("The deeper the network, the stiller its frames: the gap is O(1/N)")
plt.show()
for depth, gap in zip(deep, largest, strict=True):
    print(f"N = {depth}: largest distance {gap:.4f}")

# %%
# The limit of the limit is not a critical point of the loss on matrices of rank
# :math:`k`: frames that stand still cannot find the best ones. It is the least squares
# of the core, with :math:`U` and :math:`V` as they were.

end = fixedrank.riemannian_flow(problem, start, math.inf, [0, 1e6])
u, v, W = start.u, start.vt.T, (end.last.u * end.last.s) @ end.last.vt
core = u.T @ problem.B @ v @ np.linalg.inv(v.T @ problem.C @ v)
best = fixedrank.global_minimizer(problem, k).loss
print(end.status)
print(f"distance to least squares: {np.linalg.norm(W - u @ core @ v.T):.1e}")
print(f"loss {end.loss[-1]:.4f}; the least one at rank {k} is {best:.4f}")

# %%
# And the determinant of the core keeps its sign. Where least squares have the other
# one, the smallest singular value goes to zero, as :math:`1/\tau`, and never arrives.

mirrored = (start.u * [1, -1], start.s, start.vt)
tau = np.array([0.0, *np.geomspace(1, 1e5, 26)])
flow = fixedrank.riemannian_flow(problem, mirrored, math.inf, tau)
figure, axes = plt.subplots(figsize=(6.2, 3.4), layout="constrained")
for index, style in ((0, "-"), (1, "--")):
    axes.loglog(
        tau[1:], flow.singular_values[1:, index], style, label=rf"$\sigma_{index + 1}$"
    )
axes.loglog(tau[10:], 3 / tau[10:], ":", color="0.4", label=r"$\propto 1/\tau$")
axes.set(
    title="A determinant of the wrong sign at infinite depth",
    xlabel=r"$\tau$",
    ylabel=r"singular values $\sigma_i(W(\tau))$",
)
axes.legend(frameon=False)
plt.show()
