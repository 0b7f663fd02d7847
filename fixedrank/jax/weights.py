r"""The weights of the operator A_{W,N}, smooth in the singular values and the depth.

With x = ln(s_i / s_j) and shc(x) = sinh(x) / x, even and analytic,
c_ij = (s_i s_j)^(1-1/N) N shc(x) / shc(x/N): there is no tie to divide by, and N may be traced.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from fixedrank._checks import real_depth
from fixedrank._shared_docs import describe
from fixedrank.jax.descriptions import DEPTHS

# Terms of the series of shc for |x| <= 1: 1 / 21! is far below round-off.
_SERIES = tuple(1 / math.factorial(2 * n + 3) for n in range(9))
# Up to this whole depth a sum of products of powers is cheaper than logarithms.
WHOLE = 32


def tangential_weights(s: Any, depth: Any) -> Array:
    """Return the weights c_ij of the entries of M, the eigenvalues of A_{W,N} within the frames.

    Parameters
    ----------
    s : array, shape (k,)
        Singular values, positive.

    Returns
    -------
    array, shape (k, k)
        c_ij = (s_i^2 - s_j^2) / (s_i^(2/N) - s_j^(2/N)), and N s_i^(2-2/N) at ties.

    Notes
    -----
    Within 12 + 2 abs(ln s) round-offs for depths that are traced or not whole. Derivatives of all
    orders, also in the depth, are right at ties.

    References
    ----------
    Equation (7) and Theorem 3; :doc:`/mathematics/differentiable_flows`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import tangential_weights
    >>> tangential_weights(jnp.array([4.0, 1.0]), 2).tolist()
    [[8.0, 5.0], [5.0, 2.0]]
    """
    s = singular_values(s)
    depth = checked_depth(depth, s.dtype)
    if not is_traced(depth) and depth == 1:
        return jnp.ones((s.size, s.size), s.dtype)
    if whole(depth):
        powers = _powers(s, depth)
        return jnp.asarray(powers @ powers[:, ::-1].T)
    x = log_ratios(s)
    roots = s ** ((depth - 1) / depth)
    # Half of the last factor with each root, without which small ones may be no numbers.
    half = jnp.exp((log_shc(x) - log_shc(x / depth)) / 2)
    return depth * (roots[:, None] * half) * (roots * half)


def normal_weights(s: Any, depth: Any) -> Array:
    """Return the weights of the columns of Up and Vp, the other eigenvalues of A_{W,N}.

    Parameters
    ----------
    s : array, shape (k,)
        Singular values, positive.

    Returns
    -------
    array, shape (k,)
        s_j^(2-2/N).

    References
    ----------
    Equation (7) and Theorem 3.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import normal_weights
    >>> normal_weights(jnp.array([4.0, 1.0]), 2).tolist()
    [4.0, 1.0]
    """
    s = singular_values(s)
    depth = checked_depth(depth, s.dtype)
    return s ** (2 * (depth - 1) / depth)


describe(tangential_weights, DEPTHS)
describe(normal_weights, DEPTHS)


def singular_values(s: Any) -> Array:
    """Return s as a vector of floating-point numbers."""
    array = jnp.asarray(s)
    if jnp.iscomplexobj(array):
        raise TypeError(f"s must be real singular values, got complex ones of {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"s must be a vector of singular values, got the shape {array.shape}")
    return array * 1.0


def checked_depth(depth: Any, dtype: Any = None) -> Any:
    """Return a depth N >= 1, a float or a traced scalar, of this precision if it is given.

    Raises
    ------
    TypeError, ValueError
        If it is not a finite number >= 1, as far as its value is known.
    """
    if isinstance(depth, jax.core.Tracer):
        if depth.shape != () or not jnp.issubdtype(depth.dtype, jnp.number):
            raise TypeError(
                f"the depth must be a number, got an array of the shape {depth.shape} and dtype "
                f"{depth.dtype}; map over depths by jax.vmap or jax.lax.map"
            )
        return depth.astype(jnp.result_type(float) if dtype is None else dtype)
    if isinstance(depth, Array) and depth.ndim == 0:
        depth = depth.item()
    number = real_depth(depth)
    if math.isinf(number):
        raise ValueError(
            "the depth must be finite here, got inf; the limit of infinite depth is "
            "fixedrank.DepthMetric(math.inf)"
        )
    return number


def is_traced(depth: Any) -> bool:
    """Say whether the value of a depth is not known yet."""
    return isinstance(depth, jax.core.Tracer)


def whole(depth: Any) -> bool:
    """Say whether a depth is known, whole and small."""
    return not is_traced(depth) and depth <= WHOLE and depth == int(depth)


def log_ratios(s: Array) -> Array:
    """Return ln(s_i / s_j) for all pairs."""
    logs = jnp.log(s)
    return logs[:, None] - logs


def log_shc(x: Array) -> Array:
    """Return ln(sinh(x) / x), with right derivatives of all orders at zero too."""
    near = jnp.abs(x) < 1
    square = jnp.where(near, x, 0.0) ** 2
    series = jnp.zeros_like(square)
    for coefficient in _SERIES[::-1]:
        series = series * square + coefficient
    far = jnp.where(near, 1.0, jnp.abs(x))
    beyond = far + jnp.log1p(-jnp.exp(-2 * far)) - jnp.log(2 * far)
    return jnp.where(near, jnp.log1p(square * series), beyond)


def _powers(s: Array, depth: float) -> Array:
    """Return s^(2(N-1)/N), ..., s^(2/N), 1, a column each."""
    exponents = [2 * j / depth for j in range(int(depth) - 1, 0, -1)]
    return jnp.stack([*(s**exponent for exponent in exponents), jnp.ones_like(s)], axis=1)
