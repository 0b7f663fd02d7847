"""A regression in the principal axes of its data, where products with C cost nothing."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from fixedrank._checks import Array
from fixedrank.geometry.ambient import BlockOperator
from fixedrank.networks.moments import MatrixProduct
from fixedrank.networks.quadratic import QuadraticLoss
from fixedrank.networks.whitened import WhitenedLoss


class _Diagonal(BlockOperator):
    """A diagonal matrix."""

    def __init__(self, values: Array) -> None:
        super().__init__((values.size, values.size))
        self.column = values[:, None]

    def _matmat(self, block: Array) -> Array:
        return self.column * block

    _rmatmat = _matmat


class PrincipalRegression(QuadraticLoss):
    """The loss of W E as a function of it, for a problem with C = E diag(values) E^T.

    An orthogonal change of coordinates: gradient flows, of the product and of the layers, and their
    errors are the same in both. Of C it leaves the diagonal.
    """

    def __init__(self, problem: WhitenedLoss, axes: Array, values: Array) -> None:
        self.problem, self.axes = problem, axes
        B, _ = problem._thin_B
        if isinstance(B, MatrixProduct):
            turned: Any = MatrixProduct(B.left, axes.T @ B.right)
        else:
            turned = B @ axes
        self._set_moments(_Diagonal(values), turned, problem.squared_norm)

    @cached_property
    def _thin_B(self) -> tuple[Any, Any]:
        # The problem has looked for factors already.
        return self.B, self.B.T

    def loss(self, W: Any) -> float:
        """Return the loss at a point W E."""
        u, s, vt = W
        return self.problem.loss((u, s, vt @ self.axes.T))


def in_principal_axes(problem: Any) -> tuple[Any, Array | None]:
    """Return a problem in W E, and the orthogonal E, or the problem itself and None.

    E is known where X is an array. A class of its own that replaces what flows ask for keeps its
    coordinates.
    """
    if not isinstance(problem, WhitenedLoss) or problem._whitened is None:
        return problem, None
    if type(problem).gradient_products is not QuadraticLoss.gradient_products:
        return problem, None
    axes, scales = problem._whitened.axes, problem._whitened.scales
    return PrincipalRegression(problem, axes, scales**2), axes
