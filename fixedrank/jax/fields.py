r"""The right-hand sides of the flows (9) and (5), for ``diffrax.ODETerm`` and :func:`integrate`.

With W = U S V^T, G the Euclidean gradient and M = U^T G V, the flow (9) is

    U' = -(G V - U M) T,   S' = -A_S(M) - N lambda S,   V' = -(G^T U - V M^T) T^T

with the turn T and the operator of :mod:`fixedrank.jax.core_functions`, and lambda the weight decay
of the layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from fixedrank._shared_docs import describe
from fixedrank.jax.arguments import require_nonnegative
from fixedrank.jax.core_functions import core_functions
from fixedrank.jax.descriptions import DEPTHS, FIELDS, LOSSES
from fixedrank.jax.gradients import gradient_products, is_thin
from fixedrank.jax.imbalance import checked_imbalance, layer_offsets
from fixedrank.jax.points import CorePoint, require_point
from fixedrank.jax.spectra import LayerSpectrum, power_spectrum
from fixedrank.jax.tangent import without_range
from fixedrank.jax.weights import checked_depth


def riemannian_field(
    loss: Callable[..., Any],
    depth: Any,
    *,
    weight_decay: Any = 0.0,
    imbalance: Sequence[float] | Array | None = None,
) -> Callable[..., CorePoint]:
    r"""Return the velocity of the Riemannian gradient flow (9) in core form.

    Parameters
    ----------
    imbalance : sequence of float, optional
        The N - 1 numbers lambda_j of layers with W_{j+1}^T W_{j+1} - W_j W_j^T = lambda_j I at time
        0, for the flow of their product; the depth is then the known number N >= 2 of layers. With
        weight decay they shrink by exp(-2 weight_decay t).

    Returns
    -------
    callable
        ``field(t, point, args=None)`` for a CorePoint: the velocities of u, core and v, as a
        CorePoint. Its derivative is right at ties of singular values, where that of a singular
        value decomposition is not. Second derivatives are not, and NaN at exact ties.

    Notes
    -----
    The rank does not change, frames are not renewed, and no test for rest is made: for that take
    :func:`fixedrank.riemannian_flow`.

    References
    ----------
    Equation (9); :doc:`/mathematics/differentiable_flows`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import CorePoint, riemannian_field
    >>> field = riemannian_field(lambda W: jnp.sum((W - 1) ** 2) / 2, depth=2)
    >>> field(0.0, CorePoint(jnp.eye(1), jnp.array([[4.0]]), jnp.eye(1))).core.tolist()
    [[-24.0]]
    """
    products = gradient_products(loss)
    require_nonnegative("weight_decay", weight_decay)
    checked_depth(depth)
    offsets = None if imbalance is None else layer_offsets(checked_imbalance(imbalance, depth))

    def field(t: Any, point: CorePoint, args: Any = None) -> CorePoint:
        if not isinstance(point, CorePoint):
            raise TypeError(
                f"the state of flow (9) is a CorePoint, got {type(point).__name__}; core_point "
                "makes one of a Point"
            )
        require_point(point)
        u, core, v = point
        spectrum: Any
        parameters: Any
        if offsets is None:
            spectrum, parameters = power_spectrum(depth, core.dtype)
        else:
            share = jnp.exp(-2 * weight_decay * t)
            spectrum, parameters = LayerSpectrum(len(offsets)), (_like(offsets * share, core),)
        gv, gtu = products(point)
        m = u.T @ gv
        of_core = core_functions(spectrum, parameters, core, m)
        decay = _like(weight_decay * spectrum.layers(parameters), core)
        return CorePoint(
            -without_range(u, gv, m) @ of_core.up_turn,
            -of_core.image - decay * core,
            -without_range(v, gtu, m.T) @ of_core.vp_turn.T,
        )

    return field


def factored_field(loss: Callable[..., Any], *, weight_decay: Any = 0.0) -> Callable[..., Any]:
    """Return the velocity of the factored flow (5), gradient flow of the layers.

    Returns
    -------
    callable
        ``field(t, layers, args=None)`` for a list or tuple [W_1, ..., W_N] of layers, W_j of shape
        (d_j, d_{j-1}) and W = W_N ... W_1: their velocities, as such a list or tuple. A loss of
        thin factors gets those that meet at the narrowest layer.

    References
    ----------
    Equation (5).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import factored_field
    >>> field = factored_field(lambda W: jnp.sum((W - 1) ** 2) / 2)
    >>> field(0.0, [2 * jnp.eye(1), 2 * jnp.eye(1)])[0].tolist()
    [[-6.0]]
    """
    thin = is_thin(loss)
    require_nonnegative("weight_decay", weight_decay)

    def of_layers(layers: Any) -> Any:
        left, right = _factors(layers)
        return loss(left, right) if thin else loss(left @ right.T)

    def field(t: Any, layers: Any, args: Any = None) -> Any:
        _require_layers(layers)
        gradient = jax.grad(of_layers)(layers)
        return jax.tree.map(lambda slope, layer: -slope - weight_decay * layer, gradient, layers)

    return field


describe(riemannian_field, LOSSES, DEPTHS, FIELDS)
describe(factored_field, LOSSES, FIELDS)


def _like(value: Any, core: Array) -> Array:
    return jnp.asarray(value).astype(core.dtype)


def _factors(layers: Sequence[Array]) -> tuple[Array, Array]:
    """Return L and R with L R^T = W_N ... W_1 that meet at the narrowest layer."""
    widths = [layers[0].shape[1], *(layer.shape[0] for layer in layers)]
    at = widths.index(min(widths))
    left = jnp.eye(widths[at], dtype=layers[0].dtype)
    right = left
    for layer in layers[at:]:
        left = layer @ left
    for layer in layers[:at][::-1]:
        right = layer.T @ right
    return left, right


def _require_layers(layers: Any) -> None:
    """Raise an error unless these are layers that fit together."""
    if not isinstance(layers, list | tuple) or not layers or isinstance(layers, CorePoint):
        raise TypeError(
            "the state of flow (5) is a list or tuple of layers [W_1, ..., W_N], got "
            f"{type(layers).__name__}"
        )
    shapes = [jnp.shape(layer) for layer in layers]
    fits = all(len(shape) == 2 for shape in shapes) and all(
        after[1] == before[0] for before, after in pairwise(shapes)
    )
    if not fits:
        raise ValueError(
            "the layers [W_1, ..., W_N] must be matrices with W_j of shape (d_j, d_{j-1}), got the "
            f"shapes {shapes}; map stacks of layers by jax.vmap"
        )
