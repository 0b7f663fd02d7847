"""check_retraction passes on retractions of either order, and catches what is none."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymanopt.manifolds import (
    Elliptope,
    Euclidean,
    FixedRankEmbedded,
    Grassmann,
    PoincareBall,
    Product,
    Sphere,
    Stiefel,
    SymmetricPositiveDefinite,
)
from pymanopt.manifolds.manifold import Manifold

from fixedrank import FixedRank
from fixedrank.testing import check_retraction, manifolds, points
from tests.strategies import seeds
from tests.testing.problems import DEPTHS, EVERYWHERE, FIXED_RANK, failed, failure, name

START = "|R(0) - W| / |W|"
SLOPE = "slope of |R(t Z) - W - t Z| over t"
VELOCITY = "|d/dt R(t Z) - Z| / |Z| at t = 0"
SLOPE_2 = "slope of |R(t Z) - exp(t Z)| over t"
PARABOLA = "slope of |R(t Z) - W - t Z - t^2 R''/2| over t"
ACCELERATION = "covariant acceleration at t = 0, relative"


@pytest.mark.parametrize("manifold", EVERYWHERE, ids=name)
def test_retractions_pass(manifold):
    for seed in range(2):
        report = check_retraction(manifold, rng=seed)
        assert report[SLOPE].measured > 1.75
        assert report[VELOCITY].measured < 1e-9


@pytest.mark.parametrize(
    "manifold",
    [
        Euclidean(3, 2),
        Sphere(5),
        Stiefel(5, 2, retraction="polar"),
        Grassmann(5, 2),
        SymmetricPositiveDefinite(3),
        PoincareBall(3),
        FixedRankEmbedded(5, 4, 2),
        FixedRank(5, 4, 2, depth=1),
        Product([Sphere(3), SymmetricPositiveDefinite(2)]),
    ],
    ids=name,
)
def test_retractions_of_second_order_pass(manifold):
    for seed in range(2):
        assert check_retraction(manifold, order=2, rng=seed).conclusive


@pytest.mark.parametrize("manifold", FIXED_RANK, ids=name)
def test_the_second_order_retraction_passes(manifold):
    report = check_retraction(manifold, retraction=manifold.second_order_retraction, order=2, rng=0)
    assert report[ACCELERATION].measured < 1e-6


@pytest.mark.parametrize("depth", [1, 2.5])
def test_geodesics_pass(depth):
    manifold = FixedRank(5, 4, 2, depth=depth)
    report = check_retraction(manifold, retraction=manifold.exp, order=2, longest_step=0.01, rng=0)
    assert report[ACCELERATION].measured < 1e-6


@settings(max_examples=15)
@given(data=st.data(), manifold=manifolds(max_size=5), seed=seeds)
def test_the_second_order_retraction_passes_anywhere(data, manifold, seed):
    point = data.draw(points(manifold, low=1e-2, high=1e2))
    check_retraction(
        manifold, retraction=manifold.second_order_retraction, order=2, point=point, rng=seed
    )


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("depth", DEPTHS[1:])
def test_the_metric_projection_is_of_first_order_beyond_depth_one(depth, seed):
    manifold = FixedRank(5, 4, 2, depth=depth)
    report = failure(check_retraction, manifold, order=2, rng=seed)
    assert failed(report) == [ACCELERATION]
    assert report[ACCELERATION].measured > 1e-2


def test_a_geodesic_of_another_depth_is_none():
    manifold, other = (FixedRank(5, 4, 2, depth=depth) for depth in (2, 3))
    check_retraction(manifold, retraction=other.second_order_retraction, rng=0)
    report = failure(
        check_retraction, manifold, retraction=other.second_order_retraction, order=2, rng=0
    )
    assert failed(report) == [ACCELERATION]


@pytest.mark.parametrize("seed", range(2))
def test_the_qr_retraction_is_of_first_order(seed):
    report = failure(check_retraction, Stiefel(5, 2), order=2, rng=seed)
    assert failed(report) == [SLOPE_2, ACCELERATION]
    assert report[SLOPE_2].measured == pytest.approx(2, abs=0.1)
    assert "the retraction is of first order" in str(report)


def test_qr_on_grassmann_is_of_second_order():
    # Its frames leave those of the geodesic like t^2, but the subspaces do not.
    report = check_retraction(
        Grassmann(5, 2), retraction=lambda Y, Z: np.linalg.qr(Y + Z)[0], order=2, rng=0
    )
    assert report[SLOPE_2].measured == pytest.approx(3, abs=0.1)


def normalised(x):
    return x / np.linalg.norm(x)


SPHERE = Sphere(5)
AXIS = np.eye(5)[0]


@pytest.mark.parametrize(
    ("retraction", "names", "text"),
    [
        (lambda p, Z: normalised(p + Z / 2), [SLOPE, VELOCITY], "off by a factor 0.500"),
        (lambda p, Z: normalised(p - Z), [SLOPE, VELOCITY], "the wrong sign"),
        (lambda p, Z: p, [SLOPE, VELOCITY], "is zero"),
        (lambda p, Z: normalised(p + Z[::-1]), [SLOPE, VELOCITY], "another direction than Z"),
        (lambda p, Z: normalised(p + 1e-3 * AXIS + Z), None, "does not start at the point"),
    ],
    ids=["half", "backwards", "still", "elsewhere", "displaced"],
)
def test_what_is_no_retraction(retraction, names, text):
    report = failure(check_retraction, SPHERE, retraction=retraction, rng=0)
    if names is None:
        assert START in failed(report)
    else:
        assert failed(report) == names
    assert text in str(report)


def test_what_leaves_the_manifold():
    manifold = FixedRank(5, 4, 2, depth=2)

    def careless(point, Z):
        du, ds, dvt = manifold.embedding(point, Z)
        u, s, vt = point
        return u + du, s + ds, vt + dvt

    report = failure(check_retraction, manifold, retraction=careless, longest_step=0.1, rng=0)
    assert failed(report) == ["points R(t Z) that are not on the manifold"]
    assert "orthonormal" in str(report)


@pytest.mark.parametrize("order", [1, 2])
def test_what_is_no_point(order):
    report = failure(check_retraction, SPHERE, retraction=lambda p, Z: p[:4], order=order, rng=0)
    assert failed(report) == ["parts of R(0) with a wrong shape"]


def test_exp_is_not_compared_with_itself():
    # Stretched on the way, so that it is no geodesic.
    class Stretched(Sphere):
        def exp(self, point, tangent_vector):
            return super().exp(point, tangent_vector * (1 + tangent_vector.sum()))

    manifold = Stretched(5)
    for exp in (manifold.exp, functools.partial(manifold.exp)):
        assert check_retraction(manifold, retraction=exp, rng=0).passed
        report = failure(check_retraction, manifold, retraction=exp, order=2, rng=0)
        assert failed(report) == [ACCELERATION]


def test_a_curve_without_a_second_derivative():
    # Central differences see nothing of |t| t.
    class Hasty(Sphere):
        def exp(self, point, tangent_vector):
            return super().exp(point, tangent_vector * (1 + np.linalg.norm(tangent_vector)))

    manifold = Hasty(5)
    report = failure(check_retraction, manifold, retraction=manifold.exp, order=2, rng=0)
    assert failed(report) == [PARABOLA]
    assert "no second derivative" in str(report)


# Manifolds whose points are not arrays, nor have matrices


class Pairs(Manifold):
    """The plane, its points and vectors as two arrays with one entry each."""

    def __init__(self):
        super().__init__("Plane", 2, point_layout=2)

    def inner_product(self, point, a, b):
        return float(a[0][0] * b[0][0] + a[1][0] * b[1][0])

    def norm(self, point, a):
        return self.inner_product(point, a, a) ** 0.5

    def projection(self, point, vector):
        return vector

    def random_point(self):
        return tuple(np.random.default_rng(0).standard_normal((2, 1)))

    def random_tangent_vector(self, point):
        return tuple(np.random.default_rng(1).standard_normal((2, 1)))

    def zero_vector(self, point):
        return (np.zeros(1), np.zeros(1))

    def retraction(self, point, Z):
        return point[0] + Z[0], point[1] + Z[1]


class WithLog(Pairs):
    def log(self, a, b):
        return b[0] - a[0], b[1] - a[1]


class WithDistance(Pairs):
    exp = Pairs.retraction

    def dist(self, a, b):
        return np.hypot(a[0] - b[0], a[1] - b[1])[0]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("manifold", [WithLog(), WithDistance()], ids=["log", "dist"])
def test_points_are_compared_by_what_there_is(manifold, order):
    assert check_retraction(manifold, order=order, rng=0).conclusive

    def bent(point, Z):
        return point[0] + Z[0] + Z[1] ** 2, point[1] + Z[1]

    assert check_retraction(manifold, retraction=bent, rng=0).conclusive
    assert SLOPE_2 in failed(failure(check_retraction, manifold, retraction=bent, order=2, rng=0))

    def half(point, Z):
        return point[0] + Z[0] / 2, point[1] + Z[1]

    assert SLOPE in failed(failure(check_retraction, manifold, retraction=half, rng=0))


class Circle(Manifold):
    """The unit circle, its tangent vectors as angles: arrays of another shape than points."""

    def __init__(self):
        super().__init__("Circle", 1)

    def inner_product(self, point, a, b):
        return float(a @ b)

    def norm(self, point, a):
        return float(abs(a[0]))

    def projection(self, point, vector):
        return np.array([point[0] * vector[1] - point[1] * vector[0]])

    def random_point(self):
        return np.array([0.6, 0.8])

    def random_tangent_vector(self, point):
        return np.array([-1.0])

    def zero_vector(self, point):
        return np.zeros(1)

    def retraction(self, point, Z):
        c, s = np.cos(Z[0]), np.sin(Z[0])
        return np.array([c * point[0] - s * point[1], s * point[0] + c * point[1]])

    def log(self, a, b):
        return np.array([np.arctan2(a[0] * b[1] - a[1] * b[0], a @ b)])


def test_vectors_of_another_shape_than_points():
    circle = Circle()
    assert check_retraction(circle, order=2, rng=0).conclusive
    report = failure(
        check_retraction, circle, retraction=lambda p, Z: circle.retraction(p, 2 * Z), rng=0
    )
    assert failed(report) == [SLOPE, VELOCITY]


def test_what_is_missing_is_said():
    with pytest.raises(TypeError, match=r"needs to_matrix.*or log, or both dist and exp"):
        check_retraction(Pairs(), rng=0)
    with pytest.raises(TypeError, match=r"order=2 needs .* no christoffel"):
        check_retraction(Elliptope(4, 2), order=2, rng=0)
