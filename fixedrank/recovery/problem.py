"""What the recovery of a matrix needs beside its loss: a start, and data that are held out."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np

from fixedrank import _linear_algebra
from fixedrank._checks import Seed, positive_integer
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.factored.units import restored_values, unit_array
from fixedrank.geometry.manifold import FixedRank
from fixedrank.recovery.entries import Indices
from fixedrank.recovery.regularised import RegularisedLeastSquares


class RecoveryProblem(RegularisedLeastSquares):
    """Recovery of an m x n matrix from p linear measurements."""

    def initial_point(self, k: int) -> FixedRankPoint:
        r"""Return the spectral initialisation of rank k.

        The best rank-k approximation of :math:`\sum_i w_i y_i A_i`, times the number that makes its
        squared error least. For entries without weights this sum is the matrix of the known ones,
        filled up with zeros. A ridge is left to what starts from here.

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
        OverflowError
            If the point is beyond the range of floating point.

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
        # Near one, whatever the units of the values and of the measurements: so that neither the
        # sum nor the squares underflow or overflow.
        values, of_values = unit_array("the values", self.values)
        weighted, of_weights = unit_array("the values with their weights", self._weighted(values))
        u, s, vt = manifold.point(self._measurements.adjoint(weighted))
        s = s / s[0]
        measured, of_measured = unit_array(
            "the measurements of the start", self._measurements.of_product(u * s, vt.T)
        )
        s = s * (
            _linear_algebra.inner(weighted, measured)
            / _linear_algebra.inner(measured, np.ldexp(self._weighted(measured), -of_weights))
        )
        s = restored_values("the start", s, of_values - of_measured)
        return FixedRankPoint(u, s, vt)

    def split(self, fraction: float, *, rng: Seed = None) -> tuple[Self, Self]:
        """Split the values at random into two problems, for training and for a test.

        ``held_out.root_mean_square_error(W)`` is then the error on values that are not known in
        training. Values keep their weights; a ridge stays with the problem for training.

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
        training, held_out = (self._subset(np.flatnonzero(some)) for some in (~chosen, chosen))
        held_out.ridge = 0.0
        return training, held_out

    def _subset(self, which: Indices) -> Self:
        part = copy.copy(self)
        weights = None if self.weights is None else self.weights[which]
        part._hold(self._measurements.subset(which), self.values[which], weights)
        return part
