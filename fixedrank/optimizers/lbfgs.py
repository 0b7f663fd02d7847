"""L-BFGS on manifolds of matrices of fixed rank, of any depth, and on products with others."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Any

import pymanopt
from pymanopt.optimizers.optimizer import Optimizer, OptimizerResult
from pymanopt.tools import printer

from fixedrank._checks import positive_integer
from fixedrank.optimizers.backtracking import backtrack
from fixedrank.optimizers.curvature import CurvaturePairs
from fixedrank.optimizers.spaces import embedded, from_embedded, size, to_embedded

# After so many steps in a row that lower neither the cost nor the gradient they are round-off.
_IDLE = 100


class LBFGS(Optimizer):
    r"""The limited-memory method of Broyden, Fletcher, Goldfarb and Shanno, for pymanopt.

    It models the Hessian by the last pairs of steps and changes of the gradient, and needs one
    cost and one gradient for most steps. On a :class:`~fixedrank.FixedRank` of any depth the pairs
    are those of the *embedded* metric, in which gradients change as slowly as those of the cost: so
    its path is that of depth 1, unless a preconditioner says otherwise, and the metric of the
    manifold measures the gradient at which it stops. It gets by with the Riemannian gradients of
    any problem, and runs on :class:`~fixedrank.Product` and all of pymanopt's manifolds with a
    ``transport``.

    Parameters
    ----------
    memory : int
        How many pairs are kept.
    **options
        ``max_time``, ``max_iterations``, ``min_gradient_norm``, ``min_step_size``,
        ``max_cost_evaluations``, ``verbosity`` and ``log_verbosity`` of pymanopt's optimisers.

    Raises
    ------
    TypeError, ValueError
        If the memory is not a positive integer.

    Notes
    -----
    With :math:`G = \mathcal{A}_{W,N}^{-1}(\nabla^g f)`, the projected Euclidean gradient, a step s
    gives the pair of s and the difference y of the gradients after it and before it, both moved by
    projection. The direction is :math:`-H G` with H by the two-loop recursion from
    :math:`H_0 = \gamma P`, where P is the identity or, where the problem has a preconditioner,
    that one after :math:`\mathcal{A}_{W,N}`, and :math:`\gamma = s^T y / y^T P y` of the last pair.
    Pairs with :math:`s^T y \le 10^{-8} |s| |y|` are left out. A step is the whole direction,
    shortened by interpolation until the cost falls, up to its round-off; a step to lower rank
    is shortened too. A search without success forgets all pairs, and a second one in a row ends the
    run. All of this is the same in every unit of W and of the cost; only the tolerances of pymanopt
    are absolute.

    References
    ----------
    D. C. Liu and J. Nocedal, On the limited memory BFGS method for large scale optimization, Math.
    Programming 45, 1989; W. Huang, K. A. Gallivan and P.-A. Absil, A Broyden class of quasi-Newton
    methods for Riemannian optimization, SIAM J. Optim. 25, 2015.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> from fixedrank.optimizers import LBFGS
    >>> problem = fixedrank.LinearRegression(np.diag([1.0, 2.0, 5.0]), np.diag([3.0, 4.0, 5.0]))
    >>> manifold = fixedrank.FixedRank(3, 3, 2, depth=2)
    >>> result = LBFGS(verbosity=0).run(
    ...     problem.to_pymanopt(manifold), initial_point=manifold.random_point(rng=0)
    ... )
    >>> result.point.s.round(6)
    array([2., 1.])
    """

    def __init__(self, memory: int = 10, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._memory = positive_integer("memory", memory)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: memory {self._memory}>"

    def run(
        self, problem: pymanopt.Problem, *, initial_point: Any = None, **kwargs: Any
    ) -> OptimizerResult:
        """Minimise the cost of a problem.

        Parameters
        ----------
        problem : pymanopt.Problem
            The problem, with its manifold.
        initial_point : point of the manifold, optional
            Where to start; by default at a random point.

        Returns
        -------
        pymanopt.optimizers.optimizer.OptimizerResult
            With the last ``point``, its ``cost`` and ``gradient_norm``, the numbers of
            ``iterations`` and ``cost_evaluations``, and the ``stopping_criterion`` in words.

        Examples
        --------
        >>> import autograd.numpy as anp, numpy as np, pymanopt
        >>> from fixedrank.optimizers import LBFGS
        >>> sphere = pymanopt.manifolds.Sphere(3)
        >>> @pymanopt.function.autograd(sphere)
        ... def cost(x):
        ...     return anp.sum(anp.array([3.0, 2.0, 1.0]) * x**2)
        >>> problem, start = pymanopt.Problem(sphere, cost), np.array([0.6, 0.0, 0.8])
        >>> round(LBFGS(verbosity=0).run(problem, initial_point=start).cost, 9)
        1.0
        """
        if kwargs:
            raise TypeError(f"run() takes problem and initial_point, got also {', '.join(kwargs)}")
        manifold, cost = problem.manifold, problem.cost
        base, change, back = embedded(manifold), to_embedded(manifold), from_embedded(manifold)
        x = manifold.random_point() if initial_point is None else initial_point
        columns = self._columns()
        start_time = time.time()
        value, gradient = float(cost(x)), problem.riemannian_gradient(x)
        gradient_norm, evaluations = manifold.norm(x, gradient), 1
        # pymanopt's problems without a preconditioner hand back the vector itself.
        preconditioned = problem.preconditioner(x, gradient) is not gradient

        def precondition(vector: Any) -> Any:
            return problem.preconditioner(x, back(x, vector))

        pairs = CurvaturePairs(manifold, self._memory, precondition if preconditioned else None)
        slope, length = pairs.begin(x, change(x, gradient), partial(base.norm, x))
        pairs.scale(_first(value, slope, size(manifold, x), length))
        self._initialize_log(optimizer_parameters={"memory": self._memory})
        iteration, step_size, idle, least = 0, math.inf, 0, (value, gradient_norm)
        while True:
            iteration += 1
            columns.print_row([iteration, value, gradient_norm])
            self._add_log_entry(
                iteration=iteration, point=x, cost=value, gradient_norm=gradient_norm
            )
            reason = self._check_stopping_criterion(
                start_time=start_time,
                iteration=iteration,
                gradient_norm=gradient_norm,
                step_size=step_size,
                cost_evaluations=evaluations,
            )
            if reason is None and (gradient_norm == 0 or idle >= _IDLE):
                reason = f"Terminated - round-off reached after {iteration} iterations."
            if reason is not None:
                break
            direction, slope = pairs.direction(x)
            if not slope < 0 and pairs.forget():
                direction, slope = pairs.direction(x)
            step = backtrack(cost, manifold, x, direction, value, slope)
            evaluations += step.evaluations
            if step.share == 0:
                if pairs.forget():
                    continue
                reason = f"Terminated - no step lowers the cost after {iteration} iterations."
                break
            step_size = step.share * float(manifold.norm(x, direction))
            start, x, value = x, step.point, step.cost
            gradient = problem.riemannian_gradient(x)
            gradient_norm = manifold.norm(x, gradient)
            pairs.move(start, x, step.share, change(x, gradient))
            now = min(least[0], value), min(least[1], gradient_norm)
            idle, least = idle + 1 if now == least else 0, now
        if self._verbosity >= 1:
            print(reason)  # noqa: T201
        return self._return_result(
            start_time=start_time,
            point=x,
            cost=value,
            iterations=iteration,
            stopping_criterion=reason,
            cost_evaluations=evaluations,
            step_size=step_size,
            gradient_norm=gradient_norm,
        )

    def _columns(self) -> Any:
        if self._verbosity < 2:
            return printer.VoidPrinter()
        width = len(str(self._max_iterations))
        columns = printer.ColumnPrinter(
            columns=[("Iteration", f"{width}d"), ("Cost", "+.16e"), ("Gradient norm", ".8e")]
        )
        columns.print_header()
        return columns


def _first(value: float, slope: float, size: float, length: float) -> float:
    """Return the first step along -P g, of this slope and length.

    It is exact where the cost is quadratic and can vanish, and no longer than W.
    """
    if length == 0:
        return 1.0
    guess = 2 * abs(value / slope) if slope < 0 else 0.0
    longest = size / length
    if 0 < guess < math.inf:
        return min(guess, longest)
    return longest if longest < math.inf else 1 / length
