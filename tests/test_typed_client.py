"""The typed client runs; that its types are right is seen by mypy, which reads it with the rest."""

import tomllib
from pathlib import Path

import pytest

import fixedrank
from tests import typed_client

ROOT = Path(__file__).parents[1]
PARTS = [
    "geometry",
    "ambient",
    "losses",
    "landscape",
    "results",
    "wrong_points",
    "wrong_problems",
]


@pytest.mark.parametrize("part", PARTS)
def test_it_runs(part):
    getattr(typed_client, part)()


def test_the_type_checker_reads_it():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert "tests/typed_client.py" in settings["files"]
    assert settings["strict"]
    assert Path(fixedrank.__file__).with_name("py.typed").is_file()
