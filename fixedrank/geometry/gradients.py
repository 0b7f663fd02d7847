r"""From derivatives with respect to the factors (u, s, vt) to the Riemannian gradient.

Automatic differentiation of cost(u, s, vt) yields du, ds, dvt. For a cost that depends on the
product W = U diag(s) V^T only, with Euclidean gradient G and M = U^T G V: du = G V S,
ds = diag(M), dvt = S U^T G. So M = (U^T du) S^{-1} = S^{-1} (dvt V), without any quotient by
s_i^2 - s_j^2. A cost that uses U^T U = I or V^T V = I may agree with one of W on M_k though its
factor derivatives are not of that form; then ds and the skew parts of U^T du and V^T dv
determine M, as long as the singular values differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.spectrum import normal_weights, tangential_weights
from fixedrank.geometry.tangent import without_range

_EPS = float(np.finfo(float).eps)


def is_factor_derivative(value: Any) -> bool:
    """Say whether `value` is a triple (du, ds, dvt), not a low-rank (U, S, V)."""
    return isinstance(value, (tuple, list)) and len(value) == 3 and np.ndim(value[1]) == 1


def from_factor_derivative(
    point: FixedRankPoint, derivative: Any, depth: float
) -> FixedRankTangentVector:
    """Return A_{W,N}(P_T G) from (du, ds, dvt).

    No inverse of a small singular value is formed for N >= 2: each weight is divided by the
    larger one of s_i and s_j, and that of the normal parts is s_j^(1-2/N).
    """
    u, s, vt = point
    du, ds, dvt = (np.asarray(part, dtype=float) for part in derivative)
    if (du.shape, ds.shape, dvt.shape) != (u.shape, s.shape, vt.shape):
        raise ValueError(
            "the derivatives with respect to (u, s, vt) must have the shapes "
            f"{u.shape}, {s.shape}, {vt.shape}, got {du.shape}, {ds.shape}, {dvt.shape}"
        )
    left, right = u.T @ du, dvt @ vt.T
    larger = np.maximum.outer(s, s)
    # Entry (i, j) of M times max(s_i, s_j), by the quotient that loses nothing.
    core = np.where(s[:, None] <= s, left, right)
    mismatch = left * s[:, None] - right * s
    mismatch.flat[:: s.size + 1] = 0
    if (np.abs(mismatch) > 1e-12 * np.abs(core).max() / s.max() * np.outer(s, s)).any():
        core = _reconciled(left, right, ds, s) * larger
    weights = tangential_weights(s, depth)
    core *= weights / larger
    core.flat[:: s.size + 1] = ds * np.diagonal(weights)
    normal = normal_weights(s, depth, shift=1)
    up, vp = without_range(u, du, left), without_range(vt.T, dvt.T, right.T)
    up *= normal
    vp *= normal
    return FixedRankTangentVector(up, core, vp)


def _reconciled(left: Array, right: Array, ds: Array, s: Array) -> Array:
    """Return the off-diagonal entries of M where its two expressions differ.

    With a = skew part of U^T du and b = that of V^T dv: M_ij - M_ji = (a - b) / (s_i + s_j)
    always, and M_ij + M_ji = (a + b) / (s_j - s_i) where the gap is wide enough for the
    difference to mean something; else the average of the two expressions, if they agree.
    """
    by_left, by_right = left / s, right / s[:, None]
    scale = max(np.abs(ds).max(), np.abs(by_left).max(), np.abs(by_right).max())
    gap = s - s[:, None]
    a, b = left - left.T, right.T - right
    with np.errstate(divide="ignore", invalid="ignore"):
        skew = (a - b) / np.add.outer(s, s)
        symmetric = (a + b) / gap
        noise = 1e3 * _EPS * scale * np.maximum.outer(s, s) / np.abs(gap)
    # Entry by entry the quotient by the larger singular value is the accurate one.
    product = np.where(s[:, None] <= s, by_left, by_right)
    difference = np.abs(by_left - by_right)
    np.fill_diagonal(difference, 0)
    difference = np.maximum(difference, difference.T)
    by_gap = difference > noise
    undetermined = ~by_gap & (difference > max(1e-6 * scale, 1e3 * _EPS * s.max()))
    if undetermined.any():
        i, j = (int(index) for index in np.argwhere(undetermined)[0])
        raise ValueError(
            "the cost is not a function of the product (u * s) @ vt alone (its derivatives with "
            f"respect to u and vt disagree by {difference[i, j]:.2e}, gradient scale {scale:.2e}), "
            f"and the singular values s[{i}] = {s[i]:.6e} and s[{j}] = {s[j]:.6e} are too close "
            "for its gradient to be determined by these derivatives; "
            "write the cost in terms of (u * s) @ vt, or give its gradient as an m x n matrix"
        )
    return np.asarray(np.where(by_gap, (symmetric + skew) / 2, product))
