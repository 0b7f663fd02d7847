r"""
Trust regions
=============

**You learn** what an optimiser of second order gains, and how to bring a Hessian of
your own.

**You need** the
:ref:`page on pymanopt's solvers <sphx_glr_gallery_start_using_pymanopt.py>`; to run it,
matplotlib.

``FixedRank`` has the Riemannian Hessian of the depth-:math:`N` metric, exact where
singular values tie, so that pymanopt's ``TrustRegions`` runs on it. Here it competes
with steepest descent and conjugate gradients on a regression with ill-conditioned data:
the matrix :math:`W` of rank 5 that minimises :math:`L^1(W) = \frac12 \|Y - WX\|_F^2`,
where the eigenvalues of :math:`XX^T` are spread from 0.001 to 1.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import pymanopt
import scipy.sparse
from pymanopt.optimizers import ConjugateGradient, SteepestDescent, TrustRegions
from pymanopt.optimizers.line_search import BackTrackingLineSearcher

import fixedrank

d_y, d_x, k, samples = 40, 30, 5, 120
rng = np.random.default_rng(0)
spread = np.sqrt(np.geomspace(1e-3, 1, d_x))
frame = np.linalg.qr(rng.standard_normal((samples, d_x)))[0]
X = spread[:, None] * frame.T
Y = rng.standard_normal((d_y, 8)) @ rng.standard_normal((8, d_x)) @ X / 8
Y += 0.1 * rng.standard_normal(Y.shape)
problem = fixedrank.LinearRegression(X, Y)

# %%
# The solution is known: with :math:`Q = YX^T(XX^T)^{-1/2}` and its singular value
# decomposition, :math:`W = U_k \Sigma_k V_k^T (XX^T)^{-1/2}` is the only minimum on
# :math:`\mathcal{M}_k`, and all other critical points are strict saddles.

u, s, vt = np.linalg.svd(problem.Q)
solution = (u[:, :k] * s[:k]) @ vt[:k] @ np.linalg.inv(problem.root)

# %%
# The manifold below notes the length of each gradient that it hands out, one an
# iteration.


class Recorder(fixedrank.FixedRank):
    """FixedRank with a record of all gradient norms and their times."""

    def __init__(self, *sizes, depth):
        super().__init__(*sizes, depth=depth)
        self.began, self.norms, self.times = time.perf_counter(), [], []

    def euclidean_to_riemannian_gradient(self, point, euclidean_gradient):
        gradient = super().euclidean_to_riemannian_gradient(point, euclidean_gradient)
        self.norms.append(self.norm(point, gradient))
        self.times.append(time.perf_counter() - self.began)
        return gradient


optimisers = {
    "steepest descent": (SteepestDescent, {}, "#e69f00"),
    # The default line search gives up after ten trial steps.
    "conjugate gradients": (
        ConjugateGradient,
        {"line_searcher": BackTrackingLineSearcher()},
        "#d1495b",
    ),
    "trust regions": (TrustRegions, {}, "#0b3c5d"),
}
figure, panels = plt.subplots(
    2, 3, figsize=(11, 6.5), sharey=True, layout="constrained"
)
for (by_iteration, by_time), depth in zip(panels.T, (1, 2, 5), strict=True):
    for name, (optimiser, options, color) in optimisers.items():
        manifold = Recorder(d_y, d_x, k, depth=depth)
        solver = optimiser(
            verbosity=0,
            max_iterations=500,
            min_gradient_norm=1e-10,
            min_step_size=1e-14,
            **options,
        )
        result = solver.run(
            problem.to_pymanopt(manifold), initial_point=manifold.random_point(rng=1)
        )
        error = np.linalg.norm(manifold.to_matrix(result.point) - solution)
        print(
            f"N = {depth}, {name:19}: {len(manifold.norms):3} gradients, |grad f| = "
            f"{manifold.norms[-1]:.1e}, |W - W_J|_F = {error:.1e}"
        )
        if optimiser is TrustRegions:
            print(
                "  last norms: "
                + ", ".join(f"{norm:.1e}" for norm in manifold.norms[-5:])
            )
        iterations = 1 + np.arange(len(manifold.norms))
        by_iteration.loglog(iterations, manifold.norms, color=color)
        by_time.loglog(manifold.times, manifold.norms, color=color, label=name)
    by_iteration.set(title=f"depth $N = {depth}$", xlabel="iteration")
    by_time.set(xlabel="seconds")
for axes in panels[:, 0]:
    axes.set_ylabel(r"$\|\nabla^g L^1(W)\|_g$")
panels[1, 0].legend(frameon=False, loc="lower left")
figure.suptitle("Trust regions converge superlinearly, the other two optimisers slowly")
plt.show()

# %%
# Each of the last steps of the trust regions squares the gradient norm, up to a factor:
# the convergence is superlinear. The step is the solution of a linear system with the
# Hessian, by an inner iteration of conjugate gradients; that is why an iteration takes
# longer than those of the other two, and why so few of them are needed.
#
# In your own problem
# -------------------
#
# Nothing but the cost is needed where automatic differentiation is used: pymanopt
# differentiates twice, along the directions of the factors that ``embedding`` returns.
# A hand-written Hessian takes these directions too, and may return :math:`D^2 f(W)[Z]`
# as an ambient matrix of any kind, like the gradient. For the completion of a matrix
# both are sparse:

m, n, k = 300, 200, 3
manifold = fixedrank.FixedRank(m, n, k, depth=2)
factors = (
    rng.standard_normal((m, k)) / np.sqrt(m),
    rng.standard_normal((n, k)) / np.sqrt(n),
)
truth = manifold.point(factors)
observed = rng.choice(m * n, size=m * n // 5, replace=False)
rows, columns = np.unravel_index(observed, (m, n))


def entries(left, right):
    """Return the observed entries of left @ right."""
    return np.einsum("ij,ji->i", left[rows], right[:, columns])


def observed_matrix(values):
    """Return the sparse matrix with these observed entries."""
    return scipy.sparse.csr_array((values, (rows, columns)), shape=(m, n))


values = entries(truth.u * truth.s, truth.vt)


@pymanopt.function.numpy(manifold)
def cost(u, s, vt):
    """Half the squared error on the observed entries."""
    return 0.5 * np.sum((entries(u * s, vt) - values) ** 2)


@pymanopt.function.numpy(manifold)
def euclidean_gradient(u, s, vt):
    """The residual on the observed entries."""
    return observed_matrix(entries(u * s, vt) - values)


@pymanopt.function.numpy(manifold)
def euclidean_hessian(u, s, vt, du, ds, dvt):
    """The observed entries of Z = (du s + u ds) vt + u s dvt."""
    return observed_matrix(entries(du * s + u * ds, vt) + entries(u * s, dvt))


completion = pymanopt.Problem(
    manifold,
    cost,
    euclidean_gradient=euclidean_gradient,
    euclidean_hessian=euclidean_hessian,
)
first = manifold.point(5 * observed_matrix(values))
result = TrustRegions(verbosity=0, min_gradient_norm=1e-12, max_iterations=100).run(
    completion, initial_point=first
)
error = np.linalg.norm(manifold.to_matrix(result.point) - manifold.to_matrix(truth))
print(f"{result.iterations} iterations, error {error:.1e} on all {m} x {n} entries")

# %%
# The largest radius of the trust region is ``manifold.typical_dist`` unless you pass
# ``Delta_bar`` to ``run``. It is :math:`\sqrt{Nk}`, the length of a geodesic from near
# zero to singular values of one. Where yours are of another size :math:`\sigma`, pass
# ``Delta_bar=np.sqrt(N * k) * sigma ** (1 / N)``.
