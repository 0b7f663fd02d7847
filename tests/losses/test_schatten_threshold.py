"""The scalar equation s + lambda s^(2/N-1) = b: against roots of polynomials, and brute force."""

import math

import mpmath
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import SchattenDecay, schatten_threshold

BRANCHES = ["upper", "lower"]


def energy(s, b, decay, depth):
    return (s - b) ** 2 / 2 + decay * depth / 2 * abs(s) ** (2 / depth)


@given(
    st.sampled_from([1, 1.5, 2, 2.2, 3, 3.5, 20]),
    st.floats(-4, 4),
    st.floats(0, 3),
    st.sampled_from([1e-100, 1.0, 1e100]),
)
def test_it_is_the_least_of_all(depth, b, decay, unit):
    """No point of a fine grid, of both signs, has a lower energy."""
    (s,) = schatten_threshold([unit * b], decay * unit ** (2 - 2 / depth), depth) / unit
    grid = np.concatenate(([0.0], np.geomspace(1e-8, 5, 2000), np.linspace(0, 5, 2001)))
    grid = np.concatenate((grid, -grid))
    assert energy(s, b, decay, depth) <= energy(grid, b, decay, depth).min() + 1e-12
    assert s == 0 or np.sign(s) == np.sign(b)


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_roots_of_polynomials(depth):
    """With p = s^(1/N) it is p^(2N-2) - b p^(N-2) + lambda = 0."""
    decay = 0.7
    b_star = SchattenDecay(decay, depth).spinodal[1]
    b = b_star * np.array([1.01, 1.5, 4.0])
    upper, lower = (schatten_threshold(b, decay, depth, branch) for branch in BRANCHES)
    for i, value in enumerate(b):
        coefficients = np.zeros(2 * depth - 1)
        coefficients[[0, depth, -1]] = 1, -value, decay
        roots = np.roots(coefficients)
        positive = np.sort(roots[(abs(roots.imag) < 1e-9) & (roots.real > 0)].real) ** depth
        np.testing.assert_allclose([lower[i], upper[i]], positive, rtol=1e-9)


@pytest.mark.parametrize("depth", [1, 1.3, 1.99, 2, 2.01, 2.5, 3, 20, 1000.5])
@pytest.mark.parametrize("unit", [1e-150, 1.0, 1e150])
def test_roots_at_any_size(depth, unit):
    """What is left in many digits, and that roots are on their sides of the turn s*."""
    decay = 0.7 * unit ** (2 - 2 / depth)
    s_star, b_star = SchattenDecay(decay, depth).spinodal
    b = np.array([1, 1 + 1e-9, 1.01, 1.5, 3, 100, 1e6]) * (b_star or unit)
    with mpmath.workdps(60):
        power = mpmath.mpf(2) / mpmath.mpf(depth) - 1
        for branch in BRANCHES:
            found = schatten_threshold(b, decay, depth, branch)
            if branch == "lower" and depth <= 2:
                assert np.isnan(found).all()
                continue
            assert (found >= s_star).all() if branch == "upper" else (found <= s_star).all()
            for s, value in zip(found, b, strict=True):
                if s > 1e-290 * unit and s > 1e-300:  # where it has not underflowed
                    left = mpmath.mpf(s) + mpmath.mpf(decay) * mpmath.mpf(s) ** power - value
                    assert abs(left) <= 2e-12 * value


@pytest.mark.parametrize("depth", [2.5, 3, 20])
def test_the_jump(depth):
    """b_t by bisection of the least energy; from below zero, from above s_t."""
    decay = 0.7

    def gain(b):
        # Right of the local maximum, the point of inflection at the least.
        s = scipy.optimize.minimize_scalar(
            lambda s: energy(s, b, decay, depth),
            bounds=(b * (depth - 2) / (2 * depth - 2), b),
            options={"xatol": 1e-12},
        ).x
        return energy(s, b, decay, depth) - energy(0.0, b, decay, depth)

    b_star = SchattenDecay(decay, depth).spinodal[1]
    b_t = scipy.optimize.brentq(gain, b_star * 1.0001, 3 * b_star)
    assert SchattenDecay(decay, depth).maxwell[1] == pytest.approx(b_t, rel=1e-8)
    below, above = schatten_threshold(b_t * np.array([1 - 1e-6, 1 + 1e-6]), decay, depth)
    assert below == 0
    assert above == pytest.approx(SchattenDecay(decay, depth).maxwell[0], rel=1e-4)
    at = SchattenDecay(decay, depth).maxwell[1]
    assert schatten_threshold(at, decay, depth) == 0
    assert schatten_threshold(at, decay, depth, "upper") > 0


def test_closed_forms():
    b = np.array([[-3.0, 0.2], [0.7, 5.0]])
    np.testing.assert_allclose(schatten_threshold(b, 0.7, 1), b / 1.7, rtol=1e-14)
    soft = np.array([[-2.3, 0.0], [0.0, 4.3]])
    np.testing.assert_allclose(schatten_threshold(b, 0.7, 2), soft, rtol=1e-14)
    for depth in (1, 2, 3):
        np.testing.assert_array_equal(schatten_threshold(b, 0, depth), b)
        np.testing.assert_array_equal(schatten_threshold(b, 0, depth, "upper"), b)
        assert np.isnan(schatten_threshold(b, 0, depth, "lower")).all()


def test_where_there_is_no_root():
    s_star, b_star = SchattenDecay(0.7, 3).spinodal
    for branch in BRANCHES:
        found = schatten_threshold([0.0, b_star * (1 - 1e-12), b_star], 0.7, 3, branch)
        np.testing.assert_array_equal(found, [math.nan, math.nan, s_star])
    np.testing.assert_array_equal(schatten_threshold([0.5, 0.7], 0.7, 2, "upper"), [math.nan, 0])


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)])
@pytest.mark.parametrize("branch", ["global", *BRANCHES])
def test_it_has_the_shape_of_b(shape, branch):
    for kind in (int, float, np.float32):
        found = schatten_threshold(np.full(shape, 5, dtype=kind), 1, 3, branch)
        assert isinstance(found, np.ndarray)
        assert found.shape == shape
        assert found.dtype == float


def test_no_minus_zero():
    assert not np.signbit(schatten_threshold([-0.1, -0.0], 1.0, 3)).any()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (([1.0, math.nan], 1.0, 2), ValueError, "b has 1 entries that are NaN or infinite"),
        ((["a"], 1.0, 2), TypeError, "b must be an array of real numbers"),
        (([1.0], -1.0, 2), ValueError, "weight_decay must be finite and at least 0, got"),
        (([1.0], 1.0, math.inf), ValueError, "weight decay needs a finite depth N"),
        (([1.0], 1.0, 0.5), ValueError, "depth must be a real number N >= 1"),
        (([1.0], 1.0, 3, "middle"), ValueError, 'branch must be "global", "upper" or "lower"'),
    ],
)
def test_bad_values(arguments, kind, message):
    with pytest.raises(kind, match=message):
        schatten_threshold(*arguments)
