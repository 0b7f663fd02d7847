r"""
Tutorial: fixedrank in ten minutes
==================================

**You learn** what depth does to the matrices that a linear network computes: layers and
their product, the manifold and its metric, an optimiser, and two flows that are one.

**You need** linear algebra and gradient descent, but not the paper; to run it,
matplotlib.

Equations (5), (7), (9) and the theorems are those of the paper that the library
implements; this page says what they mean.

A deep linear network and its product
-------------------------------------

A deep linear network is a chain of matrices. Layer :math:`W_j` takes
:math:`\mathbb{R}^{d_{j-1}}` to :math:`\mathbb{R}^{d_j}`, and what the network computes
is a single matrix, the product :math:`W = W_N \cdots W_1`. Its rank is at most the
smallest of the widths :math:`d_0, \dots, d_N`. In code the layers are a list, the first
layer first.
"""

import autograd.numpy as anp
import matplotlib.pyplot as plt
import numpy as np
import pymanopt
from pymanopt.manifolds import FixedRankEmbedded
from pymanopt.optimizers import ConjugateGradient

import fixedrank
from fixedrank.plotting import depth_style

widths = [5, 2, 3, 4]  # d_0, d_1, d_2, d_3: three layers, and a bottleneck of width 2
layers = fixedrank.random_balanced_factors(widths, rng=0)
print("shapes of the layers:", [layer.shape for layer in layers])
W = fixedrank.product(layers)
print("shape of the product:", W.shape, "rank:", np.linalg.matrix_rank(W))

# %%
# Training fits the product to data: the columns of :math:`X` are samples, those of
# :math:`Y` their labels. As a function of one matrix the loss is
# :math:`L^1(W) = \frac12 \|Y - WX\|_F^2`; as a function of the layers it is
# :math:`L^N(W_1, \dots, W_N) = L^1(W_N \cdots W_1)`. Here both are Gaussian: the data,
# and the matrix that makes the labels.

rng = np.random.default_rng(4)
X = rng.standard_normal((5, 40)) / np.sqrt(40)
Y = rng.standard_normal((4, 5)) @ X
problem = fixedrank.LinearRegression(X, Y)
print(
    f"L^1 of the product {problem.loss(W):.6f}, L^N {problem.network_loss(layers):.6f}"
)

# %%
# The layers above are *balanced*: :math:`W_{j+1}^T W_{j+1} = W_j W_j^T` for all
# :math:`j`. Gradient flow keeps layers balanced, and everything below is about such
# layers. ``balancedness`` is the largest norm of the differences.

print(f"balancedness: {fixedrank.balancedness(layers):.1e}")

# %%
# Points
# ------
#
# The matrices of size :math:`m \times n` and rank :math:`k` form a manifold
# :math:`\mathcal{M}_k` of dimension :math:`(m + n - k) k`.
# ``FixedRank(m, n, k, depth=N)`` is this manifold with the metric of networks with
# :math:`N` layers. A point is a tuple ``(u, s, vt)``, the singular value decomposition
# of :math:`W` cut to its :math:`k` nonzero singular values.

manifold = fixedrank.FixedRank(4, 5, 2, depth=3)
point = manifold.random_point(rng=0)
print("shapes of u, s, vt:", [part.shape for part in point], "dimension:", manifold.dim)
print(
    "distance from (u * s) @ vt:",
    np.abs(manifold.to_matrix(point) - (point.u * point.s) @ point.vt).max(),
)

# %%
# Tangent vectors
# ---------------
#
# A tangent vector is the velocity of a curve in :math:`\mathcal{M}_k`. It is a tuple
# ``(Up, M, Vp)`` and stands for the matrix :math:`Z = U M V^T + U_p V^T + U V_p^T`:
# ``M`` changes :math:`W` within its column and row spaces, ``Up`` and ``Vp``,
# orthogonal to :math:`U` and :math:`V`, turn these spaces. ``retraction`` moves a point
# along a tangent vector and stays on the manifold, which :math:`W + Z` in general does
# not.

