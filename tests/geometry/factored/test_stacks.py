"""Stacks of small matrices, against dense products and known singular values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank.geometry.factored import stacks
from fixedrank.geometry.factored.orthonormal import graded_svd, svd_point
from tests.strategies import frames, seeds, shapes, singular_values


@st.composite
def nearly_orthonormal(draw):
    """Draw U (c, m, k), s (c, k), V (c, n, k) and a unit: values 1e-12 to 1, tied or not."""
    m, n, k = draw(shapes())
    count = draw(st.integers(1, 4))
    parts = [
        (draw(frames(m, k)), draw(singular_values(k, 1e-12, 1.0)), draw(frames(n, k)))
        for _ in range(count)
    ]
    u, s, v = map(np.array, zip(*parts, strict=True))
    return u, s, v, draw(st.sampled_from([1e-150, 1.0, 1e150]))


@given(parts=nearly_orthonormal())
def test_small_singular_values_keep_their_digits(parts):
    u, s, v, unit = parts
    cores = unit * s[:, :, None] * np.eye(s.shape[1])
    points = stacks.stacked_points(u, cores, v, graded_svd)
    np.testing.assert_allclose(points.s, unit * np.sort(s)[:, ::-1], rtol=1e-12)
    dense = (u * (unit * s[:, None])) @ v.swapaxes(1, 2)
    sizes = unit * s.max(1)[:, None, None]
    found = (points.u * (points.s[:, None] / sizes)) @ points.vt
    np.testing.assert_allclose(found, dense / sizes, rtol=0, atol=1e-13)


@given(seed=seeds, drift=st.sampled_from([0.0, 1e-6, 0.1, 3.0]), with_core=st.booleans())
def test_points_of_any_factors(seed, drift, with_core):
    """Frames that have drifted by little, and too far for Cholesky's factorisation."""
    rng = np.random.default_rng(seed)
    left, right = (
        np.linalg.qr(rng.standard_normal((3, rows, 2)))[0]
        + drift * rng.standard_normal((3, rows, 2))
        for rows in (5, 4)
    )
    cores = rng.standard_normal((3, 2, 2)) if with_core else None
    points = stacks.stacked_points(left, cores, right)
    dense = (left if cores is None else left @ cores) @ right.swapaxes(1, 2)
    scale = 1 + np.linalg.norm(dense)
    np.testing.assert_allclose(
        (points.u * points.s[:, None]) @ points.vt, dense, atol=1e-13 * scale
    )
    np.testing.assert_allclose(points.s, np.linalg.svd(dense)[1][:, :2], atol=1e-13 * scale)
    for frame in (points.u, points.vt.swapaxes(1, 2)):
        gram = frame.swapaxes(1, 2) @ frame
        np.testing.assert_allclose(gram, np.broadcast_to(np.eye(2), gram.shape), atol=1e-13)


@pytest.mark.parametrize("rows", [4, 6000])
def test_where_the_usual_way_finds_no_decomposition(monkeypatch, rows):
    """Another one is tried; and large factors come one by one in any case."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((3, rows, 2)), rng.standard_normal((3, 5, 2))
    svd = np.linalg.svd

    def failing(matrix, **options):
        if matrix.ndim > 2:
            raise np.linalg.LinAlgError
        return svd(matrix, **options)

    monkeypatch.setattr(np.linalg, "svd", failing)
    points = stacks.stacked_points(left, None, right, svd_point)
    found = (points.u * points.s[:, None]) @ points.vt
    np.testing.assert_allclose(found, left @ right.swapaxes(1, 2), rtol=0, atol=1e-12)


def test_single_products_with_all():
    rng = np.random.default_rng(0)
    stack, matrix = rng.standard_normal((3, 4, 2)), rng.standard_normal((5, 4))
    expected = np.array([matrix @ one for one in stack])
    np.testing.assert_allclose(stacks.matrix_times(matrix, stack), expected, rtol=0, atol=1e-14)
    rows = stack.swapaxes(1, 2)
    found = stacks.times_matrix(rows, matrix.T)
    np.testing.assert_allclose(found, expected.swapaxes(1, 2), rtol=0, atol=1e-14)
    np.testing.assert_allclose(
        stacks.squared_norms(stack), [np.linalg.norm(one) ** 2 for one in stack], rtol=1e-14
    )
