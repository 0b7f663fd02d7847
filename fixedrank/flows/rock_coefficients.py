r"""Coefficients of the stabilised Runge-Kutta method of fourth order.

With s stages its stability polynomial is R(z) = w(z) P(z), |R| <= 0.9501 on the interval of
stability: w of degree 4 with two pairs of complex zeros near z = 0, and P of degree s - 4,
orthogonal with respect to w^2 / sqrt(1 - x^2), x the interval mapped to [-1, 1]. So P has a
three-term recurrence, which makes the first s - 4 stages; four more, whose stability polynomial is
w, make the whole a method of fourth order for nonlinear equations too.

R is of fourth order, R(z) = exp(z) + O(z^5), where its zeros x_i satisfy
sum (a - x_i)^{-p} = 0 for p = 2, 3, 4, with a the image of z = 0. That leaves two of the five
parameters A_1, B_1, A_2, B_2 (the zeros are 1 - (A -+ iB) / s^2) and C (a = 1 + C / s^2) free; they
were chosen to make the interval long under the bound on |R|. 2026-11: found by sequential
quadratic programming for s from 5 to 80, and fitted by polynomials in (5 / s)^2 to 1e-6.
What the fit leaves of the order conditions the last four stages make good.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize
from numpy.polynomial.polynomial import polyval

from fixedrank._checks import Array

# Coefficients of A_1, B_1, A_2, B_2 and C by powers of (5 / s)^2.
_PARAMETERS = np.array(
    [
        [15.242556, 1.6413462, 0.4777035, 0.0365616, 0.0792806, -0.070197, 0.0574374],
        [7.457, 1.2155, 0.1832, -0.0964, 0.1102, 0.0, 0.0],
        [2.8270335, -0.7438278, 0.8770093, 0.0530461, -0.1441016, -0.0439396, 0.0368749],
        [20.2785266, 1.6763039, 0.8348995, 0.1121506, 0.406749, -0.0980236, 0.097678],
        [-1.0925, -0.1334, 0.0992, -0.1758, 0.2515, 0.0, 0.0],
    ]
)
# Abscissae of the second and third of the last four stages, within the interval left to them, and
# where to look for the matrix and the weights of the stages. 2026-11: the fewest evaluations of
# flows at equal error, of those with moderate coefficients. The fourth stage lies at 1.014 to 1.024
# of the step, as it lies beyond the end wherever the second abscissa is above some 0.06;
_ABSCISSAE = (0.15, 0.5)
_GUESS = np.array([1 / 3, -1 / 3, 1, 1, -1, 1, 1 / 8, 3 / 8, 3 / 8, 1 / 8])  # the 3/8 rule
# these lie within the step (the fourth at 0.95), and make three times the error in fast directions.
_ABSCISSAE_WITHIN = (-0.12, 0.45)
_GUESS_WITHIN = np.array([-0.12, 1.5, -1.05, -2.5, 1.95, 1.47, 0.43, -0.25, 0.55, 0.26])
# B-series weights 1 / gamma(tree) of the exact solution, for the trees of orders 1 to 4, which are
# t, [t], [t, t], [[t]], [t, t, t], [t, [t]], [[t, t]], [[[t]]].
_EXACT = np.array([1, 1 / 2, 1 / 3, 1 / 6, 1 / 4, 1 / 8, 1 / 12, 1 / 24])
_BELOW = np.tril_indices(4, -1)
# The tall tree of order 4 has this weight in the estimate of the error.
_ESTIMATE = 1 / 500


class Coefficients(NamedTuple):
    """A method of s stages.

    Attributes
    ----------
    steps : tuple of tuple of float
        (mu, nu, c) of the first s - 4 stages: g_{j+1} = mu h f(t + c h, g_j) + nu g_j +
        (1 - nu) g_{j-1}.
    abscissae : tuple of float
        Times of the last four stages.
    inner : tuple of tuple of float
        Their lower triangular matrix, rows 2 to 4.
    outer : tuple of float
        Their weights.
    estimate : tuple of float
        Weights of the error, for f at the last but one g and at the four stages.
    """

    steps: tuple[tuple[float, float, float], ...]
    abscissae: tuple[float, ...]
    inner: tuple[tuple[float, ...], ...]
    outer: tuple[float, ...]
    estimate: tuple[float, ...]


@lru_cache(maxsize=128)
def coefficients(stages: int, within: bool = False) -> Coefficients:
    """Return the method of so many stages, 5 or more, if asked for one with all within the step."""
    steps, start, before = _before_the_last(stages)
    inner, outer = _last_stages(start, within)
    of_stages, values = _stage_weights(start, inner)
    # What has no part of order three or less in f at these five places estimates the error.
    five = np.array([before, *values])
    estimate = scipy.linalg.null_space(five[:, :4].T / np.abs(five[:, :4]).max(0)[:, None])[:, 0]
    estimate *= _ESTIMATE / (estimate @ five[:, 7])
    return Coefficients(
        steps,
        tuple(float(stage[0]) for stage in of_stages),
        tuple(tuple(row[:i].tolist()) for i, row in enumerate(inner) if i),
        tuple(outer.tolist()),
        tuple(estimate.tolist()),
    )


@lru_cache(maxsize=128)
def _before_the_last(stages: int) -> tuple[tuple[tuple[float, float, float], ...], Array, Array]:
    """Return the steps of the recurrence, the weights after it, and those of h f one stage before.

    Weights are those of the trees.
    """
    first = _first_stages(stages)
    weights = [np.zeros(8)]
    values = [_derivative(weights[0])]
    for mu, nu in first:
        older = weights[-2] if len(weights) > 1 else weights[-1]
        weights.append(mu * values[-1] + nu * weights[-1] + (1 - nu) * older)
        values.append(_derivative(weights[-1]))
    steps = tuple((mu, nu, float(w[0])) for (mu, nu), w in zip(first, weights, strict=False))
    return steps, weights[-1], values[-2]


def _first_stages(stages: int) -> list[tuple[float, float]]:
    """Return (mu, nu) of the recurrence of the polynomials orthogonal with the weight of w."""
    a_1, b_1, a_2, b_2, c = (polyval((5 / stages) ** 2, _PARAMETERS.T) / stages**2).tolist()
    zero = 1 + c
    # Gauss's rule with so many nodes is exact for what is summed here, of degree 2 s - 1 at most;
    # the last beta, of degree 2 s, has no part in the result.
    x = np.cos((2 * np.arange(1, stages + 1) - 1) * np.pi / (2 * stages))
    weight = np.square(((x - 1 + a_1) ** 2 + b_1**2) * ((x - 1 + a_2) ** 2 + b_2**2))
    older, newer = np.zeros(stages), np.full(stages, 1 / math.sqrt(weight.sum()))
    recurrence = []
    beta = 0.0
    for _ in range(stages - 4):
        alpha = float(weight @ (x * newer * newer))
        following = (x - alpha) * newer - beta * older
        before, beta = beta, math.sqrt(weight @ (following * following))
        recurrence.append((alpha, beta, before))
        older, newer = newer, following / beta
    # Ratios of the values at z = 0, and the derivative of log R there, which scales z.
    ratios, ratio, log_slope, log_slope_before = [], math.inf, 0.0, 0.0
    for alpha, beta, before in recurrence:
        following = (zero - alpha - before / ratio) / beta
        numerator = 1 + (zero - alpha) * log_slope - before / ratio * log_slope_before
        log_slope, log_slope_before = numerator / (beta * following), log_slope
        ratio = following
        ratios.append(ratio)
    slope = log_slope
    for a, b in ((a_1, b_1), (a_2, b_2)):
        slope += 2 * (c + a) / ((c + a) ** 2 + b**2)
    return [
        (1 / (slope * beta * ratio), float((zero - alpha) / (beta * ratio)))
        for (alpha, beta, _), ratio in zip(recurrence, ratios, strict=True)
    ]


def _derivative(weights: Array) -> Array:
    """Return the weights of h f(g) for the trees, from those of g."""
    t, chain, cherry, tall = weights[:4].tolist()
    return np.array([1, t, t * t, chain, t**3, t * chain, cherry, tall])


def _stage_weights(start: Array, inner: Array) -> tuple[list[Array], list[Array]]:
    """Return the weights of the stages, and those of h f at them."""
    stages: list[Array] = []
    values: list[Array] = []
    for row in inner:
        terms = (a * value for a, value in zip(row.tolist(), values, strict=False))
        stages.append(start + sum(terms, np.zeros(8)))
        values.append(_derivative(stages[-1]))
    return stages, values


def _last_stages(start: Array, within: bool) -> tuple[Array, Array]:
    """Return the matrix and the weights of four stages that make the method of fourth order."""
    left = 1 - start[0]
    chosen, guess = (_ABSCISSAE_WITHIN, _GUESS_WITHIN) if within else (_ABSCISSAE, _GUESS)

    def unpack(unknowns: Array) -> tuple[Array, Array]:
        inner = np.zeros((4, 4))
        inner[_BELOW] = unknowns[:6]
        return inner, unknowns[6:]

    def residual(unknowns: Array) -> Array:
        inner, outer = unpack(unknowns)
        stages, values = _stage_weights(start, inner)
        sums = start + outer @ np.array(values)
        abscissae = [stages[i + 1][0] - start[0] - left * c for i, c in enumerate(chosen)]
        return np.concatenate((sums - _EXACT, abscissae))

    solution = scipy.optimize.root(residual, left * guess, tol=1e-15)
    return unpack(solution.x)
