"""The inverse of the Gauss-Newton operator Z -> P_T(Z C) of a regression, as a preconditioner."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import splu

from fixedrank._aliases import PointLike, TangentLike
from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankTangentVector, as_point, as_tangent
from fixedrank.geometry.factored.tangent import without_range
from fixedrank.geometry.manifold import FixedRank

_SINGULAR = (
    "the preconditioner of a regression is made of C^(-1), but C {shape} is singular to round-off: "
    "LinearRegression.on_range(X, Y) restricts the problem to the range of X without loss"
)


class RegressionPreconditioner:
    """Solves A_{W,N} P_T(Z C) = R for tangent vectors Z, for ``pymanopt.Problem``.

    Attributes
    ----------
    typical_dist : float
        The radius that belongs to it.
    """

    def __init__(self, C: Any, size: float, manifold: FixedRank) -> None:
        self._C, self._solve = C, _solver(C)
        self._sizes = manifold.m, manifold.n, manifold.k
        self._embedded = manifold.preconditioner(1)
        self.typical_dist = size
        self._last: tuple[Array | None, Array] = None, np.zeros(0)

    def __repr__(self) -> str:
        return "<preconditioner by the exact inverse of the Gauss-Newton operator>"

    def __call__(self, point: PointLike, tangent_vector: TangentLike) -> FixedRankTangentVector:
        """Return the preconditioned vector.

        In Z = Up V^T + U F^T with F = V M^T + Vp the equation P_T(Z C) = R falls into
        Up (V^T C V) = Up of R, and C F = F of R.
        """
        at = as_point(point, *self._sizes)
        up, core, vp = self._embedded(at, as_tangent(tangent_vector, *self._sizes))
        v = at.vt.T
        rows = self._solve(v @ core.T + vp)
        inner = rows.T @ v
        return FixedRankTangentVector(
            up @ self._inverse_gram(at.vt), inner, without_range(v, rows, inner.T, in_place=True)
        )

    def _inverse_gram(self, vt: Array) -> Array:
        """Return (V^T C V)^(-1); that of the last V is kept, which trust regions ask for often."""
        if self._last[0] is not vt:
            inverse = np.linalg.inv(vt @ (self._C @ vt.T))
            self._last = vt, (inverse + inverse.T) / 2
        return self._last[1]


def regression_preconditioner(problem: Any, manifold: Any) -> RegressionPreconditioner:
    """Return the preconditioner of a regression that holds C and ||Y||^2."""
    if not isinstance(manifold, FixedRank):
        raise TypeError(
            "the preconditioner of a regression is for a FixedRank(m, n, k, depth=N), got a "
            f"{type(manifold).__name__}"
        )
    if (manifold.m, manifold.n) != problem.shape:
        raise ValueError(
            f"the problem is about {problem.shape} matrices, but the manifold has "
            f"{(manifold.m, manifold.n)}"
        )
    return RegressionPreconditioner(problem.C, math.sqrt(problem.squared_norm), manifold)


def _solver(C: Any) -> Callable[[Array], Array]:
    """Return the function that applies C^(-1) to a block."""
    if scipy.sparse.issparse(C):
        try:
            return splu(scipy.sparse.csc_array(C)).solve
        except RuntimeError as error:
            raise ValueError(_SINGULAR.format(shape=C.shape)) from error
    if not isinstance(C, np.ndarray):
        raise TypeError(
            "the preconditioner of a regression needs C as an array or a sparse array, but this "
            f"problem holds it as {type(C).__name__} {C.shape}"
        )
    try:
        factor = np.linalg.cholesky(C)
    except np.linalg.LinAlgError as error:
        raise ValueError(_SINGULAR.format(shape=C.shape)) from error
    pivots = np.diagonal(factor)
    # The squares of the pivots are those of C: the least one is wholly round-off below this.
    if pivots.min() <= pivots.max() * math.sqrt(len(C) * np.finfo(float).eps):
        raise ValueError(_SINGULAR.format(shape=C.shape))
    # C^(-1) = root^T root is applied by products of NumPy, which wake none of SciPy's threads.
    root = scipy.linalg.solve_triangular(factor, np.eye(len(C)), lower=True)
    return lambda block: root.T @ (root @ block)
