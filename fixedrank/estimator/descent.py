"""The end of a fit on the manifold: the matrix and the biases together by conjugate gradients."""

from __future__ import annotations

import contextlib
import math
import operator
import sys
from typing import Any

import numpy as np
import pymanopt
from pymanopt.manifolds import Euclidean
from pymanopt.optimizers import ConjugateGradient

from fixedrank._checks import Array
from fixedrank._linear_algebra import inner
from fixedrank.estimator.objective import Model, Penalties, Table
from fixedrank.geometry.factored.ambient import as_direction
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.manifold import FixedRank
from fixedrank.geometry.product import Product
from fixedrank.recovery.line_search import ExactStartLineSearcher

# Over so many iterations the objective must fall, since a single direction may be a bad one.
_LATELY = 3


def descended(
    table: Table,
    model: Model,
    penalties: Penalties,
    depth: float,
    *,
    tol: float,
    max_iter: int,
) -> tuple[Model, int]:
    """Return a model of the same rank and lower objective, and the number of iterations.

    It ends where three iterations in a row lower the objective by less than their share `tol` each.
    """
    (m, n), k = table.shape, model.point.s.size
    parts = [FixedRank(m, n, k, depth=depth)]
    if math.isfinite(penalties.shrinkage):
        parts += [Euclidean(m), Euclidean(n)]
    problem = _Objective(table, penalties)
    search = _Search(problem, model, tol, max_iter)
    optimizer = ConjugateGradient(
        line_searcher=search,
        verbosity=0,
        max_iterations=sys.maxsize,
        max_time=math.inf,
        max_cost_evaluations=sys.maxsize,
        min_gradient_norm=0,
        min_step_size=0,
    )
    # pymanopt divides by the length of the gradient.
    with contextlib.suppress(_Ended, ZeroDivisionError), np.errstate(invalid="ignore"):
        optimizer.run(problem.to_pymanopt(Product(parts)), initial_point=list(model[: len(parts)]))
    return search.model, max(0, len(search.costs) - 1)


class _Objective:
    """The objective of a point of the product; of the last one the residuals are kept."""

    def __init__(self, table: Table, penalties: Penalties) -> None:
        self.table, self.penalties = table, penalties
        self._last: tuple[Any, ...] = ()
        self._residuals = np.zeros(0)

    def residuals(self, *arrays: Array) -> Array:
        """Return those of u, s, vt and perhaps biases."""
        if len(arrays) != len(self._last) or any(map(operator.is_not, arrays, self._last)):
            self._last = arrays
            self._residuals = self.table.residuals(self.model(*arrays))
        return self._residuals

    def model(self, u: Array, s: Array, vt: Array, *biases: Array) -> Model:
        """Return them as a model."""
        zero = Model.zero(self.table.shape)
        return Model(FixedRankPoint(u, s, vt), *(biases or zero[1:]))

    def cost(self, *arrays: Array) -> float:
        """Return the objective."""
        residuals = self.residuals(*arrays)
        return self.table.total(residuals, self.model(*arrays), self.penalties)

    def gradient(self, *arrays: Array) -> tuple[Array, ...]:
        """Return its derivatives with respect to all arrays."""
        (u, s, vt, *biases), table = arrays, self.table
        residuals = self.residuals(*arrays)
        right, left = table.entries.adjoint_products(table.slopes(residuals), u, vt.T)
        of_values = np.einsum("ij,ij->j", u, right) + self.penalties.ridge
        errors = table.weights * residuals
        of_biases = [
            np.bincount(places, errors, bias.size) + self.penalties.shrinkage * bias
            for bias, places in zip(biases, (table.rows, table.cols), strict=False)
        ]
        return right * s, of_values, (left * s).T, *of_biases

    def line_minimum(self, x: Any, direction: Any) -> float:
        """Return where it is least along a line, with the ridge to first order."""
        table, shrinkage = self.table, self.penalties.shrinkage
        (point, *biases), (Z, *changes) = x, direction
        along = table.entries.of_product(*as_direction(point, Z, table.shape).pair())
        along /= table.divisors
        slope, bend = self.penalties.ridge * float(Z.M.trace()), 0.0
        for bias, change, places in zip(biases, changes, (table.rows, table.cols), strict=False):
            along += change[places]
            slope += shrinkage * inner(bias, change)
            bend += shrinkage * inner(change, change)
        weighted = table.weights * along
        slope += inner(weighted, self.residuals(*point, *biases))
        bend += inner(weighted, along)
        return -slope / bend if bend > 0 else 0.0

    def to_pymanopt(self, manifold: Any) -> pymanopt.Problem:
        """Return it as a problem of pymanopt."""
        # pymanopt counts the arguments of what it is given, and self would be one.
        numpy = pymanopt.function.numpy(manifold)

        @numpy
        def cost(*arrays: Array) -> float:
            return self.cost(*arrays)

        @numpy
        def gradient(*arrays: Array) -> tuple[Array, ...]:
            return self.gradient(*arrays)

        return pymanopt.Problem(manifold, cost, euclidean_gradient=gradient)


class _Ended(Exception):  # noqa: N818
    """Raised out of pymanopt's loop, at the point that the search has noted."""


class _Search(ExactStartLineSearcher):
    """The line search, which sees each accepted point and ends the descent where it is due."""

    def __init__(self, problem: _Objective, model: Model, tol: float, max_iter: int) -> None:
        super().__init__(problem)
        self.of_arrays = problem.model
        self.model, self.tol, self.max_iter = model, tol, max_iter
        self.costs: list[float] = []

    def search(
        self, objective: Any, manifold: Any, x: Any, d: Any, f0: float, df0: float
    ) -> tuple[float, Any]:
        """Search, and note the point that is found."""
        if not df0 < 0:
            raise _Ended
        if not self.costs:
            self.costs.append(f0)
        length, found = super().search(objective, manifold, x, d, f0, df0)
        if length == 0:
            raise _Ended
        point, *biases = found
        self.model = self.of_arrays(*point, *biases)
        self.costs.append(float(objective(found)))
        lately = self.costs[-1 - _LATELY :]
        slow = len(lately) > _LATELY and lately[0] - lately[-1] <= _LATELY * self.tol * lately[-1]
        if slow or len(self.costs) > self.max_iter:
            raise _Ended
        return length, found
