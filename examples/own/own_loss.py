r"""
Your own loss
=============

**You learn** to bring a loss that the library does not have, what works with it at
once, and how to check it.

**You need** the gradient of your loss with respect to a matrix; to run it, matplotlib.

A loss of your own is a class with two methods: ``loss(W)``, a number, and
``gradient(W)``, the ordinary gradient :math:`\nabla f(W)`, an :math:`m \times n`
matrix. :math:`W` comes as a tuple ``(u, s, vt)`` with
:math:`W = U \operatorname{diag}(s) V^T`. Derived from :class:`fixedrank.Loss` it can do
all that a regression can but what is special to the squared error: both flows, gradient
descent, pymanopt's optimisers, the Hessian in the layers, changes of the rank. This
page does so with softmax cross-entropy, the loss of classification.

By the chain rule the gradient of :math:`f(W_N \cdots W_1)` with respect to layer
:math:`j` is

.. math:: G_j = W_{j+1}^T \cdots W_N^T \, \nabla f(W) \, W_1^T \cdots W_{j-1}^T.

So :math:`W_{j+1}^T G_{j+1} = G_j W_j^T`, and with :math:`\dot W_j = -G_j` all
differences :math:`W_{j+1}^T W_{j+1} - W_j W_j^T` stay as they are. If they start at
zero, the product moves by :math:`\dot W = -\mathcal{A}_{W,N}(\nabla f(W))`, which is
flow (9). Of the loss nothing is used but its gradient. (What Theorem 4 needs the
squared error for is that the flow exists for all times.)
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from pymanopt.optimizers import ConjugateGradient, TrustRegions

import fixedrank
from fixedrank.testing import CheckFailedError, check_gradient, check_hessian

# %%
# The loss
# --------
#
# Column :math:`i` of :math:`WX` holds the scores of all classes for sample :math:`i`.
# The gradient is :math:`(P - T) X^T` with the probabilities P and the labels T, one in
# each column. It is returned as a pair ``(L, R)`` for :math:`LR^T`, and never
# multiplied out. It might as well be an array, a SciPy sparse array, a triple, a
# ``LinearOperator`` or a :class:`fixedrank.MatrixSum`.


class CrossEntropy(fixedrank.Loss):
    """Softmax cross-entropy of the scores W X, the mean over samples."""

    def __init__(self, X, labels):
        self.X, self.truth = X, np.eye(labels.max() + 1)[:, labels]
        self.shape = len(self.truth), len(X)

    def probabilities(self, W):
        u, s, vt = W
        scores = (u * s) @ (vt @ self.X)
        exponentials = np.exp(scores - scores.max(axis=0))
        return exponentials / exponentials.sum(axis=0)

    def loss(self, W):
        return -np.log((self.probabilities(W) * self.truth).sum(axis=0)).mean()

    def gradient(self, W):
        return (self.probabilities(W) - self.truth) / self.X.shape[1], self.X


# %%
# Six classes in eight dimensions, around centres on two circles in a plane: scores of
# rank 2 tell the angle, and more rank tells the circle.

rng = np.random.default_rng(0)
m, n, samples = 6, 8, 240
labels = np.arange(samples) % m
angles = 2 * np.pi * (labels % 3) / 3
centres = np.zeros((n, samples))
centres[0], centres[1], centres[2] = np.cos(angles), np.sin(angles), 0.7 * (labels < 3)
X = centres + 0.25 * rng.standard_normal((n, samples))
loss = CrossEntropy(X, labels)

# %%
# Both flows
# ----------
#
# Three layers from a small start, and the Riemannian flow of their product, at depth
# :math:`N = 3`.

layers = [
    0.3 * layer for layer in fixedrank.random_balanced_factors([n, 4, 5, m], rng=1)
]
t = np.linspace(0, 60, 121)
comparison = fixedrank.compare_flows(loss, layers, t)
print(comparison.verdict)
print(f"largest imbalance of the layers: {comparison.factored.balancedness.max():.0e}")
right = [
    (loss.probabilities(W).argmax(axis=0) == labels).mean()
    for W in comparison.riemannian.points
]
print(f"right answers: {right[0]:.0%} at the start, {right[-1]:.0%} at the end")

# %%
# The same loss in descent, with a step of its own (the safe one needs the data of a
# regression, and says so), and in the space of layers: the largest eigenvalue of the
# Hessian, from its products with directions. The loss has no second derivative of its
# own: differences of gradients serve.

descent = fixedrank.gradient_descent(loss, layers, range(0, 121, 20), step_size=0.5)
hessian = fixedrank.NetworkHessian(loss, layers)
print(f"descent: loss {descent.loss[0]:.3f} to {descent.loss[-1]:.3f} after 120 steps")
largest = np.linalg.eigvalsh(hessian @ np.eye(hessian.shape[0])).max()
print(f"largest curvature at the start: {largest:.3f}")
try:
    fixedrank.gradient_descent(loss, layers, 120)
except TypeError as error:
    print(textwrap.fill(str(error), 95))

# %%
figure, (values, losses) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for i in range(4):
    first = i == 0
    values.plot(
        t,
        comparison.factored.singular_values[:, i],
        color="#e69f00",
        lw=6,
        alpha=0.45,
        label="layers, flow (5)" if first else None,
    )
    values.plot(
        t,
        comparison.riemannian.singular_values[:, i],
        color="#0b3c5d",
        ls="--",
        label="product, flow (9)" if first else None,
    )
losses.semilogy(
    t, comparison.factored.loss, color="#e69f00", lw=6, alpha=0.45, label="flow (5)"
)
losses.semilogy(
    t, comparison.riemannian.loss, color="#0b3c5d", ls="--", label="flow (9)"
)
losses.plot(
    descent.t, descent.loss, "o", mfc="none", color="black", label="gradient descent"
)
values.set(xlabel="time $t$", ylabel=r"$\sigma_i(W(t))$", title="Singular values of W")
losses.set(xlabel="time $t$", ylabel="$f(W(t))$", title="Cross-entropy")
for axes in (values, losses):
    axes.legend(frameon=False)
figure.suptitle("Classification: the two flows are one, and descent follows them")
plt.show()

# %%
# Sums, optimisers and ranks
# --------------------------
#
# Cross-entropy has no minimum where classes can be told apart. With a penalty it has
# one: losses add, and multiply by numbers. The gradient of the penalty
# :math:`\|W\|^2 / 2` is W itself, here as a triple for
# :math:`U \operatorname{diag}(s) V^T`.


class SquaredNorm(fixedrank.Loss):
    """Half of the squared Frobenius norm."""

    def loss(self, W):
        return np.sum(W[1] ** 2) / 2

    def gradient(self, W):
        return W[0], np.diag(W[1]), W[2].T


penalised = loss + 0.003 * SquaredNorm()
manifold = fixedrank.FixedRank(m, n, 2, depth=2)
problem = penalised.to_pymanopt(manifold)
print(check_gradient(problem, rng=0))
print(check_hessian(problem, rng=0))

# %%
# Conjugate gradients, and trust regions with Hessians from differences; among matrices
# of rank 2 they end in different minima. Then from such a minimum to one of rank 3:
# ``rank_increase`` steps along the part of the gradient that is normal to the manifold.

start = manifold.random_point(rng=0)
for optimizer in (ConjugateGradient, TrustRegions):
    solver = optimizer(verbosity=0, max_iterations=300, min_gradient_norm=1e-7)
    result = solver.run(problem, initial_point=start)
    print(
        f"rank 2, {optimizer.__name__}: {result.iterations} iterations, "
        f"cost {result.cost:.9f}"
    )
higher = fixedrank.rank_increase(penalised, result.point)
wider = penalised.to_pymanopt(fixedrank.FixedRank(m, n, 3, depth=2))
best = solver.run(wider, initial_point=higher)
print(
    f"rank 3: {penalised.loss(higher):.3f} after the step, "
    f"{best.cost:.6f} at the minimum"
)

# %%
# When something is wrong
# -----------------------
#
# A gradient of the wrong shape, here the transpose, is refused at the first evaluation.
# One of the right shape with wrong entries is not noticed by a flow: the one below
# makes it run twice as fast. ``check_gradient`` finds it.


class Transposed(CrossEntropy):
    """A mistake: the gradient has n rows and m columns."""

    def gradient(self, W):
        return super().gradient(W)[::-1]


class TwiceTooLong(CrossEntropy):
    """A mistake: a factor of two."""

    def gradient(self, W):
        errors, X = super().gradient(W)
        return 2 * errors, X


try:
    fixedrank.factored_flow(Transposed(X, labels), layers, [0, 1])
except ValueError as error:
    print(error)
try:
    check_gradient(TwiceTooLong(X, labels).to_pymanopt(manifold), rng=0)
except CheckFailedError as error:
    print(textwrap.indent(str(error), "  "))

# %%
# What a loss needs
# -----------------
#
# - ``loss(W)`` and ``gradient(W)`` must be functions of the matrix :math:`W` alone:
#   other factors of the same matrix give the same values, also with trailing singular
#   values that are zero.
# - ``shape`` may be there: then points and layers that do not fit are refused at once.
# - ``hessian_product``, ``gradient_products``, ``line_minimum`` and ``infimum`` of
#   :class:`fixedrank.Loss` may be overridden, by what is more accurate or faster.
# - An object of any other class with ``loss`` and ``gradient`` serves in all functions
#   too; only what stands behind a dot, such as ``to_pymanopt``, and sums come from the
#   base class.
#
# Critical points, ``classify`` and certificates of ensembles are about the squared
# error: they take a :class:`fixedrank.LinearRegression`.
