"""Best approximations of sparse matrices and operators in any unit, against the dense SVD."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import ArpackError, aslinearoperator

from fixedrank import FixedRank, MatrixCompletion, MatrixSensing, MatrixSum, RankLostError
from fixedrank.geometry.factored import leading

M, N, K = 150, 100, 4
MATRIX = scipy.sparse.random_array(
    (M, N), density=0.05, rng=np.random.default_rng(0), data_sampler=np.random.default_rng(1).normal
).tocsr()
MANIFOLD = FixedRank(M, N, K, depth=2)
KINDS = {
    "sparse": lambda matrix: matrix,
    "operator": aslinearoperator,
    "sum": lambda matrix: MatrixSum(matrix, (np.zeros((M, 1)), np.zeros((N, 1)))),
}
UNITS = [1e-300, 1e-170, 1e-20, 1e-12, 1e-3, 1.0, 1e3, 1e15, 1e160, 1e290]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", UNITS)
def test_in_any_unit(kind, unit, capfd):
    u, s, vt = MANIFOLD.point(KINDS[kind](MATRIX * unit))
    left, values, right = np.linalg.svd(MATRIX.toarray())
    np.testing.assert_allclose(s / unit, values[:K], rtol=1e-12)
    # The gaps between the singular values are some percent of them.
    np.testing.assert_allclose(np.abs(np.diagonal(left[:, :K].T @ u)), 1, rtol=1e-11)
    np.testing.assert_allclose(np.abs(np.diagonal(right[:K] @ vt.T)), 1, rtol=1e-11)
    # LAPACK and ARPACK print what they do not like.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_no_leading_singular_values(kind):
    make = KINDS[kind]
    with pytest.raises(RankLostError, match="rank below k = 4"):
        MANIFOLD.point(make(MATRIX * 0))
    row = np.outer(np.arange(M), MATRIX.toarray()[3])
    for unit in (1e-200, 1.0, 1e200):
        with pytest.raises(RankLostError, match="rank below k = 4"):
            MANIFOLD.point(make(scipy.sparse.csr_array(row * unit)))
    for entry in (np.nan, np.inf):
        spoiled = MATRIX.copy()
        spoiled.data[7] = entry
        with pytest.raises(ValueError, match=r"product of W with a vector has .* NaN or infinite"):
            MANIFOLD.point(make(spoiled))


def test_where_arpack_gives_up(monkeypatch):
    def gives_up(*arguments, **options):
        raise ArpackError(-9999)

    monkeypatch.setattr(leading, "svds", gives_up)
    with pytest.raises(ValueError, match="ARPACK finds no 4 leading singular values of W"):
        MANIFOLD.point(MATRIX)


@pytest.mark.parametrize("unit", UNITS)
def test_spectral_start_of_a_completion(unit):
    rows, cols = MATRIX.nonzero()
    start = MatrixCompletion(rows, cols, MATRIX.data * unit, (M, N)).initial_point(K)
    # The best approximation times the number that makes the loss least.
    left, values, right = np.linalg.svd(MATRIX.toarray())
    W = (left[:, :K] * values[:K]) @ right[:K]
    seen = W[rows, cols]
    scale = np.dot(seen, MATRIX.data) / np.dot(seen, seen)
    np.testing.assert_allclose(start.s / unit, scale * values[:K], rtol=1e-11)


@pytest.mark.parametrize("measurements", [1e-170, 1e-20, 1.0, 1e160])
@pytest.mark.parametrize("values", [1e-130, 1e-20, 1.0, 1e120])
def test_spectral_start_of_a_sensing(measurements, values):
    rng = np.random.default_rng(2)
    matrices, y = rng.standard_normal((60, 8, 6)), rng.standard_normal(60)
    expected = MatrixSensing(matrices, y).initial_point(2).s
    found = MatrixSensing(matrices * measurements, y * values).initial_point(2).s
    np.testing.assert_allclose(found / values * measurements, expected, rtol=1e-12)
