r"""Does a cost(u, s, vt) depend on the product only? Asked of its derivatives, in their own units.

For a function of the product, U^T du = M S and dvt V = S M with one matrix M = U^T G V, and ds is
its diagonal. A term h(s), symmetric in the singular values, adds its slopes to ds and nothing to du
and dvt. A cost that uses U^T U = I or V^T V = I may agree with a function of W on M_k, but adds
any symmetric matrices to U^T du and dvt V.

Round-off looks much the same. How large it is depends on the precision in which the derivatives
were computed, which their digits show, and on terms that have cancelled, which they do not show.
So nothing here is compared with a fixed number, only expressions of the same quantity with each
other:

- where the singular values s_i, s_j are apart, entries by the skew parts of U^T du and V^T dv
  correct those by the product by no more than the expressions of M differ, if that is no noise;
- where they are close, the skew parts are equal: their difference is noise, and shows its size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fixedrank._checks import Array, require_finite
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.tall import column_products, dot

_Triple = tuple[Array, Array, Array]

_SINGLE = float(np.finfo(np.float32).eps)
DOUBLE = float(np.finfo(np.float64).eps)
# Sums of many terms are less precise than these by some ten to a hundred times.
_ROUNDED = 100.0
# How many times the largest mismatch a correction may be; noise over a small gap is far more.
_CORRECTED = 10.0
# Two samples of the same noise differ by less than this, but for one pair in ten thousand.
_SAMPLES = 1e4
# Mismatches up to this, relative to the gradient, are noise of an unknown source.
_MEASURED = 1e-6


def _precision(*triples: Any) -> float:
    """Return the relative precision of derivatives, by their types and by their digits.

    A derivative with respect to u or vt whose numbers are all numbers of float32 comes from a
    computation in float32, also where it is an array of float64.
    """
    result = DOUBLE
    for triple in triples:
        for part in map(np.asarray, triple):
            if part.dtype.kind == "f":
                result = max(result, float(np.finfo(part.dtype).eps))
            if part.ndim == 2 and part.any() and _in_single(part):
                result = max(result, _SINGLE)
    return result


def _in_single(part: Array) -> bool:
    with np.errstate(over="ignore", under="ignore"):
        return bool((part.astype(np.float32) == part).all())


def _agreement(eps: float) -> float:
    """Return up to what, relative to what enters, expressions of one number count as equal."""
    return 0.1 * math.sqrt(eps)


def negligible(eps: float) -> float:
    """Return up to what, relative to the largest of them, numbers are noise of what cancels."""
    return float(eps**0.75)


def _measured(firsts: _Triple, scale: Array) -> float:
    """Return the relative mismatch of three expressions of U^T G V, as far as it may be noise.

    Noise is in all entries: what few of them have is none, so the lowest quarter counts. The
    scale is that of each entry.
    """
    by_left, by_right, diagonal = firsts
    mismatch = np.append(by_left - by_right, by_left.diagonal() - diagonal)
    scale = np.append(scale, scale.diagonal())
    shares = np.divide(np.abs(mismatch), scale, out=np.zeros_like(scale), where=scale > 0)
    typical = float(np.quantile(shares, 0.25))
    return typical if typical <= _MEASURED else 0.0


def _lengths(block: Array) -> Array:
    """Return the Euclidean lengths of the columns, whose squares may be no numbers."""
    largest = float(max(block.max(), -block.min()))
    if not largest > 0:
        return np.zeros(block.shape[1])
    block = block / largest
    return np.asarray(largest * np.sqrt(column_products(block, block)))


def _short_lengths(block: Array) -> Array:
    """Return lengths of columns in one pass; squares may underflow, and a closer look follows."""
    return np.asarray(np.sqrt(column_products(block, block)))


def _differences(by_left: Array, by_right: Array, diagonal: Array) -> Array:
    """Return by how much two expressions differ, and from a third one on the diagonal."""
    difference = np.abs(by_left - by_right)
    on_diagonal = np.abs(by_left.diagonal() - diagonal)
    step = diagonal.size + 1
    difference.flat[::step] = np.maximum(difference.diagonal(), on_diagonal)
    return np.asarray(difference)


def off_diagonal(point: FixedRankPoint, given: Any, derivative: _Triple) -> Array:
    """Return the off-diagonal entries of M = U^T G V where its two expressions may differ.

    With a = skew part of U^T du and b = that of V^T dv: M_ij - M_ji = (a - b) / (s_i + s_j) and
    M_ij + M_ji = (a + b) / (s_j - s_i) for all costs. For functions of the product, and a
    function of s, each entry is (U^T du) S^{-1} or S^{-1} (dvt V), the one that is divided by
    the larger singular value. The triple `given` is the derivative as it came.
    """
    u, s, vt = point
    for name, part in zip(("u", "s", "vt"), derivative, strict=True):
        require_finite(f"the derivative with respect to {name}", part)
    du, ds, dvt = derivative
    column = s[:, None]
    left, right = dot(u.T, du), dot(dvt, vt.T)
    by_left, by_right = left / s, right / column
    product = np.where(column <= s, by_left, by_right)
    scale = float(max(np.abs(ds).max(), (_lengths(du) / s).max(), (_lengths(dvt.T) / s).max()))

    mismatch = _differences(by_left, by_right, ds)
    largest = mismatch.max()
    np.fill_diagonal(mismatch, 0)
    mismatch = np.maximum(mismatch, mismatch.T)

    larger, gap = np.maximum(column, s), s - column
    a, b = left - left.T, right.T - right
    # What the identity (a + b) = (s_j - s_i) (M_ij + M_ji) leaves over, as an entry of M.
    rest = np.abs((a + b) - gap * (product + product.T)) / larger
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        amplified = larger / np.abs(gap)
        correction = np.nan_to_num(rest * amplified, nan=np.inf)
        by_gap = (a + b) / gap / 2 + (a - b) / (column + s) / 2
    eps = _precision(given)
    of_noise = correction > _CORRECTED * largest
    noise = float(rest[of_noise].max(initial=0.0))
    threshold = scale * np.minimum(_ROUNDED * eps * amplified, _agreement(eps))
    with_gap = (mismatch > threshold) & (_ROUNDED * eps * amplified < 1) & ~of_noise
    undetermined = ~with_gap & (mismatch > max(_agreement(eps) * scale, _SAMPLES * noise))
    if undetermined.any():
        i, j = (int(index) for index in np.argwhere(undetermined)[0])
        raise ValueError(
            "the cost is not a function of the product (u * s) @ vt alone (its derivatives with "
            f"respect to u and vt disagree by {mismatch[i, j]:.2e}, gradient scale {scale:.2e}), "
            f"and the singular values s[{i}] = {s[i]:.6e} and s[{j}] = {s[j]:.6e} are too close "
            "for its gradient to be determined by these derivatives; "
            "write the cost in terms of (u * s) @ vt, or give its gradient as an m x n matrix"
        )
    return np.asarray(np.where(with_gap, by_gap, product))


def agree_at_once(s: Array, firsts: _Triple, seconds: _Triple, in_range: Sequence[Array]) -> bool:
    """Say whether derivatives of both orders are those of a function of the product, at a glance.

    Of the two triples each holds the core by du, by dvt, and its diagonal by ds: of G, and of
    D^2 f [Z]. The parts of du, dvt^T and of their changes in the ranges of U and V are no longer
    than whole columns, so that what agrees here agrees in a closer look.
    """
    of_du, of_dvt, right, left = [_short_lengths(block) / s for block in in_range]
    share = _agreement(DOUBLE)
    if not (_differences(*firsts) <= share * max(of_du.max(), of_dvt.max())).all():
        return False
    return bool((_differences(*seconds) <= share * np.add.outer(left, right)).all())


class Slopes(NamedTuple):
    """What a function h(s) adds to ds, h', and what may be noise: in gaps of s, and in h'."""

    values: Array
    width: float
    tolerance: float


def slopes_beyond_product(
    s: Array,
    firsts: _Triple,
    seconds: _Triple,
    blocks: Sequence[Array],
    turns: _Triple,
    vector: FixedRankTangentVector,
    given: Sequence[Any],
) -> Slopes | None:
    """Return ds - diag(U^T G V) for a function of the product and of s; None for the first only.

    A cost of another kind is refused. The blocks are du, dvt^T and their changes along Z, which
    turns the factors by (a, ds, b); `given` are both derivatives as they came.
    """
    (a, moved, b), (up, _, vp) = turns, vector
    of_du, of_dvt, right, left = (_lengths(block) / s for block in blocks)
    g = shown = float(max(of_du.max(), of_dvt.max()))
    # By how much, for G of size 1, the derivatives of vt and u differ from D^2 f [Z].
    stretch = np.abs(moved)
    of_left = _lengths(a) + (_lengths(up) + stretch) / s
    of_right = _lengths(b.T) + (_lengths(vp) + stretch) / s
    h = max(0.0, float((left - g * of_left).max()), float((right - g * of_right).max()))
    # A gradient may be round-off of terms that cancel, about as large as the Hessian times W.
    largest = max(float(max(part.max(), -part.min())) for part in vector)
    cancelled = float(s.max()) * h / largest if largest > 0 else 0.0
    eps = max(_precision(*given), _measured(firsts, np.add.outer(of_dvt, of_du)))
    share = _agreement(eps)
    g += negligible(eps) / share * cancelled
    entering = np.add.outer(left + g * of_left, right + g * of_right)
    # Entries that vanish have the round-off of the largest ones.
    second = np.asarray(share * entering + negligible(eps) * entering.max())

    slopes = np.asarray(firsts[2] - firsts[0].diagonal())
    change = np.abs(seconds[2] - seconds[0].diagonal())
    of_product = (np.abs(slopes) <= share * g).all() and (change <= second.diagonal()).all()
    width = math.sqrt(eps)
    # Slopes in s are no round-off, so that the gradient shows its scale.
    _require_equal("first", *firsts[:2], share * g if of_product else width * shown)
    _require_equal("second", *seconds[:2], second)
    return None if of_product else Slopes(slopes, width, width * shown)


def _require_equal(which: str, by_left: Array, by_right: Array, tolerance: float | Array) -> None:
    """Raise unless two expressions agree, as they do for functions of the product and of s."""
    difference = np.abs(by_left - by_right)
    excess = difference - tolerance
    if not excess.max() <= 0:
        i, j = np.unravel_index(np.argmax(excess), excess.shape)
        raise ValueError(
            f"the {which} derivatives with respect to u and vt disagree by "
            f"{difference[i, j]:.2e} in entry ({i}, {j}), where round-off of "
            f"{np.broadcast_to(tolerance, excess.shape)[i, j]:.2e} may be expected: either the "
            "cost is not a function of the product (u * s) @ vt and of s alone (it uses, say, that "
            "u has orthonormal columns), and then they do not determine its Hessian; or gradient, "
            "Hessian and tangent vector do not belong together. Write the cost in terms of "
            "(u * s) @ vt, and of s where it is a symmetric function of the singular values; or "
            "give gradient and Hessian as m x n matrices"
        )
