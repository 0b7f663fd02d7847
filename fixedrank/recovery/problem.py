"""What the recovery of a matrix needs beside its loss: layers, a start, data held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pymanopt

from fixedrank._checks import Array, Seed, positive_integer
from fixedrank.geometry.manifold import FixedRank
from fixedrank.geometry.points import FixedRankPoint
from fixedrank.networks.gradients import narrow_partial_products, network_gradient
from fixedrank.networks.layers import checked_factors
from fixedrank.networks.pymanopt_problem import pymanopt_problem
from fixedrank.recovery.entries import Indices
from fixedrank.recovery.least_squares import LeastSquares


class RecoveryProblem(LeastSquares):
    """Recovery of an m x n matrix from p linear measurements."""

    def network_loss(self, factors: Sequence[Any]) -> float:
        """Return the loss of the product W_N ... W_1.

        Parameters
        ----------
        factors : sequence of array_like
            The layers [W_1, ..., W_N]; W_j has shape (d_j, d_{j-1}), and (d_N, d_0) is (m, n).

        Returns
        -------
        float
            The loss; the product is measured through the narrowest layer.

        Raises
        ------
        TypeError, ValueError
            If shapes do not fit together or with the problem, or entries are not finite.

        Examples
        --------
        >>> import fixedrank
        >>> problem = fixedrank.MatrixCompletion([0], [0], [3.0], (1, 1))
        >>> problem.network_loss([[[1.0]], [[2.0]]])
        0.5
        """
        _, left, right = narrow_partial_products(self._layers(factors))
        residuals = self._measurements.of_product(left[-1], right[-1].T) - self.values
        return float(np.vdot(residuals, residuals)) / 2

    def network_gradient(self, factors: Sequence[Any]) -> list[Array]:
        r"""Return the gradients of the loss of W_N ... W_1 with respect to the layers.

        :math:`W_{j+1}^T \cdots W_N^T\, G\, W_1^T \cdots W_{j-1}^T` with the gradient G at the
        product, multiplied through the narrowest layer.

        Parameters
        ----------
        factors : sequence of array_like
            The layers [W_1, ..., W_N]; W_j has shape (d_j, d_{j-1}), and (d_N, d_0) is (m, n).

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
        >>> import fixedrank
        >>> problem = fixedrank.MatrixCompletion([0], [0], [3.0], (1, 1))
        >>> problem.network_gradient([[[1.0]], [[2.0]]])
        [array([[-2.]]), array([[-1.]])]
        """
        return network_gradient(self.gradient_products, self._layers(factors))

    def initial_point(self, k: int) -> FixedRankPoint:
        r"""Return the spectral initialisation of rank k.

        The best rank-k approximation of :math:`\sum_i y_i A_i`, times the number that makes its
        loss least. For entries this sum is the matrix of the known ones, filled up with zeros.

        Parameters
        ----------
        k : int
            The rank, from 1 to min(m, n).

        Returns
        -------
        FixedRankPoint
            The point.

        Raises
        ------
        TypeError, ValueError
            If k is not an integer from 1 to min(m, n).
        RankLostError
            If the sum has a rank below k.

        References
        ----------
        R. H. Keshavan, A. Montanari and S. Oh, "Matrix completion from a few entries", IEEE Trans.
        Inform. Theory 56, 2010.

        Examples
        --------
        >>> import fixedrank
        >>> problem = fixedrank.MatrixCompletion([0, 1], [0, 1], [3.0, 1.0], (2, 2))
        >>> problem.initial_point(1).s
        array([3.])
        """
        k = positive_integer("k", k)
        manifold = FixedRank(*self.shape, k, depth=1)
        u, s, vt = manifold.point(self._measurements.adjoint(self.values))
        # From 1 on, so that the scale is found without underflow, whatever the unit of the values.
        s = s / s[0]
        measured = self._measurements.of_product(u * s, vt.T)
        scale = np.vdot(self.values, measured) / np.vdot(measured, measured)
        return FixedRankPoint(u, s * scale, vt)

    def split(self, fraction: float, *, rng: Seed = None) -> tuple[Self, Self]:
        """Split the values at random into two problems, for training and for a test.

        ``held_out.root_mean_square_error(W)`` is then the error on values that are not known in
        training.

        Parameters
        ----------
        fraction : float
            The share of the values that is held out, between 0 and 1.
        rng : numpy.random.Generator, int or None
            The generator, a seed, or None for fresh entropy.

        Returns
        -------
        tuple of two problems
            The problem for training and the one that is held out.

        Raises
        ------
        TypeError, ValueError
            If the fraction is not a number between 0 and 1, or leaves one of the two without any
            value.

        Examples
        --------
        >>> import fixedrank
        >>> problem = fixedrank.MatrixCompletion([0, 0, 1, 1], [0, 1, 0, 1], [1, 2, 3, 4], (2, 2))
        >>> training, held_out = problem.split(0.25, rng=0)
        >>> training.values.size, held_out.values.size
        (3, 1)
        """
        count = self.values.size
        if isinstance(fraction, bool) or not isinstance(fraction, (int, float, np.number)):
            raise TypeError(f"fraction must be a number between 0 and 1, got {fraction!r}")
        if not 0 < fraction < 1:
            raise ValueError(f"fraction must lie between 0 and 1, got {fraction!r}")
        out = round(fraction * count)
        if not 0 < out < count:
            raise ValueError(
                f"a fraction of {fraction} holds out {out} of {count} values; at least one must be "
                "held out, and one left"
            )
        chosen = np.zeros(count, dtype=bool)
        chosen[np.random.default_rng(rng).choice(count, out, replace=False)] = True
        return self._subset(np.flatnonzero(~chosen)), self._subset(np.flatnonzero(chosen))

    def to_pymanopt(self, manifold: Any) -> pymanopt.Problem:
        """Return the least loss over a manifold of rank-k matrices as a pymanopt problem.

        Parameters
        ----------
        manifold : FixedRank or pymanopt.manifolds.FixedRankEmbedded
            A manifold of m x n matrices with points (u, s, vt).

        Returns
        -------
        pymanopt.Problem
            With cost and Euclidean gradient; on a :class:`FixedRank` also with the Euclidean
            Hessian, for trust regions.

        Raises
        ------
        ValueError
            If the manifold has points of another kind or shape.

        Examples
        --------
        >>> import fixedrank, pymanopt
        >>> problem = fixedrank.MatrixCompletion([0, 0, 1], [0, 1, 0], [1.0, 2.0, 3.0], (2, 2))
        >>> manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
        >>> optimizer = pymanopt.optimizers.TrustRegions(verbosity=0, min_gradient_norm=1e-9)
        >>> result = optimizer.run(
        ...     problem.to_pymanopt(manifold), initial_point=problem.initial_point(1)
        ... )
        >>> manifold.to_matrix(result.point).round(6)
        array([[1., 2.],
               [3., 6.]])
        """
        return pymanopt_problem(self, manifold)

    def _subset(self, which: Indices) -> Self:
        part = type(self).__new__(type(self))
        part._set_up(self._measurements.subset(which), self.values[which])
        return part

    def _layers(self, factors: Sequence[Any]) -> list[Array]:
        layers = checked_factors(factors)
        found = (layers[-1].shape[0], layers[0].shape[1])
        if found != self.shape:
            raise ValueError(f"the product of the layers has shape {found}, W has {self.shape}")
        return layers