Z = manifold.random_tangent_vector(point, rng=1)
step = 1e-6
moved = manifold.retraction(point, step * Z)
velocity = (manifold.to_matrix(moved) - manifold.to_matrix(point)) / step
print(
    "|velocity - Z|_F = "
    f"{np.linalg.norm(velocity - manifold.tangent_to_matrix(point, Z)):.1e}"
)

# %%
# The inner product, and what depth does to it
# --------------------------------------------
#
# Lengths are measured by
# :math:`g_W(Z_1, Z_2) = \langle \mathcal{A}_{W,N}^{-1}(Z_1), Z_2 \rangle_F`, where
# :math:`\mathcal{A}_{W,N}` is the operator (7),
#
# .. math::
#
#     \mathcal{A}_{W,N}(Z) = \sum_{j=1}^N (WW^T)^{(N-j)/N} \, Z \, (W^TW)^{(j-1)/N}.
#
# In the frame of the singular vectors it multiplies each entry of :math:`Z` by a
# number: :math:`M_{ij}` by
# :math:`c_{ij} = \sum_{l=0}^{N-1} \sigma_i^{2(N-1-l)/N} \sigma_j^{2l/N}`, and column
# :math:`j` of :math:`U_p` and of :math:`V_p` by :math:`\sigma_j^{2-2/N}`. These numbers
# are the eigenvalues of :math:`\mathcal{A}_{W,N}`. Where :math:`W` is diagonal, its
# frame is the standard one, and the operator shows them when it is applied to a matrix
# of ones.

sigma = np.array([4.0, 1.0, 0.25])
diagonal = (np.eye(4, 3), sigma, np.eye(3, 4))
figure, panels = plt.subplots(1, 4, figsize=(13, 3.5), layout="constrained")
names = [r"$\sigma_1 = 4$", r"$\sigma_2 = 1$", r"$\sigma_3 = 1/4$", "zero"]
for axes, depth in zip(panels, (1, 2, 5), strict=False):
    square = fixedrank.FixedRank(4, 4, 3, depth=depth)
    image = square.operator(diagonal).apply(np.ones((4, 4)))
    numbers = square.tangent_to_matrix(diagonal, image)
    shown = np.where(numbers > 0, np.log10(np.maximum(numbers, 1e-3)), np.nan)
    axes.imshow(shown, cmap="YlOrBr", vmin=-1.2, vmax=2.4)
    for (i, j), value in np.ndenumerate(numbers):
        text = f"{value:.3g}" if value else "–"
        axes.text(
            j,
            i,
            text,
            ha="center",
            va="center",
            color="white" if value > 15 else "black",
        )
    axes.set(title=f"$N = {depth}$", xticks=range(4), yticks=range(4))
    axes.set_xticklabels(names, rotation=35, ha="right")
    axes.set_yticklabels(names if depth == 1 else [])
    axes.tick_params(length=0)
values = np.geomspace(0.01, 10, 200)
for depth in (1, 2, 3, 10):
    style = {**depth_style(depth), "markevery": 0.2, "label": f"$N = {depth}$"}
    panels[3].loglog(values, depth * values ** (2 - 2 / depth), **style)
panels[3].set(
    xlabel=r"singular value $\sigma$",
    title=r"speed factor $c_{ii} = N\,\sigma^{2-2/N}$",
)
panels[3].legend(frameon=False)
figure.suptitle(
    "The deeper the network, the more the eigenvalues of the operator differ"
)
plt.show()

# %%
# Left: the eigenvalues of :math:`\mathcal{A}_{W,N}` for a :math:`4 \times 4` matrix of
# rank 3, one for each entry of :math:`Z`. The entry in the corner leads out of the
# manifold and has none. At :math:`N = 1` all are one: this is the usual, embedded
# metric. The deeper the network, the more the numbers differ: what concerns a large
# singular value is fast, what concerns a small one slow. Right: the factor for a
# singular value itself. At :math:`N = 1` it does not depend on :math:`\sigma`; for
# :math:`N \ge 2` it vanishes with :math:`\sigma`, for large :math:`N` nearly like
# :math:`\sigma^2`.
#
# The inner product divides by these numbers, so that a slow direction is a long one.

