r"""
Bringing your own loss
======================

A problem for the flows is any object with two methods: ``loss(W)``, a number, and ``gradient(W)``,
the ordinary gradient :math:`\nabla f(W)`, an :math:`m \times n` matrix. :math:`W` comes as a tuple
``(u, s, vt)`` with :math:`W = U \operatorname{diag}(s) V^T`. Nothing is to be derived from a class
of the library. This page has two such problems, a regression that outliers hardly disturb, and the
completion of a matrix with a sparse gradient; then the same loss in pymanopt, and what happens
when something is wrong.

Why any loss
------------

By the chain rule the gradient of :math:`f(W_N \cdots W_1)` with respect to layer :math:`j` is

.. math:: G_j = W_{j+1}^T \cdots W_N^T \, \nabla f(W) \, W_1^T \cdots W_{j-1}^T.

So :math:`W_{j+1}^T G_{j+1} = G_j W_j^T`, and with :math:`\dot W_j = -G_j` all differences
:math:`W_{j+1}^T W_{j+1} - W_j W_j^T` stay as they are. If they start at zero, the product moves by
:math:`\dot W = -\mathcal{A}_{W,N}(\nabla f(W))`, which is flow (9). Of the loss nothing is used but
its gradient. (What Theorem 4 needs the squared error for is that the flow exists for all times.)
"""

import textwrap

import autograd.numpy as anp
import matplotlib.pyplot as plt
import numpy as np
import pymanopt
import scipy.sparse
from pymanopt.optimizers import ConjugateGradient

import fixedrank
from fixedrank.testing import CheckFailedError, check_gradient

# %%
# A robust regression
# -------------------
#
# The pseudo-Huber loss :math:`\delta^2 (\sqrt{1 + (e / \delta)^2} - 1)` of an error :math:`e` is
# :math:`e^2 / 2` for small errors and grows like :math:`\delta |e|` for large ones. Unlike the
# Huber loss it is smooth, which suits integrators of high order. The gradient is a dense array.


class RobustRegression:
    """The pseudo-Huber loss of the entries of W X - Y."""

    def __init__(self, X, Y, delta):
        self.X, self.Y, self.delta = X, Y, delta

    def errors(self, W):
        """Return W X - Y."""
        u, s, vt = W
        return (u * s) @ (vt @ self.X) - self.Y

    def loss(self, W):
        """Return the loss at a point (u, s, vt)."""
        scaled = self.errors(W) / self.delta
        return self.delta**2 * np.sum(np.sqrt(1 + scaled**2) - 1)

    def gradient(self, W):
        """Return the Euclidean gradient at a point, an m x n array."""
        errors = self.errors(W)
        return errors / np.sqrt(1 + (errors / self.delta) ** 2) @ self.X.T


# %%
# The labels come from a matrix of rank 2, with a little noise; one in ten of their entries is
# replaced by an outlier.

rng = np.random.default_rng(0)
m, n, k, samples, depth = 8, 10, 2, 200, 3
X = rng.standard_normal((n, samples)) / np.sqrt(samples)
truth = rng.standard_normal((m, k)) @ rng.standard_normal((k, n)) / 2
Y = truth @ X + 0.01 * rng.standard_normal((m, samples))
outliers = rng.random(Y.shape) < 0.1
Y[outliers] = rng.normal(scale=1, size=outliers.sum())

layers = fixedrank.random_balanced_factors([n, k, 5, m], rng=1)
layers = [0.1 ** (1 / depth) * layer for layer in layers]
t = np.linspace(0, 20, 101)
robust = fixedrank.compare_flows(RobustRegression(X, Y, delta=0.1), layers, t)
squares = fixedrank.compare_flows(fixedrank.LinearRegression(X, Y), layers, t)
print("pseudo-Huber:", robust.verdict)
print("squares:     ", squares.verdict)

# %%
figure, (distances, gaps) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
choices = {"squares": (squares, "#e69f00"), "pseudo-Huber": (robust, "#0b3c5d")}
for name, (comparison, color) in choices.items():
    for trajectory, style in (
        (comparison.factored, {"lw": 6, "alpha": 0.4, "label": f"{name}: layers, flow (5)"}),
        (comparison.riemannian, {"lw": 1.5, "ls": "--", "label": f"{name}: flow (9)"}),
    ):
        away = [np.linalg.norm((u * s) @ vt - truth) for u, s, vt in trajectory.points]
        distances.semilogy(t, away / np.linalg.norm(truth), color=color, **style)
    gaps.semilogy(t, np.maximum(comparison.relative_gap, 1e-16), color=color, label=name)
    print(f"{name}: relative error of W at the end {away[-1] / np.linalg.norm(truth):.3f}")
