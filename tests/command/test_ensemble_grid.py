"""Several experiments in one call of fixedrank ensemble: one table, and what remains open."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from fixedrank.command import main
from fixedrank.ensembles import ensemble

pytest.importorskip("matplotlib")

GRID = ("--depth", "2", "3", "--dim", "2", "3", "--width", "2", "3", "--scale", "0.3", "0.6")


def grid(folder, *options, runs=4):
    given = ("--out", str(folder), "--workers", "1", "--runs", str(runs), *options)
    return main(["ensemble", *given])


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Run all in this process: processes take seconds to start."""
    monkeypatch.setattr("fixedrank.command.ensemble.process_pool", ThreadPoolExecutor)


def cells(folder):
    return json.loads((folder / "cells.json").read_text())


def test_each_combination_is_a_cell_of_one_table(tmp_path, capsys):
    assert grid(tmp_path, *GRID) == 0
    found = cells(tmp_path)
    # A width of 3 is above a dimension of 2; the least width comes first in the layers.
    shapes = {tuple(cell["widths"]) for cell in found}
    assert shapes == {
        *[(d, *inner, d) for d, inner in ((2, (2,)), (3, (2,)), (3, (3,)))],
        *[(d, *inner, d) for d, inner in ((2, (2, 2)), (3, (2, 3)), (3, (3, 3)))],
    }
    assert len(found) == 12
    assert all(cell["runs"] == cell["decided"] == 4 for cell in found)
    assert not any(cell["open_runs"] for cell in found)
    with (tmp_path / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["widths"] for row in rows] == [" ".join(map(str, c["widths"])) for c in found]
    assert [float(row["scale"]) for row in rows] == [cell["scale"] for cell in found]
    assert "48 of 48 runs are certain" in capsys.readouterr().out


def test_it_goes_on_where_it_was_and_with_more_runs(tmp_path, monkeypatch):
    options = ("--depth", "2", "3", "--dim", "2")
    grid(tmp_path, *options)
    first = cells(tmp_path)
    seeds = []
    run_batch = ensemble.run_batch
    monkeypatch.setattr(
        ensemble, "run_batch", lambda e, part: seeds.extend(part) or run_batch(e, part)
    )
    grid(tmp_path, *options)
    assert (seeds, cells(tmp_path)) == ([], first)
    grid(tmp_path, *options, runs=6)
    assert sorted(seeds) == [4, 4, 5, 5]
    assert [cell["runs"] for cell in cells(tmp_path)] == [6, 6]


def test_what_remains_is_listed_with_its_state(tmp_path, capsys):
    options = ("--depth", "3", "4", "--dim", "2", "--scale", "0.001")
    assert grid(tmp_path, *options, "--time", "1", "--longer", "20") == 1
    for cell in cells(tmp_path):
        assert (cell["end"], cell["continue_to"], cell["decided"]) == (1, 20, 0)
        # Not NaN, which is no JSON.
        assert (cell["median_t"], cell["longest_t"]) == (None, None)
        assert [run["seed"] for run in cell["open_runs"]] == list(range(4))
        for run in cell["open_runs"]:
            assert (run["t"], run["rank"], run["nearest"]) == (20, 0, "")
            assert run["loss_gap"] == pytest.approx(2.5, rel=1e-3)  # (2^2 + 1^2) / 2
            assert run["loss_gap_by_next_critical_gap"] == pytest.approx(5, rel=1e-3)
            assert "non-strict saddle: rank 0 of 2" in run["status"]
            assert "least eigenvalue of the Hessian of the layers -" in run["status"]
    assert "seed 3" in capsys.readouterr().out
    # They are continued, and each becomes certain.
    options = ("--depth", "3", "4", "--dim", "2", "--scale", "0.4")
    assert grid(tmp_path / "longer", *options, "--time", "1", "--longer", "1e9") == 0
    assert [cell["continued"] for cell in cells(tmp_path / "longer")] == [4, 4]


def test_the_last_time_of_small_starts(tmp_path):
    grid(tmp_path, "--depth", "3", "4", "--dim", "1", "--scale", "0.001", "0.5", runs=1)
    ends = {(len(cell["widths"]) - 1, cell["scale"]): cell["end"] for cell in cells(tmp_path)}
    # A hundred times (scale^(2 - N)) / (N - 2), and at least 2000.
    assert ends == {(3, 0.001): 1e5, (3, 0.5): 2000, (4, 0.001): 5e7, (4, 0.5): 2000}


def test_an_interruption(tmp_path, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fixedrank.command.ensemble.run_ensemble", interrupted)
    assert grid(tmp_path, "--depth", "2", "3") == 130
    assert "start again to go on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--depth", "3", "3"), "must not give a value twice"),
        (("--dim", "2", "3", "--width", "4", "5"), "each --width [4, 5] is above each --dim"),
        (("--longer", "0.5"), "--longer must be finite and at least 1, got 0.5"),
        (("--tolerance", "1"), "tolerance must be below 1, got 1"),
    ],
)
def test_bad_options(options, message, tmp_path, capsys):
    assert grid(tmp_path, *options) == 2
    assert message in capsys.readouterr().err
