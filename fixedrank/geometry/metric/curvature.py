r"""Sectional curvature of a metric.

Near W, with singular values in descending order, the matrices of rank k are L D R^T in the frame
of W, where L = [I + A; P] and R = [I + B; Q] with A and B strictly lower triangular, and D is
diagonal: A, P, B, Q and D are coordinates. With T(v; w) the second derivative of g(w, w) along the
line of v in them, and their Christoffel symbols at W,

    g(R(x, y) y, x) = -T(y; x)/2 - T(x; y)/2 + T(x, y; x, y) + |Gamma(x, y)|^2
                      - g(Gamma(x, x), Gamma(y, y)).

In orthonormal frames the metric at a core C is <M, f[X, Y](M)> + <P^T P, F(Y)> + <Q^T Q, F(X)>,
where X = C C^T, Y = C^T C, f[., .] is the first divided difference of f and F(x) = (f(x) - f_0)/x,
with f_0 of the left in the first F and of the right in the second: T holds their divided
differences of up to third order.

Straight lines of the embedding would serve as well, and be simpler. But singular values of very
different sizes s_max and s_min bend in them, by powers of s_max / s_min that the curvature does
not hold; here they do not, as in Gaussian elimination with the large pivots first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.tall import sum_of_products
from fixedrank.geometry.factored.units import power, restored_number, unit_vector
from fixedrank.geometry.metric.expansion import AtPoint, Line, Plane
from fixedrank.geometry.metric.products import inner_product, norm
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import point_in_unit

# Tangent vectors of length 1 that differ by less span no plane.
_DEPENDENT = 1e-12


def sectional_curvature(
    point: FixedRankPoint,
    a: FixedRankTangentVector,
    b: FixedRankTangentVector,
    metric: SpectralMetric,
) -> float:
    """Return the curvature of the plane of two vectors, at any scale of W and of them.

    Raises
    ------
    ValueError
        If they span no plane.
    OverflowError
        If the result is beyond the range of floating point.
    """
    # In units of their own: only the curvature itself must fit into floating point.
    unit, there, of_point = point_in_unit(point, metric)
    (a, _), (b, _) = unit_vector(a), unit_vector(b)
    for name, vector in (("first", a), ("second", b)):
        if not any(part.any() for part in vector):
            raise ValueError(f"the {name} tangent vector is zero, so the two span no plane")
    # Orthonormalised first: the curvature of the plane does not change, round-off does.
    a = a / norm(unit, a, there)
    b = b / norm(unit, b, there)
    rest = b - a * inner_product(unit, a, b, there)
    length = norm(unit, rest, there)
    if not length > _DEPENDENT:
        raise ValueError(
            "the two tangent vectors span no plane: after both are brought to length 1, the "
            f"part of the second that is orthogonal to the first has length {length:.2e}"
        )
    value = curvature_form(unit, a, rest / length, there)
    factor, exponent = power(of_point, 0, -2, metric.degree)
    return restored_number("the curvature", value * factor, exponent)


def curvature_form(
    point: FixedRankPoint,
    x: FixedRankTangentVector,
    y: FixedRankTangentVector,
    metric: SpectralMetric,
) -> float:
    """Return g(R(x, y) y, x): the sectional curvature where x and y are orthonormal."""
    order = np.argsort(-point.s)
    x, y = (_sorted(vector, order) for vector in (x, y))
    at = AtPoint(point.s[order], metric)
    plane = Plane(at.s, x, y)
    to_x, to_y, plus, minus = (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0)
    value = 0.0
    for one, other in ((plus, minus), (minus, plus)):
        line = Line(at, plane, one)
        value += (line.second(one) - line.second(other)) / 16
    value -= (Line(at, plane, to_y).second(to_x) + Line(at, plane, to_x).second(to_y)) / 2
    xy, xx, yy = (_christoffel(at, a, b) for a, b in ((x, y), (x, x), (y, y)))
    return value + at.inner_product(xy, xy) - at.inner_product(xx, yy)


def _sorted(vector: FixedRankTangentVector, order: NDArray[np.intp]) -> FixedRankTangentVector:
    """Return the vector in the order of the singular values.

    Up and Vp of square sides are round-off, and have no rows here.
    """
    up, vp = (
        part[:, order] if len(part) > len(order) else np.zeros((0, len(order)))
        for part in (vector.Up, vector.Vp)
    )
    return FixedRankTangentVector(up, vector.M[np.ix_(order, order)], vp)


def _christoffel(
    at: AtPoint, a: FixedRankTangentVector, b: FixedRankTangentVector
) -> FixedRankTangentVector:
    """Return Gamma(a, b) in these coordinates, from sums over l of a_il b_lj and b_il a_lj.

    That of the embedding has the weight h_ilj s_l / f_ij. The lines of these coordinates add
    1 / s_l where l <= i, j, other than i = l = j. Together these are e_ilj / (f_ij s_l), where
    e is the second divided difference of x f(x).
    """
    s, f = at.s, at.f_first
    core = _core(at, a.M, b.M)
    core = 2 * core if a is b else core + _core(at, b.M, a.M)
    left, right = (
        np.where(np.tri(s.size).T, f / s[:, None], side.first * s[:, None]) * side.weights
        for side in (at.left, at.right)
    )
    return FixedRankTangentVector(
        sum_of_products(a.Up, left * b.M, b.Up, left * a.M),
        core / f,
        sum_of_products(a.Vp, right * b.M.T, b.Vp, right * a.M.T),
    )


def _core(at: AtPoint, a: Array, b: Array) -> Array:
    """Return the sums over l of a_il b_lj, of e where l <= i, j without i = l = j, else of h."""
    s = at.s
    lower, diagonal = np.tril(a, -1), np.diag(np.diagonal(a))
    result = at.raised_chain(lower / s, np.triu(b))
    result += at.raised_chain(diagonal / s, np.triu(b, 1))
    result += at.chain(np.triu(a, 1) * s, b)
    result += at.chain(lower * s, np.tril(b, -1))
    result += at.chain(diagonal * s, np.tril(b))
    return result
