r"""
Imbalance: lazy, balanced, rich
===============================

**You learn** how layers that start out of balance learn: which of them stand still, how
far the kernel and the singular vectors move, and that one metric describes it all.

**You need** the :ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it,
matplotlib.

Gradient flow keeps the matrices :math:`D_j = W_{j+1}^T W_{j+1} - W_j W_j^T`. Balanced
layers have :math:`D_j = 0`. Where :math:`D_j = \lambda_j I`, and the hidden layers are
as wide as the rank of the product :math:`W`, this moves by a Riemannian gradient flow
too, in the metric of ``ImbalancedMetric``: :math:`W' = -\mathcal{A}(\nabla L^1(W))`.
The operator :math:`\mathcal{A}` is the neural tangent kernel of the layers. With large
:math:`|\lambda|` it may hardly change: then training is *lazy*, that of a linear model.
Where it changes by much, training is called *rich*.
"""

import matplotlib.pyplot as plt
import numpy as np

import fixedrank
from fixedrank.plotting import depth_style

rng = np.random.default_rng(4)


def frame(rows, columns):
    """Return orthonormal columns, a rotation if they are square."""
    q = np.linalg.qr(rng.standard_normal((rows, columns)))[0]
    return q * np.where(np.arange(columns) == 0, np.sign(np.linalg.det(q[:columns])), 1)


def imbalance_of(N, value):
    """Return (lambda) for two layers, and (lambda, 0) for three."""
    return [value, 0.0][: N - 1]


# %%
# Training from -10 to 10
# -----------------------
#
# A 3 x 3 matrix with singular values 3, 2, 1 is learned from a small start. Of two
# layers, :math:`\lambda` is the only number; of three we take :math:`(\lambda, 0)`: for
# :math:`\lambda > 0` the first layer is the small one, for :math:`\lambda < 0` the two
# others are. ``imbalanced_factors`` makes the layers, and ``NetworkOperator`` is their
# kernel :math:`\Theta`.

d = 3
goal = (frame(d, d) * [3.0, 2.0, 1.0]) @ frame(d, d).T
problem = fixedrank.LinearRegression(np.eye(d), goal)
start = fixedrank.FixedRankPoint(frame(d, d), np.array([0.3, 0.2, 0.1]), frame(d, d).T)


def kernel_of(layers):
    """Return the kernel as a symmetric matrix."""
    operator = fixedrank.NetworkOperator(layers).aslinearoperator()
    return operator @ np.eye(operator.shape[0])


def moved(kernels):
    """Return how far kernels are from the first, relative to it."""
    distances = [np.linalg.norm(kernel - kernels[0]) for kernel in kernels]
    return np.array(distances) / np.linalg.norm(kernels[0])


def angle(a, b):
    """Return the largest angle in degrees between the ranges of orthonormal columns."""
    return np.degrees(np.arccos(min(1, np.linalg.svd(a.T @ b)[1].min())))


# Two layers learn alike with lambda and -lambda: the markers of both are seen.
hollow = {"markersize": 9, "markerfacecolor": "none"}
looks = {
    -10.0: {"color": "#0b3c5d", "linestyle": "-", "marker": "s", **hollow},
    -1.0: {"color": "#2f7fb8", "linestyle": "--", "marker": "D", **hollow},
    0.0: {"color": "#222222", "linestyle": "-", "marker": "o", "markersize": 4},
    1.0: {"color": "#e69f00", "linestyle": "--", "marker": ">", "markersize": 4},
    10.0: {"color": "#b5460f", "linestyle": "-", "marker": "^", "markersize": 4},
}
t = np.concatenate(([0.0], np.geomspace(1e-4, 4, 50)))
measured = {}
figure, panels = plt.subplots(2, 3, figsize=(12, 6.5), layout="constrained")
for row, N in zip(panels, (2, 3), strict=True):
    for value, look in looks.items():
        layers = fixedrank.imbalanced_factors(start, imbalance_of(N, value), rng=0)
        flow = fixedrank.factored_flow(problem, layers, t)
        kernel = moved([kernel_of(layers) for layers in flow.factors])
        measured[N, value] = kernel[-1]
        angles = [angle(start.u[:, :1], point.u[:, :1]) for point in flow.points]
        style = {**look, "markevery": 8}
        for panel, values in zip(row, (flow.loss, angles, kernel), strict=True):
            panel.plot(t[1:], values[1:], **style, label=rf"$\lambda = {value:g}$")
            panel.set(xscale="log", xlabel="time $t$")
    row[0].set(ylabel="loss $L^N$", title=f"Loss, $N = {N}$")
    row[1].set(ylabel="angle (degrees)", title="Movement of the first left vector")
    row[2].set(
        ylabel=r"$|\Theta(t) - \Theta(0)| \, / \, |\Theta(0)|$",
        yscale="log",
        ylim=(1e-3, 50),
        title="Kernel's movement",
    )
