r"""Solutions of the flows in closed form, where the literature has them.

Aligned starts: where W(0) has singular vectors of B that are eigenvectors of C, they never turn,
and each singular value obeys s' = N s^{2-2/N} (b - c s) - N lambda s. Two layers and white data:
the product of balanced layers, or of layers whose imbalance is a multiple of the identity, solves a
matrix Riccati equation.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike
from scipy.special import exprel

from fixedrank._aliases import LayersLike, PointLike
from fixedrank._checks import Array, finite_array, nonnegative_number, real_array
from fixedrank.flows.integration import output_times
from fixedrank.flows.scalar_curves import above, below, decaying
from fixedrank.geometry.factored.points import FixedRankPoint, checked_point
from fixedrank.geometry.metric.depth import known_depth
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.moments import nearest_white
from fixedrank.losses.regression import LinearRegression, require_regression
from fixedrank.networks.unbalanced import imbalance

# How far a start may be from aligned, relative to the data.
_ALIGNED = 1e-10
# Exponents of e in one part of a solution.
_GROWTH = 100.0


def aligned_singular_value(
    start: float,
    b: float,
    c: float,
    depth: float | SpectralMetric,
    t: ArrayLike,
    *,
    weight_decay: float = 0.0,
) -> Array:
    r"""Return the solution of :math:`\dot s = N s^{2-2/N} (b - c s) - N \lambda s`.

    Parameters
    ----------
    start : float
        s(0) > 0.
    b, c : float
        The coefficients, c > 0; without decay s tends to b / c for b > 0 and to 0 otherwise.
    depth : float
        The depth N >= 1.
    t : array_like, shape (times,)
        Times >= 0.
    weight_decay : float
        The rate lambda >= 0 of weight decay of each layer.

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
    other N the time is an integral over s, by quadrature, which Brent's method inverts. With weight
    decay b becomes :math:`b - \lambda` at N = 2 and c becomes :math:`c + \lambda` at N = 1. For
    N > 2 and :math:`\lambda > 0` a small s always dies out, and a large one only where
    :math:`c s + \lambda s^{2/N-1} = b` has no root; near a double root digits are lost, as s hangs
    on b like a square root there.

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
    decay = nonnegative_number("weight_decay", weight_decay)
    if decay and number not in (1, 2):
        return np.array([decaying(start, b, c, number, decay, time) for time in times.tolist()])
    b, c = (b - decay, c) if number == 2 else (b, c + decay)
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
    curve = below if start < b / c else above
    return np.array([curve(start, b, c, number, time) for time in times.tolist()])


def aligned_solution(
    problem: LinearRegression,
    point: PointLike,
    depth: float,
    t: ArrayLike,
    *,
    weight_decay: float = 0.0,
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
    weight_decay : float
        The rate lambda >= 0 of weight decay of each of the N layers.

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
    require_regression(problem, "a closed form")
    u, s, vt = checked_point(point)
    times = output_times(t)
    b, c = aligned_coefficients(problem, u, vt, "riemannian_flow")
    values = np.array(
        [
            aligned_singular_value(*one, depth, times - times[0], weight_decay=weight_decay)
            for one in zip(s.tolist(), b.tolist(), c.tolist(), strict=True)
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


def aligned_coefficients(
    problem: LinearRegression, u: Array, vt: Array, instead: str
) -> tuple[Array, Array]:
    """Return all b_i and c_i with B v_i = b_i u_i, B^T u_i = b_i v_i and C v_i = c_i v_i.

    Raises
    ------
    TypeError, ValueError
        If C or B is not an array, shapes do not fit, or there are none; by how much, and what to
        use `instead`.
    """
    _require_arrays(problem)
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
            f"eigenvectors of C, up to {worst:.1e} (tolerance {_ALIGNED:.0e}); use {instead}"
        )
    return b, c


def two_layer_solution(
    problem: LinearRegression,
    factors: LayersLike,
    t: ArrayLike,
    *,
    weight_decay: float = 0.0,
) -> list[Array]:
    r"""Return the products W(t) = W_2 W_1 of the flow (5) for two layers and white data.

    The layers are balanced, or their imbalance is a multiple of the identity,
    :math:`W_2^T W_2 - W_1 W_1^T = \nu I`, at any hidden width. With R = [W_1^T; W_2] and
    F = [[-c nu / 2 I, B^T], [B, c nu / 2 I]] the matrix R R^T solves
    :math:`A' = FA + AF - c A^2` where C = c I, and

    .. math:: A(t) = e^{Ft} R (I + c\, R^T {\textstyle\int_0^t} e^{2F\tau} d\tau\, R)^{-1}
       R^T e^{Ft}, \qquad R = R(0).

    Parameters
    ----------
    problem : LinearRegression
        The problem, with C = X X^T a multiple of the identity.
    factors : sequence of array_like
        Two layers [W_1, W_2].
    t : array_like, shape (times,)
        The times, increasing, the first of them that of the start.
    weight_decay : float
        The rate lambda >= 0 of weight decay of both layers, for balanced ones: F - lambda I takes
        the place of F. With an imbalance, which then decays in time, there is no closed form.

    Returns
    -------
    list of ndarray, shape (d_y, d_x)
        W(t).

    Raises
    ------
    TypeError, ValueError
        If there are not two layers, their imbalance is no multiple of the identity, or one that
        decays, the data are not white, or C or B is not an array.

    References
    ----------
    K. Fukumizu, Effect of batch learning in multilayer neural networks, ICONIP 1998; L. Braun,
    C. Domine, J. Fitzgerald, A. Saxe, Exact learning dynamics of deep linear networks with prior
    knowledge, NeurIPS 2022; with an imbalance C. Domine et al., From lazy to rich: exact learning
    dynamics in deep linear networks, arXiv:2409.14623.

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
    multiple = _multiple_of_identity(layers)
    decay = nonnegative_number("weight_decay", weight_decay)
    if decay and multiple:
        raise ValueError(
            f"the imbalance W_2^T W_2 - W_1 W_1^T = {multiple:.6g} I decays with weight_decay = "
            f"{decay:g}, and there is no closed form: use factored_flow, or balanced layers"
        )
    (d_y, d_x), B = problem.shape, problem.B
    c, white, spread = nearest_white(problem.C)
    if not white:
        raise ValueError(f"the data are not white: X X^T differs from {c:.6g} I by {spread:.3e}")
    shift = c * multiple / 2
    generator = np.block([[-shift * np.eye(d_x), B.T], [B, shift * np.eye(d_y)]])
    rates, frame = scipy.linalg.eigh(generator)
    rates -= decay
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


def _multiple_of_identity(layers: list[Array]) -> float:
    """Return the imbalance of two layers as a number, zero where they are balanced."""
    found = imbalance(layers)
    if found.homogeneous is None:
        mean = float(np.diagonal(found[0]).mean())
        raise ValueError(
            "the layers are not balanced, and their imbalance W_2^T W_2 - W_1 W_1^T is no multiple "
            f"of the identity: it differs from {mean:.3e} I by {found.defects[0]:.3e}; start from "
            "balanced_factors or random_balanced_factors, or use factored_flow"
        )
    return found.homogeneous[0]


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
