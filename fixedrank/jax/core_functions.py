r"""The operator and the turns of a full core, with derivatives that are right at ties.

With the SVD S = P diag(s) R^T of the core, M of shape (k, k), weights c, w of the operator and
g_j = s_j w_j / s_j^2, these are

    A_S(M) = P (c o P^T M R) R^T,    R diag(w) R^T, P diag(w) P^T,    T = R diag(g) P^T.

All are smooth in S, though singular vectors are not. The derivative along D is, in the frames P and
R, with H = D S + S D^T, K = D^T S + S D and the second divided differences of P = f^(-1),

    A'_ij = sum_l P[q_i, q_l, q_j] (H_il M_lj / c_il + M_il K_lj / c_lj),

and that of T^T has the entries of the symmetric part of D times (g_i - g_j) / (s_i - s_j), and of
the other one times (g_i + g_j) / (s_i + s_j). No difference of singular values is divided by.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from fixedrank.jax.spectra import Spectrum


class CoreFunctions(NamedTuple):
    """What a core makes of M: A_S(M), the weights of Up and Vp, and the turns T of both sides."""

    image: Array
    up_weights: Array
    vp_weights: Array
    up_turn: Array
    vp_turn: Array


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def core_functions(spectrum: Spectrum, parameters: Any, core: Array, m: Array) -> CoreFunctions:
    """Return the functions of a core S of shape (k, k) at M of the same shape."""
    return _in_frames(spectrum, parameters, m, *_svd(core))


@core_functions.defjvp
def _core_functions_jvp(
    spectrum: Spectrum, primals: Any, tangents: Any
) -> tuple[CoreFunctions, CoreFunctions]:
    (parameters, core, m), (dparameters, dcore, dm) = primals, tangents
    left, s, right = frames = _svd(core)
    functions = _in_frames(spectrum, parameters, m, *frames)
    # In a unit of their own, in which no product of two singular values leaves the range.
    unit = s[0]
    s = s / unit
    there = spectrum.in_unit(parameters, unit)
    depth = spectrum.layers(parameters)
    growth = unit ** (2 * (depth - 1) / depth)
    m, d = left.T @ m @ right, left.T @ (dcore / unit) @ right
    c = spectrum.tangential(there, s)
    h, k = (d * s + s[:, None] * d.T) / c, (d.T * s + s[:, None] * d) / c
    second = spectrum.second(there, s, c)
    image = (second * (h[:, :, None] * m[None] + m[:, :, None] * k[None])).sum(axis=1)
    of_up, of_vp = spectrum.normal_first(there, s)
    up_rates, vp_rates = spectrum.rates(there, s)
    changes = CoreFunctions(
        left @ (growth * image) @ right.T,
        right @ (growth * of_up * k) @ right.T,
        left @ (growth * of_vp * h) @ left.T,
        right @ (growth / unit * _turned(d, s, c, up_rates)).T @ left.T,
        right @ (growth / unit * _turned(d, s, c, vp_rates)).T @ left.T,
    )
    # Linear in M, and in the weights that change with the parameters.
    moved = _in_frames(spectrum, parameters, dm, *frames).image
    changes = changes._replace(image=changes.image + moved)
    if jax.tree.leaves(parameters):
        _, by_parameters = jax.jvp(
            lambda values: _in_frames(spectrum, values, primals[2], *frames),
            (parameters,),
            (dparameters,),
        )
        changes = jax.tree.map(jnp.add, changes, by_parameters)
    return functions, changes


class SolvedCore(NamedTuple):
    """The inverse of the operator: what A_S maps to M, and one over the weights of Up and Vp."""

    preimage: Array
    up_weights: Array
    vp_weights: Array


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def solved_core(spectrum: Spectrum, parameters: Any, core: Array, m: Array) -> SolvedCore:
    """Return the inverse of the operator of a core S at M."""
    left, s, right = _svd(core)
    c = spectrum.tangential(parameters, s)
    up, vp = spectrum.normal(parameters, s)
    return SolvedCore(
        left @ ((left.T @ m @ right) / c) @ right.T, (right / up) @ right.T, (left / vp) @ left.T
    )


@solved_core.defjvp
def _solved_core_jvp(
    spectrum: Spectrum, primals: Any, tangents: Any
) -> tuple[SolvedCore, SolvedCore]:
    (parameters, core, m), (dparameters, dcore, dm) = primals, tangents
    inverse = solved_core(spectrum, parameters, core, m)
    # Of A X = M: A dX = dM - (dA) X, with X in a unit of its own.
    largest = jnp.abs(inverse.preimage).max()
    unit = jnp.where(largest > 0, largest, 1.0)
    _, change = jax.jvp(
        lambda values, s: core_functions(spectrum, values, s, inverse.preimage / unit),
        (parameters, core),
        (dparameters, dcore),
    )
    preimage = solved_core(spectrum, parameters, core, dm - unit * change.image).preimage
    return inverse, SolvedCore(
        preimage,
        -inverse.up_weights @ change.up_weights @ inverse.up_weights,
        -inverse.vp_weights @ change.vp_weights @ inverse.vp_weights,
    )


def _svd(core: Array) -> tuple[Array, Array, Array]:
    left, s, right = jnp.linalg.svd(core)
    return left, s, right.T


def _in_frames(
    spectrum: Spectrum, parameters: Any, m: Array, left: Array, s: Array, right: Array
) -> CoreFunctions:
    c = spectrum.tangential(parameters, s)
    up, vp = spectrum.normal(parameters, s)
    up_rates, vp_rates = spectrum.rates(parameters, s)
    return CoreFunctions(
        left @ (c * (left.T @ m @ right)) @ right.T,
        (right * up) @ right.T,
        (left * vp) @ left.T,
        (right * (s * up_rates)) @ left.T,
        (right * (s * vp_rates)) @ left.T,
    )


def _turned(d: Array, s: Array, c: Array, rates: Array) -> Array:
    """Return the derivative of diag(g), g = s * rates, along D, for descending s."""
    g, sums = s * rates, s[:, None] + s
    # (g_i - g_j) / (s_i - s_j) for s_i >= s_j, where nothing large cancels.
    slopes = rates[:, None] * (1 - g * sums / c)
    upper = np.triu(np.ones((s.size, s.size), dtype=bool))
    slopes = jnp.where(upper, slopes, slopes.T)
    return ((d + d.T) * slopes + (d - d.T) * ((g[:, None] + g) / sums)) / 2
