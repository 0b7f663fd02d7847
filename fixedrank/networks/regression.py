"""The regression problem of the paper: losses (2) and (4), held by C = X X^T and B = Y X^T."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pymanopt
import scipy.linalg
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array, RankLostError, finite_array, real_array
from fixedrank.geometry.ambient import LowRank, as_direction
from fixedrank.geometry.points import FixedRankPoint, is_triple
from fixedrank.networks.gradients import narrow_partial_products, network_gradient
from fixedrank.networks.layers import checked_factors
from fixedrank.networks.pymanopt_problem import pymanopt_problem

_BLOCK = 1 << 22
_EPS = float(np.finfo(float).eps)


class LinearRegression:
    r"""The least-squares problem of fitting W X to Y.

    :math:`L^1(W) = \frac12 \|Y - WX\|_F^2` (equation (4)) for one matrix and
    :math:`L^N(W_1, \dots, W_N) = L^1(W_N \cdots W_1)` (equation (2)) for the layers of a linear
    network. After set-up everything is computed from C = X X^T, B = Y X^T and Q = B C^{-1/2}, so
    the number of samples costs nothing.

    Parameters
    ----------
    X : array_like, shape (d_x, samples)
        The data, one sample a column.
    Y : array_like, shape (d_y, samples)
        The labels. Y = X makes an autoencoder.

    Attributes
    ----------
    C : ndarray, shape (d_x, d_x)
        X X^T.
    B : ndarray, shape (d_y, d_x)
        Y X^T.
    Q : ndarray, shape (d_y, d_x)
        B C^{-1/2}; its singular value decomposition gives all critical points of L^1 on M_k.
    root : ndarray, shape (d_x, d_x)
        The symmetric square root C^{1/2}.
    residual : float
        The smallest value of \|Y - WX\|_F over all W.
    tolerance : float
        Round-off of Q, which comes from that of Y: singular values up to it are zero, and two
        that differ by less are the same.
    digest : str
        A hash of the data, to recognise the problem.
    shape : tuple of int
        (d_y, d_x), the shape of W.
    basis : ndarray, shape (features, d_x), or None
        Set by :meth:`on_range`: orthonormal basis of the range of the data before reduction.

    Raises
    ------
    TypeError, ValueError
        If X and Y are not finite real arrays with as many columns.
    RankLostError
        If X X^T is singular, which the theorems of the paper exclude: the message names the
        rank. :meth:`on_range` takes such data.

    Notes
    -----
    With the thin SVD of X, L^1(W) = \|W C^{1/2} - Q\|^2 / 2 + residual^2 / 2. Unlike the expansion
    in C, B and \|Y\|^2 this does not cancel: a residual of 1e-12 relative comes out right.

    References
    ----------
    Section 2 of the paper.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> X = np.random.default_rng(0).standard_normal((3, 10))
    >>> problem = fixedrank.LinearRegression(X, 2 * X)
    >>> problem.loss(2 * np.eye(3)) < 1e-28
    True
    """

    def __init__(self, X: Any, Y: Any) -> None:
        data, labels = _data_pair(X, Y)
        left, s, right = scipy.linalg.svd(data, full_matrices=False)
        rank, tolerance = _rank(s, data.shape)
        if rank < data.shape[0]:
            raise RankLostError(
                f"X X^T is singular: X of shape {data.shape} has rank {rank}, full rank "
                f"is {data.shape[0]}; LinearRegression.on_range(X, Y) restricts the problem "
                "to the range of X without loss",
                s,
                tolerance,
            )
        self._set_up(data, labels, left, s, right)

    def _set_up(self, data: Array, labels: Array, left: Array, s: Array, right: Array) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            self.C: Array = data @ data.T
            self.B: Array = labels @ data.T
        if not (np.isfinite(self.C).all() and np.isfinite(self.B).all()):
            raise ValueError(
                "X X^T or Y X^T overflows: the largest entries are "
                f"{np.abs(data).max():.1e} in X and {np.abs(labels).max():.1e} in Y; scale the data"
            )
        self.root: Array = (left * s) @ left.T
        projected = labels @ right.T
        self.Q: Array = projected @ left.T
        self.residual = float(np.linalg.norm(labels - projected @ right))
        digest = hashlib.sha256(repr((data.shape, labels.shape)).encode())
        for array in (data, labels):
            digest.update(np.ascontiguousarray(array).data)
        self.digest = digest.hexdigest()
        self.tolerance = max(*data.shape, *labels.shape) * _EPS * float(np.linalg.norm(labels))
        self.shape = (labels.shape[0], data.shape[0])
        self.basis: Array | None = None

    @cached_property
    def svd(self) -> tuple[Array, Array, Array]:
        """The thin singular value decomposition (U, s, V^T) of Q.

        All critical points of L^1 on M_k come from it: see :func:`critical_points`.
        """
        u, s, vt = scipy.linalg.svd(self.Q, full_matrices=False)
        return u, s, vt

    @property
    def rank(self) -> int:
        """The rank q of Q: the number of singular values above `tolerance`."""
        return int((self.svd[1] > self.tolerance).sum())

    @classmethod
    def on_range(cls, X: Any, Y: Any) -> LinearRegression:
        """Return the problem restricted to the range of X, for data with singular X X^T.

        With an orthonormal basis E of the range, X = E (E^T X), and W X = (W E)(E^T X): the
        problem for W E with data E^T X has the same losses, and nonsingular C. What W does
        orthogonally to the range changes no loss; :meth:`extend` sets it to zero.

        Parameters
        ----------
        X : array_like, shape (features, samples)
            The data, of any rank >= 1.
        Y : array_like, shape (d_y, samples)
            The labels.

        Returns
        -------
        LinearRegression
            The problem with d_x = rank of X, whose ``basis`` is E.

        Raises
        ------
        TypeError, ValueError
            If X and Y are not finite real arrays with as many columns, or X is zero.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> X = np.array([[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]])
        >>> problem = fixedrank.LinearRegression.on_range(X, X)
        >>> problem.shape
        (3, 2)
        >>> bool(np.allclose(problem.extend(problem.B @ np.linalg.inv(problem.C)) @ X, X))
        True
        """
        data, labels = _data_pair(X, Y)
        left, s, right = scipy.linalg.svd(data, full_matrices=False)
        rank, _ = _rank(s, data.shape)
        if rank == 0:
            raise ValueError(f"X of shape {data.shape} is zero: there is nothing to fit")
        problem = cls.__new__(cls)
        basis = left[:, :rank]
        problem._set_up(basis.T @ data, labels, np.eye(rank), s[:rank], right[:rank])
        problem.basis = basis
        return problem

    def extend(self, W: Any) -> Any:
        """Return W E^T, which acts on the data as they were before :meth:`on_range`.

        Parameters
        ----------
        W : ndarray, shape (d_y, d_x), or point
            A solution of the restricted problem.

        Returns
        -------
        ndarray, shape (d_y, features), or FixedRankPoint
            The same map on the original data, of the kind that W is; W itself for a problem that
            was not restricted.

        Raises
        ------
        ValueError
            If W has the wrong shape.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> X = np.diag([1.0, 2.0, 0.0])
        >>> fixedrank.LinearRegression.on_range(X, X).extend(np.eye(3, 2)).shape
        (3, 3)
        """
        if is_triple(W):
            u, s, vt = self._point(W)
            return FixedRankPoint(u, s, vt if self.basis is None else vt @ self.basis.T)
        matrix = self._matrix(W)
        return matrix if self.basis is None else matrix @ self.basis.T

    # One matrix

    def loss(self, W: Any) -> float:
        r"""Return L^1(W) = \|Y - WX\|_F^2 / 2.

        Parameters
        ----------
        W : ndarray, shape (d_y, d_x), or point (u, s, vt)
            The matrix. For a point no matrix of its size is formed.

        Returns
        -------
        float
            The loss, accurate near zero residual too.

        Raises
        ------
        TypeError, ValueError
            If W has the wrong shape or is not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> round(fixedrank.LinearRegression(np.eye(2), np.eye(2)).loss(np.zeros((2, 2))), 12)
        1.0
        """
        if is_triple(W):
            u, s, vt = self._point(W)
            return self._thin_loss(u * s, vt @ self.root)
        return self._half_square(float(np.linalg.norm(self._matrix(W) @ self.root - self.Q)))

    def gradient(self, W: Any) -> Any:
        """Return the Euclidean gradient W C - B of L^1.

        Parameters
        ----------
        W : ndarray, shape (d_y, d_x), or point (u, s, vt)
            The matrix.

        Returns
        -------
        ndarray or scipy.sparse.linalg.LinearOperator, shape (d_y, d_x)
            An array for an array. For a point an operator, of which the manifold forms
            thin products only; ``toarray()`` or ``numpy.asarray`` make it dense.

        Raises
        ------
        TypeError, ValueError
            If W has the wrong shape or is not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        >>> problem.gradient(np.eye(2))
        array([[-2.,  0.],
               [ 0.,  0.]])
        >>> point = fixedrank.FixedRank(2, 2, 1, depth=2).point(np.diag([1.0, 0.0]))
        >>> np.asarray(problem.gradient(point))
        array([[-2.,  0.],
               [ 0., -1.]])
        """
        if is_triple(W):
            u, s, vt = self._point(W)
            return RegressionGradient(self, u * s, vt)
        return self._matrix(W) @ self.C - self.B

    def hessian_product(self, W: Any, Z: Any) -> Any:
        """Return the Hessian of L^1 applied to Z, the m x n matrix Z C."""
        direction = as_direction(W, Z, self.shape)
        if isinstance(direction, LowRank):
            return direction.left, self.C @ direction.right
        return direction @ self.C

    # The layers of a network

    def network_loss(self, factors: Sequence[Any]) -> float:
        """Return L^N(W_1, ..., W_N), equation (2).

        Parameters
        ----------
        factors : sequence of ndarray
            The layers [W_1, ..., W_N]; W_j has shape (d_j, d_{j-1}).

        Returns
        -------
        float
            The loss of the product, multiplied through the narrowest layer.

        Raises
        ------
        TypeError, ValueError
            If shapes do not fit together or with the data, or entries are not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> fixedrank.LinearRegression(np.eye(2), np.eye(2)).network_loss([np.eye(2), np.eye(2)])
        0.0
        """
        _, left, right = narrow_partial_products(self.checked_layers(factors))
        return self._thin_loss(left[-1], right[-1] @ self.root)

    def network_gradient(self, factors: Sequence[Any]) -> list[Array]:
        r"""Return the gradients of L^N with respect to W_1, ..., W_N.

        :math:`\nabla_{W_j} L^N = W_{j+1}^T \cdots W_N^T\, (WC - B)\, W_1^T \cdots W_{j-1}^T`,
        multiplied through the narrowest layer: O(d_j d_{j-1} r) each, r the smallest width.

        Parameters
        ----------
        factors : sequence of ndarray
            The layers [W_1, ..., W_N]; W_j has shape (d_j, d_{j-1}).

        Returns
        -------
        list of ndarray
            The gradients, of the shapes of the layers.

        Raises
        ------
        TypeError, ValueError
            If shapes do not fit together or with the data, or entries are not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
        >>> problem.network_gradient([[[1.0]], [[2.0]]])
        [array([[-2.]]), array([[-1.]])]
        """
        return network_gradient(self.gradient_products, self.checked_layers(factors))

    def gradient_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        """Return thin products of the gradient G = W C - B at W = left core right^T.

        This is all that the flows ask of a problem: three products with C and B. A problem of
        your own may have such a method too; without it the flows use its ``gradient``.

        Parameters
        ----------
        left : ndarray, shape (d_y, k)
            The factor of W on the left.
        core : ndarray, shape (k, k), or None
            The factor between, None for the identity.
        right : ndarray, shape (d_x, k)
            The factor on the right.

        Returns
        -------
        tuple of ndarray, shapes (d_y, k) and (d_x, k)
            The products G right and G^T left.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
        >>> problem.gradient_products(np.array([[2.0]]), None, np.array([[1.0]]))
        (array([[-1.]]), array([[-2.]]))
        """
        cv = self.C @ right
        if core is None:
            along, across = right.T @ cv, left.T @ left
        else:
            along, across = core @ (right.T @ cv), core.T @ (left.T @ left)
        gv = left @ along
        gv -= self.B @ right
        gtu = cv @ across
        gtu -= self.B.T @ left
        return gv, gtu

    def to_pymanopt(self, manifold: Any) -> pymanopt.Problem:
        """Return min L^1 over a manifold of rank-k matrices as a pymanopt problem.

        Parameters
        ----------
        manifold : FixedRank or pymanopt.manifolds.FixedRankEmbedded
            A manifold of d_y x d_x matrices with points (u, s, vt).

        Returns
        -------
        pymanopt.Problem
            With cost and Euclidean gradient, for pymanopt's first-order optimizers; on a
            :class:`FixedRank` also with the Euclidean Hessian, for trust regions.

        Raises
        ------
        ValueError
            If the manifold has matrices of another shape.

        Examples
        --------
        >>> import numpy as np, fixedrank, pymanopt
        >>> problem = fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.0, 1.0]))
        >>> manifold = fixedrank.FixedRank(3, 3, 1, depth=2)
        >>> solver = pymanopt.optimizers.SteepestDescent(verbosity=0)
        >>> result = solver.run(
        ...     problem.to_pymanopt(manifold), initial_point=manifold.random_point(rng=0)
        ... )
        >>> round(float(result.cost), 6)
        2.5
        """
        return pymanopt_problem(self, manifold)

    # Inside

    def _thin_loss(self, left: Array, right: Array) -> float:
        """Return the loss for W C^{1/2} = left @ right, in blocks of rows."""
        rows = max(1, _BLOCK // self.shape[1])
        squares = 0.0
        for start in range(0, self.shape[0], rows):
            block = left[start : start + rows] @ right
            block -= self.Q[start : start + rows]
            squares += float(np.vdot(block, block))
        return self._half_square(math.sqrt(squares))

    def _half_square(self, distance: float) -> float:
        return (distance**2 + self.residual**2) / 2

    def _matrix(self, W: Any) -> Array:
        matrix = finite_array("W", W, 2)
        if matrix.shape != self.shape:
            raise ValueError(f"W must have shape (d_y, d_x) = {self.shape}, got {matrix.shape}")
        return matrix

    def _point(self, W: Any) -> tuple[Array, Array, Array]:
        u, s, vt = (real_array(name, part) for name, part in zip(("u", "s", "vt"), W, strict=True))
        k = s.size
        if u.shape != (self.shape[0], k) or vt.shape != (k, self.shape[1]):
            raise ValueError(
                f"a point (u, s, vt) of {self.shape} matrices was expected, "
                f"got shapes {u.shape}, {s.shape}, {vt.shape}"
            )
        if not math.isfinite(u.sum() + s.sum() + vt.sum()):
            raise ValueError("the point (u, s, vt) has NaN or infinite values")
        return u, s, vt

    def checked_layers(self, factors: Sequence[Any]) -> list[Array]:
        """Return the layers as arrays, checked to fit together and to the data.

        Parameters
        ----------
        factors : sequence of array_like
            The layers [W_1, ..., W_N].

        Returns
        -------
        list of ndarray
            The layers.

        Raises
        ------
        TypeError, ValueError
            If shapes do not fit together or with the data, or entries are not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.eye(2))
        >>> problem.checked_layers([[[1, 2]], [[3], [4]]])[0]
        array([[1., 2.]])
        """
        layers = checked_factors(factors)
        if (layers[-1].shape[0], layers[0].shape[1]) != self.shape:
            raise ValueError(
                f"the layers map R^{layers[0].shape[1]} to R^{layers[-1].shape[0]}, but the data "
                f"ask for R^{self.shape[1]} to R^{self.shape[0]}"
            )
        return layers


class RegressionGradient(LinearOperator):
    """The gradient W C - B at W = left @ right, as an operator: products cost no m x n array."""

    def __init__(self, problem: LinearRegression, left: Array, right: Array) -> None:
        super().__init__(np.dtype(np.float64), problem.shape)
        self.problem, self.left, self.right = problem, left, right

    def _matmat(self, block: Array) -> Array:
        problem = self.problem
        return np.asarray(self.left @ (self.right @ (problem.C @ block)) - problem.B @ block)

    def _rmatmat(self, block: Array) -> Array:
        problem = self.problem
        inner = self.right.T @ (self.left.T @ block)
        return np.asarray(problem.C @ inner - problem.B.T @ block)

    def toarray(self) -> Array:
        """Return the dense m x n array."""
        return np.asarray(self.left @ (self.right @ self.problem.C) - self.problem.B)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.toarray(), dtype=dtype)


def _data_pair(X: Any, Y: Any) -> tuple[Array, Array]:
    data, labels = finite_array("X", X, 2), finite_array("Y", Y, 2)
    if data.shape[1] != labels.shape[1]:
        raise ValueError(
            "X and Y must have one column a sample, as many in both, but have shapes "
            f"{data.shape} and {labels.shape}"
        )
    if 0 in data.shape or 0 in labels.shape:
        raise ValueError(f"X and Y must not be empty, got shapes {data.shape} and {labels.shape}")
    return data, labels


def _rank(s: Array, shape: tuple[int, ...]) -> tuple[int, float]:
    tolerance = max(shape) * float(np.finfo(float).eps) * float(s[0])
    return int((s > tolerance).sum()), tolerance
