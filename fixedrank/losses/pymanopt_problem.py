"""A problem with ambient derivatives as a pymanopt problem on a manifold of rank-k matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pymanopt

from fixedrank._checks import Array
from fixedrank.geometry.factored.ambient import ambient_products
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector, is_triple
from fixedrank.geometry.manifold import FixedRank

# The map of a point and a tangent vector there to another tangent vector.
Preconditioner: TypeAlias = Callable[[Any, Any], Any]


class _Problem(pymanopt.Problem):
    """A problem whose loss may know Riemannian derivatives better than from Euclidean ones.

    It says why it cannot go to another process.
    """

    def __init__(self, loss: Any, manifold: Any, cost: Any, **functions: Any) -> None:
        super().__init__(manifold, cost, **functions)
        self._loss, self._asked = loss, isinstance(manifold, FixedRank)
        self._gauss_newton = functions.get("riemannian_hessian") is not None

    @property
    def riemannian_gradient(self) -> Callable[[Any], Any]:
        """The Riemannian gradient, which the loss may know."""
        of_euclidean = super().riemannian_gradient
        if not self._asked:
            return of_euclidean

        def gradient(point: Any) -> Any:
            known = self._loss.riemannian_gradient(FixedRankPoint(*point), self.manifold.metric)
            return of_euclidean(point) if known is None else known

        return gradient

    @property
    def riemannian_hessian(self) -> Callable[[Any, Any], Any]:
        """The Riemannian Hessian, which the loss may know."""
        of_euclidean = super().riemannian_hessian
        if not self._asked or self._gauss_newton:
            return of_euclidean

        def hessian(point: Any, vector: Any) -> Any:
            at, Z = FixedRankPoint(*point), FixedRankTangentVector(*vector)
            known = self._loss.riemannian_hessian(at, self.manifold.metric, Z)
            return of_euclidean(point, vector) if known is None else known

        return hessian

    def __reduce__(self) -> Any:
        raise TypeError(
            "a pymanopt Problem holds functions that were made in this process and cannot be "
            "pickled: send the problem and the manifold instead, and call "
            "problem.to_pymanopt(manifold) where it is solved"
        )


def pymanopt_problem(
    problem: Any,
    manifold: Any,
    hessian: str = "exact",
    preconditioner: Preconditioner | None = None,
) -> pymanopt.Problem:
    """Return the least loss over a manifold of rank-k matrices as a pymanopt problem.

    Parameters
    ----------
    problem : Loss
        The problem.
    manifold : FixedRank or pymanopt.manifolds.FixedRankEmbedded
        A manifold of m x n matrices with points (u, s, vt).
    hessian : {"exact", "gauss-newton"}
        With or without the curvature of the manifold.
    preconditioner : callable (point, tangent_vector), optional
        The preconditioner.

    Returns
    -------
    pymanopt.Problem
        With cost and Euclidean gradient; on a :class:`FixedRank` also with the Euclidean Hessian.
        FixedRankEmbedded has no Hessian, and takes the gradient as the
        derivatives with respect to u, s and vt.

    Raises
    ------
    TypeError, ValueError
        If the manifold has points of another kind or shape, or an option is of the wrong kind.
    """
    if manifold.point_layout != 3:
        raise ValueError(f"{manifold} has no points (u, s, vt); use FixedRank(m, n, k, depth=N)")
    on_fixed_rank = isinstance(manifold, FixedRank)
    shape = problem.shape
    if on_fixed_rank and shape is not None and (manifold.m, manifold.n) != tuple(shape):
        raise ValueError(
            f"the problem is about {tuple(shape)} matrices, but the manifold has "
            f"{(manifold.m, manifold.n)}"
        )

    if hessian not in ("exact", "gauss-newton"):
        raise ValueError(f'hessian must be "exact" or "gauss-newton", got {hessian!r}')
    gauss_newton = hessian == "gauss-newton"
    if gauss_newton and not on_fixed_rank:
        raise ValueError(
            f'hessian="gauss-newton" needs a FixedRank(m, n, k, depth=N); {manifold} has no Hessian'
        )
    if preconditioner is not None and not callable(preconditioner):
        raise TypeError(
            "preconditioner must be a function of a point and a tangent vector, such as "
            f"manifold.preconditioner(), got {preconditioner!r}"
        )

    @pymanopt.function.numpy(manifold)
    def cost(*point: Any) -> float:
        if not is_triple(point):
            raise TypeError(
                "a point is a tuple (u, s, vt); the point of a matrix W, for initial_point, is "
                "manifold.point(W)"
            )
        return float(problem.loss(point))

    @pymanopt.function.numpy(manifold)
    def euclidean_gradient(u: Array, s: Array, vt: Array) -> Any:
        gradient = problem.gradient((u, s, vt))
        if on_fixed_rank:
            return gradient
        gv, gtu = ambient_products(gradient, u, vt.T)
        return gv * s, np.einsum("ij,ij->j", u, gv), (gtu * s).T

    @pymanopt.function.numpy(manifold)
    def euclidean_hessian(u: Array, s: Array, vt: Array, du: Array, ds: Array, dvt: Array) -> Any:
        # The tangent vector Z = (du s + u ds) vt + u s dvt, as `embedding` writes it.
        pair = np.hstack((du * s + u * ds, u * s)), np.vstack((vt, dvt)).T
        return problem.hessian_product((u, s, vt), pair)

    @pymanopt.function.numpy(manifold)
    def gauss_newton_hessian(u: Array, s: Array, vt: Array, up: Array, m: Array, vp: Array) -> Any:
        point, Z = FixedRankPoint(u, s, vt), FixedRankTangentVector(up, m, vp)
        # What terms know of themselves has no curvature of the manifold apart.
        known, rest = problem._known_vectors(
            lambda loss: loss.riemannian_hessian(point, manifold.metric, Z)
        )
        if rest is None:
            return known
        image = manifold.euclidean_to_riemannian_gradient(point, rest.hessian_product(point, Z))
        return image if known is None else known + image

    return _Problem(
        problem,
        manifold,
        cost,
        euclidean_gradient=euclidean_gradient,
        euclidean_hessian=euclidean_hessian if on_fixed_rank and not gauss_newton else None,
        riemannian_hessian=gauss_newton_hessian if gauss_newton else None,
        preconditioner=preconditioner,
    )
