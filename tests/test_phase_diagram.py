"""The map of the second singular value over depth and size is what was measured, and is right."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "results"))
    return importlib.import_module("phase_diagram")


def share(depth, size):
    """Return s_2 where s_1 = 1, of s' = N s^(2-2/N) (sigma - s), in logarithms and the time of s_1.

    From d ln s_2 / d ln s_1 = (s_2 / s_1)^(1-2/N) (1 - s_2) / (2 - s_1).
    """

    def slope(x, y):
        return np.exp((1 - 2 / depth) * (y - x)) * (1 - np.exp(y)) / (2 - np.exp(x))

    start = np.log(size)
    run = solve_ivp(slope, (start, 0.0), [start], method="LSODA", rtol=1e-10, atol=1e-10)
    return np.exp(run.y[0, -1])


def test_the_record_is_of_what_the_script_runs(script):
    record, depths, sizes, logs = script.kept(DOCS / "results")
    np.testing.assert_allclose(depths, script.DEPTHS, rtol=1e-12)
    np.testing.assert_allclose(sizes, script.SIZES, rtol=1e-12)
    assert record["runs"] == logs.size == len(depths) * len(sizes) > 100_000
    assert f"{record['runs']:,} flows" in script.__doc__.split("\n", maxsplit=1)[0]
    assert record["largest error of s_1"] < 1e-4


def test_runs_are_those_of_another_equation(script):
    _, depths, sizes, logs = script.kept(DOCS / "results")
    rng = np.random.default_rng(0)
    for i, j in rng.integers(0, logs.shape, size=(40, 2)):
        # Kept to a thousandth of a decade.
        assert logs[i, j] == pytest.approx(np.log10(share(depths[i], sizes[j])), abs=1e-3)


def test_depth_two_is_the_critical_one(script):
    _, depths, sizes, logs = script.kept(DOCS / "results")
    slopes = {depth: script.slope(depths, sizes, logs, depth) for depth in (1.25, 2, 4)}
    assert abs(slopes[1.25]) < 0.02
    assert slopes[2] == pytest.approx(0.5, abs=0.01)
    assert slopes[4] == pytest.approx(1, abs=0.01)


def test_the_page_and_the_picture_are_made_of_the_record(script, tmp_path):
    pytest.importorskip("matplotlib")
    record, depths, sizes, logs = script.kept(DOCS / "results")
    page = (DOCS / "results" / "phase_diagram.md").read_text(encoding="utf-8")
    assert script.text(record) == page
    for depth, slope in record["slopes"].items():
        found = script.slope(depths, sizes, logs, float(depth))
        assert slope == pytest.approx(found, abs=0.006)
    script.draw(depths, sizes, logs, tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 10_000


def test_a_small_run_of_the_script(script, tmp_path):
    """With the companion: what is kept comes out again."""
    pytest.importorskip("diffrax")
    import jax

    before = jax.config.jax_enable_x64
    try:
        script.measure(script.DEPTHS[40:41], script.SIZES[::127], tmp_path)
    finally:
        jax.config.update("jax_enable_x64", before)
    _, depths, sizes, logs = script.kept(tmp_path)
    wanted = [np.log10(share(depths[0], size)) for size in sizes]
    np.testing.assert_allclose(logs[0], wanted, atol=1e-3)
    assert not list(tmp_path.glob("*.new*"))
