"""The operator A_{W,N} on tangent vectors, its inverse, and the metric that this gives."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from fixedrank._shared_docs import describe
from fixedrank.jax.core_functions import core_functions, solved_core
from fixedrank.jax.descriptions import DEPTHS, POINTS
from fixedrank.jax.points import CorePoint, Point, Tangent, require_point, require_tangent
from fixedrank.jax.spectra import power_spectrum
from fixedrank.jax.weights import normal_weights, tangential_weights


def apply_operator(point: Point | CorePoint, tangent: Tangent, depth: Any) -> Tangent:
    """Return A_{W,N}(Z).

    Returns
    -------
    Tangent
        The image, a tangent vector at the same point.

    References
    ----------
    Equation (7).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point, Tangent, apply_operator
    >>> point = Point(jnp.eye(3, 1), jnp.array([4.0]), jnp.eye(2, 1))
    >>> Z = Tangent(jnp.zeros((3, 1)), jnp.ones((1, 1)), jnp.zeros((2, 1)))
    >>> apply_operator(point, Z, 2).m.tolist()
    [[8.0]]
    """
    require_point(point)
    require_tangent(point, tangent)
    if isinstance(point, Point):
        w = normal_weights(point.s, depth)
        return Tangent(
            tangent.up * w, tangent.m * tangential_weights(point.s, depth), tangent.vp * w
        )
    spectrum, parameters = power_spectrum(depth, point.core.dtype)
    of_core = core_functions(spectrum, parameters, point.core, tangent.m)
    return Tangent(tangent.up @ of_core.up_weights, of_core.image, tangent.vp @ of_core.vp_weights)


def solve_operator(point: Point | CorePoint, tangent: Tangent, depth: Any) -> Tangent:
    """Return the tangent vector that A_{W,N} maps to Z.

    Returns
    -------
    Tangent
        The preimage, a tangent vector at the same point.

    References
    ----------
    Theorem 3.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point, Tangent, solve_operator
    >>> point = Point(jnp.eye(3, 1), jnp.array([4.0]), jnp.eye(2, 1))
    >>> Z = Tangent(jnp.zeros((3, 1)), jnp.ones((1, 1)), jnp.zeros((2, 1)))
    >>> solve_operator(point, Z, 2).m.tolist()
    [[0.125]]
    """
    require_point(point)
    require_tangent(point, tangent)
    if isinstance(point, Point):
        w = normal_weights(point.s, depth)
        return Tangent(
            tangent.up / w, tangent.m / tangential_weights(point.s, depth), tangent.vp / w
        )
    spectrum, parameters = power_spectrum(depth, point.core.dtype)
    inverse = solved_core(spectrum, parameters, point.core, tangent.m)
    return Tangent(
        tangent.up @ inverse.up_weights, inverse.preimage, tangent.vp @ inverse.vp_weights
    )


def inner_product(point: Point | CorePoint, a: Tangent, b: Tangent, depth: Any) -> Array:
    """Return g_W(a, b), the inner product of the metric of depth N.

    Returns
    -------
    array, shape ()
        The inner product.

    References
    ----------
    Equation (8).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point, Tangent, inner_product
    >>> point = Point(jnp.eye(3, 1), jnp.array([4.0]), jnp.eye(2, 1))
    >>> Z = Tangent(jnp.zeros((3, 1)), jnp.ones((1, 1)), jnp.zeros((2, 1)))
    >>> float(inner_product(point, Z, Z, 2))
    0.125
    """
    solved = solve_operator(point, a, depth)
    require_tangent(point, b)
    return sum(jnp.vdot(one, other) for one, other in zip(solved, b, strict=True))


def norm(point: Point | CorePoint, a: Tangent, depth: Any) -> Array:
    """Return the length of a tangent vector in the metric of depth N.

    Its derivative at the zero vector is not finite.

    Returns
    -------
    array, shape ()
        The length.

    References
    ----------
    Equation (8).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point, Tangent, norm
    >>> point = Point(jnp.eye(3, 1), jnp.array([2.0]), jnp.eye(2, 1))
    >>> Z = Tangent(jnp.zeros((3, 1)), jnp.ones((1, 1)), jnp.zeros((2, 1)))
    >>> float(norm(point, Z, 2))
    0.5
    """
    return jnp.sqrt(inner_product(point, a, a, depth))


for _function in (apply_operator, solve_operator, inner_product, norm):
    describe(_function, POINTS, DEPTHS)
