r"""
Using pymanopt's solvers
========================

**You learn** to put the metric of depth :math:`N` into code that you have for
pymanopt's ``FixedRankEmbedded``, and what to mind.

**You need** a cost function, and some acquaintance with pymanopt; to run it,
matplotlib.

``FixedRank(m, n, k, depth=N)`` is a pymanopt manifold. It goes where
``FixedRankEmbedded(m, n, k)`` stands in your code: points are tuples ``(u, s, vt)``,
the cost is written in these three arrays, automatic differentiation does the rest. What
changes is the metric, and with it the direction of steepest descent: the Riemannian
gradient is :math:`\mathcal{A}_{W,N}(\nabla f)`, the Euclidean gradient with its part
along large singular values of :math:`W` enlarged and that along small ones damped. At
``depth=1`` it is the embedded metric.

The task is the best approximation of a matrix by one of rank 5.
"""

import autograd.numpy as anp
import matplotlib.pyplot as plt
import numpy as np
import pymanopt
import scipy.sparse
from pymanopt.manifolds import Euclidean, FixedRankEmbedded
from pymanopt.optimizers import ConjugateGradient, SteepestDescent, TrustRegions

import fixedrank

m, n, k = 60, 40, 5
rng = np.random.default_rng(0)
A = rng.standard_normal((m, n)) / 10
A += 3 * rng.standard_normal((m, k)) @ rng.standard_normal((k, n)) / np.sqrt(m)
singular_values = np.linalg.svd(A, compute_uv=False)
smallest_cost = 0.5 * np.sum(singular_values[k:] ** 2)


def problem_on(manifold):
    """Return the approximation problem on a manifold of rank-k matrices."""

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        return 0.5 * anp.sum(((u * s) @ vt - A) ** 2)

    return pymanopt.Problem(manifold, cost)


start = fixedrank.FixedRank(m, n, k, depth=1, rng=1).random_point()
solvers = {
    "steepest descent": SteepestDescent,
    "conjugate gradients": ConjugateGradient,
}
figure, panels = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
for axes, (name, solver) in zip(panels, solvers.items(), strict=True):
    for depth, color in ((1, "#0b3c5d"), (2, "#d1495b"), (5, "#e69f00")):
        manifold = fixedrank.FixedRank(m, n, k, depth=depth)
        optimizer = solver(
            max_iterations=200, min_gradient_norm=1e-7, log_verbosity=1, verbosity=0
        )
        result = optimizer.run(problem_on(manifold), initial_point=start)
        history = result.log["iterations"]
        gaps = np.array(history["cost"]) - smallest_cost
        axes.semilogy(
            np.maximum(gaps, 1e-16), color=color, label=f"depth $N = {depth}$"
        )
        print(
            f"{name}, N = {depth}: {result.iterations} iterations, "
            "largest error of s "
            f"{np.abs(result.point.s - singular_values[:k]).max():.1e}"
        )
    axes.set(xlabel="iteration", title=name)
panels[0].set_ylabel(r"$f(W) - \min_{\mathcal{M}_k} f$")
panels[0].legend(frameon=False)
figure.suptitle(
    "Best approximation by rank 5: the deeper the metric, the more iterations"
)
plt.show()

# %%
# All of them find the singular value decomposition. The Hessian of this cost is the
# identity in the Frobenius metric, which makes it a home game for depth 1; at greater
# depth the small singular values are learned later, as in a network. Choose the depth
# for what it does to the way, not for speed. At depth 5 conjugate gradients may also
# stall: pymanopt's default line search gives up after ten trial steps, which befell 1
# of 40 random starts of a 5 x 4 problem of rank 2. ``BackTrackingLineSearcher`` tries
# longer.
#
# Where singular values tie
# -------------------------
#
# The derivatives with respect to ``u`` and ``vt`` turn into a gradient by a formula
# that divides by :math:`s_i^2 - s_j^2`, if one differentiates the singular value
# decomposition. No such quotient is needed for a function of the product. From a start
# with all singular values equal:

u, s, vt = start
tied = (u, np.ones(k), vt)
for manifold in (FixedRankEmbedded(m, n, k), fixedrank.FixedRank(m, n, k, depth=2)):
    with np.errstate(all="ignore"):
        gradient = problem_on(manifold).riemannian_gradient(tied)
    print(
        f"{type(manifold).__name__:18} gradient finite: {np.isfinite(gradient.M).all()}"
    )

