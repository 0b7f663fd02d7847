"""The page on the mathematics names tests and functions that exist."""

import inspect
import re
from pathlib import Path

import pytest

import fixedrank

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "mathematics.md").read_text(encoding="utf-8")

# `tests/geometry/dense.py`, or in the table, below tests/, `geometry/metric/test_metric.py`.
FILES = sorted(set(re.findall(r"`(?:tests/)?(\w+/\w+\.py)`", PAGE)))
# {func}`~fixedrank.riemannian_flow`
NAMES = sorted(set(re.findall(r"\{(\w+)\}`~?(fixedrank[\w.]*)`", PAGE)))
LINKS = sorted(set(re.findall(r"\]\(#([^)]+)\)", PAGE)))
HEADINGS = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)

KINDS = {"func": inspect.isfunction, "class": inspect.isclass, "meth": inspect.isroutine}


def test_the_page_is_found_to_name_things():
    assert len(FILES) > 40
    assert len(NAMES) > 60
    assert len(LINKS) > 20


@pytest.mark.parametrize("name", FILES)
def test_files_exist(name):
    assert (ROOT / "tests" / name).is_file()


@pytest.mark.parametrize(("role", "name"), NAMES)
def test_names_exist(role, name):
    public, *attributes = name.removeprefix("fixedrank.").split(".")
    assert public in fixedrank.__all__
    found = getattr(fixedrank, public)
    for attribute in attributes:
        found = getattr(found, attribute)
    assert KINDS[role](found)


@pytest.mark.parametrize("anchor", LINKS)
def test_links_within_the_page_lead_to_headings(anchor):
    assert anchor in {heading.lower().replace(" ", "-") for heading in HEADINGS}


def test_quoted_tests_exist():
    """A test that is quoted by its title is a function of the file that is named before it."""
    quoted = re.findall(r"`(tests/\w+/\w+\.py)`,\s+\"([^\"]+)\"", PAGE)
    assert quoted
    for path, title in quoted:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert "_".join(title.split()) in text
