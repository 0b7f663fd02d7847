"""The loss of the layers of a linear network, L^N(W_1, ..., W_N) = L^1(W_N ... W_1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pymanopt

from fixedrank._checks import Array
from fixedrank.networks.gradients import narrow_partial_products, network_gradient
from fixedrank.networks.layers import checked_factors
from fixedrank.networks.pymanopt_problem import pymanopt_problem
from fixedrank.networks.second_order import SecondOrder


class LayeredLoss(SecondOrder):
    """The quadratic loss of a matrix, of layers, and on a manifold."""

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
        return self._thin_loss(left[-1], right[-1].T)

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
