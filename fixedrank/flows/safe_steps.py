r"""A step size with which gradient descent on the layers never raises the loss.

The bound on the Hessian of L^N: in directions D_j of total length 1, with all |W_j|_2^2 <= K, the
product moves by W' = sum_j A_j D_j E_j, |W' X|_F^2 <= N K^{N-1} |X|^2, and
|<G, W''>| <= (N-1) K^{N/2-1} |G|_2 with G = W C - B, |G|_2 <= K^{N/2} |X|^2 + |Y X^T|. The page on
step sizes in the documentation proves this, and that K holds along the iteration.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq

from fixedrank._aliases import LayersLike
from fixedrank._checks import nonnegative_number, positive_integer
from fixedrank.losses.moments import spectral_norm
from fixedrank.losses.regression import LinearRegression, require_data, require_regression
from fixedrank.networks.layers import differences, product


def hessian_bound(problem: LinearRegression, square: float, depth: int) -> float:
    r"""Return a bound on the norm of the Hessian of L^N where all layers are bounded.

    :math:`(2N-1) K^{N-1} \|X\|^2 + (N-1) K^{N/2-1} \|Y X^T\|`, in spectral norms.

    Parameters
    ----------
    problem : LinearRegression
        The problem.
    square : float
        K, a bound on the squared spectral norms of all layers.
    depth : int
        The number of layers N.

    Returns
    -------
    float
        The bound.

    Raises
    ------
    TypeError, ValueError
        If K is negative or not finite, or N not a positive integer.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> fixedrank.hessian_bound(problem, 1.0, 2)
    6.0
    """
    n = positive_integer("depth", depth)
    if not 0 <= square < math.inf:
        raise ValueError(f"K must be finite and >= 0, got {square!r}")
    require_regression(problem, "hessian_bound")
    largest = spectral_norm(problem.C)
    bound = (2 * n - 1) * square ** (n - 1) * largest
    if n > 1:
        bound += (n - 1) * square ** (n / 2 - 1) * spectral_norm(problem.B)
    return float(bound)


def safe_step_size(
    problem: LinearRegression, factors: LayersLike, *, weight_decay: float = 0.0
) -> float:
    r"""Return a step size with which gradient descent from here never raises the loss.

    Layers of a loss up to that of the start have a product with :math:`\|W\|_2 \le w`, and with
    Delta the sum of the spectral norms of :math:`W_{j+1}^T W_{j+1} - W_j W_j^T` all of them obey
    :math:`\|W_j\|_2^2 \le K = w^{2/N} + 2 \Delta`. A step eta changes Delta by at most
    :math:`2 \eta^2 \|\nabla L^N\|^2`, in all steps together by 4 eta times the loss above its
    minimum, if eta is at most 1 / L with L the bound on the Hessian for this K. The step returned
    is the largest one that satisfies all this. With weight decay lambda it is the objective that
    never rises, :math:`L^N + \frac{\lambda}{2} \sum_j \|W_j\|_F^2`: it takes the place of the
    loss throughout, and L gains lambda.

    Parameters
    ----------
    problem : LinearRegression
        The problem.
    factors : sequence of array_like
        The start [W_1, ..., W_N].
    weight_decay : float
        The rate lambda >= 0 of weight decay.

    Returns
    -------
    float
        The step size.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit together or with the data, entries are not finite, or the weight decay
        is negative.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    >>> 0 < fixedrank.safe_step_size(problem, [np.eye(2), np.eye(2)]) < 1 / 6
    True
    """
    require_data(problem, "safe_step_size")
    layers = problem.checked_layers(factors)
    depth, decay = len(layers), nonnegative_number("weight_decay", weight_decay)
    defect = sum(float(np.linalg.norm(difference, 2)) for difference in differences(layers))
    # The loss above the residual, without the cancellation of a difference of losses.
    gap = float(np.linalg.norm(product(layers) @ problem.root - problem.Q)) ** 2 / 2
    gap += decay * sum(float(np.vdot(layer, layer)) for layer in layers) / 2
    width = math.sqrt(2 * gap) + float(np.linalg.norm(problem.Q, 2))
    width /= float(np.linalg.norm(problem.root, -2))
    square = width ** (2 / depth) + 2 * defect
    if depth == 1 or square == 0:
        # The same everywhere; or zero layers that stay where they are.
        return 1 / (hessian_bound(problem, 1.0, depth) + decay)
    upper = 1 / (hessian_bound(problem, square, depth) + decay)

    def excess(part: float) -> float:
        drifted = square + 8 * part * upper * gap
        return part * upper * (hessian_bound(problem, drifted, depth) + decay) - 1

    if excess(1.0) <= 0:
        return upper
    return upper * float(brentq(excess, 0.0, 1.0, xtol=1e-300, rtol=1e-13)) * (1 - 1e-12)
