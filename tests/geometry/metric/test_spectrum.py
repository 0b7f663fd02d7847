"""The weights c_ij and c_j0 of A_{W,N} against 60-digit arithmetic."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import DepthOperator
from tests.strategies import depths

DEPTHS = [1, 2, 3, 7, 20, 1000, 2.5]
RATIOS = [1, 1 + 1e-15, 1 + 1e-9, 1 + 1e-3, 2, 1e3, 1e6, 1e12]


@pytest.fixture(autouse=True)
def many_digits():
    with mpmath.workdps(60):
        yield


def weights(s, depth):
    """The factors by which A multiplies M and Up at a 3 x 3 matrix, or M at a 2 x 2 one."""
    m = 2 if math.isinf(depth) else 3
    operator = DepthOperator((np.eye(m, 2), np.array(s), np.eye(2, m)), depth)
    image = operator.apply((np.eye(m, 2, k=-2), np.ones((2, 2)), np.zeros((m, 2))))
    return image.M, image.Up[-1, 0]


def exact(a, b, depth):
    """c_ij from its definition as a sum, for real depths from its closed form, as an mpf."""
    a, b = mpmath.mpf(float(a)), mpmath.mpf(float(b))
    if math.isinf(depth):
        return a**2 if a == b else (a**2 - b**2) / (2 * mpmath.log(a / b))
    N = mpmath.mpf(depth)
    if depth == int(depth) and depth <= 1000:
        p, q = a ** (2 / N), b ** (2 / N)
        return mpmath.fsum(p ** (depth - 1 - l) * q**l for l in range(int(depth)))
    return N * a ** (2 - 2 / N) if a == b else (a**2 - b**2) / (a ** (2 / N) - b ** (2 / N))


def relative_error(computed, reference):
    return float(abs(mpmath.mpf(float(computed)) / reference - 1))


@pytest.mark.parametrize("depth", [*DEPTHS, math.inf])
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_tangential_weights(depth, ratio, scale):
    s = (scale * ratio, scale)
    core, _ = weights(s, depth)
    for i in range(2):
        for j in range(2):
            assert relative_error(core[i, j], exact(s[i], s[j], depth)) < 1e-14


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("s", [1e-12, 1e-3, 1.0, 7.0, 1e6])
def test_normal_weights(depth, s):
    _, normal = weights((s, s), depth)
    exponent = 2 - 2 / mpmath.mpf(depth)
    assert relative_error(normal, mpmath.mpf(s) ** exponent) < 1e-14


@given(
    s=st.floats(1e-12, 1e6),
    gap=st.floats(0, 1) | st.floats(1e-17, 1e-8),
    depth=depths() | st.floats(1, 1e6) | st.just(math.inf),
)
def test_any_pair_at_any_depth(s, gap, depth):
    pair = (s * (1 + gap), s)
    core, _ = weights(pair, depth)
    # Half an ulp in an exponent up to 2 changes a power of s by |log s| ulp.
    bound = (20 + 4 * abs(math.log(s))) * np.finfo(float).eps
    for weight in (core[0, 1], core[1, 0]):
        assert relative_error(weight, exact(*pair, depth)) < bound


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_embedded_metric_has_unit_weights(ratio):
    core, normal = weights((ratio, 1.0), 1)
    np.testing.assert_array_equal(core, np.ones((2, 2)))
    assert normal == 1


def test_infinite_depth_is_the_limit_of_the_weights_over_the_depth():
    s = (3.0, 0.2)
    limit, _ = weights(s, math.inf)
    gaps = [abs(weights(s, depth)[0] / depth - limit).max() for depth in (1e3, 1e4, 1e5)]
    # The difference is of first order in 1/N.
    assert 9 < gaps[0] / gaps[1] < 11
    assert 9 < gaps[1] / gaps[2] < 11
