"""Products, triangles and decompositions in pieces and by either library, against definitions."""

import math

import mpmath
import numpy as np
import pytest

from fixedrank import _linear_algebra

# On both sides of where another library, or another number of pieces, takes over.
ROWS = [1, 2, 30, 33, 64, 65, 90]
LAYOUTS = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "strided": lambda block: np.repeat(block, 2, axis=1)[:, ::2],
}


def triangle(rows, rng):
    """An upper triangle of good condition."""
    return np.triu(rng.standard_normal((rows, rows)) / rows) + np.diag(rng.uniform(1, 2, rows))


@pytest.mark.parametrize("of_thin", LAYOUTS)
@pytest.mark.parametrize("of_tall", LAYOUTS)
@pytest.mark.parametrize("of_result", LAYOUTS)
@pytest.mark.parametrize(("m", "inner", "k"), [(3000, 20, 20), (1311, 20, 20), (700, 90, 70)])
def test_products_are_added_in_place(m, inner, k, of_result, of_tall, of_thin):
    rng = np.random.default_rng(0)
    start = rng.standard_normal((m, k))
    result = LAYOUTS[of_result](start.copy())
    tall = LAYOUTS[of_tall](rng.standard_normal((m, inner)))
    thin = LAYOUTS[of_thin](rng.standard_normal((inner, k)))
    product = np.einsum("il,lj->ij", tall, thin)
    _linear_algebra.add_product(1.0, result, tall, thin)
    np.testing.assert_allclose(result, start + product, rtol=0, atol=1e-12)
    _linear_algebra.add_product(-1.0, result, tall, thin)
    _linear_algebra.add_product(-1.0, result, tall, thin)
    np.testing.assert_allclose(result, start - product, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("rows", "inner", "columns"),
    [
        *((rows, 20, 20) for rows in (999, 1001, 5001, 6000)),
        *((20, 2001, 20), (9, 9001, 7), (3, 2, 9000), (1, 500_000, 1), (90, 80, 70)),
        *((300, 70, 90), (70, 300, 90), (70, 90, 300)),
    ],
)
def test_products(rows, inner, columns, layout):
    """On both sides of where pieces begin and end, tall or wide."""
    rng = np.random.default_rng(0)
    a = LAYOUTS[layout](rng.standard_normal((rows, inner)))
    b = LAYOUTS[layout](rng.standard_normal((inner, columns)))
    expected = np.einsum("il,lj->ij", a, b)
    np.testing.assert_allclose(_linear_algebra.dot(a, b), expected, rtol=0, atol=1e-11)
    single = _linear_algebra.dot(a.astype("float32"), b.astype("float32"))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=0, atol=0.05)


@pytest.mark.parametrize("size", [0, 1, 9_999, 10_000, 10_001, 25_000])
def test_inner_products(size):
    a, b = np.random.default_rng(0).standard_normal((2, size))
    expected = math.fsum((a * b).tolist())
    assert _linear_algebra.inner(a, b) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("size", [1, 9_999, 10_000, 10_001, 25_000])
def test_vectors_are_combined_in_place(size):
    rng = np.random.default_rng(0)
    target, a, b = rng.standard_normal((3, size))
    expected = 0.3 * target + 2.0 * a - 0.7 * b
    same = target
    _linear_algebra.combine(target, 0.3, (2.0, a), (-0.7, b))
    assert target is same
    np.testing.assert_allclose(target, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("rows", ROWS)
def test_cholesky(rows):
    rng = np.random.default_rng(rows)
    factor = rng.standard_normal((2 * rows + 2, rows))
    gram = factor.T @ factor
    upper = _linear_algebra.cholesky(np.triu(gram))
    np.testing.assert_array_equal(upper, np.triu(upper))
    assert (upper.diagonal() > 0).all()
    np.testing.assert_allclose(upper.T @ upper, gram, rtol=0, atol=1e-12 * gram.max())
    assert _linear_algebra.cholesky(gram - 2 * gram.max() * rows * np.eye(rows)) is None


@pytest.mark.parametrize("rows", ROWS)
def test_triangles(rows):
    rng = np.random.default_rng(rows)
    upper = triangle(rows, rng)
    inverse = _linear_algebra.triangular_inverse(upper)
    np.testing.assert_array_equal(inverse, np.triu(inverse))
    np.testing.assert_allclose(inverse @ upper, np.eye(rows), atol=1e-12)
    for columns in (1, rows, 2 * rows + 40):
        for layout in LAYOUTS.values():
            right = layout(rng.standard_normal((rows, columns)))
            kept = right.copy()
            solution = _linear_algebra.triangular_solve(upper, right)
            np.testing.assert_allclose(upper @ solution, right, atol=1e-12)
            np.testing.assert_array_equal(right, kept)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("rows", "columns"),
    [(5, 7), (20, 20), (409, 20), (410, 20), (2003, 20), (50_001, 3), (300, 200), (4, 0)],
)
@pytest.mark.parametrize("rank", ["full", "one", "a few rows"])
def test_tall_qr(rows, columns, rank, layout):
    """In pieces or not, and where pieces have a rank of their own, or are zero."""
    rng = np.random.default_rng(rows)
    matrix = rng.standard_normal((rows, columns)) * 10.0 ** -np.arange(columns)
    if rank == "one":
        matrix = np.outer(rng.standard_normal(rows), rng.standard_normal(columns))
    elif rank == "a few rows":
        matrix[rng.random(rows) < 0.99] = 0
    matrix = LAYOUTS[layout](matrix)
    kept = matrix.copy()
    q, r = _linear_algebra.tall_qr(matrix)
    np.testing.assert_array_equal(matrix, kept)
    assert q.shape == (rows, min(rows, columns))
    np.testing.assert_array_equal(r, np.triu(r))
    np.testing.assert_allclose(q.T @ q, np.eye(q.shape[1]), rtol=0, atol=1e-13)
    # Column by column to its own size, as Householder QR does it.
    sizes = np.linalg.norm(matrix, axis=0)
    assert (np.linalg.norm(q @ r - matrix, axis=0) <= 1e-13 * sizes).all()


@pytest.mark.parametrize(
    "svd",
    [_linear_algebra.divided_svd, _linear_algebra.iterated_svd, _linear_algebra.rotated_svd],
)
@pytest.mark.parametrize("rows", ROWS)
def test_decompositions(rows, svd):
    matrix = np.random.default_rng(rows).standard_normal((rows, rows))
    u, s, vt = svd(matrix)
    np.testing.assert_allclose((u * s) @ vt, matrix, atol=1e-12)
    assert (np.diff(s) <= 0).all()
    for frame in (u, vt):
        np.testing.assert_allclose(frame.T @ frame, np.eye(rows), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_rotations_keep_small_singular_values(seed):
    """Rows and columns are graded, in any order: each value to its own round-off."""
    rng = np.random.default_rng(seed)
    core = np.eye(5) + 0.1 * rng.standard_normal((5, 5))
    grades = np.geomspace(1, 1e-12, 5)
    matrix = (rng.permutation(grades)[:, None] * core) * rng.permutation(grades)
    with mpmath.workdps(60):
        exact = mpmath.svd_r(mpmath.matrix(matrix.tolist()), compute_uv=False)
        exact = np.array([float(value) for value in exact])
    u, s, vt = _linear_algebra.rotated_svd(matrix)
    np.testing.assert_allclose(s, exact, rtol=1e-12)
    np.testing.assert_allclose(u.T @ u, np.eye(5), atol=1e-13)
    np.testing.assert_allclose((u * s) @ vt, matrix, atol=1e-14)
