"""The regression problem of the paper: losses (2) and (4), held by C = X X^T and B = Y X^T."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse

from fixedrank._checks import Array, RankLostError, real_array
from fixedrank.geometry.points import FixedRankPoint, is_triple
from fixedrank.networks.data import (
    dense_pair,
    digest_of,
    numerical_rank,
    sparse_pair,
    squared_norm_of,
)
from fixedrank.networks.moments import (
    as_moment,
    digest_of_moments,
    product_of_data,
    require_moments,
)
from fixedrank.networks.quadratic import QuadraticLoss
from fixedrank.networks.whitened import Whitened, WhitenedLoss


def require_regression(problem: Any, what: str) -> None:
    """Raise a TypeError unless the problem is a quadratic loss held by C, B and ||Y||^2."""
    if not isinstance(problem, QuadraticLoss):
        raise TypeError(
            f"{what} needs a LinearRegression(X, Y), as it is made of C = X X^T and B = Y X^T; "
            f"a {type(problem).__name__} has none"
        )


class LinearRegression(WhitenedLoss):
    r"""The least-squares problem of fitting W X to Y.

    :math:`L^1(W) = \frac12 \|Y - WX\|_F^2` (equation (4)) for one matrix and
    :math:`L^N(W_1, \dots, W_N) = L^1(W_N \cdots W_1)` (equation (2)) for the layers of a linear
    network. After set-up everything is computed from C = X X^T, B = Y X^T and, for arrays,
    Q = B C^{-1/2}, so the number of samples costs nothing.

    Where X or Y is a SciPy sparse array, C and B are kept in the form that takes least memory: as
    arrays where there are many more samples than features, as sparse arrays, or as products of the
    data, so that C v is X (X^T v). X X^T may then be singular. :meth:`from_moments` takes C and B
    themselves. Such problems serve in flows and in optimization; Q and what comes from it (the
    critical points, the classification of points) needs arrays, and raises an error that says so.

    Parameters
    ----------
    X : array_like or sparse array, shape (d_x, samples)
        The data, one sample a column.
    Y : array_like or sparse array, shape (d_y, samples)
        The labels. Y = X makes an autoencoder.

    Attributes
    ----------
    C : ndarray, csr_array or LinearOperator, shape (d_x, d_x)
        X X^T; an array if X and Y are arrays.
    B : ndarray, csr_array or LinearOperator, shape (d_y, d_x)
        Y X^T; an array if X and Y are arrays.
    squared_norm : float
        \|Y\|_F^2.
    shape : tuple of int
        (d_y, d_x), the shape of W.
    basis : ndarray, shape (features, d_x), or None
        Set by :meth:`on_range`: orthonormal basis of the range of the data before reduction.

    Raises
    ------
    TypeError, ValueError
        If X and Y are not finite real arrays with as many columns.
    RankLostError
        If X is an array and X X^T is singular, which the theorems of the paper exclude: the
        message names the rank. :meth:`on_range` takes such data.

    Notes
    -----
    With the thin SVD of X, L^1(W) = \|W C^{1/2} - Q\|^2 / 2 + residual^2 / 2. Unlike the expansion
    in C, B and \|Y\|^2, which has to serve for sparse data, this does not cancel: a residual of
    1e-12 relative comes out right.

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
        self.basis: Array | None = None
        self._whitened: Whitened | None = None
        if scipy.sparse.issparse(X) or scipy.sparse.issparse(Y):
            data, labels = sparse_pair(X, Y)
            C, B = product_of_data(data, data), product_of_data(labels, data)
            self._set_moments(C, B, squared_norm_of(labels))
            self._digest: str | None = digest_of(data, labels)
            return
        data, labels = dense_pair(X, Y)
        left, s, right = scipy.linalg.svd(data, full_matrices=False)
        rank, tolerance = numerical_rank(s, data.shape)
        if rank < data.shape[0]:
            raise RankLostError(
                f"X X^T is singular: X of shape {data.shape} has rank {rank}, full rank "
                f"is {data.shape[0]}; LinearRegression.on_range(X, Y) restricts the problem "
                "to the range of X without loss",
                s,
                tolerance,
            )
        self._set_up_dense(data, labels, left, s, right)
        self._digest = digest_of(data, labels)

    @property
    def digest(self) -> str:
        """A hash of the data, to recognise the problem. Linear operators have none."""
        if self._digest is None:
            raise TypeError(
                "this problem holds C or B as a LinearOperator, whose entries are not known: it "
                "has no digest. Arrays, sparse arrays and pairs of factors have one"
            )
        return self._digest

    # Other ways to a problem

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
            If X and Y are not finite real arrays with as many columns, if they are sparse, or X is
            zero.

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
        if scipy.sparse.issparse(X) or scipy.sparse.issparse(Y):
            raise TypeError(
                "on_range needs an SVD of X, so X and Y as arrays; LinearRegression(X, Y) takes "
                "sparse data of any rank"
            )
        data, labels = dense_pair(X, Y)
        left, s, right = scipy.linalg.svd(data, full_matrices=False)
        rank, _ = numerical_rank(s, data.shape)
        if rank == 0:
            raise ValueError(f"X of shape {data.shape} is zero: there is nothing to fit")
        problem = cls.__new__(cls)
        basis = left[:, :rank]
        reduced = basis.T @ data
        problem._set_up_dense(reduced, labels, np.eye(rank), s[:rank], right[:rank])
        problem._digest = digest_of(reduced, labels)
        problem.basis = basis
        return problem

    @classmethod
    def from_moments(cls, C: Any, B: Any, squared_norm: float) -> LinearRegression:
        r"""Return the problem with given C = X X^T and B = Y X^T, in any form.

        The loss, the flows and the optimizers need the data through these alone. Both are kept,
        not copied: do not change them later.

        Parameters
        ----------
        C : array, sparse array, pair (L, R) or LinearOperator, shape (d_x, d_x)
            X X^T, symmetric and positive semidefinite. A pair stands for L R^T and is applied by
            its factors, arrays or sparse: (X, X) for dense data with few samples.
        B : array, sparse array, pair (L, R) or LinearOperator, shape (d_y, d_x)
            Y X^T; an operator needs ``rmatvec`` or ``rmatmat`` too.
        squared_norm : float
            \|Y\|_F^2, which the loss contains.

        Returns
        -------
        LinearRegression
            The problem. It has losses and derivatives, but not Q and what comes from it.

        Raises
        ------
        TypeError, ValueError
            If shapes do not fit together or entries are not finite; if C is not symmetric, or
            x^T C x < 0 or \|Bx\|^2 > \|Y\|^2 x^T C x for a random x.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> X = np.random.default_rng(0).standard_normal((1000, 5))
        >>> problem = fixedrank.LinearRegression.from_moments((X, X), (X, X), np.vdot(X, X))
        >>> point = fixedrank.FixedRank(1000, 1000, 5, depth=2).point((X, np.linalg.pinv(X).T))
        >>> abs(problem.loss(point)) < 1e-10
        True
        """
        given = real_array("squared_norm", squared_norm)
        if given.size != 1:
            raise TypeError(f"squared_norm must be a number, but has shape {given.shape}")
        number = float(given.item())
        moments = as_moment("C", C), as_moment("B", B)
        require_moments(*moments, number)
        problem = cls.__new__(cls)
        problem.basis = problem._whitened = None
        problem._set_moments(*moments, number)
        problem._digest = digest_of_moments(*moments, number)
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
