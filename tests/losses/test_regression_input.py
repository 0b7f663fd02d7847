"""What LinearRegression says to data, matrices and layers that it cannot take."""

import numpy as np
import pytest

from fixedrank import FixedRank, LinearRegression

X = np.random.default_rng(0).standard_normal((3, 8))
Y = np.random.default_rng(1).standard_normal((2, 8))
PROBLEM = LinearRegression(X, Y)


def spoiled(array, value=np.nan):
    copy = np.array(array)
    copy.flat[1] = value
    return copy


@pytest.mark.parametrize("build", [LinearRegression, LinearRegression.on_range])
@pytest.mark.parametrize(
    ("data", "labels", "error", "text"),
    [
        (spoiled(X), Y, ValueError, r"X .*1 .*NaN.*\(0, 1\)"),
        (X, spoiled(Y, np.inf), ValueError, r"Y .*infinite.*\(0, 1\)"),
        (X, Y[:, :-1], ValueError, r"\(3, 8\).*\(2, 7\)"),
        (X, Y[0], ValueError, r"Y must have 2 axes.*\(8,\)"),
        (X[0], Y, ValueError, r"X must have 2 axes.*\(8,\)"),
        (X * 1j, Y, TypeError, "X must be real.*complex"),
        (X, Y * 1j, TypeError, "Y must be real.*complex"),
        (X[:, :0], Y[:, :0], ValueError, "empty"),
        (X[:0], Y, ValueError, "empty"),
        (X, Y[:0], ValueError, "empty"),
        ("data", Y, TypeError, "X must be an array of real numbers"),
        (None, Y, (TypeError, ValueError), "X "),
    ],
)
def test_bad_data(build, data, labels, error, text):
    with pytest.raises(error, match=text):
        build(data, labels)


@pytest.mark.parametrize("method", [PROBLEM.loss, PROBLEM.gradient])
@pytest.mark.parametrize(
    ("W", "error", "text"),
    [
        (np.ones((3, 2)), ValueError, r"\(2, 3\).*\(3, 2\)"),
        (np.ones(3), ValueError, "2 axes"),
        (spoiled(np.ones((2, 3))), ValueError, "NaN"),
        (np.ones((2, 3)) * 1j, TypeError, "real"),
        ((np.ones((2, 1)), np.ones(2), np.ones((1, 3))), ValueError, r"\(2, 1\)"),
        ((np.ones((3, 1)), np.ones(1), np.ones((1, 2))), ValueError, "2x3 matrices of rank 1"),
        ((spoiled(np.ones((2, 1))), np.ones(1), np.ones((1, 3))), ValueError, "NaN"),
        ((np.ones((2, 1)), np.array([np.inf]), np.ones((1, 3))), ValueError, "infinite"),
        ((np.ones((2, 1)), np.ones(1), 1j * np.ones((1, 3))), TypeError, "real"),
    ],
)
def test_bad_matrices(method, W, error, text):
    with pytest.raises(error, match=text):
        method(W)


@pytest.mark.parametrize("method", [PROBLEM.network_loss, PROBLEM.network_gradient])
@pytest.mark.parametrize(
    ("layers", "error", "text"),
    [
        ([], ValueError, "at least one"),
        ([np.ones((4, 3)), np.ones((2, 5))], ValueError, r"W_2 W_1.*\(2, 5\).*\(4, 3\)"),
        ([np.ones((4, 2)), np.ones((3, 4))], ValueError, r"R\^2 to R\^3.*R\^3 to R\^2"),
        ([spoiled(np.ones((4, 3))), np.ones((2, 4))], ValueError, "W_1.*NaN"),
        ([np.ones((4, 3)), 1j * np.ones((2, 4))], TypeError, "W_2.*real"),
        (np.ones((2, 3)), TypeError, "list"),
    ],
)
def test_bad_layers(method, layers, error, text):
    with pytest.raises(error, match=text):
        method(layers)


def test_a_manifold_of_another_shape():
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        PROBLEM.to_pymanopt(FixedRank(3, 2, 1, depth=2))


def test_extend_checks_shapes():
    with pytest.raises(ValueError, match="shape"):
        PROBLEM.extend(np.ones((3, 3)))
