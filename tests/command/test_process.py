"""The command as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*arguments, folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    return subprocess.run(
        [sys.executable, "-m", "fixedrank", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )


def test_help(tmp_path):
    result = run("--help", folder=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith("usage: fixedrank")
    assert "compare" in result.stdout
    assert not result.stderr
    assert not list(tmp_path.iterdir())


def test_help_of_compare(tmp_path):
    result = run("compare", "--help", folder=tmp_path)
    assert result.returncode == 0
    for option in ("--data", "--x", "--y", "--depth", "--rank", "--time", "--method", "--out"):
        assert option in result.stdout


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
