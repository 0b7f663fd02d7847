"""Findings on curves whose times are known."""

import math

import numpy as np
import pytest

from fixedrank.paper import Curves, findings, paper_figures
from fixedrank.paper.findings import time_to

FIGURES = paper_figures()


def exponential(rate, end=1000.0, final=0.0):
    """Curves exp(-rate t): at 1 % from t = ln(100) / rate on."""
    t = np.concatenate(([0.0], np.geomspace(0.01, end, 2001)))
    values = np.exp(-np.minimum(rate * t, 600)) + final
    distance = np.abs(values - values[-1])
    known = {
        "loss": values**2,
        "reconstruction_error": 2 + values,
        "distance_to_limit": values,
        "distance_to_final": distance,
        "distance_to_true": values,
    }
    return Curves(t, known, 2.0, "", True, 1, 1, 0.0)


def judged(numbers, rate, **options):
    """Findings with the rates of a function of the setting."""
    figures = {number: FIGURES[number] for number in numbers}
    settings = [s for figure in figures.values() for s in figure.settings]
    return findings(figures, {s: exponential(rate(s), **options) for s in settings})


def about(found, words):
    return [finding for finding in found if words in finding.statement]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([5, 4, 0.5, 0.2], 2), ([5, 0.5, 4, 0.2], 3), ([5, 4, 3, 2], math.inf), ([0, 0, 0, 0], 0)],
)
def test_time_to(values, expected):
    assert time_to(np.arange(4.0), np.array(values), 1.0) == expected


@pytest.mark.parametrize("number", range(1, 10))
def test_each_curve_is_judged(number):
    good = judged([number], lambda s: 1.0)
    assert len([f for f in good if "," in f.where]) == len(FIGURES[number].settings)
    assert all(f.holds for f in good if "," in f.where)
    bad = judged([number], lambda s: 1e-6)
    assert not any(f.holds for f in bad if "," in f.where)


def test_slower_for_larger_depth():
    (yes,) = about(judged([1], lambda s: 1 / s.depth), "slower")
    (no,) = about(judged([1], lambda s: s.depth), "slower")
    (open_,) = about(judged([1], lambda s: 1e-6), "slower")
    assert (yes.holds, no.holds, open_.holds) == (True, False, None)
    # ln(100) / rate = 4.6 N.
    assert "N=2 9.2" in yes.measured
    assert "N=20 92" in yes.measured
    assert "beyond T" in open_.measured
    assert "before" not in yes.measured
    assert no.measured.endswith("; N=20 before N=10, d=200, r=20")


@pytest.mark.parametrize(
    ("factor", "alike", "faster"), [(1.5, True, True), (4, False, True), (0.8, True, False)]
)
def test_balanced_against_gaussian(factor, alike, faster):
    def rate(setting):
        return 1.0 if setting.start == "balanced" else 1 / factor

    (finding,) = about(judged([1, 2], rate), "independent")
    assert finding.holds is alike
    (finding,) = about(judged([8, 9], rate), "faster")
    assert finding.holds is faster
    number = float(finding.measured.split("N=2 ")[1].split(",")[0])
    assert number == pytest.approx(factor, rel=0.02)


@pytest.mark.parametrize("stronger", ["autoencoder", "supervised"])
def test_dependence_on_the_dimension(stronger):
    def rate(setting):
        return 1 / setting.d if setting.case == stronger else 1.0

    found = about(judged([1, 8], rate), "d, r")
    assert [f.holds for f in found] == [stronger == "autoencoder"]
    assert "N=2 10" in found[0].measured


@pytest.mark.parametrize("stronger", ["autoencoder", "supervised"])
def test_dependence_on_the_depth(stronger):
    def rate(setting):
        return 1 / setting.depth if setting.case == stronger else 1.0

    found = about(judged([2, 9], rate), "dependence on N")
    assert [f.holds for f in found] == [stronger == "supervised"]


def test_what_needs_two_figures_is_left_out():
    assert not about(judged([1], lambda s: 1.0), "independent")
    assert not about(judged([8], lambda s: 1.0), "dependence")


@pytest.mark.parametrize("number", [1, 3, 4, 6])
def test_what_t_came_before_is_left_open(number):
    """With half the distance left at T, and falling."""
    found = judged([number], lambda s: math.log(2) / 1000)
    open_ = [f for f in found if "," in f.where]
    assert {f.holds for f in open_} == {None}
    assert all("T came first: from T/2 to T it falls by a factor of" in f.measured for f in open_)
    assert all("1 % of the first distance" in f.criterion for f in open_)


def test_a_limit_that_is_missed():
    (first, *_) = judged([1], lambda s: 1.0, final=0.1)
    assert first.holds is False
    assert "1.1 at t = 0, 1.0e-01 at 1000; it stands still: 0.1 at T/2" in first.measured