# %%
result = ConjugateGradient(verbosity=0, min_gradient_norm=1e-7).run(
    problem_on(fixedrank.FixedRank(m, n, k, depth=2)),
    initial_point=fixedrank.FixedRankPoint(*tied),
)
print(f"from the tied start: {result.stopping_criterion}")
print(f"cost above the minimum: {result.cost - smallest_cost:.1e}")

# %%
# Units of the data
# -----------------
#
# pymanopt's optimisers stop by absolute numbers: a gradient below
# ``min_gradient_norm=1e-6``, a step below ``min_step_size=1e-10``. Where the entries of
# the matrix are of size :math:`10^{-20}`, both hold at the start, and nothing is done.
# Divide the data by a unit first, such as their largest absolute value, and multiply
# the singular values of the solution by it.

manifold = fixedrank.FixedRank(3, 3, 1, depth=2)
data = 1e-20 * np.diag([3.0, 2.0, 1.0])
for unit in (1.0, np.abs(data).max()):
    regression = fixedrank.LinearRegression(np.eye(3), data / unit)
    initial = manifold.point(2e-20 / unit * np.ones((3, 3)))
    result = ConjugateGradient(verbosity=0).run(
        regression.to_pymanopt(manifold), initial_point=initial
    )
    print(f"unit {unit:.0e}: s = {unit * result.point.s[0]:.6e}, right is 3e-20")

# %%
# Seeds
# -----
#
# NumPy's global random state is not used. Where pymanopt draws by itself, random starts
# or simplices, it asks the manifold, whose generator can be seeded. (The weights of
# ``ParticleSwarm`` pymanopt draws from the global state.)

costs = [
    ConjugateGradient(verbosity=0, max_iterations=5)
    .run(problem_on(fixedrank.FixedRank(m, n, k, depth=2, rng=seed)))
    .cost
    for seed in (0, 0, 1)
]
print("cost after 5 iterations, by seed:", *(f"{cost:.6f}" for cost in costs))

# %%
# Watching a run, and ending it
# -----------------------------
#
# pymanopt's optimisers end by ``max_iterations``, ``max_time`` in seconds,
# ``min_gradient_norm``, ``min_step_size`` or ``max_cost_evaluations``, whichever comes
# first; ``verbosity=2`` prints each iteration, and ``log_verbosity=1`` keeps costs and
# gradient norms in ``result.log``. ``fixedrank.watch`` calls a function at each step,
# which sees the point, and what was asked for so far, and may end the run. Here it ends
# where the singular values no longer move in the sixth digit:

before = [np.zeros(k)]


def settled(point, gradient_norm, counts, seconds):
    """Say whether the singular values have moved by less than 1e-6 of the largest."""
    moved = np.abs(point.s - before[0]).max()
    before[0] = point.s
    return moved < 1e-6 * point.s[0]


watched = fixedrank.watch(problem_on(fixedrank.FixedRank(m, n, k, depth=2)), settled)
result = ConjugateGradient(verbosity=0).run(watched, initial_point=start)
print(f"ended after {watched.counts.steps} steps, {watched.counts.costs} costs")
print(f"largest error of s: {np.abs(result.point.s - singular_values[:k]).max():.1e}")

# %%
# Other unknowns beside the matrix
# --------------------------------
#
# ``fixedrank.Product`` is pymanopt's product of manifolds, with Hessians, so that trust
# regions run. Here each row has a constant of its own, which is not penalised; the
# residual is then as for the centred matrix.
# :ref:`Low rank plus bias <sphx_glr_gallery_recovery_low_rank_plus_bias.py>` has more.

matrices = fixedrank.FixedRank(m, n, k, depth=2, rng=2)
both = fixedrank.Product([matrices, Euclidean(m)])


@pymanopt.function.autograd(both)
def cost_with_bias(u, s, vt, bias):
    """Half the squared error of a matrix of rank k with a constant for each row."""
    return 0.5 * anp.sum(((u * s) @ vt + bias[:, None] - A) ** 2)


result = TrustRegions(verbosity=0, min_gradient_norm=1e-9).run(
    pymanopt.Problem(both, cost_with_bias),
    initial_point=[matrices.random_point(), np.zeros(m)],
    Delta_bar=np.sqrt(singular_values[0] * k),
)
centred = A - A.mean(axis=1, keepdims=True)
best = 0.5 * np.sum(np.linalg.svd(centred, compute_uv=False)[k:] ** 2)
print(
    f"{result.iterations} iterations, cost above the minimum {result.cost - best:.1e}"
)

