"""A look at the steps of any of pymanopt's optimisers, which may end them."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pymanopt


class Counts(NamedTuple):
    """What an optimiser has asked for so far.

    Parameters
    ----------
    steps : int
        Accepted steps; 0 at the start.
    costs : int
        Evaluations of the cost.
    gradients : int
        Evaluations of the gradient.
    hessians : int
        Products of the Hessian with a tangent vector.
    """

    steps: int
    costs: int
    gradients: int
    hessians: int


# What is called at each point: point, length of the gradient, counts, seconds since the start.
Callback = Callable[[Any, float, Counts, float], object]


class Stopped(Exception):  # noqa: N818
    """A run of an optimiser without gradients was ended by its callback.

    Parameters
    ----------
    point : point of the manifold
        The last point.
    cost : float
        Its cost.
    """

    def __init__(self, point: Any, cost: float) -> None:
        super().__init__(f"the callback ended the run at a cost of {cost:.6g}")
        self.point, self.cost = point, cost


class _EnoughNorm(float):
    """A length that is less than any tolerance."""

    def __lt__(self, other: object) -> bool:
        return True


class WatchedProblem(pymanopt.Problem):
    """A problem that counts what is asked of it, and tells a callback of each accepted step.

    Attributes
    ----------
    point : point of the manifold, or None
        The last point.
    counts : Counts
        What has been asked for.
    stopped : bool
        Whether the callback has ended the run.
    """

    def __init__(self, problem: pymanopt.Problem, callback: Callback) -> None:
        self._problem, self._callback = problem, callback
        self.manifold = copy.copy(problem.manifold)
        self._own_norm, self._own_retraction = problem.manifold.norm, problem.manifold.retraction
        self.manifold.norm, self.manifold.retraction = self._norm, self._retraction
        self.preconditioner = problem.preconditioner
        self.point: Any = None
        self.counts = Counts(-1, 0, 0, 0)
        self.stopped = False
        self._last_gradient: Any = None
        self._least = self._last_cost = math.inf
        self._began: float | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on the {self.manifold}: {self.counts}>"

    @property
    def cost(self) -> Callable[[Any], float]:
        """The cost."""
        return self._cost_at

    @property
    def riemannian_gradient(self) -> Callable[[Any], Any]:
        """The Riemannian gradient."""
        return self._gradient_at

    @property
    def riemannian_hessian(self) -> Callable[[Any, Any], Any]:
        """The Riemannian Hessian."""
        return self._hessian_at

    @property
    def euclidean_gradient(self) -> Callable[[Any], Any]:
        """The Euclidean gradient, of which nothing is counted."""
        return self._problem.euclidean_gradient

    @property
    def euclidean_hessian(self) -> Callable[[Any, Any], Any]:
        """The Euclidean Hessian, of which nothing is counted."""
        return self._problem.euclidean_hessian

    # Inside

    def _cost_at(self, point: Any) -> float:
        if self.stopped and point is self.point:
            return self._last_cost
        self._count(costs=1)
        cost = self._last_cost = self._problem.cost(point)
        # An optimiser with gradients asks for the first of them before its second cost.
        if self.counts.gradients == 0 and self.counts.costs > 1 and cost < self._least:
            self._tell(point, math.nan)
            if self.stopped:
                raise Stopped(point, float(cost))
        self._least = min(self._least, cost)
        return cost

    def _gradient_at(self, point: Any) -> Any:
        self._count(gradients=1)
        gradient = self._problem.riemannian_gradient(point)
        self._last_gradient = gradient
        if point is not self.point:
            self._tell(point, float(self._own_norm(point, gradient)))
        return gradient

    def _hessian_at(self, point: Any, vector: Any) -> Any:
        self._count(hessians=1)
        return self._problem.riemannian_hessian(point, vector)

    def _norm(self, point: Any, vector: Any) -> float:
        norm = float(self._own_norm(point, vector))
        return _EnoughNorm(norm) if self.stopped and vector is self._last_gradient else norm

    def _retraction(self, point: Any, vector: Any) -> Any:
        # SteepestDescent searches along the last gradient before it looks at its length.
        return point if self.stopped else self._own_retraction(point, vector)

    def _count(self, **more: int) -> None:
        if self._began is None:
            self._began = time.perf_counter()
        changed = {name: getattr(self.counts, name) + one for name, one in more.items()}
        self.counts = self.counts._replace(**changed)

    def _tell(self, point: Any, norm: float) -> None:
        self.point = point
        self._count(steps=1)
        seconds = time.perf_counter() - (self._began or 0.0)
        if self._callback(point, norm, self.counts, seconds):
            self.stopped = True


def watch(problem: pymanopt.Problem, callback: Callback) -> WatchedProblem:
    """Return a problem that calls a function at each step that an optimiser accepts.

    The optimiser may be any of pymanopt's, or :class:`~fixedrank.optimizers.LBFGS`. Where the
    function returns something true the run ends, and its result has the last point.

    Parameters
    ----------
    problem : pymanopt.Problem
        The problem, on any manifold.
    callback : callable (point, gradient_norm, counts, seconds)
        What is called at the start and after each step: with the point, the length of its
        gradient, the numbers ``counts.steps``, ``counts.costs``, ``counts.gradients`` and
        ``counts.hessians`` of what was asked for so far, and the seconds since the first of these.

    Returns
    -------
    WatchedProblem
        The same problem for one run, with the attributes ``point``, the last one, ``counts`` and
        ``stopped``.

    Raises
    ------
    TypeError
        If the callback cannot be called, or the problem is none of pymanopt's.
    Stopped
        In a run of pymanopt's NelderMead or ParticleSwarm that the callback ends. These ask for no
        gradients: the callback is called at each lower cost, with NaN for the length, and the
        error has the ``point``.

    Notes
    -----
    Optimisers have no way to be ended from outside, so the length of the last gradient passes for
    less than ``min_gradient_norm``; the result says so in its ``stopping_criterion``, with the true
    ``gradient_norm``. Accepted points are those where an optimiser asks for the gradient. At the
    last point of a SteepestDescent that is not ended by the callback it does not.

    Examples
    --------
    >>> import numpy as np, fixedrank, pymanopt
    >>> problem = fixedrank.LinearRegression(np.diag([1.0, 3.0]), np.diag([3.0, 1.0]))
    >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
    >>> norms = []
    >>> def callback(point, gradient_norm, counts, seconds):
    ...     norms.append(gradient_norm)
    ...     return counts.steps == 3
    >>> watched = fixedrank.watch(problem.to_pymanopt(manifold), callback)
    >>> solver = pymanopt.optimizers.ConjugateGradient(verbosity=0)
    >>> result = solver.run(watched, initial_point=manifold.random_point(rng=0))
    >>> len(norms), watched.stopped, result.point is watched.point
    (4, True, True)
    """
    if not callable(callback):
        raise TypeError(
            "callback must be a function of (point, gradient_norm, counts, seconds), got "
            f"{callback!r}"
        )
    if not isinstance(problem, pymanopt.Problem):
        raise TypeError(
            f"problem must be a pymanopt.Problem, got a {type(problem).__name__}; "
            "loss.to_pymanopt(manifold) makes one of a loss"
        )
    return WatchedProblem(problem, callback)
