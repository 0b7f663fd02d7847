"""The command as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixedrank.command import main

ROOT = Path(__file__).parents[2]


def run(*arguments, folder):
    return execute([sys.executable, "-m", "fixedrank", *arguments], folder)


def execute(command, folder, stdout=subprocess.PIPE):
    return subprocess.run(
        command,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"},
        check=False,
    )


def test_help(tmp_path):
    result = run("--help", folder=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith("usage: fixedrank")
    assert "compare" in result.stdout
    assert not result.stderr
    assert not list(tmp_path.iterdir())


def test_help_of_compare(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["compare", "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--data", "--x", "--y", "--depth", "--rank", "--time", "--method", "--out"):
        assert option in shown


def test_an_error(tmp_path):
    result = run("compare", "--x", "missing.npy", folder=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "fixedrank: error: missing.npy: no such file\n"


def test_the_default_folder(tmp_path):
    arguments = ["--data", "gaussian", "--dim", "4", "--points", "3", "--time", "0.5"]
    result = run("compare", *arguments, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    names = {path.name for path in (tmp_path / "fixedrank-compare").iterdir()}
    assert names == {"compare.png", "compare.npz"}


def test_where_nobody_reads_the_results_are_written(tmp_path):
    """As in ``fixedrank compare | head -1``."""
    command = f"{sys.executable} -m fixedrank compare --data gaussian --dim 4 --points 3 --time 0.5"
    script = f"{command} | head -1; exit ${{PIPESTATUS[0]}}"
    result = execute(["bash", "-c", script], tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith("Gaussian data")
    assert not result.stderr
    names = {path.name for path in (tmp_path / "fixedrank-compare").iterdir()}
    assert names == {"compare.png", "compare.npz"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk(tmp_path):
    """The standard output is full: one line says so."""
    command = [sys.executable, "-m", "fixedrank", "compare", "--data", "gaussian", "--dim", "4"]
    with Path("/dev/full").open("w") as full:
        result = execute(command, tmp_path, stdout=full)
    assert result.returncode == 2
    assert result.stderr.startswith("fixedrank: error: ")
    assert "No space left" in result.stderr
