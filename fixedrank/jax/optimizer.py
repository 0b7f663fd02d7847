"""Riemannian gradient descent as a transformation of optax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from fixedrank._shared_docs import describe
from fixedrank.jax.arguments import require_nonnegative
from fixedrank.jax.core_functions import core_functions
from fixedrank.jax.descriptions import DEPTHS
from fixedrank.jax.points import CorePoint, Tangent, require_point
from fixedrank.jax.retraction import retract_orthographic
from fixedrank.jax.spectra import power_spectrum
from fixedrank.jax.tangent import without_range
from fixedrank.jax.weights import checked_depth


class RiemannianSGDState(NamedTuple):
    """The number of steps that were taken."""

    step: Array


def riemannian_sgd(
    depth: Any, learning_rate: float | Array | Callable[[Array], Any]
) -> optax.GradientTransformation:
    """Return Riemannian gradient descent in the metric of depth N, on a CorePoint.

    A step goes along -A_{W,N}(G) and back to rank k by :func:`retract_orthographic`, without any
    singular value in a denominator for N >= 2. The frames stay orthonormal to round-off.

    Parameters
    ----------
    learning_rate : float, scalar array or callable
        The step size, or a schedule of optax that maps the number of steps to it. In units of the
        time of the flow (9).

    Returns
    -------
    optax.GradientTransformation
        Its gradients are those of ``jax.grad`` with respect to the arrays of a CorePoint, of a loss
        that depends on u @ core @ v.T only; ``optax.apply_updates`` takes the step. Other
        transformations may come before it, as clipping; those of an own memory, as momentum, add
        vectors of different tangent spaces.

    References
    ----------
    Equation (9); P.-A. Absil, R. Mahony, R. Sepulchre, Optimization Algorithms on Matrix Manifolds,
    Princeton University Press, 2008.

    Examples
    --------
    >>> import jax, optax
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import CorePoint, riemannian_sgd
    >>> point = CorePoint(jnp.eye(2, 1), jnp.array([[4.0]]), jnp.eye(2, 1))
    >>> optimizer = riemannian_sgd(depth=2, learning_rate=0.01)
    >>> gradient = jax.grad(lambda p: jnp.sum((p.u @ p.core @ p.v.T) ** 2) / 2)(point)
    >>> updates, state = optimizer.update(gradient, optimizer.init(point), point)
    >>> round(float(optax.apply_updates(point, updates).core[0, 0]), 12)
    3.68
    """
    checked_depth(depth)
    if not callable(learning_rate):
        require_nonnegative("learning_rate", learning_rate)

    def init(params: CorePoint) -> RiemannianSGDState:
        _require_core_point("the parameters", params)
        return RiemannianSGDState(jnp.zeros((), jnp.int32))

    def update(
        updates: CorePoint, state: RiemannianSGDState, params: CorePoint | None = None
    ) -> tuple[CorePoint, RiemannianSGDState]:
        _require_core_point("the parameters", params)
        _require_core_point("the gradient", updates)
        assert params is not None
        rate = learning_rate(state.step) if callable(learning_rate) else learning_rate
        rate = jnp.asarray(rate).astype(params.core.dtype)
        descent = jax.tree.map(lambda part: -rate * part, _gradient(params, updates, depth))
        following = retract_orthographic(params, descent)
        steps = jax.tree.map(jnp.subtract, following, params)
        return steps, RiemannianSGDState(state.step + 1)

    return optax.GradientTransformation(init, update)


describe(riemannian_sgd, DEPTHS)


def _gradient(point: CorePoint, derivative: CorePoint, depth: Any) -> Tangent:
    """Return A_{W,N}(G) from the derivatives G V S^T, U^T G V and G^T U S of a loss."""
    spectrum, parameters = power_spectrum(depth, point.core.dtype)
    of_core = core_functions(spectrum, parameters, point.core, derivative.core)
    du, dv = derivative.u, derivative.v
    return Tangent(
        without_range(point.u, du, point.u.T @ du) @ of_core.up_turn.T,
        of_core.image,
        without_range(point.v, dv, point.v.T @ dv) @ of_core.vp_turn,
    )


def _require_core_point(what: str, value: Any) -> None:
    if not isinstance(value, CorePoint):
        raise TypeError(
            f"riemannian_sgd needs {what} as a CorePoint (u, core, v), got "
            f"{type(value).__name__}; call update(gradient, state, params)"
        )
    require_point(value)
