"""The results of benchmarks: what is kept by date, and that the tables are made of it."""

import dataclasses
import importlib
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "benchmarks"


@pytest.fixture
def modules(monkeypatch):
    pytest.importorskip("threadpoolctl")
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("records"), importlib.import_module("run")


def test_the_page_is_made_of_the_records(modules, tmp_path):
    pytest.importorskip("matplotlib")
    records, run = modules
    kept = records.load()
    run.render(kept, tmp_path / "results.md", tmp_path / "over_time.png")
    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert text == (FOLDER / "results.md").read_text(encoding="utf-8")
    assert (tmp_path / "over_time.png").stat().st_size > 10_000
    assert (tmp_path / "beside.png").stat().st_size > 10_000
    records.save(kept, tmp_path / "results.json")
    assert (tmp_path / "results.json").read_bytes() == records.FILE.read_bytes()


def test_what_the_picture_shows_is_there(modules):
    records, _ = modules
    for compared in records.SHOWN:
        ratios = records.series(records.load(), compared)
        assert len(ratios) >= 2, compared.label
        assert all(0 < ratio < 10 for ratio in ratios.values())


def test_every_bar_of_the_chart_is_there(modules):
    records, _ = modules
    charts = importlib.import_module("charts")
    last = records.latest(records.load())
    for panel in charts.PANELS:
        bars = charts._bars(last, panel)
        assert len(bars) == len(panel.rows) * (2 if panel.other else 1), panel.title
        assert {own for *_, own in bars} == {True, False}


TABLE = """\
default                                   |  one thread

(20, 20); agree to 1e-16
  retraction       15.6 ms    7.51 ms   2.08  |  11.1 ms    5.69 ms   1.96
  inner product    1.22 ms   0.444 ms   2.74  |  0.864 ms   1.42
  a + 0.3 b        173 us     1.00 x
d = 20, N = 10
  flow (9), auto   1.5 s   1367 evaluations   |  2e+03 ms   1367 evaluations""".splitlines()


def test_times_in_a_table(modules):
    records, _ = modules
    found = records.times_of(TABLE, ["default", "one thread"])
    assert found == {
        "default": {
            "(20, 20); retraction": pytest.approx([15.6e-3, 7.51e-3]),
            "(20, 20); inner product": pytest.approx([1.22e-3, 0.444e-3]),
            "(20, 20); a + 0.3 b": pytest.approx([173e-6]),
            "d = 20, N = 10; flow (9), auto": pytest.approx([1.5]),
        },
        "one thread": {
            "(20, 20); retraction": pytest.approx([11.1e-3, 5.69e-3]),
            # What is the same stands on the left only.
            "(20, 20); inner product": pytest.approx([1.22e-3, 0.864e-3]),
            "(20, 20); a + 0.3 b": pytest.approx([173e-6]),
            "d = 20, N = 10; flow (9), auto": pytest.approx([2.0]),
        },
    }


def test_the_last_run_of_a_day_counts(modules, tmp_path):
    records, _ = modules
    first = records.Record("limits", "2027-01-02", ["default"], 3, "a machine", TABLE)
    again = dataclasses.replace(first, seconds=4)
    before = dataclasses.replace(first, date="2027-01-01")
    records.save([first, again, before], tmp_path / "results.json")
    assert records.load(tmp_path / "results.json") == [before, again]
    assert records.latest(records.load(tmp_path / "results.json"))["limits"] == again
    assert isinstance(json.loads((tmp_path / "results.json").read_text())[0]["times"], dict)
