"""Decompositions of small matrices where a routine of LAPACK gives up."""

import numpy as np
import pytest

from fixedrank import _linear_algebra
from fixedrank.geometry.factored import orthonormal


def reluctant(monkeypatch, *refused):
    """Let routines of LAPACK never converge, and NumPy neither."""

    class Reluctant:
        def __getattr__(self, name):
            if name not in refused:
                return getattr(lapack, name)
            return lambda matrix: (matrix, np.full(len(matrix), np.nan), matrix, 1)

    def divide(matrix):
        raise np.linalg.LinAlgError("SVD did not converge")

    lapack = _linear_algebra.lapack
    monkeypatch.setattr(_linear_algebra, "lapack", Reluctant())
    monkeypatch.setattr(np.linalg, "svd", divide)


@pytest.mark.parametrize("rows", [20, 60, 80])
@pytest.mark.parametrize("svd", [orthonormal.small_svd, orthonormal.graded_svd])
def test_another_routine_steps_in(monkeypatch, svd, rows):
    reluctant(monkeypatch, "dgesdd")
    matrix = np.random.default_rng(0).standard_normal((rows, rows))
    u, s, vt = svd(matrix)
    np.testing.assert_allclose((u * s) @ vt, matrix, atol=1e-12)
    np.testing.assert_allclose(s, np.sqrt(np.linalg.eigvalsh(matrix @ matrix.T)[::-1]), rtol=1e-8)


@pytest.mark.parametrize("rows", [20, 60, 80])
@pytest.mark.parametrize("svd", [orthonormal.small_svd, orthonormal.graded_svd])
def test_where_none_converges_it_is_said(monkeypatch, svd, rows):
    reluctant(monkeypatch, "dgesdd", "dgesvd")
    with pytest.raises(np.linalg.LinAlgError, match=rf"no SVD of a \({rows}, {rows}\) matrix"):
        svd(np.eye(rows))
