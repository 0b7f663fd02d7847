"""One run of one optimiser at one depth: after how many evaluations it is where.

An evaluation is one of the loss, of the gradient, or a product of the Hessian with a vector.
"""

import contextlib

import numpy as np
from pymanopt.manifolds import FixedRankEmbedded
from pymanopt.optimizers import ConjugateGradient, SteepestDescent, TrustRegions

import fixedrank
from fixedrank.optimizers import LBFGS

DEPTHS = (1, 2, 3, 5, 10)
# The evaluations of a run, and what is to be reached: the distance to the minimiser over its least
# singular value, the embedded gradient and what is left of the loss over those at the start.
LIMIT = 3000
TARGETS = {"error": 1e-2, "gradient": 1e-6, "loss": 1e-10}
# "+ P(1)": the Hessian of depth N, with the preconditioner of depth 1. "own": that of regressions.
METHODS = ("SD", "CG", "TR", "TR + P(1)", "LBFGS + P(N)", "LBFGS + own")
PYMANOPT = ("SD, pymanopt", "CG, pymanopt")
SOLVERS = {"SD": SteepestDescent, "CG": ConjugateGradient, "TR": TrustRegions, "LBFGS": LBFGS}


def applies(name, method, depth):
    """Whether there is such a run, and it is not the same as another one."""
    if method in PYMANOPT or method == "TR + P(1)":
        return (method in PYMANOPT) == (depth == 1)
    # L-BFGS goes by the embedded metric whatever the depth, with a preconditioner of its own too.
    return method != "LBFGS + own" or (name.startswith("regression") and depth == 1)


class SpentError(Exception):
    """All evaluations were used."""


class Progress:
    """A callback that notes after how many evaluations the targets were reached."""

    def __init__(self, task):
        self.task, self.reached, self.first, self.point = task, {}, None, task.start
        self.embedded = fixedrank.FixedRank(*task.minimiser.shape, task.k, depth=1)
        self.least_loss = task.loss.loss(task.minimiser)

    def __call__(self, point, norm, counts, seconds):
        loss, manifold = self.task.loss, self.embedded
        gradient = manifold.euclidean_to_riemannian_gradient(point, loss.gradient(point))
        size, value = manifold.norm(point, gradient), loss.loss(point) - self.least_loss
        self.first = self.first or (size, value)
        self.point = point
        shares = self.error(), size / self.first[0], value / self.first[1]
        for (name, target), share in zip(TARGETS.items(), shares, strict=True):
            if share <= target:
                self.reached.setdefault(name, asked(counts))
        # Where the gradient vanishes elsewhere the run is over too.
        return len(self.reached) == len(TARGETS) or size <= 1e-10 * self.first[0]

    def difference(self):
        """What parts the last point from the minimiser."""
        return self.embedded.to_matrix(self.point) - self.task.minimiser

    def error(self):
        return float(np.linalg.norm(self.difference()) / self.task.least)


def asked(counts):
    return counts.costs + counts.gradients + counts.hessians


def run(task, depth, method, limit):
    """Let an optimiser go, and return its progress."""
    m, n = task.minimiser.shape
    solver, _, preconditioner = method.partition(" + ")
    solver, _, others = solver.partition(", ")
    if others:
        manifold = FixedRankEmbedded(m, n, task.k)
    else:
        manifold = fixedrank.FixedRank(m, n, task.k, depth=1 if solver == "LBFGS" else depth)
    precondition = None
    if preconditioner == "own":
        precondition = task.loss.preconditioner(manifold)
    elif preconditioner and depth > 1:
        precondition = manifold.preconditioner(depth if solver == "LBFGS" else 1)
    retraction = manifold.retraction

    def counted(point, vector):
        # Trial steps that are not accepted are told to no callback.
        if asked(problem.counts) > limit:
            raise SpentError
        return retraction(point, vector)

    manifold.retraction = counted
    progress = Progress(task)
    problem = fixedrank.watch(
        task.loss.to_pymanopt(manifold, preconditioner=precondition), progress
    )
    options = {
        "verbosity": 0,
        "min_gradient_norm": 0,
        "min_step_size": 0,
        "max_iterations": limit,
        "max_cost_evaluations": 10 * limit,
        "max_time": 1e9,
    }
    # The largest singular value is one, so that this is the radius that belongs to the metric.
    radius = {"Delta_bar": (precondition or manifold).typical_dist} if solver == "TR" else {}
    with contextlib.suppress(SpentError):
        SOLVERS[solver](**options).run(problem, initial_point=task.start, **radius)
    return progress


def outcome(task, depth, method, limit=LIMIT):
    """Return the evaluations to each target, None where it is not reached, and the last error."""
    progress = run(task, depth, method, limit)
    taken = [progress.reached.get(target) for target in TARGETS]
    # A count above the limit is that of the step in which the run ended.
    within = [count if (count or 0) <= limit else None for count in taken]
    return [*within, float(f"{progress.error():.2g}")]


def spike(task, depth, method, limit=LIMIT):
    """Return the last error, and its shares in the unknown entries and in the largest one."""
    progress = run(task, depth, method, limit)
    squares, loss = progress.difference() ** 2, task.loss
    total = squares.sum()
    unknown = total - squares[loss.rows, loss.cols].sum()
    shares = progress.error(), unknown / total, squares.max() / total
    return [float(f"{value:.3g}") for value in shares]


def recovered(task):
    """Return the error of what the library's own way to a completion finds."""
    found = fixedrank.recover(task.loss, task.k, rtol=1e-8).point
    W = fixedrank.FixedRank(*task.minimiser.shape, task.k, depth=1).to_matrix(found)
    return float(f"{np.linalg.norm(W - task.minimiser) / task.least:.2g}")
