"""fixedrank ensemble: what it prints and leaves, and what it refuses."""

import csv

import pytest

from fixedrank.command import main

pytest.importorskip("matplotlib")


def ensemble(folder, *options):
    return main(["ensemble", "--out", str(folder), "--workers", "1", "--dim", "3", *options])


@pytest.mark.parametrize(("theorem", "depth", "rank"), [("5b", 2, 3), ("5a", 3, 3), ("6", 3, 2)])
def test_theorems(theorem, depth, rank, tmp_path, capsys):
    assert ensemble(tmp_path, "--theorem", theorem, "--runs", "30") == 0
    out = capsys.readouterr().out
    assert f"30 runs, N = {depth}: global minimum 30" in out
    assert f"rank of the limit: {rank} (30)" in out
    assert "each is certain" in out
    assert (tmp_path / "ensemble.png").stat().st_size > 10_000
    with (tmp_path / "runs.csv").open(newline="") as file:
        assert [int(row["seed"]) for row in csv.DictReader(file)] == list(range(30))


def test_weight_decay(tmp_path, capsys):
    # Singular values of 2, 1.5 and 1: less than a decay of 1.2 is left out by two layers.
    assert ensemble(tmp_path / "two", "--runs", "20", "--weight-decay", "1.2") == 0
    out = capsys.readouterr().out
    assert "global minimum 20" in out
    assert "rank of the limit: 2 (20)" in out
    # Zero is a local minimum of three layers, and from small starts nothing else is reached.
    options = ("--depth", "3", "--scale", "0.01", "--runs", "5", "--weight-decay", "0.3")
    assert ensemble(tmp_path / "three", *options) == 0
    assert "not decided 5" in capsys.readouterr().out


def test_runs_that_are_not_decided_are_listed(tmp_path, capsys):
    options = ("--theorem", "5a", "--depth", "4", "--scale", "0.001", "--time", "1", "--runs", "3")
    assert ensemble(tmp_path, *options) == 1
    out = capsys.readouterr().out
    assert "not decided 3" in out
    assert "seed 2: loss gap" in out
    assert "W = 0" in out


def test_it_goes_on_where_it_was(tmp_path, capsys, monkeypatch):
    assert ensemble(tmp_path, "--runs", "5") == 0
    calls = []
    monkeypatch.setattr(
        "fixedrank.ensembles.ensemble.run_batch", lambda *args: calls.append(args) or []
    )
    assert ensemble(tmp_path, "--runs", "5") == 0
    assert not calls
    assert capsys.readouterr().out.count("5 runs, N = 2: global minimum 5") == 2


def test_an_interruption(tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("fixedrank.ensembles.ensemble.run_batch", interrupted)
    assert ensemble(tmp_path, "--runs", "5") == 130
    assert "start again to go on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--runs", "0"), "--runs must be at least 1, got 0"),
        (("--weight-decay", "-1"), "--weight-decay must be finite and at least 0, got -1"),
        (("--depth", "0"), "--depth must be at least 1, got 0"),
        (("--q", "4"), "--q 4 must not be above --dim 3"),
        (("--width", "4"), "--width 4"),
        (("--rank", "2"), "--rank is for balanced starts: --theorem 6"),
        (("--seed", "-1"), "--seed must be at least 0"),
        (("--scale", "-1"), "scale must be positive and finite"),
        (("--time", "0"), "end must be positive and finite"),
        (("--theorem", "6", "--rank", "4"), "rank 4 is above the smallest width 3"),
    ],
)
def test_bad_options(options, message, tmp_path, capsys):
    assert ensemble(tmp_path, *options) == 2
    assert message in capsys.readouterr().err


def test_another_experiment_in_the_same_folder(tmp_path, capsys):
    assert ensemble(tmp_path, "--runs", "2") == 0
    assert ensemble(tmp_path, "--runs", "2", "--seed", "1") == 2
    assert "runs of another experiment" in capsys.readouterr().err


def test_an_unwritable_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert ensemble(tmp_path / "file", "--runs", "2") == 2
    assert "cannot write there" in capsys.readouterr().err
