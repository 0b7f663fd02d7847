"""Gradients of losses of W = L R^T, by differentiating at a zero perturbation.

A loss of thin factors is asked for [U S + X, U] [V, Y]^T = W + X V^T + U Y^T: its derivatives at
X = Y = 0 are G V and G^T U. So no m x n array is made, and nothing is divided by S.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from fixedrank._shared_docs import describe
from fixedrank.jax.descriptions import DEPTHS, LOSSES
from fixedrank.jax.operator import apply_operator
from fixedrank.jax.points import CorePoint, Point, Tangent, core_point
from fixedrank.jax.tangent import from_products
from fixedrank.jax.weights import checked_depth

Products = Callable[[Point | CorePoint], tuple[Array, Array]]


def riemannian_gradient(loss: Callable[..., Any], depth: Any) -> Callable[..., Tangent]:
    """Return a function that maps a point to the Riemannian gradient A_{W,N}(G) of a loss there.

    Returns
    -------
    callable
        ``gradient(point)`` for a Point or a CorePoint, a Tangent at it.

    References
    ----------
    Equation (9).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point, riemannian_gradient
    >>> gradient = riemannian_gradient(lambda W: jnp.sum(W**2) / 2, depth=2)
    >>> gradient(Point(jnp.eye(3, 1), jnp.array([4.0]), jnp.eye(2, 1))).m.tolist()
    [[32.0]]
    """
    products = gradient_products(loss)
    checked_depth(depth)

    def gradient(point: Point | CorePoint) -> Tangent:
        gv, gtu = products(point)
        return apply_operator(point, from_products(point, gv, gtu), depth)

    return gradient


describe(riemannian_gradient, LOSSES, DEPTHS)


def gradient_products(loss: Callable[..., Any]) -> Products:
    """Return a function that maps a point to G V and G^T U, G the Euclidean gradient."""
    if not is_thin(loss):

        def products(point: Point | CorePoint) -> tuple[Array, Array]:
            point = core_point(point)
            gradient = jax.grad(loss)(point.u @ point.core @ point.v.T)
            return gradient @ point.v, gradient.T @ point.u

        return products

    def thin_products(point: Point | CorePoint) -> tuple[Array, Array]:
        u, core, v = core_point(point)
        us = u @ core

        def perturbed(x: Array, y: Array) -> Any:
            return loss(jnp.hstack([us + x, u]), jnp.hstack([v, y]))

        gv, gtu = jax.grad(perturbed, argnums=(0, 1))(jnp.zeros_like(u), jnp.zeros_like(v))
        return gv, gtu

    return thin_products


def is_thin(loss: Callable[..., Any]) -> bool:
    """Say whether a loss takes thin factors (L, R), and no dense matrix."""
    if not callable(loss):
        raise TypeError(
            f"the loss must be a function of W, or of L and R, got {type(loss).__name__}; losses "
            "of the library are not differentiable by JAX"
        )
    try:
        parameters = inspect.signature(loss).parameters.values()
    except ValueError:  # some callables of C have no signature
        return False
    positional = [
        parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    needed = [parameter for parameter in positional if parameter.default is parameter.empty]
    count = len(needed) or len(positional[:1])
    if count not in (1, 2) or any(
        parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
        for parameter in parameters
    ):
        raise TypeError(
            "the loss must have one positional parameter, loss(W), or two, loss(L, R) with "
            f"W = L R^T, got {len(needed)} that have no default in {inspect.signature(loss)}"
        )
    return count == 2
