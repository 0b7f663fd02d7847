"""The strategies draw what they say, and all of it."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from fixedrank import FixedRank
from fixedrank.testing import manifolds, points, tangent_vectors

QUICK = settings(
    max_examples=2000, database=None, derandomize=True, deadline=None, phases=[Phase.generate]
)
MANIFOLD = FixedRank(5, 4, 3, depth=2)


def drawn(strategy, condition):
    """Whether the strategy draws something for which the condition holds."""
    return find(strategy, condition, settings=QUICK) is not None


@pytest.mark.parametrize(
    "condition",
    [
        lambda M: M.m > M.n,
        lambda M: M.m < M.n,
        lambda M: M.m == M.n > 1,
        lambda M: M.k == 1 < min(M.m, M.n),
        lambda M: 1 < M.k < min(M.m, M.n),
        lambda M: M.k == min(M.m, M.n) > 1,
        lambda M: max(M.m, M.n) == 6,
        lambda M: M.depth not in (1, 2, 3, 20, 1000),
        *(lambda M, depth=depth: M.depth == depth for depth in (1, 2, 3, 20, 1000)),
    ],
)
def test_all_kinds_of_manifolds(condition):
    assert drawn(manifolds(), condition)


@given(manifold=manifolds(max_size=4, depths=[2, 3.5]))
def test_restricted_manifolds(manifold):
    assert isinstance(manifold, FixedRank)
    assert max(manifold.m, manifold.n) <= 4
    assert manifold.depth in (2, 3.5)


@given(data=st.data())
def test_depths_of_any_kind(data):
    assert data.draw(manifolds(depths=7)).depth == 7
    assert 2 <= data.draw(manifolds(depths=st.floats(2, 3))).depth <= 3
    limit = data.draw(manifolds(depths=math.inf))
    assert limit.m == limit.n == limit.k


@pytest.mark.parametrize(
    "condition",
    [
        lambda s: s[0] == s[1] == s[2],
        lambda s: (s[0] == s[1]) != (s[1] == s[2]),
        lambda s: np.allclose(s[:-1] - s[1:], 1e-12 * s[-1], rtol=1e-2, atol=0),
        lambda s: len(set(s)) == 3 and s[0] > 2 * s[1] > 4 * s[2],
        lambda s: s.min() < 1e-9 and s.max() > 1e3,
        lambda s: s[0] < s[-1],
    ],
    ids=["tied", "partly tied", "near ties", "distinct", "spread", "ascending"],
)
def test_all_kinds_of_singular_values(condition):
    assert drawn(points(MANIFOLD), lambda point: condition(point.s))


def test_all_kinds_of_frames():
    assert drawn(points(MANIFOLD), lambda point: (point.u == np.eye(5, 3)).all())
    assert drawn(points(MANIFOLD), lambda point: (point.u != 0).all())


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), manifold=manifolds())
def test_points_and_vectors_are_on_the_manifold(data, manifold):
    point = data.draw(points(manifold, low=1e-3, high=10))
    manifold.check_point(point)
    assert point.s.min() >= 1e-3
    assert point.s.max() <= 10
    Z = data.draw(tangent_vectors(manifold, point, low=1e-2, high=1e2))
    assert [part.shape for part in Z] == [part.shape for part in manifold.zero_vector(point)]
    tangent = manifold.to_tangent_space(point, Z)
    for part, other in zip(Z, tangent, strict=True):
        np.testing.assert_allclose(part, other, rtol=0, atol=1e-12)
    assert np.abs(Z.M).max() <= 1e2
    assert (np.abs(Z.M)[Z.M != 0] >= 1e-2).all()


@pytest.mark.parametrize(
    "condition",
    [
        lambda Z: np.abs(Z.M).max() > 1e3,
        lambda Z: (np.abs(Z.M[Z.M != 0]) < 1e-3).any(),
        lambda Z: not Z.M.any(),
        lambda Z: Z.Up.any() and not Z.Vp.any(),
        lambda Z: Z.M.any() and Z.Up.any() and Z.Vp.any(),
    ],
)
def test_all_kinds_of_vectors(condition):
    point = MANIFOLD.random_point(rng=0)
    assert drawn(tangent_vectors(MANIFOLD, point), condition)
