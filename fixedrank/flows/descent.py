r"""Gradient descent on the layers, beside the flow that it follows, and a step size that is safe.

The bound on the Hessian of L^N: in directions D_j of total length 1, with all |W_j|_2^2 <= K, the
product moves by W' = sum_j A_j D_j E_j, |W' X|_F^2 <= N K^{N-1} |X|^2, and
|<G, W''>| <= (N-1) K^{N/2-1} |G|_2 with G = W C - B, |G|_2 <= K^{N/2} |X|^2 + |Y X^T|. The page on
step sizes in the documentation proves this, and that K holds along the iteration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from fixedrank._aliases import FileLike, LayersLike, LossLike
from fixedrank._checks import Array, positive_integer
from fixedrank._shared_docs import describe
from fixedrank._shown import Displayed, from_to, number
from fixedrank.flows.arguments import FLOWS
from fixedrank.flows.drawn import Drawn
from fixedrank.flows.iterating import Iteration
from fixedrank.flows.saving import Saved
from fixedrank.flows.store import RunStore
from fixedrank.flows.tables import data_frame, effective_ranks, layers_shown
from fixedrank.flows.trajectory import product_factors
from fixedrank.flows.watching import Callback, checked_callback
from fixedrank.losses.adapted import as_loss
from fixedrank.losses.moments import spectral_norm
from fixedrank.losses.regression import LinearRegression, require_data, require_regression
from fixedrank.networks.layers import balancedness, product


def hessian_bound(problem: LinearRegression, square: float, depth: int) -> float:
    r"""Return a bound on the norm of the Hessian of L^N where all layers are bounded.

    :math:`(2N-1) K^{N-1} \|X\|^2 + (N-1) K^{N/2-1} \|Y X^T\|`, in spectral norms.

    Parameters
    ----------
    problem : LinearRegression
        The problem.
    square : float
        K, a bound on the squared spectral norms of all layers.
    depth : int
        The number of layers N.

    Returns
    -------
    float
        The bound.

    Raises
    ------
    TypeError, ValueError
        If K is negative or not finite, or N not a positive integer.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> fixedrank.hessian_bound(problem, 1.0, 2)
    6.0
    """
    n = positive_integer("depth", depth)
    if not 0 <= square < math.inf:
        raise ValueError(f"K must be finite and >= 0, got {square!r}")
    require_regression(problem, "hessian_bound")
    largest = spectral_norm(problem.C)
    bound = (2 * n - 1) * square ** (n - 1) * largest
    if n > 1:
        bound += (n - 1) * square ** (n / 2 - 1) * spectral_norm(problem.B)
    return float(bound)


def safe_step_size(problem: LinearRegression, factors: LayersLike) -> float:
    r"""Return a step size with which gradient descent from here never raises the loss.

    Layers of a loss up to that of the start have a product with :math:`\|W\|_2 \le w`, and with
    Delta the sum of the spectral norms of :math:`W_{j+1}^T W_{j+1} - W_j W_j^T` all of them obey
    :math:`\|W_j\|_2^2 \le K = w^{2/N} + 2 \Delta`. A step eta changes Delta by at most
    :math:`2 \eta^2 \|\nabla L^N\|^2`, in all steps together by 4 eta times the loss above its
    minimum, if eta is at most 1 / L with L the bound on the Hessian for this K. The step returned
    is the largest one that satisfies all this.

    Parameters
    ----------
    problem : LinearRegression
        The problem.
    factors : sequence of array_like
        The start [W_1, ..., W_N].

    Returns
    -------
    float
        The step size.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit together or with the data, or entries are not finite.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> 0 < fixedrank.safe_step_size(problem, [np.eye(2), np.eye(2)]) < 1 / 6
    True
    """
    require_data(problem, "safe_step_size")
    layers = problem.checked_layers(factors)
    depth = len(layers)
    defect = sum(
        float(np.linalg.norm(after.T @ after - before @ before.T, 2))
        for before, after in pairwise(layers)
    )
    # The loss above the residual, without the cancellation of a difference of losses.
    gap = float(np.linalg.norm(product(layers) @ problem.root - problem.Q)) ** 2 / 2
    width = math.sqrt(2 * gap) + float(np.linalg.norm(problem.Q, 2))
    width /= float(np.linalg.norm(problem.root, -2))
    square = width ** (2 / depth) + 2 * defect
    if depth == 1 or square == 0:
        # The same everywhere; or zero layers that stay where they are.
        return 1 / hessian_bound(problem, 1.0, depth)
    upper = 1 / hessian_bound(problem, square, depth)

    def excess(part: float) -> float:
        drifted = square + 8 * part * upper * gap
        return part * upper * hessian_bound(problem, drifted, depth) - 1

    if excess(1.0) <= 0:
        return upper
    return upper * float(brentq(excess, 0.0, 1.0, xtol=1e-300, rtol=1e-13)) * (1 - 1e-12)


@dataclass(frozen=True, kw_only=True, repr=False)
class DescentTrajectory(Displayed, Drawn, Saved):
    """Iterates of gradient descent.

    Attributes
    ----------
    iterations : ndarray of int, shape (kept,)
        The numbers of the iterates that are kept, 0 for the start; the last one is that at which a
        callback stopped the iteration, if it did.
    step_size : float
        The step size eta; iterate i stands beside the flow (5) at time eta i.
    loss, gradient_norm : ndarray, shape (kept,)
        The loss L^N and the length of its gradient.
    factors : list of list of ndarray
        The layers [W_1, ..., W_N].
    status : str
        Why the iteration ended, in words.
    complete : bool
        Whether all iterates that were asked for are there.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
    >>> descent = fixedrank.gradient_descent(problem, [[[1.0]], [[1.0]]], 2, step_size=0.1)
    >>> descent.t, descent.loss
    (array([0. , 0.1, 0.2]), array([2.       , 1.2168   , 0.5785396]))
    """

    iterations: NDArray[np.intp]
    step_size: float
    loss: Array
    gradient_norm: Array
    factors: list[list[Array]]
    status: str
    complete: bool

    def _shown_title(self) -> str:
        return f"{type(self).__name__}: {layers_shown(self.factors[0] if self.factors else [])}"

    def _shown_facts(self) -> dict[str, str]:
        return {
            "status": self.status,
            "iterates": f"{len(self)}, i = {from_to(self.iterations)}",
            "step size": number(self.step_size),
            "loss": from_to(self.loss),
            "gradient norm": from_to(self.gradient_norm),
        }

    @property
    def last(self) -> list[Array]:
        """The layers of the last iterate, from which the iteration can go on."""
        return self.factors[-1]

    @property
    def t(self) -> Array:
        """The times of the flow beside which the iterates stand."""
        return np.asarray(self.step_size * self.iterations)

    def __len__(self) -> int:
        return len(self.iterations)

    @cached_property
    def product(self) -> list[Array]:
        """The products W_N ... W_1."""
        return [product(factors) for factors in self.factors]

    @cached_property
    def singular_values(self) -> Array:
        """The singular values of the products, as many as the narrowest layer is wide."""
        values = [product_factors(factors).s for factors in self.factors]
        return np.array(values) if values else np.zeros((0, 0))

    @property
    def effective_rank(self) -> Array:
        r"""The effective rank of the products, as :attr:`RiemannianTrajectory.effective_rank`."""
        return effective_ranks(self.singular_values)

    @cached_property
    def balancedness(self) -> Array:
        """Largest norm of W_{j+1}^T W_{j+1} - W_j W_j^T, of each iterate."""
        return np.array([balancedness(factors) for factors in self.factors])

    def to_dataframe(self) -> Any:
        """Return a table with a row for each iterate that was kept.

        Returns
        -------
        pandas.DataFrame
            With the columns iteration, t, loss, gradient_norm, sigma_1, ..., sigma_k,
            effective_rank and balancedness.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed; it comes with the extra `data`.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
        >>> descent = fixedrank.gradient_descent(problem, [[[1.0]], [[1.0]]], 2, step_size=0.1)
        >>> descent.to_dataframe()["sigma_1"].round(3).tolist()
        [1.0, 1.44, 1.924]
        """
        return data_frame(
            iteration=self.iterations,
            t=self.t,
            loss=self.loss,
            gradient_norm=self.gradient_norm,
            sigma=self.singular_values,
            effective_rank=self.effective_rank,
            balancedness=self.balancedness,
        )


def gradient_descent(
    problem: LossLike,
    factors: LayersLike,
    steps: int | Sequence[int],
    *,
    step_size: float | str = "safe",
    callback: Callback | None = None,
    store: FileLike | None = None,
) -> DescentTrajectory:
    """Iterate gradient descent on the layers: the flow (5) by Euler's method.

    Parameters
    ----------
    factors : sequence of array_like
        The start [W_1, ..., W_N]; W_j has shape (d_j, d_{j-1}).
    steps : int or sequence of int
        The number of steps, all of which are kept, or the increasing numbers of those to keep.
    step_size : float or "safe"
        The step size, or :func:`safe_step_size` of the start, which a LinearRegression has.
    callback : callable, optional
        Called after each step as ``callback(t, layers, loss)``, with copies of the layers and
        t = eta i. If it returns True the iteration ends there, and that iterate is the last one
        kept. Its errors are raised as they are. Each call costs an evaluation of the loss.
    store : path-like, optional
        A file that the run is written to, whole or not at all: now and then, and where it ends,
        also by Ctrl-C, a callback or an error. The same call goes on from there, to the same
        iterates, or returns at once what is finished; with more steps after the last one, it goes
        on to these.

    Returns
    -------
    DescentTrajectory
        The iterates that were asked for; fewer where the iteration diverges, is stopped by the
        callback or interrupted, with a status that says so.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit together or with the data, entries are not finite, `steps` or
        `step_size` are out of range, or the store holds another run.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> start = fixedrank.random_balanced_factors([2, 2, 2, 2], rng=0)
    >>> descent = fixedrank.gradient_descent(problem, start, [0, 10_000])
    >>> np.round(descent.product[-1], 6) + 0.0
    array([[3., 0.],
           [0., 1.]])
    """
    loss, kept = as_loss(problem), _kept(steps)
    layers = loss.checked_layers(factors)
    if isinstance(step_size, str):
        if step_size != "safe":
            raise ValueError(f"step_size must be a number or 'safe', got {step_size!r}")
        require_data(problem, "step_size='safe', which stands for a number,")
        step = safe_step_size(cast(LinearRegression, problem), layers)
    else:
        step = float(step_size)
    if not 0 < step < math.inf:
        raise ValueError(f"step_size must be positive and finite, got {step_size!r}")
    checked_callback(callback)
    stored = None
    if store is not None:
        parts = ("gradient_descent", loss, layers, step)
        stored = RunStore(store, parts, np.array(kept, dtype=np.intp))
    run = Iteration(loss, step, layers, kept)
    run.run(callback, stored)
    iterations, losses, norms, factors = zip(*run.records, strict=True) if run.records else [()] * 4
    return DescentTrajectory(
        iterations=np.array(iterations, dtype=np.intp),
        step_size=step,
        loss=np.array(losses),
        gradient_norm=np.array(norms),
        factors=list(factors),
        status=run.status,
        complete=run.complete,
    )


describe(gradient_descent, FLOWS)


def _kept(steps: Any) -> list[int]:
    if np.ndim(steps) == 0:
        return list(range(positive_integer("steps", steps) + 1))
    kept = [positive_integer(f"steps[{i}] + 1", step + 1) - 1 for i, step in enumerate(steps)]
    if not kept or any(a >= b for a, b in pairwise(kept)):
        raise ValueError(f"steps must be a number or increasing numbers of iterates, got {steps!r}")
    return kept
