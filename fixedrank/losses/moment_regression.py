"""Regression known by its second moments C = X X^T and B = Y X^T."""

from __future__ import annotations

from fixedrank._aliases import AmbientLike
from fixedrank._checks import real_array
from fixedrank.losses.moment_loss import MomentLoss
from fixedrank.losses.moments import as_moment, digest_of_moments, require_moments


class MomentRegression(MomentLoss):
    r"""The least-squares problem of fitting W X to Y, by C = X X^T and B = Y X^T in any form.

    The loss :math:`\frac12 (\|Y\|^2 - 2 \langle B, W \rangle + \langle WC, W \rangle)`, the flows
    and the optimizers need the data through these alone. Q = B C^{-1/2} and what comes from it (the
    critical points, the classification of points, the theorems) need the data: see
    :class:`LinearRegression`. C and B are kept, not copied: do not change them later.

    Parameters
    ----------
    C : array, sparse array, pair (L, R) or LinearOperator, shape (d_x, d_x)
        X X^T, symmetric and positive semidefinite. A pair stands for L R^T and is applied by
        its factors, arrays or sparse: (X, X) for dense data with few samples.
    B : array, sparse array, pair (L, R) or LinearOperator, shape (d_y, d_x)
        Y X^T; an operator needs ``rmatvec`` or ``rmatmat`` too.
    squared_norm : float
        \|Y\|_F^2, which the loss contains.

    Attributes
    ----------
    C : ndarray, csr_array or LinearOperator, shape (d_x, d_x)
        X X^T.
    B : ndarray, csr_array or LinearOperator, shape (d_y, d_x)
        Y X^T.
    squared_norm : float
        \|Y\|_F^2.
    shape : tuple of int
        (d_y, d_x), the shape of W.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit together or entries are not finite; if C is not symmetric, or
        x^T C x < 0 or \|B x\|^2 > \|Y\|^2 x^T C x for a random x.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> X = np.random.default_rng(0).standard_normal((1000, 5))
    >>> problem = fixedrank.MomentRegression((X, X), (X, X), np.vdot(X, X))
    >>> point = fixedrank.FixedRank(1000, 1000, 5, depth=2).point((X, np.linalg.pinv(X).T))
    >>> abs(problem.loss(point)) < 1e-10
    True
    """

    def __init__(self, C: AmbientLike, B: AmbientLike, squared_norm: float) -> None:
        given = real_array("squared_norm", squared_norm)
        if given.size != 1:
            raise TypeError(f"squared_norm must be a number, but has shape {given.shape}")
        number = float(given.item())
        second, cross = as_moment("C", C), as_moment("B", B)
        require_moments(second, cross, number)
        super().__init__(second, cross, number)
        self._digest = digest_of_moments(second, cross, number)

    @property
    def digest(self) -> str:
        """A hash of the moments, to recognise the problem. Linear operators have none."""
        if self._digest is None:
            raise TypeError(
                "this problem holds C or B as a LinearOperator, whose entries are not known: it "
                "has no digest. Arrays, sparse arrays and pairs of factors have one"
            )
        return self._digest