for depth in (1, 2, 5):
    square = fixedrank.FixedRank(4, 4, 3, depth=depth)
    lengths = [
        square.norm(diagonal, (np.zeros((4, 3)), np.diag(direction), np.zeros((4, 3))))
        for direction in np.eye(3)
    ]
    print(
        f"N = {depth}: length of a unit change of sigma_1, sigma_2, sigma_3:",
        np.round(lengths, 3),
    )

# %%
# The gradient
# ------------
#
# The Riemannian gradient of a function is :math:`\mathcal{A}_{W,N}(\nabla f(W))`, where
# :math:`\nabla f` is the ordinary gradient. It has a meaning for networks: if each of
# the balanced layers moves by :math:`-\nabla_{W_j} L^N`, the velocity of the product is
# minus the Riemannian gradient of :math:`L^1`. Here both are computed, one with layers
# and one without.

gradient = manifold.euclidean_to_riemannian_gradient(point, problem.gradient(point))
# Balanced layers with the product W.
layers = fixedrank.balanced_factors(point, widths, rng=0)
velocity = np.zeros((4, 5))
for j, change in enumerate(problem.network_gradient(layers)):
    velocity += fixedrank.product([*layers[:j], change, *layers[j + 1 :]])
difference = np.linalg.norm(velocity - manifold.tangent_to_matrix(point, gradient))
print(f"difference {difference:.1e} of matrices of norm {np.linalg.norm(velocity):.2f}")

# %%
# An optimiser from pymanopt
# --------------------------
#
# pymanopt has optimisers for any manifold. Write the cost in ``u, s, vt``, and put
# ``FixedRank(m, n, k, depth=N)`` where ``FixedRankEmbedded(m, n, k)`` stood; nothing
# else changes.

smallest = fixedrank.global_minimizer(problem, 2).loss
manifolds = {
    "FixedRankEmbedded(4, 5, 2)": FixedRankEmbedded(4, 5, 2),
    "FixedRank(4, 5, 2, depth=1)": fixedrank.FixedRank(4, 5, 2, depth=1),
    "FixedRank(4, 5, 2, depth=3)": fixedrank.FixedRank(4, 5, 2, depth=3),
}
for name, choice in manifolds.items():

    @pymanopt.function.autograd(choice)
    def cost(u, s, vt):
        return 0.5 * anp.sum((Y - (u * s) @ (vt @ X)) ** 2)

    optimizer = ConjugateGradient(verbosity=0, min_gradient_norm=1e-6)
    result = optimizer.run(pymanopt.Problem(choice, cost), initial_point=point)
    print(
        f"{name}: {result.iterations} iterations, "
        f"{result.cost - smallest:.1e} above the minimum"
    )

# %%
# The two flows
# -------------
#
# With ever smaller steps, gradient descent becomes a flow. There are two of them: flow
# (5), in which each layer follows its own gradient, and flow (9), in which one matrix
# :math:`W` on :math:`\mathcal{M}_k` follows the Riemannian gradient. Theorem 4 says
# that for balanced layers, and data with :math:`XX^T` of full rank, the product of flow
# (5) is the solution of flow (9). ``compare_flows`` integrates both from the same
# start, here one close to zero.

start = [
    0.01 ** (1 / 3) * layer
    for layer in fixedrank.random_balanced_factors(widths, rng=0)
]
comparison = fixedrank.compare_flows(problem, start, np.linspace(0, 12, 201))
print(comparison.verdict)
figure = comparison.plot(plt.figure(figsize=(13, 4), layout="constrained"))
plt.show()

# %%
# The loss stays on a plateau, falls, and stays on the next: each fall is a singular
# value that rises from near zero to its place. The factor :math:`N \sigma^{2-2/N}` of
# the first picture is the reason: it is small where :math:`\sigma` is small, so that
# growth starts slowly and speeds up.
#
# Where flows end
# ---------------
#
# A flow ends at a critical point of the loss. On :math:`\mathcal{M}_k` all of them are
# known: let :math:`Q = YX^T(XX^T)^{-1/2}`, and choose :math:`k` of its singular values.
# Each choice :math:`J` (counted from 0) gives one critical point. That with the
# :math:`k` largest is the global minimum on :math:`\mathcal{M}_k`. All others are
# saddles, from which at least one direction leads down; the index counts them.

