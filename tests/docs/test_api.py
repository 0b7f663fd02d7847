"""The API reference lists every public name, once."""

import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

import fixedrank
import fixedrank.optimizers
import fixedrank.testing

FOLDER = Path(__file__).parents[2] / "docs" / "api"
PAGES = {path: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))}


def listed():
    """The names in the lists, in full."""
    for text in PAGES.values():
        module = ""
        for line in text.split("\n"):
            if found := re.match(r"\.\. currentmodule:: (\S+)|\{py:data\} ", line.lstrip("`")):
                module = found[1] or module
            if found := re.fullmatch(r"   ([A-Za-z][\w.]*)", line):
                yield f"{module}.{found[1]}"
            if found := re.fullmatch(r"```\{py:data\} (\S+)", line):
                yield found[1]


LISTED = Counter(listed())
PUBLIC = {
    *(f"fixedrank.{name}" for name in fixedrank.__all__),
    *(f"fixedrank.testing.{name}" for name in fixedrank.testing.__all__),
}

# What packages need that may not be installed.
NEEDED = {"estimator": ["sklearn"], "jax": ["jax", "diffrax", "optax"]}


def test_names_are_found():
    assert len(LISTED) > 80


def test_every_public_name_is_listed_once():
    assert PUBLIC - set(LISTED) == set()
    assert {name for name, times in LISTED.items() if times > 1} == set()


def test_every_name_of_the_companion_for_jax_is_listed():
    for needed in NEEDED["jax"]:
        pytest.importorskip(needed)
    names = import_module("fixedrank.jax").__all__
    assert {f"fixedrank.jax.{name}" for name in names} - set(LISTED) == set()


@pytest.mark.parametrize("name", sorted(set(LISTED) - PUBLIC))
def test_other_names_that_are_listed_are_public_in_their_packages(name):
    package, _, attribute = name.removeprefix("fixedrank.").rpartition(".")
    for needed in NEEDED.get(package, ()):
        pytest.importorskip(needed)
    assert attribute in import_module(f"fixedrank.{package}").__all__


def test_every_page_is_in_the_table_of_contents():
    contents = re.search(r"```\{toctree\}.*?\n\n(.*?)\n```", PAGES[FOLDER / "index.md"], re.DOTALL)
    assert {path.stem for path in PAGES} == {"index", *contents[1].split()}
