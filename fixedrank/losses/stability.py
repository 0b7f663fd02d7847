"""Sharpness, the largest eigenvalue of the Hessian in the layers, and the step size it allows."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from fixedrank._aliases import LayersLike, LossLike, PointLike
from fixedrank._checks import Array, nonnegative_number
from fixedrank._shared_docs import LAYERS, describe
from fixedrank.geometry.factored.points import checked_point
from fixedrank.geometry.metric.depth import known_depth
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.hessian import NetworkHessian
from fixedrank.losses.schatten import split_decay

# Up to this many entries of all layers the Hessian is made a matrix.
_DENSE = 40


def sharpness(
    problem: LossLike,
    factors: LayersLike,
    *,
    weight_decay: float = 0.0,
    rtol: float = 1e-8,
) -> float:
    r"""Return the largest eigenvalue of the Hessian of :math:`L^N` in the layers.

    Gradient descent with a step size eta leaves a minimum whose sharpness exceeds 2 / eta, and near
    others it settles where the sharpness is about that: the edge of stability. Of all layers
    with the same product and no residual, balanced ones have the least:
    :math:`N c\, s_1^{2-2/N}` where :math:`X X^T = c I`, see :func:`edge_of_stability`.

    Parameters
    ----------
    problem : Loss or object with ``loss(W)`` and ``gradient(W)``
        The problem. Its ``hessian_product(W, pair)`` is asked, as by :class:`NetworkHessian`;
        differences of gradients, which serve without one, allow an `rtol` of 1e-6.
    weight_decay : float
        The rate lambda >= 0 of weight decay, which the Hessian of the objective has in addition.
    rtol : float
        How far, relative to it, the value may be from an eigenvalue, by the residual of its vector.

    Returns
    -------
    float
        The sharpness.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit together or with the problem, entries are not finite, an option is out
        of range, or the loss has a :class:`SchattenDecay` of the number of layers.
    RuntimeError
        If Lanczos' method does not come to the tolerance.

    Notes
    -----
    Lanczos' method (ARPACK) on products with the Hessian, from the same vector each time.

    References
    ----------
    J. Cohen, S. Kaur, Y. Li, J. Z. Kolter, A. Talwalkar, Gradient descent on neural networks
    typically occurs at the edge of stability, ICLR 2021.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([4.0, 1.0]))
    >>> layers = [np.diag([2.0, 1.0]), np.diag([2.0, 1.0])]
    >>> round(fixedrank.sharpness(problem, layers), 6)
    8.0
    >>> fixedrank.edge_of_stability((np.eye(2), np.array([4.0, 1.0]), np.eye(2)), 2)
    0.25
    """
    decay, tolerance = nonnegative_number("weight_decay", weight_decay), float(rtol)
    if not 0 < tolerance < 1:
        raise ValueError(f"rtol must lie between 0 and 1, got {rtol!r}")
    hessian = NetworkHessian(problem, factors)
    inside = split_decay(hessian.problem, len(hessian.layers))[1]
    if inside:
        raise ValueError(
            f"a SchattenDecay of depth {len(hessian.layers)} is weight decay of balanced layers "
            "only, and directions leave balance: give "
            f"weight_decay={inside:g} in place of it"
        )
    size = hessian.shape[0]
    if size <= _DENSE:
        matrix = hessian @ np.eye(size)
        return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1]) + decay
    start = np.random.default_rng(0).standard_normal(size)
    start /= np.linalg.norm(start)
    unit = float(np.linalg.norm(hessian @ start))
    if unit == 0:
        return decay

    def product(vector: Array) -> Array:
        # In a unit in which ARPACK's own absolute numbers are small.
        return np.asarray(hessian @ vector) / unit

    scaled = LinearOperator(hessian.shape, matvec=product, dtype=np.float64)
    try:
        found = eigsh(scaled, 1, which="LA", v0=start, tol=tolerance, return_eigenvectors=False)
    except ArpackNoConvergence as error:
        raise RuntimeError(
            f"the sharpness of layers with {size} entries did not come to rtol = {tolerance:g}: "
            "allow more"
        ) from error
    return float(found[0]) * unit + decay


describe(sharpness, LAYERS)


def edge_of_stability(point: PointLike, depth: float | SpectralMetric, *, c: float = 1.0) -> float:
    r"""Return the largest step size with which gradient descent can stay at a solution W.

    :math:`2 / (N c\, s_1^{2-2/N})` for white data, :math:`X X^T = c I`, where W has no residual:
    twice the inverse of the sharpness of balanced layers, and no others are less sharp.

    Parameters
    ----------
    point : FixedRankPoint or tuple (u, s, vt)
        The solution, with arrays of shapes (m, k), (k,), (k, n).
    depth : float
        The number N >= 1 of layers.
    c : float
        The c > 0 of the data.

    Returns
    -------
    float
        The step size.

    Raises
    ------
    TypeError, ValueError
        If the point is none, or a number is out of range.

    Notes
    -----
    A residual and weight decay change the Hessian: ``2 / sharpness(problem, layers)`` then. With
    momentum mu steps may be 1 + mu times as long.

    Why other layers are at least as sharp: the largest eigenvalue is at least the sum over j of
    :math:`c\, |W_{j+1}^T \cdots W_N^T u_1|^2\, |W_{j-1} \cdots W_1 v_1|^2`. Its N terms have a
    geometric mean of at least :math:`c\, s_1^{2-2/N}`, as
    :math:`|W_{j+1}^T \cdots W_N^T u_1|\, |W_j \cdots W_1 v_1| \ge s_1` for all j.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> round(fixedrank.edge_of_stability((np.eye(1), np.array([8.0]), np.eye(1)), 3), 6)
    0.041667
    """
    _, s, _ = checked_point(point)
    number = known_depth(depth, "the edge of stability")
    if not number < np.inf:
        raise ValueError("gradient descent has finitely many layers: give a finite depth")
    if nonnegative_number("c", c) == 0:
        raise ValueError(f"c must be positive, got {c!r}")
    return float(2 / (number * c * s.max() ** (2 - 2 / number)))
