r"""
The two flows are one
=====================

**You learn** that the layers of a network and their product follow one and the same
flow, how to see it, and what happens where the theorem does not apply.

**You need** the first sections of the
:ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it, matplotlib and
scikit-learn.

Take a linear network with layers :math:`W_1, \dots, W_N` that start balanced, and let
each layer follow the gradient flow of the loss, equation (5) of the paper. The product
:math:`W = W_N \cdots W_1` then moves as well. Theorem 4 says how: by the gradient flow
(9) of the loss of a single matrix, on the manifold of matrices of its rank, for a
metric that knows of the network only its depth. Here both are integrated, from the same
start, on real data.

The data are 1797 images of digits, as a linear autoencoder: the labels are the images.
Three of the 64 pixels are zero in every image, so :math:`XX^T` is singular;
``on_range`` restricts the problem to the range of the data, without loss.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import fixedrank

images = load_digits().data.T
X = images - images.mean(axis=1, keepdims=True)
X /= np.linalg.norm(X, 2)
problem = fixedrank.LinearRegression.on_range(X, X)

depth, rank = 3, 10
widths = fixedrank.layer_widths(problem.shape[::-1], rank, depth)
layers = fixedrank.random_balanced_factors(widths, rng=0)
# The product is to start with ten singular values of 0.01.
layers = [0.01 ** (1 / depth) * layer for layer in layers]

comparison = fixedrank.compare_flows(problem, layers, np.linspace(0, 100, 201))
print(comparison.verdict)
figure = comparison.plot(plt.figure(figsize=(13, 4), layout="constrained"))

# %%
# The broad pale curves are the layers, the thin dashed ones the Riemannian flow of the
# product. The gap between the two matrices stays at the level of the tolerance that was
# asked of the integrator (``rtol=1e-8``), and so does the distance of the layers from
# being balanced, which the exact flow keeps at zero.
#
# Both flows learn one direction after the other: a singular value stays small for long,
# then rises to its place within a short time, and the loss falls by a step. This is the
# saddle-to-saddle dynamics of a small start, and it is a property of the metric: a
# singular value :math:`\sigma` moves at a speed proportional to
# :math:`\sigma^{2 - 2/N}`.
#
# What a trajectory knows
# -----------------------
#
# Each of the two flows can be had on its own, by :func:`fixedrank.factored_flow` and
# :func:`fixedrank.riemannian_flow`. A trajectory knows its loss, the singular values of
# :math:`W(t)`, the length of its gradient, its points or layers, and in words why it
# ended.

flow = comparison.riemannian
print(flow.status)
print(f"loss {flow.loss[0]:.4f} -> {flow.loss[-1]:.4f}, rank {flow.points[-1].s.size}")
print(
    f"{flow.evaluations} evaluations of the gradient, the layers took "
    f"{comparison.factored.evaluations}"
)

# %%
# The length of the gradient tells plateaus from progress, as
# :math:`\frac{d}{dt} L^1(W(t)) = -\|\nabla^g L^1(W(t))\|_g^2`. For balanced layers it
# equals the length of the gradient of :math:`L^N` in the space of layers.

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.semilogy(
    flow.t,
    comparison.factored.gradient_norm,
    color="#e69f00",
    lw=6,
    alpha=0.6,
    label=r"layers: $\|\nabla L^N(W_1, \ldots, W_N)\|_F$",
)
axes.semilogy(
    flow.t,
    flow.gradient_norm,
    color="#0b3c5d",
    ls="--",
    label=r"Riemannian: $\|\nabla^g L^1(W)\|_g$",
)
axes.set(xlabel="time $t$", ylabel="length of the gradient")
axes.legend(frameon=False)
figure.suptitle("The gradients of the two flows are equally long at all times")
plt.show()

# %%
# When the layers are not balanced
# --------------------------------
#
# Then the theorem does not apply, and ``compare_flows`` says so.

unbalanced = [0.8 * layers[0], layers[1], layers[2] / 0.8]
try:
    fixedrank.compare_flows(problem, unbalanced, [0, 10])
except ValueError as error:
    print(textwrap.fill(str(error), 90))

# %%
# The product is the same, and so is the start of flow (9), but the layers take another
# way. To see how far the two drift apart, ask for it.

drift = fixedrank.compare_flows(
    problem, unbalanced, np.linspace(0, 100, 201), allow_unbalanced=True
)
print(textwrap.fill(drift.verdict, 90))
figure = drift.plot(plt.figure(figsize=(13, 4), layout="constrained"))
figure.suptitle("From unbalanced layers the two flows drift apart")
plt.show()
