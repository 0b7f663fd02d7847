"""Hypothesis strategies for manifolds with the depth-N metric, their points and tangent vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fixedrank._aliases import PointLike
from fixedrank._checks import Array, positive_integer
from fixedrank._optional import import_extra
from fixedrank._shared_docs import POINTS, describe
from fixedrank.geometry import (
    FixedRank,
    FixedRankPoint,
    FixedRankTangentVector,
)
from fixedrank.geometry.metric.depth import as_metric

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

_PURPOSE = "drawing manifolds, points and tangent vectors"
st = import_extra("hypothesis.strategies", "testing", _PURPOSE)
hnp = import_extra("hypothesis.extra.numpy", "testing", _PURPOSE)

Shape = tuple[int, int, int]
# Depths that cover the special cases; others come in between.
_USUAL = (1, 2, 3, 20, 1000)


def manifolds(
    *,
    max_size: int = 6,
    depths: float | Sequence[float] | SearchStrategy[float] | None = None,
) -> SearchStrategy[FixedRank]:
    """Draw manifolds of matrices that are tall, wide or square, of any rank and depth.

    The rank is 1, min(m, n) or half of that.

    Parameters
    ----------
    max_size : int
        Largest number of rows and columns, at least 2.
    depths : float, sequence of floats, or strategy
        The depth N, what it is chosen from, or a strategy that draws it. By default 1, 2, 3, 20,
        1000, or a real number from 1 to 50. With ``math.inf``, all sizes and the rank are equal.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        A strategy for :class:`fixedrank.FixedRank`.

    Raises
    ------
    ModuleNotFoundError
        Without Hypothesis, which the extra ``fixedrank[testing]`` installs.
    TypeError, ValueError
        If `max_size` or `depths` are not as above.

    Examples
    --------
    >>> from hypothesis import given
    >>> from fixedrank.testing import manifolds
    >>> @given(manifold=manifolds(max_size=8, depths=[2, 3]))
    ... def test_a_law(manifold):
    ...     assert manifold.dim == (manifold.m + manifold.n - manifold.k) * manifold.k
    >>> test_a_law()
    """
    if positive_integer("max_size", max_size) < 2:
        raise ValueError(f"max_size must be at least 2, got {max_size}")
    if depths is None:
        drawn = usual_depths()
    elif isinstance(depths, st.SearchStrategy):
        drawn = depths.map(as_metric)
    else:
        choices = list(depths) if isinstance(depths, Sequence) else [depths]
        if not choices:
            raise ValueError("depths must not be empty")
        for depth in choices:
            as_metric(depth)
        drawn = st.sampled_from(choices)
    return _manifolds(max_size, drawn)


def points(
    manifold: FixedRank, *, low: float = 1e-12, high: float = 1e6
) -> SearchStrategy[FixedRankPoint]:
    """Draw points with singular values that are distinct, tied, partly tied or 1e-12 apart.

    They lie anywhere in [low, high], descending or not. The frames are random, or columns of the
    identity. For checks that take derivatives along curves, choose for example low=1e-3 and
    high=1e3: what happens at 1e-12 beside 1e6 cannot be measured by differences.

    Parameters
    ----------
    manifold : FixedRank
        The manifold.
    low, high : float
        Bounds of the singular values, 0 < low <= high.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        A strategy for :class:`fixedrank.FixedRankPoint`.

    Raises
    ------
    ModuleNotFoundError
        Without Hypothesis, which the extra ``fixedrank[testing]`` installs.
    TypeError, ValueError
        If `manifold` is no FixedRank, or the bounds are not as above.

    Examples
    --------
    >>> import fixedrank
    >>> from hypothesis import given
    >>> from fixedrank.testing import points
    >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
    >>> @given(point=points(manifold, low=1e-3, high=1e3))
    ... def test_a_law(point):
    ...     assert manifold.operator(point).eigenvalues()[0] > 0
    >>> test_a_law()
    """
    _require_manifold(manifold)
    _require_bounds(low, high)
    return fixed_rank_points((manifold.m, manifold.n, manifold.k), low, high)


def tangent_vectors(
    manifold: FixedRank, point: PointLike, *, low: float = 1e-6, high: float = 1e6
) -> SearchStrategy[FixedRankTangentVector]:
    """Draw tangent vectors (Up, M, Vp) with entries of all magnitudes, and with zeros.

    Parameters
    ----------
    manifold : FixedRank
        The manifold.
    low, high : float
        Bounds of the absolute values of those entries that are not zero, 0 < low <= high; those
        of Up and Vp may become smaller where they are made orthogonal to u and vt.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        A strategy for :class:`fixedrank.FixedRankTangentVector`.

    Raises
    ------
    ModuleNotFoundError
        Without Hypothesis, which the extra ``fixedrank[testing]`` installs.
    TypeError, ValueError
        If `manifold` is no FixedRank, `point` is none of its points, or the bounds are not as
        above.

    Examples
    --------
    >>> import fixedrank
    >>> from hypothesis import given, strategies as st
    >>> from fixedrank.testing import points, tangent_vectors
    >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
    >>> @given(data=st.data(), point=points(manifold))
    ... def test_a_law(data, point):
    ...     Z = data.draw(tangent_vectors(manifold, point))
    ...     assert manifold.norm(point, 2 * Z) == 2 * manifold.norm(point, Z)
    >>> test_a_law()
    """
    _require_manifold(manifold)
    _require_bounds(low, high)
    return fixed_rank_tangent_vectors(manifold.check_point(point), low, high)


describe(tangent_vectors, POINTS)


def _require_manifold(manifold: Any) -> None:
    if not isinstance(manifold, FixedRank):
        raise TypeError(f"manifold must be a FixedRank, got {type(manifold).__name__}")


def _require_bounds(low: float, high: float) -> None:
    if not 0 < low <= high < math.inf:
        raise ValueError(f"0 < low <= high < inf is needed, got low={low!r} and high={high!r}")


def usual_depths(smallest: float = 1.0) -> Any:
    """Draw a depth N: one of the special cases, or a real number up to 50."""
    usual = [depth for depth in _USUAL if depth >= smallest]
    return st.sampled_from(usual) | st.floats(smallest, 50)


@st.composite
def shapes(draw: DrawFn, largest: int = 6, square: bool = False) -> Shape:
    """Draw (m, n, k): tall, wide or square, with k = 1, in between, or min(m, n)."""
    low = draw(st.integers(1, largest - 1))
    high = draw(st.integers(low + 1, largest))
    m, n = (low, low) if square else draw(st.sampled_from([(high, low), (low, high), (low, low)]))
    k = draw(st.sampled_from(sorted({1, (low + 1) // 2, low})))
    return m, n, k


@st.composite
def _manifolds(draw: DrawFn, max_size: int, depths: SearchStrategy[float]) -> FixedRank:
    m, n, k = draw(shapes(max_size))
    metric = as_metric(draw(depths))
    if not metric.normal_directions:
        m = n = k
    return FixedRank(m, n, k, metric=metric)


@st.composite
def singular_values(draw: DrawFn, k: int, low: float = 1e-12, high: float = 1e6) -> Array:
    """Draw k values in [low, high]: distinct, tied, partly tied, or 1e-12 apart; in any order."""
    exponents = st.floats(np.log(low), np.log(high))
    s = np.exp(draw(hnp.arrays(float, k, elements=exponents)))
    pattern = draw(st.sampled_from(["as drawn", "tied", "partly tied", "near ties"]))
    if pattern == "tied":
        s[:] = s[0]
    elif pattern == "partly tied":
        s[1::2] = s[: k // 2 * 2 : 2]
    elif pattern == "near ties":
        s = s[0] * (1 + 1e-12 * np.arange(k))
    s = np.clip(np.sort(s)[::-1], low, high)
    return s if draw(st.integers(0, 3)) else s[::-1].copy()


@st.composite
def frames(draw: DrawFn, rows: int, columns: int) -> Array:
    """Draw a matrix with orthonormal columns: random, or columns of the identity."""
    seed = draw(st.integers(0, 2**32 - 1))
    if seed == 0:
        return np.eye(rows, columns)
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((rows, columns)))[0]


@st.composite
def fixed_rank_points(draw: DrawFn, shape: Shape, low: float, high: float) -> FixedRankPoint:
    """Draw a point (u, s, vt) of rank-k matrices of a shape (m, n, k)."""
    m, n, k = shape
    u, v = draw(frames(m, k)), draw(frames(n, k))
    return FixedRankPoint(u, draw(singular_values(k, low, high)), v.T.copy())


def arrays(shape: int | tuple[int, ...], low: float, high: float) -> Any:
    """Draw an array with entries of all magnitudes in [low, high] and either sign, and zeros."""
    return hnp.arrays(float, shape, elements=entries(low, high))


def entries(low: float, high: float) -> Any:
    """Draw a number: zero, or of either sign and any magnitude in [low, high]."""
    return st.just(0.0) | st.floats(low, high) | st.floats(-high, -low)


@st.composite
def fixed_rank_tangent_vectors(
    draw: DrawFn, point: Any, low: float, high: float
) -> FixedRankTangentVector:
    """Draw a tangent vector (Up, M, Vp) at a point, with U^T Up = 0 and V^T Vp = 0."""
    u, s, vt = point
    k = s.size
    up, vp = (_orthogonal_to(basis, draw(arrays(basis.shape, low, high))) for basis in (u, vt.T))
    return FixedRankTangentVector(up, draw(arrays((k, k), low, high)), vp)


def _orthogonal_to(basis: Array, block: Array) -> Array:
    if basis.shape[0] == basis.shape[1]:
        return np.zeros_like(block)
    for _ in range(2):
        block = block - basis @ (basis.T @ block)
    return block
