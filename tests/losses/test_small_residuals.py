"""The loss stays right where the residual is tiny compared with the labels."""

import numpy as np
import pytest

from fixedrank import FixedRank, LinearRegression

D_X, D_Y, SAMPLES = 5, 4, 15


@pytest.fixture
def exact():
    """Integer X and W, and Y = W X + 2^-43 E with integer E: all of it exact in double precision.

    The residual is 2^-43 |E|, some 1e-12 |Y|.
    """
    rng = np.random.default_rng(0)
    X = rng.integers(-8, 9, (D_X, SAMPLES)).astype(float)
    W = rng.integers(-4, 5, (D_Y, D_X)).astype(float)
    E = rng.integers(-100, 101, (D_Y, SAMPLES)).astype(float)
    Y = W @ X + 2.0**-43 * E
    assert (2.0**43 * (Y - W @ X) == E).all()
    return X, Y, W, 2.0**-87 * (E**2).sum()


def test_the_case_is_hard(exact):
    X, Y, W, loss = exact
    assert 1e-13 < np.sqrt(2 * loss) / np.linalg.norm(Y) < 1e-11
    C, B = X @ X.T, Y @ X.T
    expanded = 0.5 * (np.vdot(W @ C, W) - 2 * np.vdot(W, B) + np.vdot(Y, Y))
    # Every digit is lost: terms of size |Y|^2 are summed to round-off of that.
    assert abs(expanded - loss) >= loss


# Round-off in W C^(1/2) and Q is some 1e-15 |Y|, a few thousandths of the residual.
RELATIVE = 1e-2


def test_loss_of_an_array(exact):
    X, Y, W, loss = exact
    assert LinearRegression(X, Y).loss(W) == pytest.approx(loss, rel=RELATIVE, abs=0)


def test_loss_of_a_point(exact):
    X, Y, W, loss = exact
    point = FixedRank(D_Y, D_X, min(D_X, D_Y), depth=2).point(W)
    # The factors of W hold it to round-off of |W| only, which X enlarges to that of |Y|.
    assert LinearRegression(X, Y).loss(point) == pytest.approx(loss, rel=5 * RELATIVE, abs=0)


@pytest.mark.parametrize("splits", [1, 2, 3])
def test_loss_of_layers(exact, splits):
    X, Y, W, loss = exact
    # Permutations, and powers of two that cancel: the product is exactly W.
    turn = np.eye(D_X)[np.random.default_rng(1).permutation(D_X)]
    layers = [[W], [4 * turn, W @ turn.T / 4], [turn, 2 * W @ turn.T, np.eye(D_Y) / 2]]
    problem = LinearRegression(X, Y)
    assert problem.network_loss(layers[splits - 1]) == pytest.approx(loss, rel=RELATIVE, abs=0)


def test_loss_of_a_perfect_fit_is_round_off():
    rng = np.random.default_rng(3)
    X, W = rng.standard_normal((D_X, SAMPLES)), rng.standard_normal((D_Y, D_X))
    problem = LinearRegression(X, W @ X)
    # The residual itself is round-off: a modest multiple of 2e-16 |Y|, squared.
    assert problem.loss(W) <= 0.5 * (1e-14 * np.linalg.norm(W @ X)) ** 2


def test_loss_with_more_labels_than_one_block_of_rows():
    # A wide problem, whose rows are worked off in several blocks.
    rng = np.random.default_rng(4)
    X, Y = rng.standard_normal((2, 6)), rng.standard_normal((300_000, 6))
    u, s, vt = rng.standard_normal((300_000, 1)), np.ones(1), rng.standard_normal((1, 2))
    expected = 0.5 * np.sum((Y - u @ (vt @ X)) ** 2)
    assert LinearRegression(X, Y).loss((u, s, vt)) == pytest.approx(expected, rel=1e-12)
