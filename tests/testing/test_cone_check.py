"""check_cone passes on cones, and catches other metrics, geodesics and distances."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymanopt.manifolds import Euclidean, Sphere

from fixedrank import FixedRank
from fixedrank.testing import check_cone, manifolds, points
from tests.strategies import seeds
from tests.testing.problems import FIXED_RANK, FULL_RANK, failed, failure, name

SQUARE, ALONG = "g(E, E) / r^2", "r^2 along a geodesic, over that at its start"
SHORT, LONG = "dist beside |r_1 - r_2|, over r", "dist beside the length of a geodesic, over r"


@pytest.mark.parametrize(
    "manifold", [*FIXED_RANK, FULL_RANK, FixedRank(6, 4, 1, depth=20)], ids=name
)
def test_fixed_rank_is_a_cone(manifold):
    report = check_cone(manifold, rng=1)
    assert len(report.findings) == 1 + 4 * 2 * 3
    assert report.conclusive
    assert any(abs(finding.measured - 1) > 0.1 for finding in report if finding.name == ALONG)


@settings(max_examples=8)
@given(data=st.data(), manifold=manifolds(max_size=4, depths=[1, 2, 2.5, 3]), seed=seeds)
def test_anywhere(data, manifold, seed):
    point = data.draw(points(manifold, low=0.5, high=2.0))
    units = 10.0 ** data.draw(st.integers(-150, 150))
    point = point._replace(s=units * point.s)
    check_cone(manifold, point=point, rng=seed, trials=1, longest_step=0.1)


def test_other_cones_pass():
    assert check_cone(Euclidean(3), np.linalg.norm, lambda x: x, rng=0).passed
    # Euclidean space has no other apex: about another point it is one, too.
    shift = np.array([1.0, 2.0, 3.0])
    away = check_cone(Euclidean(3), lambda x: np.linalg.norm(x - shift), lambda x: x - shift, rng=0)
    assert away.passed


def test_a_sphere_is_no_cone():
    report = failure(
        check_cone,
        Sphere(3),
        lambda x: np.hypot(x[0], x[1]),
        lambda x: Sphere(3).projection(x, np.array([x[0], x[1], 0.0])),
        rng=0,
    )
    assert ALONG in failed(report)


class Metric(FixedRank):
    """A metric that is off by a factor, with the geodesics of the right one."""

    def inner_product(self, point, a, b):
        return 1.0001 * super().inner_product(point, a, b)


class Normal(FixedRank):
    """A metric that is off in normal directions only: no cone of layers."""

    def inner_product(self, point, a, b):
        return super().inner_product(point, a, b) + 0.01 * np.vdot(a.Up / point.s, b.Up / point.s)


class Curves(FixedRank):
    """Curves that are no geodesics."""

    def exp(self, point, tangent_vector):
        return self.retraction(point, tangent_vector)


class OfDepth(FixedRank):
    """Geodesics of another depth."""

    def exp(self, point, tangent_vector):
        return FixedRank(len(point.u), point.vt.shape[1], point.s.size, depth=4).exp(
            point, tangent_vector
        )


class Distance(FixedRank):
    """Distances that are off by a factor."""

    factor = 1.0

    def dist(self, point_a, point_b):
        return self.factor * super().dist(point_a, point_b)


class TooShort(Distance):
    """Distances that are too short."""

    factor = 1 - 1e-5


class TooLong(Distance):
    """Distances that are too long."""

    factor = 1 + 1e-5


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (Metric, SQUARE),
        (Normal, ALONG),
        (Curves, ALONG),
        (OfDepth, ALONG),
        (TooShort, SHORT),
        (TooLong, LONG),
    ],
)
def test_a_wrong_geometry_is_caught(wrong, expected):
    report = failure(check_cone, wrong(5, 4, 2, depth=3), rng=0)
    assert expected in failed(report)
    if wrong in (TooShort, TooLong):
        assert set(failed(report)) == {expected}


def test_a_wrong_radius_is_caught():
    manifold = FixedRank(5, 4, 2, depth=3)
    report = failure(check_cone, manifold, lambda p: math.sqrt(2 * p.s.sum()), rng=0)
    assert SQUARE in failed(report)
    report = failure(check_cone, manifold, lambda p: math.nan, rng=0)
    assert failed(report) == ["radii that are not positive and finite"]
    report = failure(check_cone, manifold, euler=manifold.zero_vector, rng=0)
    assert failed(report) == ["velocities of rays that are zero"]


def test_geodesics_that_end_early_are_halved():
    report = check_cone(FixedRank(3, 3, 2, depth=2), rng=0, longest_step=4.0, trials=1)
    assert "no steps longer than" in str(report)
