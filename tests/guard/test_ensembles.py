"""Runs of an ensemble: what is classified, and how many calls a step of many networks takes."""

import sys
from itertools import pairwise
from unittest.mock import Mock

import numpy as np
import pytest

from fixedrank import Experiment, LinearRegression
from fixedrank.ensembles import certificate, outcomes
from fixedrank.ensembles.runs import run_batch
from fixedrank.ensembles.stacked import StackedNetworks
from fixedrank.ensembles.stepping import Stepper, Task
from tests.guard.counting import peak_bytes, steps_of_the_library


def regression(d):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((d, 5 * d)) / np.sqrt(5 * d)
    return LinearRegression(X, np.diag(np.linspace(2, 1, d)) @ X)


@pytest.mark.parametrize(("end", "decided"), [(1000.0, 5), (0.01, 0)])
def test_only_what_is_not_decided_is_classified(end, decided, monkeypatch):
    calls = {}
    for module, name in (
        *((certificate, name) for name in ("classify", "nearest_minimum")),
        *((outcomes, name) for name in ("svd_point", "distance")),
    ):
        calls[name] = Mock(wraps=getattr(module, name))
        monkeypatch.setattr(module, name, calls[name])
    records = run_batch(Experiment(regression(3), [3, 3, 3], end=end), range(5))
    assert sum(record.limit == "global minimum" for record in records) == decided
    left = 5 - decided
    assert [call.call_count for call in calls.values()] == [left, 0, left, left]


def place(widths, lanes):
    """What a step needs."""
    networks, rng = StackedNetworks(regression(widths[0]), widths), np.random.default_rng(0)
    stepper = Stepper(networks, Task(1.0, 1e-6, 1e-9, 0.0, 0.0), lanes)
    stepper.stages[0] = 0.3 * rng.standard_normal(stepper.stages[0].shape)
    stepper.stages[1] = networks.velocity(stepper.stages[0])
    stepper.h[:] = 0.01
    return stepper.step


# As recorded 2026-11-30, and a tenth, for other versions of Python.
@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12")
@pytest.mark.parametrize(("widths", "most"), [([5] * 3, 70), ([5] * 4, 90), ([20, 2, 20], 84)])
def test_calls_of_a_step(widths, most):
    few, many = (steps_of_the_library(place(widths, lanes)) for lanes in (2, 100))
    assert few == many <= most


@pytest.mark.parametrize(("widths", "most"), [([5] * 4, 5.0), ([20] * 3, 0.3)])
def test_a_step_needs_little_beside_its_stages(widths, most):
    """All stages and products are kept; of narrow networks NumPy has a buffer of some 100 kB."""
    lanes, entries = 64, sum(a * b for a, b in pairwise(widths))
    assert peak_bytes(place(widths, lanes)) < most * 8 * entries * lanes
