r"""
Momentum is not friction on the manifold
========================================

**You learn** why gradient descent with momentum on layers does not follow the heavy
ball of the Riemannian geometry, and when it does.

**You need** the :ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it,
matplotlib.

Without momentum, the product of balanced layers follows the Riemannian gradient flow
(9): training is a geometry. Momentum is the heavy ball with friction on the layers,

.. math:: \ddot W_j + \gamma \dot W_j = -\nabla_{W_j} L^N ,

and one may expect its product to be the heavy ball of the manifold,

.. math:: \nabla_{\dot W} \dot W + \gamma \dot W = -\nabla^g L^1 ,

whose left side has the Levi-Civita connection of the metric :math:`g`. It is not.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

import fixedrank
from fixedrank.plotting import depth_style

rng = np.random.default_rng(0)
d, gamma, end = 3, 1.0, 2.0
left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
target = (left * [3.0, 2.0, 1.0]) @ right.T
problem = fixedrank.LinearRegression(np.eye(d), target)
t = np.linspace(0, end, 81)

# %%
# Two heavy balls
# ---------------
#
# The first one moves all layers, the second one a matrix of full rank: with
# ``christoffel`` its acceleration is
# :math:`\ddot W = -\Gamma(\dot W, \dot W) - \gamma \dot W - \mathcal{A}(\nabla L^1)`.


def ball_of_layers(layers):
    """Return the layers at all times, from rest."""
    shape = len(layers), d, d

    def velocity(time, state):
        W, V = state.reshape(2, *shape)
        pull = np.array(problem.network_gradient(list(W)))
        return np.concatenate([V.ravel(), (-gamma * V - pull).ravel()])

    start = np.concatenate([np.ravel(layers), np.zeros(np.size(layers))])
    flow = solve_ivp(
        velocity, (0, end), start, "DOP853", t_eval=t, rtol=1e-8, atol=1e-9
    )
    return [list(state.reshape(2, *shape)[0]) for state in flow.y.T]


def ball_of_the_manifold(W, depth):
    """Return the matrices at all times, from rest."""
    manifold = fixedrank.FixedRank(d, d, d, depth=depth)

    def velocity(time, state):
        W, V = state.reshape(2, d, d)
        point = manifold.point(W)
        Z = manifold.projection(point, V)
        turn = manifold.christoffel(point, Z, Z)
        pull = manifold.operator(point).apply(problem.gradient(W))
        force = manifold.tangent_to_matrix(point, turn + pull)
        return np.concatenate([V.ravel(), (-gamma * V - force).ravel()])

    start = np.concatenate([W.ravel(), np.zeros(d * d)])
    flow = solve_ivp(
        velocity, (0, end), start, "DOP853", t_eval=t, rtol=1e-8, atol=1e-9
    )
    return [state.reshape(2, d, d)[0] for state in flow.y.T]


# %%
# From a start that is aligned with the target, with the same singular vectors, the two
# agree to the tolerance of the integrators. From another balanced start they part:
# momentum makes balanced layers unbalanced. With
# :math:`D_j = W_{j+1}^T W_{j+1} - W_j W_j^T`
#
# .. math:: \ddot D_j + \gamma \dot D_j =
#     2 (\dot W_{j+1}^T \dot W_{j+1} - \dot W_j \dot W_j^T),
#
# of which the right side vanishes for aligned layers. Without momentum
# :math:`\dot D_j = 0`.
#
# Gradient descent with ``momentum`` is the first ball: with step size
# :math:`\eta = h^2` and momentum :math:`1 - \gamma h` its iterate :math:`i` is near it
# at :math:`t = h i`.

s = np.array([1.2, 1.0, 0.8])
turned = [np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2)]
starts = {"aligned": (left, s, right.T), "other": (turned[0], s, turned[1])}
h = 0.01
descent = fixedrank.gradient_descent(
    problem,
    fixedrank.balanced_factors(starts["other"], [d] * 4, rng=1),
    np.arange(0, 201, 20),
    step_size=h**2,
    momentum=1 - gamma * h,
    imbalance_law=True,
)

# %%
# The lines of the second panel are those of the first. The last panel has the loss of
# both balls from the start that is not aligned, and crosses for iterates of descent.

figure, (gaps, defects, losses) = plt.subplots(
    1, 3, figsize=(13, 4.2), layout="constrained"
)
for depth in (2, 3):
    for name, start in starts.items():
        layers = fixedrank.balanced_factors(start, [d] * (depth + 1), rng=1)
        balls = ball_of_layers(layers)
        products = [fixedrank.product(factors) for factors in balls]
        matrices = ball_of_the_manifold(products[0], depth)
        gap = [np.linalg.norm(a - b) for a, b in zip(products, matrices, strict=True)]
        defect = [fixedrank.balancedness(factors) for factors in balls]
        style = depth_style(depth) | {"markevery": 0.15}
        style["fillstyle"] = "full" if name == "other" else "none"
        label = f"$N = {depth}$, {name} start"
        gaps.semilogy(t[1:], gap[1:], **style, label=label)
        defects.semilogy(t[1:], np.maximum(defect[1:], 1e-17), **style, label=label)
        at_one = np.searchsorted(t, 1.0)
        print(
            f"N = {depth}, {name} start: gap {gap[at_one]:.1e} and "
            f"imbalance {defect[at_one]:.1e} at t = 1"
        )
    # The loss along both, from the last start.
    curves = [[problem.loss(W) for W in some] for some in (products, matrices)]
    losses.plot(t, curves[0], **style, label=f"$N = {depth}$, layers")
    style |= {"fillstyle": "none", "linewidth": 0.8}
    losses.plot(t, curves[1], **style, label=f"$N = {depth}$, manifold")
losses.plot(h * descent.iterations, descent.loss, "kx", label="$N = 3$, descent")
gaps.set(xlabel="time $t$", ylabel=r"$\|W_N \cdots W_1 - W\|_F$", title="Gap")
defects.set(xlabel="time $t$", ylabel=r"$\max_j \|D_j\|_F$", title="Imbalance")
losses.set(xlabel="time $t$", ylabel="loss $L^1$", title="Loss, other start")
for panel in (gaps, losses):
    panel.legend(frameon=False, fontsize=9)
figure.suptitle(
    "The heavy ball of layers is not the heavy ball of the manifold, unless aligned"
)
plt.show()

# %%
# The law of the imbalance holds for the steps too, exactly: ``imbalance_law`` adds it
# up along the run, and it is what the layers show.

law, measured = descent.imbalance_law[-1], descent.imbalances[-1]
worst = max(np.abs(a - b).max() for a, b in zip(law, measured, strict=True))
print(
    f"at the last iterate |D_1| = {np.linalg.norm(measured[0]):.3f}, and the law "
    f"differs by {worst:.0e}"
)

# %%
# So an optimiser with friction on the manifold is a method of its own, and not what
# momentum on layers does.
