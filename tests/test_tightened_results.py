"""What the pages on tightened saddles say is what was measured."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOUND = json.loads((ROOT / "docs/results/tightened_saddles.json").read_text(encoding="utf-8"))
TEXT = (ROOT / "docs/results/tightened_saddles.md").read_text(encoding="utf-8")
PAGE = (ROOT / "examples/landscape/tightened_saddles.py").read_text(encoding="utf-8")

FACTORS = (1.1, 1.5, 2, 3)
MANY = FOUND["many random h=2 d=2 epsilon=0.02"]
CLOSER = MANY["closer than 1/1.1, 1/1.5, 1/2, 1/3"]


def medians(name, places):
    return [FOUND[name.format(place)]["time"][1] for place in places]


RANDOM = medians("random h=2 d=2 epsilon={}", (0.1, 0.05, 0.02, 0.01, 0.005))
RAYS = medians("ray epsilon={}", (0.1, 0.05, 0.02, 0.01))
DELTAS = (0.4, 0.2, 0.1, 0.05, 0.02, 0.01)
DEFINITE = medians("definite delta={} epsilon=0.01", DELTAS)


def literal(name):
    """Return what the page assigns to a name, alone or in a tuple of names."""
    for node in ast.parse(PAGE).body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets[0], node.value
            if isinstance(targets, ast.Name) and targets.id == name:
                return ast.literal_eval(value)
            if isinstance(targets, ast.Tuple) and isinstance(value, ast.Tuple):
                for target, part in zip(targets.elts, value.elts, strict=True):
                    if target.id == name:
                        return ast.literal_eval(part)
    raise LookupError(name)


def row(start):
    """Return the numbers of a row of the text."""
    line = next(line for line in TEXT.splitlines() if line.startswith(f"| {start}"))
    cells = line.strip("|").split("|")[1:]
    return [float(cell) for cell in cells if re.fullmatch(r" *[\d.]+ *", cell)]


def test_the_page_has_the_numbers_of_the_record():
    about = {"rel": 0.02}
    closer = literal("measured")
    assert list(closer) == pytest.approx(FACTORS)
    assert list(closer.values()) == pytest.approx(CLOSER, **about)
    assert literal("random") == pytest.approx(RANDOM, **about)
    assert literal("rays") == pytest.approx(RAYS, **about)
    leaving = literal("leaving")
    assert list(leaving) == pytest.approx(DELTAS)
    assert list(leaving.values()) == pytest.approx(DEFINITE, **about)


def test_the_text_has_the_numbers_of_the_record():
    about = {"rel": 0.02}
    assert row("4000 networks")[:4] == pytest.approx(CLOSER, **about)
    predicted = [FOUND["returning"][str(factor)] for factor in (*FACTORS, 8)]
    assert row("flow of the cubic form") == pytest.approx(predicted, rel=0.05)
    assert row("random starts, median") == pytest.approx(RANDOM, **about)
    assert row("on the rays, median") == pytest.approx(RAYS, **about)
    assert row("median")[:6] == pytest.approx(DEFINITE, **about)


def test_no_network_returned():
    runs = [record for record in FOUND.values() if "decided" in record]
    assert all(record["decided"] == record["copies"] for record in runs)
    assert sum(record["copies"] for record in runs) == 8616 + 1400


def test_the_saddles_are_as_the_theorem_says():
    saddles = [record for name, record in FOUND.items() if name.startswith("saddle ")]
    assert len(saddles) == 30
    for saddle in saddles:
        assert saddle["kind"] == "non-strict saddle"
        assert abs(saddle["least over largest rate"]) < 5e-16
        assert saddle["kernel"] == saddle["predicted kernel"]
        assert saddle["error of the cubic form"] < 2e-13
