"""The pages on the mathematics name tests and functions that exist."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import fixedrank

ROOT = Path(__file__).parents[2]
PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "docs" / "mathematics").glob("*.md"))
}
TEXT = "\n".join(PAGES.values())

# `tests/geometry/dense.py`, or in the table, below tests/, `geometry/metric/test_metric.py`.
FILES = sorted(set(re.findall(r"`(?:tests/)?(\w+/\w+\.py)`", TEXT)))
# {func}`~fixedrank.riemannian_flow`
NAMES = sorted(set(re.findall(r"\{(\w+)\}`~?(fixedrank[\w.]*)`", TEXT)))
LINKS = sorted(
    {
        (file or page, anchor)
        for page, text in PAGES.items()
        for file, anchor in re.findall(r"\]\((\w+\.md)?#([^)]+)\)", text)
    }
)

KINDS = {"func": inspect.isfunction, "class": inspect.isclass, "meth": inspect.isroutine}


def test_the_pages_are_found_to_name_things():
    assert len(FILES) > 40
    assert len(NAMES) > 60
    assert len(LINKS) > 20


@pytest.mark.parametrize("name", FILES)
def test_files_exist(name):
    assert (ROOT / "tests" / name).is_file()


@pytest.mark.parametrize(("role", "name"), NAMES)
def test_names_exist(role, name):
    package = fixedrank
    if name.startswith("fixedrank.jax."):
        for needed in ("jax", "diffrax", "optax"):
            pytest.importorskip(needed)
        package = import_module("fixedrank.jax")
    public, *attributes = name.removeprefix(f"{package.__name__}.").split(".")
    assert public in dir(package)
    found = getattr(package, public)
    for attribute in attributes:
        found = getattr(found, attribute)
    assert KINDS[role](found)


@pytest.mark.parametrize(("page", "anchor"), LINKS)
def test_links_between_the_pages_lead_to_headings(page, anchor):
    headings = re.findall(r"^#+ (.+)$", PAGES[page], re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_table_of_contents():
    contents = re.search(r"```\{toctree\}.*?\n\n(.*?)\n```", PAGES["index.md"], re.DOTALL)
    assert {name.removesuffix(".md") for name in PAGES} == {"index", *contents[1].split()}


def test_quoted_tests_exist():
    """A test that is quoted by its title is a function of the file that is named before it."""
    quoted = re.findall(r"`(tests/\w+/\w+\.py)`,\s+\"([^\"]+)\"", TEXT)
    assert quoted
    for path, title in quoted:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert "_".join(title.split()) in text
