"""What flows keep at their output times, and what memory they ask for."""

import math
import os
import tracemalloc

import numpy as np
import pytest

from fixedrank import (
    LinearRegression,
    _memory,
    balancedness,
    compare_flows,
    factored_flow,
    random_balanced_factors,
    riemannian_flow,
)
from fixedrank.flows import integration, keeping, stepping
from fixedrank.networks.initial import product_point

TIMES = np.linspace(0, 1, 7)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 12)) / 3
    return LinearRegression(X, rng.standard_normal((4, 5)) @ X)


@pytest.fixture(scope="module")
def layers():
    return random_balanced_factors([5, 2, 3, 4], rng=0)


def matrix(point):
    return (point.u * point.s) @ point.vt


def same(flow, whole):
    """What every flow has, however little it keeps."""
    for name in ("t", "loss", "gradient_norm", "singular_values"):
        np.testing.assert_array_equal(getattr(flow, name), getattr(whole, name))
    np.testing.assert_allclose(flow.balancedness, whole.balancedness, rtol=0, atol=1e-14)
    assert (flow.status, flow.steps, len(flow)) == (whole.status, whole.steps, len(whole))


def test_layers(problem, layers):
    whole = factored_flow(problem, layers, TIMES)
    assert whole.kept is whole.factors
    for keep in ("points", "products", "last", lambda factors: factors[0][0, 0]):
        flow = factored_flow(problem, layers, TIMES, keep=keep)
        same(flow, whole)
        assert flow.shape == (4, 5)
        for a, b in zip(flow.last, whole.factors[-1], strict=True):
            np.testing.assert_array_equal(a, b)
        with pytest.raises(AttributeError, match=r"layers were not kept: keep='layers' keeps them"):
            _ = flow.factors
        if keep in ("points", "products"):
            np.testing.assert_allclose(flow.product, whole.product, rtol=0, atol=1e-14)
        if keep == "points":
            # These were made of all layers at once, those of one after another.
            expected = [matrix(p) for p in whole.points]
            np.testing.assert_allclose([matrix(p) for p in flow.points], expected, atol=1e-14)
    assert flow.kept == [factors[0][0, 0] for factors in whole.factors]
    assert factored_flow(problem, layers, TIMES, keep="last").kept == [None] * TIMES.size


def test_points(problem, layers):
    start = product_point(layers, balanced=True)
    whole = riemannian_flow(problem, start, 3, TIMES)
    assert whole.kept is whole.points
    for keep in ("products", "last", lambda point: float(point.s[0])):
        flow = riemannian_flow(problem, start, 3, TIMES, keep=keep)
        same(flow, whole)
        np.testing.assert_array_equal(matrix(flow.last), matrix(whole.points[-1]))
        with pytest.raises(AttributeError, match=r"points W\(t\) were not kept: keep='points'"):
            _ = flow.points
        if keep == "products":
            np.testing.assert_array_equal(flow.product, whole.product)
    assert flow.kept == whole.singular_values[:, 0].tolist()
    with pytest.raises(AttributeError, match="here it was 'function'"):
        _ = flow.product


def test_from_the_last_one_goes_on(problem, layers):
    whole = factored_flow(problem, layers, TIMES, keep="last")
    first = factored_flow(problem, layers, TIMES[:4], keep="last")
    second = factored_flow(problem, first.last, TIMES[3:], keep="last")
    assert second.loss == pytest.approx(whole.loss[3:], rel=1e-6)
    first = riemannian_flow(
        problem, product_point(layers, balanced=True), 3, TIMES[:4], keep="last"
    )
    second = riemannian_flow(problem, first.last, 3, TIMES[3:], keep="last")
    assert second.loss == pytest.approx(whole.loss[3:], rel=1e-6)


def test_the_comparison_of_points(problem, layers):
    whole = compare_flows(problem, layers, TIMES)
    points = compare_flows(problem, layers, TIMES, keep="points")
    assert points.verdict == whole.verdict
    np.testing.assert_allclose(points.gap, whole.gap, rtol=0, atol=1e-14)
    expected = [balancedness(factors) for factors in whole.factored.factors]
    np.testing.assert_allclose(points.balancedness, expected, rtol=0, atol=1e-14)
    with pytest.raises(ValueError, match="keeps 'layers' or 'points' of the layers, got 'last'"):
        compare_flows(problem, layers, TIMES, keep="last")


def test_what_cannot_be_kept(problem, layers):
    known = "'layers', 'points', 'products', 'last', or a function of a record, got 'all'"
    with pytest.raises(ValueError, match=known):
        factored_flow(problem, layers, TIMES, keep="all")
    start = product_point(layers, balanced=True)
    with pytest.raises(ValueError, match="keep must be one of 'points', 'products', 'last', or"):
        riemannian_flow(problem, start, 3, TIMES, keep="layers")


def test_memory_is_asked_for_before_it_is_taken(problem, layers, monkeypatch):
    # The layers have 10 + 6 + 12 numbers, and there are two more, and two singular values.
    monkeypatch.setattr(keeping, "free_memory", lambda: 7 * 8 * 28)
    words = r"at 7 output times may take .* GB, .* MB each.*keep='points', keep='last'"
    with pytest.raises(MemoryError, match=words):
        factored_flow(problem, layers, TIMES)
    assert factored_flow(problem, layers, TIMES, keep="last").complete


def test_little_is_taken_where_little_is_kept(problem, monkeypatch):
    """Layers of 87 kB in all, at 200 times that are all in one step or two."""
    monkeypatch.setattr(stepping, "_PORTION", 1 << 14)
    monkeypatch.setattr(integration, "_TOGETHER", 1 << 14)
    wide = random_balanced_factors([5, 100, 100, 4], rng=0)
    peaks = {}
    for keep in ("layers", "last"):
        tracemalloc.start()
        factored_flow(problem, wide, np.linspace(0, 0.01, 200), method="RK45", rtol=1e-3, keep=keep)
        peaks[keep] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks["layers"] - peaks["last"] > 150 * sum(layer.nbytes for layer in wide)


def test_sizes_of_what_is_held():
    array = np.ones((3, 4))
    assert _memory.held(array) == 96
    assert _memory.held([array, (array, {"a": array})]) == 3 * 96
    assert 0 < _memory.held(1.5) < 100


def test_free_memory(tmp_path, monkeypatch):
    assert 1e6 < _memory.free_memory() <= math.inf
    system = tmp_path / "meminfo"
    system.write_text("MemTotal: 9 kB\nMemAvailable:       5 kB\n")
    monkeypatch.setattr(_memory, "_SYSTEM", system)
    monkeypatch.setattr(_memory, "_GROUP", tmp_path)
    assert _memory.free_memory() == 5 * 1024
    (tmp_path / "memory.max").write_text("4000\n")
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 700\ninactive_file 200\nactive_file 100\n")
    assert _memory.free_memory() == 3200
    (tmp_path / "memory.max").write_text("max\n")
    assert _memory.free_memory() == 5 * 1024
    system.unlink()
    assert 1e8 < _memory.free_memory() < math.inf
    monkeypatch.setattr(os, "sysconf_names", {})
    assert _memory.free_memory() == math.inf
