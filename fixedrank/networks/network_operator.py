r"""The neural tangent kernel of a linear network, as an operator on m x n matrices.

Theta = sum_j L_j (x) R_j with L_j = T_j T_j^T and R_j = B_(j-1)^T B_(j-1). All T_j but T_N = I have
their range in that of W_N, and all B_j but B_0 = I theirs in the row space of W_1. So Theta is a
small operator on the tensor product of the two spaces, L_1 beside it on the left, R_N beside it on
the right, and zero elsewhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator, eigsh

from fixedrank._aliases import AmbientLike, LayersLike
from fixedrank._checks import Array, finite_array, positive_integer, real_array, require_finite
from fixedrank._shared_docs import LAYERS, describe
from fixedrank._shown import counted
from fixedrank.geometry.factored.ambient import as_ambient, times, transposed_times
from fixedrank.networks.layers import checked_factors

# Up to this size all eigenvalues of the small operator at once: a second, and 30 MB.
_DENSE = 2000
# Of the trace, or beside the largest eigenvalue, so little is round-off.
_ZERO = 1e-12


class NetworkOperator:
    r"""The neural tangent kernel of any layers W_1, ..., W_N, balanced or not.

    .. math::

        \Theta(Z) = \sum_{j=1}^N T_j T_j^T Z B_{j-1}^T B_{j-1}, \qquad
        T_j = W_N \cdots W_{j+1}, \quad B_j = W_j \cdots W_1.

    Where the layers follow gradient flow (5), their product moves by :math:`W' = -\Theta(\nabla
    L(W))`. With balanced layers it is :math:`\mathcal{A}_{W,N}`, the :class:`DepthOperator` at W;
    in general it is no function of W alone. It is symmetric and positive semidefinite. It is kept
    as products of layers, and applied by products with these.

    Attributes
    ----------
    shape : tuple of int
        The shape (m, n) of the matrices.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit together or entries are not finite.
    OverflowError
        If products of the layers are beyond the range of floating point.

    References
    ----------
    A. Jacot, F. Gabriel, C. Hongler, Neural tangent kernel, NeurIPS 2018; S. Arora, N. Cohen,
    E. Hazan, On the optimization of deep networks, ICML 2018, for linear layers.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> kernel = fixedrank.NetworkOperator([np.diag([1.0, 2.0]), np.diag([3.0, 1.0])])
    >>> kernel.apply(np.ones((2, 2)))
    array([[10., 13.],
           [ 2.,  5.]])
    >>> kernel.eigenvalues()
    array([ 2.,  5., 10., 13.])
    """

    def __init__(self, factors: LayersLike) -> None:
        layers = checked_factors(factors)
        self.shape = (layers[-1].shape[0], layers[0].shape[1])
        # T_1, ..., T_(N-1) and B_1, ..., B_(N-1), without the identities T_N and B_0.
        self._left, self._right = [layers[-1]], [layers[0]]
        with np.errstate(over="ignore", invalid="ignore"):
            for layer in layers[-2:0:-1]:
                self._left.insert(0, self._left[0] @ layer)
            for layer in layers[1:-1]:
                self._right.append(layer @ self._right[-1])
        if not all(np.isfinite(part).all() for part in (*self._left, *self._right)):
            raise OverflowError(
                "products of the layers are above the range of floating point: divide the layers "
                "by their unit first"
            )
        if len(layers) == 1:
            self._left, self._right = [], []

    def __repr__(self) -> str:
        m, n = self.shape
        count = counted(len(self._left) + 1, "layer")
        return f"<NetworkOperator of {count} on {m} x {n} matrices>"

    def apply(self, Z: AmbientLike) -> Array:
        """Return the image Theta(Z) of a matrix.

        Parameters
        ----------
        Z : array, sparse array, LinearOperator, point, or low-rank pair or triple; m x n
            The matrix.

        Returns
        -------
        ndarray, shape (m, n)
            The image.

        Raises
        ------
        TypeError, ValueError
            If Z is of an unknown kind or another shape, or not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> fixedrank.NetworkOperator([[[2.0]], [[3.0]]]).apply([[1.0]])
        array([[13.]])
        """
        if isinstance(Z, list):
            Z = real_array("Z", Z)
        matrix = as_ambient(Z, self.shape)
        if isinstance(matrix, np.ndarray):
            require_finite("Z", matrix)
        if not self._left:
            return finite_array("Z", times(matrix, np.eye(self.shape[1])), 2)
        # The terms j = 1 and j = N, in which one side is the identity, ask for Z itself.
        left, right = self._left[0], self._right[-1]
        result = left @ transposed_times(matrix, left).T + times(matrix, right.T) @ right
        for left, right in zip(self._left[1:], self._right[:-1], strict=True):
            result += left @ (left.T @ times(matrix, right.T)) @ right
        return finite_array("the image of Z", result, 2)

    def aslinearoperator(self) -> LinearOperator:
        """Return Theta as a SciPy LinearOperator on matrices flattened row by row.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            The operator, symmetric, of shape (m n, m n).

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> fixedrank.NetworkOperator([np.eye(2), np.eye(2)]).aslinearoperator() @ np.ones(4)
        array([2., 2., 2., 2.])
        """

        def matvec(flat: ArrayLike) -> Array:
            return self.apply(real_array("a vector", flat).reshape(self.shape)).ravel()

        size = self.shape[0] * self.shape[1]
        return LinearOperator((size, size), matvec=matvec, rmatvec=matvec, dtype=np.float64)

    def eigenvalues(self, count: int | None = None) -> Array:
        """Return the eigenvalues of Theta with their multiplicities.

        They are those of an operator on at most d_{N-1} x d_1 matrices, and of the Gram matrices
        of W_N ... W_2 and W_{N-1} ... W_1. At N = 2 all are sums of an eigenvalue of W_2 W_2^T and
        one of W_1^T W_1.

        Parameters
        ----------
        count : int, optional
            How many of the largest; all m n by default. Few are found by Lanczos' method where the
            operator is large.

        Returns
        -------
        ndarray, shape (count,)
            The eigenvalues, ascending.

        Raises
        ------
        TypeError, ValueError
            If `count` is not an integer between 1 and m n.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> kernel = fixedrank.NetworkOperator([2 * np.eye(1, 2), np.eye(2, 1)])
        >>> kernel.eigenvalues()
        array([0., 1., 4., 5.])
        >>> kernel.eigenvalues(1)
        array([5.])
        """
        (m, n), number = self.shape, self.shape[0] * self.shape[1]
        if count is None:
            count = number
        elif positive_integer("count", count) > number:
            raise ValueError(f"count must be at most m n = {number}, got {count}")
        if not self._left:
            return np.ones(count)
        # Orthonormal bases of both spaces, and the products in them.
        row = np.linalg.svd(self._left[-1], full_matrices=False)[0]
        column = np.linalg.svd(self._right[0], full_matrices=False)[2].T
        left = [_gram((row.T @ part).T) for part in self._left] + [np.eye(row.shape[1])]
        right = [np.eye(column.shape[1])] + [_gram(part @ column) for part in self._right]
        beside = (
            np.repeat(np.linalg.eigvalsh(left[0]), n - column.shape[1]),
            np.repeat(np.linalg.eigvalsh(right[-1]), m - row.shape[1]),
            np.zeros((m - row.shape[1]) * (n - column.shape[1])),
        )
        values = np.concatenate((_largest(left, right, count), *beside))
        # Theta is positive semidefinite: below zero is round-off.
        return np.maximum(np.sort(values)[-count:], 0.0)


describe(NetworkOperator, LAYERS)


def _gram(matrix: Array) -> Array:
    return np.asarray(matrix.T @ matrix)


def _largest(left: list[Array], right: list[Array], count: int) -> Array:
    """Return the largest eigenvalues of the sum of Kronecker products, or all of them."""
    l, r = len(left[0]), len(right[0])
    size = l * r
    if size <= _DENSE or count >= size - 1:
        dense = sum(np.kron(a, b) for a, b in zip(left, right, strict=True))
        return np.asarray(np.linalg.eigvalsh(dense))

    generator = np.random.default_rng(0)
    found, vectors = np.zeros(0), np.zeros((size, 0))
    trace = sum(float(np.trace(a) * np.trace(b)) for a, b in zip(left, right, strict=True))

    def matvec(flat: Array) -> Array:
        block = flat.reshape(l, r)
        image = -vectors @ (found * (vectors.T @ flat.ravel()))
        for a, b in zip(left, right, strict=True):
            image += (a @ block @ b).ravel()
        return np.asarray(image)

    # Lanczos' method may miss copies of an eigenvalue: without those it has found, it shows them.
    # Where the rest is zero it would look for eigenvalues of round-off.
    while trace - found.sum() > _ZERO * trace:
        operator = LinearOperator((size, size), matvec=matvec, dtype=np.float64)
        start = generator.standard_normal(size)
        more, directions = eigsh(operator, k=count, which="LA", v0=start)
        known = np.sort(found)[-count:]
        if known.size == count and more.max() <= max(known[0] * (1 + 1e-10), _ZERO * known[-1]):
            return known
        vectors = np.hstack((vectors, directions))
        found = np.concatenate((found, more))
    return np.sort(np.concatenate((found, np.zeros(count))))[-count:]
