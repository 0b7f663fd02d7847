r"""
The edge of stability
=====================

**You learn** how long the steps of gradient descent may be near a solution, what
happens beyond, and how sharpness changes along the way.

**You need** the :ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it,
matplotlib.

Near a minimum of :math:`L^N` gradient descent with step size :math:`\eta` converges if
and only if the *sharpness*, the largest eigenvalue of the Hessian in the layers, is
below :math:`2 / \eta`. On white data, where :math:`X X^T = I`, balanced layers of the
solution :math:`W` have the sharpness :math:`N s_1^{2-2/N}`, and no other layers of
the same :math:`W` have less. So ``edge_of_stability`` is
:math:`2 / (N s_1^{2-2/N})`: with longer steps descent cannot stay at the solution.
"""

import matplotlib.pyplot as plt
import numpy as np

import fixedrank

rng = np.random.default_rng(0)
d, depth, values = 4, 3, np.array([3.0, 2.0, 1.0])
left, right = (np.linalg.qr(rng.standard_normal((d, 3)))[0] for _ in range(2))
problem = fixedrank.LinearRegression(np.eye(d), (left * values) @ right.T)
solution = (left, values, right.T)
edge = fixedrank.edge_of_stability(solution, depth)
layers = fixedrank.balanced_factors(solution, [d] * (depth + 1), rng=0)
print(f"2 / edge = {2 / edge:.6f}")
print(f"sharpness of balanced layers: {fixedrank.sharpness(problem, layers):.6f}")
stretched = [layers[0] * 1.5, layers[1], layers[2] / 1.5]
print(f"of others: {fixedrank.sharpness(problem, stretched):.6f}")

# %%
# Descent at 0.9, 1.0 and 1.1 of the edge
# ---------------------------------------
#
# From a small start the sharpness rises while the singular values grow, and at the
# solution it would be :math:`2` over the edge. With 0.9 of the edge that is below
# :math:`2 / \eta`, and descent arrives. With 1.1 it cannot: it comes to jump to and fro
# between two matrices, whose largest singular values lie on both sides of 3. On the
# right is the ``sharpness`` over :math:`2 / \eta`, as the mean of two steps.

start = fixedrank.random_balanced_factors([d] * (depth + 1), rng=1)
start = [0.6 * w + 0.02 * rng.standard_normal((d, d)) for w in start]
looks = {
    0.9: {"color": "#2336ab", "linestyle": "-", "marker": "o"},
    1.0: {"color": "#8a5a00", "linestyle": "--", "marker": "^"},
    1.1: {"color": "#94007c", "linestyle": "-.", "marker": "s"},
}
figure, (losses, largest, sharp) = plt.subplots(
    1, 3, figsize=(13, 4.2), layout="constrained"
)
for factor, look in looks.items():
    step = factor * edge
    descent = fixedrank.gradient_descent(problem, start, 80, step_size=step)
    i, s_1 = descent.iterations, descent.singular_values[:, 0]
    found = np.array([fixedrank.sharpness(problem, w) for w in descent.factors])
    found *= step / 2
    look |= {"markevery": 7, "markersize": 4, "lw": 1.2}
    look |= {"label": rf"$\eta = {factor}$ of the edge"}
    losses.semilogy(i, descent.loss, **look)
    largest.plot(i, s_1, **look | {"linestyle": "none", "markevery": 1})
    sharp.plot(i[1:], (found[1:] + found[:-1]) / 2, **look)
    print(
        f"{factor} of the edge: at the end s_1 = {s_1[-2]:.4f} and {s_1[-1]:.4f}, "
        f"sharpness over 2 / eta {found[-2]:.3f} and {found[-1]:.3f}"
    )
sharp.axhline(1, color="k", linestyle=":")
losses.set(xlabel="step $i$", ylabel="loss $L^N$", title="Loss")
largest.set(xlabel="step $i$", ylabel=r"$s_1(W)$", title="Largest singular value")
sharp.set(
    xlabel="step $i$", ylabel=r"sharpness over $2 / \eta$", title="Sharpness over steps"
)
losses.legend(frameon=False)
figure.suptitle("Below the edge of stability descent arrives, beyond it jumps")
plt.show()

# %%
# Beyond: orbits of period two
# ----------------------------
#
# From an aligned start each singular value moves by itself, by
#
# .. math:: \sigma \leftarrow \sigma - \eta\, \sigma^{N-1} (c\, \sigma^N - b),
#     \qquad \sigma = s^{1/N},
#
# whatever the step size. ``aligned_descent`` is this map. Its limits over the step size
# make a bifurcation diagram: at the edge the largest singular value begins to jump
# between two values, further on between four, and chaos follows. The other singular
# values have edges of their own, at longer steps.

factors = np.linspace(0.9, 1.6, 211)
figure, panels = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
near = (left, np.array([2.6, 1.7, 0.8]), right.T)
for panel, number in zip(panels, (2, 3), strict=True):
    own = fixedrank.edge_of_stability(solution, number)
    orbits = [
        fixedrank.aligned_descent(
            problem, near, range(300, 332), depth=number, step_size=factor * own
        ).singular_values
        for factor in factors
    ]
    places = np.repeat(factors, 32)
    for column, color in enumerate(("k", "#2336ab")):
        panel.plot(places, np.vstack(orbits)[:, column], ",", color=color)
        panel.text(0.9, values[column] + 0.05, f"$s_{column + 1}$", color=color)
    panel.axvline(1, color="0.5", linestyle=":")
    panel.set(
        xlabel=r"step size $\eta$ over the edge",
        ylabel="$s_1$ and $s_2$ after 300 to 331 steps",
        title=f"$N = {number}$",
    )
figure.suptitle("At the edge of stability the largest singular value begins to jump")
plt.show()
