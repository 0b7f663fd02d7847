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
solution :math:`W` have the sharpness :math:`N s_1^{2-2/N}`, and all other layers of
the same :math:`W` are sharper. So ``edge_of_stability`` is
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
# From layers that are not balanced, and begin on the sharp side of all three step
# sizes. ``sharpness`` follows them; on the right it is divided by :math:`2 / \eta`, and
# the dotted line is the edge.

start = [1.3 * layers[0], layers[1], layers[2] / 1.3]
start = [w + 0.05 * rng.standard_normal((d, d)) for w in start]
looks = {
    0.9: {"color": "#2336ab", "linestyle": "-", "marker": "o"},
    1.0: {"color": "#8a5a00", "linestyle": "--", "marker": "^"},
    1.1: {"color": "#94007c", "linestyle": "-.", "marker": "s"},
}
figure, (losses, sharp) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for factor, look in looks.items():
    step = factor * edge
    descent = fixedrank.gradient_descent(problem, start, 150, step_size=step)
    found = np.array([fixedrank.sharpness(problem, w) for w in descent.factors])
    look |= {"markevery": 0.1, "label": rf"$\eta = {factor}$ of the edge"}
    losses.semilogy(descent.iterations, descent.loss, **look)
    sharp.plot(descent.iterations, found * step / 2, **look)
    print(
        f"{factor} of the edge: loss {descent.loss[-1]:.1e}, sharpness over 2 / eta "
        f"{found[-2] * step / 2:.3f} and {found[-1] * step / 2:.3f}, imbalance "
        f"{descent.balancedness[0]:.2f} -> {descent.balancedness[-1]:.2f}"
    )
sharp.axhline(1, color="k", linestyle=":")
losses.set(xlabel="step $i$", ylabel="loss $L^N$", title="Loss")
sharp.set(
    xlabel="step $i$", ylabel=r"sharpness over $2 / \eta$", title="Sharpness over steps"
)
losses.legend(frameon=False)
sharp.legend(frameon=False)
figure.suptitle("Below the edge descent finds flat layers, beyond it has none to find")
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

factors = np.linspace(0.9, 1.6, 351)
figure, panels = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
near = (left, np.array([2.6, 1.7, 0.8]), right.T)
for panel, number in zip(panels, (2, 3), strict=True):
    own = fixedrank.edge_of_stability(solution, number)
    for factor in factors:
        orbit = fixedrank.aligned_descent(
            problem, near, range(600, 632), depth=number, step_size=factor * own
        )
        if orbit.complete:
            for column, color in zip(orbit.sigma.T, ("k", "#2336ab"), strict=False):
                panel.plot(np.full(32, factor), column**number, ",", color=color)
    panel.axvline(1, color="0.5", linestyle=":")
    panel.set(
        xlabel=r"step size $\eta$ over the edge",
        ylabel=r"limits of $s_1$ (black) and $s_2$ (blue)",
        title=f"$N = {number}$",
    )
figure.suptitle("At the edge of stability the largest singular value begins to jump")
plt.show()
