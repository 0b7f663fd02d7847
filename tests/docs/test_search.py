"""What people search for is found, on pages that say something about it."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TEXTS = {
    path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8")
    for folder in (".", "mathematics", "api")
    for path in sorted((DOCS / folder).glob("*.md"))
}
TERMS = re.findall(r"^([^\s`#].*)\n(?=(?:\S.*\n)*  )", TEXTS["glossary.md"], re.MULTILINE)


@pytest.mark.parametrize(
    "words",
    [
        "weight decay",
        "NTK",
        "neural tangent kernel",
        "Bures-Wasserstein",
        "matrix factorization",
        "implicit bias",
        "matrix completion",
        "saddle to saddle",
    ],
)
def test_words_are_defined_and_said_elsewhere(words):
    assert words.lower() in {term.lower().removesuffix(" metric") for term in TERMS}
    others = [name for name, text in TEXTS.items() if words.lower() in text.lower()]
    assert len(others) > 1


def test_terms_are_in_order_and_defined_once():
    plain = [term.lower() for term in TERMS if not term.startswith("$") and term != "NTK"]
    assert plain == sorted(set(plain))
    assert len(plain) > 30


def test_terms_that_are_linked_are_defined():
    known = {term.lower() for term in TERMS}
    for text in TEXTS.values():
        for linked in re.findall(r"\{term\}`(?:[^`<]*<)?([^`>]+)>?`", text):
            assert linked.lower() in known
