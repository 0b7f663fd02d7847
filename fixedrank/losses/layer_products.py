"""Thin products of a gradient at W = P R, and how they change with P and R."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.ambient import as_ambient, times, transposed_times
from fixedrank.geometry.factored.orthonormal import point_of


class LayerProducts(Protocol):
    """Thin products of the gradient G at W = P R, and their derivatives."""

    def products(self) -> tuple[Array, Array]:
        """Return G R^T and P^T G."""
        ...

    def moved(self, dp: Array, dr: Array) -> tuple[Array, Array]:
        """Return the derivatives of both along directions of P and R."""
        ...


class ProductsOfGradients:
    """These of any loss, from its gradient and its Hessian applied to low-rank matrices."""

    def __init__(self, problem: Any, left: Array, right: Array) -> None:
        self.problem, self.left, self.right = problem, left, right
        self.shape = (left.shape[0], right.shape[1])
        self.point = point_of(left, None, right.T)
        self.gradient = as_ambient(problem.gradient(self.point), self.shape, self.point)

    def products(self) -> tuple[Array, Array]:
        """Return G R^T and P^T G."""
        G = self.gradient
        return times(G, self.right.T), transposed_times(G, self.left).T

    def moved(self, dp: Array, dr: Array) -> tuple[Array, Array]:
        """Return the derivatives of both along directions of P and R."""
        pair = np.hstack((dp, self.left)), np.vstack((self.right, dr)).T
        image = self.problem.hessian_product(self.point, pair)
        H, G = as_ambient(image, self.shape, self.point), self.gradient
        outer = times(H, self.right.T) + times(G, dr.T)
        return outer, transposed_times(H, self.left).T + transposed_times(G, dp).T
