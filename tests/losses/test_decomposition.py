"""Data in their own axes are decomposed without an SVD, and as precisely."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import LinearRegression
from fixedrank.losses import decomposition
from fixedrank.losses.samples import samples_of
from tests.strategies import seeds


@given(seed=seeds, unit=st.sampled_from([1e-120, 1.0, 1e120]), spread=st.floats(1, 1e6))
def test_orthogonal_rows(seed, unit, spread):
    rng = np.random.default_rng(seed)
    s = unit * np.geomspace(spread, 1, 3)
    rows = np.linalg.qr(rng.standard_normal((7, 3)))[0].T
    data, labels = s[:, None] * rows, unit * rng.standard_normal((2, 7))
    known = decomposition.decomposed(samples_of(data, labels))
    # Unit vectors, exactly: in any order where lengths are equal.
    np.testing.assert_array_equal(np.sort(known.axes, axis=0), [[0] * 3, [0] * 3, [1] * 3])
    np.testing.assert_allclose(known.scales, s, rtol=1e-14)
    np.testing.assert_allclose(known.labels, labels @ rows.T @ known.axes, atol=1e-14 * unit)
    W = rng.standard_normal((2, 3))
    expected = 0.5 * np.sum((W @ (data / unit) - labels / unit) ** 2)
    assert known.loss(W, np.eye(3)) / unit**2 == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "rows",
    [
        [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]],
        [[2.0, 0.0, 0.0], [1e-9, 1.0, 0.0]],
        [[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 1e-9, 1.0]],
        [[2.0, 1.0], [1.0, -1.9], [1.0, 0.5]],
    ],
    ids=["ascending", "nearly orthogonal", "zero", "the third", "more rows than columns"],
)
def test_as_the_svd_has_it(rows):
    data = np.array(rows)
    known = decomposition.decomposed(samples_of(data, np.ones((1, data.shape[1]))))
    u, s, _ = np.linalg.svd(data, full_matrices=False)
    rank = known.scales.size
    np.testing.assert_allclose(known.scales, s[:rank], rtol=1e-14)
    np.testing.assert_allclose(np.abs(known.axes), np.abs(u[:, :rank]), atol=1e-14)


def test_on_range_decomposes_once(monkeypatch):
    calls, svd = [], scipy.linalg.svd

    def counted(matrix, **options):
        calls.append(matrix.shape)
        return svd(matrix, **options)

    rng = np.random.default_rng(0)
    X = rng.standard_normal((6, 4)) @ rng.standard_normal((4, 30))
    monkeypatch.setattr(scipy.linalg, "svd", counted)
    problem = LinearRegression.on_range(X, X)
    assert calls == [(6, 30)]
    assert problem.shape == (6, 4)


def test_on_range_says_what_overflows():
    X = 1e200 * np.random.default_rng(0).standard_normal((3, 9))
    with pytest.raises(ValueError, match="overflows: the largest entries are"):
        LinearRegression.on_range(X, X)
