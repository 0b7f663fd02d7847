"""The entries of low-rank matrices, by all ways that sizes and densities choose."""

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

from fixedrank.geometry.factored.ambient import as_ambient
from fixedrank.recovery.entries import Entries


def sample(m, n, count, seed=0):
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(m * n, count, replace=False))
    return Entries(*np.divmod(places, n), (m, n))


# Dense in one block, dense in several, sparse in one block, sparse in several, and single lines.
SIZES = [(20, 30, 300), (400, 900, 90_000), (300, 200, 2000), (2000, 1500, 50_000)]
SIZES += [(1, 100_000, 90_000), (100_000, 1, 90_000), (1, 1, 1), (7, 5, 35)]


@pytest.mark.parametrize(("m", "n", "count"), SIZES)
def test_entries_of_a_product(m, n, count):
    entries, rng = sample(m, n, count), np.random.default_rng(1)
    left, right = rng.standard_normal((m, 3)), rng.standard_normal((n, 3))
    expected = (left @ right.T)[entries.rows, entries.cols]
    np.testing.assert_allclose(entries.of_product(left, right), expected, rtol=0, atol=1e-13)
    # A view with strides of its own, as vt.T is one.
    transposed = np.ascontiguousarray(right.T).T
    np.testing.assert_allclose(entries.of_product(left, transposed), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("m", "n", "count"), SIZES)
def test_products_of_the_sparse_matrix(m, n, count):
    entries, rng = sample(m, n, count), np.random.default_rng(1)
    left, right = rng.standard_normal((m, 3)), rng.standard_normal((n, 3))
    values = rng.standard_normal(count)
    gv, gtu = entries.adjoint_products(values, left, right)
    expected_gv, expected_gtu = np.zeros((m, 3)), np.zeros((n, 3))
    np.add.at(expected_gv, entries.rows, values[:, None] * right[entries.cols])
    np.add.at(expected_gtu, entries.cols, values[:, None] * left[entries.rows])
    np.testing.assert_allclose(gv, expected_gv, rtol=0, atol=1e-10)
    np.testing.assert_allclose(gtu, expected_gtu, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("m", "n", "count"), SIZES)
def test_adjoint(m, n, count):
    entries, rng = sample(m, n, count), np.random.default_rng(1)
    values, left, right = (
        rng.standard_normal(count),
        *(rng.standard_normal((size, 2)) for size in (m, n)),
    )
    sparse = entries.adjoint(values)
    assert (sparse.nnz, sparse.has_canonical_format) == (count, True)
    found = np.vdot(left, sparse @ right)
    assert found == pytest.approx(np.vdot(values, entries.of_product(left, right)), rel=1e-10)
    np.testing.assert_array_equal(entries.of_matrix(as_ambient(sparse, (m, n))), values)


def test_operators_with_more_rows_than_a_block():
    entries = sample(900, 500, 3000)
    rng = np.random.default_rng(2)
    left, right = rng.standard_normal((900, 2)), rng.standard_normal((500, 2))
    found = entries.of_matrix(aslinearoperator(left) @ aslinearoperator(right.T))
    np.testing.assert_allclose(found, (left @ right.T)[entries.rows, entries.cols], atol=1e-12)


def test_no_entry():
    entries = Entries(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), (40, 50))
    assert entries.of_product(np.ones((40, 2)), np.ones((50, 2))).size == 0
    assert entries.adjoint(np.empty(0)).nnz == 0


@pytest.mark.parametrize("count", [5, 1500])
def test_rank_zero(count):
    entries = sample(40, 50, count)
    np.testing.assert_array_equal(entries.of_product(np.ones((40, 0)), np.ones((50, 0))), 0)
