"""Points of M_k: between matrices and their factors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import Array, Seed, positive_integer, require_finite
from fixedrank.geometry.factored import retraction
from fixedrank.geometry.factored.orthonormal import orthonormal_columns
from fixedrank.geometry.factored.points import (
    FixedRankPoint,
    FixedRankTangentVector,
    as_point,
    as_tangent,
    checked_point,
)
from fixedrank.geometry.metric.depth import as_metric
from fixedrank.geometry.metric.spectral import SpectralMetric

_NAMED = (
    "the depth N is named, as depth=2, and depth=1 is the embedded metric, that of pymanopt's "
    "FixedRankEmbedded"
)


def _of_fixed_rank(init: Callable[..., None]) -> Callable[..., None]:
    """Say what is wrong with the arguments in terms of the class that users know."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def checked(self: Any, *sizes: Any, **named: Any) -> None:
        try:
            signature.bind(self, *sizes, **named)
        except TypeError as error:
            raise TypeError(f"FixedRank(m, n, k, *, depth): {error}; {_NAMED}") from None
        init(self, *sizes, **named)

    return checked


def _chosen(depth: float | None, metric: SpectralMetric | None) -> SpectralMetric:
    """Return the metric that one of two arguments gives."""
    if metric is None:
        if depth is None:
            raise TypeError(
                "FixedRank(m, n, k, *, depth): missing a required argument: 'depth' (depth must be "
                f"a real number N >= 1 or math.inf, got None); {_NAMED}"
            )
        return as_metric(depth)
    if depth is not None:
        raise ValueError(
            f"the metric of FixedRank is given twice, as depth={depth} and as metric={metric!r}: "
            "leave one of them out"
        )
    if not isinstance(metric, SpectralMetric):
        raise TypeError(
            f"metric must be an object of a class derived from SpectralMetric, got {metric!r}; "
            "the depth N is named, as depth=2"
        )
    return metric


class Matrices(Manifold):
    """The set M_k of real m x n matrices of rank k, in factors."""

    @_of_fixed_rank
    def __init__(
        self,
        m: int,
        n: int,
        k: int,
        *,
        depth: float | None = None,
        metric: SpectralMetric | None = None,
        rng: Seed = None,
    ) -> None:
        self.m, self.n, self.k = (
            positive_integer(name, value) for name, value in (("m", m), ("n", n), ("k", k))
        )
        if self.k > min(self.m, self.n):
            raise ValueError(f"the rank k = {k} exceeds min(m, n) = min({m}, {n}) = {min(m, n)}")
        self.metric = _chosen(depth, metric)
        self.metric.check_sizes(self.m, self.n, self.k)
        self.rng = None if rng is None else np.random.default_rng(rng)
        super().__init__(
            f"Manifold of {m}x{n} matrices of rank {k} with the "
            + (f"metric {self.metric}" if self.depth is None else f"depth-{self.depth:g} metric"),
            (self.m + self.n - self.k) * self.k,
            point_layout=3,
        )

    def __repr__(self) -> str:
        which = f"metric={self.metric}" if self.depth is None else f"depth={self.depth:g}"
        return f"FixedRank({self.m}, {self.n}, {self.k}, {which})"

    @property
    def depth(self) -> float | None:
        """The depth N, or None where the metric has none."""
        return self.metric.depth

    def point(self, W: Any) -> FixedRankPoint:
        """Return the best rank-k approximation of a matrix as a point.

        Parameters
        ----------
        W : array_like, sparse array, LinearOperator, point, or low-rank pair; m x n
            The matrix. A pair (L, R) of an m x r and an n x r array stands for L R^T, a triple
            (L, S, R) of arrays with two axes for L S R^T, and one (u, s, vt) for a point, whose
            factors need not be orthonormal: one that was saved in float32 is mended.

        Returns
        -------
        FixedRankPoint
            Its truncated singular value decomposition, singular values descending.

        Raises
        ------
        RankLostError
            If the rank of W is below k.
        TypeError, ValueError
            If W is not a finite m x n matrix.

        Examples
        --------
        >>> import fixedrank
        >>> fixedrank.FixedRank(2, 3, 1, depth=2).point([[3, 0, 0], [0, 1, 0]]).s
        array([3.])
        """
        return retraction.nearest_point(W, self.m, self.n, self.k)

    def to_matrix(self, point: Any) -> Array:
        """Return the dense m x n array W = u diag(s) vt of a point.

        Parameters
        ----------
        point : FixedRankPoint or tuple (u, s, vt)
            The point W, arrays of shapes (m, k), (k,), (k, n).

        Returns
        -------
        ndarray, shape (m, n)
            The matrix W.

        Raises
        ------
        TypeError, ValueError
            If parts have wrong shapes, are complex or not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
        >>> manifold.to_matrix(manifold.point(np.diag([3.0, 1.0])))
        array([[3., 0.],
               [0., 0.]])
        """
        u, s, vt = self._point(point)
        matrix = np.asarray((u * s) @ vt)
        require_finite("the matrix", matrix)
        return matrix

    def check_point(self, point: Any) -> FixedRankPoint:
        """Return the point if it is one of this manifold, else raise what is wrong with it.

        Parameters
        ----------
        point : tuple (u, s, vt)
            What should be a point, arrays of shapes (m, k), (k,), (k, n).

        Returns
        -------
        FixedRankPoint
            The same point.

        Raises
        ------
        TypeError, ValueError
            Which condition fails (shapes, finiteness, positive singular values,
            orthonormality), and by how much.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> manifold.check_point(manifold.random_point(rng=0)).u.shape
        (4, 2)
        """
        return self._point(checked_point(point))

    def random_point(self, *, rng: Seed = None) -> FixedRankPoint:
        """Return a random point: Haar distributed u and vt, s uniform in (0, 1], sorted.

        Parameters
        ----------
        rng : numpy.random.Generator, int or None
            The generator, a seed, or None for the manifold's own generator; where the manifold
            has none, for fresh entropy.

        Returns
        -------
        FixedRankPoint
            The point.

        Examples
        --------
        >>> import fixedrank
        >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
        >>> bool((manifold.random_point(rng=0).s == manifold.random_point(rng=0).s).all())
        True
        """
        generator = self._generator(rng)
        return FixedRankPoint(
            orthonormal_columns(generator.standard_normal((self.m, self.k))),
            np.sort(1 - generator.random(self.k))[::-1].copy(),
            orthonormal_columns(generator.standard_normal((self.n, self.k))).T.copy(),
        )

    def _generator(self, rng: Seed) -> np.random.Generator:
        return np.random.default_rng(self.rng if rng is None else rng)

    # Light checks for the hot paths; `check_point` does all of them.

    def _point(self, point: Any) -> FixedRankPoint:
        return as_point(point, self.m, self.n, self.k)

    def _tangent(self, vector: Any) -> FixedRankTangentVector:
        return as_tangent(vector, self.m, self.n, self.k)