print("singular values of Q:", problem.svd[1].round(2))
critical = list(fixedrank.critical_points(problem, 2))
for place in critical:
    print(
        f"J = {place.indices}: loss {place.loss:.3f}, {place.kind}, "
        f"index {place.morse_index}"
    )

# %%
# For almost all starts flow (9) ends at the minimum on :math:`\mathcal{M}_k`, or at a
# critical point of lower rank (Theorem 6). Here are twelve random starts, with singular
# values of 0.05, and the levels of the critical points. The dotted level is the minimum
# on the matrices of rank 1, near which a flow is slow while its second singular value
# is small.

figure, axes = plt.subplots(figsize=(8, 4.4), layout="constrained")
t = np.linspace(0, 10, 201)
ends = []
for seed in range(12):
    u, _, vt = manifold.random_point(rng=seed)
    flow = fixedrank.riemannian_flow(
        problem, (u, np.full(2, 0.05), vt), 3, t, rtol=1e-6
    )
    axes.plot(t, flow.loss, color="#0b3c5d", lw=1.2, alpha=0.7)
    ends.append(fixedrank.classify(problem, flow.points[-1], rtol=1e-3).kind)
for place in critical:
    axes.axhline(place.loss, color="#e69f00", lw=1, ls="--", zorder=0)
    axes.annotate(
        f"$J = {place.indices}$",
        (1.01, place.loss),
        xycoords=("axes fraction", "data"),
        va="center",
    )
lower_rank = fixedrank.global_minimizer(problem, 1)
axes.axhline(lower_rank.loss, color="0.6", lw=1, ls=":", zorder=0)
axes.annotate(
    f"rank 1: $J = {lower_rank.indices}$", (9.9, lower_rank.loss + 0.08), ha="right"
)
axes.set(xlabel="time $t$", ylabel="loss $L^1(W(t))$", xlim=(0, 10))
figure.suptitle(
    "Twelve random starts lead to the minimum, some past a plateau near rank 1"
)
plt.show()
print({kind: ends.count(kind) for kind in set(ends)})

# %%
# ``global_minimizer`` computes the minimum directly, from the singular value
# decomposition of :math:`Q`, and ``classify`` says in words where a matrix is.

best = fixedrank.global_minimizer(problem, 2)
last = flow.points[-1]
distance = np.linalg.norm(manifold.to_matrix(last) - manifold.to_matrix(best.point))
print(f"|W(10) - W_J|_F = {distance:.1e}")
print(fixedrank.classify(problem, last, rtol=1e-3))

# %%
# Where to go next
# ----------------
#
# - The flows: :ref:`sphx_glr_gallery_start_two_flows.py` on images of digits,
#   :ref:`sphx_glr_gallery_flows_saddle_to_saddle.py`,
#   :ref:`sphx_glr_gallery_flows_gradient_descent.py`,
#   :ref:`sphx_glr_gallery_flows_autoencoder.py`.
# - Their ends: :ref:`sphx_glr_gallery_landscape_critical_points.py` and, for
#   thousands of starts, :ref:`sphx_glr_gallery_landscape_ensembles.py`.
# - Optimisation: :ref:`sphx_glr_gallery_start_using_pymanopt.py`,
#   :ref:`sphx_glr_gallery_geometry_trust_regions.py`.
# - The geometry itself: :ref:`sphx_glr_gallery_geometry_geodesics.py`.
# - A matrix from some of its entries:
#   :ref:`sphx_glr_gallery_recovery_recovery.py`.
# - What the library does not have: :ref:`sphx_glr_gallery_own_own_loss.py`,
#   :ref:`sphx_glr_gallery_own_own_metric.py`, and checks for code of your own,
#   :ref:`sphx_glr_gallery_own_property_testing.py`.
#
# All names, and what they take, are in the :doc:`reference </api/index>`.
