"""Slopes and derivatives of values whose law is known."""

import math

import numpy as np
import pytest

from fixedrank.testing.curves import Samples, sample
from fixedrank.testing.derivatives import derivative
from fixedrank.testing.slopes import ModelError

STEPS = 0.5 ** np.arange(36)


def samples_of(function, start=None):
    """Samples of a number as a function of t."""
    value = np.array([function(0.0) if start is None else start])
    return sample(lambda t: np.array([function(t)]), value, 1.0, 36)[0]


def best(values, noise=0.0, round_off=0.0):
    ones = np.ones_like(STEPS)
    parts = ModelError(STEPS, np.asarray(values), noise * ones, round_off * ones).straight_parts()
    return parts[0] if parts else None


@pytest.mark.parametrize("order", [0, 1, 1.5, 2, 3])
def test_the_slope_of_a_power(order):
    part = best(0.3 * STEPS**order)
    assert part.slope == pytest.approx(order, abs=1e-12)
    assert part.longest == 1
    assert part.shortest == STEPS[-1]
    assert part.at_start


def test_noise_is_left_out():
    rng = np.random.default_rng(0)
    part = best(STEPS**2 + 1e-9 * np.abs(rng.standard_normal(36)), noise=1e-9)
    assert part.slope == pytest.approx(2, abs=0.1)
    assert part.shortest > 1e-5
    assert part.at_start
    assert best(1e-9 * np.abs(rng.standard_normal(36)), noise=1e-9) is None
    assert best(np.exp(10 * rng.standard_normal(36))) is None


def test_a_law_far_from_the_start_is_told_from_that_at_the_start():
    part = best(np.where(STEPS > 1e-6, STEPS, 1e6 * STEPS**2))
    assert part.slope == pytest.approx(1, abs=0.1)
    assert not part.at_start


def test_too_short_a_part_is_none():
    assert best(np.where(STEPS > 0.02, STEPS**2, 0.0)) is None
    assert best(np.where(STEPS > 0.01, STEPS**2, 0.0)).slope == pytest.approx(2)


def test_round_off_is_known():
    error = ModelError(STEPS, 1e-16 * STEPS, 1e-3 * np.ones(36), 1e-16 * np.ones(36))
    assert error.is_round_off
    error = ModelError(STEPS, 1e-14 * np.ones(36), 1e-3 * np.ones(36), 1e-16 * np.ones(36))
    assert not error.is_round_off


@pytest.mark.parametrize(
    ("function", "first", "second"),
    [
        (np.exp, 1, 1),
        (lambda t: np.sin(3 * t), 3, 0),
        (lambda t: 1e6 + np.exp(t), 1, 1),
        (lambda t: 1e-9 * np.cos(t), 0, -1e-9),
        (lambda t: 1 / (1 + 100 * t**2), 0, -200),
        (lambda t: (t + 0.1) ** 3, 0.03, 0.6),
        (lambda t: 5.0, 0, 0),
        # Smooth far from the start, and another curve near it.
        (lambda t: np.sqrt(t**2 + 1e-8) + t, 1, 1e4),
        (lambda t: 1 + t + 1e-9 * np.tanh(1e9 * t), 2, 0),
        # In single precision, values do not change at all over short steps.
        (lambda t: float(np.float32(np.exp(np.float32(t)))), 1, 1),
    ],
)
def test_derivatives_are_within_their_errors(function, first, second):
    for order, exact in ((1, first), (2, second)):
        found = derivative(samples_of(function), order)
        assert abs(found.value[0] - exact) <= 10 * found.error + 1e-13 * abs(exact)
        assert found.error < 0.1 * max(abs(exact), 1e-3)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_derivatives_are_precise(scale):
    samples = samples_of(lambda t: scale * math.exp(t))
    for order, bound in ((1, 1e-10), (2, 1e-7)):
        found = derivative(samples, order)
        assert abs(found.value[0] - scale) <= 10 * found.error <= bound * scale


def test_noise_makes_a_large_error():
    rng = np.random.default_rng(0)
    found = derivative(samples_of(lambda t: t + 1e-3 * rng.standard_normal()), 1)
    assert abs(found.value[0] - 1) <= 10 * found.error
    assert found.error > 1e-4


def test_the_noise_is_estimated():
    rng = np.random.default_rng(0)
    noise = samples_of(lambda t: np.exp(t) + 1e-9 * rng.standard_normal()).noise
    assert 1e-10 < noise.max() < 1e-8
    assert samples_of(np.exp).noise.max() < 1e-15
    assert samples_of(lambda t: 1e6 * np.exp(100 * t)).noise[-1] < 1e-9
    quantised = samples_of(lambda t: np.round(np.exp(t), 6))
    assert 1e-6 < quantised.noise.max() < 2e-6


def test_differences_of_large_values_have_their_round_off():
    # 0.1 + t rounds to the same side as 0.1 - t: the second difference shows nothing of it.
    samples = sample(lambda t: np.array([(0.1 + t) - 0.1 + t**2]), np.zeros(1), 1 / 3, 36)[0]
    assert derivative(samples, 2).error < 1e-9
    samples = sample(lambda t: np.array([(0.1 + t) - 0.1 + t**2]), np.zeros(1), 1 / 3, 36, 0.1)[0]
    found = derivative(samples, 2)
    assert abs(found.value[0] - 2) <= 10 * found.error < 1e-3


def test_steps_from_which_nothing_comes_back():
    def function(t):
        if abs(t) > 0.01:
            raise ZeroDivisionError("too far")
        return np.array([t])

    samples, remark = sample(function, np.zeros(1), 1.0, 36)
    assert isinstance(samples, Samples)
    assert samples.steps[0] == 0.5**7
    assert "no steps longer than 7.8e-03 were used: too far" in remark
    with pytest.raises(ZeroDivisionError, match="too far"):
        sample(function, np.zeros(1), 1e12, 36)
    with pytest.raises(ValueError, match="NaN, infinite or huge"):
        sample(lambda t: np.array([np.nan]), np.zeros(1), 1.0, 36)


def test_other_errors_pass_through():
    def function(t):
        raise KeyError("a mistake elsewhere")

    with pytest.raises(KeyError):
        sample(function, np.zeros(1), 1.0, 36)
