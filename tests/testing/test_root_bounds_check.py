"""check_root_bounds passes on the metrics of depth N, and catches other distances."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixedrank import FixedRank
from fixedrank.testing import check_root_bounds, manifolds, points
from tests.strategies import seeds
from tests.testing.problems import FIXED_RANK, FULL_RANK, failed, failure, name

RAY = "dist(A, c A) over sqrt(N) |R_A - R_cA|"
LOWER = "sqrt(N) dist over |R_A - R_B|"
UPPER = "dist over sqrt(N) times the length of a path of roots"


@pytest.mark.parametrize(
    "manifold", [*FIXED_RANK, FULL_RANK, FixedRank(6, 4, 1, depth=9)], ids=name
)
def test_distances_are_within_the_bounds(manifold):
    report = check_root_bounds(manifold, rng=0)
    assert [finding.name for finding in report] == 2 * [RAY] + 3 * [LOWER, UPPER]
    if manifold.depth == 1:  # there the bounds are one, up to the bend of the manifold
        assert all(abs(finding.measured - 1) < 0.1 for finding in report)


@settings(max_examples=8)
@given(data=st.data(), manifold=manifolds(max_size=4, depths=[1, 2, 2.5, 3]), seed=seeds)
def test_anywhere(data, manifold, seed):
    point = data.draw(points(manifold, low=0.5, high=2.0))
    units = 10.0 ** data.draw(st.integers(-150, 150))
    point = point._replace(s=units * point.s)
    check_root_bounds(manifold, point=point, rng=seed, trials=1, longest_step=0.1)


class Distance(FixedRank):
    """Distances that are off by a factor, but on rays."""

    factor = 1.0

    def dist(self, point_a, point_b):
        on_a_ray = (point_a.u == point_b.u).all()
        return (1.0 if on_a_ray else self.factor) * super().dist(point_a, point_b)


def test_distances_out_of_bounds_are_caught():
    for factor, expected in ((1 / 3.1, LOWER), (3.1, UPPER)):
        manifold = Distance(5, 4, 2, depth=3)
        manifold.factor = factor
        assert set(failed(failure(check_root_bounds, manifold, rng=0))) == {expected}


@pytest.mark.parametrize("depth", [2, 2.9999, 4])
def test_another_depth_is_caught(depth):
    report = failure(check_root_bounds, FixedRank(5, 4, 2, depth=3), depth, rng=0)
    assert RAY in failed(report)


def test_another_metric_is_caught():
    # Of depth 1 where depth 3 is said.
    report = failure(check_root_bounds, FixedRank(5, 4, 2, depth=1), 3, rng=0)
    assert RAY in failed(report)
