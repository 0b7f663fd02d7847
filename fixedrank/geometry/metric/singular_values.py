r"""Functions of the singular values: their second derivative, and what ties leave open.

A symmetric h(s) is a function of W, with gradient U diag(h') V^T. Along Z = U M V^T + Up V^T +
U Vp^T with the symmetric part A and the skew part B of M, the gradient moves by

    A_ij (h'_i - h'_j) / (s_i - s_j) + B_ij (h'_i + h'_j) / (s_i + s_j)     (i != j),

by the second derivative of h along diag(M) on the diagonal, and by Up diag(h'_j / s_j) V^T and its
counterpart (A. S. Lewis, H. S. Sendov, Twice differentiable spectral functions, SIAM J. Matrix
Anal. Appl. 23, 2001). At a tie the first quotient is h_ii - h_ij, which a change of s in which the
tied ones part ways shows. Therefore directions of the factors are chosen such that they do.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array
from fixedrank.geometry.metric.agreement import Slopes

# Closer than this, relatively, quotients by the gap have lost half of their digits.
TIED = math.sqrt(float(np.finfo(float).eps))
# Directions that part tied singular values by less than this share tell nothing of a quotient.
_PARTED = 0.1


def ties(s: Array, width: float) -> list[NDArray[np.intp]]:
    """Return the indices of each group of singular values with relative gaps up to the width."""
    order = np.argsort(s)
    ascending = s[order]
    ends = np.flatnonzero(np.diff(ascending) > width * ascending[1:]) + 1
    return [group for group in np.split(order, ends) if group.size > 1]


def parting(s: Array, core: Array) -> Array:
    """Return changes of tied singular values, with sum zero, by which diag(M) lets them part.

    They are zero where diag(M) does so by itself: by as much as M turns them into each other.
    """
    result = np.zeros(s.size)
    for group in ties(s, TIED):
        turning = _turning(core, group)
        if np.ptp(core.diagonal()[group]) < abs(turning):
            result[group] = turning * np.linspace(-2, 2, group.size)
    return result


def _turning(core: Array, group: NDArray[np.intp]) -> float:
    """Return the largest off-diagonal entry of M + M^T in a group, with its sign."""
    inner = core[np.ix_(group, group)]
    inner = inner + inner.T
    np.fill_diagonal(inner, 0)
    return float(inner.flat[np.argmax(np.abs(inner))])


def second_derivative(s: Array, core: Array, moved: Array, change: Array, known: Slopes) -> Array:
    """Return the core of the derivative of U diag(h') V^T along Z with core M.

    The slopes h' change by `change` along `moved`, which is diag(M) and what :func:`parting`
    returns. Relative gaps up to their width are too narrow for quotients of slopes.
    """
    slopes, width, tolerance = known
    column = s[:, None]
    step = np.subtract.outer(slopes, slopes)
    gap = column - s
    quotient = np.divide(step, gap, out=np.zeros_like(gap), where=gap != 0)
    for limit in sorted({width, TIED}, reverse=True):
        for group in ties(s, limit):
            turning = abs(_turning(core, group))
            parted = moved[group] - moved[group].mean()
            square = float(parted @ parted)
            if not square > (_PARTED * turning) ** 2 or turning == 0:
                continue
            slope = float(parted @ change[group]) / square
            places = np.ix_(group, group)
            allowed = tolerance + 2 * abs(slope) * np.abs(gap[places])
            _require_symmetric(s, group, step[places], allowed)
            quotient[places] = slope
    extra = moved - core.diagonal()
    change = change.copy()
    for group in ties(s, TIED):
        change[group] -= quotient[group[0], group[1]] * extra[group]
    result = quotient * (core + core.T)
    result += np.add.outer(slopes, slopes) / (column + s) * (core - core.T)
    result /= 2
    result.flat[:: s.size + 1] = change
    return np.asarray(result)


def _require_symmetric(s: Array, group: NDArray[np.intp], step: Array, allowed: Array) -> None:
    excess = np.abs(step) - allowed
    if excess.max() > 0:
        i, j = np.unravel_index(np.argmax(excess), excess.shape)
        raise ValueError(
            f"the derivatives with respect to s[{group[i]}] = {s[group[i]]:.6e} and "
            f"s[{group[j]}] = {s[group[j]]:.6e}, which are tied, differ by {abs(step[i, j]):.2e} "
            f"where {allowed[i, j]:.2e} may be round-off: what the cost adds to a function of the "
            "product (u * s) @ vt is no symmetric function of s, and has no Hessian at a tie"
        )
