"""``fixedrank figures``: pictures, data, manifest, table, and going on after an interruption."""

import csv
import io
import json
from contextlib import redirect_stdout
from dataclasses import replace

import numpy as np
import pytest

from fixedrank.command import main
from fixedrank.paper import compute, definitions, paper_figures, runs

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module", autouse=True)
def shorter_still():
    """The quick figures up to an earlier time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(definitions, "_QUICK", definitions._QUICK._replace(time=20.0))
        yield


@pytest.fixture(scope="module")
def folder_and_output(tmp_path_factory):
    """The quick Figures 5 and 6, which share their experiments, and what was printed."""
    folder = tmp_path_factory.mktemp("figures")
    arguments = ["figures", "5", "6", "--quick", "--workers", "1", "--out", str(folder)]
    with redirect_stdout(io.StringIO()) as output:
        assert main(arguments) == 0
    return folder, output.getvalue()


@pytest.fixture
def folder(folder_and_output):
    return folder_and_output[0]


def test_files(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "experiments",
        "findings.txt",
        "manifest.json",
        *(f"figure-{n}.{kind}" for n in (5, 6) for kind in ("png", "pdf", "csv")),
    }
    assert (folder / "figure-5.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "figure-5.pdf").read_bytes().startswith(b"%PDF")


def test_data_are_the_curves(folder):
    figure = paper_figures(quick=True)[5]
    with (folder / "figure-5.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(r["panel"], int(r["N"])) for r in rows} == {("left", 2), ("right", 10)}
    setting = figure.panels[0].curves[1][1]
    chosen = [r for r in rows if r["panel"] == "left" and int(r["d"]) == setting.d]
    found = compute(setting, 0)
    assert [float(r["t"]) for r in chosen] == found.t.tolist()
    np.testing.assert_allclose(
        [float(r["distance_to_limit"]) for r in chosen],
        found["distance_to_limit"],
        rtol=1e-6,
        atol=1e-9,
    )


def test_manifest(folder):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["command"] == {"figures": [5, 6], "quick": True, "seed": 0}
    assert {"python", "numpy", "scipy", "fixedrank", "matplotlib"} <= manifest["versions"].keys()
    assert len(manifest["experiments"]) == 4
    for experiment in manifest["experiments"]:
        assert experiment["seconds"] > 0
        assert experiment["status"]
    assert manifest["figures"]["5"]["files"] == ["figure-5.png", "figure-5.pdf", "figure-5.csv"]
    assert {finding["holds"] for finding in manifest["findings"]} <= {True, False, None}


def test_the_table_is_printed_and_kept(folder_and_output):
    folder, printed = folder_and_output
    table = (folder / "findings.txt").read_text(encoding="utf-8")
    assert table.strip() in printed
    assert "|W(t) - limit| -> 0" in table
    assert "yes Fig. 6, N=2, d=4, r=2" in table


def test_nothing_is_computed_twice_and_files_come_out_the_same(folder, monkeypatch):
    before = {path: path.read_bytes() for path in folder.glob("figure-*")}
    monkeypatch.setattr(runs, "compute", None)
    arguments = ["figures", "6", "5", "--quick", "--workers", "1", "--out", str(folder)]
    assert main(arguments) == 0
    for path, content in before.items():
        assert path.read_bytes() == content, path.name


def test_an_interruption(tmp_path, monkeypatch, capsys):
    def interrupted(setting, seed):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "compute", interrupted)
    assert main(["figures", "5", "--quick", "--workers", "1", "--out", str(tmp_path)]) == 130
    assert "start again to go on" in capsys.readouterr().out


def test_an_integration_that_fails_is_told(tmp_path, monkeypatch, capsys):
    whole = compute(paper_figures(quick=True)[5].settings[0], 0)
    short = replace(whole, complete=False, status="step size collapsed")
    monkeypatch.setattr(runs, "compute", lambda setting, seed: short)
    assert main(["figures", "5", "--quick", "--workers", "1", "--out", str(tmp_path)]) == 1
    assert "cut short: step size collapsed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["10"], "the paper has Figures 1 to 9, not 10"),
        (["0", "3"], "the paper has Figures 1 to 9, not 0"),
        (["--seed", "-1"], "--seed must be at least 0, got -1"),
        (["--workers", "0"], "--workers must be at least 1, got 0"),
    ],
)
def test_bad_arguments(tmp_path, capsys, arguments, message):
    assert main(["figures", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_words_are_no_numbers(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["figures", "one"])
    assert stopped.value.code == 2
    assert "invalid int value: 'one'" in capsys.readouterr().err


def test_an_unwritable_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["figures", "5", "--quick", "--out", str(tmp_path / "file" / "x")]) == 2
    assert "cannot write there" in capsys.readouterr().err
