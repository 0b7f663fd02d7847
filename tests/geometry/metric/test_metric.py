"""The metric g_W: equation (8), and the laws that follow from it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import FixedRank
from tests.geometry import dense
from tests.strategies import (
    depths,
    entries,
    frames,
    points,
    shapes,
    tangent_vectors,
    well_conditioned_points,
)


@st.composite
def places(draw, depth=None, vectors=2, **bounds):
    """Draw a manifold, a point, and tangent vectors at it."""
    m, n, k = shape = draw(shapes())
    point = draw(points(shape, **bounds))
    manifold = FixedRank(m, n, k, depth=draw(depths()) if depth is None else draw(depth))
    return manifold, point, *(draw(tangent_vectors(point)) for _ in range(vectors))


def term_sum(manifold, point, Z1, Z2):
    """The inner product of the absolute values: round-off is relative to it."""
    return manifold.inner_product(
        point, *(tuple(np.abs(part) for part in vector) for vector in (Z1, Z2))
    )


@given(
    place=places(depth=st.sampled_from([1, 2, 3, 5, 20]), low=0.5, high=2.0),
)
def test_inner_product_is_the_definition(place):
    manifold, point, Z1, Z2 = place
    expected = dense.inner_product(
        dense.matrix(point),
        manifold.k,
        *(dense.tangent(point, Z) for Z in (Z1, Z2)),
        manifold.depth if manifold.depth != int(manifold.depth) else int(manifold.depth),
    )
    bound = 1e-12 * manifold.norm(point, Z1) * manifold.norm(point, Z2)
    assert abs(manifold.inner_product(point, Z1, Z2) - expected) <= bound


@given(place=places())
def test_inner_product_and_operator_belong_together(place):
    manifold, point, Z1, Z2 = place
    solved = manifold.operator(point).solve(Z1)
    expected = sum(np.vdot(a, b) for a, b in zip(solved, Z2, strict=True))
    bound = 200 * dense.EPS * term_sum(manifold, point, Z1, Z2)
    assert abs(manifold.inner_product(point, Z1, Z2) - expected) <= bound


@given(place=places())
def test_symmetry(place):
    manifold, point, Z1, Z2 = place
    difference = manifold.inner_product(point, Z1, Z2) - manifold.inner_product(point, Z2, Z1)
    assert abs(difference) <= 200 * dense.EPS * term_sum(manifold, point, Z1, Z2)


@given(place=places(vectors=3), a=entries(1e-3, 1e3), b=entries(1e-3, 1e3))
def test_bilinearity(place, a, b):
    manifold, point, X, Y, Z = place
    combined = manifold.inner_product(point, a * X + b * Y, Z)
    separate = a * manifold.inner_product(point, X, Z) + b * manifold.inner_product(point, Y, Z)
    terms = abs(a) * term_sum(manifold, point, X, Z) + abs(b) * term_sum(manifold, point, Y, Z)
    assert abs(combined - separate) <= 200 * dense.EPS * terms


@given(place=places(vectors=1))
def test_positivity(place):
    manifold, point, Z = place
    largest = manifold.operator(point).eigenvalues()[-1]
    length = manifold.norm(point, Z)
    assert length >= (1 - 200 * dense.EPS) * dense.factor_norm(Z) / np.sqrt(largest)
    assert length**2 == pytest.approx(manifold.inner_product(point, Z, Z), rel=4 * dense.EPS)


@given(place=places(vectors=1), exponent=st.integers(-20, 20))
def test_scaling(place, exponent):
    manifold, point, Z = place
    c = 2.0**exponent
    scaled = manifold.inner_product((point.u, c * point.s, point.vt), c * Z, c * Z)
    expected = c ** (2 / manifold.depth) * manifold.inner_product(point, Z, Z)
    # Powers of s and of c carry round-off in proportion to their logarithms.
    logs = np.abs(np.log(point.s)).max() + abs(np.log(c))
    assert scaled == pytest.approx(expected, rel=(200 + 10 * logs) * dense.EPS)


@given(place=places())
def test_transposition(place):
    manifold, point, Z1, Z2 = place
    transposed = FixedRank(manifold.n, manifold.m, manifold.k, depth=manifold.depth)
    expected = transposed.inner_product(
        (point.vt.T, point.s, point.u.T),
        (Z1.Vp, Z1.M.T, Z1.Up),
        (Z2.Vp, Z2.M.T, Z2.Up),
    )
    bound = 200 * dense.EPS * term_sum(manifold, point, Z1, Z2)
    assert abs(manifold.inner_product(point, Z1, Z2) - expected) <= bound


@given(data=st.data(), shape=shapes(), depth=depths())
def test_orthogonal_changes_of_the_frames(data, shape, depth):
    m, n, k = shape
    manifold = FixedRank(m, n, k, depth=depth)
    u, s, vt = point = data.draw(points(shape))
    Z = data.draw(tangent_vectors(point))
    left, right = data.draw(frames(m, m)), data.draw(frames(n, n))
    moved = manifold.norm((left @ u, s, vt @ right.T), (left @ Z.Up, Z.M, right @ Z.Vp))
    assert moved == pytest.approx(manifold.norm(point, Z), rel=200 * dense.EPS)


@given(data=st.data(), shape=shapes(), depth=depths())
def test_any_choice_of_singular_vectors_at_a_tie(data, shape, depth):
    m, n, k = shape
    manifold = FixedRank(m, n, k, depth=depth)
    s = np.full(k, 1.5)
    u, v, turn = (data.draw(frames(rows, k)) for rows in (m, n, k))
    point = (u, s, v.T)
    Z = data.draw(tangent_vectors(manifold.point((u * s, v))._replace(u=u, s=s, vt=v.T)))
    turned = (Z.Up @ turn, turn.T @ Z.M @ turn, Z.Vp @ turn)
    length = manifold.norm((u @ turn, s, turn.T @ v.T), turned)
    assert length == pytest.approx(manifold.norm(point, Z), rel=200 * dense.EPS)


@given(place=places(depth=st.just(1)))
def test_depth_one_is_the_frobenius_inner_product(place):
    manifold, point, Z1, Z2 = place
    A, B = (dense.tangent(point, Z) for Z in (Z1, Z2))
    bound = 1e-14 * dense.factor_norm(Z1) * dense.factor_norm(Z2)
    assert abs(manifold.inner_product(point, Z1, Z2) - np.sum(A * B)) <= bound


@given(data=st.data(), shape=shapes(square=True))
def test_infinite_depth_is_the_limit_of_the_scaled_metrics(data, shape):
    n = shape[0]
    point = data.draw(well_conditioned_points((n, n, n)))
    Z = data.draw(tangent_vectors(point, 1e-3, 1e3))
    limit = FixedRank(n, n, n, depth=np.inf).inner_product(point, Z, Z)
    # For s in [1/2, 2] the weights c_ij / N differ from their limit by less than 2 log(4) / N.
    near = 1e6 * FixedRank(n, n, n, depth=1e6).inner_product(point, Z, Z)
    assert near == pytest.approx(limit, rel=3e-6)


def test_an_inner_product_that_overflows_says_so():
    manifold = FixedRank(4, 3, 2, depth=2)
    point = manifold.random_point(rng=0)
    huge = 1e200 * manifold.random_tangent_vector(point, rng=1)
    with pytest.raises(OverflowError, match="above the range of floating point"):
        manifold.inner_product(point, huge, huge)
