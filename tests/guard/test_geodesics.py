"""Small geodesics take few calls, short ones of large matrices few evaluations."""

from collections import Counter

import numpy as np
import pytest

from fixedrank import FixedRank
from fixedrank.geometry.geodesics import collocation, exponential, picard


@pytest.fixture
def calls(monkeypatch):
    """Count evaluations: those of stacks by their sizes, and those of single states."""
    counts = Counter()
    stacked, rates = picard.acceleration, exponential._rates

    def counted(w, *arguments):
        counts["stacks"] += 1
        counts["matrices"] += w[..., 0, 0].size
        return stacked(w, *arguments)

    def counted_rates(*arguments):
        counts["rates"] += 1
        return rates(*arguments)

    monkeypatch.setattr(picard, "acceleration", counted)
    monkeypatch.setattr(collocation, "acceleration", counted)
    monkeypatch.setattr(exponential, "_rates", counted_rates)
    return counts


# Stacks of exp, and of log with all of the dense Jacobian among them; before there were 80 to 320
# evaluations one after another. At N = 1 log looks for a geodesic the other way around.
@pytest.mark.parametrize(("depth", "exp", "log"), [(1, 24, 80), (2, 24, 40), (3, 26, 42)])
def test_small_geodesics(calls, depth, exp, log):
    manifold = FixedRank(3, 3, 2, depth=depth)
    for seed in range(1, 4):
        a = manifold.random_point(rng=seed)
        vector = 0.7 * manifold.random_tangent_vector(a, rng=seed + 50)
        calls.clear()
        b = manifold.exp(a, vector)
        assert calls["rates"] == 0
        assert calls["stacks"] <= exp
        calls.clear()
        manifold.log(a, b)
        assert calls["rates"] == 0
        assert calls["stacks"] <= log


@pytest.mark.parametrize("depth", [2, 3])
def test_a_short_geodesic_is_one_step(calls, depth):
    manifold = FixedRank(60, 60, 15, depth=depth)
    point = manifold.random_point(rng=0)
    manifold.exp(point, 0.1 * manifold.random_tangent_vector(point, rng=1))
    assert calls["stacks"] == 0
    assert calls["rates"] <= 16


def test_a_first_step_that_is_too_long_is_no_worse(calls):
    manifold = FixedRank(60, 60, 15, depth=2)
    point = manifold.random_point(rng=0)
    manifold.exp(point, 2.0 * manifold.random_tangent_vector(point, rng=1))
    assert calls["rates"] <= 130
    assert np.isfinite(point.s).all()