distances.set(
    xlabel="time $t$",
    ylabel=r"$\|W(t) - W_*\|_F \,/\, \|W_*\|_F$",
    title="Distance from the matrix behind the labels",
)
gaps.axhline(robust.tolerance, color="0.6", lw=1, ls=":", label="agreement asked")
gaps.set(
    xlabel="time $t$",
    ylabel=r"$\|W_N \cdots W_1 - W\|_F \,/\, \|W\|_F$",
    title="Gap between the two flows",
)
for axes in (distances, gaps):
    axes.legend(frameon=False)
figure.suptitle(
    "For both losses the two flows are one; pseudo-Huber comes closer to the true matrix"
)
plt.show()

# %%
# The outliers pull the solution of the squares away from the matrix behind the labels: its relative
# error ends at 0.38, that of pseudo-Huber at 0.04.
#
# Completion of a matrix
# ----------------------
#
# Here some entries of a :math:`30 \times 20` matrix of rank 2 are known, and the loss is half the
# squared error on them. The gradient is zero at all other entries: a sparse array. Of whatever
# ``gradient`` returns, the library forms products with :math:`m \times k` and
# :math:`n \times k` blocks only. It may be an array, a SciPy sparse array, a pair ``(L, R)`` for
# :math:`LR^T`, a triple ``(L, S, R)`` for :math:`LSR^T`, a SciPy ``LinearOperator``, or a sum of
# these, :class:`fixedrank.MatrixSum`. (For larger problems of this kind there is
# :class:`fixedrank.MatrixCompletion`.)
#
# The attribute ``shape`` is optional. With it, layers that do not fit are refused before the
# integration starts.


class Completion:
    """Half the squared error on the known entries of an m x n matrix."""

    def __init__(self, rows, columns, values, shape):
        self.rows, self.columns, self.values, self.shape = rows, columns, values, shape

    def errors(self, W):
        """Return the errors of the known entries; no m x n array is formed."""
        u, s, vt = W
        return np.einsum("ij,ij->i", (u * s)[self.rows], vt.T[self.columns]) - self.values

    def loss(self, W):
        """Return the loss at a point (u, s, vt)."""
        return 0.5 * np.sum(self.errors(W) ** 2)

    def gradient(self, W):
        """Return the Euclidean gradient at a point, a sparse m x n array."""
        return scipy.sparse.csr_array((self.errors(W), (self.rows, self.columns)), self.shape)


rng = np.random.default_rng(0)
m, n = 30, 20
truth = rng.standard_normal((m, 2)) @ rng.standard_normal((2, n))
truth /= np.linalg.norm(truth, 2)
known = rng.random((m, n)) < 0.5
rows, columns = np.nonzero(known)
completion = Completion(rows, columns, truth[known], (m, n))
print(f"{rows.size} of {m * n} entries are known")

# %%
# The network is wider than it need be, 6 instead of 2, and starts near zero. First both flows.

t = np.concatenate([[0], np.geomspace(1, 200, 40)])


def small_layers(depth, seed):
    """Return random balanced layers of width 6 whose product has singular values 0.001."""
    layers = fixedrank.random_balanced_factors([n, *[6] * (depth - 1), m], rng=seed)
    return [1e-3 ** (1 / depth) * layer for layer in layers]


comparison = fixedrank.compare_flows(completion, small_layers(3, 0), t)
print(comparison.verdict)

# %%
# Then flow (5) at depth 2 and 3, from three starts each, and what it makes of the entries that it
# is not told.


def unseen_error(W):
    """Return the error on the unknown entries, relative to their norm."""
    return np.linalg.norm((W - truth)[~known]) / np.linalg.norm(truth[~known])


figure, (values, errors) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
values.loglog(t[1:], comparison.factored.singular_values[1:], color="#e69f00", lw=5, alpha=0.6)
values.loglog(t[1:], comparison.riemannian.singular_values[1:], color="#0b3c5d", ls="--")
values.plot([], [], color="#e69f00", lw=5, alpha=0.6, label="layers, flow (5)")
values.plot([], [], color="#0b3c5d", ls="--", label="Riemannian, flow (9)")
for value in np.linalg.svd(truth, compute_uv=False)[:2]:
    values.axhline(value, color="0.8", lw=1, zorder=0)
for depth, color in ((2, "#b5332e"), (3, "#0b3c5d")):
    for seed in range(3):
        flow = fixedrank.factored_flow(completion, small_layers(depth, seed), t, rtol=1e-4)
        unseen = [unseen_error(W) for W in flow.product]
        label = f"$N = {depth}$" if seed == 0 else None
        errors.loglog(t[1:], unseen[1:], color=color, label=label)
        print(
            f"N = {depth}, start {seed}: loss {flow.loss[-1]:.0e}, "
            f"error on unknown entries {unseen[-1]:.3f}"
        )
values.set(
    xlabel="time $t$", ylabel=r"singular values $\sigma_i(W(t))$", title="Both flows, $N = 3$"
)
errors.set(xlabel="time $t$", ylabel="relative error", title="Entries that are not known")
for axes in (values, errors):
    axes.legend(frameon=False)
figure.suptitle("Completion: the two flows are one; the unknown entries come out better at depth 3")
plt.show()