# %%
# Which depth, which optimiser
# ----------------------------
#
# If only the minimum counts, take depth 1, and ``fixedrank.optimizers.LBFGS``, or
# ``TrustRegions`` if Hessians come cheap. Take a depth :math:`N \ge 2` where the way
# counts: a network of :math:`N` layers goes that way, small singular values wait, and a
# descent that is stopped early has a lower rank. It helps to converge only where
# singular values lie far apart.
#
# Measured side by side from three starts, at depth 1: median evaluations (of the cost,
# of the gradient, or products with the Hessian) and seconds until the gradient is
# :math:`10^{-6}` of the first one, and how many of the three starts came there.
# :doc:`The page on optimisers </optimizers>` has the other depths, preconditioners, and
# a picture of it all.
#
# .. list-table::
#    :header-rows: 1
#
#    * - Problem
#      - steepest descent
#      - conjugate gradients
#      - trust regions
#      - L-BFGS
#    * - low rank
#      - 594 in 0.36 s (3)
#      - 210 in 0.2 s (3)
#      - 154 in 0.4 s (3)
#      - 92 in 0.24 s (3)
#    * - weighted
#      - 351 in 0.1 s (3)
#      - 181 in 0.09 s (3)
#      - 142 in 0.14 s (3)
#      - 81 in 0.061 s (3)
#    * - pseudo-Huber
#      - 179 in 0.3 s (3)
#      - 135 in 0.39 s (3)
#      - 98 in 0.46 s (3)
#      - 81 in 0.24 s (3)
#    * - logistic
#      - 274 in 0.53 s (3)
#      - 157 in 0.31 s (3)
#      - 72 in 0.2 s (3)
#      - 80 in 0.23 s (3)
#    * - completion
#      - – (0)
#      - 1388 in 1.1 s (3)
#      - 445 in 0.96 s (3)
#      - 958 in 1.3 s (2)
#    * - regression
#      - – (0)
#      - – (0)
#      - 1791 in 2.2 s (3)
#      - – (0)
#
# The regression is ill-conditioned: with ``problem.preconditioner(manifold)`` the last
# three solve it from all starts, in 45 to 78 evaluations.

# %%
# Gradients that are not automatic
# --------------------------------
#
# A hand-written Euclidean gradient may be an :math:`m \times n` matrix of any kind: an
# array, a SciPy sparse array, a pair of low-rank factors, or a ``LinearOperator``. Of
# it only products with ``u`` and ``vt.T`` are formed. Here a matrix of rank 3 is
# completed from a tenth of its entries, with a sparse gradient; no array of its full
# size exists.

m, n, k = 1000, 800, 3
truth = fixedrank.FixedRank(m, n, k, depth=2).random_point(rng=2)
observed = rng.choice(m * n, size=m * n // 10, replace=False)
rows, columns = np.unravel_index(observed, (m, n))


def entries(u, s, vt):
    """Return the observed entries of a matrix in factors."""
    return np.einsum("ij,ji->i", (u * s)[rows], vt[:, columns])


values = entries(*truth)
manifold = fixedrank.FixedRank(m, n, k, depth=2)


@pymanopt.function.numpy(manifold)
def cost(u, s, vt):
    """Half the squared error on the observed entries."""
    return 0.5 * np.sum((entries(u, s, vt) - values) ** 2)


@pymanopt.function.numpy(manifold)
def euclidean_gradient(u, s, vt):
    """The residual on the observed entries, zero elsewhere."""
    return scipy.sparse.csr_array(
        (entries(u, s, vt) - values, (rows, columns)), shape=(m, n)
    )


problem = pymanopt.Problem(manifold, cost, euclidean_gradient=euclidean_gradient)
first = manifold.point(
    scipy.sparse.csr_array((10 * values, (rows, columns)), shape=(m, n))
)
result = ConjugateGradient(
    verbosity=0, min_gradient_norm=1e-12, max_iterations=200
).run(problem, initial_point=first)
unseen = np.random.default_rng(3).integers(0, [[m], [n]], (2, 10000))
found = np.einsum(
    "ij,ji->i",
    (result.point.u * result.point.s)[unseen[0]],
    result.point.vt[:, unseen[1]],
)
right = np.einsum("ij,ji->i", (truth.u * truth.s)[unseen[0]], truth.vt[:, unseen[1]])
error = np.linalg.norm(found - right) / np.linalg.norm(right)
print(
    f"{result.iterations} iterations, "
    f"relative error on 10000 random entries: {error:.1e}"
)
