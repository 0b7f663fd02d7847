"""The loss of the layers of a linear network, L^N(W_1, ..., W_N) = L^1(W_N ... W_1)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import pymanopt

from fixedrank._checks import Array
from fixedrank.networks.gradients import narrow_partial_products, network_gradient
from fixedrank.networks.layers import checked_layers
from fixedrank.networks.pymanopt_problem import pymanopt_problem


class LayeredLoss(ABC):
    """What a loss of a matrix is for the layers of a network, and on a manifold.

    Attributes
    ----------
    shape : tuple of int
        (d_y, d_x), the shape of W.
    """

    shape: tuple[int, int]

    @abstractmethod
    def gradient_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        """Return thin products of the gradient at W = left core right^T."""

    @abstractmethod
    def _thin_loss(self, left: Array, right: Array) -> float:
        """Return the loss of W = left @ right.T."""

    def network_loss(self, factors: Sequence[Any]) -> float:
        """Return the loss of W_N ... W_1: of a regression, L^N(W_1, ..., W_N), equation (2).

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
            If shapes do not fit together or with the problem, or entries are not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> fixedrank.LinearRegression(np.eye(2), np.eye(2)).network_loss([np.eye(2), np.eye(2)])
        0.0
        """
        _, left, right = narrow_partial_products(self.checked_layers(factors))
        return self._thin_loss(left[-1], right[-1].T)

    def network_gradient(self, factors: Sequence[Any]) -> list[Array]:
        r"""Return the gradients of that loss with respect to W_1, ..., W_N.

        :math:`W_{j+1}^T \cdots W_N^T\, G\, W_1^T \cdots W_{j-1}^T` with the gradient G at the
        product (of a regression, WC - B), multiplied through the narrowest layer: O(d_j d_{j-1} r)
        each, r the smallest width.

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
            If shapes do not fit together or with the problem, or entries are not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
        >>> problem.network_gradient([[[1.0]], [[2.0]]])
        [array([[-2.]]), array([[-1.]])]
        """
        return network_gradient(self.gradient_products, self.checked_layers(factors))

    def checked_layers(self, factors: Sequence[Any]) -> list[Array]:
        """Return the layers as arrays, checked to fit together and to the problem.

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
            If shapes do not fit together or with the problem, or entries are not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.eye(2))
        >>> problem.checked_layers([[[1, 2]], [[3], [4]]])[0]
        array([[1., 2.]])
        """
        return checked_layers(self, factors)

    def to_pymanopt(self, manifold: Any) -> pymanopt.Problem:
        """Return the least loss over a manifold of rank-k matrices as a pymanopt problem.

        Parameters
        ----------
        manifold : FixedRank or pymanopt.manifolds.FixedRankEmbedded
            A manifold of matrices of this shape, with points (u, s, vt).

        Returns
        -------
        pymanopt.Problem
            With cost and Euclidean gradient, for pymanopt's first-order optimizers; on a
            :class:`FixedRank` also with the Euclidean Hessian, for trust regions.

        Raises
        ------
        ValueError
            If the manifold has matrices of another shape.

        Notes
        -----
        pymanopt's optimizers stop by absolute numbers: a gradient below ``min_gradient_norm=1e-6``,
        a step below ``min_step_size=1e-10``, and trust regions count with costs of about one. With
        values in units of 1e-20 they stop where they start, with values of 1e15 trust regions
        reject every step. Make the problem in units of its data: of ``values / c``, and the
        solution is W times c, ``(u, c * s, vt)``; of ``X / a`` and ``Y / b``, and it is W times
        b / a. For c take the largest absolute value. Line searchers take the same problem.

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