# %%
# Grey: the two singular values of the matrix to be found. The deeper network holds the other four
# back for longer, and in these runs it ends closer. There is no guarantee: with 40 % of the entries
# known instead of half, five such starts at :math:`N = 3`, followed to :math:`t = 300`, ended with
# errors from 0.03 to 0.89.
#
# A single layer, :math:`N = 1`, never changes the unknown entries: their gradient is zero.
#
# The same loss in pymanopt
# -------------------------
#
# pymanopt asks for functions of ``u, s, vt``, so the methods of the class fit as they are. Or write
# the cost with ``autograd.numpy`` and let it be differentiated. ``check_gradient`` compares a
# gradient with the values of its cost, along a curve on the manifold.


def to_pymanopt(problem, manifold):
    """Return a problem with loss and gradient as a problem of pymanopt."""

    @pymanopt.function.numpy(manifold)
    def cost(u, s, vt):
        return problem.loss((u, s, vt))

    @pymanopt.function.numpy(manifold)
    def euclidean_gradient(u, s, vt):
        return problem.gradient((u, s, vt))

    return pymanopt.Problem(manifold, cost, euclidean_gradient=euclidean_gradient)


manifold = fixedrank.FixedRank(m, n, 2, depth=2)


@pymanopt.function.autograd(manifold)
def automatic_cost(u, s, vt):
    """The loss of the completion, to be differentiated."""
    entries = anp.sum((u * s)[rows] * vt.T[columns], axis=1)
    return 0.5 * anp.sum((entries - completion.values) ** 2)


by_hand = to_pymanopt(completion, manifold)
automatic = pymanopt.Problem(manifold, automatic_cost)
print(check_gradient(by_hand, rng=0))
print(check_gradient(automatic, rng=0))
point = manifold.random_point(rng=0)
difference = by_hand.riemannian_gradient(point) - automatic.riemannian_gradient(point)
print(f"\nlength of the difference of the gradients: {manifold.norm(point, difference):.1e}")

# %%
# The optimiser is told the rank, 2, and starts at the known entries, scaled up by their share.

first = scipy.sparse.csr_array((completion.values / known.mean(), (rows, columns)), (m, n))
optimizer = ConjugateGradient(verbosity=0, min_gradient_norm=1e-9, max_iterations=300)
result = optimizer.run(by_hand, initial_point=manifold.point(first))
print(f"{result.iterations} iterations, cost {result.cost:.1e}")
print(f"error on unknown entries {unseen_error(manifold.to_matrix(result.point)):.1e}")

# %%
# When something is wrong
# -----------------------
#
# A gradient of the wrong shape, here the transpose, is refused at the first evaluation.


class Transposed(Completion):
    """A mistake: the gradient has n rows and m columns."""

    def gradient(self, W):
        """Return the wrong matrix."""
        return super().gradient(W).T


layers = fixedrank.random_balanced_factors([n, 6, m], rng=0)
try:
    fixedrank.factored_flow(Transposed(rows, columns, completion.values, (m, n)), layers, [0, 1])
except ValueError as error:
    print(error)

# %%
# So is an object without one of the two methods.


class LossOnly:
    """A mistake: there is no gradient."""

    def loss(self, W):
        """Return a loss."""
        return float(np.sum(W[1] ** 2))

    def __repr__(self):
        return "LossOnly()"


try:
    fixedrank.factored_flow(LossOnly(), layers, [0, 1])
except TypeError as error:
    print(error)

# %%
# A gradient of the right shape with wrong entries is not noticed by a flow: the one below makes it
# run twice as fast. ``check_gradient`` finds it.


class TwiceTooLong(Completion):
    """A mistake: the gradient of the squared error without the factor 1/2."""

    def gradient(self, W):
        """Return twice the gradient."""
        return 2 * super().gradient(W)


wrong = TwiceTooLong(rows, columns, completion.values, (m, n))
try:
    check_gradient(to_pymanopt(wrong, manifold), rng=0)
except CheckFailedError as error:
    print(textwrap.indent(str(error), "  "))

# %%
# What a problem needs
# --------------------
#
# - ``loss(W)`` and ``gradient(W)``, functions of the matrix :math:`W` alone: other factors of the
#   same matrix must give the same values.
# - Both must take points whose trailing singular values are zero: the product of layers comes with
#   as many singular values as the narrowest layer is wide, whatever its rank.
# - ``shape`` may be there, the tuple :math:`(m, n)`.
# - ``gradient_products(left, core, right)`` may be there, for speed: the products of the gradient
#   with both factors, as :meth:`fixedrank.LinearRegression.gradient_products` has them.
#
# The flows (:func:`fixedrank.factored_flow`, :func:`fixedrank.riemannian_flow`,
# :func:`fixedrank.compare_flows`) take any such problem. Critical points, ``classify``, ensembles
# and ``gradient_descent`` are about the squared error: they take
# :class:`fixedrank.LinearRegression`.
