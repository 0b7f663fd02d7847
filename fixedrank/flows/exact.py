r"""Solutions of the flows in closed form, where the literature has them.

Aligned starts: where W(0) has singular vectors of B that are eigenvectors of C, they never turn,
and each singular value obeys s' = N s^{2-2/N} (b - c s). Two layers and white data: the product of
balanced layers solves a matrix Riccati equation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit, exprel

from fixedrank._aliases import LayersLike, PointLike
from fixedrank._checks import Array, finite_array, real_array
from fixedrank.flows.integration import output_times
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point
from fixedrank.geometry.metric.depth import known_depth
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.regression import LinearRegression, require_regression
from fixedrank.networks.layers import BALANCED, balancedness, relative_imbalance

# How far a start may be from aligned, or data from white, relative to their sizes.
_ALIGNED = 1e-10
# Exponents of e in one part of a solution.
_GROWTH = 100.0
# Exponents of e at which s has come to its limit, and at which it is below floating point.
_CLOSE, _TINIEST = 50.0, 690.0


def aligned_singular_value(
    start: float, b: float, c: float, depth: float | SpectralMetric, t: ArrayLike
) -> Array:
    r"""Return the solution of :math:`\dot s = N s^{2-2/N} (b - c s)`.

    Parameters
    ----------
    start : float
        s(0) > 0.
    b, c : float
        The coefficients, c > 0; s tends to b / c for b > 0 and to 0 otherwise.
    depth : float
        The depth N >= 1.
    t : array_like, shape (times,)
        Times >= 0.

    Returns
    -------
    ndarray, shape (times,)
        s(t), to about 1e-12 relative. For N = 1 it may become negative; for 1 < N < 2 and b < 0 it
        reaches 0 in finite time and stays there.

    Raises
    ------
    TypeError, ValueError
        If a value is out of range or not finite.

    Notes
    -----
    N = 1 is an exponential and N = 2 a logistic curve (Saxe, McClelland and Ganguli, Exact
    solutions to the nonlinear dynamics of learning in deep linear neural networks, 2014). For
    other N the time is an integral over s, by quadrature, which Brent's method inverts.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> np.round(fixedrank.aligned_singular_value(0.1, 3.0, 1.0, 2, [0, 0.5, 5]), 6)
    array([0.1     , 1.227584, 3.      ])
    """
    number = known_depth(depth, "the solution in closed form")
    times = np.atleast_1d(finite_array("t", np.atleast_1d(real_array("t", t)), 1))
    if not (0 < start < math.inf and 0 < c < math.inf and math.isfinite(b)):
        raise ValueError(f"start and c must be positive and finite, got {start}, {c}, b = {b}")
    if math.isinf(number):
        raise ValueError("the flow has no limit for infinite depth: take a finite one")
    if (times < 0).any():
        raise ValueError(f"times must be >= 0, got {times.min()}")
    if start * c == b:
        return np.full(times.shape, float(start))
    if number == 1:
        return np.asarray(start * np.exp(-c * times) - b / c * np.expm1(-c * times))
    if number == 2:
        x = 2 * b * times
        grown = 2 * c * start * times * exprel(-np.abs(x))
        if b > 0:
            return np.asarray(start / (np.exp(-x) + grown))
        return np.asarray(start * np.exp(x) / (1 + grown))
    curve = _below if start < b / c else _above
    return np.array([curve(start, b, c, number, float(time)) for time in times])


def _below(start: float, b: float, c: float, depth: float, time: float) -> float:
    """Return s at a time, from the time as a function of y = ln(s / (b/c - s)).

    There y' = N b s^{1-2/N}: smooth, and linear in the end.
    """
    target = b / c
    initial = math.log(start) - math.log(target - start)

    def slowness(y: float) -> float:
        return math.exp((2 / depth - 1) * (math.log(target) - float(np.logaddexp(0, -y))))

    y = _reached(slowness, initial, depth * b * time, max(initial + 1, _CLOSE))
    return target * float(expit(y))


def _above(start: float, b: float, c: float, depth: float, time: float) -> float:
    """Return s at a time, from the time as a function of x = -ln(1 - b / (c s)) / b.

    There x' = N s^{1-2/N} and s = 1 / (c x phi(-b x)) with phi(z) = (e^z - 1) / z, also for b = 0
    and b < 0.
    """
    initial = -math.log1p(-b / (c * start)) / b if b else 1 / (c * start)

    def log_value(x: float) -> float:
        z = -b * x
        phi = math.log(exprel(z)) if z < 30 else z - math.log(z)
        return -math.log(c * x) - phi

    def slowness(x: float) -> float:
        return math.exp((2 / depth - 1) * log_value(x))

    # As far as s has come to b / c, or is below floating point.
    last = (
        _CLOSE / b if b > 0 else min(_TINIEST / -b, math.exp(700) / c) if b else math.exp(700) / c
    )
    if depth > 2 and b < 0:
        last = min(last, 690 / ((1 - 2 / depth) * -b))
    x = _reached(slowness, initial, depth * time, last)
    return 0.0 if b < 0 and x == last else math.exp(log_value(x))


def _reached(slowness: Any, initial: float, time: float, last: float) -> float:
    """Return where the integral of the slowness reaches a time, or `last`."""
    if time == 0 or initial >= last:
        return initial

    def left(x: float) -> float:
        options = {"epsabs": 0, "epsrel": 1e-13, "limit": 200}
        return float(quad(slowness, initial, x, **options)[0]) - time

    step = time / slowness(initial)
    while initial + step < last:
        if left(initial + step) >= 0:
            break
        step *= 2
    end = min(initial + step, last)
    if left(end) < 0:
        return last
    return float(brentq(left, initial, end, xtol=1e-300, rtol=1e-14, maxiter=200))


def aligned_solution(
    problem: LinearRegression, point: PointLike, depth: float, t: ArrayLike
) -> list[FixedRankPoint]:
    r"""Return the flow (9) from an aligned start, in closed form.

    W(0) = U diag(s) V^T is aligned where C v_i = c_i v_i, B v_i = b_i u_i and B^T u_i = b_i v_i
    for all i: then U and V stay as they are, and :func:`aligned_singular_value` has the rest.

    Parameters
    ----------
    problem : LinearRegression
        The problem.
    point : FixedRankPoint or tuple (u, s, vt)
        The start, with arrays of shapes (m, k), (k,), (k, n).
    depth : float
        The depth N >= 1.
    t : array_like, shape (times,)
        The times, increasing, the first of them that of the start.

    Returns
    -------
    list of FixedRankPoint
        W(t); its singular values are in the order of those of the start.

    Raises
    ------
    TypeError, ValueError
        If the start is not aligned (the message says by how much), does not fit to the problem, or
        leaves M_k, which it may for N < 2, or floating point; if C or B is not an array.

    References
    ----------
    A. M. Saxe, J. L. McClelland, S. Ganguli, Exact solutions to the nonlinear dynamics of learning
    in deep linear neural networks, ICLR 2014.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> start = (np.eye(2), np.array([0.1, 0.1]), np.eye(2))
    >>> np.round(fixedrank.aligned_solution(problem, start, 3, [0, 1])[-1].s, 4)
    array([2.9931, 0.3919])
    """
    _require_arrays(problem)
    u, s, vt = checked_point(point)
    times = output_times(t)
    if (u.shape[0], vt.shape[1]) != problem.shape:
        raise ValueError(
            f"the point is a {(u.shape[0], vt.shape[1])} matrix, the problem has {problem.shape}"
        )
    cv, bv, btu = problem.C @ vt.T, problem.B @ vt.T, problem.B.T @ u
    c, b = np.einsum("ij,ji->j", cv, vt), np.einsum("ij,ij->j", bv, u)
    misses = (
        (np.linalg.norm(cv - vt.T * c), np.linalg.norm(problem.C)),
        (np.linalg.norm(bv - u * b), np.linalg.norm(problem.B)),
        (np.linalg.norm(btu - vt.T * b), np.linalg.norm(problem.B)),
    )
    worst = max(float(miss / size) if size else float(miss) for miss, size in misses)
    if worst > _ALIGNED:
        raise ValueError(
            "the start is not aligned: its singular vectors are not those of B, or not "
            f"eigenvectors of C, up to {worst:.1e} (tolerance {_ALIGNED:.0e}); use riemannian_flow"
        )
    values = np.array(
        [
            aligned_singular_value(float(x), float(y), float(z), depth, times - times[0])
            for x, y, z in zip(s, b, c, strict=True)
        ]
    ).T
    gone = (values <= 0).any(1)
    if gone.any():
        first = times[gone.argmax()]
        if depth >= 2:
            raise ValueError(
                f"before t = {first:.6g} a singular value falls below floating point: take earlier "
                "times"
            )
        raise ValueError(
            f"before t = {first:.6g} a singular value is zero, and at N = {depth:g} the flow "
            f"leaves the matrices of rank {s.size}"
        )
    return [FixedRankPoint(u, row, vt) for row in values]


def two_layer_solution(problem: LinearRegression, factors: LayersLike, t: ArrayLike) -> list[Array]:
    r"""Return the products W(t) = W_2 W_1 of the flow (5) for two balanced layers and white data.

    With R = [W_1^T; W_2] and F = [[0, B^T], [B, 0]] the matrix R R^T solves
    :math:`A' = FA + AF - c A^2` where C = c I, and

    .. math:: A(t) = e^{Ft} R (I + c\, R^T {\textstyle\int_0^t} e^{2F\tau} d\tau\, R)^{-1}
       R^T e^{Ft}, \qquad R = R(0).

    Parameters
    ----------
    problem : LinearRegression
        The problem, with C = X X^T a multiple of the identity.
    factors : sequence of array_like
        Two balanced layers [W_1, W_2].
    t : array_like, shape (times,)
        The times, increasing, the first of them that of the start.

    Returns
    -------
    list of ndarray, shape (d_y, d_x)
        W(t).

    Raises
    ------
    TypeError, ValueError
        If there are not two layers, they are not balanced, the data are not white, or C or B is
        not an array.

    References
    ----------
    K. Fukumizu, Effect of batch learning in multilayer neural networks, ICONIP 1998; L. Braun,
    C. Domine, J. Fitzgerald, A. Saxe, Exact learning dynamics of deep linear networks with prior
    knowledge, NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
    >>> np.round(np.ravel(fixedrank.two_layer_solution(problem, [[[1.0]], [[1.0]]], [0, 1, 5])), 6)
    array([1.      , 2.985201, 3.      ])
    """
    _require_arrays(problem)
    layers = problem.checked_layers(factors)
    times = output_times(t)
    if len(layers) != 2:
        raise ValueError(f"the solution is for two layers, got {len(layers)}")
    if relative_imbalance(layers) > BALANCED:
        raise ValueError(
            f"the layers are not balanced: |W_2^T W_2 - W_1 W_1^T| = {balancedness(layers):.3e}; "
            "start from balanced_factors or random_balanced_factors"
        )
    (d_y, d_x), B = problem.shape, problem.B
    c = float(np.trace(problem.C)) / d_x
    spread = float(np.linalg.norm(problem.C - c * np.eye(d_x), 2))
    if spread > _ALIGNED * c:
        raise ValueError(f"the data are not white: X X^T differs from {c:.6g} I by {spread:.3e}")
    generator = np.block([[np.zeros((d_x, d_x)), B.T], [B, np.zeros((d_y, d_y))]])
    rates, frame = scipy.linalg.eigh(generator)
    stacked = frame.T @ np.vstack((layers[0].T, layers[1]))
    result = [layers[1] @ layers[0]]
    for duration in np.diff(times).tolist():
        # In parts in which nothing leaves floating point.
        parts = max(1, math.ceil(duration * float(rates.max()) / _GROWTH))
        for _ in range(parts):
            stacked = _riccati_step(stacked, rates, c, duration / parts)
        basis = frame @ stacked
        result.append(np.asarray(basis[d_x:] @ basis[:d_x].T))
    return result


def _require_arrays(problem: LinearRegression) -> None:
    require_regression(problem, "a closed form")
    if not (isinstance(problem.C, np.ndarray) and isinstance(problem.B, np.ndarray)):
        raise TypeError(
            "closed forms need C and B as arrays, but the problem holds them as "
            f"{type(problem.C).__name__} and {type(problem.B).__name__}: make it of X and Y as "
            "arrays, or use riemannian_flow or factored_flow"
        )


def _riccati_step(start: Array, rates: Array, c: float, time: float) -> Array:
    """Return a factor of A(t), up to a rotation, from one of A(0); F = diag(rates).

    With Y = sqrt(c int e^{2F}) R = P diag(y) Q^T, A = D P diag(y^2 / (1 + y^2)) P^T D, where
    D = e^{Ft} / sqrt(c int e^{2F}) stays bounded.
    """
    growth, span = rates * time, 2 * np.abs(rates) * time
    mean = np.ones_like(span)
    np.divide(-np.expm1(-span), span, out=mean, where=span > 0)
    root = np.sqrt(c * time * mean)
    left, y = _row_graded_svd((np.exp(np.maximum(growth, 0)) * root)[:, None] * start)
    return np.asarray((np.exp(np.minimum(growth, 0)) / root)[:, None] * left * (y / np.hypot(1, y)))


def _row_graded_svd(matrix: Array) -> tuple[Array, Array]:
    """Return U and s of the thin SVD; rows of very different sizes are sorted before QR."""
    order = np.argsort(-np.linalg.norm(matrix, axis=1), kind="stable")
    q, r, _ = scipy.linalg.qr(matrix[order], mode="economic", pivoting=True)
    left, s, _ = scipy.linalg.svd(r, lapack_driver="gesvd")
    unsorted = np.empty_like(q)
    unsorted[order] = q
    return unsorted @ left, s
