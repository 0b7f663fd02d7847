"""Gaussian layers: their scale, their distribution, their seeds."""

import numpy as np
import pytest
import scipy.stats

from fixedrank import balancedness, gaussian_factors

WIDTHS = [40, 50, 30, 60]


@pytest.mark.parametrize(
    ("scale", "deviations"),
    [
        # Appendix A: 1/sqrt(d_j), the height of W_j.
        (None, [1 / np.sqrt(50), 1 / np.sqrt(30), 1 / np.sqrt(60)]),
        (0.3, [0.3, 0.3, 0.3]),
        ([0.1, 2.0, 30.0], [0.1, 2.0, 30.0]),
        (np.array([1, 2, 3]), [1, 2, 3]),
    ],
)
def test_standard_deviations(scale, deviations):
    layers = gaussian_factors(WIDTHS, scale=scale, rng=0)
    assert [w.shape for w in layers] == [(50, 40), (30, 50), (60, 30)]
    for layer, deviation in zip(layers, deviations, strict=True):
        # The deviation of n numbers is found to 1/sqrt(2 n), here less than 2 percent.
        assert layer.std() == pytest.approx(deviation, rel=5 / np.sqrt(2 * layer.size))
        assert abs(layer.mean()) < 5 * deviation / np.sqrt(layer.size)
        assert scipy.stats.kstest(layer.ravel() / deviation, "norm").pvalue > 1e-3


def test_entries_are_independent_across_layers():
    first, second = gaussian_factors([50, 50, 50], scale=1.0, rng=1)
    correlation = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert abs(correlation) < 5 / np.sqrt(first.size)


def test_zero_scale():
    first, second = gaussian_factors([2, 3, 2], scale=[0, 1], rng=0)
    assert not first.any()
    assert second.all()


def test_not_balanced():
    assert balancedness(gaussian_factors([4, 3, 4], rng=0)) > 0.1


def test_seeds():
    first, again, other = (gaussian_factors([3, 2], rng=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    # NumPy's global state stays as it is.
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    gaussian_factors([3, 2])
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("scale", [-1.0, np.nan, np.inf, [1.0], [1.0, -1.0], [[1.0, 1.0]], "wide"])
def test_bad_scales(scale):
    with pytest.raises((TypeError, ValueError), match="scale"):
        gaussian_factors([3, 2, 3], scale=scale)


@pytest.mark.parametrize("widths", [[3], [3, 0], [3, 1.5]])
def test_bad_widths(widths):
    with pytest.raises((TypeError, ValueError), match="widths"):
        gaussian_factors(widths)
