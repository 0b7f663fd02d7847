"""The product of layers, and how far they are from balanced."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import balancedness, product
from tests.networks.data import gaussian_layers, multiplied
from tests.strategies import seeds

widths = st.lists(st.integers(1, 6), min_size=2, max_size=7)


@given(widths=widths, seed=seeds)
def test_product(widths, seed):
    layers = gaussian_layers(seed, widths)
    bound = 1e-14 * np.prod([np.linalg.norm(w) for w in layers])
    np.testing.assert_allclose(product(layers), multiplied(layers), rtol=0, atol=bound)


@given(widths=widths, seed=seeds)
def test_balancedness_is_the_definition(widths, seed):
    layers = gaussian_layers(seed, widths)
    norms = [
        np.sqrt(np.sum((layers[j].T @ layers[j] - layers[j - 1] @ layers[j - 1].T) ** 2))
        for j in range(1, len(layers))
    ]
    expected = max(norms, default=0.0)
    assert balancedness(layers) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_by_hand():
    layers = [[[3.0, 4.0]], [[1.0], [2.0]], [[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]]
    np.testing.assert_array_equal(product(layers), [[3, 4], [12, 16], [0, 0]])
    # W_2^T W_2 - W_1 W_1^T = 5 - 25; W_3^T W_3 - W_2 W_2^T = [[1, 0], [0, 4]] - [[1, 2], [2, 4]].
    assert balancedness(layers) == 20
    assert balancedness(layers[1:]) == pytest.approx(np.sqrt(8))


def test_one_layer():
    W = np.arange(6.0).reshape(2, 3)
    result = product([W])
    np.testing.assert_array_equal(result, W)
    assert not np.shares_memory(result, W)
    assert balancedness([W]) == 0


@pytest.mark.parametrize("function", [product, balancedness])
@pytest.mark.parametrize(
    ("layers", "error", "text"),
    [
        ([], ValueError, "at least one"),
        (np.ones((2, 2)), TypeError, r"list.*\(2, 2\)"),
        ([np.ones((2, 3)), np.ones((4, 3))], ValueError, r"W_2 W_1.*\(4, 3\).*\(2, 3\)"),
        ([np.ones((2, 3)), np.ones(2)], ValueError, "W_2 must have 2 axes"),
        ([np.full((1, 1), np.nan)], ValueError, "W_1.*NaN"),
        ([np.ones((1, 1)) * 1j], TypeError, "W_1 must be real"),
        ([["a"]], TypeError, "W_1"),
    ],
)
def test_bad_layers(function, layers, error, text):
    with pytest.raises(error, match=text):
        function(layers)
