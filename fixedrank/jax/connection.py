"""The Christoffel term of the Levi-Civita connection."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from fixedrank._shared_docs import describe
from fixedrank.jax.descriptions import DEPTHS, POINTS
from fixedrank.jax.points import Point, Tangent, require_point, require_tangent
from fixedrank.jax.spectra import power_spectrum


def christoffel(point: Point, a: Tangent, b: Tangent, depth: Any) -> Tangent:
    r"""Return Gamma(a, b), by which the connection differs from that of the embedded metric.

    Parameters
    ----------
    point : Point
        The point W. At a CorePoint there is no formula without its singular vectors: take those.

    Returns
    -------
    Tangent
        The term, symmetric and bilinear in a and b. As the :meth:`fixedrank.FixedRank.christoffel`
        of the library.

    References
    ----------
    :doc:`/mathematics/derivatives`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import Point, Tangent, christoffel
    >>> point = Point(jnp.eye(1), jnp.array([4.0]), jnp.eye(1))
    >>> Z = Tangent(jnp.zeros((1, 1)), jnp.ones((1, 1)), jnp.zeros((1, 1)))
    >>> christoffel(point, Z, Z, 2).m.tolist()  # w = s^(1/2) is a length: s'' = s'^2 / (2 s)
    [[-0.125]]
    """
    require_point(point)
    if not isinstance(point, Point):
        raise TypeError("christoffel takes a Point (u, s, v), in the frames of singular vectors")
    for vector in (a, b):
        require_tangent(point, vector)
    spectrum, parameters = power_spectrum(depth, point.s.dtype)
    order = jnp.argsort(-point.s)
    unit = point.s[order[0]]
    s = point.s[order] / unit
    c = spectrum.tangential(parameters, s)
    first, _ = spectrum.normal_first(parameters, s)
    # -s_i Q[q_i, q_j] / (Q(q_i) c_ij), with Q(q) = q^(N-1).
    weights = -first * s[:, None] / (spectrum.normal(parameters, s)[0][:, None] * c)
    am, bm = a.m[order][:, order] / unit, b.m[order][:, order]
    left, right = am / c, bm / c
    products = _chained(left * s, right) + _chained(right * s, left)
    core = -(spectrum.second(parameters, s, c) * products).sum(axis=1)
    a_up, b_up, a_vp, b_vp = (part[:, order] for part in (a.up / unit, b.up, a.vp / unit, b.vp))
    back = jnp.argsort(order)
    up = a_up @ (weights * bm) + b_up @ (weights * am)
    vp = a_vp @ (weights * bm.T) + b_vp @ (weights * am.T)
    return Tangent(up[:, back], core[back][:, back], vp[:, back])


describe(christoffel, POINTS, DEPTHS)


def _chained(a: Any, b: Any) -> Any:
    """Return a_il b_lj for all i, l, j."""
    return a[:, :, None] * b[None]
