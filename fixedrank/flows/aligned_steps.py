r"""Gradient descent from an aligned start: one scalar map for each singular value, exact.

Where W(0) has singular vectors of B that are eigenvectors of C, balanced layers W_j =
Q_j diag(sigma) Q_{j-1}^T keep their Q_j, at any step size:
sigma <- sigma - eta (sigma^{N-1} (c sigma^N - b) + lambda sigma).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixedrank._aliases import LayersLike, PointLike
from fixedrank._checks import Array, nonnegative_number, real_depth, round_off
from fixedrank._shown import Displayed, from_to, number
from fixedrank.flows.descent import checked_momentum, checked_step, kept_steps
from fixedrank.flows.descent_trajectory import flow_time
from fixedrank.flows.exact import aligned_coefficients
from fixedrank.flows.saving import Saved
from fixedrank.flows.trajectory import product_factors
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point, is_triple
from fixedrank.losses.regression import LinearRegression, require_regression
from fixedrank.networks.layers import BALANCED, relative_imbalance


@dataclass(frozen=True, kw_only=True, repr=False)
class AlignedDescent(Displayed, Saved):
    r"""Iterates of gradient descent from an aligned start, a column for each singular value.

    Attributes
    ----------
    iterations : ndarray of int, shape (kept,)
        The numbers of the iterates that are kept, 0 for the start.
    sigma : ndarray, shape (kept, k)
        :math:`\sigma_i`, the root of :math:`\sigma_i^N`, which is the i-th entry of
        :math:`u^T W v`; long steps may make it negative. In the order of the start.
    loss : ndarray, shape (kept,)
        The loss L^N.
    penalty : ndarray, shape (kept,), or None
        What weight decay adds to the loss; None without.
    objective : ndarray, shape (kept,)
        The sum of loss and penalty.
    u, vt : ndarray, shapes (m, k) and (k, n)
        The singular vectors of all iterates.
    depth : int
        The number N of layers.
    step_size, weight_decay, momentum : float
        The step size eta, the rate lambda of weight decay and the momentum mu.
    status : str
        Why the iteration ended, in words.
    complete : bool
        Whether all iterates that were asked for are there.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(1), [[1.0]])
    >>> start = (np.eye(1), np.array([1.1]), np.eye(1))
    >>> edge = fixedrank.edge_of_stability((np.eye(1), np.ones(1), np.eye(1)), 2)
    >>> beyond = fixedrank.aligned_descent(problem, start, 400, depth=2, step_size=1.1 * edge)
    >>> beyond.sigma[-4:, 0].round(6)
    array([0.814552, 1.116063, 0.814552, 1.116063])
    """

    iterations: NDArray[np.intp]
    sigma: Array
    loss: Array
    u: Array
    vt: Array
    depth: int
    step_size: float
    weight_decay: float
    momentum: float
    status: str
    complete: bool

    def _shown_title(self) -> str:
        sizes = f"{len(self.u)}x{self.vt.shape[1]} matrices of rank {self.sigma.shape[1]}"
        return f"{type(self).__name__}: {sizes}, N = {self.depth}"

    def _shown_facts(self) -> dict[str, str]:
        return {
            "status": self.status,
            "iterates": f"{len(self)}, i = {from_to(self.iterations)}",
            "step size": number(self.step_size),
            "loss": from_to(self.loss),
        }

    def __len__(self) -> int:
        return len(self.iterations)

    @property
    def t(self) -> Array:
        """The times of the flow beside which the iterates stand, eta i / (1 - momentum)."""
        return np.asarray(flow_time(self.step_size, self.momentum) * self.iterations)

    @property
    def singular_values(self) -> Array:
        r"""The singular values :math:`|\sigma_i|^N`, in the order of the start."""
        return np.asarray(np.abs(self.sigma) ** self.depth)

    @property
    def penalty(self) -> Array | None:
        """What weight decay adds to the loss, lambda / 2 times the sum of all ``|W_j|^2``."""
        if not self.weight_decay:
            return None
        return np.asarray(self.weight_decay / 2 * self.depth * np.square(self.sigma).sum(axis=1))

    @property
    def objective(self) -> Array:
        """What descends: the loss, and the penalty if there is weight decay."""
        return self.loss if self.penalty is None else self.loss + self.penalty

    @cached_property
    def product(self) -> list[Array]:
        """The products W_N ... W_1, as dense d_y x d_x arrays."""
        return [np.asarray((self.u * row) @ self.vt) for row in self.sigma**self.depth]


def aligned_descent(
    problem: LinearRegression,
    start: PointLike | LayersLike,
    steps: int | Sequence[int],
    *,
    depth: int | None = None,
    step_size: float,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
) -> AlignedDescent:
    r"""Return gradient descent from an aligned start, exact at any step size.

    Balanced layers whose product W(0) = U diag(s) V^T is aligned, as for :func:`aligned_solution`,
    stay balanced and aligned, and :func:`gradient_descent` becomes a map of a number for each
    singular value, :math:`\sigma = s^{1/N}`:

    .. math:: v \leftarrow \mu v - \eta (\sigma^{N-1} (c\, \sigma^N - b) + \lambda \sigma), \qquad
       \sigma \leftarrow \sigma + v.

    Parameters
    ----------
    problem : LinearRegression
        The problem.
    start : FixedRankPoint, tuple (u, s, vt) or sequence of array_like
        A point, with the `depth`, or balanced layers [W_1, ..., W_N].
    steps : int or sequence of int
        The number of steps, all of which are kept, or the increasing numbers of those to keep.
    depth : int, optional
        The number N >= 2 of layers, where the start is a point.
    step_size : float
        The step size eta. From :func:`edge_of_stability` on the solution is no longer stable, and
        orbits of period two, four, ... appear.
    weight_decay, momentum : float
        The rate lambda >= 0 of weight decay, and the momentum 0 <= mu < 1.

    Returns
    -------
    AlignedDescent
        The iterates that were asked for; fewer where they diverge.

    Raises
    ------
    TypeError, ValueError
        If the start is not aligned (the message says by how much), layers are not balanced, the
        depth is missing or none of the layers, C or B is not an array, or a number is out of range.

    Notes
    -----
    In floating point gradient descent on layers leaves an aligned orbit that is not stable: beyond
    the edge after some ten or hundred steps. The maps stay on it.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> layers = [np.diag([0.5, 0.4])] * 3
    >>> exact = fixedrank.aligned_descent(problem, layers, 30, step_size=0.1)
    >>> descent = fixedrank.gradient_descent(problem, layers, 30, step_size=0.1)
    >>> bool(np.allclose(exact.product[-1], descent.product[-1], rtol=0, atol=1e-14))
    True
    """
    u, s, vt, count = _start(problem, start, depth)
    if count < 2:
        raise ValueError(
            "one layer does not keep the rank of the start: depth must be at least 2, got 1; use "
            "gradient_descent"
        )
    b, c = aligned_coefficients(problem, u, vt, "gradient_descent")
    kept = kept_steps(steps)
    step, mu = checked_step(step_size), checked_momentum(momentum)
    decay = nonnegative_number("weight_decay", weight_decay)
    sigma, v, found = s ** (1 / count), np.zeros(s.size), []
    status, wanted = f"took {kept[-1]} steps", set(kept)
    for i in range(kept[-1] + 1):
        if i in wanted:
            found.append(sigma)
        with np.errstate(over="ignore", invalid="ignore"):
            power = sigma ** (count - 1)
            v = mu * v - step * (power * (c * power * sigma - b) + decay * sigma)
            sigma = sigma + v
            finite = np.isfinite(sigma**count).all()
        if not finite and i < kept[-1]:
            status = f"diverged at step {i + 1}: the step size {step:.3g} is too long"
            break
    signed = [(row, np.where(row < 0, -1.0, 1.0)) for row in np.array(found) ** count]
    points = (FixedRankPoint(u * sign, sign * row, vt) for row, sign in signed)
    return AlignedDescent(
        iterations=np.array(kept[: len(found)], dtype=np.intp),
        sigma=np.array(found),
        loss=np.array([problem.loss(point) for point in points]),
        u=u,
        vt=vt,
        depth=count,
        step_size=step,
        weight_decay=decay,
        momentum=mu,
        status=status,
        complete=len(found) == len(kept),
    )


def _start(
    problem: LinearRegression, start: Any, depth: int | None
) -> tuple[Array, Array, Array, int]:
    """Return the singular vectors and values of the start, and how many layers there are."""
    require_regression(problem, "aligned_descent")
    if is_triple(start):
        if depth is None:
            raise TypeError("a point does not tell the number of layers: give depth=N")
        number = real_depth(depth)
        if not number.is_integer():
            raise ValueError(f"descent is that of N layers, a whole number, got depth {depth!r}")
        return (*checked_point(start), int(number))
    layers = problem.checked_layers(start)
    if depth is not None and depth != len(layers):
        raise ValueError(f"depth is {depth}, but there are {len(layers)} layers")
    imbalance = relative_imbalance(layers)
    if imbalance > BALANCED:
        raise ValueError(
            f"the layers are not balanced: their imbalance is {imbalance:.1e} relative to the "
            "largest layer; use gradient_descent, or start from balanced_factors"
        )
    u, s, vt = product_factors(layers)
    # What is zero stays so; of round-off the N-th root would not be small.
    rank = max(1, int((s > round_off(len(layers) * max(len(u), vt.shape[1]), s[0])).sum()))
    return u[:, :rank], s[:rank], vt[:rank], len(layers)
