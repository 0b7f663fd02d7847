r"""The Hessian of L^N in the space of layers, by its products with directions.

With W = P R through the narrowest width, the gradient is made of G R^T and P^T G and of products
of layers; a direction moves all of them, and the product rule gives its image. As for the gradient
no matrix of the size of W is formed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from fixedrank._aliases import LayersLike, LossLike
from fixedrank._checks import Array, finite_array, real_array
from fixedrank._packing import bounds_of, joined, split
from fixedrank._shared_docs import LAYERS, describe
from fixedrank.losses.adapted import as_loss
from fixedrank.networks.gradients import narrow_partial_products


class NetworkHessian(LinearOperator):
    r"""The Hessian of :math:`L^N` at layers W_1, ..., W_N, as a linear operator.

    Vectors hold the entries of all layers, W_1 first, each row by row.

    Parameters
    ----------
    problem : Loss or object with ``loss(W)`` and ``gradient(W)``
        The problem. Its ``hessian_product(W, pair)`` is asked at a point W, along the low-rank
        matrix L R^T of a pair (L, R); without one, differences of gradients serve, with their
        errors: see :meth:`Loss.hessian_product`.

    Attributes
    ----------
    shape : tuple of int
        (D, D) with D the number of entries of all layers.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit together or with the data, or entries are not finite.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
    >>> hessian = fixedrank.NetworkHessian(problem, [[[1.0]], [[2.0]]])
    >>> hessian @ np.eye(2)  # of (3 - w_2 w_1)^2 / 2
    array([[4., 1.],
           [1., 1.]])
    >>> hessian.apply([[[1.0]], [[0.0]]])
    [array([[4.]]), array([[1.]])]
    """

    def __init__(self, problem: LossLike, factors: LayersLike) -> None:
        self.problem = as_loss(problem)
        self.layers = self.problem.checked_layers(factors)
        self._cut, self._left, self._right = narrow_partial_products(self.layers)
        self._thin = self.problem._layer_products(self._left[-1], self._right[-1])
        outer, inner = self._thin.products()
        # G times what stands right of the cut and its further products, as for the gradient.
        self._outer, self._inner = [outer], [inner]
        for layer in self.layers[: self._cut : -1]:
            self._outer.append(layer.T @ self._outer[-1])
        for layer in self.layers[: max(self._cut - 1, 0)]:
            self._inner.append(self._inner[-1] @ layer.T)
        self._shapes = [layer.shape for layer in self.layers]
        self._bounds = bounds_of(self._shapes)
        super().__init__(np.dtype(np.float64), (self._bounds[-1], self._bounds[-1]))

    def split(self, vector: ArrayLike) -> list[Array]:
        """Return a vector as a list of arrays of the shapes of the layers.

        Parameters
        ----------
        vector : array_like, shape (D,)
            A vector.

        Returns
        -------
        list of ndarray
            Its parts, of shapes (d_j, d_{j-1}).

        Raises
        ------
        ValueError
            If it has another size.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
        >>> fixedrank.NetworkHessian(problem, [[[1.0]], [[2.0]]]).split([5.0, 6.0])
        [array([[5.]]), array([[6.]])]
        """
        flat = real_array("the vector", vector).reshape(self._bounds[-1])
        return split(flat, self._shapes, self._bounds)

    def apply(self, directions: LayersLike) -> list[Array]:
        """Return the derivative of the gradients of all layers along directions.

        Parameters
        ----------
        directions : sequence of array_like
            A direction for each layer, of its shape.

        Returns
        -------
        list of ndarray
            The derivatives, of the shapes of the layers.

        Raises
        ------
        TypeError, ValueError
            If the directions do not have the shapes of the layers, or are not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
        >>> fixedrank.NetworkHessian(problem, [[[1.0]], [[2.0]]]).apply([[[0.0]], [[1.0]]])
        [array([[1.]]), array([[1.]])]
        """
        moves = [finite_array(f"directions[{i}]", d, 2) for i, d in enumerate(directions)]
        if [move.shape for move in moves] != self._shapes:
            raise ValueError(
                f"directions must have the shapes of the layers, {self._shapes}, "
                f"got {[move.shape for move in moves]}"
            )
        return self._product(moves)

    def _matvec(self, vector: Array) -> Array:
        return joined(self._product(self.split(vector)))

    def _adjoint(self) -> NetworkHessian:
        return self

    def _product(self, moves: list[Array]) -> list[Array]:
        cut, layers = self._cut, self.layers
        left = [np.zeros_like(self._left[0])]
        for i, layer in enumerate(layers[cut:]):
            left.append(moves[cut + i] @ self._left[i] + layer @ left[-1])
        right = [np.zeros_like(self._right[0])]
        for i, layer in enumerate(reversed(layers[:cut])):
            right.append(right[-1] @ layer + self._right[i] @ moves[cut - 1 - i])
        outer, inner = self._thin.moved(left[-1], right[-1])
        result: list[Array] = [np.empty(0)] * len(layers)
        for i, j in enumerate(range(len(layers) - 1, cut - 1, -1)):
            result[j] = outer @ self._left[j - cut].T + self._outer[i] @ left[j - cut].T
            if j > cut:
                outer = layers[j].T @ outer + moves[j].T @ self._outer[i]
        for j in range(cut):
            last = cut - 1 - j
            result[j] = self._right[last].T @ inner + right[last].T @ self._inner[j]
            if last:
                inner = inner @ layers[j].T + self._inner[j] @ moves[j].T
        return result


describe(NetworkHessian, LAYERS)
