r"""The scalar equation of weight decay, :math:`s + \lambda s^{2/N-1} = b`, and its minimisers.

It is where :math:`(s - b)^2/2 + (\lambda N/2) s^{2/N}` has no slope. With s = b z and
:math:`\mu = \lambda b^{2/N-2}`, a number without a unit, it is :math:`z + \mu z^{2/N-1} = 1`; in
y = ln z its left side is a sum of exponentials, convex, so that Newton's method goes to a root
without crossing it, at any size of b and lambda.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fixedrank._checks import Array, nonnegative_number, real_array, real_depth, require_finite

# Newton's steps halve the error at a double root, and square it elsewhere.
_STEPS = 200


def schatten_threshold(
    b: ArrayLike,
    weight_decay: float,
    depth: float,
    branch: Literal["global", "upper", "lower"] = "global",
) -> Array:
    r"""Return the singular values that weight decay makes of those of white data.

    The minimiser over s of :math:`\tfrac12 (s - b)^2 + \tfrac{\lambda N}{2} |s|^{2/N}`, entry by
    entry: at N = 2 the soft threshold max(b - lambda, 0), at N = 1 b / (1 + lambda). For N > 2 it
    is a jump: zero up to b_t of :attr:`SchattenDecay.maxwell`, and the upper one of the two roots
    of :math:`s + \lambda s^{2/N-1} = b` beyond. For a loss :math:`\tfrac{c}{2} |W - B/c|^2`
    divide b and lambda by c.

    Parameters
    ----------
    b : array_like
        The numbers b, of any shape: singular values, or numbers of both signs.
    weight_decay : float
        lambda >= 0, in units of b^(2 - 2/N).
    depth : float
        The depth N >= 1, finite.
    branch : {"global", "upper", "lower"}
        The minimiser, or a root by itself: for N > 2 the larger one, a local minimum, or the
        smaller one, a local maximum. For N <= 2 there is at most one, the upper one.

    Returns
    -------
    ndarray of float, of the shape of b
        The minimiser, of the sign of b; 0 where 0 and a root are as good. Of a branch the root,
        or NaN where there is none: below b* of :attr:`SchattenDecay.spinodal`, where lambda = 0
        on the lower branch, and everywhere on it for N <= 2.

    Raises
    ------
    TypeError, ValueError
        If b is not finite, the decay negative, the depth infinite, or the branch none of these.

    Notes
    -----
    The roots are exact to round-off of the logarithms of b and lambda, some 1e-13 at 1e150, but
    close to b*, where a change of b moves them by the root of its size. For N > 2 the lower one
    may underflow to 0 where N is close to 2.

    References
    ----------
    L. Ziyin, B. Li, X. Meng, "Exact solutions of a deep linear network", NeurIPS 2022, for
    networks with one output.

    Examples
    --------
    >>> import fixedrank
    >>> fixedrank.schatten_threshold([0.5, 1.0, 3.0], 0.8, 2).round(6)
    array([0. , 0.2, 2.2])
    >>> b = [2.0, 3.0]
    >>> [fixedrank.schatten_threshold(b, 1.0, 4, branch).round(4) for branch in ("global", "upper")]
    [array([0.    , 2.3473]), array([1.    , 2.3473])]
    """
    values = real_array("b", b)
    require_finite("b", values)
    decay = nonnegative_number("weight_decay", weight_decay)
    number = finite_depth(depth)
    if branch not in ("global", "upper", "lower"):
        raise ValueError(f'branch must be "global", "upper" or "lower", got {branch!r}')
    size = np.abs(values.ravel())
    if branch == "global":
        found = np.zeros_like(size)
        worth = size > maxwell(decay, number)[1]
        found[worth] = _roots(size[worth], decay, number, upper=True)
    else:
        found = np.full_like(size, np.nan)
        there = _there(size, decay, number, branch == "upper")
        found[there] = _roots(size[there], decay, number, upper=branch == "upper")
    # Of minus zero it would make minus zero.
    return np.asarray(np.copysign(found.reshape(values.shape), values) + 0.0)


def spinodal(decay: float, depth: float) -> tuple[float, float]:
    """Return (s*, b*): from b* on there are roots; both are equal to s* there.

    Their limits are (0, lambda) at N = 2; below there is a root for every b, from (0, 0) on.
    """
    if decay == 0 or depth <= 2:
        return 0.0, decay if depth == 2 else 0.0
    power = depth / (2 * depth - 2)
    root, size = ((depth - 2) / depth) ** power, decay**power
    return root * size, root * (2 * depth - 2) / (depth - 2) * size


def maxwell(decay: float, depth: float) -> tuple[float, float]:
    """Return (s_t, b_t), where zero and the upper root s_t are as good; limits as of spinodal."""
    if decay == 0 or depth <= 2:
        return 0.0, decay if depth == 2 else 0.0
    power = depth / (2 * depth - 2)
    root, size = (depth - 2) ** power, decay**power
    return root * size, root * (depth - 1) / (depth - 2) * size


def finite_depth(depth: Any) -> float:
    """Return the depth N, a finite real number of at least 1."""
    number = real_depth(depth)
    if math.isinf(number):
        raise ValueError(
            "weight decay needs a finite depth N: the product decays at the rate N lambda, got "
            f"depth = {depth!r}"
        )
    return number


def _there(size: Array, decay: float, depth: float, upper: bool) -> Any:
    if depth <= 2 or decay == 0:
        return (size >= spinodal(decay, depth)[1]) & upper
    return size >= spinodal(decay, depth)[1]


def _roots(b: Array, decay: float, depth: float, *, upper: bool) -> Array:
    """Return the upper or the lower roots for b >= b*."""
    if decay == 0:
        return b
    if depth == 2:
        return b - decay
    power, b_star = 2 / depth - 1, spinodal(decay, depth)[1]
    with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
        log_mu = math.log(decay) + 2 * (1 / depth - 1) * np.log(b)
        outer = np.minimum(0.0, -log_mu / power)
        # Below N = 2 the one root is below both ends; beyond, the least value of the sum parts two.
        turn = (math.log(-power) + log_mu) * depth / (2 * depth - 2) if power < 0 else -np.inf
        low, high = (turn, 0.0 * b if power < 0 else outer) if upper else (outer, turn)
        y = high if upper else low
        for _ in range(_STEPS):
            z, rest = np.exp(y), np.exp(log_mu + power * y)
            step = (z + rest - 1) / (z + power * rest)
            moved = np.clip(y - np.where(np.isfinite(step), step, 0.0), low, high)
            done = np.abs(moved - y) <= 4 * np.finfo(float).eps * np.maximum(1, np.abs(y))
            y = moved
            if done.all():
                break
        found = b * np.exp(y)
    return np.where(b == b_star, spinodal(decay, depth)[0], found)
