"""Critical points of L^N: minima, strict saddles, and saddles that are not strict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import eigsh

from fixedrank._aliases import LayersLike
from fixedrank._checks import Array
from fixedrank._shared_docs import LAYERS, describe
from fixedrank._shown import Displayed, number, some
from fixedrank.landscape.classification import NOT_CRITICAL, classify, solution_norm
from fixedrank.landscape.critical_points import GLOBAL_MINIMUM, STRICT_SADDLE, least_loss
from fixedrank.landscape.pivots import covered, loose_pivot
from fixedrank.losses.hessian import NetworkHessian
from fixedrank.losses.regression import LinearRegression, require_data
from fixedrank.networks.gradients import norm_of, widths_of
from fixedrank.networks.layers import largest_norm, product

NON_STRICT_SADDLE = "non-strict saddle"
# Up to so many entries of the layers the Hessian is diagonalised densely.
_DENSE = 400


@dataclass(frozen=True, eq=False, repr=False)
class FactorsClassification(Displayed):
    """What :func:`classify_factors` found about layers W_1, ..., W_N.

    Attributes
    ----------
    kind : str
        "global minimum", "strict saddle", "non-strict saddle" or "not a critical point".
    rank : int
        The rank of the product.
    indices : tuple of int
        J of the nearest critical point of L^1 of this rank, counted from 0.
    gradient_norm : float
        The length of the gradient of L^N.
    tolerance : float
        The length up to which layers count as critical.
    loss : float
        L^N of the layers.
    loss_gap : float
        The loss above its minimum over all layers of these widths.
    direction : list of ndarray, or None
        For a strict saddle: a direction for each layer, of total length 1, along which the loss
        falls to second order.
    curvature : float or None
        The second derivative of the loss along it, an eigenvalue of the Hessian.
    step, decrease : float or None
        A step along it that was tried, and by how much the loss is lower there.
    verdict : str
        All this in words, and which criterion decided.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    >>> found = fixedrank.classify_factors(problem, [np.zeros((2, 2)), np.zeros((2, 2))])
    >>> found.kind, round(found.curvature, 6), found.decrease > 0
    ('strict saddle', -3.0, True)
    """

    kind: str
    rank: int
    indices: tuple[int, ...]
    gradient_norm: float
    tolerance: float
    loss: float
    loss_gap: float
    direction: list[Array] | None
    curvature: float | None
    step: float | None
    decrease: float | None
    verdict: str

    def __str__(self) -> str:
        return self.verdict

    def _shown_title(self) -> str:
        return f"{type(self).__name__}: {self.kind}, product of rank {self.rank}"

    def _shown_facts(self) -> dict[str, str]:
        falls = ""
        if self.curvature is not None:
            falls = f"curvature {number(self.curvature)} along .direction"
        return {
            "verdict": self.verdict,
            "loss": f"{number(self.loss)}, {number(self.loss_gap)} above the minimum",
            "gradient norm": f"{number(self.gradient_norm)}, critical up to "
            f"{number(self.tolerance)}",
            "nearest": f"J = {some([str(index) for index in self.indices], 12)}",
            "descent": falls,
        }


def classify_factors(
    problem: LinearRegression, factors: LayersLike, *, rtol: float = 1e-6
) -> FactorsClassification:
    """Say what layers are in the landscape of L^N.

    Where its assumptions hold (X Y^T of full rank, distinct singular values of Q) the criterion of
    Achour, Malgouyres and Gerchinovitz decides between strict and non-strict saddles; otherwise the
    lowest eigenvalue of the Hessian does.

    Parameters
    ----------
    problem : LinearRegression
        The problem.
    rtol : float
        The tolerance: relative to the natural size of a layer, the N-th root of the norm of
        B C^{-1} or that of the largest layer, and to that of a gradient there.

    Returns
    -------
    FactorsClassification
        The kind, a verdict in words, and for a strict saddle a direction of descent that was
        tried.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit together or with the data, entries are not finite, or `rtol` is out of
        range.

    References
    ----------
    E. M. Achour, F. Malgouyres, S. Gerchinovitz, The loss landscape of deep linear neural networks:
    a second-order analysis, JMLR 25 (2024). Their assumption d_y <= d_x is without loss: C^{1/2}
    can be absorbed in W_1, and transposition reverses the layers.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 2.0]))
    >>> for depth in (2, 3):
    ...     best = fixedrank.global_minimizer(problem, 1).point
    ...     layers = fixedrank.balanced_factors(best, [2] * (depth + 1), rng=0)
    ...     print(fixedrank.classify_factors(problem, layers).kind)
    strict saddle
    non-strict saddle
    """
    require_data(problem, "classify_factors")
    layers = problem.checked_layers(factors)
    depth, size = len(layers), _size(problem, layers)
    gradient = problem.network_gradient(layers)
    gradient_norm = norm_of(gradient)
    found = classify(problem, product(layers), rtol=rtol)
    norms = float(np.linalg.norm(problem.C, 2)), float(np.linalg.norm(problem.B, 2))
    tolerance = rtol * size ** (depth - 1) * (norms[0] * size**depth + norms[1])
    rank, best = found.rank, min(*widths_of(layers), problem.rank)
    top = found.morse_index == 0
    loss = problem.network_loss(layers)
    least = least_loss(problem, best)
    hessian = NetworkHessian(problem, layers)
    lowest: tuple[float, Array] | None = None
    descent: _Descent | None = None

    if gradient_norm > tolerance or rank > best:
        kind = NOT_CRITICAL
        reason = f"the gradient has length {gradient_norm:.1e}"
        if gradient_norm <= tolerance:
            reason += f", but the product has rank {rank}, above {best}"
    elif top and rank == best:
        kind, reason = GLOBAL_MINIMUM, f"the product has the {rank} largest singular values"
    else:
        if not top:
            kind = STRICT_SADDLE
            reason = f"the product has J = {found.indices}, not the {rank} largest"
        elif covered(problem):
            pivot = loose_pivot(layers, problem.B.T, rank, size, rtol)
            kind = STRICT_SADDLE if pivot else NON_STRICT_SADDLE
            reason = f"the pivot {pivot} is not tightened" if pivot else "all pivots are tightened"
            reason = f"rank {rank} of {best}, and {reason}"
        else:
            lowest = _lowest(hessian)
            negative = lowest[0] < -rtol * _hessian_size(norms, size, depth)
            kind = STRICT_SADDLE if negative else NON_STRICT_SADDLE
            reason = f"rank {rank} of {best}, and the lowest rate of the Hessian is {lowest[0]:.1e}"
        if kind == STRICT_SADDLE:
            descent = _descent(problem, hessian, lowest or _lowest(hessian), size)
            if descent.decrease > 0:
                reason += (
                    f"; a step of {descent.step:.1e} lowers the loss by {descent.decrease:.1e}"
                )
            else:
                reason += "; no step along the lowest eigenvector lowers the loss beyond round-off"
    return FactorsClassification(
        kind=kind,
        rank=rank,
        indices=found.indices,
        gradient_norm=gradient_norm,
        tolerance=tolerance,
        loss=loss,
        loss_gap=loss - least,
        direction=descent.direction if descent else None,
        curvature=descent.curvature if descent else None,
        step=descent.step if descent else None,
        decrease=descent.decrease if descent else None,
        verdict=f"{kind}: {reason} (tolerance of the gradient {tolerance:.1e})",
    )


describe(classify_factors, LAYERS)


@dataclass(frozen=True)
class _Descent:
    direction: list[Array]
    curvature: float
    step: float
    decrease: float


def _size(problem: LinearRegression, layers: list[Array]) -> float:
    """Return the natural size of a layer."""
    return max(largest_norm(layers), solution_norm(problem) ** (1 / len(layers)))


def _hessian_size(norms: tuple[float, float], size: float, depth: int) -> float:
    return float(size ** (2 * depth - 2) * norms[0] + size ** (depth - 2) * norms[1])


def _lowest(hessian: NetworkHessian) -> tuple[float, Array]:
    """Return the lowest eigenvalue of the Hessian and its eigenvector."""
    if hessian.shape[0] <= _DENSE:
        matrix = hessian @ np.eye(hessian.shape[0])
        values, vectors = scipy.linalg.eigh((matrix + matrix.T) / 2, subset_by_index=[0, 0])
    else:
        start = np.random.default_rng(0).standard_normal(hessian.shape[0])
        if not (hessian @ start).any():
            return 0.0, start / np.linalg.norm(start)
        values, vectors = eigsh(hessian, k=1, which="SA", v0=start, tol=1e-6)
    return float(values[0]), vectors[:, 0]


def _descent(
    problem: LinearRegression, hessian: NetworkHessian, lowest: tuple[float, Array], size: float
) -> _Descent:
    """Return the direction of the lowest eigenvalue, and a step that was tried along it."""
    curvature, vector = lowest
    here = problem.network_loss(hessian.layers)
    best = (0.0, 0.0, 1.0)
    for step in size * 0.5 ** np.arange(1, 20):
        for sign in (1.0, -1.0):
            there = [
                layer + sign * step * part
                for layer, part in zip(hessian.layers, hessian.split(vector), strict=True)
            ]
            best = max(best, (here - problem.network_loss(there), float(step), sign))
    decrease, step, sign = best
    return _Descent(hessian.split(sign * vector), curvature, step, decrease)
