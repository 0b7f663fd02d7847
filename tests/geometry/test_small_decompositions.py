"""Decompositions of small matrices where a routine of LAPACK gives up."""

import numpy as np
import pytest

from fixedrank.geometry import orthonormal


class Reluctant:
    """LAPACK, whose divide and conquer never converges."""

    def __init__(self, lapack, refused):
        self.lapack, self.refused = lapack, refused

    def __getattr__(self, name):
        if name not in self.refused:
            return getattr(self.lapack, name)
        return lambda matrix: (matrix, np.full(len(matrix), np.nan), matrix, 1)


@pytest.mark.parametrize("svd", [orthonormal.small_svd, orthonormal.graded_svd])
def test_another_routine_steps_in(monkeypatch, svd):
    lapack = Reluctant(orthonormal.lapack, {"dgesdd"})
    monkeypatch.setattr(orthonormal, "lapack", lapack)
    matrix = np.random.default_rng(0).standard_normal((60, 60))
    u, s, vt = svd(matrix)
    np.testing.assert_allclose((u * s) @ vt, matrix, atol=1e-12)
    np.testing.assert_allclose(s, np.sqrt(np.linalg.eigvalsh(matrix @ matrix.T)[::-1]), rtol=1e-8)


@pytest.mark.parametrize("svd", [orthonormal.small_svd, orthonormal.graded_svd])
def test_where_none_converges_it_is_said(monkeypatch, svd):
    lapack = Reluctant(orthonormal.lapack, {"dgesdd", "dgesvd"})
    monkeypatch.setattr(orthonormal, "lapack", lapack)
    with pytest.raises(np.linalg.LinAlgError, match=r"no SVD of a \(60, 60\) matrix"):
        svd(np.eye(60))