panels[0, 0].legend(frameon=False, fontsize=9)
figure.suptitle(
    r"Two layers: with larger $|\lambda|$ they learn faster, and the kernel moves less"
)
plt.show()

# %%
# The imbalance is kept, and the product is where the metric says it is.

layers = fixedrank.imbalanced_factors(start, [10.0, 0.0], rng=0)
layered = fixedrank.factored_flow(problem, layers, [0.0, 0.005, 0.05], rtol=1e-10)
moving = fixedrank.riemannian_flow(
    problem, start, 3, [0.0, 0.005, 0.05], imbalance=[10.0, 0.0], rtol=1e-10
)
for layers, W, (u, s, vt) in zip(
    layered.factors, layered.product, moving.points, strict=True
):
    print(
        "lambda =",
        np.round(fixedrank.imbalance(layers).homogeneous, 8),
        f"  distance of the two products: {np.linalg.norm((u * s) @ vt - W):.1e}",
    )

# %%
# No training is needed
# ---------------------
#
# As :math:`D_j = \lambda_j I`, the kernel is a function of :math:`W` alone: that of the
# metric. So how far it moves on the way from the start to the goal is known for every
# :math:`\lambda`; the markers are the trained networks above. At :math:`N = 2` it falls
# like :math:`1/\lambda^2` on both sides. At :math:`N = 3` only one side is lazy: for
# :math:`\lambda < 0` the first layer stands still, and the other two learn as a
# balanced network of depth 2.

end = fixedrank.FixedRank(d, d, d, depth=1).point(goal)


def movement(N, value):
    """Return the movement of the kernel from the start to the goal."""
    manifold = fixedrank.FixedRank(d, d, d, depth=N, imbalance=imbalance_of(N, value))
    kernels = [
        manifold.operator(point).aslinearoperator() @ np.eye(d * d)
        for point in (start, end)
    ]
    return moved(kernels)[-1]


values = np.sinh(np.linspace(-3, 3, 61)) / np.sinh(3) * 10
figure, kernels = plt.subplots(figsize=(7, 4.4), layout="constrained")
for N in (2, 3):
    style = depth_style(N)
    known = [movement(N, value) for value in values]
    kernels.semilogy(values, known, **{**style, "marker": ""})
    found = [measured[N, value] for value in looks]
    kernels.semilogy(list(looks), found, **{**style, "linestyle": ""})
    kernels.plot([], [], **style, label=f"$N = {N}$")
kernels.set(
    xlabel=r"$\lambda$",
    ylabel=r"$|\Theta(\infty) - \Theta(0)| \, / \, |\Theta(0)|$",
    title="Kernel's movement in all",
)
kernels.annotate("lazy", (8, 0.2), ha="center")
kernels.annotate("balanced", (0, 0.8), ha="center")
kernels.annotate("rich", (-8, 12), ha="center")
kernels.annotate("lazy", (-8, 0.18), ha="center")
kernels.legend(frameon=False)
plt.show()

# %%
# Which side stands still
# -----------------------
#
# A hidden layer that is narrower than input and output, here 2 beside 6 and 5, has
# subspaces to turn: the columns of :math:`U_p` in a gradient are multiplied by
# :math:`(\rho_j - \lambda)/2` and those of :math:`V_p` by :math:`(\rho_j + \lambda)/2`,
# :math:`\rho_j = \sqrt{\lambda^2 + 4 s_j^2}`. For large :math:`\lambda` the range of
# :math:`W` waits for that of :math:`W^T`, and the other way around.

m, n, k = 5, 6, 2
goal = (frame(m, k) * [3.0, 2.0]) @ frame(n, k).T
problem = fixedrank.LinearRegression(np.eye(n), goal)
start = fixedrank.FixedRankPoint(frame(m, k), np.array([1.0, 0.5]), frame(n, k).T)

values = [-10.0, -5.0, -2.0, 0.0, 2.0, 5.0, 10.0]
t = np.concatenate(([0.0], np.geomspace(1e-3, 1.5, 80)))
figure, sides = plt.subplots(figsize=(7, 4.4), layout="constrained")
for N in (2, 3):
    left, right = [], []
    for value in values:
        flow = fixedrank.riemannian_flow(
            problem, start, N, t, imbalance=imbalance_of(N, value)
        )
        half = flow.points[int(np.argmax(flow.loss < flow.loss[0] / 2))]
        left.append(angle(start.u, half.u))
        right.append(angle(start.vt.T, half.vt.T))
    style = depth_style(N)
    sides.plot(values, left, **{**style, "linestyle": "-"}, label=f"left, $N = {N}$")
    sides.plot(values, right, **{**style, "linestyle": ":"}, label=f"right, $N = {N}$")
sides.set(
    xlabel=r"$\lambda$",
    ylabel="angle (degrees)",
    title="Turn of the singular subspaces until half the loss is gone",
)
sides.legend(frameon=False, fontsize=9)
plt.show()
