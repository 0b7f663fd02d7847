"""The code of the front page and of the answers runs."""

import re
from pathlib import Path

import pytest

import fixedrank

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
# What a block asks for that may not be installed.
EXTRAS = ("torch", "pandas", "sklearn", "matplotlib")


def answers():
    """The code before the first question, and that of each question."""
    parts = re.split(r"^### (.+)$", (DOCS / "how_to.md").read_text("utf-8"), flags=re.MULTILINE)
    (before,) = BLOCK.findall(parts[0])
    return before, {
        title: BLOCK.findall(text) for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }


BEFORE, ANSWERS = answers()
FRONT = BLOCK.findall((DOCS / "index.md").read_text("utf-8"))


def run(code, folder, monkeypatch):
    """Run code in a folder of its own."""
    for extra in EXTRAS:
        if re.search(rf"^(import|from) {extra}\b", code, re.MULTILINE):
            pytest.importorskip(extra)
    monkeypatch.chdir(folder)
    names = {}
    exec(compile(code, "documentation", "exec"), names)
    return names


def test_there_are_twenty_answers_with_code():
    assert len(ANSWERS) >= 20
    assert all(len(blocks) == 1 for blocks in ANSWERS.values())


@pytest.mark.parametrize("title", ANSWERS)
def test_answers_are_short(title):
    (code,) = ANSWERS[title]
    lines = [line for line in code.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 10
    assert max(map(len, lines)) <= 88


@pytest.mark.parametrize("title", ANSWERS)
def test_answers_run(title, tmp_path, monkeypatch, capsys):
    run(BEFORE + ANSWERS[title][0], tmp_path, monkeypatch)


@pytest.mark.parametrize("block", range(3))
def test_the_front_page_runs(block, tmp_path, monkeypatch, capsys):
    assert len(FRONT) == 3
    names = run(FRONT[block], tmp_path, monkeypatch)
    assert names["fixedrank"] is fixedrank
