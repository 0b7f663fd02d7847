r"""What is minimised: squared errors of a matrix of low rank and two biases, with penalties.

Over W = D^-1 X E^-1 and biases b and c it is

.. math:: \frac12 \sum_{ij} w_{ij} (W_{ij} + b_i + c_j - y_{ij})^2
          + \rho \sum_l s_l(X) + \frac{\beta}{2} (|b|^2 + |c|^2)

with diagonal D and E, by which rows and columns with many entries are held back more. X is what
is sought: of fixed rank, with an ordinary ridge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank._linear_algebra import inner
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.recovery.entries import Entries, Indices


class Model(NamedTuple):
    """A matrix X of low rank, perhaps of rank zero, and the biases of rows and columns."""

    point: FixedRankPoint
    row_biases: Array
    column_biases: Array

    @classmethod
    def zero(cls, shape: tuple[int, int]) -> Model:
        """Return the model that predicts zero."""
        m, n = shape
        point = FixedRankPoint(np.zeros((m, 0)), np.zeros(0), np.zeros((0, n)))
        return cls(point, np.zeros(m), np.zeros(n))


class Penalties(NamedTuple):
    """The weights of the penalties.

    Attributes
    ----------
    ridge : float
        That of the sum of the singular values.
    shrinkage : float
        That of the biases; infinite where there are to be none.
    """

    ridge: float
    shrinkage: float


class Table:
    """Entries with weights, each pair of row and column once, with mean zero.

    Parameters
    ----------
    entries : Entries
        Where the entries stand.
    values, weights : ndarray, shape (p,)
        What they are, and the positive weights of their errors.
    sides : tuple of ndarray, shapes (m,) and (n,)
        The diagonals D and E, positive.
    """

    def __init__(
        self, entries: Entries, values: Array, weights: Array, sides: tuple[Array, Array]
    ) -> None:
        self.entries, self.values, self.weights, self.sides = entries, values, weights, sides
        self.rows, self.cols, self.shape = entries.rows, entries.cols, entries.shape
        self.divisors = sides[0][self.rows] * sides[1][self.cols]

    def subset(self, which: Indices) -> Table:
        """Return the table of some entries, with the diagonals of all."""
        return Table(
            self.entries.subset(which), self.values[which], self.weights[which], self.sides
        )

    def residuals(self, model: Model) -> Array:
        """Return what the model says less what is known."""
        (u, s, vt), b, c = model
        return (
            self.entries.of_product(u * s, vt.T) / self.divisors
            + b[self.rows]
            + c[self.cols]
            - self.values
        )

    def mean_square(self, model: Model) -> float:
        """Return the weighted mean of the squared errors."""
        return float(np.average(self.residuals(model) ** 2, weights=self.weights))

    def objective(self, model: Model, penalties: Penalties) -> float:
        """Return the squared errors with the penalties."""
        return self.total(self.residuals(model), model, penalties)

    def total(self, residuals: Array, model: Model, penalties: Penalties) -> float:
        """Return the objective of a model whose residuals are known."""
        total = inner(self.weights * residuals, residuals) / 2
        if model.point.s.size:
            total += penalties.ridge * float(model.point.s.sum())
        biases = inner(model.row_biases, model.row_biases)
        biases += inner(model.column_biases, model.column_biases)
        return total + (penalties.shrinkage * biases / 2 if biases else 0.0)

    def slopes(self, residuals: Array) -> Array:
        """Return the derivatives with respect to the entries of X."""
        return self.weights * residuals / self.divisors
