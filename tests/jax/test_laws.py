"""Laws of the geometry, from drawn points: the ones of the library, by the companion."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from fixedrank.jax import (
    Point,
    Tangent,
    christoffel,
    from_fixedrank,
    inner_product,
    retract_orthographic,
    tangential_weights,
    to_fixedrank,
    to_matrix,
)
from tests.jax.adapter import CompanionManifold, FixedRankPoint, distance
from tests.jax.cases import point_and_vectors, rotation
from tests.strategies import points, seeds, tangent_vectors

# One shape and few depths, so that what is compiled is used again.
SHAPE = (5, 4, 2)
MANIFOLDS = {depth: CompanionManifold(*SHAPE, depth=depth) for depth in (2, 2.5, 20)}
depths = st.sampled_from(sorted(MANIFOLDS))


@st.composite
def drawn(draw, low=1e-12, high=1e6):
    """Draw a manifold, a point with singular values in a range, and two tangent vectors."""
    point = FixedRankPoint(*draw(points(SHAPE, low, high)))
    a, b = (draw(tangent_vectors(point, 1e-3, 1e3)) for _ in range(2))
    return MANIFOLDS[draw(depths)], point, a, b


@given(drawn())
def test_self_adjoint_and_positive(case):
    manifold, point, a, b = case
    lengths = manifold.norm(point, a) * manifold.norm(point, b)
    product = manifold.inner_product(point, a, b)
    assert product == pytest.approx(manifold.inner_product(point, b, a), abs=1e-13 * lengths)
    assert abs(product) <= (1 + 1e-13) * lengths
    if any(part.any() for part in a):
        assert manifold.norm(point, a) > 0


@given(drawn())
def test_the_inverse_undoes_the_operator(case):
    manifold, point, a, _ = case
    for there, back in ((manifold.apply, manifold.solve), (manifold.solve, manifold.apply)):
        for part, other in zip(back(point, there(point, a)), a, strict=True):
            # Entry by entry: weights differ by 1e36.
            np.testing.assert_allclose(part, other, rtol=1e-13)


@given(drawn(low=0.5, high=2.0), seeds)
def test_orthogonal_changes_and_transposition_change_nothing(case, seed):
    manifold, point, a, b = case
    P, A, B = map(from_fixedrank, (point, a, b))
    left, right = rotation(SHAPE[0], seed % 1000), rotation(SHAPE[1], seed % 999)
    product = manifold.inner_product(point, a, b)
    scale = 1e-12 * manifold.norm(point, a) * manifold.norm(point, b)

    def moved(vector):
        return Tangent(left @ vector.up, vector.m, right @ vector.vp)

    there = Point(left @ P.u, P.s, right @ P.v)
    depth = manifold.depth
    assert float(inner_product(there, moved(A), moved(B), depth)) == pytest.approx(
        product, abs=scale
    )
    transposed = [Tangent(vector.vp, vector.m.T, vector.up) for vector in (A, B)]
    turned = inner_product(Point(P.v, P.s, P.u), *transposed, depth)
    assert float(turned) == pytest.approx(product, abs=scale)


@given(drawn(low=0.5, high=2.0), st.sampled_from([1e-140, 1e-6, 1e6, 1e140]))
def test_homogeneous(case, unit):
    """With W and Z in another unit lengths scale by its power 1/N."""
    manifold, point, a, _ = case
    scaled = type(a)(*(unit * part for part in a))
    there = point._replace(s=unit * point.s)
    factor = unit ** (1 / manifold.depth)
    assert manifold.norm(there, scaled) == pytest.approx(
        factor * manifold.norm(point, a), rel=1e-11
    )


@pytest.mark.parametrize("depth", [1.5, 2, 7.3])
def test_the_metric_is_its_integral(depth):
    """1/c_ij is sin(pi/N)/pi times the integral of t^(1/N) / ((t + s_i^2) (t + s_j^2))."""
    s = np.array([2.0, 2.0, 0.3])
    inverse = 1 / tangential_weights(s, depth)
    for i in range(3):
        for j in range(3):

            def integrand(x, i=i, j=j):
                # t = exp(x).
                t = np.exp(x)
                return t ** (1 / depth + 1) / ((t + s[i] ** 2) * (t + s[j] ** 2))

            integral = quad(integrand, -60, 120, limit=200, epsabs=0, epsrel=1e-11)[0]
            assert np.sin(np.pi / depth) / np.pi * integral == pytest.approx(
                float(inverse[i, j]), rel=1e-9
            )


def test_the_christoffel_term_is_symmetric_and_bilinear():
    P, A, B = map(from_fixedrank, point_and_vectors((5, 4, 2), 2.5))
    ab, ba = christoffel(P, A, B, 2.5), christoffel(P, B, A, 2.5)
    assert distance(ab, ba) < 1e-14
    doubled = jax.tree.map(lambda a, b: 2 * a + b, A, B)
    both = jax.tree.map(lambda x, y: 2 * x + y, ab, christoffel(P, B, B, 2.5))
    assert distance(christoffel(P, doubled, B, 2.5), both) < 1e-13


def test_the_orthographic_retraction_differs_by_a_normal_vector():
    P, A, _ = map(from_fixedrank, point_and_vectors((6, 5, 2), 2))
    vector = jax.tree.map(lambda part: part / 4, A)
    moved = to_matrix(retract_orthographic(P, vector))
    rest = np.asarray(moved - to_matrix(P, vector) - to_matrix(P))
    assert np.linalg.norm(rest) > 1e-3
    assert np.abs(rest @ P.v).max() < 1e-14
    assert np.abs(P.u.T @ rest).max() < 1e-14
    assert np.linalg.matrix_rank(to_matrix(retract_orthographic(P, vector))) == 2
    same = retract_orthographic(P, jax.tree.map(jnp.zeros_like, A))
    assert distance(to_matrix(same), to_matrix(P)) < 1e-15


def test_singular_values_may_be_in_any_order():
    """The library keeps them descending; the companion takes them as they are."""
    point, a, b = point_and_vectors((5, 4, 3), 2.5)
    P, A, B = map(from_fixedrank, (point, a, b))
    order = np.array([2, 0, 1])
    there = Point(P.u[:, order], P.s[order], P.v[:, order])

    def moved(vector):
        return Tangent(vector.up[:, order], vector.m[order][:, order], vector.vp[:, order])

    expected = moved(christoffel(P, A, B, 2.5))
    assert distance(christoffel(there, moved(A), moved(B), 2.5), expected) < 1e-14
    assert distance(to_fixedrank(there), point) < 1e-15
