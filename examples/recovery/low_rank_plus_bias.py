r"""
Low rank plus bias
==================

**You learn** to optimise a matrix of low rank together with other unknowns, on a
product of manifolds.

**You need** the
:ref:`page on pymanopt's solvers <sphx_glr_gallery_start_using_pymanopt.py>`; to run it,
matplotlib.

Some unknowns come beside the matrix of low rank. Ratings are the example that everyone
knows: what user :math:`i` thinks of film :math:`j` is his own level :math:`a_i`, plus
that of the film :math:`b_j`, plus what their tastes have in common, a matrix :math:`W`
of rank :math:`k`:

.. math:: \min_{W \in \mathcal{M}_k,\, a,\, b} \; \frac12 \sum_{(i,j) \text{ observed}}
          (W_{ij} + a_i + b_j - R_{ij})^2 + \frac{\lambda}{2} (\|a\|^2 + \|b\|^2).

Such a set of unknowns is a product of manifolds. ``fixedrank.Product`` is that of
pymanopt, and Hessians by automatic differentiation work on it, so that ``TrustRegions``
runs.
"""

import autograd.numpy as anp
import matplotlib.pyplot as plt
import numpy as np
import pymanopt
from pymanopt.manifolds import Euclidean
from pymanopt.optimizers import ConjugateGradient, TrustRegions
from pymanopt.optimizers.line_search import BackTrackingLineSearcher

import fixedrank
import fixedrank.testing

users, films, taste = 60, 40, 2
rng = np.random.default_rng(0)
levels = 1.5 * rng.standard_normal((users, 1)) + 1.0 * rng.standard_normal((1, films))
common = rng.standard_normal((users, taste)) @ rng.standard_normal((taste, films)) / 1.5
ratings = levels + common + 0.3 * rng.standard_normal((users, films))
observed = rng.random((users, films)) < 0.5
ridge = 0.1

# %%
# The cost is a function of all arrays: three for the matrix, one for each vector.


def problem_with_bias(k, depth=2):
    """Return the problem above, for matrices of rank k."""
    matrices = fixedrank.FixedRank(users, films, k, depth=depth, rng=1)
    manifold = fixedrank.Product([matrices, Euclidean(users), Euclidean(films)])

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt, a, b):
        residual = ((u * s) @ vt + a[:, None] + b - ratings) * observed
        return 0.5 * anp.sum(residual**2) + 0.5 * ridge * (
            anp.sum(a**2) + anp.sum(b**2)
        )

    return pymanopt.Problem(manifold, cost)


def start_of(problem):
    """Return a random matrix that is small beside the ratings, and no bias."""
    u, s, vt = problem.manifold.manifolds[0].random_point()
    return [fixedrank.FixedRankPoint(u, s, vt), np.zeros(users), np.zeros(films)]


# %%
# Derivatives and solvers
# -----------------------
#
# The checks of ``fixedrank.testing`` take any pymanopt manifold, this one too.

problem = problem_with_bias(taste)
report = fixedrank.testing.check_hessian(problem, point=start_of(problem), rng=0)
print(report)

# %%
# Conjugate gradients get near the same minimum, in more and cheaper iterations.
# ``fixedrank.watch`` notes the length of each gradient.

norms = {}
for name, kind, options in (
    ("trust regions", TrustRegions, {}),
    (
        "conjugate gradients",
        ConjugateGradient,
        {"line_searcher": BackTrackingLineSearcher()},
    ),
):
    problem = problem_with_bias(taste)
    solver = kind(
        verbosity=0,
        max_iterations=300,
        min_gradient_norm=1e-8,
        min_step_size=1e-14,
        **options,
    )
    norms[name] = []
    watched = fixedrank.watch(
        problem, lambda point, norm, *rest, seen=norms[name]: seen.append(norm)
    )
    result = solver.run(watched, initial_point=start_of(problem))
    print(f"{name}: cost {result.cost:.9f}, gradient {result.gradient_norm:.1e}")

# %%
# What the bias buys
# ------------------
#
# Without it the matrix has to hold the levels too, which takes two ranks more: one for
# :math:`a 1^T`, one for :math:`1 b^T`; and with few ratings each rank too many costs
# accuracy.


def error_on_others(k, with_bias):
    """Return the root mean square error on the entries that were not observed."""
    problem = problem_with_bias(k)
    start = start_of(problem)
    if not with_bias:
        rows, columns = np.nonzero(observed)
        completion = fixedrank.MatrixCompletion(
            rows, columns, ratings[observed], ratings.shape
        )
        problem, start = completion.to_pymanopt(problem.manifold.manifolds[0]), start[0]
    solver = ConjugateGradient(verbosity=0, min_gradient_norm=1e-2, max_iterations=200)
    point = solver.run(problem, initial_point=start).point
    (u, s, vt), a, b = point if with_bias else (point, np.zeros(users), np.zeros(films))
    found = (u * s) @ vt + a[:, None] + b
    return np.sqrt(np.mean((found - ratings)[~observed] ** 2))


ranks = [1, 2, 3, 4, 5]
errors = {
    "with bias": [error_on_others(k, True) for k in ranks],
    "matrix alone": [error_on_others(k, False) for k in ranks],
}
for name, values in errors.items():
    print(
        f"{name:12}",
        "  ".join(f"rank {k}: {e:.3f}" for k, e in zip(ranks, values, strict=True)),
    )

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
styles = {
    "trust regions": ("#0b3c5d", "-", "o"),
    "conjugate gradients": ("#d1495b", "--", ""),
}
for name, values in norms.items():
    color, line, marker = styles[name]
    left.semilogy(values, line, marker=marker, color=color, label=name)
left.set(
    xlabel="iteration",
    ylabel=r"$\|\operatorname{grad} f\|_g$",
    title="Rank 2 with bias, depth 2",
)
left.legend(frameon=False)
for (name, values), (color, line, marker) in zip(
    errors.items(), (("#0b3c5d", "-", "o"), ("#e69f00", "--", "s")), strict=True
):
    right.plot(ranks, values, line, marker=marker, color=color, label=name)
right.axhline(0.3, color="0.5", lw=1, ls=":")
right.annotate(
    "noise",
    (ranks[-1], 0.3),
    xytext=(0, -11),
    textcoords="offset points",
    ha="right",
    color="0.3",
)
right.set(
    xlabel="rank $k$",
    ylabel="error on other entries",
    xticks=ranks,
    title="What the bias buys",
)
right.set_ylim(0, None)
right.legend(frameon=False)
figure.suptitle(
    "Matrix of low rank plus a bias for each user and each film, from half the ratings"
)
plt.show()
