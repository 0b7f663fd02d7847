"""Data, layers and limits of the settings, against the paper's text with dense matrices."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from fixedrank import balancedness, product
from fixedrank.paper import Setting
from tests.geometry.dense import matrix

SUPERVISED = Setting("supervised", "balanced", 12, 3, 5, 10.0)
AUTOENCODER = Setting("autoencoder", "gaussian", 11, 6, 4, 10.0, "nearest")


def test_supervised_limit_is_the_critical_point_and_the_true_parameters():
    X, Y, problem, _, limit, true, tail = SUPERVISED.instance(3)
    assert X.shape == (12, 36)
    root = np.linalg.inv(np.real(sqrtm(X @ X.T)))
    u, s, vt = np.linalg.svd(Y @ X.T @ root)
    assert s[3] < 1e-12 * s[0]
    expected = (u[:, :3] * s[:3]) @ vt[:3] @ root
    np.testing.assert_allclose(matrix(limit), expected, atol=1e-11)
    np.testing.assert_allclose(matrix(true), expected, atol=1e-11)
    assert np.linalg.matrix_rank(matrix(true)) == 3
    assert tail == 0
    assert problem.loss(matrix(true)) < 1e-20


def test_autoencoder_limit_is_the_projection_to_the_principal_components():
    X, Y, problem, _, limit, true, tail = AUTOENCODER.instance(0)
    u, s, _ = np.linalg.svd(X)
    np.testing.assert_allclose(matrix(limit), u[:, :6] @ u[:, :6].T, atol=1e-12)
    assert tail == pytest.approx(np.sqrt((s[6:] ** 2).sum()), rel=1e-12)
    assert np.sqrt(2 * problem.loss(matrix(limit))) == pytest.approx(tail, rel=1e-12)
    assert true is None
    assert np.array_equal(X, Y)


def test_layers_have_the_widths_of_the_grid():
    # r + (d - r)(j - 1)/(N - 1): 3, 5.25, 7.5, 9.75, 12 and 6, 7.67, 9.33, 11.
    shapes = [factor.shape for factor in SUPERVISED.instance(0).factors]
    assert shapes == [(3, 12), (6, 3), (8, 6), (10, 8), (12, 10)]
    shapes = [factor.shape for factor in AUTOENCODER.instance(0).factors]
    assert shapes == [(6, 11), (8, 6), (9, 8), (11, 9)]


def test_starts():
    balanced = SUPERVISED.instance(0).factors
    assert balancedness(balanced) < 1e-13
    values = np.linalg.svd(product(balanced), compute_uv=False)
    np.testing.assert_allclose(values[:3], 1, rtol=1e-13)
    large = Setting("autoencoder", "gaussian", 100, 50, 3, 1.0).instance(0)
    for factor in large.factors:
        assert np.std(factor) * np.sqrt(factor.shape[0]) == pytest.approx(1, abs=0.05)
        assert abs(np.mean(factor)) < 0.01
    assert np.std(large.X) * np.sqrt(100) == pytest.approx(1, abs=0.02)


def test_what_curves_share():
    """X depends on d and the seed, the true layers on neither start nor time."""
    gaussian = Setting("supervised", "gaussian", 12, 3, 5, 99.0)
    one, other = SUPERVISED.instance(1), gaussian.instance(1)
    np.testing.assert_array_equal(one.X, other.X)
    np.testing.assert_array_equal(one.Y, other.Y)
    auto = Setting("autoencoder", "balanced", 12, 2, 2, 10.0).instance(1)
    np.testing.assert_array_equal(one.X, auto.X)
    assert not np.array_equal(one.X, SUPERVISED.instance(2).X)


def test_keys_tell_settings_apart():
    settings = [SUPERVISED, AUTOENCODER, Setting("autoencoder", "gaussian", 11, 6, 4, 10.0)]
    assert len({setting.key for setting in settings}) == 3
    assert SUPERVISED.key == "supervised-balanced-d12-r3-N5-T10"
